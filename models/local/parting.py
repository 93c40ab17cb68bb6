"""How far two runs come apart, from the layer inputs of both: streams place by place, predictions in chunks of pairs.

Neither all streams nor all predictions are held: streams that layer inputs have left out are found again one after the
other, and of 8,192 tokens' distributions over 49,152 tokens only PAIRS are there at a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anatomy.language import N_
from anatomy.parting import Losses, Parting, Places
from anatomy.refused import Sentence
from models.loaded.model import LoadedModel
from models.loaded.readout import Readout
from models.local.estimate import PAIRS, STREAMS
from models.progress import report_progress
from models.reading.interventions import Changes, intervening
from models.reading.layer_inputs import LayerInputs

_OTHER_WORDS = N_(
    "The two models have different vocabularies: their predictions are about different tokens, so there is no "
    "divergence between them."
)
_OTHER_QUESTION = N_(
    "One model predicts the next token, the other the token that stands there: their predictions answer different "
    "questions, so there is no divergence between them."
)
_OTHER_WIDTH = N_(
    "The first model's stream is {a} numbers wide and the second's {b}: there is no distance between them."
)
_OTHER_DEPTH = N_(
    "The first model has {a} layers and the second {b}: there is no layer-by-layer distance between them."
)
_NOT_WANTED = N_("The distance of the streams was not asked for.")
_STREAMS = ("resid_pre", "resid_post")
_PREDICTIONS = ("logits", "next_ids")


@dataclass(frozen=True)
class MadeRun:
    """A run that has been made, to be compared with another.

    ids       its tokens
    changes   its interventions, with all that they take from elsewhere
    missing   sites that its engine does not answer, each with the sentence that says why
    spelling  a fingerprint of its vocabulary: equal where every id means the same
    """

    loaded: LoadedModel
    ids: Int[Tensor, " pos"]
    inputs: LayerInputs
    changes: Changes
    missing: Mapping[str, str | Sentence]
    spelling: bytes

    def stream(self, place: int) -> Float[Tensor, "pos d_model"]:
        """The stream that enters a layer; with the number of layers, the one that leaves the last."""
        with intervening(self.changes):
            return self.inputs.stream(place)

    def logits(self, readout: Readout, places: Int[Tensor, " pair"]) -> Float[Tensor, "pair vocab"]:
        """What its model predicts at some places."""
        with intervening(self.changes):
            return readout.logits(self.inputs.stream(len(self.inputs.calls))[places])

    def lacks(self, sites: tuple[str, ...]) -> Sentence | None:
        """Why it does not answer one of these sites; None where it answers all."""
        reason = next((self.missing[site] for site in sites if site in self.missing), None)
        return Sentence(reason) if isinstance(reason, str) else reason


@torch.inference_mode()
def compared(a: MadeRun, b: MadeRun, pairs: tuple[Places, ...], streams: bool = True) -> Parting:
    """What B differs by from A at these pairs of their tokens. streams: whether the distances are wanted."""
    places = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2)  # [pair side]
    without_distance = _without_distance(a, b) if streams else Sentence(_NOT_WANTED)
    without_kl = _without_kl(a, b)
    losses = (_Losses(a), _Losses(b))
    forth, back = (None, None) if without_kl else _divergences(a, b, places, losses)
    return Parting(
        pairs,
        forth,
        back,
        None if without_distance else _distances(a, b, places),
        (a.lacks(_PREDICTIONS) is None, b.lacks(_PREDICTIONS) is None),
        without_kl,
        without_distance,
        losses=(losses[0].whole(), losses[1].whole()),
    )


class _Losses:
    """−log p of each token of a run after those before it, in nats, noted as predictions come by."""

    def __init__(self, run: MadeRun) -> None:
        self._run = run
        self._nats = torch.full((len(run.ids),), torch.nan, dtype=torch.double)

    def note(self, places: Int[Tensor, " pair"], logps: Float[Tensor, "pair vocab"]) -> None:
        """The log probabilities of what comes after these places."""
        inside = places + 1 < len(self._run.ids)
        following = places[inside] + 1
        self._nats[following] = -logps[inside].gather(1, self._run.ids[following, None])[:, 0]

    def whole(self) -> Losses:
        """All of them, those that nobody has noted worked out; None where the model does not predict what comes."""
        readout = self._run.loaded.readout
        if readout is None or self._run.loaded.spec.head != "causal" or self._run.lacks(_PREDICTIONS):
            return None
        missing = self._nats[1:].isnan().nonzero()[:, 0]  # the places before them
        for number, some in enumerate(missing.split(PAIRS) if len(missing) else ()):
            report_progress(N_("comparing the predictions"), number * PAIRS, len(missing))
            self.note(some, self._run.logits(readout, some).double().log_softmax(dim=-1))
        return self._nats.numpy()


def _without_distance(a: MadeRun, b: MadeRun) -> Sentence | None:
    """Why the streams of these two have no distance; None where they have."""
    ours, theirs = a.loaded.spec, b.loaded.spec
    if lacking := a.lacks(_STREAMS) or b.lacks(_STREAMS):
        return lacking
    if ours.d_model != theirs.d_model:
        return Sentence(_OTHER_WIDTH, a=ours.d_model, b=theirs.d_model)
    return None if ours.layers == theirs.layers else Sentence(_OTHER_DEPTH, a=ours.layers, b=theirs.layers)


def _without_kl(a: MadeRun, b: MadeRun) -> Sentence | None:
    """Why the predictions of these two have no divergence; None where they have."""
    if lacking := a.lacks(_PREDICTIONS) or b.lacks(_PREDICTIONS):
        return lacking
    if a.spelling != b.spelling:
        return Sentence(_OTHER_WORDS)
    return None if a.loaded.spec.head == b.loaded.spec.head else Sentence(_OTHER_QUESTION)


def _distances(a: MadeRun, b: MadeRun, places: Int[Tensor, "pair side"]) -> Float[np.ndarray, "place pair"]:
    """‖b − a‖ / ‖a‖ of the streams, place by place."""
    count = len(a.inputs.calls) + 1
    rows = []
    for place in range(count):
        report_progress(N_("comparing the streams, layer by layer"), place, count)
        ours, theirs = a.stream(place), b.stream(place)
        parts = [_apart(ours[some[:, 0]].double(), theirs[some[:, 1]].double()) for some in places.split(STREAMS)]
        rows.append(torch.cat(parts))
    return torch.stack(rows).numpy()


def _apart(a: Float[Tensor, "pair d_model"], b: Float[Tensor, "pair d_model"]) -> Float[Tensor, " pair"]:
    """‖b − a‖ / ‖a‖. What is equal has the distance 0, be it infinite or not a number; what begins with no length has
    parted without bound."""
    same = (a == b) | (a.isnan() & b.isnan())
    gap = torch.linalg.vector_norm((b - a).masked_fill(same, 0.0), dim=-1)
    return torch.where(gap == 0, 0.0, gap / torch.linalg.vector_norm(a, dim=-1)).nan_to_num(
        nan=torch.inf, posinf=torch.inf
    )


def _divergences(
    a: MadeRun, b: MadeRun, places: Int[Tensor, "pair side"], losses: Sequence[_Losses]
) -> tuple[Float[np.ndarray, " pair"], Float[np.ndarray, " pair"]]:
    """(KL(B ‖ A), KL(A ‖ B)) of each pair; what both come to for the tokens that follow is noted."""
    both = []
    for some, logps in zip(places.split(PAIRS), _predictions(a, b, places), strict=False):
        both.append(torch.stack(_divergence(*logps)))
        for side, (noted, logp) in enumerate(zip(losses, logps, strict=True)):
            noted.note(some[:, side], logp)
    forth, back = torch.cat([torch.zeros(2, 0, dtype=torch.double), *both], dim=1).numpy()
    return forth, back


def _predictions(a: MadeRun, b: MadeRun, places: Int[Tensor, "pair side"]) -> Iterator[tuple[Tensor, Tensor]]:
    """The log probabilities of both, chunk by chunk: [pair vocab] in float64. Equal rows get equal numbers: both sides
    have as many in a chunk."""
    heads = a.loaded.readout, b.loaded.readout
    assert heads[0] is not None, "a model without a head lacks its predictions, which has been asked before"
    assert heads[1] is not None, "a model without a head lacks its predictions, which has been asked before"
    for number, some in enumerate(places.split(PAIRS) if len(places) else ()):
        report_progress(N_("comparing the predictions"), number * PAIRS, len(places))
        ours, theirs = a.logits(heads[0], some[:, 0]), b.logits(heads[1], some[:, 1])
        yield ours.double().log_softmax(dim=-1), theirs.double().log_softmax(dim=-1)


def _divergence(
    a: Float[Tensor, "pair vocab"], b: Float[Tensor, "pair vocab"]
) -> tuple[Float[Tensor, " pair"], Float[Tensor, " pair"]]:
    """(KL(B ‖ A), KL(A ‖ B)) of log probabilities. Never below 0, where the last digit might put it."""
    gap = b - a
    forth, back = torch.linalg.vecdot(b.exp(), gap), -torch.linalg.vecdot(a.exp(), gap)
    return forth.clamp(min=0.0), back.clamp(min=0.0)
