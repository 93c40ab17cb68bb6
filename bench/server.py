"""A server of one's own: the page started as the README says, on a free port of this machine, and stopped again."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

ROOT = Path(__file__).parent.parent
_PATIENCE = 120  # seconds until the server answers
_GRACE = 20  # seconds in which it may end by itself


@dataclass(frozen=True)
class Server:
    """A running server: its port, its process and its log."""

    port: int
    pid: int
    log: Path

    @property
    def memory(self) -> int | None:
        """Bytes of memory that it takes now; None where the system does not say."""
        return _status(self.pid, "VmRSS")

    @property
    def peak(self) -> int | None:
        """The most that it ever took."""
        return _status(self.pid, "VmHWM")

    @property
    def processor(self) -> float | None:
        """Seconds of processor time that it took so far, all its threads together."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def counts(self) -> Counter[str]:
        """What became of the questions to its model (`models.serving.queue`), where it runs `bench/counted.py`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/counts", timeout=_PATIENCE) as answer:
            return Counter(json.load(answer))

    @property
    def mistakes(self) -> int:
        """Tracebacks in its log."""
        return self.log.read_text("utf-8").count("Traceback (most recent call last)")


@contextmanager
def serving(model: str, script: str = "app.py", *more: str) -> Iterator[Server]:
    """A server of one model, which may still be loading. more: options of Streamlit's. RuntimeError when it stops or
    does not answer."""
    port = free_port()
    options = ["--server.port", str(port), "--server.address", "127.0.0.1"]
    command = [sys.executable, "-m", "streamlit", "run", script, *options, *more, "--", "--model", model]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        with log.open("w") as out, subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out) as process:
            try:
                until_it_answers(port, process, log)
                yield Server(port, process.pid, log)
            finally:
                stop(process)


def stop(process: subprocess.Popen) -> None:
    """End a process, by force where it does not go by itself."""
    process.terminate()
    try:
        process.wait(timeout=_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def until_it_answers(port: int, process: subprocess.Popen, log: Path) -> None:
    """Wait for the page's server, or for what stands before it. RuntimeError, with its log, when it does not come."""
    until = monotonic() + _PATIENCE
    while monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
                return
        except OSError:
            sleep(0.05)
    raise RuntimeError(f"the server on port {port} does not answer; its log:\n{log.read_text('utf-8')[-2000:]}")


def _status(pid: int, name: str) -> int | None:
    """A line of /proc/PID/status, in bytes."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)
