"""A file is read again only where it has changed, and damage is seen wherever there is any."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from models.checkpoints import integrity
from models.engine import Progress

CONTENT = b"some numbers" * 1000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of some content."""
    made = tmp_path / "folder" / "numbers.bin"
    made.parent.mkdir()
    made.write_bytes(CONTENT)
    return made


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that were read, in their order; what this process knew before is forgotten."""
    names: list[str] = []
    whole = integrity.sha256_of

    def counted(file: Path, report: object = None) -> str:
        names.append(file.name)
        return whole(file)

    monkeypatch.setattr(integrity, "sha256_of", counted)
    monkeypatch.setattr(integrity, "_passed", {})
    return names


def _sha256(content: bytes = CONTENT) -> str:
    return hashlib.sha256(content).hexdigest()


def _as_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "_passed", {})


def test_what_has_passed_is_not_read_again_by_this_process_or_the_next(
    file: Path, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        assert integrity.damaged({file: _sha256()}, tmp_path / "notes.json") == []
        _as_a_new_process(monkeypatch)
    assert reads == ["numbers.bin"]


@pytest.mark.parametrize("bit", [0, 8 * 6000 + 6, 8 * len(CONTENT) - 1])
def test_one_bit_is_enough(file: Path, tmp_path: Path, bit: int) -> None:
    assert integrity.damaged({file: _sha256()}, tmp_path / "notes.json") == []
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    raw = bytearray(CONTENT)
    raw[bit // 8] ^= 1 << bit % 8
    file.write_bytes(raw)
    os.utime(file, ns=times)  # a tool that keeps the time of the last change hides nothing
    assert integrity.damaged({file: _sha256()}, tmp_path / "notes.json") == [file]


def test_another_file_in_its_place_is_read(file: Path, tmp_path: Path, reads: list[str]) -> None:
    integrity.damaged({file: _sha256()}, tmp_path / "notes.json")
    other = file.with_name("other.bin")
    other.write_bytes(CONTENT)
    other.replace(file)
    assert integrity.damaged({file: _sha256()}, tmp_path / "notes.json") == []
    assert reads == ["numbers.bin", "numbers.bin"]


def test_what_passed_for_one_hash_does_not_pass_for_another(file: Path, tmp_path: Path) -> None:
    assert integrity.damaged({file: _sha256()}, tmp_path / "notes.json") == []
    assert integrity.damaged({file: _sha256(b"other")}, tmp_path / "notes.json") == [file]
    assert integrity.damaged({file: _sha256()}, tmp_path / "notes.json") == []


def test_damage_is_never_noted(file: Path, tmp_path: Path, reads: list[str]) -> None:
    for _ in range(2):
        assert integrity.damaged({file: _sha256(b"other")}, tmp_path / "notes.json") == [file]
    assert reads == ["numbers.bin", "numbers.bin"]
    assert not (tmp_path / "notes.json").exists()


def test_a_missing_file_and_a_folder_are_damaged(file: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    files = {gone: _sha256(), file: _sha256(), file.parent: _sha256()}
    assert integrity.damaged(files, tmp_path / "notes.json") == [gone, file.parent]


def test_a_folder_with_its_notes_can_be_moved(
    file: Path, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    integrity.damaged({file: _sha256()}, file.parent / "notes.json")
    _as_a_new_process(monkeypatch)
    moved = file.parent.rename(tmp_path / "moved")
    assert integrity.damaged({moved / file.name: _sha256()}, moved / "notes.json") == []
    assert reads == ["numbers.bin"]


def test_what_was_just_made_is_noted(file: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert integrity.noted([file], file.parent / "notes.json") == {file: _sha256()}
    _as_a_new_process(monkeypatch)
    assert integrity.damaged({file: _sha256()}, file.parent / "notes.json") == []
    assert reads == ["numbers.bin"]


def test_what_another_process_noted_later_is_not_overwritten(
    file: Path, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes.json"
    integrity.damaged({file: _sha256()}, notes)
    ours = dict(integrity._passed)
    os.utime(file, ns=(0, 0))
    _as_a_new_process(monkeypatch)
    integrity.damaged({file: _sha256()}, notes)
    noted = notes.read_bytes()
    monkeypatch.setattr(integrity, "_passed", ours)
    for _ in range(2):
        assert integrity.damaged({file: _sha256()}, notes) == []
        assert notes.read_bytes() == noted
        _as_a_new_process(monkeypatch)
    assert reads == ["numbers.bin", "numbers.bin"]


def test_what_only_this_process_knows_is_noted(file: Path, tmp_path: Path, reads: list[str]) -> None:
    notes = tmp_path / "notes.json"
    integrity.damaged({file: _sha256()}, notes)
    noted = notes.read_bytes()
    notes.unlink()
    assert integrity.damaged({file: _sha256()}, notes) == []
    assert notes.read_bytes() == noted
    assert reads == ["numbers.bin"]


def test_notes_that_may_not_be_looked_after_are_not_written(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refuse)
    assert integrity.damaged({file: _sha256()}, tmp_path / "notes.json") == []


def test_notes_on_files_that_are_gone_are_dropped(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(b"other")
    integrity.damaged({file: _sha256(), other: _sha256(b"other")}, tmp_path / "notes.json")
    assert sorted(json.loads((tmp_path / "notes.json").read_text())) == ["folder/numbers.bin", "other.bin"]
    other.unlink()
    file.touch()
    integrity.damaged({file: _sha256()}, tmp_path / "notes.json")
    assert list(json.loads((tmp_path / "notes.json").read_text())) == ["folder/numbers.bin"]


@pytest.mark.parametrize(
    "odd", [b"", b"[]", b"{", b"\xff", b"null", b"[" * 100_000, b'{"folder/numbers.bin": 1}', b'{"\\u0000": [NaN]}']
)
def test_odd_notes_say_nothing(
    file: Path, tmp_path: Path, odd: bytes, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.json").write_bytes(odd)
    assert integrity.damaged({file: _sha256(b"other")}, tmp_path / "notes.json") == [file]
    assert integrity.damaged({file: _sha256()}, tmp_path / "notes.json") == []
    _as_a_new_process(monkeypatch)
    assert integrity.damaged({file: _sha256()}, tmp_path / "notes.json") == []
    assert reads == ["numbers.bin", "numbers.bin"]  # the notes are whole again


def test_where_notes_cannot_be_written_each_process_reads_once(
    file: Path, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes.json"
    notes.mkdir()  # nobody can put a file there, whatever their rights
    for _ in range(2):
        for _ in range(3):
            assert integrity.damaged({file: _sha256()}, notes) == []
        _as_a_new_process(monkeypatch)
    assert reads == ["numbers.bin", "numbers.bin"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "notes.json"]  # no half-written ones


def test_a_file_that_may_not_be_read_is_not_called_damaged(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: Path, report: object = None) -> str:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(integrity, "sha256_of", refuse)
    with pytest.raises(PermissionError):
        integrity.damaged({file: _sha256()}, tmp_path / "notes.json")


def test_a_file_that_is_written_to_while_it_is_read_is_read_again(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = integrity.sha256_of

    def overtaken(file: Path, report: object = None) -> str:
        digest = whole(file)
        os.utime(file, ns=(0, 0))
        return digest

    monkeypatch.setattr(integrity, "sha256_of", overtaken)
    assert integrity.damaged({file: _sha256()}, tmp_path / "notes.json") == []
    assert not (tmp_path / "notes.json").exists()


def test_reading_a_large_file_says_how_far_it_is(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Progress] = []
    integrity.damaged({file: _sha256()}, tmp_path / "a.json", seen.append)
    assert seen == []
    monkeypatch.setattr(integrity, "LARGE", 1)
    monkeypatch.setattr(integrity, "CHUNK", 5000)
    monkeypatch.setattr(integrity, "_passed", {})
    integrity.damaged({file: _sha256()}, tmp_path / "b.json", seen.append)
    assert [progress.says for progress in seen] == ["checking numbers.bin"] * 3
    assert [(progress.done, progress.total) for progress in seen] == [(5000, 12000), (10000, 12000), (12000, 12000)]
