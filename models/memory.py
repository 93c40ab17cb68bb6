"""How much memory this program may use, and how much it uses now."""

import os
import re

import psutil

from anatomy.language import N_
from anatomy.refused import Refused

VARIABLE = "STAGELIGHT_MEMORY"
DEFAULT = 4 << 30
_UNITS = {"": 30, "g": 30, "m": 20}
_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([gm]?)i?b?\s*", re.IGNORECASE)


def limit() -> int:
    """Bytes that the whole process may take: STAGELIGHT_MEMORY ("4", "2.5 GB", "900 MB"), or 4 GB. Refused for a value
    that is none of these."""
    given = os.environ.get(VARIABLE, "")
    if not given.strip():
        return DEFAULT
    read = _WRITTEN.fullmatch(given)
    if read is None or float(read[1]) == 0:
        template = N_(
            "{variable} is “{given}”: write a number of gigabytes, such as 4 or 2.5, or one with MB behind it."
        )
        raise Refused(template, variable=VARIABLE, given=given)
    return int(float(read[1]) * (1 << _UNITS[read[2].lower()]))


def resident() -> int:
    """Bytes of memory that the process takes now, files that it maps among them."""
    return psutil.Process().memory_info().rss
