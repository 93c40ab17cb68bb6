"""One cell of an attention map, step by step: products, scale, mask, softmax, weight × value, and the row's sum."""

from collections.abc import Sequence

import numpy as np

from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_first
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.attention.cell_formula import formula
from panels.attention.cell_snippet import STEP, snippet
from panels.attention.cell_steps import Steps, steps_of
from panels.common import chosen_cell
from panels.common.attention_row import wanted
from panels.common.columns import most_note, most_weight
from panels.panel import Panel, Table
from viz.components import Components, Strip
from viz.format import number, percent, quoted, rounding, thousands
from viz.measures import Column, Measures

_MOST_ROWS = 16


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The layer's queries, keys, values, scores and weights, and what the head made of them."""
    more = (Want("v", view.layer), wanted(view, "z"))
    return (*chosen_cell.wants(view), *more, *chosen_cell.biases(spec, view))


def draw(trace: Trace, view: Fitted) -> Components:
    """The chosen step: products and their running sum, the row's scores and weights, or weight × value and z."""
    steps = steps_of(trace, view)
    if view[STEP] == "softmax":
        return _draw_row(trace, steps)
    looking, looked = quoted(trace.tokens[steps.cell.pos].label), quoted(trace.tokens[steps.cell.src].label)
    strips = _draw_value(steps, looking, looked) if view[STEP] == "value" else _draw_product(steps, looking, looked)
    return Components(strips, _("component"))


def _draw_product(steps: Steps, looking: str, looked: str) -> tuple[Strip, Strip]:
    products = _("q of {looking} × k of {looked}, component by component", looking=looking, looked=looked)
    running = Strip(_("running sum"), np.cumsum(steps.products), _("sum"), "line", "q·k =")
    return Strip(products, steps.products, _("product")), running


def _draw_value(steps: Steps, looking: str, looked: str) -> tuple[Strip, Strip]:
    weight = percent(steps.weights[steps.cell.src])
    write = _("weight × value of {looked}: {weight} × v", looked=looked, weight=weight)
    total = ngettext(
        "z of {looking}: the same, summed over the {count} token",
        "z of {looking}: the same, summed over all {count} tokens",
        len(steps.pattern),
        looking=looking,
    )
    return Strip(write, steps.write, _("activation")), Strip(total, steps.total, _("activation"))


def _draw_row(trace: Trace, steps: Steps) -> Measures:
    rows = _rows_shown(steps)
    labels = [f"{place} {trace.tokens[place].label}" for place in rows]
    scores, weights = steps.scaled[rows], steps.weights[rows]
    return Measures(
        labels,
        (
            Column(_("weight (probability)"), weights, tuple(percent(float(weight)) for weight in weights)),
            Column(_("score (logit)"), scores, tuple(number(float(score)) for score in scores)),
        ),
    )


def _rows_shown(steps: Steps) -> list[int]:
    """Keys of the row that are drawn, in the order of the text: all that may be seen, else those that get most and the
    chosen one."""
    seen = np.flatnonzero(steps.seen)
    best = seen[largest_first(steps.weights[seen])][:_MOST_ROWS].tolist()
    extra = [steps.cell.src] if steps.seen[steps.cell.src] and steps.cell.src not in best else []
    return sorted([*best, *extra])


def caption(trace: Trace, view: Fitted) -> str:
    """The chosen cell from product to weight, and the row's sum against the model's own."""
    steps = steps_of(trace, view)
    score = _says_score(trace, view, steps)
    if not steps.seen[steps.cell.src]:
        return f"{score} {_('the mask makes it −∞, and the weight 0.')}"
    weighed = ngettext(
        "softmax over {count} token makes it {weight}. Weight × value, summed over the row, is the model's own z "
        "(largest difference {difference}).",
        "softmax over {count} tokens makes it {weight}. Weight × value, summed over the row, is the model's own z "
        "(largest difference {difference}).",
        int(steps.seen.sum()),
        weight=percent(float(steps.weights[steps.cell.src])),
        difference=rounding(steps.off, steps.values),
    )
    return " ".join(part for part in (score, weighed, _left_out(steps, view)) if part)


