"""The Python that finds the passage's arcs, words and prediction with plain transformers."""

from anatomy.spec import ModelSpec
from anatomy.view import Fitted
from panels.common.chosen_cell import KEEP
from panels.common.snippet import LAYERS, held, opening, readout
from panels.stack.passage_paths import CHOSEN

_NAMED = 5  # of the likeliest tokens


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Each layer's largest contribution to each token, the first token's and its own apart: position of its source,
    head, weight (probability) and share of the stream's length, [layers, pos, 4]; −1, −1, 0, 0 where there is none."""
    return f"""{opening(spec, view)}
{held(spec, view)}model.set_attn_implementation("eager")
with torch.no_grad():
    out = model(**inputs, output_attentions=True, output_hidden_states=True)
streams = out.hidden_states  # what enters every layer, each [1, pos, d_model]

{LAYERS}{KEEP}
n = len(ids)
every = torch.arange(n)
found = []
for layer, pattern, (q, k, v, z), stream in zip(layers, out.attentions, kept, streams):
    projection = layer.get_submodule("{spec.paths.attention}")
    rows = projection.weight.T if isinstance(projection, torch.nn.Linear) else projection.weight
    rows = rows.detach().unflatten(0, (len(q), -1))  # [head, d_head, d_model]
    lengths = [(v[head * len(v) // len(q)] @ rows[head]).norm(dim=-1) for head in range(len(q))]
    moved = pattern[0] * torch.stack(lengths)[:, None]  # weight × length of the value: [head, pos, src]
    moved[:, :, 0] = 0  # the first token's contributions
    moved.diagonal(dim1=1, dim2=2).zero_()  # and the token's own are left out
    moved = moved.transpose(0, 1).flatten(1)  # [pos, head · src]
    most = moved.amax(dim=1)
    place = (moved >= most[:, None] * (1 - 1e-5)).int().argmax(dim=1)  # the first of those that are largest
    head, source = place // n, place % n
    share = moved[every, place] / stream[0].norm(dim=-1)
    arcs = torch.stack([source, head, pattern[0, head, every, source], share], dim=-1)
    arcs[most == 0] = torch.tensor([-1.0, -1.0, 0.0, 0.0])
    found.append(arcs)
result = torch.stack(found)  # [layers, pos, 4]: source and head (−1: none), weight, share of the stream's length

pos = {view.pos}
print("arcs to", pos, repr(tokenizer.decode([ids[pos]])))
for layer, (source, head, weight, share) in enumerate(result[:, pos].tolist()):
    if weight > {CHOSEN}:
        token = repr(tokenizer.decode([ids[int(source)]]))
        numbers = f"weight {{weight:.4f}}, share {{share:.4f}}"
        print(f"layer {{layer}}, head {{head:.0f}}: from {{source:.0f}} {{token}}, {{numbers}}")
{_words(spec)}"""


def _words(spec: ModelSpec) -> str:
    """What leads after each layer (logit lens, nostalgebraist 2020) and in the end; without an output, the vector."""
    if spec.head is None:
        return 'print("it ends in a vector of", out.last_hidden_state.shape[-1], "numbers")\n'
    return f"""
with torch.no_grad():
    lens = [{readout(spec)} for stream in (each[0, pos] for each in streams[1:-1])]
lens.append(out.logits[0, pos])  # after the last layer: the model's own
for layer, logits in enumerate(lens):
    probability, token = logits.softmax(dim=-1).max(dim=-1)
    print(f"after layer {{layer}}: {{tokenizer.decode([int(token)])!r}}, {{probability:.4f}}")
best = out.logits[0, pos].softmax(dim=-1).topk({_NAMED})
print("prediction:")
for probability, token in zip(*best):
    print(f"{{tokenizer.decode([int(token)])!r}}, {{probability:.4f}}")
"""
