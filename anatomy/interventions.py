"""What can be changed in a forward pass, and where: the table of interventions, what they reach, their form in links.

An intervention is data (`anatomy.request.Intervention`): it is part of a run and so of every key and link. What one
model allows is in `anatomy/allowed.py`; `models/reading/interventions.py` carries them out.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import get_args
from urllib.parse import quote, unquote

from anatomy.language import N_
from anatomy.request import Intervention, Op, Run

POSITIONS, MASK, LAYER, EMBEDDING = "positions", "mask", "layer", "embedding"
ATTENTION_NORM, FFN_NORM, FINAL_NORM = "attn_norm", "ffn_norm", "final_norm"
ATTENTION_SKIP, FFN_SKIP = "attn_skip", "ffn_skip"
OPS: tuple[Op, ...] = get_args(Op)
OF_VALUES: tuple[Op, ...] = ("zero", "mean", "scale", "add", "noise", "dropout", "patch")
_OF_WEIGHTS: tuple[Op, ...] = ("zero", "mean", "average", "scale", "noise", "dropout", "patch")
_REGULARIZING: tuple[Op, ...] = ("dropout",)  # in training, in every layer at once
LONGEST = 8192  # characters of a link's list of changes
MOST_AMOUNT = 1e9  # of any change, up or down: what a link holds is below it
MOST = 32  # changes of one run that a link may hold
SOURCES = 8  # texts, at most, over which a mean is taken, and out of which all changes of a run take something


@dataclass(frozen=True)
class Place:
    """One place where a pass can be changed.

    site    its name: a site of `anatomy.sites.SITES`, or a part of the architecture
    says    what stands there, as a reader calls it
    ops     what can be done there
    by      what one of can be named: "head", "kv", "neuron"
    wide    its vectors are as wide as the stream: a token's row of the output layer is a direction there
    layered a change names one of the layers
    of_all  what can be done in all layers at once, where no layer is named
    whole   it is changed for the whole text, so no position is named
    """

    site: str
    says: str
    ops: tuple[Op, ...] = OF_VALUES
    by: tuple[str, ...] = ()
    wide: bool = False
    layered: bool = True
    of_all: tuple[Op, ...] = ()
    whole: bool = False


def _part(site: str, says: str, *ops: Op, layered: bool = True, of_all: tuple[Op, ...] = ()) -> Place:
    """A part of the architecture."""
    return Place(site, says, ops, layered=layered, of_all=of_all, whole=True)


PLACES: dict[str, Place] = {
    place.site: place
    for place in (
        Place("pattern", N_("attention weights"), _OF_WEIGHTS, ("head", "kv"), of_all=("average", *_REGULARIZING)),
        Place("q", N_("queries"), by=("head", "kv")),
        Place("k", N_("keys"), by=("kv",)),
        Place("v", N_("values"), by=("kv",)),
        Place("z", N_("head output (z)"), by=("head", "kv")),
        Place("act", N_("neurons"), by=("neuron",), of_all=_REGULARIZING),
        Place("attn_out", N_("what attention writes"), wide=True, of_all=_REGULARIZING),
        Place("ffn_out", N_("what the FFN writes"), wide=True, of_all=_REGULARIZING),
        Place("resid_pre", N_("stream entering the layer"), wide=True),
        Place("resid_mid", N_("stream between attention and FFN"), wide=True),
        Place("resid_post", N_("stream leaving the layer"), wide=True),
        _part(POSITIONS, N_("position numbers"), "zero", "add", layered=False),
        _part(MASK, N_("causal mask"), "drop", layered=False),
        _part(ATTENTION_NORM, N_("norm of attention"), "drop", of_all=("drop",)),
        _part(FFN_NORM, N_("norm of the FFN"), "drop", of_all=("drop",)),
        _part(FINAL_NORM, N_("final norm"), "drop", layered=False),
        _part(ATTENTION_SKIP, N_("skip connection around attention"), "drop", of_all=("drop",)),
        _part(FFN_SKIP, N_("skip connection around the FFN"), "drop", of_all=("drop",)),
        _part(LAYER, N_("whole layer"), "drop", "swap"),
        _part(EMBEDDING, N_("rows of the embedding table"), "shuffle", layered=False),
    )
}


@dataclass(frozen=True)
class Change:
    """An intervention in the reader's list: made, or switched off for now."""

    made: Intervention
    on: bool = True


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
    """Those that are done at a site of a layer; the stream that leaves a layer is the one that enters the next, and a
    part that is left out is left out of what it makes."""
    places = {(site, layer)}
    if layer is not None and site == "resid_post":
        places.add(("resid_pre", layer + 1))
    if layer and site == "resid_pre":
        places.add(("resid_post", layer - 1))
    return tuple(one for one in asked if any(_done(one, *place) for place in places))


_LEFT_OUT = {LAYER: ("attn_out", "ffn_out"), ATTENTION_SKIP: ("resid_mid",), FFN_SKIP: ("resid_post",)}


def _done(one: Intervention, site: str, layer: int | None) -> bool:
    sites = (one.site, *(_LEFT_OUT.get(one.site, ()) if one.op == "drop" else ()))
    return site in sites and (one.layer == layer or in_every_layer(one))


def in_every_layer(one: Intervention) -> bool:
    """Whether it names no layer, and is done in each of them."""
    return one.layer is None and PLACES[one.site].layered


def swapped(asked: Iterable[Intervention]) -> dict[int, int]:
    """For each place in the order of layers, as far as layers are swapped, the layer of the model that runs there."""
    running: dict[int, int] = {}
    for one in asked:
        if one.op == "swap" and one.layer is not None and one.other is not None:
            a, b = one.layer, one.other
            running[a], running[b] = running.get(b, b), running.get(a, a)
    return running


AT_ONCE = N_(
    "What is changed in this run depends on which tokens are there and where: none can be computed alone over the "
    "cache, so nothing is compared with it."
)


def of_itself(intervention: Intervention) -> bool:
    """Whether a part so changed is still a function of what it reads, the same at every position."""
    return intervention.op in ("zero", "scale", "drop", "swap", "shuffle") and intervention.pos is None


def stepwise(asked: Iterable[Intervention]) -> bool:
    """Whether a text may go on token by token over the cache: no change depends on which tokens are there besides."""
    return all(one.site == POSITIONS or (of_itself(one) and one.site not in ("pattern", MASK)) for one in asked)


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
