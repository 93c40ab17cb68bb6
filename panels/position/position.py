"""How the model knows where a token stands: wavelengths of the rotation, or the rows of a learned table."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _, ngettext
from anatomy.measure import cosine_matrix, cosines, norms
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.spec import LearnedPositions, ModelSpec, RelativeBias, Rope
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.columns import Columns, columns_of, table_note, table_rows
from panels.common.snippet import opening
from panels.panel import Panel, Table
from viz import nouns
from viz.dots import Dots
from viz.format import cosine, number, quoted, thousands
from viz.grid import Grid, Part
from viz.level import Level

_TABLE = Want("pos_embed")
_ALONE = 400  # positions that are drawn each with each; more stand together in columns


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The rows of a learned table; nothing for a rotary model, whose frequencies are facts of the model."""
    return (_TABLE,) if isinstance(spec.position, LearnedPositions) else ()


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


def wavelengths(rope: Rope) -> Float[np.ndarray, " pair"]:
    """Tokens until a pair has turned once: 2π / frequency (RoFormer, Su et al. 2021, sec. 3.2.2); ∞ for a pair that
    does not turn."""
    frequencies = np.array(rope.frequencies, np.float64)
    return np.divide(2 * math.pi, frequencies, out=np.full(frequencies.shape, np.inf), where=frequencies > 0)


def draw(trace: Trace, view: Fitted) -> Grid:
    """Rotary: the wavelength of each pair beside text and context. Learned: cosine between the rows used."""
    if isinstance(trace.spec.position, Rope):
        return _waves(trace, view, trace.spec.position)
    columns, chosen = _columns(trace), (view.pos, _most_like(trace, view))
    labels = columns.labels([str(pos) for pos in range(columns.count)])
    return Grid(
        z=_matrix(trace, columns),
        rows=labels,
        cols=labels,
        row_axis=_("position"),
        col_axis=_("position"),
        unit=_("cosine"),
        title=_("Position rows: cosine"),
        low=-1.0,
        high=1.0,
        signed=True,
        focus=(columns.of(chosen[0]), columns.of(chosen[1])),
        selects="token",
        part=Part(columns.edges, columns.edges, chosen, columns.count) if columns.pooled else None,
        measure=_("mean") if columns.pooled else None,
    )


def _waves(trace: Trace, view: Fitted, rope: Rope) -> Dots:
    waves = wavelengths(rope)
    turning = np.flatnonzero(np.isfinite(waves))
    return Dots(
        x=turning.astype(np.float32),
        y=waves[turning].astype(np.float32),
        notes=tuple(
            _(
                "pair {pair}: one turn in {wave} tokens; at position {pos} turned by {angle}",
                pair=pair,
                wave=number(float(waves[pair])),
                pos=view.pos,
                angle=_degrees(rope, view.pos, pair),
            )
            for pair in turning.tolist()
        ),
        accent=tuple(bool(wave <= trace.spec.max_pos) for wave in waves[turning]),
        x_axis=_("pair of query and key components"),
        y_axis=_("tokens per turn (log scale)"),
        levels=(
            Level(
                trace.spec.max_pos,
                ngettext(
                    "longest text: {count} token",
                    "longest text: {count} tokens",
                    trace.spec.max_pos,
                ),
            ),
            Level(
                len(trace.tokens),
                ngettext(
                    "this text: {count} token",
                    "this text: {count} tokens",
                    len(trace.tokens),
                ),
            ),
        ),
    )


def _degrees(rope: Rope, position: int, pair: int) -> str:
    """The angle by which a pair is turned at a position, whole turns included."""
    return f"{number(math.degrees(position * rope.frequencies[pair]))}°"


def _columns(trace: Trace) -> Columns:
    return columns_of(len(trace.tokens), alone=_ALONE)


def _matrix(trace: Trace, columns: Columns) -> Float[np.ndarray, "column column"]:
    """Cosines between the rows of every two positions; of columns of several their mean, which is what the means of
    unit vectors come to when they are multiplied."""
    rows = trace[_TABLE]
    if not columns.pooled:
        return cosine_matrix(rows).astype(np.float32)
    lengths = norms(rows)[:, None]
    unit = np.divide(rows, lengths, out=np.zeros(rows.shape), where=lengths > 0)
    means = columns.mean(unit.T)  # [d_model column]
    return (means.T @ means).astype(np.float32)


