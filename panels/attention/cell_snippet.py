"""One cell's arithmetic as a printed Python program: the products, the row's softmax, or weight × value."""

from anatomy.control import Choice
from anatomy.language import N_
from anatomy.spec import ModelSpec, RelativeBias
from anatomy.view import Fitted
from panels.common import chosen_cell
from panels.common.snippet import opening

STEP = Choice(
    "step",
    N_("Step"),
    ("product", "softmax", "value"),
    ("q·k", N_("scale, mask, softmax"), N_("weight × value")),
    says=N_(
        "Which part of the computation is drawn: the product of query and key, the way from its sum to a weight, or "
        "what the weight takes from the value."
    ),
)


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
{_scores(spec, view)}weights = scores.masked_fill(~allowed, -torch.inf).softmax(dim=-1)
result = torch.stack([scores, weights])  # [score or weight, src]
"""


def _scores(spec: ModelSpec, view: Fitted) -> str:
    """The row's scores before the mask, as this model makes them."""
    product = f"q[{view.head}, pos] @ k[group].T{chosen_cell.scaled(spec, view.layer)}"
    if not isinstance(spec.position, RelativeBias):
        return f"scores = {product}  # [src]\n"
    return f"""biased = model.base_model.get_submodule("{spec.paths.bias}")
bias = biased.compute_bias(len(ids), len(ids))[0, {view.head}, pos].detach()  # the same in every layer
scores = {product} + bias  # [src]
"""


def _value_program(spec: ModelSpec, view: Fitted) -> str:
    return f"""{_softmax_program(spec, view)}write, total = weights[src] * v[group, src], weights @ v[group]
result = torch.stack([write, total])  # [of the cell or of the row, d_head]
print((result[1] - z[pos, {view.head}]).abs().max())  # the model's own
"""


_PROGRAMS = {"product": _product_program, "softmax": _softmax_program, "value": _value_program}
