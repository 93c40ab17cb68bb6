"""Direct logit attribution as a printed Python program: every write through the frozen final norm, or every head."""

from anatomy.spec import ModelSpec
from anatomy.view import Fitted
from panels.shared_out import BY, RIVAL
from panels.snippet import LAYERS, opening, paths

_RIVALS = {"second": 1, "third": 2}


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """[1 + 2 · layers] what each part adds, with the constants where there are any; or [layers, heads]."""
    seen = _heads(spec, view) if view[BY] == "heads" else _parts(spec, view)
    end = _END_HEADS if view[BY] == "heads" else _end_parts(spec)
    return f"""{opening(spec, view)}
{LAYERS}
{seen}final = []
norm = model.base_model.get_submodule("{paths(spec).final_norm}")
norm.register_forward_pre_hook(lambda module, given: final.append(given[0][0, {view.pos}].double()))
with torch.no_grad():
    logits = model(**inputs).logits[0, {view.pos}].double()

{_direction(spec, view)}{end}"""


def _parts(spec: ModelSpec, view: Fitted) -> str:
    where = paths(spec)
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
    return f'''gathered = []  # what the heads bring, before the output projection
projections = [layer.get_submodule("{paths(spec).attention}") for layer in layers]
for projection in projections:
    projection.register_forward_pre_hook(lambda module, given: gathered.append(given[0][0, {view.pos}].double()))
heads = {spec.n_heads}
'''


def _direction(spec: ModelSpec, view: Fitted) -> str:
    """Leaves `told` and `direction`: a write · direction is what it adds to what the model told."""
    rival = _RIVALS.get(view[RIVAL])
    lines = [
        "ranked = logits.argsort(descending=True)",
        "table = model.get_output_embeddings().weight.detach().double()",
    ]
    lines.append("unembedding = table[ranked[0]]" + (f" - table[ranked[{rival}]]" if rival else ""))
    lines.append("told = logits[ranked[0]]" + (f" - logits[ranked[{rival}]]" if rival else ""))
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
print("difference from the model's own logits:", (result.sum() - told).item())
print(result)
"""


_END_HEADS = """
rows = [p.weight.T if isinstance(p, torch.nn.Linear) else p.weight for p in projections]  # [head · d_head, d_model]
shares = [z * (row.detach().double() @ direction) for z, row in zip(gathered, rows)]
result = torch.stack([share.view(heads, -1).sum(dim=-1) for share in shares])  # [layers, heads]
print(result)
"""
