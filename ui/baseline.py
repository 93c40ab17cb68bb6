"""Beside what two runs part by: what the same change does elsewhere, as a band behind bars and a column of numbers."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import streamlit as st

from anatomy.baselines import Baseline, baseline
from anatomy.language import _
from anatomy.parting import Parting, Places, Spread
from anatomy.refused import Refused
from anatomy.request import Run
from models.engine import Cancelled, Estimate
from ui import text
from ui.host import HostedModel, Loading
from ui.sides import Second
from ui.waiting import Line
from ui.withheld import SHORT, SLOW
from viz.format import lasting
from viz.what_if import held_against

_ASKED, _STOPPED = "baseline.asked", "baseline.stopped"
Drawn = Callable[[Spread, str], None]


def draw(
    model: HostedModel, run: Run, side: Second, parting: Parting, at: Places | None, line: Line, drawn: Drawn
) -> None:
    """Work out the baseline of the second run and hand it on; nothing where it has none, or a button where it would
    take long.

    at     the pair whose best tokens are watched
    drawn  (spread, what it is of) → the summary once more, with it
    """
    beside = baseline(side.run, side.model.spec()) if side.run.interventions else None
    if beside is None or (parting.kl is None and not parting.watched) or not _asked(model, run, side, beside):
        return
    question = (run, side.run)
    tokens = [token.id for token in parting.watched if token.p_b is not None]
    try:
        with line.about(lambda: _cost(model, run, side, beside), partial(_stop, question)):
            spread = model.spread(run, side.model, beside.runs, side.alignment, at, tokens)
    except Loading:
        return
    except Cancelled:
        _offer(_("The baseline was stopped before its end."), question)
    except Refused as refused:
        text.aside(str(refused))
    else:
        drawn(spread, held_against(beside))


def _cost(model: HostedModel, run: Run, side: Second, beside: Baseline) -> Estimate | None:
    """That of all its runs: each like the first."""
    one = model.parting_estimate(run, side.model, beside.runs[0])
    return None if one is None else replace(one, seconds=one.seconds * len(beside.runs))


def _asked(model: HostedModel, run: Run, side: Second, beside: Baseline) -> bool:
    """Whether it is to be worked out now; else a button stands there."""
    question = (run, side.run)
    if st.session_state.get(_STOPPED) == question:
        _offer(_("The baseline was stopped before its end."), question)
        return False
    cost = _cost(model, run, side, beside)
    slow = max(map(len, side.labels)) > SHORT and cost is not None and cost.seconds > SLOW
    if slow and cost is not None and st.session_state.get(_ASKED) != question:
        says = _("What the same change does elsewhere takes about {time} to work out.", time=lasting(cost.seconds))
        _offer(says, question)
        return False
    return True


def _offer(says: str, question: tuple[Run, Run]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="baseline_offer"):
        text.aside(says)
        st.button(_("Work out the baseline"), key="baseline.ask", on_click=partial(_ask, question))


def _ask(question: tuple[Run, Run]) -> None:
    st.session_state[_ASKED] = question
    st.session_state.pop(_STOPPED, None)


def _stop(question: tuple[Run, Run]) -> None:
    st.session_state[_STOPPED] = question
