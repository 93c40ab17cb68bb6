"""What an intervention changes, in a few words of the reader's language."""

from collections.abc import Sequence

from anatomy.baselines import Baseline, Control
from anatomy.interventions import LAYER, PLACES, POSITIONS, in_every_layer
from anatomy.language import N_, Count, _, ngettext
from anatomy.request import Intervention, Op
from viz.format import exact, quoted

_LONGEST = 24  # characters of a source's text
_OPS_SAID: dict[Op, str] = {
    "zero": N_("set to 0"),
    "mean": N_("replaced by the mean over the text"),
    "scale": N_("× {amount}"),
    "add": N_("+ {amount} × a direction"),
    "noise": N_("+ noise {amount} × its size, seed {seed}"),
    "dropout": N_("with dropout {amount}, seed {seed}"),
    "patch": N_("taken from the other run"),
    "drop": N_("left out"),
    "swap": N_("swapped with layer {other}"),
    "shuffle": N_("shuffled, seed {seed}"),
    "average": N_("averaged over the heads"),
}
_TOWARDS = N_("+ {amount} × the direction of “{token}”")
_TOWARDS_TEXT = N_("+ {amount} × the way to the mean of “{text}”")
_MEAN_OF = N_("replaced by the mean over “{text}”")
_FROM = N_("taken from “{text}”")
_AT_RANDOM = N_("+ {amount} × a random direction as long, seed {seed}")
_EVEN = N_("the same for every token that may be looked at")
_MOVED = N_("moved on by {amount}")


def told(intervention: Intervention, token: str = "", at: str = "") -> str:
    """What is changed, in a few words of the reader's language: “layer 18 · head 6: what heads read (z) set to 0”.

    token: what the vocabulary entry is called that the change goes towards; at: what the token is called at whose
    position it is made
    """
    where = " · ".join(_where(intervention, at))
    what = _done(intervention, token)
    if intervention.site != LAYER:
        what = _("{place} {change}", place=_(PLACES[intervention.site].says), change=what)
    return _("{where}: {what}", where=where, what=what) if where else what


def in_short(interventions: Sequence[Intervention], tokens: Sequence[str] = ()) -> str:
    """What is changed in a run, in one line: the first change in words, and how many follow; "" for none.

    tokens: for each change what the vocabulary entry is called that it goes towards
    """
    if not interventions:
        return ""
    first = told(interventions[0], tokens[0] if tokens else "")
    more = len(interventions) - 1
    if not more:
        return first
    return ngettext("{first}, and {count} more change", "{first}, and {count} more changes", more, first=first)


def _where(intervention: Intervention, at: str) -> list[str]:
    every = [_("every layer")] if in_every_layer(intervention) else []
    named = {
        "layer": N_("layer {number}"),
        "head": N_("head {number}"),
        "kv": N_("key/value head {number}"),
        "neuron": N_("neuron {number}"),
        "pos": N_("position {number}, {token}") if at else N_("position {number}"),
    }
    return every + [
        _(said, number=Count(getattr(intervention, name)), token=quoted(at))
        for name, said in named.items()
        if getattr(intervention, name) is not None
    ]


def _done(intervention: Intervention, token: str) -> str:
    op, amount = intervention.op, exact(intervention.amount)
    texts = _("”, “").join(_short(run.text) for run in intervention.sources)
    if intervention.site == POSITIONS and op == "add":
        return _(_MOVED, amount=amount)
    if intervention.site == "pattern" and op == "mean":
        return _(_EVEN)
    if op == "mean" and texts:
        return _(_MEAN_OF, text=texts)
    if op == "patch" and texts:
        return _(_FROM, text=texts)
    if op == "add" and intervention.random is not None:
        return _(_AT_RANDOM, amount=amount, seed=Count(intervention.random))
    if op == "add" and intervention.token is not None:
        return _(_TOWARDS, amount=amount, token=token or intervention.token)
    if op == "add" and texts:
        return _(_TOWARDS_TEXT, amount=amount, text=texts)
    other = "" if intervention.other is None else Count(intervention.other)
    return _(_OPS_SAID[op], amount=amount, seed=Count(intervention.seed), other=other)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST else f"{flat[:_LONGEST]}…"


_AGAINST = {
    "head": N_("the same at other heads of layer {layer}: {others}"),
    "kv": N_("the same at other key/value heads of layer {layer}: {others}"),
    "neuron": N_("the same at other neurons of layer {layer}, drawn at random: {others}"),
    "every head": N_("the same at other heads of every layer: {others}"),
    "every kv": N_("the same at other key/value heads of every layer: {others}"),
    "every neuron": N_("the same at other neurons of every layer, drawn at random: {others}"),
    "layer": N_("the same in other layers: {others}"),
    "swap": N_("other layers as far apart, swapped: {others}"),
    "random": N_("directions drawn at random, as long: seeds {others}"),
    "noise": N_("other noise of the same size: seeds {others}"),
    "dropout": N_("the same dropout of other numbers: seeds {others}"),
    "shuffle": N_("rows shuffled into other orders: seeds {others}"),
    "itself": N_("B patched into itself instead, which changes nothing"),
}


def held_against(baseline: Baseline) -> str:
    """What a changed run is held against, in a few words: “the same at other heads of layer 17: 0, 2, 3, 4, 6, 8”."""
    said = [_against(control) for control in baseline.controls if control.kind != "same"]
    return _("; ").join(dict.fromkeys(said))


def _against(control: Control) -> str:
    made, kind = control.made, control.kind
    if kind in ("head", "kv", "neuron") and in_every_layer(made):
        kind = f"every {kind}"
    if kind == "seed":
        kind = made.op
    others = ", ".join(_numbered(control, number) for number in sorted(control.others))
    return _(_AGAINST[kind], layer=made.layer, others=others)


def _numbered(control: Control, number: int) -> str:
    """One of the others: its number, or those of the two that are swapped."""
    numbers = (number, number + control.apart) if control.kind == "swap" else (number,)
    return " ↔ ".join(str(Count(each)) for each in numbers)
