"""The lens along the text: the window ends at the chosen token, every cell is the plain model's own best token; what
has not come yet is empty and said to be."""

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.output.output import PANEL as OUTPUT
from panels.stack.lens import LIMITS
from panels.stack.lensgrid import PANEL, WINDOW, read, window
from tests import once
from tests.models.tiny import HEADLESS, MODELS, tiny_engine
from tests.panels.made import made
from tests.snapshot import described
from ui.components.grid import pack
from viz.heatmap import heatmap

WITH_HEAD = [kind for kind in MODELS if kind not in HEADLESS]
NAMES = {5: "<five>", 6: "six", 7: "seven"}
VIEW = Fitted(layer=1, pos=1)


@pytest.fixture
def filled(answered):
    """(kind of tiny model, choices of the view) → the trace with all that fills the figure in, and the view."""

    def answer(kind: str = "llama", **choices) -> tuple[Trace, Fitted]:
        trace, view = answered(PANEL, kind, **choices)
        more = tiny_engine(kind).run(trace.run, PANEL.later(trace.spec, view))
        return trace.plus(more.arrays, more.names), view

    return answer


def small(words: str = "a b", ids: tuple[list[int], ...] = ([6, 5, 5], [7, 6, 5])):
    """The best token after each of three layers at every position, with probabilities of 12.5, 25 and 50 %."""
    logp = np.log([[0.125], [0.25], [0.5]])
    columns = {Want("lens_ids", pos=pos): np.array(column)[:, None] for pos, column in enumerate(ids)}
    return made(words, columns | {Want("lens_logp", pos=pos): logp for pos in range(len(ids))}, names=NAMES)


@pytest.mark.parametrize("kind", WITH_HEAD)
def test_the_picture_caption_and_table_of_every_family(kind, filled, picture):
    trace, view = filled(kind)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
def test_the_printed_program_finds_the_same_probabilities(kind, filled, program):
    trace, view = filled(kind, text="the cat, the café sat on the mat", pos=27)
    assert window(view) == range(12, 28)
    np.testing.assert_allclose(program(PANEL, trace, view, kind), once.figure(PANEL, trace, view).z, atol=1e-5)


@pytest.mark.parametrize("kind", WITH_HEAD)
def test_the_last_row_ends_with_the_models_own_answer(kind, answered):
    trace, view = answered(PANEL, kind)
    output, _ = answered(OUTPUT, kind)
    assert read(trace, view).best[-1, -1] == output[Want("next_ids", pos=view.pos)][0]


@pytest.mark.parametrize("kind", HEADLESS)
def test_a_model_without_a_head_has_no_lens(kind):
    reason = PANEL.applies(tiny_engine(kind).spec)
    assert reason
    assert reason == OUTPUT.applies(tiny_engine(kind).spec)


@pytest.mark.parametrize("most", [int(option) for option in WINDOW.options])
@pytest.mark.parametrize("pos", [0, 15, 16, 63, 64, 500, 8191])
def test_the_window_ends_at_the_chosen_token_and_stays_small(pos, most):
    view = Fitted(pos=pos, length=8192, settings=((WINDOW.name, str(most)),))
    assert window(view) == range(max(0, pos + 1 - most), pos + 1)
    assert len(PANEL.later(tiny_engine().spec, view)) == 2 * len(window(view))


def test_the_chosen_position_is_there_first_and_the_nearest_come_next():
    view = Fitted(pos=40)
    assert {want.pos for want in PANEL.needs(tiny_engine().spec, view)} == {40}
    assert list(dict.fromkeys(want.pos for want in PANEL.later(tiny_engine().spec, view))) == [*range(40, 24, -1)]


