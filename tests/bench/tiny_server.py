"""A server of a tiny model, for tests that speak to one."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import classroom
from bench.server import Server, serving
from tests.models.checkpoints.tiny_checkpoints import write_gguf


@contextmanager
def tiny_server(folder: Path, script: str = "app.py") -> Iterator[Server]:
    """One that is ready, with a cache of its own in the folder, and runs without a mistake."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAGELIGHT_CACHE", str(folder / "cache"))
        with serving(str(write_gguf(folder / "tiny.gguf")), script) as running:
            asyncio.run(classroom.until_ready(running))
            yield running
            assert running.mistakes == 0, running.log.read_text()
