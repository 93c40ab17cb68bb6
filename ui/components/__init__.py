"""The page's own elements: HTML, CSS and JavaScript read from this folder, each wrapped by one small Python module."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from ui import mishap

FOLDER = Path(__file__).parent
Chosen = Callable[[Any], None]


def register(name: str, html: str, *parts: str) -> Callable[..., Any]:
    """A component from `<name>.js` and `<name>.css`, with what all of them share in front; html stands in one root. It
    is hidden until the script takes it (`rootOf`): before, nothing in it has a name.

    parts  scripts and styles that stand before `<name>.js` and `<name>.css`: what several components have, or where
           one file would be too long

    Text from readers reaches a component only as data; its JavaScript writes it with textContent or onto a canvas. What
    is not bytes reaches it as the one entry of a list: in a dict Streamlit looks for data frames, and imports pandas
    for it, which took 0.3 s of the first page.
    """
    mount = component(
        f"stagelight_{name}",
        html=f'<div class="root" style="visibility: hidden">\n{html}\n</div>',
        css=sent("shared.css", *(part for part in parts if part.endswith(".css")), f"{name}.css"),
        js=sent("shared.js", *(part for part in parts if part.endswith(".js")), f"{name}.js"),
    )

    def show(data: Mapping[str, Any] | bytes, **more: Any) -> Any:
        return mount(data=data if isinstance(data, bytes) else [data], **more)

    return show


def source(file: str) -> str:
    """The text of one file of this folder."""
    return (FOLDER / file).read_text(encoding="utf-8")


def sent(*files: str) -> str:
    """Files one after the other as they go to a browser, with every message: without indents and lines of comment."""
    lines = (line.strip() for file in files for line in source(file).splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))


def callback(key: str, event: str, chosen: Chosen) -> Callable[[], None]:
    """A callback that hands what the component sent to `chosen`; nothing where nothing was sent."""

    @mishap.harmless
    def call() -> None:
        value = getattr(st.session_state[key], event)
        if value is not None:
            chosen(value)

    return call
