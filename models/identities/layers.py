"""What has to hold within a layer if the numbers shown are the model's own; checked when a model is opened, in tests.

A site whose identity fails is refused, with the reason; the rest of the model can still be looked at.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad
from transformers.activations import ACT2FN

from anatomy.language import N_
from anatomy.sites import SITES
from anatomy.spec import RelativeBias
from models.identities import fact_laws
from models.identities.identity import Identity, Sides, off, tolerances, worst
from models.identities.law import Law
from models.loaded import norms as norms_of
from models.loaded import readout, relative
from models.loaded.model import LoadedModel
from models.measures.collect import STREAMS
from models.measures.reductions import ATTENTION_REDUCED
from models.reading.layer_inputs import LayerInputs
from models.reading.precision import as_read_by
from models.reading.recorder import ATTENDED, Sites


def check(loaded: LoadedModel, ids: Int[np.ndarray, " pos"]) -> tuple[Identity, ...]:
    """Every identity that one model can be held to by itself, on one short text."""
    with torch.inference_mode():
        inside, inputs = _inside(loaded, ids)
        logits = None if loaded.readout is None else loaded.model(input_ids=torch.from_numpy(ids)[None]).logits[0]
        way_out = [] if logits is None else [_way_out(loaded, inputs, logits)]
        of_facts = (fact_laws.entering(loaded, ids, inputs), *fact_laws.apart(loaded, ids, logits))
        return (*of_facts, *inside, _replay(loaded, inputs), *way_out)


def _inside(loaded: LoadedModel, ids: Int[np.ndarray, " pos"]) -> tuple[list[Identity], LayerInputs]:
    """The laws of a layer, each with its worst error over all layers, and the layer inputs of the run."""
    laws = _laws(loaded)
    errors: dict[str, list[float]] = {law.name: [] for law in laws}

    def visit(layer: int, sites: Sites) -> None:
        for law in laws:
            errors[law.name].append(law.sides(loaded, layer, sites).off)

    reads = frozenset().union(*(law.reads for law in laws))
    inputs = loaded.record(ids, dict.fromkeys(range(loaded.spec.layers), reads), visit)
    may = tolerances(loaded.spec)
    return [
        Identity(law.name, law.vouches, worst(errors[law.name]), may.ours if law.ours else may.part, law.facts)
        for law in laws
    ], inputs


def _replay(loaded: LoadedModel, inputs: LayerInputs) -> Identity:
    """Each layer run again from the layer inputs gives what it gave."""
    errors: list[float] = []

    def visit(layer: int, sites: Sites) -> None:
        errors.append(off(sites["resid_post"], inputs.stream(layer + 1)))

    loaded.replay(inputs, dict.fromkeys(range(loaded.spec.layers), frozenset({"resid_mid"})), visit)
    inside = frozenset(site.name for site in SITES.values() if site.per_layer) - STREAMS - norms_of.SITES
    return Identity(
        N_("a layer run again from its input = its output"), inside, worst(errors), tolerances(loaded.spec).part
    )


def _way_out(loaded: LoadedModel, inputs: LayerInputs, logits: Float[Tensor, "pos vocab"]) -> Identity:
    """The lens on the last stream is the model's own prediction, as its own forward pass gives it: these logits."""
    assert loaded.readout is not None, f"{loaded.spec.name} gives logits, so it has an output layer"
    error = off(loaded.readout.logits(inputs.stream(loaded.spec.layers)), logits)
    name = N_("final norm and head of the last stream = logits")
    return Identity(name, readout.SITES, error, tolerances(loaded.spec).logits)


def _laws(loaded: LoadedModel) -> tuple[Law, ...]:
    """The laws of one layer, in the form that the model's family gives them."""
    gated, after = loaded.spec.ffn.gated, loaded.spec.norm.place == "post"
    norms = loaded.family.norms if after else None
    return (
        Law(
            N_("each row of attention sums to 1"),
            reads=frozenset({ATTENDED}),
            vouches=frozenset({"pattern", "scores"}),
            sides=_rows,
            ours=True,
        ),
        Law(
            N_("attention · values = z"),
            reads=frozenset({ATTENDED, "v", "z"}),
            vouches=frozenset({"pattern", "scores", "v", "z"}),
            sides=_weighted_values,
        ),
        Law(
            N_("tiles of attention put together = attention formed at once"),
            reads=frozenset({ATTENDED}),
            vouches=frozenset({*ATTENTION_REDUCED, *(site.name for site in SITES.values() if site.one_head)}),
            sides=_tiles,
            ours=True,
        ),
        Law(
            N_("norm of (stream + attention's write) = stream between attention and FFN")
            if after
            else N_("(stream + attention's write) = stream between attention and FFN"),
            reads=frozenset({"attn_out", "resid_mid"}),
            vouches=frozenset({"attn_out", "resid_mid", "ffn_in"}),
            sides=_sum("resid_pre", "attn_out", "resid_mid", norms and norms[0]),
        ),
        Law(
            N_("norm of (that stream + FFN's write) = stream leaving the layer")
            if after
            else N_("(that stream + FFN's write) = stream leaving the layer"),
            reads=frozenset({"resid_mid", "ffn_out"}),
            vouches=frozenset({"resid_mid", "ffn_out", "ffn_in"}),
            sides=_sum("resid_mid", "ffn_out", "resid_post", norms and norms[1]),
        ),
        Law(
            N_("activation function of what enters the FFN's width = its neurons"),
            reads=frozenset({"gate", "up", "act"} if gated else {"up", "act"}),
            vouches=frozenset({"gate", "up", "act"}),
            sides=_neurons,
        ),
        Law(
            N_("the FFN run again on what it reads = its write"),
            reads=frozenset({"ffn_in", "ffn_out"}),
            vouches=frozenset({"ffn_bend"}),
            sides=lambda loaded, layer, sites: Sides(loaded.ffn(layer, sites["ffn_in"]), sites["ffn_out"]),
        ),
        _normalization(norms_of.ATTENTION, ("attn_gain", "attn_norm_bias"), after),
        _normalization(norms_of.FFN, ("ffn_gain", "ffn_norm_bias"), after),
        *((_BIAS,) if isinstance(loaded.spec.position, RelativeBias) else ()),
        *fact_laws.laws(loaded),
    )


