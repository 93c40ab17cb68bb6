"""The Python that computes the scores of all heads with plain transformers."""

from anatomy.measure import LOCAL
from anatomy.spec import ModelSpec
from anatomy.view import Fitted
from panels.attention.head_kinds import MAPS, shown
from panels.attention.head_order import ORDER, SCORE
from panels.common.snippet import PATTERNS, opening

_SHARED = """patterns = torch.stack([layer[0] for layer in attentions]).double()  # [layer, head, pos, src]
n = len(ids)
pos, src = torch.arange(n)[:, None], torch.arange(n)[None, :]
same = (torch.tensor(ids)[:, None] == torch.tensor(ids)[None, :]) & (pos != src)  # other places of the same token
"""
_MEAN = """rows = where.any(dim=-1)  # tokens that have a case
result = (patterns * where).sum(dim=-1)[:, :, rows].mean(dim=-1)
"""
_INDUCTION = """where = torch.zeros_like(same)
where[:, 1:] = (same & (src < pos))[:, :-1]  # what followed an earlier copy
where &= ~same & (pos != src)  # another token than the one that looks
"""
_MAPS = """side = min(n, 32)
edges = [i * n // side for i in range(side)] + [n]
cells = [list(range(a, b)) for a, b in zip(edges, edges[1:])]
tall = torch.stack([patterns[:, :, cell].amax(dim=2) for cell in cells], dim=2)
small = torch.stack([tall[:, :, :, cell].amax(dim=3) for cell in cells], dim=3)
result = (255 * small).round()  # [layer, head, row, col]
"""
_PROGRAMS = {
    "induction": _INDUCTION + _MEAN,
    "previous": "where = src == pos - 1\n" + _MEAN,
    "first": "where = (src == 0) & (pos > 0)\n" + _MEAN,
    "duplicate": "where = same\n" + _MEAN,
    "local": f"where = ((pos - src).abs() <= {LOCAL}) & (pos > {LOCAL})\n" + _MEAN,
    "entropy": "result = torch.special.entr(patterns).sum(dim=-1).mean(dim=-1)\n",
    "distance": "result = (patterns * (pos - src).abs()).sum(dim=-1)[:, :, 1:].mean(dim=-1)\n",
    "maps": _MAPS,
}


_SORTED = """flat = result.flatten().nan_to_num(nan=-1.0)
order = flat.argsort(descending=True, stable=True)
layer, head = order // result.shape[1], order % result.shape[1]
result = torch.stack([layer, head, result.flatten()[order]], dim=-1)  # [head of the model, (layer, head, score)]
"""


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The chosen score of every head: [layer, head], or a row for each from the highest score on."""
    ordered = _SORTED if view[ORDER] == SCORE and shown(view) != MAPS else ""
    return f"{opening(spec, view)}\n{PATTERNS}{_SHARED}{_PROGRAMS[shown(view)]}{ordered}print(result)\n"
