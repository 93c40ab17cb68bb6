"""How the model knows where a token stands: wavelengths of the rotation, or the rows of a learned table."""

from collections.abc import Sequence

from anatomy import facts
from anatomy.control import Control
from anatomy.language import N_, _
from anatomy.request import Want
from anatomy.spec import LearnedPositions, ModelSpec, RelativeBias, Rope
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import zoomed
from panels.common.alike import is_long
from panels.panel import Panel, Table
from panels.position import position_rows, position_waves
from panels.position.position_rows import Learned
from panels.position.position_waves import Turning
from viz.dots import Dots
from viz.grid import Grid


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The rows of a learned table; nothing for a rotary model, whose frequencies are facts of the model."""
    return (position_rows.TABLE,) if isinstance(spec.position, LearnedPositions) else ()


def idle(spec: ModelSpec, view: Fitted) -> Sequence[Control]:
    """There is nothing to zoom but in the map of many rows of a learned table."""
    return () if isinstance(spec.position, LearnedPositions) and is_long(view.length) else zoomed.settings()


def applies(spec: ModelSpec) -> str | None:
    """None, or that the model has neither rotary nor learned positions."""
    if spec.position is None:
        return _("This model has neither rotary nor learned positions.")
    if isinstance(spec.position, RelativeBias):
        return _(
            "This model has neither rotary nor learned positions: it adds a number to the scores for each distance "
            "between two tokens."
        )
    return None


def read(trace: Trace, view: Fitted) -> Turning | Learned:
    """Rotary: how each pair turns. Learned: the rows used, and how the chosen one lies to them."""
    return (position_waves if isinstance(trace.spec.position, Rope) else position_rows).read(trace, view)


def draw(positions: Turning | Learned) -> Dots | Grid:
    """Rotary: the wavelength of each pair beside text and context. Learned: cosine between the rows used."""
    return position_waves.draw(positions) if isinstance(positions, Turning) else position_rows.draw(positions)


def caption(positions: Turning | Learned) -> str:
    """What the positions of this model look like for this text."""
    return position_waves.caption(positions) if isinstance(positions, Turning) else position_rows.caption(positions)


def table(positions: Turning | Learned) -> Table:
    """Rotary: each pair's frequency, wavelength and angle. Learned: the chosen position against every other."""
    return position_waves.table(positions) if isinstance(positions, Turning) else position_rows.table(positions)


def formula(positions: Turning | Learned) -> str:
    """How the chosen position enters, with the numbers."""
    return position_waves.formula(positions) if isinstance(positions, Turning) else position_rows.formula(positions)


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Rotary: tokens per turn of every pair. Learned: cosine between the position rows used, in the figure's cells."""
    return (position_waves if isinstance(spec.position, Rope) else position_rows).snippet(spec, view)


PANEL = Panel(
    id="position",
    stage="position",
    order=0,
    name=N_("Positions"),
    title=N_("How does the model know the order?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=zoomed.settings(),
    idle=idle,
    applies=applies,
    facts=(facts.EMBEDDING, facts.ROTATION),
)
