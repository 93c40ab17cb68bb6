"""An engine for an address; torch is imported only when it has to be."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from anatomy.language import N_
from anatomy.refused import Refused
from anatomy.variants import Alteration
from models.checkpoints.adapters import adapters, folder_of
from models.checkpoints.address import is_path
from models.engine import Engine, Report

__all__ = ["adapters", "connect", "folder_of", "is_path", "uncollected", "vary"]

_NOT_HERE = N_("{name} cannot be altered: only a model whose weights this program has loaded itself can be.")


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


def vary(
    engine: Engine,
    alterations: tuple[Alteration, ...],
    report: Report | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Engine:
    """An engine of the model of another one, altered: what comes out as it was is that one's own. report, cancelled: as
    in `models.local.load.variant`. Refused, with a sentence, where an alteration does not fit the model or there is no
    memory for it, and for an engine that holds no weights, such as that of a recorded run."""
    with uncollected():
        from models.local.engine import LocalEngine
        from models.local.load import variant

    if not isinstance(engine, LocalEngine):
        raise Refused(_NOT_HERE, name=engine.specs()[0].name)
    return variant(engine, alterations, report, cancelled)


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
