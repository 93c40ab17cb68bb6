"""The top of the page: the name, the model, the text and its tokens."""

from html import escape

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anatomy.spec import ModelSpec
from anatomy.view import View
from models.engine import Refused
from ui import controls, links
from ui.components import textbox
from ui.examples import EXAMPLES
from ui.host import Loading, Model, models

MOST_CHARACTERS = 20_000
FAMILIES = {"llama": "Llama", "bert": "BERT", "gpt2": "GPT-2"}


def bar(model: Model, view: View) -> DeltaGenerator:
    """Wordmark and model; a choice of models where the server has several. Back comes a free place between them."""
    with st.container(key="top", horizontal=True, vertical_alignment="center"):
        st.html('<h1 class="wordmark"><a href="./" target="_self">Stage<i>light</i></a></h1>', width="content")
        free = st.container(key="free", width=250)
        names = list(models())
        if len(names) > 1:
            _model_choice(names, view)
        try:
            st.html(f'<p class="model">{described(model.spec())}</p>')
        except (Loading, Refused):
            st.html(f'<p class="model">{escape(model.address)}</p>')
    return free


def _model_choice(names: list[str], view: View) -> None:
    shown = view.model if view.model in names else names[0]
    controls.hold("model", shown)
    changed = controls.writes("model", shown, on_model)
    st.selectbox("Model", names, key="model", label_visibility="collapsed", width=190, on_change=changed)


def on_model(view: View, name: str) -> View:
    """The view on another model: places belong to the old one and go."""
    return View(panel=view.panel, model=name, text=view.text, settings=view.settings)


def described(spec: ModelSpec) -> str:
    """The model in one line of HTML: name, kind, size, numbers, licence, each only where it is known."""
    weights = spec.weights
    parts = [
        f"<b>{escape(weights.title or spec.name)}</b>",
        f"{FAMILIES.get(spec.family, escape(spec.family))} architecture",
        f"{spec.layers} layers × {spec.n_heads} heads",
        escape(f"{weights.stored}, computed in {spec.dtype}" if weights.stored else spec.dtype),
        escape(weights.licence),
    ]
    if weights.source.startswith("https://"):
        parts.append(f'<a href="{escape(weights.source)}" target="_blank" rel="noreferrer">source</a>')
    return " · ".join(part for part in parts if part)


def text_row(view: View) -> None:
    """The text and the examples."""
    with st.container(key="text_row", horizontal=True, gap="small"):
        textbox.show(view.text, MOST_CHARACTERS, lambda typed: links.go(lambda now: now.with_text(typed)))
        st.menu_button("Examples", list(EXAMPLES), key="example", on_click=_on_example)


def _on_example() -> None:
    name = st.session_state["example"]
    if name in EXAMPLES:
        links.go(lambda view: view.with_text(EXAMPLES[name]))
