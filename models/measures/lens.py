"""What the streams say of the answer: each lens's distance from it, tokens watched through the layers, surprisal.

Whole distributions are formed for a few rows at a time and never kept: a lens of 49,152 tokens × 30 layers × 512
positions would take 3 GB.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.language import N_
from anatomy.positions import at_position, positions
from anatomy.request import Want
from anatomy.spec import ModelSpec
from models.loaded.ranked import largest_at, nearness
from models.loaded.readout import CHUNK, Rows
from models.loaded.reasons import NO_HEAD
from models.measure import Measure, each_layer, each_position, once, sites_of
from models.measures.context import RunContext
from models.progress import report_progress, stop_if_cancelled

WATCHED = 8  # tokens at most
SPAN = 512  # positions whose streams of all layers are held at a time
_WATCH = ("watch_ids", "watch_logp", "watch_rank")
_RESTS_ON = frozenset({"resid_post", "logits"})
MEASURES = (
    Measure(
        ("lens_kl",),
        _RESTS_ON,
        rows=each_layer,
        chunk=CHUNK,
        sweeps=lambda tokens, want: 1 + tokens // SPAN if want.pos is None else 1,
    ),
    Measure(("surprisal",), _RESTS_ON, rows=each_position, chunk=CHUNK),
    Measure(_WATCH, _RESTS_ON, rows=each_layer, chunk=CHUNK, sweeps=once, lengths={"k": WATCHED}),
)
_NOT_CAUSAL = N_(
    "This model reads the whole text at once, in both directions: it gives a token no probability from those before it "
    "alone, so there is no surprisal."
)


def basis(want: Want, spec: ModelSpec) -> list[Want]:
    """Nothing but the streams, which the layer inputs hold."""
    return []


def missing(spec: ModelSpec) -> dict[str, str]:
    """All of it without an output layer; surprisal in models that look ahead."""
    if spec.head is None:
        return dict.fromkeys(sites_of(MEASURES), NO_HEAD)
    return {} if spec.stack().causal else {"surprisal": _NOT_CAUSAL}


def answer(context: RunContext, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    """The wanted arrays among MEASURES."""
    distance = [want for want in wants if want.site == "lens_kl"]
    surprise = [want for want in wants if want.site == "surprisal"]
    watched = [want for want in wants if want.site in _WATCH]
    return _distances(context, distance) | _surprisals(context, surprise) | _watches(context, watched)


def _distances(context: RunContext, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    if not wants:
        return {}
    places = positions(wants, len(context.ids))
    kept, step = Rows(len(places)), N_("comparing each layer's lens with the answer")
    for begin in range(0, len(places), SPAN):
        streams = _streams(context, places[begin : begin + SPAN])
        for start in range(0, streams.shape[1], CHUNK):
            report_progress(step, begin + start, len(places))
            kept.put(begin + start, _divergences(context, streams[:, start : start + CHUNK]).T)
    whole = kept.whole[0].T.numpy()  # [layer pos]
    return {want: at_position(whole, want, places) for want in wants}


def _streams(context: RunContext, places: list[int]) -> Float[Tensor, "layer pos d_model"]:
    """The streams leaving each layer at some positions. The layers are gone through once: layer inputs that hold few
    of the streams run the others again."""
    rows = []
    for layer in range(len(context.inputs.calls)):
        stop_if_cancelled()
        rows.append(context.inputs.stream(layer + 1)[places])
    return torch.stack(rows)


def _divergences(context: RunContext, streams: Float[Tensor, "layer pos d_model"]) -> Float[Tensor, "layer pos"]:
    """Σ p · (log p − log q) over the vocabulary, in nats: p the final distribution, q each layer's lens (Kullback and
    Leibler 1951)."""
    final = _logp(context, streams[-1])
    p, at_once = final.exp(), max(1, CHUNK // streams.shape[1])  # layers; a few rows take hardly longer than one
    divergences = [torch.zeros(0, streams.shape[1])]
    for some in streams[:-1].split(at_once):
        lens = _logp(context, some.flatten(0, 1)).unflatten(0, some.shape[:2])  # [layer pos vocab]
        divergences.append((p * (final - lens)).sum(-1).clamp(min=0.0))
    return torch.cat([*divergences, torch.zeros(1, streams.shape[1])])  # the last lens is the final distribution


def _surprisals(context: RunContext, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    if not wants:
        return {}
    places = positions(wants, len(context.ids))
    surprisals = {0: float("nan")}
    for number, chunk in enumerate(_chunks([place for place in places if place > 0])):
        report_progress(N_("reading the predictions"), number * CHUNK, len(places))
        logp = _logp(context, context.last[[place - 1 for place in chunk]])  # [chunk vocab]
        token_logp = logp.gather(1, torch.from_numpy(context.ids[chunk])[:, None])[:, 0]
        surprisals |= dict(zip(chunk, (-token_logp).tolist(), strict=True))
    whole = np.array([surprisals[place] for place in places], np.float32)
    return {want: at_position(whole, want, places) for want in wants}


def _watches(context: RunContext, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    if not wants:
        return {}
    places = positions(wants, len(context.ids))
    streams = _streams(context, places)
    watched = {place: _watched(context, streams[:, number]) for number, place in enumerate(places)}
    return {want: watched[want.pos][want.site].numpy() for want in wants if want.pos is not None}


def _watched(context: RunContext, rows: Float[Tensor, "layer d_model"]) -> dict[str, Tensor]:
    """The three sites of one position, by name."""
    logp = _logp(context, rows)  # [layer vocab]
    ids = torch.tensor(_leaders(largest_at(logp).tolist()))  # [k]
    own = logp[:, ids]  # [layer k]
    least = own + nearness(logp)[:, None]  # what is nearer counts as equal
    ranks = torch.stack([(logp > column[:, None]).sum(-1) + 1 for column in least.T], dim=-1)
    return {"watch_ids": ids, "watch_logp": own, "watch_rank": ranks}


def _leaders(best: list[int]) -> list[int]:
    """Every token that is best after some layer, the latest first, so the final one leads; at most WATCHED."""
    return list(dict.fromkeys(reversed(best)))[:WATCHED]


def _logp(context: RunContext, rows: Float[Tensor, "row d_model"]) -> Float[Tensor, "row vocab"]:
    stop_if_cancelled()
    return context.readout.logits(rows).float().log_softmax(dim=-1)


def _chunks(places: list[int]) -> list[list[int]]:
    return [places[start : start + CHUNK] for start in range(0, len(places), CHUNK)]
