"""What has to hold if the numbers shown are the model's own; checked when a model is opened, and in tests.

Each error is the largest difference between two ways to the same numbers, as a share of the largest of them where that
is above 1. A site whose identity fails is refused, with the reason; the rest of the model can still be looked at.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import pad
from transformers.activations import ACT2FN

from anatomy.language import N_
from anatomy.refused import Sentence
from anatomy.sites import SITES
from anatomy.spec import RelativeBias
from models.loaded import norms as norms_of
from models.loaded import readout, relative
from models.loaded.model import LoadedModel
from models.measures.collect import STREAMS
from models.measures.reductions import ATTENTION_REDUCED
from models.reading.layer_inputs import LayerInputs
from models.reading.recorder import ATTENDED, Sites

TOLERANCE = 1e-5  # float32 sums in another order
LOGIT_TOLERANCE = 1e-4  # after a final norm and a sum over d_model


@dataclass(frozen=True)
class Identity:
    """One thing that has to hold, how far it is off (`off`), and the sites that cannot be trusted where it does not.

    Its name is in English; what the reader is told has it in the reader's language.
    """

    name: str
    sites: frozenset[str]
    error: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """False too when the error is not a number."""
        return self.error <= self.tolerance


@dataclass(frozen=True)
class _Law:
    """An identity of one layer: the sites it compares, those it vouches for, and its two sides."""

    name: str
    reads: frozenset[str]
    vouches: frozenset[str]
    sides: Callable[[LoadedModel, int, Sites], tuple[Tensor, Tensor]]


def check(loaded: LoadedModel, ids: Int[np.ndarray, " pos"]) -> tuple[Identity, ...]:
    """Every identity that one model can be held to by itself, on one short text."""
    with torch.inference_mode():
        inside, inputs = _inside(loaded, ids)
        return (*inside, _replay(loaded, inputs), *_way_out(loaded, ids, inputs))


def broken(identities: Iterable[Identity]) -> dict[str, Sentence]:
    """The sites that cannot be trusted, each with the sentence that refuses it."""
    reasons: dict[str, Sentence] = {}
    for identity in identities:
        if not identity.holds:
            reasons |= dict.fromkeys(identity.sites, _reason(identity))
    return reasons


def _reason(identity: Identity) -> Sentence:
    """What a reader is told in place of what cannot be trusted."""
    template = N_(
        "This is not shown: “{name}” is off by {error} in this model, {tolerance} is allowed, so the numbers cannot be "
        "trusted."
    )
    name = Sentence(identity.name)
    return Sentence(template, name=name, error=f"{identity.error:.2g}", tolerance=f"{identity.tolerance:g}")


def off(actual: Tensor, expected: Tensor) -> float:
    """Largest difference, as a share of the largest expected size where that is above 1; NaN where a number is."""
    return float((actual - expected).abs().max() / expected.abs().max().clamp(min=1.0))


def _inside(loaded: LoadedModel, ids: Int[np.ndarray, " pos"]) -> tuple[list[Identity], LayerInputs]:
    """The laws of a layer, each with its worst error over all layers, and the layer inputs of the run."""
    laws = _laws(loaded)
    errors: dict[str, list[float]] = {law.name: [] for law in laws}

    def visit(layer: int, sites: Sites) -> None:
        for law in laws:
            errors[law.name].append(off(*law.sides(loaded, layer, sites)))

    reads = frozenset().union(*(law.reads for law in laws))
    inputs = loaded.record(ids, dict.fromkeys(range(loaded.spec.layers), reads), visit)
    return [Identity(law.name, law.vouches, worst(errors[law.name]), TOLERANCE) for law in laws], inputs


def _replay(loaded: LoadedModel, inputs: LayerInputs) -> Identity:
    """Each layer run again from the layer inputs gives what it gave."""
    errors: list[float] = []

    def visit(layer: int, sites: Sites) -> None:
        errors.append(off(sites["resid_post"], inputs.stream(layer + 1)))

    loaded.replay(inputs, dict.fromkeys(range(loaded.spec.layers), frozenset({"resid_mid"})), visit)
    inside = frozenset(site.name for site in SITES.values() if site.per_layer) - STREAMS - norms_of.SITES
    return Identity(N_("a layer run again from its input = its output"), inside, worst(errors), TOLERANCE)


def _way_out(loaded: LoadedModel, ids: Int[np.ndarray, " pos"], inputs: LayerInputs) -> list[Identity]:
    """The lens on the last stream is the model's own prediction, as its own forward pass gives it."""
    if loaded.readout is None:
        return []
    logits = loaded.model(input_ids=torch.from_numpy(ids)[None]).logits[0]
    error = off(loaded.readout.logits(inputs.stream(loaded.spec.layers)), logits)
    return [Identity(N_("final norm and head of the last stream = logits"), readout.SITES, error, LOGIT_TOLERANCE)]


def worst(errors: list[float]) -> float:
    """The largest; NaN when one of them is; endless when nothing was compared."""
    return float(np.max(errors)) if errors else float("inf")


