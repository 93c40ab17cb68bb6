"""Verdicts on the articles' claims, worked out in the background: one worker per server.

The claims that somebody has on view come first, then all others, each in the order in which readers came. A page asks
again and again until it knows all; what no page asks for any more is not worked out. A verdict depends on the
model and the text, not on which layer or token is on view, so that the marks on the map stand still while the reader
looks around.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

import streamlit as st

import articles
from anatomy.language import N_, _, use_locale
from anatomy.refused import Refused
from anatomy.stages import STAGES
from anatomy.view import View
from articles.verdict import Case, Verdict, judge
from models.engine import Cancelled
from ui.host import HostedModel
from ui.worker import Worker

KEPT = 64  # questions whose verdicts are remembered
WAITING = 32  # questions that may stand in line; the newest gives way, and is asked for again
REST = 1.0  # seconds that a question waits for at least: the browser draws the page meanwhile
GONE = 12.0  # seconds without being asked for after which a question leaves the line
_BROKEN = N_(
    "This claim could not be checked, because of an error of the program ({kind}). Others can; what a report of the "
    "error needs stands in the server's log."
)
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
    """The verdicts reached so far, by the ids of their claims. done: there are no more to come. before: questions whose
    turn comes before this one's."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    done: bool = False
    before: int = 0


@dataclass
class _Job:
    """A question in the line, and when it came. first: claims on view; askers: when each reader asked for it last."""

    question: Question
    model: HostedModel
    first: tuple[str, ...] = ()
    askers: dict[Hashable, float] = field(default_factory=dict)
    since: float = field(default_factory=lambda: monotonic())

    @property
    def rest_left(self) -> float:
        """Seconds before which it is not looked at; below 0 where its time has come."""
        return self.since + REST - monotonic()


class VerdictQueue:
    """Answers questions one claim after another."""

    def __init__(self) -> None:
        self._judged: OrderedDict[Question, Judged] = OrderedDict()
        self._line: list[_Job] = []
        self._worker = Worker("verdicts", self._turn)
        self._lock = self._worker.lock

    def ask(
        self, question: Question, model: HostedModel, first: tuple[str, ...] = (), asker: Hashable | None = None
    ) -> Judged:
        """What is known now; the rest is worked out from here on.

        first  ids of the claims that are on view
        asker  who asks: what he asked of the same model before, he asks no more; None: somebody
        """
        with self._lock:
            known = self._judged.setdefault(question, Judged())
            self._judged.move_to_end(question)
            while len(self._judged) > KEPT:
                self._judged.popitem(last=False)
            if not known.done:
                self._enter(_Job(question, model), first, question if asker is None else asker)
            return Judged(dict(known.verdicts), known.done, 0 if known.done else self._questions_before(question))

    def _enter(self, new: _Job, first: tuple[str, ...], asker: Hashable) -> None:
        """Put a question at the end of the line; one that stands there keeps its place."""
        job = next((job for job in self._line if job.question == new.question), new)
        for other in self._line:
            if other is not job and other.question.model == job.question.model:
                other.askers.pop(asker, None)
        self._clear()
        if job is new and len(self._line) < WAITING:
            self._line.append(job)
        job.first, job.askers[asker] = first, monotonic()
        self._worker.wake()

    def _clear(self) -> None:
        """Let go of what nobody asks for any more."""
        late = monotonic() - GONE
        self._line = [job for job in self._line if max(job.askers.values(), default=late) > late]

    def _questions_before(self, question: Question) -> int:
        """Questions that stand before this one; all of them where there was no room for it."""
        order = [job.question for job in self._line]
        return order.index(question) if question in order else len(order)

    def _turn(self) -> Callable[[], None] | float | None:
        """What is to be done next, or how long the first question rests yet."""
        self._clear()
        while self._line:
            if self._line[0].rest_left > 0:
                return self._line[0].rest_left
            job, claim = self._next_claim()
            known = self._judged.setdefault(job.question, Judged())
            if claim is not None:
                return partial(self._work, job, claim, known)
            known.done = True
            self._line.remove(job)
        return None

    def _work(self, job: _Job, claim: str, known: Judged) -> None:
        verdict = _verdict(claim, job)
        with self._lock:
            known.verdicts[claim] = verdict

    def _next_claim(self) -> tuple[_Job, str | None]:
        """(whose turn it is, the claim to work out for it): a claim on view, else any other; who came first."""
        for job in [job for job in self._line if job.rest_left <= 0]:
            known = self._known(job)
            claim = next((claim for claim in job.first if claim not in known), None)
            if claim is not None:
                return job, claim
        return self._line[0], _next(self._known(self._line[0]))

    def _known(self, job: _Job) -> Mapping[str, Verdict]:
        judged = self._judged.get(job.question)
        return {} if judged is None else judged.verdicts


def _next(known: Mapping[str, Verdict]) -> str | None:
    """The first claim without a verdict."""
    return next((claim.id for _article, claim in articles.claims() if claim.id not in known), None)


def _verdict(claim: str, job: _Job) -> Verdict:
    """One claim held against one model and text. A check that fails gives a verdict that says so; the others go on."""
    question = job.question
    with use_locale(question.language):
        try:
            spec = job.model.spec()
            view = View(model=question.model, text=question.text, tail=question.tail)
            fitted = view.fit(spec, job.model.run(view.run(spec)).tokens)
            ask = partial(job.model.run, background=True)  # readers go first
            return judge(_checks()[claim], Case(spec, fitted, ask))
        except Refused as refused:  # a text that this model cannot read
            return Verdict("unseen", str(refused))
        except Cancelled:
            return Verdict("unseen", _("This was stopped before its end."))
        except BaseException as error:  # it costs this claim, not the thread that judges for all pages
            _LOG.exception("the check of %s failed on %s", claim, question.model)
            kind = type(error).__name__
            return Verdict("unseen", _(_BROKEN, kind=kind))


def _checks() -> dict:
    return articles.checks_of(articles.claims())


@st.cache_resource(show_spinner=False)
def verdict_queue() -> VerdictQueue:
    """This server's one worker."""
    return VerdictQueue()


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
