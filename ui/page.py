"""The page: reads the link, asks the model, lays out what it answered."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

import panels
from anatomy.language import N_, _
from anatomy.trace import Trace, readable
from anatomy.view import Fitted, View
from models.engine import Refused
from panels import Panel, stagemap
from ui import aside, continuation, figure, host, links, stage, text, top, waiting
from ui.components import stagemap as drawn_map
from ui.components import strip
from ui.host import Loading, Model

CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
MOST_TOKENS = 1024  # of a text on the page; the engine itself takes as many as the model
MOST_LOST = 24  # characters named one by one
ICON = Path(__file__).parent.parent / "static" / "icon.svg"


def draw() -> None:
    """One run of the page."""
    links.speak()
    view, complaints = links.arrive()
    panel = panels.load()[view.panel]
    st.set_page_config(page_title=f"{_(panel.title)} · Stagelight", page_icon=str(ICON), layout="wide")
    st.html(f"<style>{CSS}</style>")
    model, unknown = chosen(view)
    model.begin()
    embedded = bool(st.context.is_embedded)
    free = st.container() if embedded else top.bar(model, view)
    if not embedded:
        top.text_row(view)
    notices = st.container(key="notices")
    with notices:
        for complaint in (*complaints, *unknown, *aside.complaints(view)):
            text.notice(complaint)
    try:
        with waiting.in_line(free):
            answered(model, view, panel, embedded)
    except Loading:
        waiting.until_loaded(model)
    except Refused as refused:
        text.notice(str(refused), "refused")
        if not embedded:
            continuation.way_back(view)
    else:
        with free:
            waiting.in_the_background(model)
        if model.failure is not None:
            with notices:
                text.notice(_("What is shown was recorded. {reason}", reason=model.failure), "refused")


def chosen(view: View) -> tuple[Model, tuple[str, ...]]:
    """(the server's model that the link names, or its first one; a complaint where it names another)."""
    hosted = host.models()
    if view.model in hosted:
        return hosted[view.model], ()
    first = next(iter(hosted))
    said = "model" in st.query_params
    complaint = _("This server has no model {name}. Shown: {first}.", name=view.model[:40], first=first)
    return hosted[first], (complaint,) if said else ()


def answered(model: Model, view: View, panel: Panel, embedded: bool) -> None:
    """Everything below the text. Loading and Refused come from the model, before anything is drawn."""
    spec = model.spec()
    run = view.run(spec)
    tokens = model.run(run).tokens
    if len(tokens) > MOST_TOKENS:
        told = N_("The text has {tokens} tokens and the limit is {limit}: take out at least {excess}.")
        excess = len(tokens) - MOST_TOKENS
        raise Refused(told, tokens=f"{len(tokens):,}", limit=f"{MOST_TOKENS:,}", excess=f"{excess:,}")
    fitted = view.fit(spec, tokens)
    for misfit in view.misfits(fitted):
        text.notice(misfit)
    if embedded:
        model.run(run, stage.needs(spec, fitted, panel))
        with st.container(key="alone"):
            stage.draw(model, run, fitted)
        return
    trace = model.run(run, (*stagemap.needs(spec, fitted), *stage.needs(spec, fitted, panel)))
    following = continuation.after(model, run)
    with st.container(key="strip_row"):
        tokens_of(trace, fitted)
        if following is not None:
            continuation.row(following, view, model)
    with st.container(key="columns"):
        left, middle, right = st.columns(3, gap="medium")
    with left:
        map_of(trace, fitted, panel, aside.counted(aside.jury(model, fitted, panel.stage)))
    with middle:
        stage.draw(model, run, fitted)
    with right:
        aside.draw(model, fitted, panel)


def tokens_of(trace: Trace, view: Fitted) -> None:
    """The tokens in a row; below it, which characters of the text none of them covers."""
    added = len(trace.run.tail)
    strip.show(trace.tokens, added, view.pos, lambda pos: links.go(lambda now: figure.at_token(now, pos)))
    if trace.lost:
        text.aside(unspelled(trace.lost))


def unspelled(lost: str) -> str:
    """The sentence about characters that the vocabulary has no tokens for."""
    shown = " ".join(readable(character, character.encode()) for character in lost[:MOST_LOST])
    more = " " + _("and {count} more", count=len(lost) - MOST_LOST) if len(lost) > MOST_LOST else ""
    return _("The vocabulary cannot spell: {characters}", characters=shown + more)


def map_of(trace: Trace, view: Fitted, panel: Panel, marks: Mapping[str, tuple[int, int, int]]) -> None:
    """The stage map, every box a link that keeps the text and the choices. marks: claims per stage that hold, hold in
    part, do not."""
    drawn_map.show(
        stagemap.boxes(trace, view),
        stagemap.block(trace.spec),
        panel.stage,
        view.layer,
        marks,
        lambda target: links.query(stage.at_panel(links.read(), target)),
        lambda target: links.go(lambda now: stage.at_panel(now, target)),
    )
