"""Chat templates written out within limits of time, memory and length, whatever they do.

A template runs in a process of its own (`models/text/template.py`) that is ended where it takes more. Starting one
takes about 60 ms.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anatomy.language import N_, Count
from anatomy.refused import Refused

SECONDS = 1  # of processor time for compiling a template and writing a text; the longest known ones take 0.1
MEMORY = 512 << 20  # bytes of addresses, the interpreter's own 40 MB among them
CHARACTERS = 1 << 20  # of all that is written, and several times the text itself
_COPIES = 16  # times that a template may repeat a text, in all conversations that are written together
_PATIENCE = 20.0  # seconds of any clock, on systems that count no processor time and on machines with much to do
_PROGRAM = Path(__file__).with_name("template.py")


@dataclass(frozen=True)
class Conversation:
    """What a template is given: messages with "role" and "content", and whether a model's answer is to follow."""

    messages: tuple[Mapping[str, str], ...]
    prompt: bool = False


def write_out(
    template: str, special: Mapping[str, str], attempts: Sequence[Sequence[Conversation]]
) -> tuple[int, list[str]]:
    """Which attempt could be written, the first of those that can, and its conversations as texts.

    Refused, with a sentence, for a template that writes none of them or takes more than SECONDS, MEMORY or CHARACTERS.
    """
    longest = max(sum(len(message["content"]) for message in one.messages) for attempt in attempts for one in attempt)
    request = {
        "template": template,
        "special": dict(special),
        "attempts": [[{"messages": [*one.messages], "prompt": one.prompt} for one in attempt] for attempt in attempts],
        "seconds": SECONDS,
        "bytes": MEMORY,
        "characters": CHARACTERS + _COPIES * longest,
    }
    answer = _answer(json.dumps(request))
    if "texts" in answer:
        return answer["attempt"], answer["texts"]
    if "reason" in answer:
        message = N_("This checkpoint's chat template cannot write a conversation ({reason}), so none is shown.")
        raise Refused(message, reason=answer["reason"])
    raise Refused(
        N_(
            "This checkpoint's chat template takes more than {seconds} s of computing or {megabytes} MB, or writes "
            "more than {characters} characters, so it is stopped and no conversation is shown. Another revision of the "
            "checkpoint may have one that ends."
        ),
        seconds=Count(SECONDS),
        megabytes=Count(MEMORY >> 20),
        characters=Count(request["characters"]),
    )


def _answer(request: str) -> dict:
    """What the program says; nothing where it was ended or died."""
    paths = os.pathsep.join(path for path in sys.path if path)
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(_PROGRAM)],
            input=request,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            encoding="ascii",
            env=os.environ | {"PYTHONPATH": paths},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return {}
    except OSError as error:
        return {"reason": error.strerror or type(error).__name__}
    return json.loads(done.stdout)
