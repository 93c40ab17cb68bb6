"""How the weights of one row are stored: the file's own bits, and what they mean."""

from anatomy.language import N_
from anatomy.spec import ModelSpec
from anatomy.storage import reason
from panels.panel import Panel
from panels.scale.stored_block import MATRIX, NUMBER, ROW, fitting, needs, read
from panels.scale.stored_figure import figure
from panels.scale.stored_snippet import program
from panels.scale.stored_words import caption, formula, table


def applies(spec: ModelSpec) -> str | None:
    """Where it is not known which file the weights came from, there are no bits to show."""
    why = reason(spec)
    return None if why is None else str(why)


PANEL = Panel(
    id="stored",
    stage="scale",
    order=5,
    name=N_("Stored bits"),
    title=N_("How is one weight stored, bit by bit?"),
    needs=needs,
    read=read,
    draw=figure,
    caption=caption,
    table=table,
    formula=formula,
    snippet=program,
    controls=(MATRIX, ROW, NUMBER),
    fitting=fitting,
    applies=applies,
    places=("layer",),
    wide=True,
)
