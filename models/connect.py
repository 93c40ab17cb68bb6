"""An engine for an address; torch is imported only when it has to be."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from models.checkpoints.adapters import adapters, folder_of
from models.checkpoints.address import is_path
from models.engine import Engine, Report

__all__ = ["adapters", "connect", "folder_of", "is_path", "uncollected"]


def connect(address: str, report: Report | None = None, cancelled: Callable[[], bool] | None = None) -> Engine:
    """An engine for "local:NAME" (catalog name, folder or hub name, or a variant of one: `anatomy.variants`) or
    "recorded:FILE". cancelled: is asked, while a variant is made, whether to stop: then Cancelled is raised.

    ValueError for any other address; Refused, with a sentence, where the model or the recording cannot be had.
    """
    kind, rest = address.partition(":")[::2]
    if kind == "local" and rest:
        with uncollected():
            from models.local.load import load

        return load(rest, report, cancelled)
    if kind == "recorded" and rest:
        from models.serving.recorded import RecordedEngine

        return RecordedEngine(rest)
    raise ValueError(f"no engine at {address!r}: write local:smollm2-135m, local:path/to/model or recorded:file.npz")


@contextmanager
def uncollected() -> Iterator[None]:
    """While this is open, Python's collector rests: two thousand modules are being imported, it would walk what they
    made again and again and find nothing to collect (a sixth of the time that the import takes)."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
