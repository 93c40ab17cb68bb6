"""What fills in a figure that is on the page already: worked out a few positions at a time, or whole, as long as
somebody looks.

A panel names it as `later`. The page draws with what is there and asks for the rest; a thread of the server has it
worked out, behind all that readers sit waiting for. The part of the page with the figure comes back every so often:
whoever has not for a while, or shows something else by now, is not worked for. A reader may stop it and have it go on;
what has come by then stays.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

import streamlit as st

from anatomy.language import N_, _, ngettext
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.variants import MARK, alterations
from anatomy.view import Fitted
from models.engine import Cancelled, Progress
from panels.panel import Panel
from ui import session, text
from ui.asking import MOST_STOPPED
from ui.host import HostedModel, Loading
from ui.worker import Worker
from viz.format import listed

EVERY = 0.5  # seconds between two looks of a page at what has come, at first
PATIENCE = 4.0  # seconds after its last look that a page counts as gone
FEW, MANY = 8, 32  # positions worked out at a time: at first, and at most; each time twice as many
LONG = 1024  # tokens of a long text: its streams may have to be computed again for every question, so MANY at once
_STOPPED = "stopped filling in"
_LOG = logging.getLogger(__name__)
_BROKEN = N_(
    "The rest of this figure could not be worked out, because of an error of the program ({kind}). What it shows is "
    "right. Another text or place may do; what a report of the error needs stands in the server's log."
)


class _Gone(Exception):
    """The page that asked looks at something else by now, or at nothing."""


@dataclass(eq=False)
class Filling:
    """What one page waits for. begun: when it first asked for this; seen: when it looked last. refused: why the rest
    does not come; refusals: which variants do not, each with the reason, while others do. over: nothing more comes.
    progress: of the question that stands in the queue for it. at_once: positions of the next one: what is near comes
    soon, and what is left does not wait behind others for every few of them."""

    model: HostedModel
    run: Run
    wants: tuple[Want, ...]
    seen: float
    refused: Refused | None = None
    refusals: Mapping[str, Refused] = field(default_factory=dict)
    over: bool = False
    progress: Progress | None = None
    begun: float = field(default_factory=monotonic)
    at_once: int = FEW

    def missing(self) -> tuple[Want, ...]:
        """What is not there yet and was not refused, in the order in which it was asked for."""
        held = self.model.held(self.run, self.wants)
        return tuple(want for want in self.wants if want not in held and want.of not in self.refusals)

    def next(self) -> tuple[Want, ...]:
        """The wants of the next few positions, or of the next variant."""
        missing = self.missing()
        if any(want.of is not None for want in missing):
            few = pieces(missing)[:1]  # each takes about a second
        else:
            tokens = len(self.model.run(self.run).tokens)
            few = pieces(missing)[: MANY if tokens > LONG else self.at_once]
            self.at_once = min(MANY, 2 * self.at_once)
        return tuple(want for want in missing if piece(want) in few)

    def refuse(self, few: Iterable[Want], refused: Refused) -> None:
        """These do not come. A variant that is refused leaves the others to come; else nothing more does."""
        of = {want.of: refused for want in few if want.of is not None}
        if of:
            self.refusals = {**self.refusals, **of}  # another one: pages read it meanwhile
            self.over = not self.missing()
        else:
            self.give_up(refused)

    def give_up(self, refused: Refused) -> None:
        """Nothing more comes."""
        self.refused, self.over = refused, True


class FillingQueue:
    """Has what pages wait for worked out, each page's next few positions in turn. Safe to share between threads."""

    def __init__(self) -> None:
        self._fillings: OrderedDict[str, Filling] = OrderedDict()  # by page, the one whose turn was longest ago first
        self._worker = Worker("later", self._turn)
        self._lock = self._worker.lock

    def ask(self, page: str, model: HostedModel, run: Run, wants: tuple[Want, ...]) -> Filling:
        """This page looks, and waits for these wants and no others any more."""
        with self._lock:
            filling = self._fillings.get(page)
            now = monotonic()
            if filling is None or (filling.model, filling.run, filling.wants) != (model, run, wants):
                filling = self._fillings[page] = Filling(model, run, wants, now)
            filling.seen = now
            if filling.over and filling.refused is None and filling.missing():  # what had come was let go of since
                filling.over = False
            for other in [page for page, filling in self._fillings.items() if now - filling.seen > PATIENCE]:
                del self._fillings[other]
            self._worker.wake()
            return filling

    def leave(self, page: str) -> None:
        """This page waits for nothing."""
        with self._lock:
            self._fillings.pop(page, None)

    def wanted(self, page: str, filling: Filling) -> bool:
        """Whether the page still waits for it."""
        return self._fillings.get(page) is filling and monotonic() - filling.seen < PATIENCE

    def _turn(self) -> Callable[[], None] | None:
        """What is to be done next, for the page whose turn was longest ago."""
        waiting = ((page, filling) for page, filling in self._fillings.items() if not filling.over)
        return next((partial(self._work, page, filling) for page, filling in waiting), None)

    def _work(self, page: str, filling: Filling) -> None:
        more = self._step(page, filling)
        with self._lock:
            if self._fillings.get(page) is filling:
                self._fillings.move_to_end(page)
                if not more:
                    del self._fillings[page]

    def _step(self, page: str, filling: Filling) -> bool:
        """Have the next few positions worked out. False: there is nothing more to do for this page."""

        def watch(progress: Progress) -> None:
            filling.progress = progress
            if not self.wanted(page, filling):
                raise _Gone

        few: tuple[Want, ...] = ()
        try:
            if not self.wanted(page, filling):
                return False
            few = filling.next()
            if few:
                filling.model.fetch(filling.run, few, watch)
            else:
                filling.over = bool(filling.refusals)  # what is not there was refused: the page is to know it
            return bool(few) or filling.over
        except (_Gone, Cancelled, Loading):
            return False
        except Refused as refused:
            filling.refuse(few, refused)
        except BaseException as error:  # it costs this filling, not the thread that works for all pages
            _LOG.exception("what fills in a figure of %s failed", filling.run.model)
            filling.give_up(Refused(_BROKEN, kind=type(error).__name__))
        return True


