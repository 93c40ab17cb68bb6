"""One cell of an attention map, step by step: products, scale, mask, softmax, weight × value, and the row's sum."""

from collections.abc import Sequence

import numpy as np

from anatomy import facts
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.view import Fitted
from panels.attention.cell_formula import formula
from panels.attention.cell_snippet import STEP, snippet
from panels.attention.cell_steps import MOST_ROWS, Steps, read
from panels.common import chosen_cell
from panels.common.attention_row import wanted
from panels.common.columns import most_note, most_weight
from panels.panel import Panel, Table
from viz.components import Components, Strip
from viz.format import number, percent, rounding, thousands
from viz.marks import Stands
from viz.measures import Column, Measures


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The layer's queries, keys, values, scores and weights, and what the head made of them."""
    more = (Want("v", view.layer), wanted(view, "z"))
    return (*chosen_cell.wants(view), *more, *chosen_cell.biases(spec, view))


def draw(steps: Steps) -> Components | Measures:
    """The chosen step: products and their running sum, the row's scores and weights, or weight × value and z."""
    if steps.step == "softmax":
        return _draw_row(steps)
    return Components(_draw_value(steps) if steps.step == "value" else _draw_product(steps), _("component"))


def _draw_product(steps: Steps) -> tuple[Strip, Strip]:
    products = _("q of {looking} × k of {looked}, component by component", looking=steps.looking, looked=steps.looked)
    running = Strip(_("running sum"), steps.running, _("sum"), "line", "q·k =")
    return Strip(products, steps.products, _("product")), running


def _draw_value(steps: Steps) -> tuple[Strip, Strip]:
    weight = percent(steps.weight)
    write = _("weight × value of {looked}: {weight} × v", looked=steps.looked, weight=weight)
    total = ngettext(
        "z of {looking}: the same, summed over the {count} token",
        "z of {looking}: the same, summed over all {count} tokens",
        len(steps.pattern),
        looking=steps.looking,
    )
    return Strip(write, steps.write, _("activation")), Strip(total, steps.total, _("activation"))


def _draw_row(steps: Steps) -> Measures:
    scores, weights = steps.scaled[steps.shown], steps.weights[steps.shown]
    return Measures(
        [f"{place} {steps.labels[place]}" for place in steps.shown],
        (
            Column(_("weight (probability)"), weights, tuple(percent(float(weight)) for weight in weights)),
            Column(_("score (logit)"), scores, tuple(number(float(score)) for score in scores)),
        ),
        stands=(Stands("src", tuple(map(int, steps.shown))),),
    )


def caption(steps: Steps) -> str:
    """The chosen cell from product to weight, and the row's sum against the model's own."""
    score = _says_score(steps)
    if steps.masked:
        return f"{score} {_('the mask makes it −∞, and the weight 0.')}"
    weighed = (
        _changed(steps)
        if steps.z_parts
        else ngettext(
            "softmax over {count} token makes it {weight}. Weight × value, summed over the row, is the model's own z "
            "(largest difference {difference}).",
            "softmax over {count} tokens makes it {weight}. Weight × value, summed over the row, is the model's own z "
            "(largest difference {difference}).",
            int(steps.seen.sum()),
            weight=percent(steps.weight),
            difference=rounding(steps.off, steps.largest),
        )
    )
    return " ".join(part for part in (score, weighed, _left_out(steps)) if part)


def _changed(steps: Steps) -> str:
    """The cell's weight, and that the row's sum is not z, as something is changed in between."""
    weighed = ngettext(
        "softmax over {count} token makes it {weight}.",
        "softmax over {count} tokens makes it {weight}.",
        int(steps.seen.sum()),
        weight=percent(steps.weight),
    )
    after = _(
        "A change of this run comes after that ({change}): weight × value, summed over the row, is not its z (largest "
        "difference {difference}).",
        change=steps.summed.says,
        difference=rounding(steps.off, steps.largest),
    )
    return f"{weighed} {after}"


def _says_score(steps: Steps) -> str:
    """From the products to the score, as this model makes it."""
    row, width = steps.row, len(steps.products)
    values = {
        "layer": steps.layer,
        "head": steps.head,
        "looking": steps.looking,
        "looked": steps.looked,
        "dot": number(steps.dot),
        "score": number(steps.score),
    }
    if row.added is not None:
        return ngettext(
            "In layer {layer}, head {head}, {looking} asks and {looked} answers: {count} product adds up to q·k = "
            "{dot}, and {rule} = {score}, where b is added for the distance;",
            "In layer {layer}, head {head}, {looking} asks and {looked} answers: {count} products add up to q·k = "
            "{dot}, and {rule} = {score}, where b is added for the distance;",
            width,
            rule=row.rule,
            **values,
        )
    if row.factor.value == 1:
        return ngettext(
            "In layer {layer}, head {head}, {looking} asks and {looked} answers: {count} product adds up to q·k = "
            "{dot};",
            "In layer {layer}, head {head}, {looking} asks and {looked} answers: {count} products add up to q·k = "
            "{dot};",
            width,
            **values,
        )
    if not row.factor.usual:
        return ngettext(
            "In layer {layer}, head {head}, {looking} asks and {looked} answers: {count} product adds up to q·k = "
            "{dot}, and {rule} = {score};",
            "In layer {layer}, head {head}, {looking} asks and {looked} answers: {count} products add up to q·k = "
            "{dot}, and {rule} = {score};",
            width,
            rule=row.rule,
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


def _left_out(steps: Steps) -> str:
    """What a long row's picture does not show."""
    hidden = int(steps.seen.sum()) - len(steps.shown) if steps.step == "softmax" else 0
    if not hidden:
        return ""
    return _(
        "Shown are the {shown} tokens that get most and the chosen one; {hidden} are left out.",
        shown=MOST_ROWS,
        hidden=thousands(hidden),
    )


def table(steps: Steps) -> Table:
    """The row for the softmax step; else one row per component."""
    if steps.step == "softmax":
        return _row_table(steps)
    return Table.of(
        (_("component"), range(len(steps.products))),
        (_("q (activation)"), steps.cell.q),
        (_("k (activation)"), steps.cell.k),
        ("q × k", steps.products),
        (_("running sum"), steps.running),
        (_("v (activation)"), steps.value),
        (_("weight × v"), steps.write),
        (_("sum over the row"), steps.total),
        (_("the model's own z"), steps.z),
    )


def _row_table(steps: Steps) -> Table:
    seen = np.flatnonzero(steps.seen)
    places = most_weight(steps.pattern, seen)
    return Table.of(
        (_("position"), places),
        (_("token"), (steps.labels[place] for place in places)),
        (_("{rule} (logit)", rule=steps.rule), steps.scaled[places]),
        (_("the model's own score"), steps.scores[places]),
        (_("weight (probability)"), steps.weights[places]),
        (_("the model's own"), steps.pattern[places]),
        note=most_note(len(places), len(seen)),
    )


PANEL = Panel(
    id="cell",
    stage="attention",
    order=2,
    name=N_("One cell"),
    title=N_("How is one weight computed?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    facts=(facts.SCALE,),
    controls=(STEP,),
    chooser="attention",
    places=("layer", "head"),
    wide=True,
)
