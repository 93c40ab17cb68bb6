"""What is shared out has to add up: heads and neurons to what their layer writes, all writes to the model's logits."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anatomy.language import N_
from anatomy.request import Want
from models.identities.identity import Identity, off, tolerances, worst
from models.loaded.frozen import FrozenUnembed
from models.loaded.model import LoadedModel
from models.loaded.projections import down_projection, out_projection
from models.measure import sites_of
from models.measures import attribution, neurons, value_weighted
from models.measures.collect import Collection
from models.measures.context import RunContext
from models.reading.precision import widened

_READS = ("attn_out", "ffn_out", "z", "act")
_NEURONS = sites_of(neurons.MEASURES) | {"dla_neuron_ids", "dla_neuron_logits"}


def check(loaded: LoadedModel, ids: Int[np.ndarray, " pos"]) -> tuple[Identity, ...]:
    """Every sum that the model has, at the last position of one short text."""
    with torch.inference_mode():
        context, pos = _run(loaded, ids), len(ids) - 1
        inside = (_heads(context, pos), _neurons(context, pos))
        return inside if attribution.missing(loaded.spec) else (*inside, _logits(context, pos))


def _run(loaded: LoadedModel, ids: Int[np.ndarray, " pos"]) -> RunContext:
    """One run, with what its parts wrote at the last position."""
    layers = range(loaded.spec.layers)
    wants = [Want(site, layer, pos=len(ids) - 1) for site in _READS for layer in layers]
    collection = Collection(wants, loaded.spec.layers, ids, loaded.ffn)
    inputs = loaded.record(ids, collection.wanted, collection.visit)
    return RunContext(loaded, ids, inputs, collection.arrays())


def _heads(context: RunContext, pos: int) -> Identity:
    errors = []
    for layer in range(context.loaded.spec.layers):
        out = out_projection(context.loaded, layer)
        z = context.tensor(Want("z", layer, pos=pos)).flatten()  # [head·d_head]
        written = context.tensor(Want("attn_out", layer, pos=pos))
        errors.append(off(z @ out.rows + out.bias, written, z.abs() @ out.rows.abs() + out.bias.abs()))
    vouches = sites_of(value_weighted.MEASURES) | {"dla_heads", "dla_src"}
    return Identity(
        N_("heads through the output projection = attention's write"),
        vouches,
        worst(errors),
        tolerances(context.loaded.spec).part,
    )


def _neurons(context: RunContext, pos: int) -> Identity:
    errors = []
    for layer in range(context.loaded.spec.layers):
        down = down_projection(context.loaded, layer)
        act = context.tensor(Want("act", layer, pos=pos))
        written = context.tensor(Want("ffn_out", layer, pos=pos))
        errors.append(off(act @ down.rows + down.bias, written, act.abs() @ down.rows.abs() + down.bias.abs()))
    name = N_("neurons × rows of the down projection = FFN's write")
    return Identity(name, _NEURONS, worst(errors), tolerances(context.loaded.spec).part)


def _logits(context: RunContext, pos: int) -> Identity:
    """The two best tokens, each by itself and one against the other; and what a write adds to the whole vocabulary."""
    logits = context.readout.logits(context.last[pos, None])[0].double()  # [vocab]
    best, other = logits.topk(2).indices.tolist()
    expected = torch.stack([logits[best], logits[other], logits[best] - logits[other]])
    wants = [Want("dla_parts", pos=pos, token=token, against=None) for token in (best, other)]
    wants.append(Want("dla_parts", pos=pos, token=best, against=other))
    answered = attribution.answer(context, wants)
    summed = torch.tensor([float(answered[want].sum(dtype=np.float64)) for want in wants], dtype=torch.float64)
    error = max(off(summed, expected), _whole(context, pos, logits))
    vouches = sites_of(attribution.MEASURES) | frozenset(neurons.ON_TOKENS)
    return Identity(
        N_("all writes through the frozen final norm = logits"), vouches, error, tolerances(context.loaded.spec).logits
    )


def _whole(context: RunContext, pos: int, logits: Float[Tensor, " vocab"]) -> float:
    """The final stream as one write, against the logits of every token: they differ by constants alone."""
    end = FrozenUnembed(context.loaded, context.last[pos])
    added = end.logits(widened(context.last[pos, None]))[0].double()
    constants = torch.tensor([end.constant(token) for token in range(len(logits))], dtype=torch.float64)
    return off(added + constants, logits)
