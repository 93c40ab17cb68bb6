"""From stream to vocabulary: the model's own final norm and head on chosen rows, and the best of what they give.

On the last stream that is the model's prediction; on an earlier one it is the logit lens (nostalgebraist 2020).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from anatomy.language import N_
from anatomy.positions import at_position, positions
from anatomy.request import MOST_RANKS, Want
from models.families import Family
from models.loaded.ranked import largest
from models.measure import Measure, each_layer, each_position, once, sites_of
from models.progress import report_progress, stop_if_cancelled
from models.reading.layer_inputs import LayerInputs
from models.reading.precision import held_logits

CHUNK = 64  # rows scored at a time: 64 × 49,152 logits take 12.6 MB
NEXT_K = MOST_RANKS  # tokens kept of each prediction: those that a want may name by their rank
LENS_K = 10  # tokens kept of each layer's
_MOST_LOGIT = 1e-4 * torch.finfo(torch.float32).max  # of the longest row: another may point further along one's weights
_NEXT, _LENS = ("next_ids", "next_logp", "entropy"), ("lens_ids", "lens_logp")
MEASURES = (
    Measure(("logits",), rows=once),
    Measure(_NEXT, rows=each_position, chunk=CHUNK, lengths={"k": NEXT_K}),
    Measure(_LENS, rows=each_layer, chunk=CHUNK, sweeps=once, lengths={"k": LENS_K}),
)
SITES = sites_of(MEASURES)


@dataclass(frozen=True)
class Best:
    """ids and logp [… k] of the most probable tokens, best first; entropy […] of the whole distribution, in nats."""

    ids: Int[Tensor, "... k"]
    logp: Float[Tensor, "... k"]
    entropy: Float[Tensor, "..."]


class Rows:
    """What is kept of many rows, chunk by chunk, in tensors that are made once.

    Kept one by one, small tensors come to lie in the holes that large ones leave, of which the next then fits into
    none: all predictions of the lens at 2,048 tokens took 6 GB that way.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.whole: tuple[Tensor, ...] = ()

    def put(self, at: int, *parts: Tensor) -> None:
        """Tensors [row …] of the rows from number `at` on."""
        self.whole = self.whole or tuple(part.new_empty(self.count, *part.shape[1:]) for part in parts)
        for whole, part in zip(self.whole, parts, strict=True):
            whole[at : at + len(part)] = part


class Readout:
    """The end of one model that has a head."""

    def __init__(self, model: PreTrainedModel, family: Family) -> None:
        self._norm = model.base_model.get_submodule(family.final_norm) if family.final_norm else None
        self._head = model.get_submodule(family.head)

    def logits(self, rows: Float[Tensor, "row d_model"]) -> Float[Tensor, "row vocab"]:
        """The logit of every token of the vocabulary, for as many rows at once as the caller gives: rows as the model's
        streams are, logits in its precision. Refused where float16 does not hold them."""
        return held_logits(self._head(rows if self._norm is None else self._norm(rows)))

    def holds(self, rows: Float[Tensor, "row d_model"]) -> bool:
        """Whether the model's precision holds the logits of these rows, as those of the longest of them say: changes
        may make a stream so long that its norm overflows, or leave the norm out that makes it short."""
        longest = torch.linalg.vector_norm(rows, dim=-1, dtype=torch.double).argmax()
        return readable(self.logits(rows[longest, None]).float())

    def best(self, rows: Float[Tensor, "row d_model"], k: int) -> Best:
        """The k most probable tokens of each row, scored in chunks. Cancelled where nobody waits for them any more."""
        kept = Rows(len(rows))
        for start in range(0, len(rows), CHUNK):
            report_progress(N_("reading the predictions"), start, len(rows))
            best = _best(self._scored(rows[start : start + CHUNK]), k)
            kept.put(start, best.ids, best.logp, best.entropy)
        return Best(*kept.whole)

    def _scored(self, rows: Float[Tensor, "row d_model"]) -> Float[Tensor, "row vocab"]:
        """The logits of one chunk. Cancelled where nobody waits for it any more."""
        stop_if_cancelled()
        return self.logits(rows).float()

    def answer(self, inputs: LayerInputs, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
        """The wanted arrays among SITES; positions that nobody asks for are not scored."""
        last = inputs.stream(len(inputs.calls))
        lens, ends = self._lens(inputs, wants)
        whole = {want.pos for want in wants if want.site == "logits"}
        rows = {pos: ends[pos] if pos in ends else self.logits(last[pos, None]).float() for pos in whole}  # [1 vocab]
        logits = {want: rows[want.pos][0].numpy() for want in wants if want.site == "logits"}
        return lens | logits | self._next(last, ends | rows, wants)

    def _next(
        self, last: Float[Tensor, "pos d_model"], rows: dict[int | None, Tensor], wants: Sequence[Want]
    ) -> dict[Want, np.ndarray]:
        """Predictions; a position whose logits are there already is not scored again."""
        mine = [want for want in wants if want.site in _NEXT]
        if not mine:
            return {}
        places = positions(mine, len(last))
        scored = all(place in rows for place in places)
        best = _best(torch.cat([rows[p] for p in places]), NEXT_K) if scored else self.best(last[places], NEXT_K)
        columns = {"next_ids": best.ids, "next_logp": best.logp, "entropy": best.entropy}
        return {want: at_position(columns[want.site].numpy(), want, places) for want in mine}

    def _lens(
        self, inputs: LayerInputs, wants: Sequence[Want]
    ) -> tuple[dict[Want, np.ndarray], dict[int | None, Tensor]]:
        """(what the lens names, the logits [1 vocab] of the last stream where it read one position)."""
        mine = [want for want in wants if want.site in _LENS]
        if not mine:
            return {}, {}
        layers = len(inputs.calls)
        places = positions(mine, len(inputs.stream(0)))
        at_once = max(1, CHUNK // len(places))  # layers; a few rows take hardly longer than one
        kept, logits = Rows(layers * len(places)), torch.empty(0)
        for start in range(0, layers, at_once):
            some = range(start, min(start + at_once, layers))
            rows = torch.cat([inputs.stream(layer + 1)[places] for layer in some])  # [layer·pos d_model]
            for number, chunk in enumerate(rows.split(CHUNK)):
                at = start * len(places) + number * CHUNK
                report_progress(N_("reading the stream after each layer"), at, kept.count)
                logits = self._scored(chunk)
                kept.put(at, *_named(logits, LENS_K))
        columns = zip(_LENS, kept.whole, strict=True)
        shaped = {site: column.unflatten(0, (layers, -1)).numpy() for site, column in columns}
        ends: dict[int | None, Tensor] = {places[0]: logits[-1:].clone()} if len(places) == 1 else {}
        return {want: at_position(shaped[want.site], want, places) for want in mine}, ends


def readable(logits: Float[Tensor, "... vocab"]) -> bool:
    """Whether these are numbers, and not so large that others near them would be none."""
    return bool((logits.abs() < _MOST_LOGIT).all())


def _best(logits: Float[Tensor, "row vocab"], k: int) -> Best:
    logp = logits.float().log_softmax(dim=-1)
    ids = largest(logits, k)[1]
    return Best(ids, logp.gather(-1, ids), -(logp.exp().mul_(logp)).sum(dim=-1))


def _named(logits: Float[Tensor, "row vocab"], k: int) -> tuple[Int[Tensor, "row k"], Float[Tensor, "row k"]]:
    """The k best tokens of each row and their log probabilities."""
    values, ids = largest(logits, k)
    return ids, values - logits.logsumexp(dim=-1, keepdim=True)