def _says_score(trace: Trace, view: Fitted, steps: Steps) -> str:
    """From the products to the score, as this model makes it."""
    cell, row, width = steps.cell, steps.row, trace.spec.d_head
    values = {
        "layer": view.layer,
        "head": view.head,
        "looking": quoted(trace.tokens[cell.pos].label),
        "looked": quoted(trace.tokens[cell.src].label),
        "dot": number(steps.dot),
        "score": number(float(steps.scaled[cell.src])),
    }
    if row.added is not None:
        return ngettext(
            "In layer {layer}, head {head}, {looking} asks and {looked} answers: {count} product adds up to q·k = "
            "{dot}, and {rule} = {score}, where b is added for the distance;",
            "In layer {layer}, head {head}, {looking} asks and {looked} answers: {count} products add up to q·k = "
            "{dot}, and {rule} = {score}, where b is added for the distance;",
            width,
            rule=row.rule(width),
            **values,
        )
    if row.root == 1:
        return ngettext(
            "In layer {layer}, head {head}, {looking} asks and {looked} answers: {count} product adds up to q·k = "
            "{dot};",
            "In layer {layer}, head {head}, {looking} asks and {looked} answers: {count} products add up to q·k = "
            "{dot};",
            width,
            **values,
        )
    return ngettext(
        "In layer {layer}, head {head}, {looking} asks and {looked} answers: {count} product adds up to q·k = {dot}, "
        "and {dot} / √{width} = {score};",
        "In layer {layer}, head {head}, {looking} asks and {looked} answers: {count} products add up to q·k = {dot}, "
        "and {dot} / √{width} = {score};",
        width,
        width=width,
        **values,
    )


def _left_out(steps: Steps, view: Fitted) -> str:
    """What a long row's picture does not show."""
    hidden = int(steps.seen.sum()) - len(_rows_shown(steps))
    if view[STEP] != "softmax" or not hidden:
        return ""
    return _(
        "Shown are the {shown} tokens that get most and the chosen one; {hidden} are left out.",
        shown=_MOST_ROWS,
        hidden=thousands(hidden),
    )


def table(trace: Trace, view: Fitted) -> Table:
    """The row for the softmax step; else one row per component."""
    steps = steps_of(trace, view)
    if view[STEP] == "softmax":
        return _row_table(trace, steps)
    src = steps.cell.src
    columns = {
        _("component"): range(trace.spec.d_head),
        _("q (activation)"): steps.cell.q.tolist(),
        _("k (activation)"): steps.cell.k.tolist(),
        "q × k": steps.products.tolist(),
        _("running sum"): np.cumsum(steps.products).tolist(),
        _("v (activation)"): steps.values[src].tolist(),
        _("weight × v"): steps.write.tolist(),
        _("sum over the row"): steps.total.tolist(),
        _("the model's own z"): steps.z.tolist(),
    }
    return Table(tuple(columns), tuple(zip(*columns.values(), strict=True)))


def _row_table(trace: Trace, steps: Steps) -> Table:
    seen = np.flatnonzero(steps.seen)
    places = most_weight(steps.pattern, seen)
    columns = {
        _("position"): places.tolist(),
        _("token"): [trace.tokens[place].label for place in places],
        _("{rule} (logit)", rule=chosen_cell.rule(trace.spec)): steps.scaled[places].tolist(),
        _("the model's own score"): steps.scores[places].tolist(),
        _("weight (probability)"): steps.weights[places].tolist(),
        _("the model's own"): steps.pattern[places].tolist(),
    }
    return Table(tuple(columns), tuple(zip(*columns.values(), strict=True)), most_note(len(places), len(seen)))


PANEL = Panel(
    id="cell",
    stage="attention",
    order=2,
    name=N_("One cell"),
    title=N_("How is one weight computed?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(STEP,),
    chooser="attention",
    places=("layer", "head"),
    wide=True,
)