@st.cache_resource(show_spinner=False)
def courier() -> FillingQueue:
    """This server's one."""
    return FillingQueue()


@dataclass(frozen=True)
class Rest:
    """What fills one figure in, by which it is known again: its run, and all that was wanted of it."""

    run: Run
    wants: frozenset[Want]


@dataclass(frozen=True)
class Arrival:
    """What is there of that which fills a figure in: done of total positions.

    trace    None where nothing fills it in
    filling  what brings the rest
    stopped  the rest that the reader does not want for now; None where nothing was stopped
    """

    trace: Trace | None = None
    done: int = 0
    total: int = 0
    filling: Filling | None = None
    stopped: Rest | None = None

    @property
    def refused(self) -> tuple[str, ...]:
        """What does not come and why: each reason once, the variants that it holds for in front."""
        if self.filling is None:
            return ()
        variants: dict[str, list[str]] = {}
        for of, refusal in self.filling.refusals.items():
            variants.setdefault(str(refusal), []).append(_named(of))
        whole = () if self.filling.refused is None else (str(self.filling.refused),)
        said = (_("{variants}: {reason}", variants=listed(them), reason=reason) for reason, them in variants.items())
        return (*said, *whole)

    @property
    def coming(self) -> bool:
        """More is on its way: whoever shows this should look again."""
        return self.filling is not None and not self.filling.over

    def added_to(self, trace: Trace) -> Trace:
        """A trace with what is there by now."""
        return trace if self.trace is None else trace.plus(self.trace.arrays, self.trace.names)


