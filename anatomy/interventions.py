"""What can be changed in a forward pass, and where: the table of interventions, what a model allows, links, sentences.

An intervention is data (`anatomy.request.Intervention`): it is part of a run and so of every key and link. This module
knows all that needs no model in memory; `models/reading/interventions.py` carries them out.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import get_args
from urllib.parse import quote, unquote

from anatomy.language import N_, Count
from anatomy.refused import Refused
from anatomy.request import Intervention, Op, Run
from anatomy.spec import LearnedPositions, ModelSpec, Rope

POSITIONS = "positions"
OPS: tuple[Op, ...] = get_args(Op)
LONGEST = 8192  # characters of a link's list of changes
MOST_AMOUNT = 1e9  # of any change, up or down: what a link holds is below it
MOST = 32  # changes of one run that a link may hold
SOURCES = 8  # texts, at most, over which a mean is taken, and out of which all changes of a run take something


@dataclass(frozen=True)
class Place:
    """One place where a pass can be changed.

    site   its name, of `anatomy.sites.SITES` or POSITIONS
    says   what stands there, as a reader calls it
    ops    what can be done there
    by     what one of can be named: "head", "kv", "neuron", besides a position
    wide   its vectors are as wide as the stream: a token's row of the output layer is a direction there
    """

    site: str
    says: str
    ops: tuple[Op, ...] = OPS
    by: tuple[str, ...] = ()
    wide: bool = False


PLACES: dict[str, Place] = {
    place.site: place
    for place in (
        Place("pattern", N_("attention weights"), ("zero", "mean", "scale", "noise", "patch"), ("head", "kv")),
        Place("q", N_("queries"), by=("head", "kv")),
        Place("k", N_("keys"), by=("kv",)),
        Place("v", N_("values"), by=("kv",)),
        Place("z", N_("head output (z)"), by=("head", "kv")),
        Place("act", N_("neurons"), by=("neuron",)),
        Place("attn_out", N_("what attention writes"), wide=True),
        Place("ffn_out", N_("what the FFN writes"), wide=True),
        Place("resid_pre", N_("stream entering the layer"), wide=True),
        Place("resid_mid", N_("stream between attention and FFN"), wide=True),
        Place("resid_post", N_("stream leaving the layer"), wide=True),
        Place(POSITIONS, N_("position numbers"), ("zero", "add")),
    )
}
_ONE_OF = ("head", "kv", "neuron")
_MORE_OR_LESS = ("scale", "add", "noise")


@dataclass(frozen=True)
class Change:
    """An intervention in the reader's list: made, or switched off for now."""

    made: Intervention
    on: bool = True


def check(interventions: Iterable[Intervention], spec: ModelSpec, tokens: int) -> None:
    """Refused for a change that this model or a text of so many tokens does not allow."""
    asked = tuple(interventions)
    if len({source for intervention in asked for source in intervention.sources}) > SOURCES:
        raise Refused(N_("The changes of a run take something out of at most {most} other texts."), most=SOURCES)
    for intervention in asked:
        place = _known(intervention)
        _number(intervention)
        if place.site == POSITIONS:
            _of_positions(intervention, spec)
        else:
            _layer(intervention, spec)
            _parts(intervention, place, spec)
            _position(intervention, tokens)
        _needs(intervention, place, spec)
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


def _layer(intervention: Intervention, spec: ModelSpec) -> None:
    layer = intervention.layer
    if layer is None:
        template = N_("Say in which layer “{site}” is to be changed: {model} has layers 0 to {last}.")
        raise Refused(template, site=intervention.site, model=spec.name, last=spec.layers - 1)
    if not 0 <= layer < spec.layers:
        template = N_("{model} has layers 0 to {last}, not {layer}: no part of that layer can be changed.")
        raise Refused(template, model=spec.name, last=spec.layers - 1, layer=layer)


def _parts(intervention: Intervention, place: Place, spec: ModelSpec) -> None:
    """Heads, key/value heads and neurons: whether there are any here, and this one."""
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


def _position(intervention: Intervention, tokens: int) -> None:
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
    if seed and op != "noise":
        raise Refused(N_("“{op}” draws no noise: leave the seed out."), op=op)
    if not 0 <= seed < MOST_AMOUNT:
        raise Refused(N_("A seed is a whole number from 0 to {most}."), most=Count(MOST_AMOUNT - 1))


def _needs(intervention: Intervention, place: Place, spec: ModelSpec) -> None:
    """What an operation is to be told, and what it is not."""
    op, sources = intervention.op, intervention.sources
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


def _of_positions(intervention: Intervention, spec: ModelSpec) -> None:
    if intervention.layer is not None:
        template = N_("Position numbers are the same in every layer: leave layer {layer} out of the change.")
        raise Refused(template, layer=intervention.layer)
    if any(getattr(intervention, name) is not None for name in (*_ONE_OF, "pos", "token")) or intervention.sources:
        raise Refused(N_("Position numbers are changed for the whole text: say nothing but by how much."))
    if not isinstance(spec.position, Rope | LearnedPositions):
        raise Refused(N_("This model gives its tokens no position numbers, so there are none to change."))
    if intervention.amount != int(intervention.amount):
        raise Refused(N_("Tokens are moved by a whole number of positions."))


