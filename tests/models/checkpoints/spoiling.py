"""Ways to spoil a checkpoint's folder, and to read and write the parts of its files that a spoiler changes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
PAGE = b"<!DOCTYPE html><html></html>"
MARK = b"\xef\xbb\xbf"

Spoiler = Callable[[Path], object]
Tensors = dict[str, torch.Tensor]


def setting(**values: Any) -> Spoiler:
    """Settings of config.json changed or added; None is null."""
    return lambda folder: write_object(folder / "config.json", {**read_object(folder / "config.json"), **values})


def without_setting(name: str) -> Spoiler:
    """A setting of config.json taken out."""

    def spoil(folder: Path) -> None:
        found = read_object(folder / "config.json")
        del found[name]
        write_object(folder / "config.json", found)

    return spoil


def content(name: str, raw: bytes) -> Spoiler:
    """A file with this content."""
    return lambda folder: (folder / name).write_bytes(raw)


def changed(name: str, change: Callable[[bytes], bytes]) -> Spoiler:
    """A file with what a function makes of its content."""
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def only(*names: str) -> Spoiler:
    """A folder of empty files with these names, and nothing else."""

    def spoil(folder: Path) -> None:
        for file in folder.iterdir():
            file.unlink()
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()

    return spoil


def tensors(change: Callable[[Tensors], object]) -> Spoiler:
    """Weights that a function has changed in place."""

    def spoil(folder: Path) -> None:
        held = load_file(folder / WEIGHTS)
        change(held)
        save_file({name: tensor.contiguous() for name, tensor in held.items()}, folder / WEIGHTS)

    return spoil


def header(change: Callable[[dict[str, Any]], object]) -> Spoiler:
    """The header of the weights that a function has changed in place; the bytes behind it stay."""
    return changed(WEIGHTS, lambda raw: with_header(raw, change))


def with_header(raw: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """A weight file whose header a function has changed in place."""
    length = int.from_bytes(raw[:8], "little")
    facts = json.loads(raw[8 : 8 + length])
    change(facts)
    written = json.dumps(facts).encode()
    return len(written).to_bytes(8, "little") + written + raw[8 + length :]


def shards(
    count: int = 2,
    change: Callable[[dict[str, Any]], object] = lambda index: None,
    pattern: str = "model-{:05}-of-{:05}.safetensors",
) -> Spoiler:
    """The weights cut into several files, whose index a function has changed in place."""

    def spoil(folder: Path) -> None:
        held = load_file(folder / WEIGHTS)
        placed = {}
        for part in range(count):
            name = pattern.format(part + 1, count)
            mine = dict(list(held.items())[part::count])
            save_file(mine, folder / name, metadata={"format": "pt"})
            placed |= dict.fromkeys(mine, name)
        (folder / WEIGHTS).unlink()
        facts = {"metadata": {}, "weight_map": placed}
        change(facts)
        write_object(folder / INDEX, facts)

    return spoil


def both(*spoilers: Spoiler) -> Spoiler:
    """One after the other."""

    def spoil(folder: Path) -> None:
        for each in spoilers:
            each(folder)

    return spoil


def read_object(file: Path) -> dict[str, Any]:
    """What a JSON file holds."""
    return json.loads(file.read_text("utf-8"))


def write_object(file: Path, value: Any) -> None:
    """A JSON file with this in it."""
    file.write_text(json.dumps(value), "utf-8")
