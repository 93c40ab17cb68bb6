"""The Python that computes the attention map with plain transformers: weights or lengths, tokens or words."""

from dataclasses import replace

from anatomy.spec import ModelSpec
from anatomy.view import Fitted
from panels import joined
from panels.attention_map import by_length
from panels.chosen_cell import KEEP
from panels.heads_snippet import PATTERNS
from panels.shared import FIRST, WORDS
from panels.snippet import LAYERS, opening, paths

_SHARES = "result = result / result.sum(dim=-1, keepdim=True)\n"
_MERGE = """result = torch.stack([result[:, word].sum(dim=1) for word in words], dim=1)  # summed over keys
result = torch.stack([result[word].mean(dim=0) for word in words])  # averaged over queries
"""


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The map's numbers: [pos, src], or [word, word]."""
    left = "" if view[FIRST] else "result[:, 0] = 0  # the first token left out\n"
    merged = _MERGE if view[WORDS] else ""
    again = "" if view[FIRST] or by_length(view) else _SHARES
    cells = _lengths(spec, view) if by_length(view) else ""
    return f"""{opening(spec, view)}
{PATTERNS}result = attentions[{view.layer}][0, {view.head}].clone()  # [pos, src]
{cells}{joined.program(view)}{left}{merged}{again}print(result)
"""


def of_tokens(spec: ModelSpec, view: Fitted) -> str:
    """The weights between single tokens, whatever else the map is set to: [pos, src]."""
    first = tuple(setting for setting in view.settings if setting[0] == FIRST.name)
    return snippet(spec, replace(view, settings=first))


def _lengths(spec: ModelSpec, view: Fitted) -> str:
    """Python that turns the weights in `result` into lengths of weight × value."""
    return f"""{LAYERS}{KEEP}q, k, v, z = kept[{view.layer}]
values = torch.zeros(len(ids), q.shape[0], q.shape[2])  # [src, head, d_head]: this head's values alone
values[:, {view.head}] = v[{view.head} // (len(q) // len(v))]
values = values.flatten(1)
projection = layers[{view.layer}].get_submodule("{paths(spec).attention}")
with torch.no_grad():
    written = projection(values) - projection(torch.zeros_like(values))  # [src, d_model], without the bias
result = result * written.norm(dim=-1)  # weight × length of the value in the stream
"""
