"""A dictionary that forgets what was used longest ago once its values take more than a budget of bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ByteLru(Generic[Key, Value]):
    """Least recently used values go first. Safe to share between threads; a value over the whole budget is not kept.

    budget  bytes; ValueError below 0
    """

    def __init__(self, budget: int) -> None:
        if budget < 0:
            raise ValueError(f"the budget is {budget} bytes: it has to be 0 or more")
        self.budget = budget
        self._held: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """The value, which counts as used now; None when it is not held."""
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key][0]

    def put(self, key: Key, value: Value, size: int) -> None:
        """Hold a value of `size` bytes, in place of what the key held."""
        with self._lock:
            self._drop(key)
            if size > self.budget:
                return
            self._held[key] = (value, size)
            self._bytes += size
            while self._bytes > self.budget:
                self._drop(next(iter(self._held)))

    def make_room(self, size: int) -> None:
        """Let go of what was used longest ago until a value of `size` bytes would fit, or nothing is held."""
        with self._lock:
            while self._held and self._bytes + size > self.budget:
                self._drop(next(iter(self._held)))

    def free(self, size: int, keep: Key) -> None:
        """Let go of what was used longest ago until `size` bytes are free of it, or nothing but `keep` is held."""
        with self._lock:
            enough = self._bytes - size
            for key in [*self._held]:
                if self._bytes <= enough:
                    return
                if key != keep:
                    self._drop(key)

    def forget(self, unwanted: Callable[[Key], bool]) -> None:
        """Let go of what these keys hold."""
        with self._lock:
            for key in [*filter(unwanted, self._held)]:
                self._drop(key)

    def size(self, key: Key) -> int:
        """Bytes of what the key holds; 0 when it is not held."""
        with self._lock:
            return self._held[key][1] if key in self._held else 0

    def _drop(self, key: Key) -> None:
        if key in self._held:
            self._bytes -= self._held.pop(key)[1]

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._bytes

    def __contains__(self, key: Key) -> bool:
        return key in self._held

    def __len__(self) -> int:
        return len(self._held)
