"""The Python that computes the attention map with plain transformers: weights or lengths, tokens or words, cells."""

from dataclasses import replace

from anatomy.measure import POOLED
from anatomy.spec import ModelSpec
from anatomy.view import Fitted
from panels.attention import attention_long as far
from panels.attention.attention_shown import by_length
from panels.common import joined
from panels.common.attention_row import is_long
from panels.common.chosen_cell import KEEP
from panels.common.shared import FIRST, WORDS
from panels.common.snippet import LAYERS, PATTERNS, held, opening

_SHARES = "result = result / result.sum(dim=-1, keepdim=True)\n"
_MERGE = """result = torch.stack([result[:, word].sum(dim=1) for word in words], dim=1)  # summed over keys
result = torch.stack([result[word].mean(dim=0) for word in words])  # averaged over queries
"""


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The map's numbers: [pos, src], or [word, word]; of a long text [row, col] of its cells, or of a window."""
    left = "" if view[FIRST] else "result[:, 0] = 0  # the first token left out\n"
    merged = _MERGE if view[WORDS] else ""
    again = "" if view[FIRST] or by_length(view) or far.in_cells(view) else _SHARES
    cells = _lengths(spec, view) if by_length(view) else ""
    return f"""{opening(spec, view)}
{held(spec, view)}{PATTERNS}result = attentions[{view.layer}][0, {view.head}].clone()  # [pos, src]
{cells}{joined.program(view)}{left}{merged}{again}{_part(view)}print(result)
"""


def _part(view: Fitted) -> str:
    """Python that cuts a long text's map into cells, or a window out of it."""
    if not is_long(view):
        return ""
    top, bottom, left, right = far.window(view)
    cut = f"result = result[{top}:{bottom}, {left}:{right}]  # the tokens on view\n"
    if far.is_near(view):
        return cut
    how = "mean" if view[far.CELLS] == far.MEAN else "amax"
    return (cut if left and not view[WORDS] else "") + _POOL.format(most=POOLED, how=how)


_POOL = """

def borders(length):  # of at most {most} nearly equal cells
    cells = min(length, {most})
    return [i * length // cells for i in range(cells + 1)]


rows, columns = (borders(length) for length in result.shape)
result = torch.stack([result[a:b].{how}(dim=0) for a, b in zip(rows, rows[1:])])
result = torch.stack([result[:, a:b].{how}(dim=1) for a, b in zip(columns, columns[1:])], dim=1)  # [row, col]
"""


def of_tokens(spec: ModelSpec, view: Fitted) -> str:
    """The weights between single tokens, whatever else the map is set to: [pos, src]."""
    first = tuple(setting for setting in view.settings if setting[0] == FIRST.name)
    return snippet(spec, replace(view, settings=first, length=0))  # every pair, however long the text


def _lengths(spec: ModelSpec, view: Fitted) -> str:
    """Python that turns the weights in `result` into lengths of weight × value."""
    return f"""{LAYERS}{KEEP}q, k, v, z = kept[{view.layer}]
values = torch.zeros(len(ids), q.shape[0], q.shape[2])  # [src, head, d_head]: this head's values alone
values[:, {view.head}] = v[{view.head} // (len(q) // len(v))]
values = values.flatten(1)
projection = layers[{view.layer}].get_submodule("{spec.paths.attention}")
with torch.no_grad():
    written = projection(values) - projection(torch.zeros_like(values))  # [src, d_model], without the bias
result = result * written.norm(dim=-1)  # weight × length of the value in the stream
"""