def _alike(trace: Trace, view: Fitted) -> Float[np.ndarray, " pos"]:
    """Cosine of the chosen position's row with every other's."""
    return cosines(trace[_TABLE], trace[_TABLE][view.pos]).astype(np.float32)


def _most_like(trace: Trace, view: Fitted) -> int:
    """The other position whose row points most nearly the way of the chosen one; itself where there is no other."""
    row = _alike(trace, view)
    row[view.pos] = -np.inf
    return largest_at(row)


def caption(trace: Trace, view: Fitted) -> str:
    """What the positions of this model look like for this text."""
    rope = trace.spec.position
    return _says_rotary(trace, rope) if isinstance(rope, Rope) else _says_learned(trace, view, _rows(trace.spec))


def _says_rotary(trace: Trace, rope: Rope) -> str:
    waves = wavelengths(rope)
    turns = ngettext(
        "Queries and keys are turned by position × frequency, base θ = {theta}: the fastest of {count} pair turns "
        "once in {fastest} tokens, the slowest once in {slowest}.",
        "Queries and keys are turned by position × frequency, base θ = {theta}: the fastest of {count} pairs turns "
        "once in {fastest} tokens, the slowest once in {slowest}.",
        len(waves),
        theta=thousands(round(rope.theta)),
        fastest=number(float(waves.min())),
        slowest=number(float(waves.max())),
    )
    return f"{turns} {_full_circles(trace, waves)}"


def _full_circles(trace: Trace, waves: Float[np.ndarray, " pair"]) -> str:
    """How many pairs turn once within the text, and how many not once within the longest."""
    inside, beyond = int((waves <= len(trace.tokens)).sum()), int((waves > trace.spec.max_pos).sum())
    places = {
        "inside": inside,
        "tokens": nouns.tokens(len(trace.tokens)),
        "longest": thousands(trace.spec.max_pos),
    }
    if inside == 0:
        return ngettext(
            "None of them comes full circle within this text of {tokens}; {count} pair turns less than once within "
            "the longest text of {longest}.",
            "None of them comes full circle within this text of {tokens}; {count} pairs turn less than once within "
            "the longest text of {longest}.",
            beyond,
            **places,
        )
    if inside == 1:
        return ngettext(
            "One of them comes full circle within this text of {tokens}; {count} pair turns less than once within "
            "the longest text of {longest}.",
            "One of them comes full circle within this text of {tokens}; {count} pairs turn less than once within "
            "the longest text of {longest}.",
            beyond,
            **places,
        )
    return ngettext(
        "{inside} of them come full circle within this text of {tokens}; {count} pair turns less than once within "
        "the longest text of {longest}.",
        "{inside} of them come full circle within this text of {tokens}; {count} pairs turn less than once within "
        "the longest text of {longest}.",
        beyond,
        **places,
    )


def _rows(spec: ModelSpec) -> int:
    """How many positions a learned table holds."""
    return spec.position.rows if isinstance(spec.position, LearnedPositions) else 0


def _says_learned(trace: Trace, view: Fitted, rows: int) -> str:
    used = _(
        "Each position has a trained row of {width} numbers, added to the embedding: this text uses {used} of {rows}.",
        width=thousands(trace.spec.d_model),
        used=thousands(len(trace.tokens)),
        rows=thousands(rows),
    )
    if len(trace.tokens) < 2:
        return used
    other = _most_like(trace, view)
    alike = _(
        "Row {pos} is most like row {other} (cosine {cosine}).",
        pos=view.pos,
        other=other,
        cosine=cosine(float(_alike(trace, view)[other])),
    )
    return " ".join(sentence for sentence in (used, alike, _cells(trace)) if sentence)


def _cells(trace: Trace) -> str:
    """What a cell is of a text that is too long for one per pair of positions."""
    columns = _columns(trace)
    if not columns.pooled:
        return ""
    return _(
        "Each cell is the mean of up to {side} × {side} pairs of positions.", side=thousands(int(columns.sizes.max()))
    )


