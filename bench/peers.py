"""Other programs that look inside a model, on the same weights: each in an environment of its own, against a plain
forward in the same process, in turns."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import torch

from bench.table import Cell, markdown
from models.checkpoints import cache

PEERS = {"transformer-lens": "transformer-lens==4.3.0", "nnsight": "nnsight==0.8.1", "bertviz": "bertviz==1.4.1"}
_PROGRAM = {"transformer-lens": "lens_cache.py", "nnsight": "nnsight_trace.py", "bertviz": "bertviz_page.py"}
PROGRAMS = Path(__file__).parent / "peer"
COLUMNS = ("peer", "way", "tokens", "plain ms", "peer ms", "peer / plain", "bytes of its page")
LIMIT = 300.0  # seconds for a peer at one length
MEMORY = 12 << 30  # bytes: a page of gigabytes is to fail, with a message, and not to take the machine with it
_INSTALL = 3600  # seconds
Row = tuple[Cell, ...]


def measure(
    folder: Path, names: Sequence[str], lengths: Sequence[int], rounds: int, threads: int, limit: float = LIMIT
) -> list[Row]:
    """The rows of every peer; where one cannot be had, cannot load these weights or takes too long, a row that says
    so."""
    return [row for name in names for row in _of(name, folder, lengths, rounds, threads, limit)]


def _of(name: str, folder: Path, lengths: Sequence[int], rounds: int, threads: int, limit: float) -> list[Row]:
    try:
        python = python_of(name)
    except subprocess.SubprocessError as error:
        return [_said(name, None, f"not installed: {_reason(error)}")]
    rows: list[Row] = []
    for length in sorted(lengths):
        measured, why = asked(python, name, folder, length, rounds, threads, limit)
        rows += [(name, *row) for row in measured]
        if why:  # a longer text will not do better
            return [*rows, _said(name, length, why)]
    return rows


def _said(name: str, length: int | None, why: str) -> Row:
    return (name, why, length, *[None] * (len(COLUMNS) - 3))


def torch_pin() -> str:
    """The build of torch that the peers get: the one that runs here, or the CPU build of its version where that is one
    for a GPU, whose libraries take gigabytes."""
    own = torch.__version__
    return f"torch=={own if torch.version.cuda is None and torch.version.hip is None else own.split('+')[0] + '+cpu'}"


def python_of(name: str) -> Path:
    """The interpreter of the peer's environment, made and filled where it is absent. SubprocessError: pip failed."""
    folder = cache.root() / "bench" / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    finished = folder / "installed"
    if not finished.exists():
        venv.create(folder, with_pip=True, clear=True)
        pinned = folder / "torch.txt"
        pinned.write_text(torch_pin() + "\n", "utf-8")
        for package in (torch_pin(), PEERS[name]):  # the second step finds torch there, and may not exchange it
            command = [python, "-m", "pip", "install", "--quiet", "--constraint", pinned, package]
            print(f"{name}: installing {package}", file=sys.stderr)
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL)
        finished.write_text(PEERS[name] + "\n", "utf-8")
    return python


def asked(
    python: Path, name: str, folder: Path, length: int, rounds: int, threads: int, limit: float
) -> tuple[list[Row], str]:
    """(what the peer's program measures at this length, why that is not all, or ""). It runs by itself, without a
    network, and prints what it has so far as a line of JSON."""
    program = PROGRAMS / _PROGRAM[name]
    command = [str(python), str(program), str(folder), str(rounds), str(threads), str(length)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PEER_MEMORY": str(MEMORY)}
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=limit, env=environment)
    except subprocess.TimeoutExpired as error:
        return rows_in(_text(error.stdout)), f"the rest took longer than {limit:g} s"
    except subprocess.CalledProcessError as error:
        return rows_in(_text(error.stdout)), f"failed: {_reason(error)}"
    return rows_in(done.stdout), ""


def rows_in(said: str) -> list[Row]:
    """The rows in the last whole line of JSON."""
    lines = [line for line in said.splitlines() if line.startswith("[") and line.endswith("]")]
    return [tuple(row) for row in json.loads(lines[-1])] if lines else []


def _reason(error: subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return last_line(_text(error.stderr) or _text(error.stdout))
    return last_line(str(error))


def _text(said: str | bytes | None) -> str:
    """What a program said, which comes as bytes where it was stopped."""
    return said.decode(errors="replace") if isinstance(said, bytes) else said or ""


def last_line(said: str) -> str:
    """The last line of what a program said: the error itself."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    return markdown(COLUMNS, rows)
