"""The pulse of a long run: it says how far it is, and stops where nobody waits for it any more.

A ContextVar holds who listens, so that layers, tiles and chunks need not hand it on: it is of one run alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from models.engine import Cancelled, Progress, Report, silent

Asked = Callable[[], bool]


def _never() -> bool:
    return False


_listening: ContextVar[tuple[Report, Asked]] = ContextVar("listening", default=(silent, _never))


@contextmanager
def listening(report: Report | None, cancelled: Asked | None) -> Iterator[None]:
    """While this is open, what runs on this thread reports there, and asks there whether it is to stop."""
    before = _listening.set((report or silent, cancelled or _never))
    try:
        yield
    finally:
        _listening.reset(before)


def stop_if_cancelled() -> None:
    """Cancelled where nobody waits for the run any more."""
    if _listening.get()[1]():
        raise Cancelled


def report_progress(step: str, done: int, total: int) -> None:
    """Say how far a step is; Cancelled where nobody waits for it any more. step: as in `Progress`."""
    stop_if_cancelled()
    _listening.get()[0](Progress(step, done, total))
