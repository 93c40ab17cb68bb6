"""The model in half precision: how far its streams come from those of float32, layer by layer."""

from functools import partial

from anatomy.control import Choice
from anatomy.language import N_
from anatomy.variants import PRECISIONS
from panels.panel import Panel
from panels.scale.ranged import Ranged, read
from panels.scale.ranges import Range, Way, applies, fitting, later, needs
from panels.scale.ranges_caption import caption
from panels.scale.ranges_drawing import draw_bars, draw_layers, table
from panels.scale.ranges_formula import formula
from panels.scale.ranges_snippet import snippet
from viz.bars import Bars
from viz.lines import Lines

SHOWN = Choice(
    "halved",
    N_("Show"),
    ("layers", "kl", "flips", "bytes", "seconds"),
    (
        N_("by layer"),
        N_("KL"),
        N_("flips"),
        N_("bytes"),
        N_("seconds"),
    ),
    says=N_(
        "What is seen of the model in half precision: how far its stream is from that of float32 after each layer, how "
        "far its predictions are, how many predictions another token leads, the bytes that its weights take, or the "
        "time that a pass takes here."
    ),
)
HALVES = ("fp16", "bf16")  # the one with more digits first
PRECISION = Range(
    kinds=frozenset(PRECISIONS),
    axis=N_("precision"),
    places=tuple(PRECISIONS[name] for name in HALVES),
    ways=(Way(N_("weights and arithmetic"), HALVES, "{place}"),),
    parts=(),
)


def draw(ranged: Ranged) -> Lines | Bars:
    """Lines over the layers, or a bar for each precision."""
    return draw_layers(ranged) if ranged.shown == "layers" else draw_bars(ranged)


PANEL = Panel(
    id="precision",
    stage="scale",
    order=4,
    name=N_("Half precision"),
    title=N_("What does half precision cost?"),
    needs=needs,
    later=partial(later, PRECISION, SHOWN),
    read=partial(read, PRECISION, SHOWN),
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=partial(snippet, PRECISION, SHOWN),
    controls=(SHOWN,),
    fitting=fitting,
    applies=partial(applies, PRECISION),
)
