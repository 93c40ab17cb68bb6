"""A thread of the server that does one thing after another for readers, and waits where there is nothing to do."""

from collections.abc import Callable
from threading import Condition, Thread


class Worker:
    """Runs jobs, one at a time, in a thread of its own that starts with the first call of `wake`.

    door  held while anybody looks at what there is to do, or changes it
    """

    def __init__(self, name: str, turn: Callable[[], Callable[[], None] | float | None]) -> None:
        """turn: called with the door held: the next job, which is done with the door open; else the seconds after which
        it is worth asking again, None for not before the next `wake`."""
        self.door = Condition()
        self._name, self._turn = name, turn
        self._thread: Thread | None = None

    def wake(self) -> None:
        """There is something to do: to be called with the door held."""
        if self._thread is None:
            self._thread = Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self.door.notify()

    def _work(self) -> None:
        while True:
            with self.door:
                while not callable(job := self._turn()):
                    self.door.wait(job)
            job()
