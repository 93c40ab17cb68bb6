"""Long texts, every panel: what it asks for has a bound, what it sends too, and the chosen token stays in sight."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from math import prod

import pytest

from anatomy.control import Choice, Control, Slider, Switch
from anatomy.measure import POOLED
from anatomy.request import Want
from anatomy.sites import axes_of
from anatomy.spec import ModelSpec, Rope
from anatomy.trace import Trace
from anatomy.view import Fitted, View
from bench.views import wired
from panels import load
from panels.common.columns import ROWS
from panels.panel import Figure, Panel
from tests import once
from tests.models.long import LONGEST, long_engine, text_of
from tests.share import share
from viz.chips import Chips
from viz.grid import Grid
from viz.heads import Heads

pytestmark = pytest.mark.slow

PANELS = {name: panel for name, panel in load().items() if name != "stored"}  # that is a file's, whatever the text
WIRE, ARRAYS = 250_000, 128 << 20  # bytes
LONG = 2_100
PLACED = ("tokens", "tokenizers", "similarity", "position", "attention")  # panels in whose figure a token is chosen
_LENGTHS = {"k": 8, "m": 5, "row": POOLED, "col": POOLED, "event": 4, "byte": 4, "chat": 1}


def kinds_of(panel: Panel) -> tuple[str, ...]:
    """The first of the tiny families that has what the panel shows; all of them where positions are what is shown."""
    having = [kind for kind in ("llama", "gpt2", "t5") if panel.applies(long_engine(kind).spec) is None]
    assert having, f"no tiny model that reads long texts has what {panel.id} shows"
    return tuple(having if panel.stage == "position" else having[:1])


def settings(panel: Panel) -> Iterator[tuple[Control, str | bool | float]]:
    """Every setting of every control that the panel does not open with, each by itself."""
    for control in panel.controls:
        for value in _values(control):
            if value != control.default:
                yield control, value


def _values(control: Control) -> tuple[str | bool | float, ...]:
    match control:
        case Choice():
            return control.options
        case Switch():
            return False, True
        case Slider():
            return control.low, control.high


def views(panel: Panel, start: Fitted) -> Iterator[Fitted]:
    """The view as it opens, then under every other setting."""
    yield start
    for control, value in settings(panel):
        changed = start.with_setting(control, value)
        assert isinstance(changed, Fitted)
        yield changed


@cache
def fitted(kind: str, tokens: int, pos: int) -> Fitted:
    engine, chosen = long_engine(kind), View(text=text_of(tokens), pos=pos, layer=1, head=1)
    return chosen.fit(engine.spec, engine.run(chosen.run(engine.spec)).tokens)


def quick(panel: Panel, kind: str) -> bool:
    """Whether its arrays at 8,192 tokens take no pass over every attention weight."""
    wants = panel.needs(long_engine(kind).spec, fitted(kind, LONG, 900))
    return kind != "t5" and not any(want.site.startswith("head_") for want in wants)


CASES = [(panel, kind) for panel in PANELS.values() for kind in kinds_of(panel)]
SHOWN = [(panel, kind, LONG) for panel, kind in CASES]
SHOWN += [(panel, kind, LONGEST) for panel, kind in CASES if quick(panel, kind)]
# Every second one, panels and lengths in turn.
OF_EACH = [
    pytest.param(case.values, id=case.id, marks=case.marks)
    for case in share(SHOWN, 2, [f"{panel.id}-{kind}-{tokens}" for panel, kind, tokens in SHOWN])
]


@pytest.fixture(scope="module", params=OF_EACH)
def answer(request: pytest.FixtureRequest) -> tuple[Panel, Trace, Fitted]:
    """A panel with what it asked for of a long text, the chosen token somewhere in it."""
    panel, kind, tokens = request.param
    engine, view = long_engine(kind), fitted(kind, tokens, tokens * 5 // 7)
    return panel, engine.run(view.run(engine.spec), panel.needs(engine.spec, view)), view


def test_a_long_text_is_drawn_in_what_a_browser_can_take(answer: tuple[Panel, Trace, Fitted]) -> None:
    panel, trace, view = answer
    caption = once.caption(panel, trace, view)
    assert caption.endswith(".")
    assert len(caption) < 3_000
    assert sent(once.described(panel, trace, view), caption) <= WIRE


@pytest.mark.parametrize(("panel", "kind"), share(CASES, 3, [f"{panel.id}-{kind}" for panel, kind in CASES]))
def test_every_setting_of_a_long_text_is_drawn_in_as_little(panel: Panel, kind: str) -> None:
    engine = long_engine(kind)
    for view in views(panel, fitted(kind, LONG, 1_500)):
        trace = engine.run(view.run(engine.spec), panel.needs(engine.spec, view))
        caption = once.caption(panel, trace, view)
        assert sent(once.described(panel, trace, view), caption) <= WIRE, view.settings


def sent(figure: Figure, caption: str) -> int:
    """Bytes that depend on the text: BertViz's scripts, the same for every one, apart."""
    scripts = sum(len(script.encode()) for script in figure.scripts()) if isinstance(figure, Heads) else 0
    return wired(figure, caption) - scripts


