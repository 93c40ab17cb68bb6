"""The choice of a variant: the same model, changed. What is chosen is the model's name, so it stands in the link.

It stands in a part of the page that redraws alone, and nothing of it is drawn while it is closed. It stays open after a
choice, for another one, and what was chosen keeps the focus: so the button never says anything else, or it would be a
new one to Streamlit. What is altered stands beside it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import streamlit as st

from anatomy import variants
from anatomy.language import N_, _
from anatomy.variants import KINDS, OF_BITS, OF_MATRICES, PARTS, Alteration
from anatomy.view import View
from ui import controls, links, mishap, polled, session, text
from ui.host import models

Read = Callable[[View], str]
Write = Callable[[View, str], View]
_BITS = tuple(name for name in KINDS if name in OF_BITS)
_KEPT = {"": N_("Everywhere"), "attention": N_("Attention only"), "ffn": N_("FFN only")}
_ORDER = tuple(KINDS)
FIRST = Alteration("3bit")  # what a comparison with a variant begins with: on a small model its effect is seen at once


@dataclass(frozen=True)
class Group:
    """Alterations that are offered side by side.

    says      what they are
    offered   those that there are to choose from
    together  several may be chosen
    """

    says: str
    offered: tuple[Alteration, ...]
    together: bool = False

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of alterations that are chosen here."""
        return frozenset(one.kind for one in self.offered)


def groups(adapters: Iterable[str]) -> tuple[Group, ...]:
    """What is offered on a server with these adapters."""
    given = tuple(Alteration("lora", name) for name in adapters)
    shares = tuple(Alteration("prune", f"{share / 10:g}") for share in (1, 3, 5, 7, 9))
    return (
        Group(N_("Weights"), (Alteration("untrained"),)),
        *([Group(N_("Adapter"), given)] if given else []),
        Group(N_("Bits of each weight"), (Alteration("int8"), *map(Alteration, _BITS))),
        Group(N_("Pruned: the weights nearest to 0 set to 0"), shares),
        Group(N_("Layers that share weights"), tuple(Alteration("shared", count) for count in ("2", "3", "5"))),
        Group(N_("Precision of the arithmetic"), (Alteration("bf16"), Alteration("fp16"))),
        Group(
            N_("Built otherwise"),
            (Alteration("dropout", "0.1"), Alteration("noskip"), Alteration("nonorm")),
            together=True,
        ),
    )


def choice(key: str, name: str, read: Read, write: Write) -> None:
    """The button, and what opens below it.

    key    of the widgets
    name   of the model or variant that is shown, as `Models.shown` has it
    read   the name that a view has in its place
    write  the view with another one there
    """
    _choice(key, name, read, write)


def altered_in(name: str) -> str:
    """What is altered in a model of this server, in a few words; "" for one as it is. name: as links have it."""
    return ", ".join(one.short for one in models().read(name)[1])


@st.fragment
def _choice(key: str, name: str, read: Read, write: Write) -> None:
    links.set_locale()
    if session.in_part() and models().shown(read(links.known())) != name and links.current():
        polled.anew()  # another one stands there by now
    base, made = models().read(name)
    place = st.popover(_("Variant"), key=key, on_change="rerun", width="content")
    if place.open:
        with place, st.container(key=f"{key}_body", gap="small"), mishap.costing("the choice of a variant"):
            _body(key, base, made, write)


def _body(key: str, base: str, made: tuple[Alteration, ...], write: Write) -> None:
    text.aside(
        _(
            "A variant is the same model, changed: it opens in every panel. What is not altered it shares with the "
            "model that it is made of."
        )
    )
    for one in made:
        text.aside(_("{what}.", what=f"{one.says[:1].upper()}{one.says[1:]}"))
    if made:
        st.button(_("As it is"), key=f"{key}.plain", on_click=partial(_go, write, base))
    for number, group in enumerate(groups(models().adapters)):
        _group(f"{key}.{number}", base, group, made, write)
        if group.kinds & OF_BITS:
            _symmetric(key, base, made, write)
        if group.kinds & OF_MATRICES:
            _kept(f"{key}.{number}.part", base, group, made, write)


