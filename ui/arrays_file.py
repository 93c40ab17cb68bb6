"""The arrays behind a figure as one .npz file, which numpy loads without unpickling anything.

with np.load("stagelight-attention.npz", allow_pickle=False) as file:
    file["pattern.layer17"]                    # one array for each site and place that the panel read
    file["token_ids"], file["token_labels"]    # one entry per token
"""

import io
from collections.abc import Iterable

import numpy as np

from anatomy.request import Want
from anatomy.sites import axes_of
from anatomy.trace import Trace

_PLACES = ("stack", "layer", "head", "pos", "token", "against", "window")


def packed(trace: Trace, wants: Iterable[Want]) -> bytes:
    """The wanted arrays of a trace with what they belong to: the text, its tokens and the model. `axes` says of each
    array its name and its axes, and `names` has the label of each vocabulary id that the arrays mention.

    wants  of which the trace has the arrays; one that stands there twice is written once
    """
    arrays = {name(want): (want, trace[want]) for want in dict.fromkeys(wants)}
    axes = [f"{key} [{' '.join(axes_of(want))}]" for key, (want, _array) in arrays.items()]
    ids = sorted(trace.names)
    about = {
        "model": np.array(trace.spec.weights.title or trace.spec.name),
        "revision": np.array(trace.spec.revision),
        "dtype": np.array(trace.spec.dtype),
        "text": np.array(trace.text),
        "token_ids": np.array([token.id for token in trace.tokens], np.int64),
        "token_pieces": _words(token.piece for token in trace.tokens),
        "token_labels": _words(trace.labels),
        "name_ids": np.array(ids, np.int64),
        "names": _words(trace.names[id] for id in ids),
        "axes": _words(axes),
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **about, **{key: array for key, (_want, array) in arrays.items()})
    return buffer.getvalue()


def name(want: Want) -> str:
    """What an array is called in the file: its site, then each place that is fixed, such as "q.layer17.pos3"."""
    places = ((place, getattr(want, place)) for place in _PLACES)
    return ".".join((want.site, *(f"{place}{_number(value)}" for place, value in places if value is not None)))


def _number(value: int | str | tuple[int, ...]) -> str:
    return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _words(words: Iterable[str]) -> np.ndarray:
    """Words as one array [word] of texts, an empty one too."""
    return np.array(list(words), np.str_)
