"""Panels that the model on view lacks: how the picker marks them, and which models at hand have them."""

import re
from dataclasses import dataclass

import streamlit as st

from anatomy.language import _
from anatomy.refused import Refused
from anatomy.spec import ModelSpec
from anatomy.view import DEFAULT_MODEL
from panels.panel import Panel
from ui import links, mishap, text
from ui.host import VARIABLE, HostedModel, Loading, models, titled

MOST = 3  # models that are offered
MARK = "–"


@dataclass(frozen=True)
class Offers:
    """Names in links of other models of this server that may be opened in place of the one on view.

    having   those that have the panel
    unknown  where there is none: those of which that is not known before they are loaded
    """

    having: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def label(panel: Panel, spec: ModelSpec) -> str:
    """The panel's name in the picker, as Markdown. Of one that this model lacks with a mark before it and, in emphasis,
    the words for it: the page's style shows these to a pointer and to the keyboard, and screen readers read them."""
    name = _(panel.name)
    return name if panel.closed(spec) is None else f"{MARK} {name} *{_('not in this model')}*"


def known(name: str) -> ModelSpec | None:
    """What kind of model that one of this server is; None where it is not known without loading it, or cannot be had.
    KeyError for a name that the server does not know."""
    try:
        return models()[name].spec()
    except (Loading, Refused):
        return None


def offers(panel: Panel, model: HostedModel) -> Offers:
    """Which models of this server have a panel that the model on view lacks. None is loaded to find out."""
    others = [name for name, other in models().items() if other is not model and other.failure is None]
    specs = {name: known(name) for name in others}
    having = [name for name, spec in specs.items() if spec is not None and panel.closed(spec) is None]
    unknown = [] if having else [name for name, spec in specs.items() if spec is None]
    return Offers(tuple(having[:MOST]), tuple(unknown[:MOST]))


def offer(panel: Panel, model: HostedModel) -> None:
    """Below the sentence that says why the panel is closed: a button for each model at hand that has it, on the same
    text, or how a server gets more models."""
    found = offers(panel, model)
    if found.having:
        _buttons({name: _("Open it with {model}", model=_plain(titled(name))) for name in found.having})
    elif found.unknown:
        text.line(_("Whether another model of this server has it is known once that model is loaded."))
        _buttons({name: _("Try it with {model}", model=_plain(titled(name))) for name in found.unknown})
    else:
        text.line(
            _(
                "No other model that this server could open has it. Whoever starts the server can add one by its "
                "address, with a comma between two: {command}",
                command=command(),
            )
        )


def command() -> str:
    """How a server with two models is started."""
    return f"{VARIABLE}={DEFAULT_MODEL},owner/name streamlit run app.py"


def _buttons(labels: dict[str, str]) -> None:
    """A button for each model: the same panel, on the same text."""
    with st.container(key="lacking", horizontal=True, gap="small"):
        for name, said in labels.items():
            st.button(said, key=f"lacking.{name}", on_click=_open, args=(name,))


@mishap.harmless
def _open(name: str) -> None:
    links.go(lambda now: now.with_model(name))


def _plain(title: str) -> str:
    """A model's title where Streamlit reads Markdown."""
    return re.sub(r"([\\`*_\[\]{}()#+!|:$~<>])", r"\\\1", title)
