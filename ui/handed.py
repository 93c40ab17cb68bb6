"""What one run of the page hands on to a part of it that comes back by itself."""

from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Handed(Generic[Thing]):
    """An answer for a part's first time, which is within the page's own run. Later the part asks anew: Streamlit keeps
    the arguments of a part for as long as its session lives, and arrays would stay in memory with them."""

    def __init__(self, thing: Thing) -> None:
        self._thing: Thing | None = thing

    def take(self) -> Thing | None:
        """What was handed on; None from the second time on."""
        thing, self._thing = self._thing, None
        return thing
