"""One cell's arithmetic with its numbers put in."""

import numpy as np

from anatomy.language import _
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.attention.cell_steps import Steps, steps
from panels.common.chosen_cell import place
from viz.format import many, number, quoted, rounding

_LISTED = 6  # terms that are written out


def formula(trace: Trace, view: Fitted) -> str:
    """All steps with the numbers put in, each against the model's own."""
    found = steps(trace, view)
    lines = [place(trace, view, found.cell), _product_line(found), _score_line(trace, found)]
    if found.row.added is not None:
        lines.append(_("b: what this head adds for the distance between the two"))
    if not found.seen[found.cell.src]:
        return "\n".join([*lines, _("mask: forbidden, the score becomes −∞ and the weight e^−∞ = 0")])
    return "\n".join([*lines, *_softmax_lines(trace, found)])


def _product_line(found: Steps) -> str:
    width = len(found.products)
    terms = zip(found.cell.q[:_LISTED], found.cell.k, strict=False)
    listed = " + ".join(f"({number(float(q))})({number(float(k))})" for q, k in terms)
    if width <= _LISTED:
        return f"q·k = {listed} = {number(found.dot)}"
    return _("q·k = {listed} + … {more} more = {dot}", listed=listed, more=width - _LISTED, dot=number(found.dot))


def _score_line(trace: Trace, found: Steps) -> str:
    """How the product becomes a score."""
    src, width = found.cell.src, trace.spec.d_head
    if found.row.added is not None or found.row.root == 1:
        return _("score: {rule} = {numbers}", rule=found.row.rule(width), numbers=found.row.written(src))
    return _(
        "scale: {dot} / √{width} = {score}",
        dot=number(found.dot),
        width=width,
        score=number(float(found.scaled[src])),
    )


def _softmax_lines(trace: Trace, found: Steps) -> list[str]:
    src, seen = found.cell.src, found.scaled[found.seen]
    total = float(seen.max() + np.log(np.exp(seen - seen.max()).sum()))  # ln Σ e^score, safe for large scores
    score, weight = float(found.scaled[src]), float(found.weights[src])
    return [
        _(
            "mask: allowed; the model's own score {own}, difference {difference}",
            own=number(float(found.scores[src])),
            difference=rounding(score - float(found.scores[src]), found.scores, found.products / found.row.root),
        ),
        _(
            "softmax: e^{score} / e^{total} = {weight}; the model's own weight {own}, difference {difference}",
            score=number(score),
            total=number(total),
            weight=number(weight),
            own=number(float(found.pattern[src])),
            difference=rounding(weight - float(found.pattern[src]), found.pattern),
        ),
        _(
            "weight × v({looked}) = {weight} × ({value}, …) = ({write}, …)",
            looked=quoted(trace.tokens[src].label),
            weight=number(weight),
            value=number(float(found.values[src, 0])),
            write=number(float(found.write[0])),
        ),
        _(
            "summed over {tokens} = ({total}, …); the model's own z ({own}, …), largest difference {difference}",
            tokens=many(len(found.pattern), "token"),
            total=number(float(found.total[0])),
            own=number(float(found.z[0])),
            difference=rounding(found.off, found.values),
        ),
    ]
