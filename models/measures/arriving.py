"""How much of what heads and neurons send arrives in the stream, in a run in which their writes are changed.

A matrix says what a part writes of what it is given. Where a change puts something else in the place of that, nothing
of it arrives; where it scales it, so much; what a change adds comes from no head and no neuron, and
so with what dropout adds and takes off, which is nothing on average over all seeds. So a write stays the sum of what
arrives of its parts, and of the rest.
"""

from jaxtyping import Float
from torch import Tensor

from models.loaded.model import LoadedModel
from models.reading import interventions


def of_heads(loaded: LoadedModel, layer: int, positions: int) -> Float[Tensor, "head pos"] | None:
    """Of what each head sends through the output projection; None where all of it arrives."""
    return interventions.share(_after_attention(loaded), layer, loaded.spec.n_heads, positions)


def of_values(loaded: LoadedModel, layer: int, positions: int) -> Float[Tensor, "head pos"] | None:
    """The same of what each head has read: a change of the heads themselves is among what may hold it up."""
    return interventions.share(("z", *_after_attention(loaded)), layer, loaded.spec.n_heads, positions)


def of_neurons(loaded: LoadedModel, layer: int, positions: int) -> Float[Tensor, " pos"] | None:
    """Of what the neurons send through the down projection; None where all of it arrives."""
    sites = ("ffn_out", "resid_post") if _sums(loaded) else ("ffn_out",)
    shares = interventions.share(sites, layer, 1, positions)
    return None if shares is None else shares[0]


def _after_attention(loaded: LoadedModel) -> tuple[str, ...]:
    return ("attn_out", "resid_mid") if _sums(loaded) else ("attn_out",)


def _sums(loaded: LoadedModel) -> bool:
    """The streams after the parts are sums, and what changes them counts to the part's write."""
    return loaded.spec.norm.place == "pre"
