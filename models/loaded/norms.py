"""The norms' own parameters: gains and, for LayerNorm, biases, a number per dimension in every layer."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import layer_norm, rms_norm

from anatomy.request import Want
from anatomy.spec import Norm
from models.measure import Measure, sites_of
from models.reading import interventions
from models.reading.arrays import array_of
from models.reading.precision import widened

# Which of a layer's two norms: attention's, the FFN's.
ATTENTION, FFN = 0, 1
_WHERE = {
    "attn_gain": (ATTENTION, "weight"),
    "ffn_gain": (FFN, "weight"),
    "attn_norm_bias": (ATTENTION, "bias"),
    "ffn_norm_bias": (FFN, "bias"),
}
MEASURES = (Measure(tuple(_WHERE), forward=False),)
SITES = sites_of(MEASURES)


class Norms:
    """The norms of one model's layers. paths: attention's and the FFN's in a layer, as `get_submodule` names them."""

    def __init__(self, layers: Sequence[nn.Module], paths: tuple[str, str], facts: Norm) -> None:
        self._modules = [tuple(layer.get_submodule(path) for path in paths) for layer in layers]
        self._facts = facts

    def answer(self, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
        """The wanted arrays among SITES, each a copy. Needs no forward pass."""
        return {want: array_of(self._parameter(want).clone(), want) for want in wants}

    def _parameter(self, want: Want) -> Float[Tensor, " d_model"]:
        which, name = _WHERE[want.site]
        assert want.layer is not None, f"{want} has passed axes_of, so it names a layer"
        return self._modules[interventions.layer_at(want.layer)][which].get_parameter(name).detach()

    def applied(self, which: int, layer: int, stream: Float[Tensor, "pos d_model"]) -> Float[Tensor, "pos d_model"]:
        """What the formula of the norm makes of a stream, with this layer's parameters: RMSNorm (Zhang and Sennrich
        2019, eq. 4) or LayerNorm (Ba, Kiros and Hinton 2016, eq. 4). which: ATTENTION or FFN. The identities compare it
        with what the model's own module gives, and for that parameters in half precision are taken in float32."""
        module, width = self._modules[layer][which], stream.shape[-1:]
        gain = widened(module.get_parameter("weight"))
        if self._facts.kind == "rms":
            return rms_norm(stream, width, gain, self._facts.eps)
        return layer_norm(stream, width, gain, widened(module.get_parameter("bias")), self._facts.eps)
