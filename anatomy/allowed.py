"""What one model allows to be changed in a forward pass: each change is taken as it is, or refused with a sentence.

What there is to be changed is in `anatomy/interventions.py`.
"""

import math
from collections.abc import Iterable

from anatomy.interventions import FINAL_NORM, LAYER, MASK, MOST_AMOUNT, PLACES, POSITIONS, SOURCES, Place, numbers
from anatomy.language import N_, Count
from anatomy.refused import Refused
from anatomy.request import Intervention
from anatomy.spec import LearnedPositions, ModelSpec, RelativeBias, Rope

SEEDED = ("noise", "dropout", "shuffle")
_ONE_OF = ("head", "kv", "neuron")
_MORE_OR_LESS = ("scale", "add", "noise", "dropout")


def check(interventions: Iterable[Intervention], spec: ModelSpec, tokens: int) -> None:
    """Refused for a change that this model or a text of so many tokens does not allow."""
    asked = tuple(interventions)
    if len({source for intervention in asked for source in intervention.sources}) > SOURCES:
        raise Refused(N_("The changes of a run take something out of at most {most} other texts."), most=SOURCES)
    for intervention in asked:
        place = _known(intervention)
        _number(intervention)
        if place.layered:
            _layer(intervention, place, spec)
        elif intervention.layer is not None:
            template = N_("“{site}” is no part of one layer: leave layer {layer} out of the change.")
            raise Refused(template, site=place.site, layer=intervention.layer)
        _parts(intervention, place, spec)
        _position(intervention, place, tokens)
        _needs(intervention, place, spec)
        _part_of_model(intervention, spec)
    _out_of_range(asked, spec, tokens)


def _known(intervention: Intervention) -> Place:
    site, op = intervention.site, intervention.op
    place = PLACES.get(site)
    if place is None:
        template = N_("Nothing can be changed at “{site}”. Places are: {known}.")
        raise Refused(template, site=site, known=", ".join(PLACES))
    if op not in place.ops:
        template = N_("“{op}” cannot be done at “{site}”. What can is: {known}.")
        raise Refused(template, site=site, op=op, known=", ".join(place.ops))
    return place


def _layer(intervention: Intervention, place: Place, spec: ModelSpec) -> None:
    layer = intervention.layer
    if layer is None and intervention.op in place.of_all:
        return
    if layer is None and place.site == LAYER:
        template = N_("Say which layer is to be changed: {model} has layers 0 to {last}.")
        raise Refused(template, model=spec.name, last=spec.layers - 1)
    if layer is None:
        template = N_("Say in which layer “{site}” is to be changed: {model} has layers 0 to {last}.")
        raise Refused(template, site=intervention.site, model=spec.name, last=spec.layers - 1)
    if not 0 <= layer < spec.layers:
        template = N_("{model} has layers 0 to {last}, not {layer}: no part of that layer can be changed.")
        raise Refused(template, model=spec.name, last=spec.layers - 1, layer=layer)


def _parts(intervention: Intervention, place: Place, spec: ModelSpec) -> None:
    """Heads, key/value heads and neurons: whether there are any here, and this one."""
    alone = intervention.kv is not None and spec.n_kv == spec.n_heads
    if intervention.op == "average" and (intervention.head is not None or alone or spec.n_heads == 1):
        raise Refused(N_("The average is that of several heads: of all, or of those that read one key/value head."))
    counts = {"head": spec.n_heads, "kv": spec.n_kv, "neuron": spec.d_ff}
    named = {name: getattr(intervention, name) for name in _ONE_OF if getattr(intervention, name) is not None}
    if "head" in named and place.by == ("kv",):
        shared = int(named["head"]) * spec.n_kv // spec.n_heads
        template = N_(
            "“{site}” has key/value heads, which several query heads read: head {head} reads key/value head {kv}, so "
            "say kv={kv}."
        )
        raise Refused(template, site=place.site, head=named["head"], kv=shared)
    if {"head", "kv"} <= named.keys():
        raise Refused(N_("Say head or kv, not both: a key/value head means all query heads that read it."))
    for name, number in named.items():
        if name not in place.by:
            template = N_("“{site}” is not cut into parts called “{name}”: leave {name}={number} out.")
            raise Refused(template, site=place.site, name=name, number=number)
        if not 0 <= number < counts[name]:
            template = N_("{model} has {name} 0 to {last}, not {number}.")
            last = Count(counts[name] - 1)
            raise Refused(template, model=spec.name, name=name, last=last, number=Count(number))


def _position(intervention: Intervention, place: Place, tokens: int) -> None:
    if place.whole and intervention.pos is not None:
        raise Refused(N_("“{site}” is changed for the whole text: leave the position out."), site=place.site)
    if intervention.pos is not None and not 0 <= intervention.pos < tokens:
        template = N_("This text has positions 0 to {last}, not {pos}: choose another token for the change.")
        raise Refused(template, last=Count(tokens - 1), pos=Count(intervention.pos))


