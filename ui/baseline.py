"""Beside what two runs part by: what the same change does elsewhere, as a band behind bars and a column of numbers."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from anatomy.baselines import Baseline, baseline
from anatomy.language import N_
from anatomy.parting import Parting, Places, Spread
from anatomy.refused import Refused
from anatomy.request import Run
from models.engine import Cancelled, Estimate
from ui import text
from ui.costly import Costly
from ui.host import HostedModel, Loading
from ui.sides import Second
from ui.waiting import Line
from ui.withheld import SHORT
from viz.what_if import held_against

_BASELINE = Costly(
    "baseline",
    N_("Work out the baseline"),
    N_("What the same change does elsewhere takes about {time} to work out."),
    N_("The baseline was stopped before its end."),
)
Drawn = Callable[[Spread, str], None]


def draw(
    model: HostedModel, run: Run, side: Second, parting: Parting, at: Places | None, line: Line, drawn: Drawn
) -> None:
    """Work out the baseline of the second run and hand it on; nothing where it has none, or a button where it would
    take long.

    at     the pair whose best tokens are watched
    drawn  (spread, what it is of) → the summary once more, with it
    """
    beside = baseline(side.run, side.model.spec()) if side.model.spec().beyond(side.run) else None
    if beside is None or (parting.kl is None and not parting.watched):
        return
    question, short = (run, side.run), max(map(len, side.labels)) <= SHORT
    if not _BASELINE.wanted(question, _cost(model, run, side, beside), short):
        return
    tokens = [token.id for token in parting.watched if token.p_b is not None]
    try:
        with line.about(lambda: _cost(model, run, side, beside), partial(_BASELINE.stop, question)):
            spread = model.spread(run, side.model, beside.runs, side.alignment, at, tokens)
    except Loading:
        return
    except Cancelled:
        _BASELINE.offer_again(question)
    except Refused as refused:
        text.aside(str(refused))
    else:
        drawn(spread, held_against(beside))


def _cost(model: HostedModel, run: Run, side: Second, beside: Baseline) -> Estimate | None:
    """That of all its runs: each like the first."""
    one = model.parting_estimate(run, side.model, beside.runs[0])
    return None if one is None else replace(one, seconds=one.seconds * len(beside.runs))