def test_a_table_of_a_long_text_has_a_bound_and_says_so(answer: tuple[Panel, Trace, Fitted]) -> None:
    panel, trace, view = answer
    table = once.table(panel, trace, view)
    assert 0 < len(table.rows) <= ROWS
    assert once.formula(panel, trace, view).strip()
    if len(table.rows) == ROWS:
        assert table.note


def test_the_chosen_token_is_in_the_focus_of_a_long_texts_figure(answer: tuple[Panel, Trace, Fitted]) -> None:
    panel, trace, view = answer
    place = chosen_place(once.described(panel, trace, view))
    turned = panel.id == "position" and isinstance(trace.spec.position, Rope)  # shown by the angles of one rotation
    assert (place is not None) == (panel.id in PLACED and not turned)
    assert place is None or abs(place - view.pos) <= len(trace.tokens) // POOLED + 1


def chosen_place(figure: Figure) -> int | None:
    """The token that the figure's focus means; None where choosing in it does not mean a token."""
    if isinstance(figure, Chips) and (figure.of_text or figure.places):
        assert figure.focus is not None
        return figure.place(figure.focus)
    if isinstance(figure, Grid) and figure.selects in ("cell", "token"):
        assert figure.focus is not None
        meant = figure.place(figure.focus)
        return None if meant is None else meant[0]
    return None


# what is asked for


def as_large_as_smollm2(spec: ModelSpec) -> ModelSpec:
    """The same kind of model in the default model's sizes."""
    stacks = tuple(replace(stack, layers=30) for stack in spec.stacks)
    sizes = {"d_model": 576, "n_heads": 9, "n_kv": 3, "d_head": 64, "d_ff": 1_536, "vocab": 49_152}
    return replace(spec, stacks=stacks, max_pos=LONGEST, **sizes)


def size(spec: ModelSpec, want: Want, tokens: int) -> int:
    """Bytes of one wanted array, its numbers in four bytes; thumbnails in one."""
    sizes = _LENGTHS | spec.sizes(want.stack) | {"pos": tokens, "src": tokens, "byte": 4 * tokens, "chat": tokens}
    if want.site == "head_maps":
        return prod((sizes | {"row": 32, "col": 32})[axis] for axis in axes_of(want))
    return 4 * prod(sizes[axis] for axis in axes_of(want))


@pytest.mark.parametrize("tokens", [LONG, LONGEST])
@pytest.mark.parametrize(("panel", "kind"), CASES, ids=[f"{panel.id}-{kind}" for panel, kind in CASES])
def test_what_a_panel_asks_for_of_a_long_text_has_a_bound(panel: Panel, kind: str, tokens: int) -> None:
    spec = as_large_as_smollm2(long_engine(kind).spec)
    start = replace(fitted(kind, LONG, 900), length=tokens, layer=17, head=5)
    for view in views(panel, start):
        wants = dict.fromkeys(panel.needs(spec, view))
        largest = {str(want): size(spec, want, tokens) for want in wants}
        assert sum(largest.values()) <= ARRAYS, sorted(largest.items(), key=lambda found: -found[1])[:3]
