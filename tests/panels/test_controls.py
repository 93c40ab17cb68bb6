"""A control or stepper that is offered moves something: the figure, the caption or the program; one that would not is
left out."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from anatomy.control import Choice, Control, Place, Slider
from anatomy.spec import ModelSpec
from anatomy.view import Fitted, View
from models.local.engine import LocalEngine
from panels import load
from panels.answer import PanelAnswer
from panels.panel import Movable, Panel
from tests.models.tiny import tiny_engine
from tests.share import share

KINDS = ("llama", "gpt2", "bert", "mistral", "t5", "bert-headless")
TEXTS = ("the cat sat on", "the the the", "a")
PANELS = [panel for panel in load().values() if (panel.controls or panel.places) and panel.id != "bertviz"]
CASES = [
    (panel, kind, text)
    for text, kind, panel in product(TEXTS, KINDS, PANELS)
    if not panel.closed(tiny_engine(kind).spec)
]
IDS = [f"{panel.id}-{kind}-{text}" for panel, kind, text in CASES]


def opened(engine: LocalEngine, view: View) -> Fitted:
    """The view as panels are given it."""
    return view.fit(engine.spec, engine.run(view.run(engine.spec)).tokens)


def shown(panel: Panel, engine: LocalEngine, view: Fitted) -> tuple[str, str, str]:
    """What a reader sees: figure, caption and program."""
    trace = engine.run(view.run(engine.spec), (*panel.needs(engine.spec, view), *panel.later(engine.spec, view)))
    answer = PanelAnswer.of(panel, trace, view)
    with np.printoptions(threshold=sys.maxsize):
        return repr(answer.description), answer.caption, answer.python


def elsewhere(view: Fitted, moved: Movable, spec: ModelSpec) -> Iterator[Fitted]:
    """The view with one control or place moved: to each option, to the ends of a slider and between, to the next
    layer or head."""
    if isinstance(moved, str):
        count = spec.layers if moved == "layer" else spec.n_heads
        yield replace(view, **{moved: (getattr(view, moved) + 1) % count})
        return
    if isinstance(moved, Choice):
        values = moved.options
    elif isinstance(moved, Slider):
        halfway = moved.low + moved.step * round((moved.high - moved.low) / moved.step / 2)
        values = (moved.low, halfway, moved.high)
    else:
        values = (False, True)
    yield from (_with(view, moved, value) for value in values if value != view[moved])


def _with(view: Fitted, control: Control, value: str | bool | float) -> Fitted:
    return replace(view, settings=view.with_setting(control, value).settings)


def offered(panel: Panel, spec: ModelSpec, view: Fitted) -> list[Movable]:
    """The controls and steppers that stand above the figure."""
    idle = panel.idle(spec, view)
    controls = [control for control in panel.offered(spec, view) if not isinstance(control, Place)]
    return [*controls, *(place for place in panel.places if place not in idle)]


@pytest.mark.parametrize(("panel", "kind", "text"), share(CASES, 11, IDS))
def test_every_way_to_move_what_is_offered_changes_what_is_shown(panel, kind, text):
    engine = tiny_engine(kind)
    view = opened(engine, View(text=text))
    before = shown(panel, engine, view)
    for moved in offered(panel, engine.spec, view):
        for other in elsewhere(view, moved, engine.spec):
            assert shown(panel, engine, other) != before, f"{moved} changes nothing at {other.settings}"


@pytest.mark.parametrize(("panel", "kind", "text"), share(CASES, 17, IDS))
def test_as_a_panel_is_set_what_is_offered_moves_something_and_what_is_left_out_nothing_in_the_figure(
    panel, kind, text
):
    engine = tiny_engine(kind)
    spec, views = (
        engine.spec,
        [opened(engine, View(text=text, layer=1, head=1)), opened(engine, View(text=text, pos=0))],
    )
    choices = [control for control in panel.controls if isinstance(control, Choice) and not isinstance(control, Place)]
    views += [_with(views[0], control, option) for control in choices for option in control.options[1:]]
    for view in views:
        plain = shown(panel, engine, view)
        for moved in offered(panel, spec, view):
            others = elsewhere(view, moved, spec)
            assert any(shown(panel, engine, other) != plain for other in others), f"{moved} at {view.settings}"
        for idle in panel.idle(spec, view):
            for other in elsewhere(view, idle, spec):
                assert shown(panel, engine, other)[:2] == plain[:2], f"{idle} at {view.settings}"
