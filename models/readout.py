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
from anatomy.request import Want
from models import pulse
from models.families import Family
from models.parts import at_position, positions
from models.tape import Tape

SITES = frozenset({"logits", "next_ids", "next_logp", "entropy", "lens_ids", "lens_logp"})
CHUNK = 64  # rows scored at a time: 64 × 49,152 logits take 12.6 MB
NEXT_K = 50  # tokens kept of each prediction
LENS_K = 10  # tokens kept of each layer's


@dataclass(frozen=True)
class Best:
    """ids and logp [… k], best first; entropy […] of the whole distribution, in nats."""

    ids: Int[Tensor, "... k"]
    logp: Float[Tensor, "... k"]
    entropy: Float[Tensor, "..."]


class Readout:
    """The end of one model that has a head."""

    def __init__(self, model: PreTrainedModel, family: Family) -> None:
        self._norm = model.base_model.get_submodule(family.final_norm) if family.final_norm else None
        self._head = model.get_submodule(family.head)

    def logits(self, rows: Float[Tensor, "row d_model"]) -> Float[Tensor, "row vocab"]:
        """The score of every token of the vocabulary, for as many rows at once as the caller gives."""
        return self._head(rows if self._norm is None else self._norm(rows))

    def best(self, rows: Float[Tensor, "row d_model"], k: int) -> Best:
        """The k most probable tokens of each row, scored in chunks."""
        parts = [self._scored(chunk, k) for chunk in rows.split(CHUNK)]
        columns = zip(*((part.ids, part.logp, part.entropy) for part in parts), strict=True)
        return Best(*(torch.cat(column) for column in columns))

    def _scored(self, rows: Float[Tensor, "row d_model"], k: int) -> Best:
        """One chunk. Cancelled where nobody waits for it any more."""
        pulse.stop_if_cancelled()
        return _best(self.logits(rows), k)

    def answer(self, tape: Tape, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
        """The wanted arrays among SITES; positions that nobody asks for are not scored."""
        last = tape.stream(len(tape.calls))
        whole = [want for want in wants if want.site == "logits"]
        rows = {want.pos: self.logits(last[want.pos, None]) for want in whole}  # position: [1 vocab]
        logits = {want: rows[want.pos][0].float().numpy() for want in whole}
        return logits | self._next(last, rows, wants) | self._lens(tape, wants)

    def _next(
        self, last: Float[Tensor, "pos d_model"], rows: dict[int | None, Tensor], wants: Sequence[Want]
    ) -> dict[Want, np.ndarray]:
        """Predictions; a position whose logits were asked for too is not scored again."""
        mine = [want for want in wants if want.site in ("next_ids", "next_logp", "entropy")]
        if not mine:
            return {}
        places = positions(mine, len(last))
        scored = all(place in rows for place in places)
        best = _best(torch.cat([rows[p] for p in places]), NEXT_K) if scored else self.best(last[places], NEXT_K)
        columns = {"next_ids": best.ids, "next_logp": best.logp, "entropy": best.entropy}
        return {want: at_position(columns[want.site].numpy(), want, places) for want in mine}

    def _lens(self, tape: Tape, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
        mine = [want for want in wants if want.site in ("lens_ids", "lens_logp")]
        if not mine:
            return {}
        layers = len(tape.calls)
        places = positions(mine, len(tape.stream(0)))
        at_once = max(1, CHUNK // len(places))  # layers; a few rows take hardly longer than one
        found = []
        for start in range(0, layers, at_once):
            pulse.beat(N_("reading the stream after each layer"), start, layers)
            some = range(start, min(start + at_once, layers))
            rows = torch.cat([tape.stream(layer + 1)[places] for layer in some])  # [layer·pos d_model]
            found.append(self.best(rows, LENS_K))
        columns = {"lens_ids": [best.ids for best in found], "lens_logp": [best.logp for best in found]}
        shaped = {site: torch.cat(rows).unflatten(0, (layers, -1)).numpy() for site, rows in columns.items()}
        return {want: at_position(shaped[want.site], want, places) for want in mine}


def _best(logits: Float[Tensor, "row vocab"], k: int) -> Best:
    logp = logits.float().log_softmax(dim=-1)
    top = logp.topk(min(k, logp.shape[-1]), dim=-1)
    return Best(top.indices, top.values, torch.special.entr(logp.exp()).sum(dim=-1))
