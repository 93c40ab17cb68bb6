"""Which models a server has: where whoever starts it says they are, and what each is called in links."""

import re
from argparse import ArgumentError, ArgumentParser
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from anatomy.language import N_
from anatomy.refused import Refused
from anatomy.view import DEFAULT_MODEL
from models.connect import is_path

DEFAULT_MODELS = (DEFAULT_MODEL, "minilm-l6")  # a decoder, and an encoder to hold claims against
_KINDS = ("local:", "recorded:")
_NO_MODEL = N_(
    "“--model” stands without a model behind it. Start the server with --model ADDRESS: a name of the catalog, the "
    "path of a folder, a repository of the hub as owner/name, or recorded:FILE."
)


def addresses(arguments: list[str], variable: str) -> list[str]:
    """Where the models come from: `--model ADDRESS` (repeated for several), else the variable (commas between
    several), else the two that the page is made for. Set by whoever starts the server, never by a link. Refused for a
    `--model` without an address."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--model", action="append", default=[])
    try:
        given = parser.parse_known_args(arguments)[0].model
    except ArgumentError as error:
        raise Refused(_NO_MODEL) from error
    if not all(map(str.strip, given)):
        raise Refused(_NO_MODEL)
    given = given or [part.strip() for part in variable.split(",") if part.strip()]
    return [part if part.startswith(_KINDS) else f"local:{part}" for part in given or DEFAULT_MODELS]


def named(addresses: Iterable[str]) -> dict[str, str]:
    """Addresses by the name that each has in links: its last part, and as many before that as tell it from all others.

    run1/checkpoint-500 and run2/checkpoint-500 are called so, and alone each is checkpoint-500. What is called by the
    whole of its address, as a model of the catalog is, keeps that name. One that stands there twice is one model.
    """
    distinct: dict[str, str] = {}
    for address in addresses:
        distinct.setdefault(_place(address), address)
    names = {address: _names(address) for address in distinct.values()}
    return {_shortest(address, names): address for address in names}


def _shortest(address: str, names: dict[str, list[str]]) -> str:
    """The first of an address's names that is no other's; a name that is another's whole address is that one's."""
    whole = _rest(address)
    others = [theirs for other, theirs in names.items() if other != address]

    def own(name: str) -> bool:
        return all(name not in theirs or (name == whole and name != theirs[-2]) for theirs in others)

    return next(name for name in names[address] if own(name))


def name(address: str) -> str:
    """The name of a model in links, where no other of the server has it: the last part of its address."""
    return _names(address)[0]


def _names(address: str) -> list[str]:
    """What an address may be called, the shortest first; the last two are all behind its kind, and all of it."""
    whole = _rest(address)
    path, revision = whole, ""
    if not is_path(whole):  # of the hub: a revision may have parts, too, and belongs to the last one
        path, at, revision = whole.partition("@")
        revision = at + revision
    parts = [part for part in re.split(r"[/\\]", path) if part not in ("", ".")]
    ends = ["/".join(parts[-count:]) + revision for count in range(1, len(parts) + 1)]
    return [*ends, whole, address]


def _rest(address: str) -> str:
    """An address without its kind, and without the slash behind a folder."""
    rest = address.partition(":")[2]
    return rest.rstrip("/\\") or rest


def _place(address: str) -> str:
    """The same for every way to write one folder or file."""
    kind, rest = address.partition(":")[::2]
    if kind != "recorded" and not is_path(rest):
        return f"{kind}:{_rest(address)}"
    with suppress(RuntimeError):  # a home that nobody has, links that go in a ring
        rest = str(Path(rest).expanduser().resolve())
    return f"{kind}:{rest}"