def _laws(loaded: LoadedModel) -> tuple[_Law, ...]:
    """The laws of one layer, in the form that the model's family gives them."""
    gated, after = loaded.spec.ffn.gated, loaded.spec.norm.place == "post"
    norms = loaded.family.norms if after else None
    return (
        _Law(N_("each row of attention sums to 1"), frozenset({ATTENDED}), frozenset({"pattern", "scores"}), _rows),
        _Law(
            N_("attention · values = z"),
            reads=frozenset({ATTENDED, "v", "z"}),
            vouches=frozenset({"pattern", "scores", "v", "z"}),
            sides=_weighted_values,
        ),
        _Law(
            N_("tiles of attention put together = attention formed at once"),
            reads=frozenset({ATTENDED}),
            vouches=frozenset({*ATTENTION_REDUCED, *(site.name for site in SITES.values() if site.one_head)}),
            sides=_tiles,
        ),
        _Law(
            N_("norm of (stream + attention's write) = stream between attention and FFN")
            if after
            else N_("(stream + attention's write) = stream between attention and FFN"),
            reads=frozenset({"attn_out", "resid_mid"}),
            vouches=frozenset({"attn_out", "resid_mid", "ffn_in"}),
            sides=_sum("resid_pre", "attn_out", "resid_mid", norms and norms[0]),
        ),
        _Law(
            N_("norm of (that stream + FFN's write) = stream leaving the layer")
            if after
            else N_("(that stream + FFN's write) = stream leaving the layer"),
            reads=frozenset({"resid_mid", "ffn_out"}),
            vouches=frozenset({"resid_mid", "ffn_out", "ffn_in"}),
            sides=_sum("resid_mid", "ffn_out", "resid_post", norms and norms[1]),
        ),
        _Law(
            N_("activation function of what enters the FFN's width = its neurons"),
            reads=frozenset({"gate", "up", "act"} if gated else {"up", "act"}),
            vouches=frozenset({"gate", "up", "act"}),
            sides=_neurons,
        ),
        _Law(
            N_("the FFN run again on what it reads = its write"),
            reads=frozenset({"ffn_in", "ffn_out"}),
            vouches=frozenset({"ffn_bend"}),
            sides=lambda loaded, layer, sites: (loaded.ffn(layer, sites["ffn_in"]), sites["ffn_out"]),
        ),
        _normalization(norms_of.ATTENTION, ("attn_gain", "attn_norm_bias"), after),
        _normalization(norms_of.FFN, ("ffn_gain", "ffn_norm_bias"), after),
        *((_BIAS,) if isinstance(loaded.spec.position, RelativeBias) else ()),
    )


_BIAS = _Law(
    N_("the table's number for each distance = what is added to the scores"),
    reads=frozenset({relative.SITE}),
    vouches=frozenset({relative.SITE}),
    sides=lambda loaded, layer, sites: (_from_table(loaded, sites[relative.SITE].shape[-1]), sites[relative.SITE]),
)


def _from_table(loaded: LoadedModel, length: int) -> Tensor:
    bias, table = loaded.spec.position, loaded.family.bias_table(loaded.model)
    assert isinstance(bias, RelativeBias), f"{loaded.spec.name} has no relative bias: the law is not for it"
    assert table is not None, f"family {loaded.family.name!r} names no table of its relative bias: fill in `bias`"
    return relative.added(bias, table.detach(), length)


def _normalization(which: int, vouches: tuple[str, str], after: bool) -> _Law:
    """The norm's formula with its gain and bias, before attention or the FFN or after the sum with it."""
    stream, write, read, summed = _NORMALIZED[which]
    name = _NORM_NAMES[which][after]

    def sides(loaded: LoadedModel, layer: int, sites: Sites) -> tuple[Tensor, Tensor]:
        before = sites[stream] + sites[write] if after else sites[stream]
        return loaded.norms.applied(which, layer, before), sites[summed if after else read]

    return _Law(name, frozenset({stream, write, summed} if after else {stream, read}), frozenset(vouches), sides)


# For each of the two norms: the stream before it, its part's write, what the part reads, the sum's stream.
_NORMALIZED = (
    ("resid_pre", "attn_out", "attn_in", "resid_mid"),
    ("resid_mid", "ffn_out", "ffn_in", "resid_post"),
)
# For each of the two: its law where it stands before its part, and after the sum.
_NORM_NAMES = (
    (N_("normalized stream × gain = what attention reads"), N_("(stream + attention's write) normalized × gain")),
    (N_("normalized stream × gain = what the FFN reads"), N_("(stream + the FFN's write) normalized × gain")),
)


def _rows(loaded: LoadedModel, layer: int, sites: Sites) -> tuple[Tensor, Tensor]:
    sums = sites.attended.whole.sum(-1)  # [head pos]
    return sums, torch.ones_like(sums)


def _weighted_values(loaded: LoadedModel, layer: int, sites: Sites) -> tuple[Tensor, Tensor]:
    pattern, v = sites.attended.whole, sites["v"]
    group = len(pattern) // len(v)  # query heads that share a key/value head
    return pattern @ v.repeat_interleave(group, 0), sites["z"]  # [head pos d_head]


def _tiles(loaded: LoadedModel, layer: int, sites: Sites) -> tuple[Tensor, Tensor]:
    whole = sites.attended.whole
    weights = (tile.weights for tile in sites.attended.tiles())
    rows = [pad(tile, (0, whole.shape[-1] - tile.shape[-1])) for tile in weights]  # [head row src]
    return torch.cat(rows, 1), whole


def _sum(before: str, write: str, after: str, norm: str | None) -> Callable[..., tuple[Tensor, Tensor]]:
    """Stream and write added, and normalized where the family does, against the stream that follows."""

    def sides(loaded: LoadedModel, layer: int, sites: Sites) -> tuple[Tensor, Tensor]:
        total = sites[before] + sites[write]
        return (loaded.layers[layer].get_submodule(norm)(total) if norm else total), sites[after]

    return sides


def _neurons(loaded: LoadedModel, layer: int, sites: Sites) -> tuple[Tensor, Tensor]:
    ffn = loaded.spec.ffn
    active = ACT2FN[ffn.act](sites["gate" if ffn.gated else "up"])
    return active * sites["up"] if ffn.gated else active, sites["act"]
