"""Facts of a model that panels compute with, each held by a law when a model is opened; what rests on them is closed
where the law fails."""

from dataclasses import dataclass

from anatomy.language import N_
from anatomy.refused import Sentence

EMBEDDING = "embedding"  # what enters the first layer: embedding row × factor, with the row of the position
ROTATION = "rotation"  # the angles by which queries and keys are turned, and which components make a pair
SCALE = "scale"  # the factor on q·k, and what is added to it
WINDOW = "window"  # how far back each layer may look
CACHE = "cache"  # a token computed over kept keys and values is what it is without them
FACTS = (EMBEDDING, ROTATION, SCALE, WINDOW, CACHE)

_OFF = N_(
    "This is not shown: “{name}” is off by {error} in this model, {tolerance} is allowed, so the numbers cannot be "
    "trusted."
)


@dataclass(frozen=True)
class Doubt:
    """A fact that failed its law.

    fact       one of FACTS
    law        what had to hold, in English: the reader is told it in the reader's language
    error      how far it is off, by the law's own measure; tolerance: how far it may be
    """

    fact: str
    law: str
    error: float
    tolerance: float

    @property
    def sentence(self) -> Sentence:
        """What a reader is told in place of what rests on the fact."""
        return why_closed(self.law, self.error, self.tolerance)


def why_closed(law: str, error: float, tolerance: float) -> Sentence:
    """What a reader is told in place of what cannot be trusted."""
    return Sentence(_OFF, name=Sentence(law), error=f"{error:.2g}", tolerance=f"{tolerance:g}")
