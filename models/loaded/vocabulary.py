"""The way in: rows of the embedding table, and the rows of other tokens that point the same way."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anatomy.language import N_
from anatomy.positions import at_position, positions
from anatomy.request import Want
from models.loaded.ranked import largest
from models.loaded.readout import CHUNK
from models.measure import Measure, each_position
from models.progress import report_progress
from models.reading import architecture
from models.reading.arrays import array_of
from models.reading.precision import product, widened

NEAR_K = 8  # nearest tokens kept of each
_NEAR = ("near_ids", "near_cos", "near_rows")
MEASURES = (
    Measure(("tok_embed",), forward=False),
    Measure(("pos_embed",), forward=False),
    Measure(_NEAR, forward=False, rows=each_position, chunk=CHUNK, lengths={"k": NEAR_K}),
)


class Vocabulary:
    """One model's embedding table [vocab d_model] and, where positions are learned, its position table. Cosines
    of rows in half precision are worked out in float32."""

    def __init__(
        self, table: Float[Tensor, "vocab d_model"], positions: Float[Tensor, "max_pos d_model"] | None
    ) -> None:
        self._table = table
        self._positions = positions

    def answer(
        self, ids: Int[Tensor, " pos"], wants: Sequence[Want], places: Int[Tensor, " pos"] | None = None
    ) -> dict[Want, np.ndarray]:
        """The wanted arrays among MEASURES, without a forward pass. places: position numbers; None: 0, 1, 2 …"""
        at = torch.arange(len(ids)) if places is None else places
        read = architecture.rows_of(ids, len(self._table))
        return self._rows(read, wants, at) | self._neighbours(read, wants)

    def near(self, ids: Int[Tensor, " pos"], k: int) -> tuple[Int[Tensor, "pos k"], Float[Tensor, "pos k"]]:
        """(ids, cosines) of the k other tokens whose rows point most nearly the same way, best first."""
        distinct, where = ids.unique(return_inverse=True)
        parts = []
        for number, chunk in enumerate(distinct.split(CHUNK)):
            report_progress(N_("comparing tokens with the whole vocabulary"), number * CHUNK, len(distinct))
            parts.append(self._near(chunk, min(k, len(self._table) - 1)))
        near, cosines = (torch.cat(column)[where] for column in zip(*parts, strict=True))
        return near, cosines

    def _rows(
        self, ids: Int[Tensor, " pos"], wants: Sequence[Want], places: Int[Tensor, " pos"]
    ) -> dict[Want, np.ndarray]:
        arrays = {want: array_of(self._table[ids], want) for want in wants if want.site == "tok_embed"}
        if self._positions is not None:
            rows = self._positions[places]  # a copy, not the model's own memory
            arrays |= {want: array_of(rows, want) for want in wants if want.site == "pos_embed"}
        return arrays

    def _neighbours(self, ids: Int[Tensor, " pos"], wants: Sequence[Want]) -> dict[Want, np.ndarray]:
        mine = [want for want in wants if want.site in _NEAR]
        if not mine:
            return {}
        places = positions(mine, len(ids))
        near, cosines = self.near(ids[places], NEAR_K)
        columns = {"near_ids": architecture.tokens_of(near, len(self._table)), "near_cos": cosines.float()}
        if any(want.site == "near_rows" for want in mine):
            columns["near_rows"] = self._table[near].float()
        return {want: at_position(columns[want.site].numpy(), want, places) for want in mine}

    @cached_property
    def _lengths(self) -> Float[Tensor, " vocab"]:
        """Length of every row; 1 for rows of zeros, whose cosine is 0 with anything."""
        lengths = torch.linalg.vector_norm(self._table, dim=-1, dtype=torch.float32)
        return torch.where(lengths > 0, lengths, 1.0)

    def _near(self, ids: Int[Tensor, " row"], k: int) -> tuple[Tensor, Tensor]:
        rows = widened(self._table[ids]) / self._lengths[ids, None]  # [row d_model]
        cosines = product(rows, self._table) / self._lengths  # [row vocab]
        cosines.scatter_(1, ids[:, None], -2.0)  # itself: below every cosine
        values, places = largest(cosines, k)
        return places, values
