"""One cell of an attention map, step by step: products, scale, mask, softmax, weight × value, and the row's sum."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.control import Choice
from anatomy.measure import softmax
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table, chosen_cell
from panels.chosen_cell import Cell, cell_of, place
from panels.snippet import opening
from viz.bars import Column, columns
from viz.components import Strip, components
from viz.format import many, number, percent, quoted, thousands

STEP = Choice("step", "Step", ("product", "softmax", "value"), ("q·k", "scale, mask, softmax", "weight × value"))
_MOST_ROWS = 16
_LISTED = 6  # terms that the formula writes out


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The layer's queries, keys, values, scores and weights, and what the head made of them."""
    return (*chosen_cell.wants(view), Want("v", view.layer), Want("z", view.layer))


@dataclass(frozen=True)
class Steps:
    """The chosen cell's arithmetic, in float64, beside the model's own numbers.

    products  q × k by component; their sum is q·k            [d_head]
    scaled    q·k / √d_head for every key, before the mask    [src]
    scores    the model's own: −∞ where masked                [src]
    weights   softmax of the scaled scores that may be seen   [src]
    pattern   the model's own weights                         [src]
    write     weight × value of the chosen key                [d_head]
    total     weight × value summed over the row              [d_head]
    z         the model's own result                          [d_head]
    """

    cell: Cell
    products: Float[np.ndarray, " d_head"]
    scaled: Float[np.ndarray, " src"]
    scores: Float[np.ndarray, " src"]
    weights: Float[np.ndarray, " src"]
    pattern: Float[np.ndarray, " src"]
    values: Float[np.ndarray, "src d_head"]
    z: Float[np.ndarray, " d_head"]

    @property
    def dot(self) -> float:
        return float(self.products.sum())

    @property
    def seen(self) -> np.ndarray:
        """[src] True where the mask lets the token look."""
        return np.isfinite(self.scores)

    @property
    def write(self) -> Float[np.ndarray, " d_head"]:
        return self.weights[self.cell.src] * self.values[self.cell.src]

    @property
    def total(self) -> Float[np.ndarray, " d_head"]:
        return self.weights @ self.values

    @property
    def off(self) -> float:
        """Largest difference between the row's sum and the model's own z."""
        return float(np.abs(self.total - self.z).max())


def steps(trace: Trace, view: Fitted) -> Steps:
    """Every step of the chosen cell and its row, from q, k and v alone."""
    cell = cell_of(trace, view)
    keys = trace[Want("k", view.layer)][cell.group].astype(np.float64)  # [src d_head]
    scores = trace[Want("scores", view.layer)][view.head, cell.pos].astype(np.float64)  # [src]
    scaled = keys @ cell.q / math.sqrt(trace.spec.d_head)
    return Steps(
        cell=cell,
        products=cell.q * cell.k,
        scaled=scaled,
        scores=scores,
        weights=softmax(np.where(np.isfinite(scores), scaled, -np.inf)),
        pattern=trace[Want("pattern", view.layer)][view.head, cell.pos].astype(np.float64),
        values=trace[Want("v", view.layer)][cell.group].astype(np.float64),
        z=trace[Want("z", view.layer)][view.head, cell.pos].astype(np.float64),
    )


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """The chosen step: products and their running sum, the row's scores and weights, or weight × value and z."""
    found = steps(trace, view)
    looking, looked = quoted(trace.labels[found.cell.pos]), quoted(trace.labels[found.cell.src])
    if view[STEP] == "softmax":
        return _draw_row(trace, found)
    if view[STEP] == "value":
        strips = (
            Strip(
                f"weight × value of {looked}: {percent(found.weights[found.cell.src])} × v", found.write, "activation"
            ),
            Strip(
                f"z of {looking}: the same, summed over all {many(len(found.pattern), 'token')}",
                found.total,
                "activation",
            ),
        )
        return components(strips, "component")
    return components(
        (
            Strip(f"q of {looking} × k of {looked}, component by component", found.products, "product"),
            Strip("running sum", np.cumsum(found.products), "sum", "line", "q·k ="),
        ),
        "component",
    )


def _draw_row(trace: Trace, found: Steps) -> go.Figure:
    rows = _rows_shown(found)
    labels = [f"{place} {trace.labels[place]}" for place in rows]
    scores, weights = found.scaled[rows], found.weights[rows]
    return columns(
        labels,
        (
            Column("weight (probability)", weights, tuple(percent(float(weight)) for weight in weights)),
            Column("score (logit)", scores, tuple(number(float(score)) for score in scores)),
        ),
    )


def _rows_shown(found: Steps) -> list[int]:
    """Keys of the row that are drawn, in the order of the text: all that may be seen, else those that get most and the
    chosen one."""
    seen = np.flatnonzero(found.seen)
    best = seen[np.argsort(-found.weights[seen], kind="stable")][:_MOST_ROWS].tolist()
    extra = [found.cell.src] if found.seen[found.cell.src] and found.cell.src not in best else []
    return sorted([*best, *extra])


def says(trace: Trace, view: Fitted) -> str:
    """The chosen cell from product to weight, and the row's sum against the model's own."""
    found = steps(trace, view)
    cell, width = found.cell, trace.spec.d_head
    looking, looked = quoted(trace.labels[cell.pos]), quoted(trace.labels[cell.src])
    dot, scaled = number(found.dot), number(float(found.scaled[cell.src]))
    told = (
        f"In layer {view.layer}, head {view.head}, {looking} asks and {looked} answers: {many(width, 'product')} add "
        f"up to q·k = {dot}, and {dot} / √{width} = {scaled}; "
    )
    if not found.seen[cell.src]:
        return f"{told}the mask makes it −∞, and the weight 0."
    weight = percent(float(found.weights[cell.src]))
    return (
        f"{told}softmax over {many(int(found.seen.sum()), 'token')} makes it {weight}. Weight × value, summed over the "
        f"row, is the model's own z (largest difference {number(found.off, 2)}).{_left_out(found, view)}"
    )


