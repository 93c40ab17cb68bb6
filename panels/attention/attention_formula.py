"""The attention map's arithmetic (Vaswani et al. 2017, sec. 3.2.1) with the chosen cell's numbers put in."""

import math

import numpy as np
from jaxtyping import Float

from anatomy.language import _, ngettext
from anatomy.spec import ModelSpec
from panels.attention import attention_long as far
from panels.attention.attention_caption import unjoined
from panels.attention.attention_map import AttentionMap, Products, most_joined
from panels.attention.attention_shown import ShownRow, by_length
from panels.common.chosen_cell import group_of
from panels.common.columns import span
from viz.format import number, percent, quoted, rounding

_LISTED = 4  # terms of a sum that are written out


def formula(attention: AttentionMap) -> str:
    """From query and key to the weight of the chosen cell, then all weights times values against the model's own z;
    where lengths are shown from weight to length; where words are shown how their tokens' numbers are joined. Of a text
    that is too long for words, why they are not offered."""
    if attention.products is None:
        lines = _word_lines(attention)
    else:
        lines = [_head_line(attention), *_token_lines(attention, attention.products), *_cell_lines(attention)]
    if attention.view.length > most_joined(attention.spec):
        lines.append(unjoined(attention.spec))
    return "\n".join(lines)


def _head_line(attention: AttentionMap) -> str:
    """Which cell it is, of two tokens."""
    view, row = attention.view, attention.row
    return _(
        "layer {layer}, query head {head}, key/value head {group}: {looking} → {looked}",
        layer=view.layer,
        head=view.head,
        group=group_of(attention.spec, view),
        looking=row.named(row.looking),
        looked=row.named(row.key),
    )


def _token_lines(attention: AttentionMap, products: Products) -> list[str]:
    """The chosen weight, or the chosen length."""
    row = attention.row
    if by_length(attention.view):
        return [_product_line(row), *_length_lines(row)]
    return [*_score_lines(attention.spec, products, row), *_sum_lines(products, row)]


def _score_lines(spec: ModelSpec, products: Products, row: ShownRow) -> list[str]:
    """q·k / √d = score → weight."""
    sum_, plain, more = _plain_score(products)
    score = float(products.scores[row.key])
    if not np.isfinite(score):
        return [sum_, *more, _("masked: the score becomes −∞, the weight e^−∞ = 0")]
    compared = _(
        "{sum} (the model's own score: {score}, difference {difference})",
        sum=sum_,
        score=number(score),
        difference=rounding(plain - score, products.scores, products.q * products.k * products.factor.value),
    )
    soft, own = _softmax(products, score), float(row.weights[row.key])
    changed = products.weighed.part(soft - own, 1.0)
    lines = [compared, *more, _softmax_line(products, score, soft)]
    if changed:
        lines.append(_reweighed(products, own))
    if row.left_out and not changed and np.isfinite(row.shown[row.key]):
        lines.append(_without_first(row.weight(row.key), row.first, float(row.shown[row.key])))
    return lines


def _plain_score(products: Products) -> tuple[str, float, list[str]]:
    """(the score before the mask with its numbers, its value, a line that explains what is added)."""
    factor, dot = products.factor, float(products.q @ products.k)
    scaled = dot * factor.value
    left, middle = factor.symbols(), factor.written(dot)
    added = products.bias
    if added is None:
        return f"{left} = {middle}" if factor.value == 1 else f"{left} = {middle} = {number(scaled)}", scaled, []
    sum_ = f"{left} + b = {middle} + {number(added)} = {number(scaled + added)}"
    return sum_, scaled + added, [_("b: what this head adds for the distance between the two")]


def _reweighed(products: Products, weight: float) -> str:
    """The weight after what is changed in this run."""
    return _(
        "a change of this run comes after that ({change}), and the weight is {own}",
        change=products.weighed.says,
        own=number(weight),
    )


def _softmax(products: Products, score: float) -> float:
    """The weight of a score among those of its row."""
    return math.exp(score - _log_sum(products))


def _log_sum(products: Products) -> float:
    """ln Σ e^score of the row, safe for large scores."""
    kept = products.scores[np.isfinite(products.scores)].astype(np.float64)
    return float(kept.max() + np.log(np.exp(kept - kept.max()).sum()))


def _softmax_line(products: Products, score: float, weight: float) -> str:
    return ngettext(
        "e^{score} / Σ = {weight}, where Σ = e^{total} is the sum over the {count} token it may see",
        "e^{score} / Σ = {weight}, where Σ = e^{total} is the sum over the {count} tokens it may see",
        int(np.isfinite(products.scores).sum()),
        score=number(score),
        weight=number(weight),
        total=number(_log_sum(products)),
    )


