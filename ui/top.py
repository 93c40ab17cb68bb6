"""The top of the page: the name, the model, the text and its tokens."""

from dataclasses import replace
from html import escape

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

import panels
from anatomy.language import LANGUAGES, _, get_locale, ngettext
from anatomy.refused import Refused
from anatomy.spec import ModelSpec
from anatomy.view import View
from models.engine import MAX_CHARACTERS
from ui import changing, controls, landing, links, mishap, opening, second, text, varying
from ui.components import textbox, theme
from ui.examples import EXAMPLES
from ui.host import HostedModel, Loading, models, titled
from viz import nouns


def bar(model: HostedModel, view: View) -> DeltaGenerator:
    """Wordmark and model; a choice of models where the server has several; language and theme. Back comes a free place
    between them."""
    with st.container(key="top", horizontal=True, vertical_alignment="center"):
        st.html('<h1 class="wordmark"><a href="./" target="_self">Stage<i>light</i></a></h1>', width="content")
        free = st.container(key="free", width=220)
        try:
            st.html(_model_line(model.spec(), named=len(models()) == 1))
        except (Loading, Refused):
            st.html(f'<p class="model">{escape(_not_there(model))}</p>')
        if not panels.load()[view.panel].whole:
            opening.show()
        names = list(models())
        if len(names) > 1:
            _model_choice(names, view)
        shown = models().name_of(model)
        varying.choice("variant", shown, lambda now: now.model, lambda now, name: _on_variant(now, shown, name))
        _language_choice()
        theme.show()
    return free


def _not_there(model: HostedModel) -> str:
    """What a model is called that cannot say it yet."""
    return model.address if model.made_of is None else titled(models().name_of(model))


def _on_variant(view: View, shown: str, name: str) -> View:
    """The view on a variant of the model that is shown, which its link need not name: places stay."""
    return replace(view, model=shown).with_model(name)


def _language_choice() -> None:
    """The page's language, each by its own name."""
    name = controls.hold("lang", get_locale())
    changed = controls.writes("lang", get_locale(), lambda view, language: replace(view, lang=language))
    st.selectbox(
        _("Language"),
        list(LANGUAGES),
        list(LANGUAGES).index(get_locale()),
        format_func=LANGUAGES.__getitem__,
        key=name,
        label_visibility="collapsed",
        width=98,
        on_change=changed,
    )


def _model_choice(names: list[str], view: View) -> None:
    shown = models().own(view.model)
    name = controls.hold("model", shown)
    changed = controls.prepared("model", shown, landing.to_model)
    st.selectbox(
        _("Model"),
        names,
        names.index(shown),
        format_func=titled,
        key=name,
        label_visibility="collapsed",
        width=212,
        on_change=changed,
    )


def _model_line(spec: ModelSpec, named: bool) -> str:
    """The model in one line; before it stands what a phone shows of it until a tap opens it. Once: of a link that is
    there twice, one would be where nobody can click it."""
    altered = [one.short for one in spec.alterations]
    short = (spec.weights.title or spec.name) if named else " · ".join((_("About the model"), *altered))
    details = f'<details class="model"><summary>{escape(short)}</summary></details>'
    return f'{details}<p class="model">{described(spec, named)}</p>'


def described(spec: ModelSpec, named: bool = True) -> str:
    """The model in one line of HTML: name, kind, size, numbers, licence, what was opened; each where it is known.

    named: False leaves its name out, where the choice of models shows it already.
    """
    weights = spec.weights
    parts = [
        f"<b>{escape(weights.title or spec.name)}</b>" if named else "",
        _("{family} architecture", family=escape(spec.architecture)),
        _("{layers} × {heads}", layers=nouns.layers(spec.layers), heads=nouns.heads(spec.n_heads)),
        escape(_stored(spec)),
        escape(weights.licence),
    ]
    if weights.source.startswith("https://"):
        parts.append(f'<a href="{escape(weights.source)}" target="_blank" rel="noreferrer">{escape(_("source"))}</a>')
    parts.append(escape(_(spec.opened)))
    altered = ", ".join(one.short for one in spec.alterations)
    if altered:
        parts.insert(0, f'<b class="altered">{escape(_("variant: {altered}", altered=altered))}</b>')
    return " · ".join(part for part in parts if part)


def _stored(spec: ModelSpec) -> str:
    stored = spec.weights.stored
    return _("{stored}, computed in {kind}", stored=stored, kind=spec.dtype) if stored else spec.dtype


def text_row(model: HostedModel, view: View) -> None:
    """The text, the examples, and what puts a second run beside the first; below it that one's row, which also holds
    what is switched off in it for now. model: the first run's."""
    side = "A" if view.two else ""
    with st.container(key="text_row", horizontal=True, gap="small"):
        textbox.show(view.text, MAX_CHARACTERS, lambda typed: links.go(lambda now: now.with_text(typed)), side)
        st.menu_button(_("Examples"), [_(name) for name in EXAMPLES], key="example", on_click=_on_example)
        second.offer(view)
        with mishap.costing("what can be changed"):
            changing.offer(model, view)
    _lost()
    _lost()
    if view.two or view.changes:
        second.row(view)


def _lost() -> None:
    """Once, that changes went with the text or the model that they were made in."""
    count = st.session_state.pop(links.LOST, 0)
    if count:
        says = ngettext(
            "{count} change of run B belonged to the text or the model that was there before, and was taken out. The "
            "browser's Back brings it back.",
            "{count} changes of run B belonged to the text or the model that was there before, and were taken out. The "
            "browser's Back brings them back.",
            count,
        )
        text.notice(says)


@mishap.harmless
def _on_example() -> None:
    links.set_locale()  # a callback runs before the page
    shown = st.session_state["example"]
    chosen = next((example for name, example in EXAMPLES.items() if shown in (name, _(name))), None)
    if chosen is not None:
        links.go(lambda view: view.with_text(chosen))
