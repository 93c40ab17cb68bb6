"""A control or stepper of the stack, the output or the residual stream that is offered moves something: the figure, the
caption or the program; one that would not is left out."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from anatomy.control import Choice, Control, Slider, Switch
from anatomy.spec import ModelSpec
from anatomy.view import Fitted
from panels import load
from panels.panel import Panel
from tests import once
from tests.models.tiny import tiny_engine

STAGES = ("stack", "output", "residual")
PANELS = {name: panel for name, panel in load().items() if panel.stage in STAGES}
TEXTS = {"one token": "a", "the same word": "the the the", "many": "the cat, the hat and the bat"}


def elsewhere(view: Fitted, control: Control | str, spec: ModelSpec) -> Iterator[Fitted]:
    """The view with one control or place moved, each way that there is."""
    if isinstance(control, str):
        count = spec.layers if control == "layer" else spec.n_heads
        values = set(range(count)) - {getattr(view, control)}
        yield from (replace(view, **{control: value}) for value in values)
        return
    match control:
        case Choice():
            values = control.options
        case Switch():
            values = (True, False)
        case Slider():
            values = (control.low, control.high)
    yield from (replace(view, settings=view.with_setting(control, value).settings) for value in values)


def shown(panel: Panel, kind: str, view: Fitted) -> tuple[str, ...]:
    """What a reader sees: figure, caption and program."""
    engine = tiny_engine(kind)
    run = view.run(engine.spec)
    trace = engine.run(run, (*panel.needs(engine.spec, view), *panel.later(engine.spec, view)))
    drawn = once.described(panel, trace, view)
    return str(drawn), once.caption(panel, trace, view), panel.snippet(engine.spec, view)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS)
def test_what_is_offered_moves_something(panel: Panel, text: str) -> None:
    kind = next(kind for kind in ("llama", "bert", "bert-headless") if panel.closed(tiny_engine(kind).spec) is None)
    spec = tiny_engine(kind).spec
    views = [Fitted(text=text, layer=1, head=1, pos=len(text) - 1, length=len(text))]
    views += [
        replace(view, settings=view.with_setting(control, option).settings)
        for view in views
        for control in panel.controls
        if isinstance(control, Choice)
        for option in control.options[1:]
    ]
    for view in views:
        plain = shown(panel, kind, view)
        for control in (*panel.controls, *panel.places):
            moved = any(shown(panel, kind, other) != plain for other in elsewhere(view, control, spec))
            assert moved or control in panel.idle(spec, view), (
                f"{control} moves nothing of {panel.id} for {view.settings}"
            )


@pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS)
def test_what_is_left_out_moves_nothing_in_the_figure(panel: Panel) -> None:
    kind = next(kind for kind in ("llama", "bert", "bert-headless") if panel.closed(tiny_engine(kind).spec) is None)
    spec = tiny_engine(kind).spec
    for view in (
        Fitted(text="a", length=1),
        Fitted(text="ab ab", pos=0, length=5),
        Fitted(text="ab ab", pos=3, length=5),
    ):
        plain = shown(panel, kind, view)
        for control in panel.idle(spec, view):
            for other in elsewhere(view, control, spec):
                assert shown(panel, kind, other)[:2] == plain[:2], f"{control} moves {panel.id} at {view.pos}"
