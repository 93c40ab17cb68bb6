"""Engine: what answers a `Run`; what it says while it does, and what that costs. `models.connect` gives one."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from anatomy.alignment import Alignment
from anatomy.language import _
from anatomy.parting import Parting
from anatomy.request import Run, Want
from anatomy.sampling import Settings
from anatomy.spec import ModelSpec
from anatomy.trace import Trace

MAX_CHARACTERS = 100_000  # of a text: more than the longest context that fits in the memory of a small machine


@dataclass(frozen=True)
class Progress:
    """How far a slow step is.

    step         in English, with a place {what} where it works on something
    done, total  in what the step counts: layers, positions, bytes; total 0: not known
    what         fills {what}
    """

    step: str
    done: int = 0
    total: int = 0
    what: str = ""

    @property
    def says(self) -> str:
        """The step in the reader's language."""
        return _(self.step, what=self.what)


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """A report that nobody reads."""


@dataclass(frozen=True)
class Estimate:
    """tokens of the text; nbytes that the process grows by, at most; seconds, about."""

    tokens: int
    nbytes: int
    seconds: float


class Cancelled(Exception):
    """A run that was stopped before its end, because whoever asked for it no longer wants it."""


class Engine(Protocol):
    """Anything that answers runs: a model here, a recording, a server."""

    def specs(self) -> tuple[ModelSpec, ...]:
        """The models it can run."""
        ...

    def run(
        self,
        run: Run,
        wants: Iterable[Want] = (),
        *,
        report: Report | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Trace:
        """Tokens and the wanted arrays. No wants: tokens only, no forward pass, and as many as MAX_CHARACTERS give.
        Refused: with a sentence; TooLong where a part of the text would do.

        report     is told how far the run is, layer by layer
        cancelled  is asked, about as often, whether to stop: then Cancelled is raised and nothing is kept
        """
        ...

    def on_ids(self, ids: Sequence[int]) -> Run:
        """The run on exactly these tokens in this order: nothing is cut or added. Its text is what they spell. Refused
        for ids that the model does not have, and for none at all."""
        ...

    def again(self) -> "Engine":
        """The same model, of which nothing is kept that it computed for a run: it computes all of it once more."""
        ...

    def estimate(self, run: Run, wants: Iterable[Want] = ()) -> Estimate:
        """What `run` would cost now, without running anything. Refused as the run would be, save for its size."""
        ...

    def extend(
        self,
        run: Run,
        count: int = 1,
        how: Settings | None = None,
        *,
        seed: int = 0,
        report: Report | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Run:
        """The run with tokens that the model goes on with added to its tail: the best each time, or drawn.

        Fewer than `count` where the model ends its text. Refused: with a sentence; TooLong where that many tokens take
        more memory than there is.

        how   by which settings they are drawn; None: the best each time
        seed  same seed, text and settings: same tokens, in one go or one by one
        report, cancelled  as in `run`: layer by layer of the text, then token by token
        """
        ...

    def parting(
        self,
        run: Run,
        other: "Engine",
        other_run: Run,
        alignment: Alignment,
        *,
        streams: bool = True,
        report: Report | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Parting:
        """What a second run, of this engine or of another, differs by from this one; no token is watched yet.

        Refused: as each run would be, with TooLong where both together take more memory than there is.

        streams    whether the distance of the streams is wanted, too
        alignment  of the tokens of the two; ValueError where it names places that they do not have
        report, cancelled  as in `run`
        """
        ...

    def parting_estimate(self, run: Run, other: "Engine", other_run: Run) -> Estimate:
        """What `parting` would cost now, without running anything. Refused as it would be, save for the size."""
        ...
