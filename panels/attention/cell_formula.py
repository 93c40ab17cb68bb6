"""One cell's arithmetic with its numbers put in."""

import numpy as np

from anatomy.language import _, ngettext
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.attention.cell_steps import Steps, steps_of
from panels.common.chosen_cell import place
from viz.format import number, quoted, rounding

_LISTED = 6  # terms that are written out


def formula(trace: Trace, view: Fitted) -> str:
    """All steps with the numbers put in, each against the model's own."""
    steps = steps_of(trace, view)
    lines = [place(trace, view, steps.cell), _product_line(steps), _score_line(trace, steps)]
    if steps.row.added is not None:
        lines.append(_("b: what this head adds for the distance between the two"))
    if not steps.seen[steps.cell.src]:
        return "\n".join([*lines, _("mask: forbidden, the score becomes −∞ and the weight e^−∞ = 0")])
    return "\n".join([*lines, *_softmax_lines(trace, steps)])


def _product_line(steps: Steps) -> str:
    width = len(steps.products)
    terms = zip(steps.cell.q[:_LISTED], steps.cell.k, strict=False)
    listed = " + ".join(f"({number(float(q))})({number(float(k))})" for q, k in terms)
    if width <= _LISTED:
        return f"q·k = {listed} = {number(steps.dot)}"
    return _("q·k = {listed} + … {more} more = {dot}", listed=listed, more=width - _LISTED, dot=number(steps.dot))


def _score_line(trace: Trace, steps: Steps) -> str:
    """How the product becomes a score."""
    src, width = steps.cell.src, trace.spec.d_head
    if steps.row.added is not None or steps.row.root == 1:
        return _("score: {rule} = {numbers}", rule=steps.row.rule(width), numbers=steps.row.written(src))
    return _(
        "scale: {dot} / √{width} = {score}",
        dot=number(steps.dot),
        width=width,
        score=number(float(steps.scaled[src])),
    )


def _softmax_lines(trace: Trace, steps: Steps) -> list[str]:
    src, seen = steps.cell.src, steps.scaled[steps.seen]
    total = float(seen.max() + np.log(np.exp(seen - seen.max()).sum()))  # ln Σ e^score, safe for large scores
    score, weight = float(steps.scaled[src]), float(steps.weights[src])
    return [
        _(
            "mask: allowed; the model's own score {own}, difference {difference}",
            own=number(float(steps.scores[src])),
            difference=rounding(score - float(steps.scores[src]), steps.scores, steps.products / steps.row.root),
        ),
        _(
            "softmax: e^{score} / e^{total} = {weight}; the model's own weight {own}, difference {difference}",
            score=number(score),
            total=number(total),
            weight=number(weight),
            own=number(float(steps.pattern[src])),
            difference=rounding(weight - float(steps.pattern[src]), steps.pattern),
        ),
        _(
            "weight × v({looked}) = {weight} × ({value}, …) = ({write}, …)",
            looked=quoted(trace.tokens[src].label),
            weight=number(weight),
            value=number(float(steps.values[src, 0])),
            write=number(float(steps.write[0])),
        ),
        ngettext(
            "summed over {count} token = ({total}, …); the model's own z ({own}, …), largest difference {difference}",
            "summed over {count} tokens = ({total}, …); the model's own z ({own}, …), largest difference {difference}",
            len(steps.pattern),
            total=number(float(steps.total[0])),
            own=number(float(steps.z[0])),
            difference=rounding(steps.off, steps.values),
        ),
    ]
