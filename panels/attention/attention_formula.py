"""The attention map's arithmetic (Vaswani et al. 2017, sec. 3.2.1) with the chosen cell's numbers put in."""

import math

import numpy as np
from jaxtyping import Float

from anatomy.language import _, ngettext
from anatomy.request import Want
from anatomy.spec import ModelSpec, RelativeBias
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.attention import attention_long as far
from panels.attention.attention_map import ShownRow, by_length, shown_row
from panels.common.attention_row import Row, at, row_of, seen
from panels.common.chosen_cell import group_of
from panels.common.columns import span
from panels.common.shared import FIRST, WORDS
from viz.format import number, percent, quoted, rounding

_LISTED = 4  # terms of a sum that are written out


def formula(trace: Trace, view: Fitted) -> str:
    """From query and key to the weight of the chosen cell, then all weights times values against the model's own z;
    where lengths are shown from weight to length; where words are shown how their tokens' numbers are joined."""
    shown = shown_row(trace, view)
    if view[WORDS]:
        return "\n".join((_head_line(view, shown), *_joined_lines(trace, view, shown), *_length_lines(view, shown)))
    row = row_of(trace, view)
    src = row.pos if shown.col is None else shown.col
    group = group_of(trace.spec, view)
    head = _(
        "layer {layer}, query head {head}, key/value head {group}: {looking} → {looked}",
        layer=view.layer,
        head=view.head,
        group=group,
        looking=shown.named(row.pos),
        looked=shown.named(src),
    )
    if by_length(view):
        return "\n".join((head, _product_line(shown, src), *_length_lines(view, shown), *_cell_lines(trace, view, src)))
    lines = (*_score_lines(trace, view, row, src, group), *_sum_lines(trace, view, row, src, group))
    return "\n".join((head, *lines, *_cell_lines(trace, view, src)))


def _score_lines(trace: Trace, view: Fitted, row: Row, src: int, group: int) -> list[str]:
    """q·k / √d = score → weight."""
    q = at(trace, view, "q")[view.head].astype(np.float64)  # [d_head]
    k = trace[Want("k", view.layer)][group, src].astype(np.float64)  # [d_head]
    sum_, plain, more = _plain_score(trace, view, float(q @ k), src)
    score = float(row.scores[src])
    if not np.isfinite(score):
        return [sum_, *more, _("masked: the score becomes −∞, the weight e^−∞ = 0")]
    compared = _(
        "{sum} (the model's own score: {score}, difference {difference})",
        sum=sum_,
        score=number(score),
        difference=rounding(plain - score, row.scores, q * k / _root(trace.spec)),
    )
    lines = [compared, *more, _softmax_line(row, score)]
    if not view[FIRST] and np.isfinite(row.weights[src]):
        lines.append(_without_first(float(row.pattern[src]), row.first, float(row.weights[src])))
    return lines


def _plain_score(trace: Trace, view: Fitted, dot: float, src: int) -> tuple[str, float, list[str]]:
    """(the score before the mask with its numbers, its value, a line that explains what is added)."""
    spec = trace.spec
    root = _root(spec)
    scaled = dot / root
    left = f"q·k / √{spec.d_head}" if spec.scaled else "q·k"
    middle = f"{number(dot)} / {number(root)}" if spec.scaled else number(dot)
    if not isinstance(spec.position, RelativeBias):
        return f"{left} = {middle} = {number(scaled)}" if spec.scaled else f"{left} = {middle}", scaled, []
    added = float(at(trace, view, "pos_bias")[view.head, src])
    sum_ = f"{left} + b = {middle} + {number(added)} = {number(scaled + added)}"
    return sum_, scaled + added, [_("b: what this head adds for the distance between the two")]


def _root(spec: ModelSpec) -> float:
    """What q·k is divided by."""
    return math.sqrt(spec.d_head) if spec.scaled else 1.0


def _softmax_line(row: Row, score: float) -> str:
    kept = row.scores[np.isfinite(row.scores)].astype(np.float64)
    total = float(kept.max() + np.log(np.exp(kept - kept.max()).sum()))  # ln Σ e^score, safe for large scores
    return ngettext(
        "e^{score} / Σ = {weight}, where Σ = e^{total} is the sum over the {count} token it may see",
        "e^{score} / Σ = {weight}, where Σ = e^{total} is the sum over the {count} tokens it may see",
        len(kept),
        score=number(score),
        weight=number(math.exp(score - total)),
        total=number(total),
    )


def _without_first(weight: float, first: float, share: float) -> str:
    return _(
        "without the first token: {weight} / (1 − {first}) = {share}",
        weight=number(weight),
        first=number(first),
        share=number(share),
    )


