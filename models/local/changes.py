"""The interventions of a run, made ready: what they take from other runs is found before the pass begins."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy import allowed, interventions
from anatomy.alignment import by_token
from anatomy.language import N_, Count
from anatomy.refused import Refused, TooLong
from anatomy.request import Intervention, Run, Want
from anatomy.spec import ModelSpec
from models.loaded.model import LoadedModel
from models.reading.architecture import can_swap
from models.reading.interventions import Changes
from models.reading.operations import Made

LONGEST_MAP = 1024  # tokens of a text whose attention weights are patched or get noise: all pairs of them are held
DEEPEST = 4  # runs behind a run, each of which the one before it takes something out of
_MOVED = (interventions.POSITIONS, interventions.EMBEDDING, interventions.LAYER)
_WHOLE_MAPS = ("patch", "noise")
_AROUND = {
    "attn_out": (interventions.ATTENTION_SKIP, "resid_pre"),
    "ffn_out": (interventions.FFN_SKIP, "resid_mid"),
}
_IDLE = {"scale": 1.0, "add": 0.0, "noise": 0.0, "dropout": 0.0}  # amounts that change nothing

Ids = Callable[[Run], np.ndarray]
Arrays = Mapping[Run, Mapping[Want, np.ndarray]]
Taken = Callable[[Run, tuple[Want, ...]], Mapping[Want, np.ndarray]]


def sources(run: Run) -> tuple[Run, ...]:
    """The runs that its interventions take something out of, each once."""
    return tuple(dict.fromkeys(source for made in run.interventions for source in made.sources))


def wanted(run: Run, source: Run) -> tuple[Want, ...]:
    """What its interventions take out of one of these runs."""
    taken = [made for made in run.interventions if source in made.sources]
    wants = [Want(made.site, made.layer) for made in taken]
    wants += [stream for made in taken if (stream := _taken_off(made, source)) is not None]
    return tuple(dict.fromkeys(wants))


def _taken_off(made: Intervention, source: Run) -> Want | None:
    """The stream that was taken off what a part of the source wrote, as its skip connection is left out there; None
    where none was, which is so of all models whose norms stand after the sums."""
    if made.site not in _AROUND:
        return None
    skip, stream = _AROUND[made.site]
    left_out = any(
        one.site == skip and (one.layer == made.layer or interventions.in_every_layer(one))
        for one in source.interventions
    )
    return Want(stream, made.layer) if left_out else None


def check(run: Run, spec: ModelSpec, tokens: int) -> None:
    """Refused for changes that this model or a text of so many tokens does not allow; of the run alone, not of those
    that it takes something out of."""
    allowed.check(run.interventions, spec, tokens)
    for made in run.interventions:
        if made.site == "pattern" and made.op in _WHOLE_MAPS and tokens > LONGEST_MAP:
            template = N_(
                "Attention weights are patched and get noise on texts of at most {most} tokens, as all pairs of them "
                "are held: this one has {tokens}."
            )
            raise TooLong(template, LONGEST_MAP, most=Count(LONGEST_MAP), tokens=Count(tokens))
    for source in sources(run):
        if source.model != run.model:
            template = N_("What is patched into a run of {model} comes out of a run of the same model, not of {other}.")
            raise Refused(template, model=run.model, other=source.model)
    if next(_deep(run, DEEPEST), None) is not None:
        template = N_(
            "A run may take something out of another, and that out of a third, {most} deep at most: take it out of an "
            "earlier one."
        )
        raise Refused(template, most=DEEPEST)


def _deep(run: Run, left: int) -> Iterator[Run]:
    """The runs that stand deeper than so many."""
    for source in sources(run):
        if left == 0:
            yield source
        else:
            yield from _deep(source, left - 1)


def moved(run: Run) -> Changes:
    """The run's changes of which row stands where, and which layer: enough where nothing is run."""
    return Changes.of([made for made in run.interventions if made.site in _MOVED])


def ready(loaded: LoadedModel, run: Run, ids: Ids, taken: Taken) -> Changes:
    """The run's interventions with what they take.

    ids    run → its tokens, rows of the embedding table
    taken  (run, all that is taken out of it) → the arrays
    """
    _swaps(loaded, run)
    arrays = {source: taken(source, wanted(run, source)) for source in sources(run)}
    made, plain = [], replace(run, interventions=())
    for asked in run.interventions:
        idle = _idle(asked, plain)
        plain = plain if idle else plain.intervened(asked)  # the run as far as it is changed by now
        made.append(_made(loaded, run, asked, idle, ids, arrays))
    return Changes(tuple(made), loaded.layers)


def _swaps(loaded: LoadedModel, run: Run) -> None:
    """Refused where layers are to be swapped that somebody has given another forward pass."""
    if not all(can_swap(loaded.layers[layer]) for layer in interventions.swapped(run.interventions)):
        raise Refused(N_("Layers that a program has given another forward pass cannot be swapped."))


def _idle(asked: Intervention, before: Run) -> bool:
    """Whether it changes nothing in a run: what it takes comes out of the run itself, or it takes all and adds none."""
    if asked.op == "patch":
        return asked.sources == (before,)
    return asked.op in _IDLE and asked.amount == _IDLE[asked.op]


def _made(loaded: LoadedModel, run: Run, asked: Intervention, idle: bool, ids: Ids, arrays: Arrays) -> Made:
    values = tuple(_values(loaded.spec, asked, source, arrays[source]) for source in asked.sources)
    partners = None
    if asked.op == "patch":
        partners = _partners(ids(run).tolist(), ids(asked.sources[0]).tolist())
    direction = None if asked.token is None else _direction(loaded, asked.token)
    return Made(asked, _heads(asked, loaded.spec), values, partners, direction, idle)


def _values(spec: ModelSpec, asked: Intervention, source: Run, arrays: Mapping[Want, np.ndarray]) -> Tensor:
    """What stood there in a source; of what a part wrote, before the stream was taken off it."""
    values = torch.from_numpy(arrays[Want(asked.site, asked.layer)])
    stream = _taken_off(asked, source)
    return values if stream is None or spec.norm.place == "post" else values + torch.from_numpy(arrays[stream])


def _partners(own: Sequence[int], theirs: Sequence[int]) -> Tensor:
    """For each token of this text its partner in the other; −1 for none."""
    in_b = by_token(tuple(own), tuple(theirs)).in_b
    return torch.tensor([in_b.get(place, -1) for place in range(len(own))])


def _direction(loaded: LoadedModel, token: int) -> Float[Tensor, " d_model"]:
    """A token's row of the output layer, 1 long."""
    head = loaded.model.get_output_embeddings()
    assert head is not None, "a token's direction is refused in a model without an output layer"
    row = head.get_parameter("weight")[token].detach().float()
    return row / torch.linalg.vector_norm(row).clamp(min=torch.finfo(torch.float32).tiny)


def _heads(asked: Intervention, spec: ModelSpec) -> slice | None:
    """The heads that it is about, along the head axis of its site: k and v have key/value heads, the others those of
    the queries, of which several in a row read the same key/value head."""
    if asked.head is not None:
        return slice(asked.head, asked.head + 1)
    if asked.kv is None:
        return None
    group = 1 if asked.site in ("k", "v") else spec.n_heads // spec.n_kv
    return slice(asked.kv * group, (asked.kv + 1) * group)
