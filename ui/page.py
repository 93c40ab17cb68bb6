"""The page: reads the link, asks the model, lays out what it answered."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

import panels
from anatomy.language import _
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace, readable
from anatomy.view import Fitted, View
from panels import stagemap
from panels.panel import Panel
from panels.stagemap import Box
from ui import (
    answers,
    aside,
    asking,
    continuation,
    host,
    landing,
    links,
    mishap,
    parted,
    session,
    sides,
    stage,
    text,
    top,
    waiting,
)
from ui.answers import Answer
from ui.asking import Halt
from ui.components import stagemap as drawn_map
from ui.components.strip import Compared
from ui.host import HostedModel, Loading, models, titled
from ui.sides import Absent, Second
from ui.tinting import TokensRow
from ui.waiting import Line
from viz.passage import WHOLE

Around = Callable[[ModelSpec, Fitted], list[Want]]
CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
MOST_LOST = 24  # characters named one by one
ICON = Path(__file__).parent.parent / "static" / "icon.svg"


def draw() -> None:
    """One run of the page. An error of the program is a sentence at the place where it came up."""
    with mishap.costing("the page", mishap.PAGE):
        _draw()


def _draw() -> None:
    links.set_locale()
    view, complaints = links.arrive()
    panel = panels.load()[view.panel]
    st.set_page_config(page_title=f"{_(panel.title)} · Stagelight", page_icon=str(ICON), layout="wide")
    st.html(f"<style>{CSS}</style>")
    model, unknown = chosen(view)
    if session.first_time(model.address):
        model.visited()
    model.begin()
    embedded = bool(st.context.is_embedded)
    free = st.container() if embedded else top.bar(model, view)
    if not embedded:
        top.text_row(model, view)
    notices = st.container(key="notices")
    with notices:
        mishap.tell()
        for complaint in (*complaints, *unknown, *aside.complaints(view)):
            text.notice(complaint)
        if links.only_here(view):
            text.notice(
                _("This text is too long for a link: the server keeps it for now, and the link works only here.")
            )
    place = st.empty()
    try:
        with waiting.in_line(place) as line:
            answered(model, view, panel, line)
    except Loading:
        waiting.until_loaded(model)
    except Refused as refused:
        text.notice(str(refused), "refused")
        waiting.offer_again(model)
    else:
        with free:
            waiting.in_the_background(model)
        if model.failure is not None:
            with notices:
                text.notice(_("What is shown was recorded. {reason}", reason=model.failure), "refused")
                waiting.offer_again(model)


def chosen(view: View) -> tuple[HostedModel, tuple[str, ...]]:
    """(the server's model that the link names, or its first one; a complaint where it names another)."""
    hosted = host.models()
    try:
        return hosted.find(view.model, beside=""), ()
    except Refused as refused:
        first = next(iter(hosted))
        complaint = _("{reason} Shown: {first}.", reason=str(refused), first=first)
        return hosted[first], (complaint,) if "model" in session.query() else ()


@dataclass(frozen=True)
class Question:
    """What one run of the page is about.

    view    the link's; fitted: the same with all choices made
    cut     the first run's tokens, or why it has none
    side    the second run, where the link asks for one
    """

    model: HostedModel
    run: Run
    view: View
    fitted: Fitted
    panel: Panel
    cut: Trace | Halt
    side: Second | Absent | None
    line: Line


def answered(model: HostedModel, view: View, panel: Panel, line: Line) -> None:
    """Everything below the text. Loading: the model that could answer is not there yet. Refused: it never will be."""
    spec = model.spec()
    landing.settle(view, spec)
    run = view.run(spec)
    cut = asking.cut(model, run)
    fitted, side = view.fit(spec, () if isinstance(cut, Halt) else cut.tokens), None
    if isinstance(cut, Trace):
        fitted, side = sides.placed(view, fitted, cut)
        for misfit in view.misfits(fitted):
            text.notice(misfit)
    question = Question(model, run, view, fitted, panel, cut, side, line)
    if st.context.is_embedded:
        with st.container(key="alone"):
            if spec.alterations and side is None:  # of two runs each says of which model it is
                text.aside(titled(models().name_of(model)))
            _stage(question, _answer(question, _nothing))
    elif panel.whole:
        _across(question)
    else:
        _in_columns(question)


def _in_columns(question: Question) -> None:
    """The map on the left, the stage in the middle, the articles on the right; above them tokens and summary."""
    model, fitted, panel = question.model, question.fitted, question.panel
    row = st.container(key="strip_row")
    with _above(question, row, _tokens(question, row)) as answer:
        if isinstance(answer, Halt):
            mapped = question.cut if answer is question.cut else _for_the_map(question, answer)
        else:
            mapped = answer.trace
        _followed(model, question.view, mapped, row)
        with st.container(key="columns"):
            left, middle, right = st.columns(3, gap="medium")
        verdicts = aside.verdicts(model, fitted, panel.stage, question.cut if isinstance(question.cut, Trace) else None)
        with left, mishap.costing("the map"):
            spec = model.spec()
            boxes = stagemap.boxes(mapped, fitted) if isinstance(mapped, Trace) else stagemap.bare(spec)
            map_of(boxes, spec, fitted, question.view, panel, aside.counted(verdicts))
        with middle:
            _stage(question, answer)
        with right, mishap.costing("the articles"):
            aside.draw(model, fitted, question.view, panel, verdicts)


def _across(question: Question) -> None:
    """A panel across the page. Its figure has the tokens of a short text, and what may follow them: they stand in the
    row above it only of a long text, or where something was added."""
    cut, row = question.cut, st.container(key="strip_row")
    inside = isinstance(cut, Trace) and len(cut.tokens) <= WHOLE
    rows = [] if inside else _tokens(question, row)
    if isinstance(cut, Trace) and inside:
        with row, mishap.costing("the tokens"):
            lost(cut)
    with _above(question, row, rows, _next) as answer:
        if not inside or question.view.tail:
            trace = answer if isinstance(answer, Halt) else answer.trace
            _followed(question.model, question.view, trace, row)
        with st.container(key="across"):
            _stage(question, answer)


@contextmanager
def _above(
    question: Question, row: DeltaGenerator, rows: Sequence[TokensRow], around: Around | None = None
) -> Iterator[Answer | Halt]:
    """The page's answer, for what is drawn of it inside this `with`; after that what stands above and comes later: the
    colours of the tokens, and how far two runs part. row: of the tokens, which are drawn in it as rows."""
    summary = st.container(key="parted") if isinstance(question.side, Second) else None
    answer = _answer(question, around)
    yield answer
    for tokens in rows:
        tokens.finish(question.line, answer if isinstance(answer, Halt) else None)
    if summary is not None and isinstance(question.side, Second):
        parted.draw(summary, question.model, question.run, question.side, question.fitted, question.line)


def _tokens(question: Question, row: DeltaGenerator) -> list[TokensRow]:
    """The rows of the tokens: of the first run, and of the second where there is one; none where the text has none."""
    rows, side, cut = [], question.side, question.cut
    if isinstance(cut, Trace):
        compared = side.compared("A") if isinstance(side, Second) else None
        with row, mishap.costing("the tokens"):
            rows.append(tokens_of(question.model, cut, question.fitted, compared))
    if isinstance(side, Second):
        with row, mishap.costing("the tokens"):
            rows.append(tokens_of(side.model, side.cut, side.fitted, side.compared("B"), side.go))
    return rows


def _followed(model: HostedModel, view: View, trace: Trace | Halt, row: DeltaGenerator) -> None:
    """In the row of the tokens: what may follow them; only the way back where the text was refused."""
    with row, mishap.costing("the next tokens"):
        if not isinstance(trace, Trace):
            continuation.way_back(view)
        elif (following := continuation.after(model, trace)) is not None:
            continuation.row(following, view, model)


def _answer(question: Question, around: Around | None = None) -> Answer | Halt:
    """The one question of a run of the page: what the stage shows, and with it what stands around it, which is the map
    and the next tokens if nothing else is said. Before it, what the reader has asked for besides. An error in what the
    panel asks for is its own."""
    extra = asking.asked_extra()
    if isinstance(question.cut, Halt):
        return question.cut
    try:
        return _asked(question, question.cut, around or _mapped, extra)
    except Loading:
        raise
    except Exception as error:
        return Halt(str(mishap.said(f"the panel {question.panel.id}", error)))


def _asked(question: Question, cut: Trace, around: Around, extra: object) -> Answer | Halt:
    """The same of a text that has tokens. extra: what the reader has asked for besides."""
    model, view, panel, line = question.model, question.fitted, question.panel, question.line
    figures = stage.shown(model, cut.run, view, panel)
    if figures.chooser is not None and extra == (cut.run, figures.chooser.id):
        besides = asking.ask(model, cut.run, figures.chooser.needs(cut.spec, view), line, once=True)
        if isinstance(besides, Halt):
            text.notice(besides.says)
        figures = stage.shown(model, cut.run, view, panel)
    wants = [*around(cut.spec, view), *figures.needs(cut.spec, view)]
    trace = asking.ask(model, cut.run, wants, line)
    if isinstance(trace, Halt):
        return trace
    beside = stage.beside(question.side, panel, figures, lambda other, run, more: asking.ask(other, run, more, line))
    return replace(answers.answer(model, figures, trace, view), beside=beside)


def _for_the_map(question: Question, halt: Halt) -> Trace | Halt:
    """What the map shows where the stage has no answer: nothing that would have to run after the reader stopped it."""
    model, run = question.model, question.run
    wants = _mapped(model.spec(), question.fitted)
    return halt if halt.stopped and not model.holds(run, wants) else asking.ask(model, run, wants, question.line)


def _mapped(spec: ModelSpec, view: Fitted) -> list[Want]:
    """What the map shows, and the row of next tokens above it."""
    return [*stagemap.needs(spec, view), *_next(spec, view)]


def _next(spec: ModelSpec, view: Fitted) -> list[Want]:
    """That row alone."""
    return list(continuation.needs(spec, view.length))


def _nothing(spec: ModelSpec, view: Fitted) -> list[Want]:
    """Nothing stands around the stage."""
    return []


def _stage(question: Question, answer: Answer | Halt) -> None:
    """The stage, or why there is none."""
    if isinstance(answer, Halt):
        stage.halted(question.model, question.run, question.fitted, answer, chosen=question.view.pos is not None)
    else:
        stage.draw(question.model, question.fitted, answer)


def tokens_of(
    model: HostedModel,
    trace: Trace,
    view: Fitted,
    compared: Compared | None = None,
    go: Callable[[links.Change], None] = links.go,
) -> TokensRow:
    """The tokens in a row; below it, which characters none of them covers. trace: of the text, its tokens; compared,
    go: as in `TokensRow`."""
    second = compared is not None and compared.letter == "B"
    place = st.container(key="strip_tokens-b" if second else "strip_tokens")
    tokens = TokensRow(model, trace, view, place, compared, go)
    lost(trace)
    return tokens


def lost(trace: Trace) -> None:
    """Which characters of the text none of its tokens covers, if there are such."""
    if trace.lost:
        text.aside(unspelled(trace.lost))


def unspelled(characters: str) -> str:
    """The sentence about characters that the vocabulary has no tokens for."""
    shown = " ".join(readable(character, character.encode()) for character in characters[:MOST_LOST])
    left = len(characters) - MOST_LOST
    more = " " + _("and {count} more", count=left) if left > 0 else ""
    return _("The tokenizer leaves out: {characters}", characters=shown + more)


def map_of(
    boxes: Sequence[Box],
    spec: ModelSpec,
    view: Fitted,
    link: View,
    panel: Panel,
    marks: Mapping[str, tuple[int, int, int]],
) -> None:
    """The stage map, every box a link that keeps the text and the choices. link: the view as the link has it; marks:
    claims per stage that hold, hold in part, do not."""
    drawn_map.show(
        boxes,
        stagemap.block(spec),
        panel.stage,
        view.layer,
        marks,
        lambda target: links.query(stage.at_panel(link, target)),
        lambda target: links.go(lambda now: stage.at_panel(now, target)),
    )
