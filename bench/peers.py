"""Other programs that look inside a model, on the same weights: each in an environment of its own, against a plain
forward in the same process, in turns."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from bench.table import Cell, markdown
from models import cache

TORCH = "torch==2.13.0+cpu"  # the CPU build by its full name: pip takes no other for it
PEERS = {"transformer-lens": "transformer-lens==4.3.0", "nnsight": "nnsight==0.8.1", "bertviz": "bertviz==1.4.1"}
_PROGRAM = {"transformer-lens": "lens_cache.py", "nnsight": "nnsight_trace.py", "bertviz": "bertviz_page.py"}
PROGRAMS = Path(__file__).parent / "peer"
COLUMNS = ("peer", "way", "tokens", "plain ms", "peer ms", "peer / plain", "bytes of its page")
LENGTHS = (32, 128)
_INSTALL = 3600  # seconds
_RUN = 1800
Row = tuple[Cell, ...]


def measure(folder: Path, names: Sequence[str], lengths: Sequence[int], rounds: int, threads: int) -> list[Row]:
    """The rows of every peer; where one cannot be had or cannot load these weights, a row that says why."""
    return [row for name in names for row in _of(name, folder, lengths, rounds, threads)]


def _of(name: str, folder: Path, lengths: Sequence[int], rounds: int, threads: int) -> list[Row]:
    try:
        found = asked(python_of(name), name, folder, lengths, rounds, threads)
    except subprocess.CalledProcessError as error:
        return [(name, f"failed: {last_line(error.stderr or error.stdout or '')}", None, None, None, None, None)]
    return [(name, *row) for row in found]


def python_of(name: str) -> Path:
    """The interpreter of the peer's environment, made and filled where it is absent. CalledProcessError: pip failed."""
    folder = cache.root() / "bench" / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    finished = folder / "installed"
    if not finished.exists():
        venv.create(folder, with_pip=True, clear=True)
        pinned = folder / "torch.txt"
        pinned.write_text(TORCH + "\n", "utf-8")
        for package in (TORCH, PEERS[name]):  # the second step finds torch there, and may not exchange it
            command = [python, "-m", "pip", "install", "--quiet", "--constraint", pinned, package]
            print(f"{name}: installing {package}", file=sys.stderr)
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL)
        finished.write_text(PEERS[name] + "\n", "utf-8")
    return python


def asked(
    python: Path, name: str, folder: Path, lengths: Sequence[int], rounds: int, threads: int
) -> list[tuple[str, int, float, float, float, int | None]]:
    """What the peer's program measures: it runs by itself, without a network, and prints JSON on its last line."""
    program = PROGRAMS / _PROGRAM[name]
    command = [str(python), str(program), str(folder), str(rounds), str(threads), *map(str, lengths)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_RUN, env=environment)
    return [tuple(row) for row in json.loads(done.stdout.strip().splitlines()[-1])]


def last_line(said: str) -> str:
    """The last line of what a program said: the error itself."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    return markdown(COLUMNS, rows)
