"""The page's question to the model: what it will cost, and what became of it. A reader may stop it.

What was stopped is remembered by the question itself, so that anything else the reader does is asked at once, and the
same only when the reader says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from anatomy.language import _
from anatomy.refused import Refused, TooLong
from anatomy.request import Run, Want
from anatomy.trace import Trace
from ui.host import HostedModel
from ui.waiting import Line

Question = tuple[Run, frozenset[Want]]
_STOPPED, _EXTRA = "stopped", "extra"
MOST_STOPPED = 8  # questions that are remembered as stopped: those of two runs, and of where the reader was before
_PARTS = (1_024, 256)  # tokens of the part that is offered in place of a run that took too long


@dataclass(frozen=True)
class Halt:
    """Why there is no answer.

    says     the sentence for the reader
    longest  tokens that a part of the text may have to be answered; 0 where no part would help
    stopped  the reader stopped it, and may have it run
    """

    says: str
    longest: int = 0
    stopped: bool = False


def cut(model: HostedModel, run: Run) -> Trace | Halt:
    """The text's tokens, however many. Loading: nobody knows them yet."""
    try:
        return model.run(run)
    except Refused as refused:
        return Halt(str(refused))


def ask(model: HostedModel, run: Run, wants: Sequence[Want], line: Line, once: bool = False) -> Trace | Halt:
    """The wanted arrays, with the line telling how far they are. Loading: as in `HostedModel.run`.

    once  it was asked for by a click: stopped, it is not asked again without one, and nothing need be remembered
    """
    question = (run, frozenset(wants))
    try:
        held = model.held(run, wants)
        if all(want in held for want in wants):
            return held
        if question in _stopped(run):
            part = next((part for part in _PARTS if part < len(held.tokens)), 0)
            says = _("This was stopped before its end. Run it, take a part of the text, or go on elsewhere.")
            return Halt(says, part, stopped=True)
        model.estimate(run, wants)  # what has no answer at all is refused here, without a wait in the queue
        with line.about(lambda: model.estimate(run, wants), lambda: None if once else _stop(question)):
            return model.run(run, wants)
    except TooLong as refused:
        return Halt(str(refused), refused.longest)
    except Refused as refused:
        return Halt(str(refused))


def _stopped(run: Run) -> set[Question]:
    """The questions about this run that the reader has stopped."""
    return {question for question in st.session_state.get(_STOPPED, ()) if question[0] == run}


def _stop(question: Question) -> None:
    others = (other for other in st.session_state.get(_STOPPED, ()) if other != question)
    st.session_state[_STOPPED] = (question, *others)[:MOST_STOPPED]


def run_again(key: str = "again") -> None:
    """A button that runs what was stopped."""
    st.button(_("Run it"), key=key, type="primary", on_click=resume)


def resume() -> None:
    """Nothing counts as stopped any more."""
    st.session_state.pop(_STOPPED, None)


def extra(key: str, label: str, about: object) -> None:
    """A button that asks for something slow, once. about: what it is; see `asked_extra`."""
    st.button(label, key=key, on_click=lambda: st.session_state.update({_EXTRA: about}))


def extra_waits() -> bool:
    """Whether such a button was used in a part of the page that runs by itself: the whole page has to ask."""
    return _EXTRA in st.session_state


def asked_extra() -> object:
    """What the reader has just asked for besides; None for nothing. It is asked for once, not again at the next run."""
    return st.session_state.pop(_EXTRA, None)
