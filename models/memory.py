"""How much memory this program may use, and how much it uses now."""

import ctypes
import os
import re
from collections.abc import Callable
from functools import cache

import psutil

from anatomy.language import N_
from anatomy.refused import Refused, Settled

VARIABLE = "STAGELIGHT_MEMORY"
DEFAULT = 4 << 30
ALWAYS = 256 << 20  # bytes of weights that may be loaded however much the program takes already
_UNITS = {"": 30, "g": 30, "m": 20}
_OUT_OF_MEMORY = (  # torch and the system have no error of their own for it on a CPU, only words
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "unable to mmap",
)
_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([gm]?)i?b?\s*", re.IGNORECASE)


def limit() -> int:
    """Bytes that the whole process may take: STAGELIGHT_MEMORY ("4", "2.5 GB", "900 MB"), or 4 GB. Settled for a value
    that is none of these."""
    given = os.environ.get(VARIABLE, "")
    if not given.strip():
        return DEFAULT
    read = _WRITTEN.fullmatch(given)
    if read is None or float(read[1]) == 0:
        template = N_(
            "{variable} is “{given}”: write a number of gigabytes, such as 4 or 2.5, or one with MB behind it."
        )
        raise Settled(template, variable=VARIABLE, given=given)
    return int(float(read[1]) * (1 << _UNITS[read[2].lower()]))


def check_weights(name: object, nbytes: int, spared: int = 0, variant: bool = False) -> None:
    """Refused, with the figures, where a model of that name takes more memory than this program or this machine has
    left.

    nbytes   of its weights, as they are computed with
    spared   bytes that the program takes now, and will have let go of before these are there
    variant  they are those that a variant has beside the weights of its base
    """
    if fits(nbytes, spared):
        return
    allowed, taken, machine = limit(), _taken(spared), psutil.virtual_memory().total
    template = _BEYOND_MACHINE if taken + nbytes > machine else _BEYOND_LIMIT
    template = _BESIDE if variant else template
    figures = {"weights": nbytes, "taken": taken, "allowed": allowed, "machine": machine}
    written = {what: f"{amount / (1 << 30):.1f}" for what, amount in figures.items()}
    enough = -(-(taken + nbytes) // (1 << 30)) + 1
    raise Refused(template, name=name, variable=VARIABLE, enough=enough, **written)


def fits(nbytes: int, spared: int = 0) -> bool:
    """Whether there is memory for weights; nbytes, spared: as in `check_weights`."""
    return nbytes <= ALWAYS or _taken(spared) + nbytes <= min(limit(), psutil.virtual_memory().total)


def _taken(spared: int) -> int:
    """Bytes that the program takes once it has let go of so many."""
    return max(0, resident() - spared)


_BESIDE = N_(
    "{name} takes {weights} GB beside the model that it is made of. This program has {taken} GB already and may have "
    "{allowed} GB in all ({variable}); the machine has {machine} GB. Let go of other models and variants, or start it "
    "with {variable}={enough} where the machine has as much."
)
_BEYOND_LIMIT = N_(
    "{name} takes {weights} GB in float32. This program has {taken} GB already and may have {allowed} GB in all "
    "({variable}); the machine has {machine} GB. Start it with {variable}={enough}, or choose a smaller checkpoint."
)
_BEYOND_MACHINE = N_(
    "{name} takes {weights} GB in float32. This program has {taken} GB already and may have {allowed} GB in all "
    "({variable}); the machine has {machine} GB. Choose a smaller checkpoint, or a machine with more memory."
)


def short_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had: Python's own, or the words that libraries have for it."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(words in said for words in _OUT_OF_MEMORY)


def give_back() -> None:
    """Have the C library return to the system what is free in its heap, where it can do so (glibc). By itself it keeps
    most of a model's tensors for later use once they are gone, and `resident` goes on counting them."""
    trim = _trim()
    if trim is not None:
        trim(ctypes.c_size_t(0))


@cache
def _trim() -> Callable[[ctypes.c_size_t], int] | None:
    """`malloc_trim` of this process's C library; None where that has none."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # another library; another system, which opens none without a name
        return None


def resident() -> int:
    """Bytes of memory that the process takes now, files that it maps among them."""
    return psutil.Process().memory_info().rss
