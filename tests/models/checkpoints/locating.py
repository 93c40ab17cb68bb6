"""`locate` in a process of its own: `python -m tests.models.checkpoints.locating ADDRESS [CATALOG [PAUSE]]`.

It writes a JSON line for every new step and one at the end (located or error). At the first step that begins with
PAUSE it waits for a line on standard input, so that a test can kill it there or let another process run meanwhile.
Reading a file to check it is a step here, however small the file.
"""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

from models.checkpoints import catalog, integrity
from models.checkpoints.errors import WeightsError
from models.checkpoints.locate import locate
from models.engine import Progress

REPOSITORY = Path(__file__).parents[3]


def start(address: object, catalog_file: object = "", pause: str = "", **environment: object) -> subprocess.Popen[str]:
    """The process, with its lines to be read from `.stdout`."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.models.checkpoints.locating", str(address), str(catalog_file), pause],
        cwd=REPOSITORY,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(address: object, catalog_file: object = "", **environment: object) -> dict:
    """What the whole process said: {"steps": […], "located": {…}} or {"steps": […], "error": "…"}."""
    return outcome(start(address, catalog_file, **environment))


def python(program: str, **environment: object) -> str:
    """What a program writes, run from the repository."""
    variables = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=REPOSITORY, env=variables, check=True, capture_output=True, text=True).stdout


def read_until(process: subprocess.Popen[str], step: str) -> None:
    """Read its lines up to a step that begins so."""
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("step", "").startswith(step):
            return
    raise AssertionError(f"it ended without the step {step!r}")


def outcome(process: subprocess.Popen[str], go_on: str = "") -> dict:
    """Let it end and gather the lines not read yet."""
    said, _ = process.communicate(go_on, timeout=60)
    lines = [json.loads(line) for line in said.splitlines()]
    return {"steps": [line["step"] for line in lines if "step" in line], **lines[-1]}


def _main(address: str, catalog_file: str, pause: str) -> None:
    integrity.LARGE = 0
    if catalog_file:
        catalog.FILE = Path(catalog_file)
    seen: list[str] = []

    def report(progress: Progress) -> None:
        if progress.says in seen:
            return
        seen.append(progress.says)
        print(json.dumps({"step": progress.says}), flush=True)
        if pause and progress.says.startswith(pause):
            sys.stdin.readline()

    try:
        found = dataclasses.asdict(locate(address, progress=report))
    except WeightsError as error:
        print(json.dumps({"error": str(error)}), flush=True)
    else:
        print(json.dumps({"located": found}, default=str), flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
