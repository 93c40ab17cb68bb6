"""The page's own elements: HTML, CSS and JavaScript read from this folder, each wrapped by one small Python module."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

FOLDER = Path(__file__).parent
Chosen = Callable[[Any], None]


def register(name: str, html: str) -> Callable[..., Any]:
    """A component from `<name>.js` and `<name>.css`, with what all of them share in front; html stands in one root.

    Text from readers reaches a component only as data; its JavaScript writes it with textContent or onto a canvas.
    """
    return component(
        f"stagelight_{name}",
        html=f'<div class="root">\n{html}\n</div>',
        css=source("shared.css") + source(f"{name}.css"),
        js=source("shared.js") + source(f"{name}.js"),
    )


def source(file: str) -> str:
    """The text of one file of this folder."""
    return (FOLDER / file).read_text(encoding="utf-8")


def told(key: str, event: str, chosen: Chosen) -> Callable[[], None]:
    """A callback that hands what the component sent to `chosen`; nothing where nothing was sent."""

    def call() -> None:
        value = getattr(st.session_state[key], event)
        if value is not None:
            chosen(value)

    return call
