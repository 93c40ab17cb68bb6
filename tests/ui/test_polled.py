"""Parts of the page that come back by themselves: each run of the page has names of its own for them."""

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext
from streamlit.testing.v1 import AppTest

from ui import polled


def page() -> None:
    """Notes under which name its part stands, with what it was called, and how often it is to come back."""
    import streamlit as st
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    from ui import polled

    def part(number: int) -> None:
        st.session_state.setdefault("called", []).append(number)

    polled.every(0.5, part)(7)
    context = get_script_run_ctx()
    assert context is not None
    st.session_state.setdefault("names", []).append(context.shared.new_fragment_ids.snapshot())


def test_a_look_meant_for_the_page_before_finds_no_such_part():
    app = AppTest.from_function(page).run().run()
    assert not app.exception
    first, second = app.session_state["names"]
    assert (len(first), len(second)) == (1, 1)
    assert first != second
    assert app.session_state["called"] == [7, 7]


def test_a_part_comes_back_as_often_as_was_said(monkeypatch):
    fragments = []
    monkeypatch.setattr(polled.st, "fragment", lambda part, run_every: fragments.append((part.__qualname__, run_every)))

    def part() -> None:
        """Nothing."""

    polled.every(0.6, part)
    polled.every(3.0, part)
    assert [seconds for _name, seconds in fragments] == [0.6, 3.0]
    assert all(name.startswith(part.__qualname__) for name, _seconds in fragments)


def looking() -> None:
    """A part that is looked at again, by itself."""
    import streamlit as st

    from ui import polled

    polled.every(0.5, lambda: st.write("so far"))()


def test_whoever_has_waited_long_is_looked_after_less_often(monkeypatch):
    times = iter((100.0, 106.0))  # when the part began to come back, and when it was drawn
    monkeypatch.setattr(polled, "monotonic", lambda: next(times))
    sent: list[float] = []
    enqueue = ScriptRunContext.enqueue

    def listening(context: ScriptRunContext, message: ForwardMsg) -> None:
        if message.WhichOneof("type") == "auto_rerun":
            assert message.auto_rerun.fragment_id
            sent.append(message.auto_rerun.interval)
        enqueue(context, message)

    monkeypatch.setattr(ScriptRunContext, "enqueue", listening)
    app = AppTest.from_function(looking).run()
    assert not app.exception
    assert sent == [0.5, 1.5]
    assert [polled.pause(0.5, waited) for waited in (1, 2, 3.2, 6, 60)] == [0.5, 0.5, 0.8, 1.5, polled.SELDOM]
    assert polled.pause(3.0, 60) == 3.0  # a part that says more


def test_a_wait_of_a_minute_costs_a_few_dozen_looks_not_a_hundred():
    waited, looks = 0.0, 0
    while waited < 60:
        waited += polled.pause(0.5, waited)
        looks += 1
    assert looks < 40


def test_what_the_reader_asked_for_meanwhile_goes_before_drawing_the_page_anew(monkeypatch):
    class Stopped(Exception):
        """In place of what Streamlit raises where a newer question waits."""

    class State:
        def get(self, name: str) -> None:
            raise Stopped

    monkeypatch.setattr(polled.st, "session_state", State())
    monkeypatch.setattr(polled.st, "rerun", lambda: pytest.fail("the page was drawn anew"))
    with pytest.raises(Stopped):
        polled.anew()
