"""The balance sheet as a printed Python program: one sum through all layers, or two normalized sums in each."""

from anatomy.spec import ModelSpec
from anatomy.view import Fitted
from panels.common.snippet import LAYERS, opening


def through_layers(spec: ModelSpec, view: Fitted) -> str:
    """The share of every part in the final stream's squared length: [1 + 2 · layers], what enters first; and the error
    of the sum."""
    where = spec.paths
    return f'''{opening(spec, view)}
{LAYERS}
parts, last = [], []
layers[0].register_forward_pre_hook(
    lambda layer, given, named: parts.append((given[0] if given else named["hidden_states"])[0, {view.pos}]),
    with_kwargs=True,
)
for layer in layers:
    for path in ("{where.attention}", "{where.ffn}"):
        layer.get_submodule(path).register_forward_hook(lambda module, given, out: parts.append(out[0, {view.pos}]))
layers[-1].register_forward_hook(lambda layer, given, out: last.append(out[0] if isinstance(out, tuple) else out))
with torch.no_grad():
    model(**inputs)

parts = torch.stack(parts).double()  # [1 + 2 · layers, d_model]: what enters, then attention and FFN in turn
final = parts.sum(dim=0)
result = parts @ final / (final @ final)  # shares, which sum to 1
print("largest difference from the model's own final stream:", (final - last[0][0, {view.pos}]).abs().max().item())
print(result)
'''


def within_layers(spec: ModelSpec, view: Fitted) -> str:
    """The share of each write in the squared length of the sum that its norm reads: [2, layers]."""
    where = spec.paths
    pairs = f'(("{where.attention}", "{where.norms[0]}"), ("{where.ffn}", "{where.norms[1]}"))'
    return f"""{opening(spec, view)}
{LAYERS}
writes, sums = [], []
for layer in layers:
    for write, norm in {pairs}:
        layer.get_submodule(write).register_forward_hook(lambda module, given, out: writes.append(out[0, {view.pos}]))
        layer.get_submodule(norm).register_forward_pre_hook(lambda module, given: sums.append(given[0][0, {view.pos}]))
with torch.no_grad():
    model(**inputs)

writes, sums = torch.stack(writes).double(), torch.stack(sums).double()  # [2 · layers, d_model]
shares = (writes * sums).sum(dim=-1) / (sums * sums).sum(dim=-1)
result = shares.view(-1, 2).T  # attention and FFN by layer; the stream has the rest of each sum
print(result)
"""