def _sum_lines(trace: Trace, view: Fitted, row: Row, src: int, group: int) -> list[str]:
    """Weight × value, added up, against what the model computed."""
    v = trace[Want("v", view.layer)][group].astype(np.float64)  # [src d_head]
    z = at(trace, view, "z")[view.head]  # [d_head]
    off = float(np.abs(row.pattern.astype(np.float64) @ v - z).max())
    return [
        f"→ {number(float(row.pattern[src]))} × v({quoted(trace.tokens[src].label)})",
        ngettext(
            "such products, summed over {count} token = the model's own z, largest difference {difference}",
            "such products, summed over {count} tokens = the model's own z, largest difference {difference}",
            len(v),
            difference=rounding(off, v),
        ),
    ]


def _product_line(shown: ShownRow, src: int) -> str:
    """Weight × length of the value = length."""
    weight, length = shown.weight(src), shown.length(src)
    rule = "‖weight × v W_O‖ = weight × ‖v W_O‖"
    if weight == 0:
        return f"{rule} = 0"
    return f"{rule} = {number(weight)} × {number(length / weight)} = {number(length)}"


def _length_lines(view: Fitted, shown: ShownRow) -> list[str]:
    """The chosen length among all of its row; nothing where weights are shown."""
    if shown.lengths is None:
        return []
    col = shown.row if shown.col is None else shown.col
    length, total = shown.length(col), float(np.nansum(shown.lengths))
    return [
        _(
            "of the lengths of its row: {length} / {total} = {share}; of the weights: {weight}",
            length=number(length),
            total=number(total),
            share=percent(shown.share(length)),
            weight=percent(shown.weight(col)),
        ),
        _("W_O: this head's part of the output projection; the projection's bias belongs to no head and is left out"),
        _(
            "lengths are added here, the model adds the vectors: those may cancel, their sum is at most {total} long",
            total=number(total),
        ),
    ]


def _cell_lines(trace: Trace, view: Fitted, src: int) -> list[str]:
    """The cell of a long text's map that covers the chosen one; nothing where pairs have cells of their own."""
    if not far.in_cells(view):
        return []
    cells = far.cells_of(trace, view, by_length(view))
    place = cells.at(view.pos, src)
    if place is None or np.isnan(cells.values[place]):
        return []
    rows, cols = (range(int(cut[i]), int(cut[i + 1])) for cut, i in zip((cells.rows, cells.cols), place, strict=True))
    return [
        ngettext(
            "in the map: positions {looking} looking at {looked}, {count} pair: {measure} {value}",
            "in the map: positions {looking} looking at {looked}, {count} pairs: {measure} {value}",
            len(rows) * len(cols),
            looking=span(rows.start, rows.stop),
            looked=span(cols.start, cols.stop),
            measure=far.measured(view, by_length(view)),
            value=number(float(cells.values[place])),
        )
    ]


def _head_line(view: Fitted, shown: ShownRow) -> str:
    return _(
        "layer {layer}, query head {head}: {looking} → {looked}",
        layer=view.layer,
        head=view.head,
        looking=shown.named(shown.row),
        looked=shown.named(shown.row if shown.col is None else shown.col),
    )


def _joined_lines(trace: Trace, view: Fitted, shown: ShownRow) -> list[str]:
    """The chosen cell of two words as the mean of sums that it is."""
    site = "contribution" if by_length(view) else "pattern"
    cells = np.nan_to_num(seen(trace, view, trace[Want(site, view.layer)][view.head]))  # [pos src]
    col = shown.row if shown.col is None else shown.col
    keys = [src for src in shown.words.tokens(col) if src > 0 or view[FIRST]]
    queries = shown.words.tokens(shown.row)
    sums = cells[np.ix_(queries, keys)].sum(axis=1)
    mean = float(sums.mean())
    lines = [
        _("summed over the keys of {looked}:", looked=shown.named(col)),
        *(f"  {quoted(trace.tokens[pos].label)}: {_terms(cells[pos, keys])}" for pos in queries[:_LISTED]),
        *(["  …"] if len(queries) > _LISTED else []),
        _("averaged over the queries: {sum} / {count} = {mean}", sum=_sum(sums), count=len(queries), mean=number(mean)),
    ]
    if by_length(view):
        return lines
    if not view[FIRST] and shown.first < 1:
        lines.append(_without_first(mean, shown.first, mean / (1 - shown.first)))
    total = number(float(np.nansum(shown.weights)))
    return [*lines, _("all of {looking}'s row: {total}", looking=shown.named(shown.row), total=total)]


def _terms(values: Float[np.ndarray, " term"]) -> str:
    """a + b + … = sum."""
    return f"{_sum(values)} = {number(float(values.sum()))}" if len(values) != 1 else number(float(values[0]))


def _sum(values: Float[np.ndarray, " term"]) -> str:
    """(a + b + …), the first few written out; a number alone stands as it is."""
    listed = " + ".join(number(float(value)) for value in values[:_LISTED])
    more = " + …" if len(values) > _LISTED else ""
    return f"({listed}{more})" if len(values) != 1 else listed
