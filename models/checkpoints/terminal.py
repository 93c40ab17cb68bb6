"""A terminal that shows how far a long step is."""

import sys
from types import TracebackType

from tqdm import tqdm

from models.engine import Progress


class TerminalBar:
    """A report that draws one bar a step on standard error; into a file or a log it writes one line a step."""

    def __init__(self) -> None:
        self._step = ""
        self._bar: tqdm | None = None

    def __call__(self, progress: Progress) -> None:
        if progress.says != self._step:
            self._begin(progress)
        if self._bar is not None:
            self._bar.update(progress.done - self._bar.n)

    def __enter__(self) -> "TerminalBar":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    def _begin(self, progress: Progress) -> None:
        self._close()
        self._step = progress.says
        if sys.stderr.isatty():
            self._bar = tqdm(desc=progress.says, total=progress.total or None, unit="B", unit_scale=True)
        else:
            print(f"{progress.says} …", file=sys.stderr)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
