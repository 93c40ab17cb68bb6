"""Direct logit attribution: what each part of the model adds to the logit of a token, or to its lead over another.

The final stream of a model that normalizes before each part is a sum: embedding, every attention, every FFN. With the
final norm's divisor as it was in the run, the logit is the sum of what these parts give by themselves.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anatomy.request import MOST_RANKS, Want
from anatomy.spec import ModelSpec
from models.loaded.frozen import FrozenUnembed
from models.loaded.projections import down_projection, out_projection
from models.loaded.ranked import largest
from models.loaded.reasons import not_shared_out
from models.measure import Measure, once, sites_of
from models.measures import arriving
from models.measures.context import RunContext
from models.reading.precision import widened

NEURONS = 10  # kept of each layer
_STRONGEST = ("dla_neuron_ids", "dla_neuron_logits")
MEASURES = (
    Measure(("dla_parts",), frozenset({"resid_pre", "resid_post", "attn_out", "ffn_out", "logits"}), rows=once),
    Measure(("dla_heads",), frozenset({"resid_post", "z", "logits"}), rows=once),
    Measure(("dla_src",), frozenset({"resid_post", "pattern", "v", "z", "logits"}), rows=once),
    Measure(
        _STRONGEST,
        frozenset({"resid_post", "act", "logits"}),
        rows=once,
        lengths={"k": NEURONS},
    ),
)
_READS = {
    "dla_parts": ("attn_out", "ffn_out"),
    "dla_heads": ("z",),
    "dla_neuron_ids": ("act",),
    "dla_neuron_logits": ("act",),
}


def basis(want: Want, spec: ModelSpec) -> list[Want]:
    """What every layer writes, or what it is written from, at the wanted position; the values of all positions."""
    layers = range(spec.layers)
    if want.site == "dla_src":
        return [one for n in layers for one in (Want("pattern", n, pos=want.pos), Want("v", n))]
    return [Want(site, layer, pos=want.pos) for site in _READS[want.site] for layer in layers]


def missing(spec: ModelSpec) -> dict[str, str]:
    """All of it, where there is no output layer or where norms stand after the sums."""
    reason = not_shared_out(spec)
    return {} if reason is None else dict.fromkeys(sites_of(MEASURES), reason)


def answer(context: RunContext, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    """The wanted arrays among MEASURES; numbers and logits of neurons are worked out together."""
    arrays = {want: _WHOLE[want.site](context, want) for want in wants if want.site in _WHOLE}
    strongest = [want for want in wants if want.site in _STRONGEST]
    neurons = {_anew(want): _neurons(context, want) for want in {_anew(want): want for want in strongest}.values()}
    return arrays | {want: neurons[_anew(want)][_STRONGEST.index(want.site)].numpy() for want in strongest}


def _anew(want: Want) -> Want:
    """The question without which of its two answers is wanted."""
    return replace(want, site=_STRONGEST[0])


class _Aim(NamedTuple):
    """Where the logits are followed to: direction in the stream, and what no part brings."""

    direction: Float[Tensor, " d_model"]
    constant: float


def _aim(context: RunContext, want: Want) -> _Aim:
    assert want.token is not None, f"{want} has passed axes_of, so it names a token"
    stream = context.last[want.pos]
    tokens = (
        token_of(context, want, want.token),
        None if want.against is None else token_of(context, want, want.against),
    )
    end = FrozenUnembed(context.loaded, stream)
    return _Aim(end.direction(*tokens), end.constant(*tokens))


def token_of(context: RunContext, want: Want, named: int) -> int:
    """The id that a want names by itself or, below 0, by its rank in the prediction at the want's position."""
    if named >= 0:
        return named
    return int(context.readout.best(context.last[want.pos, None], MOST_RANKS).ids[0, -named - 1])


def _parts(context: RunContext, want: Want) -> Float[np.ndarray, " part"]:
    aim = _aim(context, want)
    layers = range(context.loaded.spec.layers)
    writes = (context.tensor(Want(site, n, pos=want.pos)) for n in layers for site in ("attn_out", "ffn_out"))
    vectors = torch.stack([widened(context.inputs.stream(0)[want.pos]), *writes]).double()  # [part − 1 d_model]
    return np.append((vectors @ aim.direction).numpy(), aim.constant).astype(np.float32)


def _heads(context: RunContext, want: Want) -> Float[np.ndarray, "layer head"]:
    aim, rows = _aim(context, want), []
    for layer in range(context.loaded.spec.layers):
        z = context.tensor(Want("z", layer, pos=want.pos)).double()  # [head d_head]
        by_input = out_projection(context.loaded, layer).rows.double() @ aim.direction
        shares = arriving.of_heads(context.loaded, layer, len(context.ids))  # [head pos]
        added = (z * by_input.reshape(z.shape)).sum(-1)  # [head]
        rows.append(added if shares is None else added * shares[:, want.pos])
    return torch.stack(rows).float().numpy()


def _sources(context: RunContext, want: Want) -> Float[np.ndarray, " src"]:
    """Weight × value of every head, followed through the output projection to the logit, summed over heads and layers:
    what `dla_heads` shares out among heads, shared out among the tokens that they look at."""
    aim, added = _aim(context, want), torch.zeros(len(context.ids), dtype=torch.float64)
    for layer in range(context.loaded.spec.layers):
        pattern = context.tensor(Want("pattern", layer, pos=want.pos)).double()  # [head src]
        v = context.tensor(Want("v", layer)).double()  # [kv src d_head]
        by_input = out_projection(context.loaded, layer).rows.double() @ aim.direction
        by_head = by_input.reshape(len(v), -1, v.shape[-1])  # [kv group d_head]
        shares = arriving.of_values(context.loaded, layer, len(context.ids))  # [head pos]
        brought = pattern * (by_head @ v.transpose(1, 2)).flatten(0, 1)  # [head src]
        added += (brought if shares is None else brought * shares[:, want.pos, None]).sum(0)
    return added.float().numpy()


def _neurons(context: RunContext, want: Want) -> tuple[Int[Tensor, "layer k"], Float[Tensor, "layer k"]]:
    """(numbers, logits) of the neurons of each layer that add or take off most."""
    direction, ids, logits = _aim(context, want).direction.float(), [], []
    for layer in range(context.loaded.spec.layers):
        act = context.tensor(Want("act", layer, pos=want.pos))
        added = act * (down_projection(context.loaded, layer).rows @ direction)  # [d_ff]
        shares = arriving.of_neurons(context.loaded, layer, len(context.ids))  # [pos]
        added = added if shares is None else added * shares[want.pos]
        best = largest(added.abs()[None], NEURONS)[1][0]
        ids.append(best)
        logits.append(added[best])
    return torch.stack(ids), torch.stack(logits)


_WHOLE = {"dla_parts": _parts, "dla_heads": _heads, "dla_src": _sources}
