"""Every panel, on every tiny model: it draws, captions, tabulates and explains, or it says why it does not apply."""

import pytest

from panels import load
from tests import once
from tests.models.tiny import MODELS, tiny_engine


@pytest.mark.parametrize("kind", [*MODELS, "t5-gated"])
@pytest.mark.parametrize("panel", load().values(), ids=load())
def test_a_panel_is_whole_or_gives_a_reason(panel, kind, answered):
    reason = panel.applies(tiny_engine(kind).spec)
    if reason is not None:
        assert reason[0].isupper()
        assert reason.endswith(".")
        return
    trace, view = answered(panel, kind)
    assert once.figure(panel, trace, view) is not None
    assert once.caption(panel, trace, view).endswith(".")
    assert once.table(panel, trace, view).rows
    assert once.formula(panel, trace, view).strip()
    compile(panel.snippet(trace.spec, view), panel.id, "exec")
