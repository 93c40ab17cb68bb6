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
    own_score, own_weight = (float(own[steps.cell.src]) for own in (steps.scores, steps.pattern))
    return [
        _(
            "mask: allowed; the model's own score {own}, difference {difference}",
            own=number(own_score),
            difference=rounding(steps.score - own_score, steps.scores, steps.products * steps.row.factor.value),
        ),
        _(
            "softmax: e^{score} / e^{total} = {weight}; the model's own weight {own}, difference {difference}",
            score=number(steps.score),
            total=number(total),
            weight=number(steps.weight),
            own=number(own_weight),
            difference=rounding(steps.weight - own_weight, steps.pattern),
        ),
        _(
            "weight × v({looked}) = {weight} × ({value}, …) = ({write}, …)",
            looked=steps.looked,
            weight=number(steps.weight),
            value=number(float(steps.value[0])),
            write=number(float(steps.write[0])),
        ),
        ngettext(
            "summed over {count} token = ({total}, …); the model's own z ({own}, …), largest difference {difference}",
            "summed over {count} tokens = ({total}, …); the model's own z ({own}, …), largest difference {difference}",
            len(steps.pattern),
            total=number(float(steps.total[0])),
            own=number(float(steps.z[0])),
            difference=rounding(steps.off, steps.largest),
        ),
    ]
