"""Verdicts on the articles' claims, worked out in the background: one worker per server, the newest question first.

A verdict depends on the model and the text, not on which layer or token is on view, so that the marks on the map stand
still while the reader looks around.
"""

import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from threading import Condition, Thread

import streamlit as st

import articles
from anatomy.language import _, speaking
from anatomy.stages import STAGES
from anatomy.view import View
from articles.verdict import Case, Verdict, judge
from models.engine import Cancelled, Refused
from ui.host import Model

KEPT = 64  # questions whose verdicts are remembered
WAITING = 32  # questions that may stand in line; the one that waits longest gives way
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """Which model on which text, and in which language the verdicts are put."""

    model: str
    text: str
    tail: tuple[int, ...]
    language: str


@dataclass
class Judged:
    """The verdicts found so far by the claims' ids. done: there are no more to come."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    done: bool = False


@dataclass(frozen=True)
class _Job:
    question: Question
    model: Model
    first: tuple[str, ...]


class Bench:
    """Answers questions one claim after another; a newer question goes first, an older one is taken up again."""

    def __init__(self) -> None:
        self._found: OrderedDict[Question, Judged] = OrderedDict()
        self._line: list[_Job] = []
        self._door = Condition()
        self._worker: Thread | None = None

    def ask(self, question: Question, model: Model, first: tuple[str, ...] = ()) -> Judged:
        """What is known now; the rest is worked out from here on. first: ids of the claims that are on view."""
        with self._door:
            known = self._found.setdefault(question, Judged())
            self._found.move_to_end(question)
            while len(self._found) > KEPT:
                self._found.popitem(last=False)
            if not known.done:
                self._line = [job for job in self._line if job.question != question][1 - WAITING :]
                self._line.append(_Job(question, model, first))
                self._start()
                self._door.notify()
            return Judged(dict(known.verdicts), known.done)

    def _start(self) -> None:
        if self._worker is None:
            self._worker = Thread(target=self._work, name="verdicts", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        while True:
            with self._door:
                self._door.wait_for(lambda: bool(self._line))
                job = self._line[-1]
                known = self._found.setdefault(job.question, Judged())
                claim = _next(job.first, known.verdicts)
                if claim is None:
                    known.done = True
                    self._line.remove(job)
                    continue
            verdict = _verdict(claim, job)
            with self._door:
                known.verdicts[claim] = verdict


def _next(first: tuple[str, ...], known: Mapping[str, Verdict]) -> str | None:
    """The first claim without a verdict: those on view, then all others."""
    ordered = (*first, *(claim.id for _article, claim in articles.claims()))
    return next((claim for claim in ordered if claim not in known), None)


def _verdict(claim: str, job: _Job) -> Verdict:
    """One claim held against one model and text. A mistake in a check is told, and the others go on."""
    question = job.question
    with speaking(question.language):
        try:
            spec = job.model.spec()
            view = View(model=question.model, text=question.text, tail=question.tail)
            fitted = view.fit(spec, job.model.run(view.run(spec)).tokens)
            ask = partial(job.model.run, behind=True)  # readers go first
            return judge(_checks()[claim], Case(spec, fitted, ask))
        except Refused as refused:  # a text that this model cannot read
            return Verdict("unseen", str(refused))
        except Cancelled:
            return Verdict("unseen", _("This was stopped before its end."))
        except Exception:
            _LOG.exception("the check of %s failed on %s", claim, question.model)
            return Verdict("unseen", _("This could not be worked out: see the server's log."))


def _checks() -> dict:
    return articles.checks_of(articles.claims())


@st.cache_resource(show_spinner=False)
def bench() -> Bench:
    """This server's one worker."""
    return Bench()


def marks(verdicts: Mapping[str, Verdict]) -> dict[str, tuple[int, int, int]]:
    """Per stage: how many of its claims hold, hold in part, do not hold."""
    return {stage: _counted(articles.claims(stage), verdicts) for stage in STAGES}


def of_article(article: articles.Article, verdicts: Mapping[str, Verdict]) -> tuple[int, int, int]:
    """The same for the claims of one article."""
    return _counted([(article, claim) for claim in article.claims], verdicts)


def _counted(claims, verdicts: Mapping[str, Verdict]) -> tuple[int, int, int]:
    ids = {claim.id for _article, claim in claims}
    kinds = [verdicts[claim].kind for claim in ids if claim in verdicts]
    return kinds.count("holds"), kinds.count("part"), kinds.count("not")