def _number(intervention: Intervention) -> None:
    """The amount and the seed: whether they say anything, and what they may be."""
    op, amount, seed = intervention.op, intervention.amount, intervention.seed
    if not math.isfinite(amount) or abs(amount) >= MOST_AMOUNT:
        template = N_("The amount of a change has to be a number between −{most} and {most}.")
        raise Refused(template, most=Count(MOST_AMOUNT))
    if amount and op not in _MORE_OR_LESS:
        raise Refused(N_("“{op}” is never more or less: leave the amount out."), op=op)
    if op == "dropout" and not 0 <= amount < 1:
        template = N_(
            "The amount of dropout is the probability that a number is set to 0: say 0 or more and less than 1, not "
            "{amount}."
        )
        raise Refused(template, amount=f"{amount:.12g}")
    if seed and op not in SEEDED:
        raise Refused(N_("“{op}” draws no random numbers: leave the seed out."), op=op)
    if not 0 <= seed < MOST_AMOUNT:
        raise Refused(N_("A seed is a whole number from 0 to {most}."), most=Count(MOST_AMOUNT - 1))


def _needs(intervention: Intervention, place: Place, spec: ModelSpec) -> None:
    """What an operation is to be told, and what it is not."""
    op, sources = intervention.op, intervention.sources
    if place.whole and (sources or intervention.token is not None or intervention.random is not None):
        raise Refused(N_("“{site}” goes towards no token and takes nothing out of other runs."), site=place.site)
    if op == "patch" and len(sources) != 1:
        raise Refused(N_("A patch comes out of one other run: say which, as its source."))
    if op == "mean" and len(sources) > SOURCES:
        raise Refused(N_("A mean is taken over at most {most} texts."), most=SOURCES)
    if sources and (op not in ("patch", "mean", "add") or (place.site == "pattern" and op == "mean")):
        raise Refused(N_("“{op}” takes nothing out of other runs: leave their source out."), op=op)
    random = intervention.random
    if random is not None and (op != "add" or place.site == POSITIONS or not 0 <= random < MOST_AMOUNT):
        raise Refused(N_("A random direction is one that is added, and its seed a whole number of 0 or more."))
    if intervention.token is not None and op != "add":
        raise Refused(N_("“{op}” goes towards no token: leave the token out."), op=op)
    if op == "add" and place.site != POSITIONS:
        _direction(intervention, place, spec)


def _direction(intervention: Intervention, place: Place, spec: ModelSpec) -> None:
    if (intervention.token is None) == (len(intervention.sources) != 1):
        raise Refused(N_("Say which direction is added: that of a token, or towards the mean of one other text."))
    if intervention.token is None:
        return
    if not place.wide:
        template = N_("A token's direction is as wide as the stream, “{site}” is not: add towards another text there.")
        raise Refused(template, site=place.site)
    if spec.head is None:
        raise Refused(N_("This model has no output layer, so no token has a direction in its stream."))
    if not 0 <= intervention.token < spec.vocab:
        template = N_("{model} has tokens 0 to {last}, not {token}.")
        raise Refused(template, model=spec.name, last=Count(spec.vocab - 1), token=Count(intervention.token))


def _part_of_model(intervention: Intervention, spec: ModelSpec) -> None:
    """Whether the model has the part of the architecture that is changed."""
    site = intervention.site
    if intervention.op != "swap" and intervention.other is not None:
        raise Refused(N_("“{op}” is about one layer: leave the other one out."), op=intervention.op)
    if site == POSITIONS and not isinstance(spec.position, Rope | LearnedPositions):
        raise Refused(N_("This model gives its tokens no position numbers, so there are none to change."))
    if site == POSITIONS and intervention.amount != int(intervention.amount):
        raise Refused(N_("Tokens are moved by a whole number of positions."))
    if site == MASK and not spec.stack().causal:
        raise Refused(N_("This model has no causal mask: each token sees the whole text as it is."))
    if site == FINAL_NORM and spec.head is None:
        raise Refused(N_("This model has no output layer: nothing that is shown reads what its final norm gives."))
    if site == FINAL_NORM and not spec.paths.final_norm:
        raise Refused(N_("This model's last layer ends with its own norm: there is no final norm to leave out."))
    if intervention.op == "swap":
        _swapped(intervention, spec)


def _swapped(intervention: Intervention, spec: ModelSpec) -> None:
    other = intervention.other
    if other is None or other == intervention.layer:
        raise Refused(
            N_("Two layers are swapped: say which other one, besides layer {layer}."), layer=intervention.layer
        )
    if not 0 <= other < spec.layers:
        template = N_("{model} has layers 0 to {last}, not {layer}: it cannot be swapped with one that is not there.")
        raise Refused(template, model=spec.name, last=spec.layers - 1, layer=other)
    if isinstance(spec.position, RelativeBias) and 0 in (other, intervention.layer):
        raise Refused(N_("Layer 0 of this model makes the position bias of all layers: swap two others."))


def _out_of_range(asked: tuple[Intervention, ...], spec: ModelSpec, tokens: int) -> None:
    first, last = numbers(asked, tokens)
    if first < 0 or last >= spec.max_pos:
        template = N_("This change puts tokens at positions {first} to {last}; {model} has 0 to {most}: add less.")
        named = {"first": first, "last": last, "most": spec.max_pos - 1}
        raise Refused(template, model=spec.name, **{name: Count(value) for name, value in named.items()})
