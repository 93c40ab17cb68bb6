"""The attention map of a long text: cells and windows of the model's own weights, and the way between them."""

import re
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from transformers import AutoModelForCausalLM, Qwen2Config

from anatomy.measure import POOLED, edges
from anatomy.request import Want
from anatomy.view import Fitted, View
from models.local.engine import LocalEngine
from panels.attention.attention import MOST_COMPARED, PANEL
from panels.attention.attention_long import CELLS, visible, window
from panels.attention.attention_map import idle, most_joined
from panels.attention.attention_shown import MEASURE
from panels.attention.head_kinds import KINDS
from panels.common.shared import FIRST, WORDS
from panels.common.zoomed import MOVED, NEAR, NEARER, ZOOM
from tests import once
from tests.models.long import LONGEST, long_engine, text_of
from tests.models.tiny import MODELS, MOST_PARAMETERS, ByteTokenizer, randomize, tiny_config
from tests.panels.long_texts import TOKENS, asked, library, result
from tests.snapshot import described
from ui.components.grid import pack
from ui.figure import at_cell
from viz.heatmap import heatmap
from viz.sight import OVERVIEW

MODES = {
    "largest": (),
    "mean": (("pool", "mean"),),
    "without first": (("first", "0"),),
    "log": (("scale", "log"),),
    "lengths": (("measure", "value"),),
    "mean lengths without first": (("first", "0"), ("measure", "value"), ("pool", "mean")),
    "near": (("zoom", NEAR),),
    "near without first": (("first", "0"), ("zoom", NEAR)),
    "nearer lengths": (("measure", "value"), ("zoom", NEARER)),
    "words": (("words", "1"),),
    "lengths of words without first": (("first", "0"), ("measure", "value"), ("words", "1")),
}


# the numbers


@pytest.mark.parametrize("kind", ["llama", "gpt2", "t5"])
@pytest.mark.parametrize("how", ["max", "mean"])
def test_each_cell_pools_the_librarys_own_weights(kind, how):
    trace, view = asked(kind=kind, settings=(("pool", how),))
    cut, weights = edges(TOKENS, POOLED), library(kind)
    expected = [[getattr(weights[a:b, c:d], how)() for c, d in pairwise(cut)] for a, b in pairwise(cut)]
    grid = once.figure(PANEL, trace, view)
    assert grid.z.shape == (POOLED, POOLED)
    np.testing.assert_allclose(np.nan_to_num(grid.z), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "t5"])
def test_a_window_holds_the_librarys_own_weights_pair_by_pair(kind):
    trace, view = asked(kind=kind, pos=280, src=30, settings=(("zoom", NEARER),))
    top, bottom, left, right = window(view)
    assert (bottom - top, right - left) == (64, 64)
    grid = once.figure(PANEL, trace, view)
    np.testing.assert_allclose(np.nan_to_num(grid.z), library(kind)[top:bottom, left:right], atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "t5"])
@pytest.mark.parametrize("settings", [mode for name, mode in MODES.items() if name != "log"])
def test_the_printed_program_finds_the_same_numbers(kind, settings, tmp_path):
    trace, view = asked(kind=kind, settings=settings)
    found = result(PANEL, kind, trace, view, tmp_path)
    np.testing.assert_allclose(
        np.nan_to_num(found), np.nan_to_num(once.figure(PANEL, trace, view).z), atol=1e-5, rtol=1e-4
    )


def test_without_the_first_token_a_window_has_shares_of_the_rest():
    trace, view = asked(pos=200, src=190, settings=(("first", "0"), ("zoom", NEAR)))
    whole = library("llama")
    expected = np.nan_to_num(whole[:, 1:] / np.maximum(1 - whole[:, :1], 1e-9))
    grid = once.figure(PANEL, trace, view)
    top, bottom, left, right = window(view)
    np.testing.assert_allclose(np.nan_to_num(grid.z), expected[top:bottom, left - 1 : right - 1], atol=1e-4)