_BIAS = Law(
    N_("the table's number for each distance = what is added to the scores"),
    reads=frozenset({relative.SITE}),
    vouches=frozenset({relative.SITE, relative.TABLE}),
    sides=lambda loaded, layer, sites: Sides(_from_table(loaded, sites[relative.SITE].shape[-1]), sites[relative.SITE]),
)


def _from_table(loaded: LoadedModel, length: int) -> Tensor:
    bias, table = loaded.spec.position, loaded.family.bias_table(loaded.model)
    assert isinstance(bias, RelativeBias), f"{loaded.spec.name} has no relative bias: the law is not for it"
    assert table is not None, f"family {loaded.family.name!r} names no table of its relative bias: fill in `bias`"
    return relative.added(bias, table.detach(), length)


def _normalization(which: int, vouches: tuple[str, str], after: bool) -> Law:
    """The norm's formula with its gain and bias, before attention or the FFN or after the sum with it."""
    stream, write, read, summed = _NORMALIZED[which]
    name = _NORM_NAMES[which][after]

    def sides(loaded: LoadedModel, layer: int, sites: Sites) -> Sides:
        before = sites[stream] + sites[write] if after else sites[stream]
        expected = sites[summed if after else read]
        return Sides(loaded.norms.applied(which, layer, before), expected, expected * _steepness(loaded, before))

    return Law(name, frozenset({stream, write, summed} if after else {stream, read}), frozenset(vouches), sides)


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


def _steepness(loaded: LoadedModel, rows: Float[Tensor, "pos d_model"]) -> Float[Tensor, "pos 1"]:
    """How many times larger what a norm makes of an error in its largest number is than the error's share of that
    number: the largest over the norm's divisor."""
    centred = rows - rows.mean(-1, keepdim=True) if loaded.spec.norm.kind == "layer" else rows
    divisor = centred.square().mean(-1, keepdim=True).add(loaded.spec.norm.eps).sqrt()
    return (rows.abs().amax(-1, keepdim=True) / divisor).clamp(min=1.0)


def _rows(loaded: LoadedModel, layer: int, sites: Sites) -> Sides:
    sums = sites.attended.whole.sum(-1, keepdim=True)  # [head pos 1]
    return Sides(sums, torch.ones_like(sums))


def _weighted_values(loaded: LoadedModel, layer: int, sites: Sites) -> Sides:
    """A weight is off by as much as its score, which is made of numbers that may be much larger than it."""
    pattern, v = sites.attended.whole, sites["v"]
    values = v.repeat_interleave(len(pattern) // len(v), 0)  # [head src d_head], a key/value head for several of q
    size = values.abs().amax((1, 2))[:, None, None] * sites.attended.sizes.clamp(min=1.0)  # [head pos 1]
    return Sides(pattern @ values, sites["z"], size)  # [head pos d_head]


def _tiles(loaded: LoadedModel, layer: int, sites: Sites) -> Sides:
    whole = sites.attended.whole
    weights = (tile.weights for tile in sites.attended.tiles())
    rows = [pad(tile, (0, whole.shape[-1] - tile.shape[-1])) for tile in weights]  # [head row src]
    return Sides(torch.cat(rows, 1), whole, whole * sites.attended.sizes.clamp(min=1.0))


def _sum(before: str, write: str, after: str, norm: str | None) -> Callable[[LoadedModel, int, Sites], Sides]:
    """Stream and write added, and normalized where the family does, against the stream that follows."""

    def sides(loaded: LoadedModel, layer: int, sites: Sites) -> Sides:
        total, expected = sites[before] + sites[write], sites[after]
        if norm is None:
            return Sides(total, expected, torch.stack([sites[before], sites[write]]).abs().amax(0))
        module = loaded.layer(layer).get_submodule(norm)
        made = module(as_read_by(module, total))
        return Sides(made, expected, expected * _steepness(loaded, total))

    return sides


def _neurons(loaded: LoadedModel, layer: int, sites: Sites) -> Sides:
    """In the model's own precision, which its activation function computes in."""
    ffn, own = loaded.spec.ffn, loaded.family.token_table(loaded.model).dtype
    active = ACT2FN[ffn.act](sites["gate" if ffn.gated else "up"].to(own))
    return Sides(active * sites["up"].to(own) if ffn.gated else active, sites["act"])
