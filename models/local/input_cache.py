"""Layer inputs of several engines, kept in one budget of bytes. Those used longest ago go first, whosever they are."""

from weakref import finalize

from anatomy.request import Run
from models.lru import ByteLru
from models.reading.layer_inputs import LayerInputs

Held = ByteLru[
    tuple[object, Run], LayerInputs
]  # by engine and run: two engines of one name may lay their matrices otherwise
_held: dict[int, Held] = {}


def of_the_process(budget: int) -> Held:
    """What all engines share that are given this budget for layer inputs."""
    return _held.setdefault(budget, ByteLru(budget))


class LayerInputsCache:
    """The layer inputs of one engine, among those of the others it shares a budget with. An engine that is let go of
    takes its own with it: they hold its layers."""

    def __init__(self, held: Held) -> None:
        self._held, self._owner = held, object()
        finalize(self, _clear, held, self._owner).atexit = False

    def again(self) -> "LayerInputsCache":
        """One that holds none yet, in the same budget."""
        return LayerInputsCache(self._held)

    @property
    def budget(self) -> int:
        """Bytes that the layer inputs of all engines may take together."""
        return self._held.budget

    def get(self, run: Run) -> LayerInputs | None:
        """The run's layer inputs, which count as used now; None when they are not held."""
        return self._held.get((self._owner, run))

    def put(self, run: Run, inputs: LayerInputs, size: int) -> None:
        """Hold layer inputs that take at most `size` bytes."""
        self._held.put((self._owner, run), inputs, size)

    def make_room(self, size: int) -> None:
        """Let go of layer inputs, used longest ago first, until some of `size` bytes fit the budget."""
        self._held.make_room(size)

    def of_other_runs(self, run: Run) -> int:
        """Bytes of all layer inputs but this run's."""
        return self._held.nbytes - self._held.size((self._owner, run))

    def free(self, size: int, keep: Run) -> None:
        """Let go of those used longest ago, until `size` bytes are free of them; not of those of one run."""
        self._held.free(size, keep=(self._owner, keep))

    def __contains__(self, run: Run) -> bool:
        return (self._owner, run) in self._held


def _clear(held: Held, owner: object) -> None:
    held.forget(lambda key: key[0] is owner)