def test_without_the_first_token_cells_begin_with_the_second_and_keep_the_models_weights():
    trace, view = asked(settings=(("first", "0"),))
    grid = once.figure(PANEL, trace, view)
    assert grid.cols[0].startswith("1")
    assert np.nanmax(grid.z) == pytest.approx(library("llama")[:, 1:].max(), abs=1e-5)
    assert "Its cells, without the first token, keep the model's own weights." in once.caption(PANEL, trace, view)


@pytest.mark.parametrize("kind", MODELS)
def test_cells_are_empty_where_the_mask_forbids_all_their_pairs(kind, answered):
    trace, view = answered(PANEL, kind)
    n = len(trace.tokens)
    allowed = np.isfinite(trace[Want("scores", view.layer)][view.head])
    for side in (n, 7):
        cut = edges(n, side)
        met = [[allowed[a:b, c:d].any() for c, d in pairwise(cut)] for a, b in pairwise(cut)]
        np.testing.assert_array_equal(visible(trace.spec.stack().causal, trace.spec.window, cut, cut), met)


@cache
def sliding_engine() -> LocalEngine:
    """A tiny model whose first layer looks back to the start; the others have a window of 40 tokens."""
    fields = tiny_config("qwen2").to_dict() | {"max_position_embeddings": 512, "layer_types": None}
    window = {"use_sliding_window": True, "sliding_window": 40, "max_window_layers": 1}
    model = AutoModelForCausalLM.from_config(Qwen2Config(**fields | window), attn_implementation="eager").eval()
    randomize(model)
    assert sum(weight.numel() for weight in model.parameters()) < MOST_PARAMETERS
    return LocalEngine(model, ByteTokenizer(), name="sliding")