def arrived(
    model: HostedModel, run: Run, panels: Sequence[Panel], spec: ModelSpec, view: Fitted, side: str = ""
) -> Arrival:
    """What is there by now of all that fills these panels' figures in; the rest is asked for from here on. side: "b"
    of the second of two runs, which waits beside the first."""
    page = f"{session.page() or ''}{side}"
    wants = tuple(dict.fromkeys(want for panel in panels for want in panel.later(spec, view)))
    if not wants:
        courier().leave(page)
        return Arrival()
    trace = model.held(run, wants)
    missing = tuple(want for want in wants if want not in trace)
    total = len(pieces(wants))
    done = total - len(pieces(missing))
    rest = Rest(run, frozenset(wants))
    if missing and model.live and rest in _stopped(run):
        courier().leave(page)
        return Arrival(trace, done, total, stopped=rest)
    if missing and model.live:
        return Arrival(trace, done, total, courier().ask(page, model, run, wants))
    courier().leave(page)
    return Arrival(trace, done, total)


def show(arrival: Arrival, side: str = "") -> None:
    """What does not come; how much is there, and what is being done, with a Cancel; nothing where nothing is missing.
    side: as in `arrived`."""
    key = f"later{side}"
    for sentence in arrival.refused:
        text.notice(sentence)
    if arrival.filling is not None and arrival.coming:
        _coming(arrival, arrival.filling, key)
    elif arrival.stopped is not None:
        _held_up(arrival, arrival.stopped, key)


def _coming(arrival: Arrival, filling: Filling, key: str) -> None:
    step, whole = filling.progress, pieces(filling.wants) == [None]
    share = step.done / step.total if whole and step is not None and step.total else arrival.done / arrival.total
    words = ["" if whole else _count(arrival, filling.wants), "" if step is None else step.says]
    with st.container(horizontal=True, vertical_alignment="center", key=key):
        st.progress(min(share, 1.0), text=" · ".join(filter(None, words)) or _("working the rest out"))
        rest = Rest(filling.run, frozenset(filling.wants))
        st.button(_("Cancel"), key=f"{key}.cancel", on_click=partial(_stop, rest))


def _held_up(arrival: Arrival, rest: Rest, key: str) -> None:
    whole = pieces(tuple(rest.wants)) == [None]
    with st.container(horizontal=True, vertical_alignment="center", key=key):
        text.line(_("Stopped.") if whole else _("Stopped: {count} are there.", count=_count(arrival, rest.wants)))
        st.button(_("Go on"), key=f"{key}.on", on_click=partial(_go_on, rest))


def _count(arrival: Arrival, wants: Iterable[Want]) -> str:
    if any(want.of is not None for want in wants):
        return ngettext("{done} of {count} variant", "{done} of {count} variants", arrival.total, done=arrival.done)
    return ngettext("{done} of {count} position", "{done} of {count} positions", arrival.total, done=arrival.done)


def _stopped(run: Run) -> set[Rest]:
    """What the reader has stopped of this run."""
    return {rest for rest in st.session_state.get(_STOPPED, ()) if rest.run == run}


def _stop(rest: Rest) -> None:
    others = (other for other in st.session_state.get(_STOPPED, ()) if other != rest)
    st.session_state[_STOPPED] = (rest, *others)[:MOST_STOPPED]


def _go_on(rest: Rest) -> None:
    st.session_state[_STOPPED] = tuple(other for other in st.session_state.get(_STOPPED, ()) if other != rest)


def _named(of: str) -> str:
    """A variant in a few words."""
    return " · ".join(one.short for one in alterations(f"{MARK}{of}", of))


def piece(want: Want) -> int | str | None:
    """What of a figure a want fills in: a position, a variant; None for all of it."""
    return want.pos if want.of is None else want.of


def pieces(wants: Sequence[Want]) -> list[int | str | None]:
    """What wants fill in, each once."""
    return list(dict.fromkeys(map(piece, wants)))
