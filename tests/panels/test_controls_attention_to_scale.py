"""A control that is offered does something: each of its values changes the figure, the caption or the program."""

import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from anatomy.control import Choice, Control, Place, Slider
from anatomy.view import Fitted, View
from models.local.engine import LocalEngine
from panels import load
from panels.answer import PanelAnswer
from panels.panel import Panel
from tests.models.tiny import tiny_engine
from tests.share import share

STAGES = ("tokens", "embedding", "position", "attention", "ffn", "scale")
PANELS = [panel for panel in load().values() if panel.stage in STAGES and panel.id != "bertviz"]
MOVED = [panel for panel in PANELS if panel.controls or panel.places]
TEXTS = ("the cat sat on", "the the the", "a")
CASES = [
    (panel, kind, text)
    for text in TEXTS
    for kind in ("llama", "gpt2", "bert", "mistral", "t5")
    for panel in MOVED
    if not panel.closed(tiny_engine(kind).spec)
]


def shown(panel: Panel, engine: LocalEngine, view: Fitted) -> tuple[str, str, str]:
    """Figure, caption and program as text."""
    answer = PanelAnswer.of(panel, engine.run(view.run(engine.spec), panel.needs(engine.spec, view)), view)
    with np.printoptions(threshold=sys.maxsize):
        return repr(answer.description), answer.caption, answer.python


def values(control: Control) -> tuple[str | bool | float, ...]:
    """What it can be set to; of a slider the ends and a number between."""
    if isinstance(control, Choice):
        return control.options
    if isinstance(control, Slider):
        return control.low, (control.low + control.high) // 2, control.high
    return False, True


def moves(panel: Panel, engine: LocalEngine, view: Fitted) -> Iterator[tuple[str, Fitted]]:
    """(name of what is moved, the view then) for everything that stands above the figure and is moved elsewhere."""
    for control in panel.offered(engine.spec, view):
        if not isinstance(control, Place):
            for value in values(control):
                if value != view[control]:
                    yield (
                        f"{control.name} = {value}",
                        replace(view, settings=view.with_setting(control, value).settings),
                    )
    for place in panel.places:
        count = engine.spec.layers if place == "layer" else engine.spec.n_heads
        yield f"another {place}", replace(view, **{place: (getattr(view, place) + 1) % count})


@pytest.mark.parametrize(
    ("panel", "kind", "text"), share(CASES, 4, [f"{panel.id}-{kind}-{text}" for panel, kind, text in CASES])
)
def test_whatever_is_offered_changes_what_is_shown(panel, kind, text):
    engine, chosen = tiny_engine(kind), View(text=text)
    view = chosen.fit(engine.spec, engine.run(chosen.run(engine.spec)).tokens)
    before, tried = shown(panel, engine, view), 0
    for name, moved in moves(panel, engine, view):
        tried += 1
        assert shown(panel, engine, moved) != before, f"{name} changes nothing"
    assert tried or not panel.places