def _out_of_range(asked: tuple[Intervention, ...], spec: ModelSpec, tokens: int) -> None:
    first, last = numbers(asked, tokens)
    if first < 0 or last >= spec.max_pos:
        template = N_("This change puts tokens at positions {first} to {last}; {model} has 0 to {most}: add less.")
        named = {"first": first, "last": last, "most": spec.max_pos - 1}
        raise Refused(template, model=spec.name, **{name: Count(value) for name, value in named.items()})


def numbers(asked: Iterable[Intervention], tokens: int) -> tuple[int, int]:
    """The first and the last token's position number under these changes."""
    first, last = 0, max(tokens - 1, 0)
    for intervention in asked:
        if intervention.site == POSITIONS:
            step = int(intervention.amount)
            first, last = (0, 0) if intervention.op == "zero" else (first + step, last + step)
    return first, last


def place(asked: Iterable[Intervention], token: int) -> int:
    """The position number of one token under these changes. token: which of the text, from 0."""
    for intervention in asked:
        if intervention.site == POSITIONS:
            token = 0 if intervention.op == "zero" else token + int(intervention.amount)
    return token


def at(asked: Iterable[Intervention], site: str, layer: int | None) -> tuple[Intervention, ...]:
    """Those that are done at a site of a layer; the stream that leaves a layer is the one that enters the next."""
    places = {(site, layer)}
    if layer is not None and site == "resid_post":
        places.add(("resid_pre", layer + 1))
    if layer is not None and site == "resid_pre":
        places.add(("resid_post", layer - 1))
    return tuple(one for one in asked if (one.site, one.layer) in places)


AT_ONCE = N_(
    "What is changed in this run depends on which tokens are there and where: none can be computed alone over the "
    "cache, so nothing is compared with it."
)


def of_itself(intervention: Intervention) -> bool:
    """Whether a part so changed is still a function of what it reads, the same at every position."""
    return intervention.op in ("zero", "scale") and intervention.pos is None


def stepwise(asked: Iterable[Intervention]) -> bool:
    """Whether a text may go on token by token over the cache: no change depends on which tokens are there besides."""
    return all(one.site == POSITIONS or (of_itself(one) and one.site != "pattern") for one in asked)


# In a link: “z.zero.layer18.head6 act.scale.layer3.neuron55.amount2”, off ones led by “off.”; texts follow a “!” each.
_NUMBERED = tuple(field.name for field in fields(Intervention) if field.name not in ("site", "op", "sources"))
_NUMBER = r"-?[0-9]{1,9}(?:\.[0-9]{1,20})?(?:e-[0-9]{1,3})?"
_APART = re.compile(r"[%!\s]")  # what would end a text
_FORM = re.compile(rf"(off\.)?([a-z_]+)\.([a-z]+)((?:\.[a-z]+{_NUMBER})*)((?:![^!\s]*)*)")
_FIELD = re.compile(rf"\.([a-z]+)({_NUMBER})")


def written(changes: Iterable[Change]) -> str:
    """A list of changes as a link holds it. Sources of another model or with changes of their own are not for links."""
    return " ".join(_written(change) for change in changes)


def _written(change: Change) -> str:
    made, plain = change.made, Intervention(change.made.site, change.made.op)
    numbered = "".join(
        f".{name}{_in_link(getattr(made, name))}" for name in _NUMBERED if getattr(made, name) != getattr(plain, name)
    )
    texts = "".join(f"!{_APART.sub(lambda found: quote(found[0]), run.text)}" for run in made.sources)
    return f"{'' if change.on else 'off.'}{made.site}.{made.op}{numbered}{texts}"


def _in_link(value: float) -> str:
    """With all its digits, so that it comes back as it was."""
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def read(text: str) -> tuple[Change, ...] | None:
    """The changes of a link; None where it names none that could be."""
    items = text.split()
    if len(text) > LONGEST or not 0 < len(items) <= MOST:
        return None
    changes = tuple(_read(item) for item in items)
    found = tuple(change for change in changes if change is not None)
    return found if len(found) == len(changes) else None


def _read(item: str) -> Change | None:
    found = _FORM.fullmatch(item)
    if found is None:
        return None
    off, site, op, numbered, texts = found.groups()
    place = PLACES.get(site)
    given = _FIELD.findall(numbered)
    if place is None or op not in place.ops or len(dict(given)) < len(given) or not dict(given).keys() <= {*_NUMBERED}:
        return None
    if any(not number.isdigit() and name != "amount" for name, number in given):
        return None
    counts = {name: int(number) for name, number in given if name != "amount"}
    amount = float(dict(given).get("amount", 0))
    sources = tuple(Run("", unquote(one)) for one in texts.split("!")[1:])
    made = replace(Intervention(site, _op(op), amount=amount, sources=sources), **counts)
    return Change(made, on=off is None)


def _op(name: str) -> Op:
    return next(op for op in OPS if op == name)


def of(run: Run, interventions: Iterable[Intervention], other: Run | None = None) -> tuple[Intervention, ...]:
    """The interventions of a link as those of one run: sources get its model, and a patch without one the other run."""
    return tuple(_of(run, intervention, other) for intervention in interventions)


def _of(run: Run, intervention: Intervention, other: Run | None) -> Intervention:
    sources = intervention.sources
    if intervention.op == "patch" and not sources and other is not None:
        sources = (other,)
    return replace(intervention, sources=tuple(replace(one, model=one.model or run.model) for one in sources))
