"""The boundary of what a model computes: whatever it raises beside a refusal becomes one, a sentence for the reader,
with the traceback in the log. Engines themselves, and `stagelight.open`, raise as they are."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from anatomy.language import N_
from anatomy.refused import Refused
from models.engine import Cancelled
from models.memory import VARIABLE, short_of_memory

Answer = TypeVar("Answer")
_LOG = logging.getLogger(__name__)
_written: dict[tuple[object, ...], float] = {}  # when each was, by its place in the program: there are only so many
AGAIN = 60.0  # seconds until the same error is written to the log again
_NO_MEMORY = N_(
    "There was not enough memory for this ({kind}): it was given up, and nothing else is lost. Take a shorter text or "
    "another panel, or close other programs. With {variable} set to what this machine has to give, such questions are "
    "refused before they begin."
)
_BROKE = N_(
    "The model stopped at this question with an error of the program ({kind}). Other questions are answered as before: "
    "try another text, panel or place. What a report of this error needs stands in the server's log."
)
_ENDS = (KeyboardInterrupt, GeneratorExit)  # of the program, of a generator: not the model's
_PASS = (Refused, Cancelled, *_ENDS)


def answering(model: str, work: Callable[[], Answer]) -> Answer:
    """What the work gives; a refusal in place of whatever else it raises. model: its name, for the log.

    A library's panic is no `Exception`, but ends here too. The refusal holds nothing of what it stands for: the frames
    of a traceback would keep the arrays of the run in memory as long as somebody keeps the sentence.
    """
    try:
        return work()
    except _PASS:
        raise
    except BaseException as error:
        write_down(_LOG, f"a question to {model} failed", error)
        refused = refusal(error)
    raise refused


def refusal(error: BaseException) -> Refused:
    """The sentence in place of an error of the program."""
    if short_of_memory(error):
        return Refused(_NO_MEMORY, kind=type(error).__name__, variable=VARIABLE)
    return Refused(_BROKE, kind=type(error).__name__)


def write_down(log: logging.Logger, what: str, error: BaseException) -> None:
    """An error with its traceback; what came up at the same place a moment ago is not written again: pages ask twice a
    second, and dozens of verdicts the same of one text."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    where = (what, type(error), None if last is None else (last.tb_frame.f_code.co_filename, last.tb_lineno))
    if monotonic() - _written.get(where, -AGAIN) >= AGAIN:
        _written[where] = monotonic()
        log.error(what, exc_info=error)


def forget() -> None:
    """From now on every error is written down as a new one."""
    _written.clear()
