"""Break the architecture: a part of it left out, swapped, shuffled or averaged by one click, in one layer or in all."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import streamlit as st

from anatomy.interventions import (
    ATTENTION_NORM,
    ATTENTION_SKIP,
    EMBEDDING,
    FFN_NORM,
    FFN_SKIP,
    LAYER,
    MASK,
    POSITIONS,
)
from anatomy.language import _
from anatomy.request import Intervention
from anatomy.spec import ModelSpec, Rope
from ui import changed, text

_WHERE = "what_if.break.where"
_ONE, _EVERY = "one", "every"
Made = tuple[Intervention, ...]


@dataclass(frozen=True)
class Breaking:
    """One way to break it: what its button says, the changes that it makes, and a sentence that says what these are."""

    says: str
    made: Made
    means: str


def draw(spec: ModelSpec, layer: int, possible: Callable[[Made], bool], click: Callable[[Made], None]) -> None:
    """A button for each way that this model allows.

    layer     the one that is chosen
    possible  whether the model allows some changes
    click     makes them; called before the page is drawn anew
    """
    st.html(f"<h3>{_('Break the architecture')}</h3>")
    says = _(
        "The model was trained with all of its parts: what you see is how much it leans on them, not what a model "
        "trained without them would do."
    )
    if all(one.kind != "untrained" for one in spec.alterations):
        text.aside(says)
    _buttons("around", _around(spec), possible, click)
    st.segmented_control(
        _("Where"),
        [_ONE, _EVERY],
        default=_ONE,
        required=True,
        format_func=lambda where: _("in layer {layer}", layer=layer) if where == _ONE else _("in every layer"),
        key=_WHERE,
        label_visibility="collapsed",
    )
    every = st.session_state.get(_WHERE, _ONE) == _EVERY
    _buttons("inside", _parts(None) if every else _inside(spec, layer), possible, click)


def _buttons(
    name: str, ways: Iterable[Breaking], possible: Callable[[Made], bool], click: Callable[[Made], None]
) -> None:
    with st.container(key=f"what_if_break_{name}", horizontal=True, gap="small"):
        for number, way in enumerate(ways):
            if possible(way.made):
                key = f"what_if.break.{name}.{number}"
                st.button(changed.plain(way.says), key=key, help=way.means, on_click=click, args=(way.made,))


def _inside(spec: ModelSpec, layer: int) -> Iterator[Breaking]:
    """What is broken in one layer."""
    yield from _parts(layer)
    means = _("The stream goes on as it came: neither attention nor the FFN of this layer writes anything.")
    yield Breaking(_("Layer {layer} left out", layer=layer), (Intervention(LAYER, "drop", layer=layer),), means)
    pair = (layer, layer + 1) if layer + 1 < spec.layers else (layer - 1, layer)
    if pair[0] >= 0:
        says = _("Layers {layer} and {other} swapped", layer=pair[0], other=pair[1])
        means = _("Each runs in the place of the other, with all of its weights.")
        yield Breaking(says, (Intervention(LAYER, "swap", layer=pair[0], other=pair[1]),), means)


def _parts(layer: int | None) -> Iterator[Breaking]:
    """What can be broken in one layer and in every layer."""
    norms = _("Attention and the FFN read the stream as it is, however long it has become.")
    yield Breaking(_("No norms"), _both(ATTENTION_NORM, FFN_NORM, layer), norms)
    skips = _("Only what attention and the FFN write goes on: the stream does not go around them.")
    yield Breaking(_("No skip connections"), _both(ATTENTION_SKIP, FFN_SKIP, layer), skips)
    heads = _("All heads look at the same tokens: each weighs them as all do on average.")
    yield Breaking(_("Heads averaged"), (Intervention("pattern", "average", layer=layer),), heads)


def _around(spec: ModelSpec) -> Iterator[Breaking]:
    """What is no layer's."""
    turned = isinstance(spec.position, Rope)
    says = _("No rotation: all tokens at position 0") if turned else _("All tokens at position 0")
    order = _("No token is told at which position it stands.")
    yield Breaking(says, (Intervention(POSITIONS, "zero"),), order)
    ahead = _("Every token looks at the whole text, also at what comes after it.")
    yield Breaking(_("No causal mask"), (Intervention(MASK, "drop"),), ahead)
    rows = _("Every token enters with the embedding of another one, drawn at random.")
    yield Breaking(_("Embedding rows shuffled"), (Intervention(EMBEDDING, "shuffle"),), rows)


def _both(first: str, second: str, layer: int | None) -> Made:
    return tuple(Intervention(site, "drop", layer=layer) for site in (first, second))
