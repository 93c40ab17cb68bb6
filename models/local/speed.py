"""How fast this machine runs a model that has been opened: three short measurements."""

from collections.abc import Callable
from time import perf_counter

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from models.loaded.model import LoadedModel
from models.local.estimate import Speed
from models.measures.attention_reducers import HeadScores, Text
from models.reading.attended import Attended

_ROWS, _TOKENS = 256, 512
_TIMES = 3


def measure(loaded: LoadedModel) -> Speed:
    """The best of three of each: an FFN on 256 rows, fused attention and the kinds of heads on 512 tokens."""
    spec = loaded.spec
    with torch.inference_mode():
        rows = torch.ones(_ROWS, spec.d_model)
        ffn = (3 if spec.ffn.gated else 2) * spec.d_model * spec.d_ff * _ROWS * 2
        heads = torch.ones(1, spec.n_heads, _TOKENS, spec.d_head)
        attended, text = Attended(heads[0], heads[0, : spec.n_kv], None, None, causal=False), Text(np.arange(_TOKENS))
        own = heads.to(loaded.family.token_table(loaded.model).dtype)
        return Speed(
            products=ffn / _quickest(lambda: loaded.ffn(0, rows)),
            fused=4 * spec.n_heads * spec.d_head * _TOKENS**2 / _quickest(lambda: _fused(own)),
            weights=spec.n_heads * _TOKENS**2 / _quickest(lambda: _summed(attended, text)),
        )


def _fused(heads: torch.Tensor) -> None:
    scaled_dot_product_attention(heads, heads, heads)


def _summed(attended: Attended, text: Text) -> None:
    scores = HeadScores(text, len(attended.query))
    for tile in attended.tiles():
        scores.add(tile)


def _quickest(work: Callable[[], object]) -> float:
    """Seconds of the quickest of a few times, the first not counted."""
    work()
    return min(_timed(work) for again in range(_TIMES))


def _timed(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start
