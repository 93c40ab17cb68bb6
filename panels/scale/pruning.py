"""The model with more and more of its weights set to 0: what its text loses, which part breaks first."""

from dataclasses import replace
from functools import partial

from anatomy.language import N_
from panels.panel import Panel
from panels.scale.quantization import SHOWN as OF_BITS
from panels.scale.ranged import read
from panels.scale.ranges import Range, Way, applies, fitting, later, needs
from panels.scale.ranges_caption import caption
from panels.scale.ranges_drawing import draw, table
from panels.scale.ranges_formula import formula
from panels.scale.ranges_snippet import snippet

SHARES = tuple(range(0, 100, 10))  # percent
SHOWN = replace(
    OF_BITS,
    name="pruned",
    says=N_(
        "Of the model with weights left out: its loss on this text; how far its predictions, or its last stream, are "
        "from the model's own; how many predictions another token leads; attention or the FFN alone pruned; bytes in a "
        "file; the time that a pass takes here."
    ),
)


def _pruned(part: str = "") -> tuple[str, ...]:
    """The variants from none of the weights left out to most of them."""
    return tuple(f"prune={percent / 100:g}{part}" for percent in SHARES)


PRUNING = Range(
    kinds=frozenset({"prune"}),
    axis=N_("weights of the matrices set to 0 (%)"),
    places=tuple(map(str, SHARES)),
    ways=(Way(N_("everywhere"), _pruned(), N_("{place} % pruned")),),
    parts=(
        Way(N_("everywhere"), _pruned(), N_("{place} % pruned")),
        Way(N_("attention alone"), _pruned(",attention"), N_("{place} % pruned")),
        Way(N_("FFN alone"), _pruned(",ffn"), N_("{place} % pruned")),
    ),
)
PANEL = Panel(
    id="pruning",
    stage="scale",
    order=3,
    name=N_("Fewer weights"),
    title=N_("How many weights can be left out?"),
    needs=needs,
    later=partial(later, PRUNING, SHOWN),
    read=partial(read, PRUNING, SHOWN),
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=partial(snippet, PRUNING, SHOWN),
    controls=(SHOWN,),
    fitting=fitting,
    applies=partial(applies, PRUNING),
)
