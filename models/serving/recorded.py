"""RecordedEngine: answers from a file what has been recorded, nothing else. For the first page while a model loads."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from anatomy.alignment import Alignment
from anatomy.language import N_
from anatomy.parting import Parting
from anatomy.positions import found, mentioned
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.sampling import Settings
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.wire import MOST_BYTES, unpack
from models.engine import Engine, Estimate, Report

FIRST_VIEW = Path(__file__).with_name("first_view.npz")
_ONLY = N_("Only “{text}” by {model} is recorded: open the model to run this.")
_NO_FILE = N_("The recording {path} cannot be read: {reason}.")
_DAMAGED = N_(
    "The recording {path} cannot be read: {reason}. Copy it again from where it is whole, or make it anew with "
    "python -m models.record ADDRESS --to {path}"
)
_ONE_RUN = N_("A recording holds one run and compares it with no other: open the model for that.")


class NotRecorded(Refused):
    """The question may have an answer, but this recording does not hold it: a model has to be opened."""


class RecordedEngine:
    """One recorded trace as an engine. A position of a site recorded at all positions counts as recorded.

    Refused where the file cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            self._trace = unpack(_bytes(Path(path)))
        except OSError as error:
            raise Refused(_NO_FILE, path=path, reason=error.strerror) from error
        except ValueError as error:
            raise Refused(_DAMAGED, path=path, reason=str(error)) from error

    @property
    def recorded(self) -> Run:
        """The one run it holds."""
        return self._trace.run

    def specs(self) -> tuple[ModelSpec, ...]:
        """The model that was recorded."""
        return (self._trace.spec,)

    def run(
        self,
        run: Run,
        wants: Iterable[Want] = (),
        *,
        report: Report | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Trace:
        """Tokens and the wanted arrays as they were recorded. NotRecorded for anything else."""
        trace = self._trace
        if run != trace.run:
            raise NotRecorded(_ONLY, text=trace.run.text, model=trace.run.model)
        arrays = {want: found(trace.arrays.get, want) for want in dict.fromkeys(wants)}
        absent = [str(want) for want, array in arrays.items() if array is None]
        if absent:
            raise _without(absent)
        held = {want: array for want, array in arrays.items() if array is not None}
        return Trace(run, trace.spec, trace.tokens, held, {row: trace.names[row] for row in mentioned(held)})

    def on_ids(self, ids: Sequence[int]) -> Run:
        """The one run, where it was recorded on these ids. NotRecorded for any others."""
        if tuple(ids) == self.recorded.ids:
            return self.recorded
        raise NotRecorded(_ONLY, text=self.recorded.text, model=self.recorded.model)

    def again(self) -> "RecordedEngine":
        """NotRecorded: only a model computes."""
        raise NotRecorded(N_("A recording computes nothing: open the model for that."))

    def estimate(self, run: Run, wants: Iterable[Want] = ()) -> Estimate:
        """Next to nothing: what was recorded is only handed out. NotRecorded for anything else."""
        return Estimate(len(self.run(run, wants).tokens), nbytes=0, seconds=0.0)

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
        """NotRecorded: only a model goes on with a text."""
        raise NotRecorded(N_("A recording does not go on with its text: open the model for that."))

    def parting(
        self,
        run: Run,
        other: Engine,
        other_run: Run,
        alignment: Alignment,
        *,
        streams: bool = True,
        report: Report | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Parting:
        """NotRecorded: only models compare two runs."""
        raise NotRecorded(_ONE_RUN)

    def parting_estimate(self, run: Run, other: Engine, other_run: Run) -> Estimate:
        """NotRecorded, as `parting`."""
        raise NotRecorded(_ONE_RUN)


def _bytes(path: Path) -> bytes:
    """What stands in the file, one byte at most beyond what a recording may have. OSError where it cannot be read."""
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _without(absent: Sequence[str]) -> NotRecorded:
    """The refusal for what was not recorded; the first three are named."""
    named = ", ".join(absent[:3])
    if len(absent) <= 3:
        return NotRecorded(N_("The recording does not hold {named}: open the model to see it."), named=named)
    template = N_("The recording does not hold {named} and {more} more: open the model to see it.")
    return NotRecorded(template, named=named, more=len(absent) - 3)
