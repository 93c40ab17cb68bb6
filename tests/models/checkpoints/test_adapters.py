"""Which adapters a program was given, what each is called, and which folders hold none: nothing of it needs torch."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from safetensors.numpy import save_file

from models.checkpoints.adapters import (
    BESIDE,
    CONFIG,
    MERGED,
    PICKLE,
    PROMPTS,
    WEIGHTS,
    adapters,
    folder_of,
    given,
    judged,
    named,
)
from models.checkpoints.address import is_path
from models.checkpoints.errors import NoSuchName, WeightsError
from tests.browsing import ROOT

SETTINGS = {
    "peft_type": "LORA",
    "r": 2,
    "target_modules": ["v_proj", "q_proj"],
    "base_model_name_or_path": "owner/base",
    "init_lora_weights": True,
}
MATRICES = {f"base_model.model.h.0.q_proj.lora_{part}.weight": np.ones((2, 2), np.float32) for part in "AB"}


def write(folder: Path, tensors: dict[str, np.ndarray] = MATRICES, **settings: Any) -> Path:
    """The two files of an adapter."""
    folder.mkdir(exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(SETTINGS | settings), "utf-8")
    save_file(tensors, folder / WEIGHTS)
    return folder


# names


@pytest.mark.parametrize(
    ("arguments", "variable", "found"),
    [
        ([], "", {}),
        (["--adapter", "runs/poems"], "", {"poems": "runs/poems"}),
        (["--adapter=runs/poems/"], "", {"poems": "runs/poems"}),
        (
            ["--adapter", "law=runs/v2", "--model", "gpt2", "--adapter", "./poems"],
            "",
            {"law": "runs/v2", "poems": "poems"},
        ),
        (["--adapter", "./lr=1/poems"], "", {"poems": "lr=1/poems"}),
        (["--adapter", "law=./lr=1/last"], "", {"law": "lr=1/last"}),
        (["--adapter", "poems", "--adapter", "./poems"], "", {"poems": "poems"}),
        (["--adapter", "a_1.b-2=x y"], "", {"a_1.b-2": "x y"}),
        (["--model", "gpt2"], " runs/poems , law=v2,", {"poems": "runs/poems", "law": "v2"}),
        (["--adapter", "mine"], "runs/poems", {"mine": "mine"}),
    ],
)
def test_adapters_are_named_by_whoever_starts_the_program(arguments, variable, found, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert given(arguments, variable) == {name: tmp_path / folder for name, folder in found.items()}


def test_they_are_those_of_this_process(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["app.py", "--adapter", "poems"])
    monkeypatch.setenv("STAGELIGHT_ADAPTERS", "law=v2")
    assert adapters() == {"poems": tmp_path / "poems"}
    assert adapters([]) == {"law": tmp_path / "v2"}
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    assert given(["--adapter", "~/poems"], "") == {"poems": tmp_path / "home" / "poems"}
    assert given(["--adapter", "."], "") == {tmp_path.name: tmp_path}
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    assert list(given(["--adapter", ".."], "")) == [tmp_path.name]


@pytest.mark.parametrize(
    "arguments", [["--adapter"], ["--adapter", ""], ["--adapter", "--model", "a"], ["--adapter= "]]
)
def test_the_option_needs_a_folder(arguments):
    with pytest.raises(WeightsError, match="“--adapter” stands without a folder behind it"):
        given(arguments, "law=v2")


@pytest.mark.parametrize(
    "word", ["my poems", "./стихи", "a~b=x", "a+b=x", ".hidden=x", "x.gguf=y", "./lr=1", "=x", "/"]
)
def test_a_name_that_no_link_could_hold_is_refused(word):
    with pytest.raises(WeightsError, match="cannot be the name of an adapter"):
        named([word])


def test_a_name_has_one_folder(tmp_path):
    with pytest.raises(WeightsError, match=r"Two adapters are called “last”: .*a.last and .*b.last"):
        named([f"{tmp_path}/a/last", f"{tmp_path}/b/last"])
    assert list(named([f"{tmp_path}/a/last", f"other={tmp_path}/b/last"])) == ["last", "other"]


def test_the_folder_of_nobody_is_refused():
    with pytest.raises(WeightsError, match="names the folder of a user whom this machine does not know"):
        named(["law=~nobody-of-this-name/x"])


@drawn(st.lists(st.text(max_size=20), max_size=4))
def test_whatever_is_given_has_good_names_or_is_refused(words):
    try:
        found = named(words)
    except WeightsError:
        return
    assert len(found) <= len(words)
    for name, folder in found.items():
        assert name.isascii()
        assert not is_path(name)
        assert not set(name) & set("~=/\\ ,&?#%")
        assert folder.is_absolute()
        assert named([f"{name}={folder}"]) == {name: folder}, "as the command hands it on"


# from a name to a folder


def test_a_link_names_adapters_and_python_paths_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = {"poems": tmp_path / "runs" / "poems"}
    for paths in (False, True):
        assert folder_of("poems", paths=paths, known=known) == known["poems"]
        with pytest.raises(NoSuchName, match=r"There is no adapter “law”. This program was started with: poems\."):
            folder_of("law", paths=paths, known=known)
    for path in ("./law", str(tmp_path / "law")):
        assert folder_of(path, paths=True, known=known) == tmp_path / "law"
        with pytest.raises(WeightsError, match="is a path, and in a link an adapter stands by its name"):
            folder_of(path, paths=False, known=known)
    with pytest.raises(NoSuchName, match="this program was started without any"):
        folder_of("law", paths=True, known={})
    monkeypatch.setenv("STAGELIGHT_ADAPTERS", "law=v2")
    monkeypatch.setattr(sys, "argv", ["app.py"])
    assert folder_of("law", paths=False) == tmp_path / "v2"


# what a folder holds


def test_what_an_adapter_is_stands_in_its_small_file(tmp_path):
    found = judged(write(tmp_path / "a"))
    assert (found.kind, found.rank, found.targets, found.base) == ("LORA", 2, ("q_proj", "v_proj"), "owner/base")
    assert found.held.keys() == MATRICES.keys()
    assert found.weights == tmp_path / "a" / WEIGHTS
    assert not found.changes_nothing
    assert judged(write(tmp_path / "a", target_modules="all-linear")).targets == "all-linear"
    plain = judged(write(tmp_path / "a", peft_type="IA3", r=None, target_modules=None, base_model_name_or_path=None))
    assert (plain.rank, plain.targets, plain.base) == (None, (), "")


def test_its_revision_changes_with_its_files(tmp_path):
    folder = write(tmp_path / "a")
    first = judged(folder).revision
    assert judged(folder).revision == first
    for name in (CONFIG, WEIGHTS):
        file = folder / name
        os.utime(file, ns=(0, file.stat().st_mtime_ns + 1_000_000_000))
        assert judged(folder).revision != first
        first = judged(folder).revision


def test_rank_0_changes_nothing(tmp_path):
    assert judged(write(tmp_path / "a", {}, r=0)).changes_nothing
    assert judged(write(tmp_path / "a", {name: matrix[:0] for name, matrix in MATRICES.items()}, r=0)).changes_nothing
    assert not judged(write(tmp_path / "a", peft_type="OFT", r=0)).changes_nothing, "its blocks have a size instead"


def _no_config(folder: Path) -> None:
    (folder / CONFIG).unlink()


def _no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def _a_pickle(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / PICKLE)


def _cut_off(folder: Path) -> None:
    file = folder / WEIGHTS
    file.write_bytes(file.read_bytes()[:-4])


def _a_pointer(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"version https://git-lfs.github.com/spec/v1\n")


def _half_an_object(folder: Path) -> None:
    (folder / CONFIG).write_text('{"peft_type": ', "utf-8")


def _a_list(folder: Path) -> None:
    (folder / CONFIG).write_text("[]", "utf-8")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_no_config, "holds no adapter: it has no adapter_config.json"),
        (_no_weights, "has no adapter_model.safetensors"),
        (_a_pickle, "in adapter_model.bin, a pickle, and opening one can run any program"),
        (_cut_off, "is cut off"),
        (_a_pointer, "git lfs pull"),
        (_half_an_object, "is no valid JSON"),
        (_a_list, "holds no JSON object but array"),
    ],
)
def test_files_that_are_none_are_told(spoil: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    spoil(folder)
    with pytest.raises(WeightsError, match=said) as refused:
        judged(folder)
    assert str(folder) in str(refused.value)


@pytest.mark.parametrize("folder", ["nothing", "file"])
def test_what_is_no_folder_is_told(folder, tmp_path):
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(WeightsError, match="There is no folder"):
        judged(tmp_path / folder)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"peft_type": None}, "gives “peft_type” as None, which is no kind of adapter"),
        ({"peft_type": "lora"}, "gives “peft_type” as 'lora', .* LORA, "),
        ({"peft_type": ["LORA"]}, "gives “peft_type” as "),
        *[
            ({"peft_type": kind}, f"of the kind {kind}: it puts learned vectors before the text")
            for kind in sorted(PROMPTS)
        ],
        *[({"peft_type": kind}, f"of the kind {kind}: what it adds depends on the text") for kind in sorted(BESIDE)],
        ({"r": None}, "gives the rank “r” as None: it has to be a whole number"),
        ({"r": -1}, "gives the rank “r” as -1"),
        ({"r": "8"}, "gives the rank “r” as '8'"),
        ({"r": True}, "gives the rank “r” as True"),
        ({"r": 0}, "holds base_model.model.h.0.q_proj.lora_A.weight, and adapter_config.json gives the rank “r” as 0"),
        ({"target_modules": 3}, "gives “target_modules” as 3"),
        ({"target_modules": ["q", 3]}, "gives “target_modules” as "),
        ({"layer_replication": [[0, 2], [1, 3]]}, "“layer_replication”: it lets layers of the model run several times"),
        ({"alora_invocation_tokens": [1]}, "“alora_invocation_tokens”: it works from certain tokens of the text on"),
        ({"arrow_config": {"top_k": 1}}, "“arrow_config”"),
        ({"megatron_config": {"a": 1}, "megatron_core": "os"}, "“megatron_config”"),
        *[
            ({"init_lora_weights": began}, f"“init_lora_weights” is '{began}'")
            for began in ("corda", "lora_ga", "loftq")
        ],
    ],
    ids=str,
)
def test_settings_that_weights_cannot_stand_for_are_told(settings, said, tmp_path):
    with pytest.raises(WeightsError, match=said) as refused:
        judged(write(tmp_path / "a", **settings))
    assert str(tmp_path) in str(refused.value)


def test_an_adapter_without_numbers_is_told(tmp_path):
    with pytest.raises(WeightsError, match="holds no numbers: the adapter was saved without its weights"):
        judged(write(tmp_path / "a", {}))


def test_no_kind_stands_in_two_lists():
    assert not MERGED & PROMPTS | MERGED & BESIDE | PROMPTS & BESIDE


def test_judging_loads_neither_torch_nor_peft(tmp_path):
    code = """
import sys
from pathlib import Path
from models.checkpoints.adapters import adapters, judged
adapters([])
judged(Path(sys.argv[1]))
assert not {"torch", "peft", "transformers"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code, str(write(tmp_path / "a"))], cwd=ROOT, check=True)
