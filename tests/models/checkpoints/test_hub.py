"""Repositories of the hub, tried against a stand-in of its API on this machine, each in a process of its own."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.checkpoints import hub, integrity
from models.checkpoints.errors import WeightsError
from models.checkpoints.locate import locate
from tests.models.checkpoints import locating
from tests.models.checkpoints.hub_stand_in import COMMIT, StandIn, served
from tests.models.checkpoints.spoiling import POINTER, Spoiler, both, content, setting, shards

pytestmark = pytest.mark.slow

Ask = Callable[[str], dict]


@pytest.fixture
def server(tmp_path: Path, tiny_gguf: Path, own_cache: Path) -> Iterator[StandIn]:
    """A hub with a good repository, one with a pickle only, and one with files nobody should fetch."""
    good = Path(shutil.copytree(locate(str(tiny_gguf)).folder, tmp_path / "good"))
    (good / "README.md").write_text("---\nlicense: mit\n---\n")
    (good / "pytorch_model.bin").write_bytes(b"not to be opened")
    (good / "modeling.py").write_text("raise SystemExit('not to be run')")
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    for name in ("config.json", "tokenizer.json", "pytorch_model.bin"):
        (pickled / name).write_text("{}")
    folders = {"lab/good": good, "lab/pickled": pickled}
    folders |= {name: _variant(good, tmp_path / name, spoil) for name, spoil in VARIANTS.items()}
    with served(folders, stated={"lab/int8": {"I8": 900, "F32": 100}, "lab/shards": {"F32": 900, "I64": 8}}) as running:
        yield running


def _variant(good: Path, folder: Path, spoil: Spoiler) -> Path:
    shutil.copytree(good, folder)
    spoil(folder)
    return folder


def _cut_as_of_old(folder: Path) -> None:
    """A tokenizer in the files that older programs write."""
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text("{}")
    (folder / "merges.txt").write_text("#version: 0.2")


OTHER_NAMES = "model.safetensors-{:05}-of-{:05}.safetensors"
VARIANTS: dict[str, Spoiler] = {
    "lab/shards": both(shards(3, pattern=OTHER_NAMES), content("chat_template.jinja", b"{{ messages }}")),
    "lab/old": _cut_as_of_old,
    "lab/int8": content("README.md", b""),
    "lab/gptq": setting(quantization_config={"quant_method": "gptq"}),
    "lab/page": content("config.json", b"<html></html>"),
    "lab/lacking": shards(change=lambda index: index["weight_map"].update(a="model-9.safetensors")),
    "lab/adapted": content("adapter_config.json", b"{}"),
    "lab/pointer": content("tokenizer_config.json", POINTER),
    "lab/generation": content("generation_config.json", b"{"),
    "lab/more": both(shards(), content("model-00003-of-00002.safetensors", b"")),
}


@pytest.fixture
def ask(server: StandIn, tmp_path: Path) -> Ask:
    """`locate` in a process that knows no other hub, with a hub cache of its own."""
    return lambda address: locating.run(
        address, HF_ENDPOINT=server.endpoint, HF_HOME=tmp_path / "hub", HF_HUB_DISABLE_XET=1
    )


def test_a_repository_is_fetched_and_described(ask: Ask, server: StandIn) -> None:
    answer = ask("lab/good")
    found = answer["located"]
    assert (found["name"], found["revision"], found["title"]) == ("lab/good", COMMIT[:12], "good")
    assert (found["licence"], found["stored"]) == ("mit", "safetensors, float32")
    assert found["source"] == f"https://huggingface.co/lab/good/tree/{COMMIT}"
    assert answer["steps"] == ["asking the hub for lab/good", "fetching lab/good", "checking model.safetensors"]
    assert json.loads((Path(found["folder"]) / "config.json").read_text())["model_type"] == "llama"


def test_neither_pickles_nor_code_are_fetched(ask: Ask, server: StandIn) -> None:
    ask("lab/good")
    assert "model.safetensors" in server.served
    assert not {"pytorch_model.bin", "modeling.py"} & set(server.served)


def test_what_was_fetched_once_needs_no_hub(ask: Ask, tmp_path: Path) -> None:
    first = ask("lab/good@main")
    again = locating.run("lab/good", HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=tmp_path / "hub")
    assert again == {"steps": [], "located": first["located"]}


def test_a_repository_with_a_pickle_only_is_refused(ask: Ask, server: StandIn) -> None:
    assert "lab/pickled cannot be used: its weights are only there as a pickle" in ask("lab/pickled")["error"]
    assert server.served == []


def test_files_are_fetched_under_whatever_names_the_index_gives_them(ask: Ask, server: StandIn) -> None:
    found = ask("lab/shards")["located"]
    names = {file.name for file in Path(found["folder"]).iterdir()}
    assert {OTHER_NAMES.format(part, 3) for part in (1, 2, 3)} | {"chat_template.jinja"} <= names
    assert server.served.index("config.json") < min(server.served.index(name) for name in names if "00" in name)


def test_a_tokenizer_in_older_files_is_fetched(ask: Ask) -> None:
    found = ask("lab/old")["located"]
    assert {"vocab.json", "merges.txt"} <= {file.name for file in Path(found["folder"]).iterdir()}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("lab/gptq", "quantized with gptq"),
        ("lab/int8", "most of its weights are stored as I8: they are quantized"),
        ("lab/page", "config.json is a web page"),
        ("lab/lacking", "1 of 3 weight files that its index names are missing (model-9.safetensors)"),
        ("lab/adapted", "it has an adapter (LoRA, adapter_config.json) beside the model"),
        ("lab/pointer", "tokenizer_config.json is a Git LFS pointer"),
        ("lab/generation", "generation_config.json is no valid JSON"),
        ("lab/more", "it has model-00003-of-00002.safetensors, which its index does not name"),
    ],
)
def test_what_cannot_be_used_is_refused_before_its_weights_are_fetched(
    ask: Ask, server: StandIn, name: str, sentence: str
) -> None:
    assert sentence in ask(name)["error"]
    assert not [file for file in server.served if file.endswith(".safetensors")]


def test_a_model_that_cannot_be_opened_is_refused_by_its_configuration_alone(server: StandIn, tmp_path: Path) -> None:
    program = (
        "import json\n"
        "from anatomy.refused import Refused\n"
        "from models.checkpoints.locate import locate\n"
        "def judge(folder):\n"
        "    kind = json.loads((folder / 'config.json').read_text())['model_type']\n"
        "    raise Refused('No place for {kind}.', kind=kind)\n"
        "try: locate('lab/good', judge=judge)\n"
        "except Refused as error: print(error)"
    )
    said = locating.python(program, HF_ENDPOINT=server.endpoint, HF_HOME=tmp_path / "hub", HF_HUB_DISABLE_XET=1)
    assert said == "No place for llama.\n"
    assert set(server.served) == {"config.json"}


def test_a_file_that_was_cut_off_in_the_hubs_cache_is_fetched_again(ask: Ask, tmp_path: Path) -> None:
    weights = Path(ask("lab/good")["located"]["folder"]) / "model.safetensors"
    whole = weights.read_bytes()
    weights.resolve().write_bytes(whole[:1000])
    offline = locating.run("lab/good", HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=tmp_path / "hub")
    assert "model.safetensors is damaged" in offline["error"]
    ask("lab/good")
    assert weights.read_bytes() == whole


def test_a_bit_that_flipped_in_the_hubs_cache_is_noticed_and_fetched_again(ask: Ask, tmp_path: Path) -> None:
    weights = Path(ask("lab/good")["located"]["folder"]) / "model.safetensors"
    whole = weights.read_bytes()
    flipped = bytearray(whole)
    flipped[-3] ^= 0x40
    weights.resolve().write_bytes(flipped)
    offline = locating.run("lab/good", HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=tmp_path / "hub")
    assert "model.safetensors is damaged: its SHA-256 is not the one that the hub gave it" in offline["error"]
    assert "python -m models fetch lab/good" in offline["error"]
    ask("lab/good")
    assert weights.read_bytes() == whole


def test_what_another_program_left_damaged_beside_a_model_does_not_matter(ask: Ask, tmp_path: Path) -> None:
    folder = Path(ask("lab/good")["located"]["folder"])
    blob = folder.parents[1] / "blobs" / ("0" * 64)
    blob.write_bytes(b"cut off")
    (folder / "pytorch_model.bin").symlink_to(blob)
    offline = locating.run("lab/good", HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=tmp_path / "hub")
    assert offline["located"]["folder"] == str(folder)


def test_files_of_the_hubs_cache_that_may_not_be_read_are_told_as_such(
    tiny_gguf: Path, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Path(shutil.copytree(locate(str(tiny_gguf)).folder, tmp_path / "kept"))
    blob = (kept / "model.safetensors").rename(tmp_path / ("a" * 64))
    (kept / "model.safetensors").symlink_to(blob)

    def refuse(file: Path, report: object = None) -> str:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(hub, "_kept", lambda *_: kept)
    monkeypatch.setattr(integrity, "sha256_of", refuse)
    with pytest.raises(WeightsError, match=r"model\.safetensors cannot be read: Permission denied"):
        locate("lab/good", fetch=False)


def test_a_repository_that_is_not_there_says_so(ask: Ask) -> None:
    assert ask("lab/absent")["error"].startswith("The hub has no repository lab/absent, or it is private")


def test_a_repository_with_terms_says_where_to_accept_them(ask: Ask) -> None:
    assert "accept its terms: do so on https://huggingface.co/gated/model" in ask("gated/model")["error"]


def test_a_revision_that_is_not_there_is_named(ask: Ask) -> None:
    assert ask("lab/good@v9")["error"].startswith("lab/good has no revision 'v9'")


def test_no_hub_in_reach_names_what_works_offline(tmp_path: Path, own_cache: Path) -> None:
    nobody = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": tmp_path / "hub"}
    error = locating.run("lab/good", **nobody)["error"]
    assert error.startswith("The hub could not be reached for lab/good (ConnectError")
    assert "python -m models list" in error
    forbidden = locating.run("lab/good", **nobody, HF_HUB_OFFLINE=1)["error"]
    assert "OfflineModeIsEnabled" in forbidden


def test_a_full_disk_is_noticed_before_the_download(
    server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import shutil, types; shutil.disk_usage = lambda path: types.SimpleNamespace(free=10);"
        "from models.checkpoints.errors import WeightsError\n"
        "from models.checkpoints.locate import locate\n"
        "try: locate('lab/good')\n"
        "except WeightsError as error: print(error)"
    )
    said = locating.python(program, HF_ENDPOINT=server.endpoint, HF_HOME=tmp_path / "hub")
    assert "0 MB free" in said
    assert "HF_HOME" in said
    assert server.served == []
