"""The form of a change: where, what, and how much. It begins with what the reader points at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from anatomy.allowed import SEEDED
from anatomy.interventions import MOST_AMOUNT, PLACES, POSITIONS, SOURCES, Place
from anatomy.language import N_, _
from anatomy.refused import Refused
from anatomy.request import Intervention, Op, Run
from anatomy.spec import ModelSpec
from ui import changed, text
from ui.host import Loading
from viz.format import quoted

LOADING = N_("The model that cuts words into tokens is still being loaded: wait a moment, then try it again.")
OPS: dict[Op, str] = {
    "zero": N_("set to 0"),
    "mean": N_("replace by the mean"),
    "scale": N_("multiply"),
    "add": N_("add a direction"),
    "noise": N_("add noise"),
    "dropout": N_("drop at random"),
    "patch": N_("take from run A"),
    "drop": N_("leave out"),
    "swap": N_("swap"),
    "shuffle": N_("shuffle"),
    "average": N_("average over the heads"),
}
OF_POSITIONS: dict[Op, str] = {"zero": N_("all at position 0"), "add": N_("move on")}
ALL, ONE = "all", "one"
TOKEN, TEXT = "token", "text"
TOWARDS = {TOKEN: N_("a token"), TEXT: N_("another text")}
_LARGEST = int(MOST_AMOUNT) - 1  # number that a field takes
_MOST_WORDS, _MOST_TEXT = 200, 2_000  # characters
Part = tuple[str, int] | None


@dataclass(frozen=True)
class Amount:
    """The field for how much: its label, the number that it begins with, and what it goes from, to, and by."""

    label: str
    begin: float
    least: float = -float(_LARGEST)
    most: float = float(_LARGEST)
    step: float = 0.5


AMOUNTS: dict[Op, Amount] = {
    "scale": Amount(N_("Times"), 2.0),
    "add": Amount(N_("How much"), 1.0),
    "noise": Amount(N_("Standard deviations"), 1.0),
    "dropout": Amount(N_("Probability"), 0.1, 0.0, 0.99, 0.05),
}


@dataclass(frozen=True)
class Asked:
    """What the form is about.

    layer, head, neuron, pos  what the reader points at, in the run that is changed; neuron: None for none
    token  the chosen token, as sentences have it
    apart  the other run has another text
    entry  (id, label) of the first token of some words; Loading, Refused
    """

    spec: ModelSpec
    layer: int
    head: int
    neuron: int | None
    pos: int
    token: str
    apart: bool
    entry: Callable[[str], tuple[int, str]]

    def key(self, field: str) -> str:
        """The key of a widget: another one where the reader has pointed at something else since, so that it begins with
        that."""
        begins = {
            "site": self.neuron,
            "layer": self.layer,
            "with": self.layer,
            "part": self.head,
            "neuron": self.neuron,
            "pos": self.pos,
        }
        return f"what_if.{field}.{begins.get(field, '')}"

    def value(self, field: str, default: Any = None) -> Any:
        """What a widget says now; the default where it is not there."""
        return st.session_state.get(self.key(field), default)

    @property
    def site(self) -> str:
        """The place that is chosen."""
        return self.value("site", "z" if self.neuron is None else "act")

    @property
    def op(self) -> Op:
        """What is to be done there."""
        return self.value(f"op.{self.site}", PLACES[self.site].ops[0])

    @property
    def one_layer(self) -> bool:
        """Whether the change is one of a single layer."""
        return self.op not in PLACES[self.site].of_all or self.value("layers", ONE) == ONE

    def part_key(self, place: Place) -> str:
        """That of what of a place is chosen; the heads alone can be averaged over, not one of them."""
        return ".".join((self.key("part"), *place.by, *(["average"] if self.op == "average" else [])))


def draw(asked: Asked) -> None:
    """The widgets, each only where it says something."""
    with st.container(horizontal=True, gap="small"):
        _where(asked)
        place = PLACES[asked.site]
        said = OF_POSITIONS if place.site == POSITIONS else OPS
        key = asked.key(f"op.{place.site}")
        st.selectbox(_("Change"), place.ops, format_func=lambda op: _(said[op]), key=key, width=170)
    if place.layered:
        _which(asked, place)
    _how(asked, place)


def _where(asked: Asked) -> None:
    sites = list(PLACES)
    st.selectbox(
        _("Place"),
        sites,
        sites.index("z" if asked.neuron is None else "act"),
        format_func=lambda site: _(PLACES[site].says),
        key=asked.key("site"),
        width=210,
    )


def _which(asked: Asked, place: Place) -> None:
    """The layer, what of it, and which token."""
    with st.container(horizontal=True, gap="small"):
        if asked.op in place.of_all:
            st.segmented_control(
                _("In"),
                [ONE, ALL],
                default=ONE,
                required=True,
                format_func=lambda where: _("one layer") if where == ONE else _("every layer"),
                key=asked.key("layers"),
            )
        if asked.one_layer:
            st.number_input(_("Layer"), 0, None, asked.layer, step=1, key=asked.key("layer"), width=132)
        if asked.op == "swap":
            beside = _neighbour(asked)
            st.number_input(_("With layer"), 0, None, beside, step=1, key=asked.key("with"), width=132)
        if place.by == ("neuron",):
            st.number_input(
                _("Neuron"), 0, None, asked.neuron, step=1, key=asked.key("neuron"), placeholder=_("all"), width=132
            )
        elif place.by:
            options = [part for part in parts(asked.spec, place) if asked.op != "average" or _several(part)]
            begin: Part = ("head", asked.head) if "head" in place.by else ("kv", _shared(asked))
            key = asked.part_key(place)
            index = options.index(begin) if begin in options else 0
            st.selectbox(_("Which part"), options, index, format_func=said_of, key=key, width=180)
        if place.whole:
            return
        st.segmented_control(
            _("At"),
            [ALL, ONE],
            default=ALL,
            required=True,
            format_func=lambda where: _("all tokens") if where == ALL else changed.plain(asked.token),
            key=asked.key("pos"),
        )


def _several(part: Part) -> bool:
    """Whether it is more than one head."""
    return part is None or part[0] != "head"


def _neighbour(asked: Asked) -> int:
    """A layer beside the chosen one."""
    return asked.layer + 1 if asked.layer + 1 < asked.spec.layers else asked.layer - 1


def _shared(asked: Asked) -> int:
    """The key/value head that the chosen head reads."""
    return asked.head * asked.spec.n_kv // asked.spec.n_heads


def parts(spec: ModelSpec, place: Place) -> list[Part]:
    """What one of can be named at a place, None first: for all."""
    heads: list[Part] = [("head", head) for head in range(spec.n_heads)] if "head" in place.by else []
    shared = "kv" in place.by and (spec.n_kv < spec.n_heads or not heads)
    return [None, *heads, *([("kv", kv) for kv in range(spec.n_kv)] if shared else [])]


def said_of(part: Part) -> str:
    """A part in words."""
    if part is None:
        return _("all")
    name, number = part
    return _("head {number}", number=number) if name == "head" else _("key/value head {number}", number=number)


def _how(asked: Asked, place: Place) -> None:
    """How much, towards what, out of which texts."""
    op = asked.op
    directed = op == "add" and place.site != POSITIONS
    with st.container(horizontal=True, gap="small"):
        if op in AMOUNTS:
            _amount(asked, place)
        if directed and place.wide:
            _ways(asked)
        if op in SEEDED:
            st.number_input(_("Seed"), 0, _LARGEST, 0, step=1, key=asked.key("seed"), width=140)
    if directed:
        _towards(asked, place)
    if op == "mean" and place.site != "pattern":
        st.text_area(
            _("Over which texts, a line for each; over this text if there is none"),
            key=asked.key("texts"),
            max_chars=_MOST_TEXT,
            height=90,
        )
    if op == "patch" and not asked.apart:
        text.aside(_("Both runs have one text: what is taken from A differs only where an earlier change did it."))


def _amount(asked: Asked, place: Place) -> None:
    field = AMOUNTS[asked.op]
    key = asked.key(f"amount.{asked.op}.{place.site == POSITIONS}")
    if place.site == POSITIONS:
        st.number_input(_("Positions"), -_LARGEST, _LARGEST, 1, step=1, key=key, width=140)
    else:
        least, most, label = field.least, field.most, _(field.label)
        st.number_input(label, least, most, field.begin, step=field.step, format="%g", key=key, width=140)


def _ways(asked: Asked) -> None:
    st.segmented_control(
        _("Towards"),
        list(TOWARDS),
        default=TOKEN,
        required=True,
        format_func=lambda way: _(TOWARDS[way]),
        key=asked.key("towards"),
    )


def _towards(asked: Asked, place: Place) -> None:
    if _way(asked, place) == TEXT:
        st.text_input(_("Towards the mean of this text"), key=asked.key("other"), max_chars=_MOST_TEXT)
        return
    typed = st.text_input(_("Towards the first token of"), key=asked.key("words"), max_chars=_MOST_WORDS)
    if typed:
        try:
            text.aside(_("This goes towards {token}.", token=quoted(asked.entry(typed)[1])))
        except Loading:
            text.aside(_(LOADING))
        except Refused as refused:
            text.aside(str(refused))


def _way(asked: Asked, place: Place) -> str:
    return asked.value("towards", TOKEN) if place.wide else TEXT


def read(asked: Asked) -> Intervention:
    """The change that the form says. Loading: its word has no token yet; Refused: a sentence."""
    place, op = PLACES[asked.site], asked.op
    found: dict[str, Any] = {"amount": _read_amount(asked, place), "seed": asked.value("seed", 0) or 0}
    if op not in SEEDED:
        found["seed"] = 0
    if place.layered:
        found |= _read_which(asked, place) | _read_direction(asked, place)
    return Intervention(place.site, op, **found)


def _read_amount(asked: Asked, place: Place) -> float:
    if asked.op not in AMOUNTS:
        return 0.0
    amount = asked.value(f"amount.{asked.op}.{place.site == POSITIONS}", AMOUNTS[asked.op].begin)
    if amount is None:
        raise Refused(N_("Say how much, as a number."))
    return float(amount)


def _read_which(asked: Asked, place: Place) -> dict[str, Any]:
    layer = asked.value("layer", asked.layer) if asked.one_layer else None
    found: dict[str, Any] = {"layer": layer}
    if not place.whole:
        found["pos"] = asked.pos if asked.value("pos", ALL) == ONE else None
    if asked.op == "swap":
        found["other"] = asked.value("with", _neighbour(asked))
    if place.by == ("neuron",):
        return found | {"neuron": asked.value("neuron", asked.neuron)}
    part = st.session_state.get(asked.part_key(place)) if place.by else None
    return found if part is None else found | {part[0]: part[1]}


def _read_direction(asked: Asked, place: Place) -> dict[str, Any]:
    """The token or the text that is gone towards, and the texts of a mean."""
    if asked.op == "add" and _way(asked, place) == TOKEN:
        return {"token": asked.entry(asked.value("words") or "")[0]}
    if asked.op == "add":
        return {"sources": _sources([asked.value("other") or ""])}
    if asked.op == "mean" and place.site != "pattern":
        return {"sources": _sources((asked.value("texts") or "").splitlines())}
    return {}


def _sources(texts: Sequence[str]) -> tuple[Run, ...]:
    """Runs of these texts, of the model that is changed; more than a change may have are kept for it to refuse."""
    return tuple(Run("", each) for each in texts if each.strip())[: SOURCES + 1]


def written(asked: Asked) -> tuple[Any, ...]:
    """All that the form says now: whether it has been changed since shows in it."""
    names = sorted(name for name in st.session_state if isinstance(name, str) and name.startswith("what_if."))
    kept = ("what_if.refused", "what_if.make", "what_if.quick", "what_if.break")
    return tuple((name, st.session_state[name]) for name in names if not name.startswith(kept))
