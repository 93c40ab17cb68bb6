"""A law of one layer: two ways to the same numbers that have to agree in every layer."""

from collections.abc import Callable
from dataclasses import dataclass

from models.identities.identity import Sides
from models.loaded.model import LoadedModel
from models.reading.recorder import Sites


@dataclass(frozen=True)
class Law:
    """An identity of one layer: the sites it compares, those and the facts that it vouches for, and its two sides.

    ours  both sides are worked out in float32, whatever the precision of the model
    """

    name: str
    reads: frozenset[str]
    vouches: frozenset[str]
    sides: Callable[[LoadedModel, int, Sites], Sides]
    facts: frozenset[str] = frozenset()
    ours: bool = False
