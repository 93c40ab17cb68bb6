"""Direct logit attribution as a printed Python program: every write through the frozen final norm, every head, or the
strongest neurons."""

from anatomy.spec import ModelSpec
from anatomy.view import Fitted
from panels.common.logit_decomposition import BY, rank
from panels.common.snippet import LAYERS, opening


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Logits that each part adds, the constants last: [2 + 2 · layers]; or each head: [layers, heads]; or layer, number
    and logits of the strongest neurons: [neurons, 3]."""
    if view[BY] == "parts":
        seen, end = _parts(spec, view), _end_parts(spec)
    elif view[BY] == "heads":
        seen, end = _heads(spec, view), _END_HEADS
    else:
        seen, end = _gathered(spec.paths.ffn, "neurons", view), _END_NEURONS
    return f"""{opening(spec, view)}
{LAYERS}
{seen}final = []
norm = model.base_model.get_submodule("{spec.paths.final_norm}")
norm.register_forward_pre_hook(lambda module, given: final.append(given[0][0, {view.pos}].double()))
with torch.no_grad():
    logits = model(**inputs).logits[0, {view.pos}].double()

{_direction(spec, view)}{end}"""


def _parts(spec: ModelSpec, view: Fitted) -> str:
    where = spec.paths
    return f'''parts = []
layers[0].register_forward_pre_hook(
    lambda layer, given, named: parts.append((given[0] if given else named["hidden_states"])[0, {view.pos}]),
    with_kwargs=True,
)
for layer in layers:
    for path in ("{where.attention}", "{where.ffn}"):
        layer.get_submodule(path).register_forward_hook(lambda module, given, out: parts.append(out[0, {view.pos}]))
'''


def _heads(spec: ModelSpec, view: Fitted) -> str:
    return f"{_gathered(spec.paths.attention, 'heads', view)}heads = {spec.n_heads}\n"


def _gathered(path: str, what: str, view: Fitted) -> str:
    return f'''gathered = []  # what the {what} bring, before the projection into the stream
projections = [layer.get_submodule("{path}") for layer in layers]
for projection in projections:
    projection.register_forward_pre_hook(lambda module, given: gathered.append(given[0][0, {view.pos}].double()))
'''


def _direction(spec: ModelSpec, view: Fitted) -> str:
    """Leaves `own`, the model's own logit or lead, and `direction`: a write · direction is what it adds to that."""
    against = rank(spec, view)
    rival = None if against is None else against - 1
    lines = [
        "ranked = logits.argsort(descending=True)",
        "table = model.get_output_embeddings().weight.detach().double()",
    ]
    lines.append("unembedding = table[ranked[0]]" + (f" - table[ranked[{rival}]]" if rival else ""))
    lines.append("own = logits[ranked[0]]" + (f" - logits[ranked[{rival}]]" if rival else ""))
    lines += ["direction = unembedding * norm.weight.detach().double()", "stream = final[0]"]
    if spec.norm.kind == "layer":
        lines += ["direction = direction - direction.mean()", "stream = stream - stream.mean()"]
    lines.append(f"direction = direction / (stream.square().mean() + {spec.norm.eps!r}).sqrt()  # the frozen divisor")
    return "\n".join(lines) + "\n"


def _end_parts(spec: ModelSpec) -> str:
    constants = "0.0"
    if spec.norm.kind == "layer":
        constants = "(norm.bias.detach().double() @ unembedding).item()"
    return f"""
constants = {constants}
result = torch.cat([torch.stack(parts).double() @ direction, torch.tensor([constants], dtype=torch.float64)])
print("difference from the model's own logits:", (result.sum() - own).item())
print(result)
"""


_SHARES = """
rows = [p.weight.T if isinstance(p, torch.nn.Linear) else p.weight for p in projections]  # [inputs, d_model]
shares = [each * (row.detach().double() @ direction) for each, row in zip(gathered, rows)]
"""
_END_NEURONS = f"""{_SHARES}added = torch.stack(shares)  # [layers, neurons]
strongest = added.abs().flatten().topk(min(20, added.numel())).indices
result = torch.stack([strongest // added.shape[1], strongest % added.shape[1], added.flatten()[strongest]], dim=-1)
print("the listed ones add up to", result[:, 2].sum().item())
print(result)  # a row for each: layer, number, logits
"""
_END_HEADS = f"""{_SHARES}result = torch.stack([each.view(heads, -1).sum(dim=-1) for each in shares])  # [layers, heads]
print(result)
"""
