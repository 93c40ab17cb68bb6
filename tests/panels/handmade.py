"""Traces made by hand, for captions that have to be true of known numbers."""

import numpy as np

from anatomy.measure import head_scores
from anatomy.request import Run, Want
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace
from tests.anatomy.spec import spec

SMALL = spec(n_heads=2, n_kv=1)


def tokens(words: str) -> tuple[Token, ...]:
    """One token per word, equal words with equal ids; the text is the words with spaces between."""
    ids: dict[str, int] = {}
    found, start = [], 0
    for word in words.split():
        number = ids.setdefault(word, len(ids))
        found.append(Token(number, word, word, word.encode(), start, start + len(word)))
        start += len(word) + 1
    return tuple(found)


def even(n: int) -> np.ndarray:
    """[pos src] every token looks evenly at all that it may see."""
    return np.tri(n) / np.arange(1, n + 1)[:, None]


def attending(words: str, weights: np.ndarray, layer: int = 1, head: int = 0, model: ModelSpec = SMALL) -> Trace:
    """A trace of a causal model in which one head has these weights [pos src] and every other one looks evenly."""
    found = tokens(words)
    n = len(found)
    patterns = np.broadcast_to(even(n), (model.layers, model.n_heads, n, n)).astype("f4").copy()
    patterns[layer, head] = weights
    with np.errstate(divide="ignore"):
        scores = np.log(patterns)
    ids = np.array([token.id for token in found])
    by_layer = [head_scores(pattern, ids) for pattern in patterns]
    rows = np.arange(n * model.d_head, dtype="f4").reshape(n, model.d_head)
    arrays = {Want(f"head_{name}"): np.stack([s[name] for s in by_layer]) for name in by_layer[0]}
    arrays |= {Want("head_maps"): np.rint(255 * patterns).astype("u1")}
    arrays |= {
        Want("pattern", layer): patterns[layer],
        Want("scores", layer): scores[layer],
        Want("q", layer): np.stack([rows] * model.n_heads),
        Want("k", layer): np.stack([rows] * model.n_kv),
        Want("v", layer): np.stack([rows] * model.n_kv),
        Want("z", layer): patterns[layer] @ rows,
    }
    return Trace(Run(model.id, words), model, found, arrays)


def cut_as(text: str, pieces: list[bytes], special: tuple[str, ...] = ()) -> Trace:
    """A trace without arrays: the text in pieces of bytes, then special tokens."""
    found, done = [], b""
    for piece in pieces:
        start = len(done.decode(errors="ignore"))
        done += piece
        end = len(done.decode(errors="replace"))
        found.append(Token(len(found), repr(piece), _text(piece), piece, start, end))
    assert done == text.encode()
    end = len(text)
    found += [Token(100 + i, name, name, name.encode(), end, end, special=True) for i, name in enumerate(special)]
    return Trace(Run(SMALL.id, text), SMALL, tuple(found), {})


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
