"""The model in fewer and fewer bits: what its text loses, which predictions flip, which part breaks first."""

from functools import partial

from anatomy.control import Choice
from anatomy.language import N_
from panels.panel import Panel
from panels.scale.ranged import read
from panels.scale.ranges import Range, Way, applies, fitting, later, needs
from panels.scale.ranges_caption import caption
from panels.scale.ranges_drawing import draw, table
from panels.scale.ranges_formula import formula
from panels.scale.ranges_snippet import snippet

BITS = (8, 6, 5, 4, 3, 2)
SHOWN = Choice(
    "quantized",
    N_("Show"),
    ("loss", "kl", "flips", "distance", "parts", "bytes", "seconds"),
    (
        N_("loss"),
        N_("KL"),
        N_("flips"),
        N_("distance"),
        N_("by part"),
        N_("bytes"),
        N_("seconds"),
    ),
    says=N_(
        "Of the model in fewer bits: its loss on this text; how far its predictions, or its last stream, are from the "
        "model's own; how many predictions another token leads; attention or the FFN alone in few bits; bytes in a "
        "file; the time that a pass takes here."
    ),
)


def _bits(how: str = "") -> tuple[str, ...]:
    """The variants from the most bits to the fewest."""
    return tuple(f"{bits}bit{how}" for bits in BITS)


QUANTIZATION = Range(
    kinds=frozenset({"int8", *(f"{bits}bit" for bits in BITS)}),
    axis=N_("bits per weight"),
    places=tuple(map(str, BITS)),
    ways=(
        Way(N_("scale and least value per 32 weights"), _bits(), N_("{place} bits")),
        Way(N_("scale per 32 weights, around 0"), _bits("=sym"), N_("{place} bits around 0")),
        Way(N_("scale per row, around 0 (int8)"), ("int8", *[None] * (len(BITS) - 1)), "int8"),
    ),
    parts=(
        Way(N_("everywhere"), _bits(), N_("{place} bits")),
        Way(N_("attention alone"), _bits("=attention"), N_("{place} bits")),
        Way(N_("FFN alone"), _bits("=ffn"), N_("{place} bits")),
    ),
)
PANEL = Panel(
    id="quantization",
    stage="scale",
    order=2,
    name=N_("Fewer bits"),
    title=N_("How few bits per weight are enough?"),
    needs=needs,
    later=partial(later, QUANTIZATION, SHOWN),
    read=partial(read, QUANTIZATION, SHOWN),
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=partial(snippet, QUANTIZATION, SHOWN),
    controls=(SHOWN,),
    fitting=fitting,
    applies=partial(applies, QUANTIZATION),
)
