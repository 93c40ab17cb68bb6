"""A fetch that is killed leaves nothing half-done and no pip behind, and two at once do the work once."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.checkpoints.locate import locate
from tests.models.checkpoints import locating

pytestmark = pytest.mark.slow

SECONDS = 30.0  # that pip has to end: it takes a fraction of one; a machine may be busy


@pytest.mark.parametrize("step", ["fetching", "unpacking", "converting", "checking"])
def test_after_a_kill_at_any_step_the_next_fetch_succeeds(shop: SimpleNamespace, step: str) -> None:
    with locating.start("tiny", shop.catalog, pause=step) as killed:
        locating.read_until(killed, step)
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    assert not (shop.cache / "tiny-1.0").exists()
    assert list((shop.cache / ".partial" / "tiny-1.0").iterdir())  # what it left

    assert "located" in locating.run("tiny", shop.catalog)
    assert (shop.cache / "tiny-1.0" / "model.safetensors").exists()
    assert list((shop.cache / ".partial").iterdir()) == []


def test_a_repair_that_is_killed_leaves_the_damage_to_the_next(shop: SimpleNamespace) -> None:
    weights = locate("tiny").folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(b"\0" * len(whole))
    with locating.start("tiny", shop.catalog, pause="converting") as killed:
        locating.read_until(killed, "converting")
        killed.send_signal(signal.SIGKILL)
    assert weights.read_bytes() == b"\0" * len(whole)

    steps = locating.run("tiny", shop.catalog)["steps"]
    assert f"{weights} has to be made anew: fetching its package" in steps
    assert weights.read_bytes() == whole


def test_of_two_processes_at_once_one_works_and_the_other_waits(shop: SimpleNamespace) -> None:
    _assert_one_works_and_the_other_waits(shop)


def test_of_two_that_repair_at_once_one_works_and_the_other_waits(shop: SimpleNamespace) -> None:
    weights = locate("tiny").folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(b"\0" * len(whole))
    _assert_one_works_and_the_other_waits(shop)
    assert weights.read_bytes() == whole


def _assert_one_works_and_the_other_waits(shop: SimpleNamespace) -> None:
    worker = locating.start("tiny", shop.catalog, pause="converting")
    locating.read_until(worker, "converting")
    other = locating.start("tiny", shop.catalog)
    locating.read_until(other, "waiting for another process")
    worked = locating.outcome(worker, go_on="\n")
    waited = locating.outcome(other)
    assert waited["steps"] == []  # after the waiting: nothing left to do
    assert worked["located"] == waited["located"]


def test_a_disk_that_is_full_while_weights_are_written_leaves_nothing(tiny_gguf: Path, own_cache: Path) -> None:
    size = (locate(str(tiny_gguf)).folder / "model.safetensors").stat().st_size
    program = f"""
import resource
from models.checkpoints.errors import WeightsError
from models.checkpoints.locate import locate
resource.setrlimit(resource.RLIMIT_FSIZE, ({size - 1}, resource.RLIM_INFINITY))  # one byte too few
try:
    locate({str(tiny_gguf)!r})
except WeightsError as error:
    print(error)
"""
    said = locating.python(program, STAGELIGHT_CACHE=own_cache / "small")
    assert f"The cache folder {own_cache / 'small'} cannot be written: File too large. Make room" in said
    assert list((own_cache / "small" / ".partial").iterdir()) == []
    assert [path.name for path in (own_cache / "small").iterdir() if not path.name.startswith(".")] == []


# pip, which waits for an index that never answers


@pytest.fixture
def silent_index(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """An index that takes connections, for pip to wait at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SECONDS)
        monkeypatch.setenv("PIP_NO_INDEX", "0")
        monkeypatch.setenv("PIP_FIND_LINKS", "")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.getsockname()[1]}/simple")
        yield server


def _assert_ends(connection: socket.socket) -> None:
    """Whoever holds the other end of a connection lets go of it, as a process does when it ends."""
    connection.settimeout(SECONDS)
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_pip_ends_with_the_process_that_fetches(
    shop: SimpleNamespace, silent_index: socket.socket, kill: signal.Signals
) -> None:
    with locating.start("tiny", shop.catalog) as fetching:
        connection, _ = silent_index.accept()
        with connection:
            fetching.send_signal(kill)
            _assert_ends(connection)
        assert fetching.wait(SECONDS) != 0


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM, None])
def test_pip_ends_with_a_server_that_fetches_in_a_thread(
    shop: SimpleNamespace, silent_index: socket.socket, kill: signal.Signals | None
) -> None:
    program = f"""
import sys
from pathlib import Path
from threading import Thread
from models.checkpoints import catalog
from models.checkpoints.locate import locate
catalog.FILE = Path({str(shop.catalog)!r})
Thread(target=locate, args=("tiny",), daemon=True).start()
sys.stdin.readline()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=locating.REPOSITORY, env=dict(os.environ), stdin=subprocess.PIPE) as server:
        connection, _ = silent_index.accept()
        with connection:
            if kill is None:
                server.communicate(b"\n", timeout=SECONDS)  # it ends by itself
            else:
                server.send_signal(kill)
            _assert_ends(connection)
    assert server.returncode == (0 if kill is None else -kill)


def test_a_fetch_that_is_cancelled_by_its_report_ends_pip(shop: SimpleNamespace, silent_index: socket.socket) -> None:
    connections: list[socket.socket] = []

    def stop(progress: object) -> None:
        connections.append(silent_index.accept()[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        locate("tiny", progress=stop)
    with connections[0] as connection:
        _assert_ends(connection)
    assert list((shop.cache / ".partial").iterdir()) == []
