"""The shelf: tapes of several engines in one budget of bytes. Those used longest ago go first, whosever they are."""

from weakref import finalize

from anatomy.request import Run
from models.lru import ByteLru
from models.tape import Tape

Held = ByteLru[tuple[object, Run], Tape]  # by engine and run: two engines of one name may lay their matrices otherwise
_held: dict[int, Held] = {}


def of_the_process(budget: int) -> Held:
    """What all engines share that are given this budget for tapes."""
    return _held.setdefault(budget, ByteLru(budget))


class Shelf:
    """The tapes of one engine, among those of the others it shares a budget with. An engine that is let go of takes its
    own with it: they hold its layers."""

    def __init__(self, held: Held) -> None:
        self._held, self._owner = held, object()
        finalize(self, _clear, held, self._owner).atexit = False

    @property
    def budget(self) -> int:
        """Bytes that the tapes of all engines may take together."""
        return self._held.budget

    def get(self, run: Run) -> Tape | None:
        """The run's tape, which counts as used now; None when it is not held."""
        return self._held.get((self._owner, run))

    def put(self, run: Run, tape: Tape, size: int) -> None:
        """Hold a tape that takes at most `size` bytes."""
        self._held.put((self._owner, run), tape, size)

    def make_room(self, size: int) -> None:
        """Let go of tapes, used longest ago first, until one of `size` bytes fits the budget."""
        self._held.make_room(size)

    def beside(self, run: Run) -> int:
        """Bytes of all tapes but this run's."""
        return self._held.nbytes - self._held.size((self._owner, run))

    def free(self, size: int, keep: Run) -> None:
        """Let go of tapes, used longest ago first, until `size` bytes are free of them; not of that of one run."""
        self._held.free(size, keep=(self._owner, keep))

    def __contains__(self, run: Run) -> bool:
        return (self._owner, run) in self._held


def _clear(held: Held, owner: object) -> None:
    held.forget(lambda key: key[0] is owner)