def _without_first(weight: float, first: float, share: float) -> str:
    return _(
        "without the first token: {weight} / (1 − {first}) = {share}",
        weight=number(weight),
        first=number(first),
        share=number(share),
    )


def _sum_lines(products: Products, row: ShownRow) -> list[str]:
    """Weight × value, added up, against what the model computed."""
    v = products.v.astype(np.float64)
    off = float(np.abs(np.nan_to_num(row.weights) @ v - products.z).max())
    product = f"→ {number(row.weight(row.key))} × v({quoted(row.label(row.key))})"
    if products.summed.part(off, v):
        changed = ngettext(
            "such products, summed over {count} token; a change of this run comes after that ({change}): they are not "
            "its z, largest difference {difference}",
            "such products, summed over {count} tokens; a change of this run comes after that ({change}): they are not "
            "its z, largest difference {difference}",
            len(v),
            change=products.summed.says,
            difference=rounding(off, v),
        )
        return [product, changed]
    return [
        product,
        ngettext(
            "such products, summed over {count} token = the model's own z, largest difference {difference}",
            "such products, summed over {count} tokens = the model's own z, largest difference {difference}",
            len(v),
            difference=rounding(off, v),
        ),
    ]


def _product_line(row: ShownRow) -> str:
    """Weight × length of the value = length."""
    weight, length = row.weight(row.key), row.length(row.key)
    rule = f"‖weight × v W_O‖ = {'weight' if weight >= 0 else '|weight|'} × ‖v W_O‖"
    weight = abs(weight)
    if weight == 0:
        return f"{rule} = 0"
    return f"{rule} = {number(weight)} × {number(length / weight)} = {number(length)}"


def _length_lines(row: ShownRow) -> list[str]:
    """The chosen length among all of its row."""
    length, total = row.length(row.key), number(row.total_length)
    return [
        _(
            "of the lengths of its row: {length} / {total} = {share}; of the weights: {weight}",
            length=number(length),
            total=total,
            share=percent(row.share(length)),
            weight=percent(row.weight(row.key)),
        ),
        _("W_O: this head's part of the output projection; the projection's bias belongs to no head and is left out"),
        _(
            "lengths are added here, the model adds the vectors: those may cancel, their sum is at most {total} long",
            total=total,
        ),
    ]


def _cell_lines(attention: AttentionMap) -> list[str]:
    """The cell of a long text's map that covers the chosen one; nothing where pairs have cells of their own."""
    view, cells = attention.view, attention.cells
    place = cells.at(attention.row.looking, attention.row.key) if far.in_cells(view) else None
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


def _word_lines(attention: AttentionMap) -> list[str]:
    """The chosen cell of two words as the mean of sums that it is."""
    view, row = attention.view, attention.row
    head = _(
        "layer {layer}, query head {head}: {looking} → {looked}",
        layer=view.layer,
        head=view.head,
        looking=row.named(row.looking),
        looked=row.named(row.key),
    )
    queries, keys = row.words.tokens(row.looking), row.words.tokens(row.key)
    values = np.nan_to_num(row.apart[:, max(keys.start, int(row.left_out)) : keys.stop])  # [query key]
    sums = values.sum(axis=1)
    mean = float(sums.mean())
    lines = [
        head,
        _("summed over the keys of {looked}:", looked=row.named(row.key)),
        *(
            f"  {quoted(row.tokens[pos].label)}: {_terms(terms)}"
            for pos, terms in zip(queries[:_LISTED], values, strict=False)
        ),
        *(["  …"] if len(queries) > _LISTED else []),
        _("averaged over the queries: {sum} / {count} = {mean}", sum=_sum(sums), count=len(queries), mean=number(mean)),
    ]
    if by_length(view):
        return [*lines, *_length_lines(row)]
    if row.left_out and row.first < 1:
        lines.append(_without_first(mean, row.first, mean / (1 - row.first)))
    total = number(float(np.nansum(row.weights)))
    return [*lines, _("all of {looking}'s row: {total}", looking=row.named(row.looking), total=total)]


def _terms(values: Float[np.ndarray, " term"]) -> str:
    """a + b + … = sum."""
    return f"{_sum(values)} = {number(float(values.sum()))}" if len(values) != 1 else number(float(values[0]))


def _sum(values: Float[np.ndarray, " term"]) -> str:
    """(a + b + …), the first few written out; a number alone stands as it is."""
    listed = " + ".join(number(float(value)) for value in values[:_LISTED])
    more = " + …" if len(values) > _LISTED else ""
    return f"({listed}{more})" if len(values) != 1 else listed