def _left_out(found: Steps, view: Fitted) -> str:
    """What a long row's picture does not show."""
    hidden = int(found.seen.sum()) - len(_rows_shown(found))
    if view[STEP] != "softmax" or not hidden:
        return ""
    return f" Shown are the {_MOST_ROWS} tokens that get most and the chosen one; {thousands(hidden)} are left out."


def table(trace: Trace, view: Fitted) -> Table:
    """The row for the softmax step; else one row per component."""
    found = steps(trace, view)
    if view[STEP] == "softmax":
        return _row_table(trace, found)
    src = found.cell.src
    lists = (found.cell.q, found.cell.k, found.products, np.cumsum(found.products))
    lists += (found.values[src], found.write, found.total, found.z)
    return Table(
        (
            "component",
            "q (activation)",
            "k (activation)",
            "q × k",
            "running sum",
            "v (activation)",
            "weight × v",
            "sum over the row",
            "the model's own z",
        ),
        tuple((place, *map(float, row)) for place, row in enumerate(zip(*lists, strict=True))),
    )


def _row_table(trace: Trace, found: Steps) -> Table:
    columns = (
        "position",
        "token",
        "q·k / √d (logit)",
        "the model's own score",
        "weight (probability)",
        "the model's own",
    )
    lists = (found.scaled, found.scores, found.weights, found.pattern)
    return Table(
        columns,
        tuple(
            (place, trace.labels[place], *(float(values[place]) for values in lists))
            for place in np.flatnonzero(found.seen).tolist()
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """All steps with the numbers put in, each against the model's own."""
    found = steps(trace, view)
    src, width = found.cell.src, trace.spec.d_head
    terms = zip(found.cell.q[:_LISTED], found.cell.k, strict=False)
    listed = " + ".join(f"({number(float(q))})({number(float(k))})" for q, k in terms)
    more = f" + … {width - _LISTED} more" if width > _LISTED else ""
    lines = [
        place(trace, view, found.cell),
        f"q·k = {listed}{more} = {number(found.dot)}",
        f"scale: {number(found.dot)} / √{width} = {number(float(found.scaled[src]))}",
    ]
    if not found.seen[src]:
        return "\n".join([*lines, "mask: forbidden, the score becomes −∞ and the weight e^−∞ = 0"])
    return "\n".join([*lines, *_softmax_lines(trace, found)])


def _softmax_lines(trace: Trace, found: Steps) -> list[str]:
    src, seen = found.cell.src, found.scaled[found.seen]
    total = float(seen.max() + np.log(np.exp(seen - seen.max()).sum()))  # ln Σ e^score, safe for large scores
    score, weight = float(found.scaled[src]), float(found.weights[src])
    label = quoted(trace.labels[src])
    return [
        f"mask: allowed; the model's own score {number(float(found.scores[src]))}, difference "
        f"{number(abs(score - float(found.scores[src])), 2)}",
        f"softmax: e^{number(score)} / e^{number(total)} = {number(weight)}; the model's own weight "
        f"{number(float(found.pattern[src]))}, difference {number(abs(weight - float(found.pattern[src])), 2)}",
        f"weight × v({label}) = {number(weight)} × ({number(float(found.values[src, 0]))}, …) = "
        f"({number(float(found.write[0]))}, …)",
        f"summed over {many(len(found.pattern), 'token')} = ({number(float(found.total[0]))}, …); the model's own z "
        f"({number(float(found.z[0]))}, …), largest difference {number(found.off, 2)}",
    ]


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The chosen step's numbers."""
    return f"{opening(spec, view)}\n{chosen_cell.snippet(view)}{_PROGRAMS[view[STEP]](spec, view)}print(result)\n"


def _product_program(spec: ModelSpec, view: Fitted) -> str:
    return f"""result = q[{view.head}, pos] * k[group, src]  # [d_head]
print(result.sum())  # q·k
"""


def _softmax_program(spec: ModelSpec, view: Fitted) -> str:
    return f"""model.set_attn_implementation("eager")
with torch.no_grad():
    allowed = model(**inputs, output_attentions=True).attentions[{view.layer}][0, {view.head}, pos] > 0
scores = q[{view.head}, pos] @ k[group].T / {spec.d_head} ** 0.5  # [src]
result = torch.stack([scores, scores.masked_fill(~allowed, -torch.inf).softmax(dim=-1)])  # [score or weight, src]
"""


def _value_program(spec: ModelSpec, view: Fitted) -> str:
    return f"""{_softmax_program(spec, view)}weights = result[1]
result = torch.stack([weights[src] * v[group, src], weights @ v[group]])  # [of the cell or of the row, d_head]
print((result[1] - z[pos, {view.head}]).abs().max())  # the model's own
"""


_PROGRAMS = {"product": _product_program, "softmax": _softmax_program, "value": _value_program}

PANEL = Panel(
    id="cell",
    stage="attention",
    order=2,
    name="One cell",
    title="How is one weight computed?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(STEP,),
    chooser="attention",
    places=("layer", "head"),
)
