"""Chat templates written out within limits of time, memory and length, whatever they do.

A template runs in a process of its own (`models/text/template.py`) that is ended where it takes more. Starting one
takes about 60 ms.
"""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anatomy.language import N_, Count
from anatomy.refused import Refused, Sentence
from models.checkpoints.outside import reason, shown

SECONDS = 1  # of processor time for compiling a template and writing a text; the longest known ones take 0.1
MEMORY = 512 << 20  # bytes of addresses, the interpreter's own 40 MB among them
CHARACTERS = 1 << 20  # of all that is written, and several times the text itself
_COPIES = 16  # times that a template may repeat a text, in all conversations that are written together
_PATIENCE = 20.0  # seconds of any clock, on systems that count no processor time and on machines with much to do
_PROGRAM = Path(__file__).with_name("template.py")
_LOG = logging.getLogger(__name__)
# What ends a program at its limits: the timer; the system, short of memory; a library that got none and did not ask.
_AT_A_LIMIT = frozenset(
    -getattr(signal, name) for name in ("SIGPROF", "SIGKILL", "SIGSEGV", "SIGABRT") if hasattr(signal, name)
)


@dataclass(frozen=True)
class Conversation:
    """What a template is given: messages with "role" and "content", and whether a model's answer is to follow."""

    messages: tuple[Mapping[str, str], ...]
    prompt: bool = False


def write_out(
    template: str, special: Mapping[str, str], attempts: Sequence[Sequence[Conversation]]
) -> tuple[int, list[str]]:
    """Which attempt could be written, the first of those that can, and its conversations as texts.

    Refused, with a sentence, for a template that writes none of them or takes more than SECONDS, MEMORY or CHARACTERS,
    and where the program that runs it breaks off by itself.
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
        message = N_(
            "This checkpoint's chat template cannot write a conversation, so none is shown. What the template's "
            "language says of it: {reason}"
        )
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
    """What the program says; {"limit": True} where it was ended at a limit. Refused where it broke off otherwise."""
    paths = os.pathsep.join(path for path in sys.path if path)
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(_PROGRAM)],
            input=request,
            capture_output=True,
            timeout=_PATIENCE,
            encoding="ascii",
            errors="backslashreplace",
            env=os.environ | {"PYTHONPATH": paths},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"limit": True}
    except OSError as error:
        raise _broken_off(reason(error)) from error
    if done.returncode in _AT_A_LIMIT:
        return {"limit": True}
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        last = done.stderr.strip().rpartition("\n")[2]
        raise _broken_off(shown(last) if last else Sentence(N_("exit code {code}"), code=done.returncode)) from error


def _broken_off(said: str | Sentence) -> Refused:
    """The refusal where the program did not come to an end that it knows. said: its last words, or the system's."""
    _LOG.error("the program that writes conversations out broke off: %s", said)
    message = N_(
        "This checkpoint's chat template could not be tried: the program that runs it broke off ({reason}). The "
        "template itself may be whole. Start Stagelight anew; if this is said again, install it anew."
    )
    return Refused(message, reason=said)
