"""The real checkpoints of the catalog, opened once for all tests that are marked `real`."""

from functools import cache

import pytest
from transformers import PreTrainedModel

from models.checkpoints.locate import locate
from models.loaded.load import load_model
from models.local import packed
from models.local.engine import LocalEngine
from models.local.load import load


@cache
def real_engine(name: str) -> LocalEngine:
    """The engine of a catalog name, shared by all tests: ask it anything, change nothing of it.

    Its matrices lie as they were loaded: what another order of adding does to the last digits would depend on which
    way was the quickest when it was opened. The other ways are held to this one by test_packed.py.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(packed.VARIABLE, "loaded")
        return load(name)


def plain_model(name: str) -> PreTrainedModel:
    """The same weights in a plain eager model of the library."""
    return load_model(locate(name).folder, attn_implementation="eager")
