"""A program of its own that writes conversations out with a chat template. `models/text/rendering.py` runs it.

A template is a program from outside, and jinja2's sandbox bounds neither its time nor its memory: one expression can
take minutes inside a single call. So this process bounds itself before it reads the template. What a template may use
is what `transformers.utils.chat_template_utils` gives it. Nothing of ours is imported, so that it starts at once.

Input and output are one JSON object each:

    {"template", "special", "attempts": [[{"messages", "prompt"}, …], …], "seconds", "bytes", "characters"}
    {"attempt": 0, "texts": ["…", …]}  the first attempt whose conversations were all written
    {"reason": "…"}                    none was, for what the last one said
    {"limit": true}                    it takes more memory, or writes more, than it may
"""

import json
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from jinja2 import TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace


def answered(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request, both as above."""
    try:
        template = environment().from_string(request["template"])
        reason = ""
        for number, attempt in enumerate(request["attempts"]):
            try:
                texts = [_written(template.render, request["special"], conversation) for conversation in attempt]
            except MemoryError:
                raise
            except Exception as error:  # a template can raise anything
                reason = _said(error)
            else:
                short = sum(map(len, texts)) <= request["characters"]
                return {"attempt": number, "texts": texts} if short else {"limit": True}
    except MemoryError:
        return {"limit": True}
    except Exception as error:
        reason = _said(error)
    return {"reason": reason}


def environment() -> ImmutableSandboxedEnvironment:
    """The sandbox in which the library runs chat templates."""
    found = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
    found.filters["tojson"] = _to_json
    found.globals |= {
        "raise_exception": _raise_exception,
        "strftime_now": lambda form: datetime.now().strftime(form),
        "dict": _Dict(),
        "namespace": _Namespace,
    }
    return found


class _Generation(Extension):
    """`{% generation %}` marks what an assistant wrote; here it stands as it is."""

    tags: ClassVar[set[str]] = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_as_it_is"), [], [], body).set_lineno(line)

    def _as_it_is(self, caller: Callable[[], str]) -> str:
        return caller()


class _Dict:
    """`dict` without the attributes of the class."""

    def __call__(self, *args: Any, **named: Any) -> dict:
        return dict(*args, **named)

    def fromkeys(self, *args: Any) -> dict:
        return dict.fromkeys(*args)


class _Namespace(Namespace):
    """jinja2's, without names that begin with an underscore."""

    def __init__(*args: Any, **named: Any) -> None:
        for name in dict(*args[1:], **named):
            _check_name(name)
        Namespace.__init__(*args, **named)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a namespace of a chat template cannot hold {name!r}")


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _written(render: Callable[..., str], special: dict[str, str], conversation: dict[str, Any]) -> str:
    prompt = conversation["prompt"]
    given = {"messages": conversation["messages"], "tools": None, "documents": None, "add_generation_prompt": prompt}
    return render(**special | given)


def _said(error: Exception) -> str:
    said = " ".join(str(error).split())[:200]
    return said if isinstance(error, TemplateError) and said else f"{type(error).__name__}: {said}".removesuffix(": ")


def _bound(seconds: float, size: int) -> None:
    """End this process after so much computing, and let it have no more memory, as far as the system can.

    The timer counts processor time. Its signal ends a process that has no handler for it, in the middle of a call too.
    """
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF})
        signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    except (ImportError, ValueError, OSError):
        return  # not on this system, or already bounded more tightly


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    _bound(asked["seconds"], asked["bytes"])
    try:
        said = json.dumps(answered(asked))
    except MemoryError:
        said = json.dumps({"limit": True})
    sys.stdout.write(said)