def table(trace: Trace, view: Fitted) -> Table:
    """Rotary: each pair's frequency, wavelength and angle. Learned: the chosen position against every other."""
    rope = trace.spec.position
    if isinstance(rope, Rope):
        return Table(
            (
                _("pair"),
                _("frequency (radians per token)"),
                _("tokens per turn"),
                _("angle at position {pos} (degrees)", pos=view.pos),
            ),
            tuple(
                (pair, frequency, float(wave), math.degrees(view.pos * frequency))
                for pair, (frequency, wave) in enumerate(zip(rope.frequencies, wavelengths(rope), strict=True))
            ),
        )
    lengths, alike, shown = norms(trace[_TABLE]), _alike(trace, view), table_rows(len(trace.tokens), view.pos)
    return Table(
        (_("position"), _("token"), _("length of its row (L2 norm)"), _("cosine with position {pos}", pos=view.pos)),
        tuple((pos, trace.tokens[pos].label, float(lengths[pos]), float(alike[pos])) for pos in shown),
        table_note(len(trace.tokens), shown),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """How the chosen position enters, with the numbers."""
    rope, here = trace.spec.position, quoted(trace.tokens[view.pos].label)
    if isinstance(rope, Rope):
        return _rotary_lines(rope, view)
    row = trace[_TABLE][view.pos]
    return "\n".join(
        (
            _(
                "into layer 0: row of {token} in the embedding table + row {pos} of the position table",
                token=here,
                pos=view.pos,
            ),
            _(
                "row {pos} = ({first}, … {width} numbers)   length {length}",
                pos=view.pos,
                first=", ".join(number(float(value)) for value in row[:4]),
                width=thousands(len(row)),
                length=number(float(norms(row))),
            ),
        )
    )


def _rotary_lines(rope: Rope, view: Fitted) -> str:
    """The turn, the frequencies, and the angle of three pairs at the chosen position."""
    places = {"width": 2 * len(rope.frequencies), "theta": thousands(round(rope.theta)), "scaling": rope.scaling}
    frequency = (
        _("frequency of pair i = θ^(−2i/{width}), θ = {theta}, rescaled ({scaling})", **places)
        if rope.scaling
        else _("frequency of pair i = θ^(−2i/{width}), θ = {theta}, not rescaled", **places)
    )
    pairs = dict.fromkeys((0, len(rope.frequencies) // 2, len(rope.frequencies) - 1))
    return "\n".join(
        (
            _("q and k: each pair (a, b) → (a cos α − b sin α, a sin α + b cos α),   α = position × frequency"),
            frequency,
            *(
                _(
                    "pair {pair}: α = {pos} × {frequency} = {angle}",
                    pair=pair,
                    pos=view.pos,
                    frequency=number(rope.frequencies[pair]),
                    angle=_degrees(rope, view.pos, pair),
                )
                for pair in pairs
            ),
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Rotary: tokens per turn of every pair. Learned: cosine between the position rows used, in the figure's cells."""
    if isinstance(spec.position, Rope):
        return f"""{opening(spec, view)}
rotary = next(module for module in model.modules() if hasattr(module, "inv_freq"))
result = 2 * torch.pi / rotary.inv_freq  # tokens per turn, one number per pair
print({view.pos} * rotary.inv_freq)  # angles at the chosen position, in radians
"""
    count = max(view.length, view.pos + 1)  # nobody may have counted them: then it is a short text
    columns = columns_of(count, alone=_ALONE)
    return f"""{opening(spec, view)}
table = model.base_model.get_submodule("{spec.paths.positions}").weight.detach()
unit = torch.nn.functional.normalize(table[: len(ids)], dim=-1)
{_pooling(columns)}result = unit @ unit.T
print(result[{columns.of(view.pos)}])
"""


def _pooling(columns: Columns) -> str:
    """Python that takes the means of rows side by side: the mean of their cosines is the product of these."""
    if not columns.pooled:
        return ""
    return f"""edges = [i * {columns.count} // {len(columns)} for i in range({len(columns)} + 1)]
unit = torch.stack([unit[a:b].mean(dim=0) for a, b in zip(edges, edges[1:])])  # [cell, d_model]
"""


PANEL = Panel(
    id="position",
    stage="position",
    order=0,
    name=N_("Positions"),
    title=N_("How does the model know the order?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
)
