"""The end of a model as a linear map: final norm and output layer, with the norm's divisor as it was in the run.

What a part adds to the stream can then be followed to the logits, and what several parts add is the sum. (Direct logit
attribution as in Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits".)
"""

from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.interventions import FINAL_NORM
from models.loaded.model import LoadedModel
from models.reading import interventions
from models.reading.precision import product, widened


class FrozenUnembed:
    """The end of a model whose norms stand before its parts; where a change leaves its final norm out, the output layer
    alone. stream: what left the last layer at one position.

    ValueError for a model without a final norm or without an output layer.
    """

    def __init__(self, loaded: LoadedModel, stream: Float[Tensor, " d_model"]) -> None:
        path, head = loaded.family.final_norm, loaded.model.get_output_embeddings()
        if path is None or head is None:
            raise ValueError(f"{loaded.spec.name} has no final norm before a matrix: its end cannot be frozen")
        self._norm = loaded.model.base_model.get_submodule(path)
        self._head = head
        self._facts = loaded.spec.norm
        self._stream = stream.double()
        self._left_out = interventions.holding().without(FINAL_NORM)

    def direction(self, token: int, against: int | None = None) -> Float[Tensor, " d_model"]:
        """What a vector in the stream is multiplied with to give its logits for the token, minus those for `against`.

        RMSNorm (Zhang and Sennrich 2019, eq. 4) divides by the root mean square of the stream, LayerNorm (Ba, Kiros and
        Hinton 2016, eq. 4) by its deviation after taking off the mean, which is the same as taking the mean off this
        direction. Both multiply with their gain.
        """
        if self._left_out:
            return self._unembedding(token, against)
        row = self._unembedding(token, against) * self._norm.get_parameter("weight").double()
        return self._centred(row) / self.divisor

    def constant(self, token: int, against: int | None = None) -> float:
        """The logits that no part of the stream brings: the norm's bias through the output layer, and that layer's."""
        total = 0.0
        if self._facts.kind == "layer" and not self._left_out:
            total += float(self._norm.get_parameter("bias").double() @ self._unembedding(token, against))
        if self._head.bias is not None:
            bias = widened(self._head.bias)
            total += float(bias[token] - (0.0 if against is None else bias[against]))
        return total

    def logits(self, writes: Float[Tensor, "write d_model"]) -> Float[Tensor, "write vocab"]:
        """What each vector in the stream, float32, adds to the logits of the whole vocabulary."""
        if self._left_out:
            return product(writes, self._head.weight)
        scaled = self._centred(writes) / self.divisor.float() * widened(self._norm.get_parameter("weight"))
        return product(scaled, self._head.weight)

    @cached_property
    def divisor(self) -> Float[Tensor, ""]:
        """What the final norm divided this stream by, in float64; 1 where it is left out."""
        if self._left_out:
            return torch.ones((), dtype=torch.double)
        return self._centred(self._stream).square().mean().add(self._facts.eps).sqrt()

    def _centred(self, vectors: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        """LayerNorm takes the mean off, RMSNorm does not."""
        if self._facts.kind == "rms":
            return vectors
        return vectors - vectors.mean(dim=-1, keepdim=True)

    def _unembedding(self, token: int, against: int | None) -> Float[Tensor, " d_model"]:
        row = self._head.weight[token].double()
        return row if against is None else row - self._head.weight[against].double()
