"""A thread of the server that does one thing after another for readers, and waits where there is nothing to do."""

import logging
from collections.abc import Callable
from threading import Condition, Thread

_LOG = logging.getLogger(__name__)


class Worker:
    """Runs jobs, one at a time, in a thread of its own that starts with the first call of `wake`. A job that raises is
    written to the log, and the next one is run; a thread that has died is replaced at the next call.

    lock  held while anybody looks at what there is to do, or changes it
    """

    def __init__(self, name: str, turn: Callable[[], Callable[[], None] | float | None]) -> None:
        """turn: called with the lock held: the next job, which is done without the lock; else the seconds after which
        it is worth asking again, None for not before the next `wake`."""
        self.lock = Condition()
        self._name, self._turn = name, turn
        self._thread: Thread | None = None

    def wake(self) -> None:
        """There is something to do: to be called with the lock held."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self.lock.notify()

    def _work(self) -> None:
        while True:
            with self.lock:
                while not callable(job := self._turn()):
                    self.lock.wait(job)
            try:
                job()
            except BaseException:  # of a job that has no sentence for it
                _LOG.exception("a job of the thread %s failed", self._name)
