"""Repositories of the hub, tried against a stand-in of its API on this machine, each in a process of its own."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.checkpoints.locate import locate
from tests.models.checkpoints import locating
from tests.models.checkpoints.hub_stand_in import COMMIT, StandIn, hub

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
    with hub({"lab/good": good, "lab/pickled": pickled}) as running:
        yield running


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
    assert answer["steps"] == ["asking the hub for lab/good", "fetching lab/good"]
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
