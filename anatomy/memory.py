"""What a model that goes on with a text keeps of it: keys and values of every layer, in numbers and in bytes."""

from typing import Protocol

from anatomy.language import _, get_locale
from anatomy.numerals import numerals
from anatomy.spec import ModelSpec

_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


class Cached(Protocol):
    """What decides the size of the cache: `ModelSpec` has it, and `anatomy.costs.Configuration`."""

    @property
    def layers(self) -> int: ...
    @property
    def n_kv(self) -> int: ...
    @property
    def d_head(self) -> int: ...
    @property
    def windows(self) -> tuple[int | None, ...]: ...


def kept(model: Cached, tokens: int, layer: int) -> int:
    """Of so many tokens read, those whose keys and values a layer needs for the next one: all, or the last of its
    sliding window.

    A token in a window of w looks at itself and at w − 1 before it.
    """
    window = model.windows[layer] if model.windows else None
    return tokens if window is None else min(tokens, window - 1)


def kept_in_all(model: Cached, tokens: int) -> int:
    """The same, added up over all layers."""
    return sum(kept(model, tokens, layer) for layer in range(model.layers))


def cached_numbers(model: Cached, tokens: int, kv: int | None = None) -> int:
    """2 × heads × d_head numbers for each token that a layer keeps, over all layers: a key and a value per head.

    kv  key/value heads, to compare with other models (GQA, Ainslie et al. 2023); None: this model's own
    """
    return 2 * (model.n_kv if kv is None else kv) * model.d_head * kept_in_all(model, tokens)


def cache_bytes(spec: ModelSpec, tokens: int, kv: int | None = None) -> int:
    """Bytes of the cache after so many tokens, in the precision that the model runs in; kv as in `cached_numbers`."""
    return number_bytes(spec.dtype) * cached_numbers(spec, tokens, kv)


def number_bytes(dtype: str) -> int:
    """Bytes that one number of that type takes; ValueError for a type that is not in the table."""
    if dtype not in _BYTES:
        raise ValueError(f"no size is known for {dtype} numbers: add it to anatomy/memory.py")
    return _BYTES[dtype]


def gigabytes(size: int) -> str:
    """Bytes of this program's memory in words: "2.4 GB", below a tenth of one "35 MB"."""
    large = size >= (1 << 30) / 10
    digits = f"{size / (1 << 30):.1f}" if large else f"{size / (1 << 20):.0f}"
    return f"{numerals(get_locale()).written(digits)} {_('GB') if large else _('MB')}"
