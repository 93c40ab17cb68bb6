"""One cell's arithmetic with its numbers put in."""

import numpy as np

from anatomy.language import _, ngettext
from panels.attention.cell_steps import Steps
from viz.format import number, rounding

_LISTED = 6  # terms that are written out


def formula(steps: Steps) -> str:
    """All steps with the numbers put in, each against the model's own."""
    lines = [
        _(
            "layer {layer}, head {head}: {looking} → {looked}",
            layer=steps.layer,
            head=steps.head,
            looking=steps.looking,
            looked=steps.looked,
        ),
        _product_line(steps),
        _score_line(steps),
    ]
    if steps.row.added is not None:
        lines.append(_("b: what this head adds for the distance between the two"))
    if steps.masked:
        return "\n".join([*lines, _("mask: forbidden, the score becomes −∞ and the weight e^−∞ = 0")])
    return "\n".join([*lines, *_softmax_lines(steps)])


def _product_line(steps: Steps) -> str:
    width = len(steps.products)
    terms = zip(steps.cell.q[:_LISTED], steps.cell.k, strict=False)
    listed = " + ".join(f"({number(float(q))})({number(float(k))})" for q, k in terms)
    if width <= _LISTED:
        return f"q·k = {listed} = {number(steps.dot)}"
    return _("q·k = {listed} + … {more} more = {dot}", listed=listed, more=width - _LISTED, dot=number(steps.dot))


def _score_line(steps: Steps) -> str:
    """How the product becomes a score."""
    width = len(steps.products)
    if steps.row.added is not None or not steps.row.factor.usual:
        numbers = steps.row.written(steps.cell.src)
        return _("score: {rule} = {numbers}", rule=steps.row.rule, numbers=numbers)
    return _(
        "scale: {dot} / √{width} = {score}",
        dot=number(steps.dot),
        width=width,
        score=number(steps.score),
    )


def _softmax_lines(steps: Steps) -> list[str]:
    seen = steps.scaled[steps.seen]
    total = float(seen.max() + np.log(np.exp(seen - seen.max()).sum()))  # ln Σ e^score, safe for large scores
    own_score = float(steps.scores[steps.cell.src])
    return [
        _(
            "mask: allowed; the model's own score {own}, difference {difference}",
            own=number(own_score),
            difference=rounding(steps.score - own_score, steps.scores, steps.products * steps.row.factor.value),
        ),
        _weight_line(steps, total),
        _(
            "weight × v({looked}) = {weight} × ({value}, …) = ({write}, …)",
            looked=steps.looked,
            weight=number(steps.weight),
            value=number(float(steps.value[0])),
            write=number(float(steps.write[0])),
        ),
        _sum_line(steps),
    ]


def _weight_line(steps: Steps, total: float) -> str:
    """The softmax of the cell's score, against the model's own weight. total: ln Σ e^score of the row."""
    own = float(steps.pattern[steps.cell.src])
    values = {"score": number(steps.score), "total": number(total), "weight": number(steps.weight), "own": number(own)}
    if steps.weighed.part(steps.weight - own, 1.0):
        return _(
            "softmax: e^{score} / e^{total} = {weight}; a change of this run comes after that ({change}), and its "
            "weight is {own}",
            change=steps.weighed.says,
            **values,
        )
    return _(
        "softmax: e^{score} / e^{total} = {weight}; the model's own weight {own}, difference {difference}",
        difference=rounding(steps.weight - own, steps.pattern),
        **values,
    )


def _sum_line(steps: Steps) -> str:
    """Weight × value, summed, against the model's own z."""
    values = {"total": number(float(steps.total[0])), "own": number(float(steps.z[0]))}
    if steps.z_parts:
        return ngettext(
            "summed over {count} token = ({total}, …); a change of this run comes after that ({change}), and its z is "
            "({own}, …)",
            "summed over {count} tokens = ({total}, …); a change of this run comes after that ({change}), and its z is "
            "({own}, …)",
            len(steps.pattern),
            change=steps.summed.says,
            **values,
        )
    return ngettext(
        "summed over {count} token = ({total}, …); the model's own z ({own}, …), largest difference {difference}",
        "summed over {count} tokens = ({total}, …); the model's own z ({own}, …), largest difference {difference}",
        len(steps.pattern),
        difference=rounding(steps.off, steps.largest),
        **values,
    )