def _group(key: str, base: str, group: Group, made: tuple[Alteration, ...], write: Write) -> None:
    chosen = [one for one in made if one.kind in group.kinds]
    bare = [_bare(one) for one in chosen]
    options = list(dict.fromkeys([*group.offered, *bare]))
    shown = [str(one) for one in bare]
    name = controls.hold(key, shown)
    st.pills(
        _(group.says),
        [str(one) for one in options],
        selection_mode="multi",
        default=shown,
        key=name,
        format_func={str(one): one.short for one in options}.__getitem__,
        on_change=controls.writes(key, shown, partial(_chosen, base, group, made, write)),
    )


def _bare(one: Alteration) -> Alteration:
    """What stands among what is offered, whichever way the levels of few bits lie and whichever part it is kept to."""
    one = one.around_zero(False) if one.kind in OF_BITS else one
    return one.of("") if one.kind in OF_MATRICES else one


def _chosen(base: str, group: Group, made: tuple[Alteration, ...], write: Write, view: View, names: list[str]) -> View:
    return write(view, variants.written(base, altered(group, made, names)))


def altered(group: Group, made: tuple[Alteration, ...], names: Iterable[str]) -> tuple[Alteration, ...]:
    """The alterations after a choice in one group, in the order in which they are made; where only one can be chosen
    that one which was not there before, kept to the part of the layers that the one before was kept to.

    made   the alterations before
    names  those that are chosen in the group
    """
    before = {str(_bare(one)): one for one in made if one.kind in group.kinds}
    part = next((one.part for one in before.values()), "")
    chosen = [before.get(name) or _named(name, part) for name in names]
    if not group.together:
        chosen = [one for one in chosen if str(_bare(one)) not in before][-1:] or chosen[-1:]
    kept = [one for one in made if one.kind not in group.kinds]
    return tuple(sorted((*kept, *chosen), key=lambda one: _ORDER.index(one.kind)))


def _named(name: str, part: str) -> Alteration:
    """What is offered under this name, kept to a part where it can be."""
    one = Alteration(*name.partition("=")[::2])
    return one.of(part) if one.kind in OF_MATRICES else one


def _symmetric(key: str, base: str, made: tuple[Alteration, ...], write: Write) -> None:
    """Whether the levels of few bits lie symmetrically around 0."""
    of_bits = next((one for one in made if one.kind in OF_BITS), None)
    if of_bits is None:
        return
    key, shown = f"{key}.symmetric", of_bits.symmetric
    name = controls.hold(key, shown)

    def turned(view: View, symmetric: bool) -> View:
        return write(view, variants.written(base, _with(made, of_bits, of_bits.around_zero(symmetric))))

    changed = controls.writes(key, shown, turned)
    st.toggle(_("Levels symmetric around 0"), shown, key=name, on_change=changed, width="content")


def _kept(key: str, base: str, group: Group, made: tuple[Alteration, ...], write: Write) -> None:
    """Which part of each layer the alteration of its matrices is kept to."""
    of_matrices = next((one for one in made if one.kind in group.kinds), None)
    if of_matrices is None:
        return
    shown = of_matrices.part
    name = controls.hold(key, shown)

    def moved(view: View, part: str) -> View:
        return write(view, variants.written(base, _with(made, of_matrices, of_matrices.of(part))))

    st.segmented_control(
        _("Part of each layer"),
        ("", *PARTS),
        default=shown,
        key=name,
        required=True,
        format_func=lambda part: _(_KEPT[part]),
        label_visibility="collapsed",
        on_change=controls.writes(key, shown, moved),
    )


def _with(made: tuple[Alteration, ...], old: Alteration, new: Alteration) -> list[Alteration]:
    """The alterations, one of them in the place of another."""
    return [new if one is old else one for one in made]


@mishap.harmless
def _go(write: Write, name: str) -> None:
    links.go(lambda view: write(view, name))
