"""How the model knows where a token stands: wavelengths of the rotation, or the rows of a learned table."""

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.measure import cosine_matrix, norms
from anatomy.request import Want
from anatomy.spec import LearnedPositions, ModelSpec, Rope
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.snippet import opening, paths
from viz.dots import Dots, Level, dots
from viz.format import cosine, many, number, quoted, thousands
from viz.grid import Grid

_TABLE = Want("pos_embed")


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The rows of a learned table; nothing for a rotary model, whose frequencies are facts of the model."""
    return (_TABLE,) if isinstance(spec.position, LearnedPositions) else ()


def applies(spec: ModelSpec) -> str | None:
    """Models without either kind of positions have nothing to show."""
    if spec.position is None:
        return "This model has neither rotary nor learned positions."
    return None


def wavelengths(rope: Rope) -> Float[np.ndarray, " pair"]:
    """Tokens until a pair has turned once: 2π / frequency (RoFormer, Su et al. 2021, sec. 3.2.2); ∞ for a pair that
    does not turn."""
    frequencies = np.array(rope.frequencies, np.float64)
    return np.divide(2 * math.pi, frequencies, out=np.full(frequencies.shape, np.inf), where=frequencies > 0)


def draw(trace: Trace, view: Fitted) -> go.Figure | Grid:
    """Rotary: the wavelength of each pair beside text and context. Learned: cosine between the rows used."""
    if isinstance(trace.spec.position, Rope):
        return _waves(trace, view, trace.spec.position)
    return Grid(
        z=_matrix(trace),
        rows=_places(trace),
        cols=_places(trace),
        row_axis="position",
        col_axis="position",
        unit="cosine",
        title="Position rows: cosine",
        low=-1.0,
        high=1.0,
        signed=True,
        focus=(view.pos, _most_like(trace, view)),
        selects="token",
    )


def _waves(trace: Trace, view: Fitted, rope: Rope) -> go.Figure:
    waves = wavelengths(rope)
    turning = np.flatnonzero(np.isfinite(waves))
    return dots(
        Dots(
            x=turning.astype(np.float32),
            y=waves[turning].astype(np.float32),
            notes=tuple(
                f"pair {pair}: one turn in {number(float(waves[pair]))} tokens; at position {view.pos} turned by "
                f"{_degrees(rope, view.pos, pair)}"
                for pair in turning.tolist()
            ),
            accent=tuple(bool(wave <= trace.spec.max_pos) for wave in waves[turning]),
            x_axis="pair of query and key components",
            y_axis="tokens per turn (log scale)",
            levels=(
                Level(trace.spec.max_pos, f"longest text: {many(trace.spec.max_pos, 'token')}"),
                Level(len(trace.tokens), f"this text: {many(len(trace.tokens), 'token')}"),
            ),
        )
    )


def _degrees(rope: Rope, position: int, pair: int) -> str:
    """The angle by which a pair is turned at a position, whole turns included."""
    return f"{number(math.degrees(position * rope.frequencies[pair]))}°"


def _places(trace: Trace) -> tuple[str, ...]:
    return tuple(str(place) for place in range(len(trace.tokens)))


def _matrix(trace: Trace) -> Float[np.ndarray, "pos pos"]:
    return cosine_matrix(trace[_TABLE]).astype(np.float32)


def _most_like(trace: Trace, view: Fitted) -> int:
    """The other position whose row points most nearly the way of the chosen one; itself where there is no other."""
    row = _matrix(trace)[view.pos].copy()
    row[view.pos] = -np.inf
    return int(row.argmax())


def says(trace: Trace, view: Fitted) -> str:
    """What the positions of this model look like for this text."""
    rope = trace.spec.position
    return _says_rotary(trace, rope) if isinstance(rope, Rope) else _says_learned(trace, view, _rows(trace.spec))


def _says_rotary(trace: Trace, rope: Rope) -> str:
    waves = wavelengths(rope)
    inside, beyond = int((waves <= len(trace.tokens)).sum()), int((waves > trace.spec.max_pos).sum())
    turns = "1 pair turns" if beyond == 1 else f"{beyond} pairs turn"
    return (
        f"Queries and keys are turned by position × frequency, base θ = {thousands(round(rope.theta))}: the fastest of "
        f"{many(len(waves), 'pair')} turns once in {number(float(waves.min()))} tokens, the slowest once in "
        f"{number(float(waves.max()))}. {_come(inside)} full circle within this text of "
        f"{many(len(trace.tokens), 'token')}; {turns} less than once within the longest text of "
        f"{thousands(trace.spec.max_pos)}."
    )


def _come(count: int) -> str:
    if count < 2:
        return f"{'One' if count else 'None'} of them comes"
    return f"{count} of them come"


def _rows(spec: ModelSpec) -> int:
    """How many positions a learned table holds."""
    return spec.position.rows if isinstance(spec.position, LearnedPositions) else 0


def _says_learned(trace: Trace, view: Fitted, rows: int) -> str:
    told = (
        f"Each position has a trained row of {thousands(trace.spec.d_model)} numbers, added to the embedding: this "
        f"text uses {len(trace.tokens)} of {thousands(rows)}."
    )
    if len(trace.tokens) < 2:
        return told
    other = _most_like(trace, view)
    return f"{told} Row {view.pos} is most like row {other} (cosine {cosine(float(_matrix(trace)[view.pos, other]))})."


def table(trace: Trace, view: Fitted) -> Table:
    """Rotary: each pair's frequency, wavelength and angle. Learned: the chosen position against every other."""
    rope = trace.spec.position
    if isinstance(rope, Rope):
        return Table(
            ("pair", "frequency (radians per token)", "tokens per turn", f"angle at position {view.pos} (degrees)"),
            tuple(
                (pair, frequency, float(wave), math.degrees(view.pos * frequency))
                for pair, (frequency, wave) in enumerate(zip(rope.frequencies, wavelengths(rope), strict=True))
            ),
        )
    return Table(
        ("position", "token", "length of its row (L2 norm)", f"cosine with position {view.pos}"),
        tuple(
            (place, label, float(length), float(value))
            for place, (label, length, value) in enumerate(
                zip(trace.labels, norms(trace[_TABLE]), _matrix(trace)[view.pos], strict=True)
            )
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """How the chosen position enters, with the numbers."""
    rope, here = trace.spec.position, quoted(trace.tokens[view.pos].label)
    if isinstance(rope, Rope):
        pairs = dict.fromkeys((0, len(rope.frequencies) // 2, len(rope.frequencies) - 1))
        theta = thousands(round(rope.theta))
        kind = f"rescaled ({rope.scaling})" if rope.scaling else "not rescaled"
        return "\n".join(
            (
                "q and k: each pair (a, b) → (a cos α − b sin α, a sin α + b cos α),   α = position × frequency",
                f"frequency of pair i = θ^(−2i/{2 * len(rope.frequencies)}), θ = {theta}, {kind}",
                *(
                    f"pair {pair}: α = {view.pos} × {number(rope.frequencies[pair])} = {_degrees(rope, view.pos, pair)}"
                    for pair in pairs
                ),
            )
        )
    row = trace[_TABLE][view.pos]
    first = ", ".join(number(float(value)) for value in row[:4])
    return "\n".join(
        (
            f"into layer 0: row of {here} in the embedding table + row {view.pos} of the position table",
            f"row {view.pos} = ({first}, … {thousands(len(row))} numbers)   length {number(float(norms(row)))}",
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Rotary: tokens per turn of every pair. Learned: cosine between the position rows used."""
    if isinstance(spec.position, Rope):
        return f"""{opening(spec, view)}
rotary = next(module for module in model.modules() if hasattr(module, "inv_freq"))
result = 2 * torch.pi / rotary.inv_freq  # tokens per turn, one number per pair
print({view.pos} * rotary.inv_freq)  # angles at the chosen position, in radians
"""
    return f"""{opening(spec, view)}
table = model.base_model.get_submodule("{paths(spec).positions}").weight.detach()
unit = torch.nn.functional.normalize(table[: len(ids)], dim=-1)
result = unit @ unit.T
print(result[{view.pos}])
"""


PANEL = Panel(
    id="position",
    stage="position",
    order=0,
    name="Positions",
    title="How does the model know the order?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
)
