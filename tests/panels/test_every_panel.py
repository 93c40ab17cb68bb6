"""Every panel, on every tiny model: it draws, captions, tabulates and explains what it read, and its figure differs by
nothing from itself; or it says why it does not apply."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest

from anatomy.trace import Trace
from panels import load
from tests import once
from tests.models.tiny import MODELS, tiny_engine
from viz.description import Description
from viz.heads import Heads
from viz.partners import FIRST, SECOND


@pytest.mark.parametrize("kind", [*MODELS, "t5-gated"])
@pytest.mark.parametrize("panel", load().values(), ids=load())
def test_a_panel_is_whole_or_gives_a_reason(panel, kind, answered):
    reason = panel.applies(tiny_engine(kind).spec)
    if reason is not None:
        assert reason[0].isupper()
        assert reason.endswith(".")
        return
    trace, view = answered(panel, kind)
    assert not any(isinstance(part, Trace) for part in parts(panel.read(trace, view))), "it can work on the trace again"
    drawn = once.described(panel, trace, view)
    if panel.id == "bertviz":  # its pages have no difference
        assert isinstance(drawn, Heads)
    else:
        assert isinstance(drawn, Description)
        assert drawn.alternative().startswith(drawn.kind)
        assert drawn.table().rows
        assert_differs_by_nothing_from_itself(drawn)
    assert once.caption(panel, trace, view).endswith(".")
    assert once.table(panel, trace, view).rows
    assert once.formula(panel, trace, view).strip()
    compile(panel.snippet(trace.spec, view), panel.id, "exec")


def assert_differs_by_nothing_from_itself(drawn: Description) -> None:
    """Exactly 0 everywhere, nothing without a partner, in words, in numbers and as a picture."""
    difference = drawn.minus(drawn)
    assert not np.nan_to_num(difference.numbers()).any()
    assert difference.table().rows
    assert difference.plotly(dark=True).to_dict()["data"]
    assert not re.search(f"[{FIRST}{SECOND}]", f"{difference.alternative()} {difference.table()}")


def parts(value: Any) -> Iterator[Any]:
    """A value with all that it holds."""
    yield value
    if is_dataclass(value):
        inner = [getattr(value, field.name) for field in fields(value)]
    elif isinstance(value, dict):
        inner = list(value.values())
    else:
        inner = list(value) if isinstance(value, list | tuple | set | frozenset) else []
    for part in inner:
        yield from parts(part)
