"""What the models of a server are called in links: as short as it goes, and each apart from every other."""

from pathlib import Path

import pytest

from anatomy.refused import Refused
from ui import host
from ui.addresses import addresses, name, named


@pytest.mark.parametrize(
    ("given", "called"),
    [
        (["local:smollm2-135m", "local:minilm-l6"], ["smollm2-135m", "minilm-l6"]),
        (["local:./run1/checkpoint-500"], ["checkpoint-500"]),
        (
            ["local:./run1/checkpoint-500", "local:./run2/checkpoint-500"],
            ["run1/checkpoint-500", "run2/checkpoint-500"],
        ),
        (["local:/a/run/last", "local:/b/run/last", "local:./other"], ["a/run/last", "b/run/last", "other"]),
        (["local:/a/x/last", "local:/b/x/last", "local:/b/y/last"], ["a/x/last", "b/x/last", "y/last"]),
        (["local:gpt2", "local:/models/gpt2"], ["gpt2", "models/gpt2"]),
        (["local:/models/gpt2", "local:gpt2"], ["models/gpt2", "gpt2"]),
        (["local:gpt2", "local:./gpt2"], ["gpt2", "./gpt2"]),
        (["local:owner/m@v1", "local:owner/m@v2"], ["m@v1", "m@v2"]),
        (["local:owner/m", "local:other/m@refs/pr/1"], ["m", "m@refs/pr/1"]),
        (["local:owner/m", "local:other/m"], ["owner/m", "other/m"]),
        (["local:owner/m", "local:./owner/m"], ["owner/m", "./owner/m"]),
        (["local:./a/x.gguf", "local:./b/x.gguf"], ["a/x.gguf", "b/x.gguf"]),
        (["local:./view.npz", "recorded:./view.npz"], ["local:./view.npz", "recorded:./view.npz"]),
        (["local:C:\\models\\tiny", "local:D:\\models\\tiny"], ["C:/models/tiny", "D:/models/tiny"]),
        (["local:./мой/模型 é", "local:./b/模型 é"], ["мой/模型 é", "b/模型 é"]),
        (["local:/"], ["/"]),
    ],
)
def test_names_are_as_short_as_tells_them_apart(given: list[str], called: list[str]) -> None:
    assert list(named(given).items()) == list(zip(called, given, strict=True))


def test_a_name_does_not_depend_on_the_order_of_the_models() -> None:
    given = ["local:/a/run/last", "local:/b/run/last", "local:/b/run/first", "local:last", "local:owner/last"]
    names = {address: name for name, address in named(given).items()}
    for turned in range(len(given)):
        order = given[turned:] + given[:turned]
        assert {address: name for name, address in named(order).items()} == names
        assert list(named(order).values()) == order


def test_one_model_that_is_given_twice_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    monkeypatch.chdir(tmp_path)
    for other in ("local:./run/", "local:./run/../run", f"local:{tmp_path}/run", "local:./link"):
        assert list(named(["local:./run", other])) == ["run"], other
    assert list(named(["local:gpt2", "local:gpt2"])) == ["gpt2"]
    assert list(named(["local:a", "local:b", "local:a"])) == ["a", "b"], "the first stays the first"
    assert list(named(["local:~nobody-of-this-name/m"])) == ["m"]
    assert list(named(["local:gpt2", "local:./gpt2"])) == ["gpt2", "./gpt2"], "the catalog's is another one"


def test_alone_a_model_is_called_by_the_last_part_of_its_address() -> None:
    for address in ("local:smollm2-135m", "local:./a/b/", "local:owner/m@v2", "recorded:some/view.npz"):
        assert list(named([address])) == [name(address)]


@pytest.mark.parametrize("arguments", [["--model"], ["--model="], ["--model", " "], ["--model", "a", "--model"]])
def test_a_model_without_an_address_is_refused_with_what_to_write(arguments: list[str]) -> None:
    with pytest.raises(Refused, match="“--model” stands without a model behind it"):
        addresses(arguments, "")


def test_an_address_of_an_unknown_kind_is_looked_for_as_it_stands() -> None:
    assert addresses(["--model", "C:\\models\\tiny", "--model", "ftp:x"], "") == [
        "local:C:\\models\\tiny",
        "local:ftp:x",
    ]


def test_two_checkpoints_of_one_name_are_both_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["app.py", "--model", "./run1/checkpoint-500", "--model", "./run2/checkpoint-500"])
    host.models.clear()
    try:
        hosted = host.models()
        assert {name: model.address for name, model in hosted.items()} == {
            "run1/checkpoint-500": "local:./run1/checkpoint-500",
            "run2/checkpoint-500": "local:./run2/checkpoint-500",
        }
    finally:
        host.models.clear()


def test_only_the_catalog_s_own_model_is_shown_as_it_was_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the same name holds somebody's own."""
    monkeypatch.setattr("sys.argv", ["app.py", "--model", "./tuned/smollm2-135m"])
    host.models.clear()
    try:
        (model,) = host.models().values()
        with pytest.raises(host.Loading):
            model.spec()
    finally:
        host.models.clear()


def test_a_server_is_told_at_once_of_adapters_that_it_cannot_name(monkeypatch: pytest.MonkeyPatch) -> None:
    host.models.clear()
    for given, said in (
        (["--adapter"], "stands without a folder"),
        (["--adapter", "my poems"], "“my poems” cannot be"),
    ):
        monkeypatch.setattr("sys.argv", ["app.py", *given])
        with pytest.raises(Refused, match=said):
            host.models()
    monkeypatch.setattr("sys.argv", ["app.py", "--adapter", "poems=./my poems", "--model", "gpt2"])
    try:
        assert list(host.models()) == ["gpt2"]
    finally:
        host.models.clear()