@pytest.mark.parametrize("pos", [10, 299])
@pytest.mark.parametrize("settings", [(), (("pool", "mean"),), (("zoom", NEAR),), (("zoom", NEARER),)])
@pytest.mark.parametrize("layer", [0, 1])
def test_cells_outside_of_a_layers_own_window_are_empty(layer, settings, pos):
    engine = sliding_engine()
    assert engine.spec.window is None, "the spec has a window only where all layers have one"
    chosen = View(text=text_of(100), layer=layer, head=2, pos=pos, src=pos // 2, settings=settings)
    run = chosen.run(engine.spec)
    view = chosen.fit(engine.spec, engine.run(run).tokens)
    assert view.length == 300
    trace = engine.run(run, PANEL.needs(engine.spec, view))
    grid, scores = once.figure(PANEL, trace, view), Want("scores", layer)
    allowed = np.isfinite(engine.run(run, [scores])[scores][2])
    assert allowed[-1].sum() == (300 if layer == 0 else 40)
    met = [[allowed[a:b, c:d].any() for c, d in pairwise(grid.part.cols)] for a, b in pairwise(grid.part.rows)]
    np.testing.assert_array_equal(~np.isnan(grid.z), met)


def test_the_chosen_rows_numbers_are_exact_whatever_the_map_shows():
    for settings in ((), (("pool", "mean"),), (("zoom", NEARER),)):
        trace, view = asked(pos=250, settings=settings)
        numbers = once.table(PANEL, trace, view)
        np.testing.assert_allclose([row[3] for row in numbers.rows], library("llama")[250, :251], atol=1e-6)
        assert numbers.rows[-1][-1] == pytest.approx(1)


# what is asked for and sent


@pytest.mark.parametrize("tokens", [TOKENS, MOST_COMPARED + 1, LONGEST])
@pytest.mark.parametrize("settings", MODES.values(), ids=MODES)
def test_no_array_of_all_pairs_is_asked_for_but_for_words(tokens, settings):
    spec = long_engine("llama").spec
    view = Fitted(layer=1, head=2, pos=200, length=tokens, settings=settings)
    words = dict(settings).get("words") and tokens <= most_joined(spec)
    whole = [w for w in PANEL.needs(spec, view) if w.site in ("pattern", "scores", "contribution") and w.pos is None]
    assert bool(whole) == bool(words)
    compared = [want for want in PANEL.needs(spec, view) if want.site.startswith("head_")]
    assert bool(compared) == (tokens <= MOST_COMPARED)


@pytest.mark.parametrize("settings", MODES.values(), ids=MODES)
def test_a_long_texts_map_travels_in_little(settings):
    trace, view = asked(tokens=1280, settings=settings)
    assert len(pack(once.figure(PANEL, trace, view), once.caption(PANEL, trace, view))) < 120_000


# cells and windows, and the way between them


@pytest.mark.parametrize("side", [NEAR, NEARER])
def test_a_window_holds_the_chosen_pair_and_stays_while_the_choice_moves_a_little(side):
    size = int(side)
    start = Fitted(length=LONGEST, pos=4000, src=10, settings=(("zoom", side),))
    for pos in range(0, LONGEST, 97):
        top, bottom, left, right = window(replace(start, pos=pos))
        assert 0 <= top <= pos < bottom <= LONGEST
        assert bottom - top == right - left == size
        assert pos - top >= size // 4 or top == 0
        assert bottom - pos > size // 4 or bottom == LONGEST
    block = 4000 // (size // 2) * (size // 2)
    same = {window(replace(start, pos=pos))[:2] for pos in range(block, block + size // 2)}
    assert len(same) == 1


def test_the_chosen_pair_is_marked_in_the_whole_and_in_the_window():
    for settings in ((), (("zoom", NEAR),), (("zoom", NEARER),)):
        trace, view = asked(tokens=1280, pos=777, src=321, settings=settings)
        grid = once.figure(PANEL, trace, view)
        row, col = grid.focus
        assert grid.part.rows[row] <= 777 < grid.part.rows[row + 1]
        assert grid.part.cols[col] <= 321 < grid.part.cols[col + 1]
        assert grid.place(grid.focus) == (777, 321)


def test_a_window_without_a_chosen_key_lies_around_the_token_itself_and_marks_what_gets_most_there():
    trace, view = asked(tokens=1280, pos=777, settings=(("zoom", NEARER),))
    grid = once.figure(PANEL, trace, view)
    top, bottom, left, right = window(view)
    assert (top, bottom) == (left, right)
    assert grid.focus[1] == np.nanargmax(grid.z[grid.focus[0]])


def test_a_click_on_a_cell_opens_its_window_and_escape_closes_it():
    trace, view = asked(tokens=1280, pos=777, src=321)
    whole = once.figure(PANEL, trace, view)
    assert whole.opens is not None
    opened = at_cell(View(), whole, (100, 50), "open")
    near = opened.fit(trace.spec, trace.tokens)
    assert near[ZOOM] == NEAR
    top, bottom, left, right = window(near)
    assert top <= whole.part.rows[100] < whole.part.rows[101] <= bottom
    assert left <= whole.part.cols[50] < whole.part.cols[51] <= right
    back = at_cell(
        opened,
        once.figure(PANEL, *asked(tokens=1280, **{"pos": near.pos, "src": near.src}, settings=near.settings)),
        (0, 0),
        "leave",
    )
    assert back[ZOOM] == "whole"
    assert once.figure(PANEL, *asked(tokens=1280, pos=back.pos, src=back.src)).focus == (100, 50)


@pytest.mark.parametrize("side", [NEAR, NEARER, "32"])
def test_a_moved_window_stays_until_a_token_is_chosen_that_it_does_not_hold(side):
    size, settings = int(side), (("at", "2000.900.4000"), ("zoom", side))
    away = Fitted(length=LONGEST, pos=4000, src=10, settings=settings)
    lies = (2000 - size // 2, 2000 + size // 2, 900 - size // 2, 900 + size // 2)
    assert window(away) == lies, "the token is chosen from which it was moved away"
    assert window(replace(away, pos=2001, src=899)) == lies, "it holds both"
    follows = replace(away, settings=(("zoom", side),))
    for pos, src in ((4001, 10), (2001, 10), (4001, 900), (5, None)):
        assert window(replace(away, pos=pos, src=src)) == window(replace(follows, pos=pos, src=src))


@pytest.mark.parametrize("place", ["0.0.5", "8191.0.5", "99999.99999.5"])
def test_a_window_moved_over_the_end_lies_at_the_end(place):
    view = Fitted(length=LONGEST, pos=5, settings=(("at", place), ("zoom", NEARER)))
    top, bottom, left, right = window(view)
    assert 0 <= top < bottom == top + 64 <= LONGEST
    assert 0 <= left < right == left + 64 <= LONGEST


def test_a_moved_window_holds_the_librarys_weights_and_the_whole_beside_it_the_largest_of_each_cell():
    trace, view = asked(pos=290, src=20, settings=(("at", "150.100.290"), ("zoom", NEARER)))
    grid, weights = once.figure(PANEL, trace, view), library("llama")
    assert grid.part.window == (118, 182, 68, 132)
    assert (grid.focus, view[MOVED]) == (None, "150.100.290")
    np.testing.assert_allclose(np.nan_to_num(grid.z), weights[118:182, 68:132], atol=1e-5)
    assert grid.sight is not None
    cut = edges(TOKENS, POOLED)[edges(POOLED, OVERVIEW)]
    cells = [[weights[a:b, c:d].max() for c, d in pairwise(cut)] for a, b in pairwise(cut)]
    np.testing.assert_allclose(np.nan_to_num(grid.sight.whole), cells, atol=1e-5)
    assert grid.sight.pooled == "the whole text; each cell: the largest of up to 3 × 3 pairs"
    assert (grid.sight.level, grid.sight.sides) == (3, (300, 256, 128, 64, 32))


def test_a_row_that_a_moved_window_does_not_show_is_told_in_full():
    near = once.table(PANEL, *asked(pos=290, settings=(("at", "150.100.290"), ("zoom", NEARER))))
    assert near.rows == once.table(PANEL, *asked(pos=290)).rows
    told = [once.caption(PANEL, *asked(pos=290, settings=s)) for s in ((), (("at", "150.100.290"), ("zoom", NEARER)))]
    assert told[0].partition(" The map of")[0] == told[1].partition(" Shown pair by pair")[0]


def test_labels_of_cells_are_ranges_and_those_of_windows_tokens_with_their_places():
    whole = once.figure(PANEL, *asked(tokens=1280))
    assert whole.rows[:2] == ("0–4", "5–9")
    near = once.figure(PANEL, *asked(tokens=1280, pos=800, src=20, settings=(("zoom", NEAR),)))
    assert near.rows[0] == f"{near.part.rows[0]} {asked(tokens=1280)[0].tokens[near.part.rows[0]].label}"
    assert (whole.measure, near.measure) == ("largest weight", None)


# what is said


def test_the_caption_says_how_cells_came_about():
    told = once.caption(PANEL, *asked(tokens=1280))
    assert "The map of 1,280 tokens has 256 cells a side: each shows the largest of the up to 5 × 5 pairs" in told
    assert "Masked" not in told
    told = once.caption(PANEL, *asked(tokens=1280, settings=(("pool", "mean"),)))
    assert "each shows the mean of the up to 5 × 5 pairs of tokens that it covers. Masked pairs count as 0" in told
    assert "Masked" not in once.caption(PANEL, *asked(kind="t5", settings=(("pool", "mean"),)))


def test_the_caption_of_a_window_says_where_it_lies():
    told = once.caption(PANEL, *asked(tokens=1280, pos=800, src=20, settings=(("zoom", NEAR),)))
    assert "Shown pair by pair: positions 704–959 looking at 0–255, of 1,280 tokens" in told
    assert re.search(r"“·\w\w” \(800\) gives \S+ % of its attention to “·\w\w” \(20\)", told)


def test_the_formula_ends_with_the_cell_that_covers_the_chosen_pair():
    trace, view = asked(pos=250, src=100)
    last = once.formula(PANEL, trace, view).splitlines()[-1]
    found = re.fullmatch(
        r"in the map: positions (\d+)(?:–(\d+))? looking at (\d+)(?:–(\d+))?, \d+ pairs?: largest weight (\S+)", last
    )
    assert found is not None, last
    top, bottom, left, right = (int(found[i] or found[i - 1]) for i in range(1, 5))
    assert top <= 250 <= bottom
    assert left <= 100 <= right
    largest = library("llama")[top : bottom + 1, left : right + 1].max()
    assert float(found[5]) == pytest.approx(largest, rel=5e-3)


def test_in_a_very_long_text_heads_are_compared_only_where_their_scores_are_there():
    trace, view = asked(tokens=1100)
    assert "Among all" not in once.caption(PANEL, trace, view)
    best = np.zeros((3, 4), np.float32)
    best[view.layer, view.head] = 1
    assert "Among all 12 heads this one copies most" in once.caption(
        PANEL,
        trace.plus(
            {Want("head_induction"): best, **{k.want: 1 - best for k in KINDS.values() if k.slug != "induction"}}
        ),
        view,
    )


def test_words_are_said_to_be_off_in_a_text_that_is_too_long_for_them():
    trace, view = asked(tokens=1100, settings=(("words", "1"),))
    plain = replace(view, settings=())
    assert once.caption(PANEL, trace, view).startswith(once.caption(PANEL, trace, plain))
    assert once.caption(PANEL, trace, view).endswith(
        "Words are shown in texts of up to 1,024 tokens, as every pair of tokens is needed for them."
    )
    np.testing.assert_array_equal(once.figure(PANEL, trace, view).z, once.figure(PANEL, trace, plain).z)


def test_why_words_are_not_offered_stands_with_the_numbers_of_a_text_that_is_too_long():
    assert (
        once.formula(PANEL, *asked(tokens=1100)).splitlines()[-1].startswith("Words are shown in texts of up to 1,024")
    )
    assert "Words are shown" not in once.formula(PANEL, *asked())


def test_controls_that_change_nothing_are_left_out():
    spec = long_engine("llama").spec
    cases = {
        (12, ()): {ZOOM, CELLS},
        (300, ()): set(),
        (300, (("zoom", NEAR),)): {CELLS},
        (300, (("words", "1"),)): {ZOOM, CELLS},
        (2000, ()): {WORDS},
        (2000, (("words", "1"), ("zoom", NEAR))): {WORDS, CELLS},
    }
    for (length, settings), expected in cases.items():
        assert set(idle(spec, Fitted(length=length, settings=settings))) == expected
    assert {FIRST, MEASURE} < set(PANEL.controls)


def test_a_table_of_very_many_tokens_lists_those_that_get_most_and_says_so():
    trace, view = asked(tokens=2100, pos=2099)
    numbers = once.table(PANEL, trace, view)
    assert len(numbers.rows) == 2000
    assert numbers.note == "Listed are the 2,000 tokens that get most, of the 2,100 that this one may see."
    left_out = set(range(2100)) - {row[0] for row in numbers.rows}
    least = min(row[3] for row in numbers.rows)
    pattern = trace[Want("pattern", view.layer, pos=2099)][view.head]
    assert max(pattern[src] for src in left_out) <= least


# pictures


@pytest.mark.parametrize("name", ["largest", "near without first"])
def test_the_picture_and_caption(name, picture):
    trace, view = asked(pos=290, src=20, settings=(*MODES[name],))
    grid = once.figure(PANEL, trace, view)
    told = described(grid)
    told["z"] = told["z"][-3:]  # the last rows: all would be 2 MB
    assert {
        "figure": told,
        "says": once.caption(PANEL, trace, view),
        "formula": once.formula(PANEL, trace, view),
    } == picture


@pytest.mark.parametrize("dark", [False, True])
def test_an_exported_map_of_cells_prints_what_they_cover_when_pointed_at(dark):
    figure = heatmap(once.figure(PANEL, *asked()), dark)
    assert figure.data[0].x[1] == once.figure(PANEL, *asked()).cols[1]
    assert "largest weight" in figure.data[0].hovertemplate
    assert len(figure.layout.xaxis.ticktext) <= 40
    assert figure.layout.xaxis.ticktext[0] == "0"