@pytest.mark.parametrize("there", [(), (24,), (24, 21, 12)])
def test_what_has_not_come_yet_is_empty_and_said_to_be(there, answered, filled):
    text = "the cat, the café sat on the mat"
    trace, view = answered(PANEL, text=text, pos=27)
    whole, _ = filled(text=text, pos=27)
    for want in PANEL.later(trace.spec, view):
        if want.pos in there:
            trace = trace.plus({want: whole[want]}, whole.names)
    columns = sorted(pos - window(view).start for pos in {*there, 27})
    grid, complete = once.figure(PANEL, trace, view), once.figure(PANEL, whole, view)
    assert np.flatnonzero(~np.isnan(grid.z).all(axis=0)).tolist() == columns
    np.testing.assert_allclose(grid.z[:, columns], complete.z[:, columns], rtol=1e-4)
    assert [word != "" for word in grid.inside or ()] == (~np.isnan(grid.z)).ravel().tolist()
    assert (grid.empty, grid.holes, complete.holes) == ("not computed yet", True, False)
    assert (grid.cols, grid.focus, grid.z.shape) == (complete.cols, complete.focus, complete.z.shape)
    told = f"Computed so far: {len(columns)} of 16 positions."
    assert once.caption(PANEL, trace, view).endswith(told)
    assert once.table(PANEL, trace, view).note == told
    assert {row[1] for row in once.table(PANEL, trace, view).rows} == {*there, 27}
    assert once.table(PANEL, whole, view).note is None
    assert "so far" not in once.caption(PANEL, whole, view)


def test_the_longest_window_travels_in_little(filled):
    trace, view = filled(text="word after word " * 4, pos=63, settings=((WINDOW.name, "64"),))
    assert len(window(view)) == 64
    grid = once.figure(PANEL, trace, view)
    assert grid.z.dtype == np.float32
    per_cell = len(pack(grid, once.caption(PANEL, trace, view))) / grid.z.size
    assert 30 * 64 * per_cell < 120_000, "bytes of thirty layers, as the default model has"
    assert len(once.table(PANEL, trace, view).rows) == grid.z.size


def test_a_cell_is_the_best_tokens_probability_and_the_focus_the_chosen_one():
    grid = once.figure(PANEL, small(), VIEW)
    np.testing.assert_allclose(grid.z, [[0.125, 0.125], [0.25, 0.25], [0.5, 0.5]], rtol=1e-6)
    assert (grid.cols, grid.focus, grid.low, grid.high) == (("a", "b"), (1, 1), 0, 1)
    assert once.figure(PANEL, small(), Fitted(layer=2, pos=0)).focus == (2, 0)


def test_the_token_stands_in_its_cell():
    grid = once.figure(PANEL, small(), VIEW)
    assert grid.inside == ("six", "seven", "<five>", "six", "<five>", "<five>")
    assert [list(row) for row in heatmap(grid).data[0].text][1] == ["&lt;five&gt;", "six"]


def test_the_caption_says_what_the_chosen_cell_names_and_since_when_the_final_tokens_lead():
    assert once.caption(PANEL, small(), VIEW) == (
        "After layer 1 the lens at “b” names “six” (25 %). 1 of 2 positions names its final token there. "
        "At half of them or more it leads for good from layer 1 on."
    )
    assert (
        once.caption(PANEL, small(), Fitted(layer=2, pos=0)) == "After layer 2 the lens at “a” names “<five>” (50 %)."
    )


def test_the_caption_says_when_the_text_is_longer_than_the_window():
    words = " ".join(f"w{i}" for i in range(17))
    trace = small(words, ([6, 5, 5],) * 17)
    told = once.caption(PANEL, trace, Fitted(layer=1, pos=16))
    assert told.endswith("Only the last 16 tokens up to the chosen one are read.")
    assert "Only" not in once.caption(PANEL, trace, Fitted(layer=1, pos=15))


def test_the_table_names_the_token_of_every_cell():
    rows = once.table(PANEL, small(), VIEW).rows
    assert [row[:5] for row in rows[2:4]] == [(1, 0, "a", "<five>", 5), (1, 1, "b", "six", 6)]
    assert len(rows) == 6


def test_the_formula_puts_the_chosen_cell_in():
    lines = once.formula(PANEL, small(), VIEW).splitlines()
    assert lines[-1] == LIMITS
    assert lines[1:-1] == [
        "after layer 1, position 1: p(“six”) = 0.250",
        "after layer 2, position 1: p(“<five>”) = 0.500",
    ]
