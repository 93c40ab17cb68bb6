"""The map of the embedding table: each row once, the same plane as plain transformers gives, captions from numbers."""

import numpy as np
import pytest

from anatomy.measure import principal_plane
from anatomy.request import Want
from anatomy.view import Fitted
from panels.embedding.embedding import MOST_WITH_NEIGHBOURS, NEAR, PANEL, read
from tests import once
from tests.models.tiny import MODELS
from tests.panels.made import made
from tests.snapshot import described

VIEW = Fitted(pos=2)
ROWS = {0: (1, 0), 1: (0, 1), 10: (1, 0.1), 11: (0.9, 0.3), 12: (0.2, 1)}
NEAREST = {0: (10, 11), 1: (12, 11)}
NAMES = {10: "near-a", 11: "between", 12: "<b>near</b>"}


def small(words: str = "a b a"):
    """A trace of a table with five rows of two numbers (and six zeros)."""
    ids = [sorted(set(words.split())).index(word) for word in words.split()]
    rows = {row: np.array([*place, 0, 0, 0, 0, 0, 0], "f4") for row, place in ROWS.items()}
    return made(
        words,
        {
            Want("tok_embed"): [rows[row] for row in ids],
            Want("near_ids"): [NEAREST[row] for row in ids],
            Want("near_rows"): [[rows[near] for near in NEAREST[row]] for row in ids],
        },
        names=NAMES,
    )


def showing(count: int) -> Fitted:
    view = VIEW.with_setting(NEAR, count)
    return Fitted(**vars(view))


@pytest.mark.parametrize("kind", MODELS)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "bert-headless", "t5"])
@pytest.mark.parametrize("near", ["0", "3", "8"])
def test_the_printed_program_finds_the_same_places(kind, near, answered, program):
    trace, view = answered(PANEL, kind, settings=(("near", near),))
    np.testing.assert_allclose(program(PANEL, trace, view, kind), read(trace, view).flat, atol=1e-4)


def test_every_row_stands_once_and_says_how_often_it_occurs():
    figure = once.figure(PANEL, small(), VIEW)
    assert sum(len(trace.x) for trace in figure.data) == len(ROWS)
    assert "<b>a ×2</b>" in [label.text for label in figure.layout.annotations]


def test_the_chosen_token_its_neighbours_the_text_and_the_rest_are_told_apart():
    plane = read(small(), VIEW)
    assert dict(zip(plane.labels, plane.ranks, strict=True)) == {
        "a": "chosen",
        "b": "text",
        "near-a": "near",
        "between": "near",
        "<b>near</b>": "faint",
    }


def test_a_neighbour_that_stands_in_the_text_is_not_drawn_twice():
    trace = small()
    both = trace.plus({Want("near_ids"): np.array([[1, 10]] * 3), Want("near_rows"): trace[Want("near_rows")]})
    plane = read(both, VIEW)
    assert plane.ids == (0, 1, 10)
    assert plane.ranks[1] == "near"
    np.testing.assert_allclose(plane.cosines[1], 0, atol=1e-7)


def test_the_axes_are_named_with_their_share_of_the_variance():
    trace = small()
    _, (first, second) = principal_plane(np.array(list(ROWS.values()), float))
    layout = once.figure(PANEL, trace, VIEW).layout
    assert layout.xaxis.title.text == f"PC 1 · {100 * first:.0f} % of the variance"
    assert first + second == pytest.approx(1)
    assert "100 %" in once.caption(PANEL, trace, VIEW)


def test_the_caption_names_the_nearest_row_and_counts_what_is_drawn():
    told = once.caption(PANEL, small(), VIEW)
    assert told.startswith(
        "“a” is row 0 of 50; the row that points most nearly its way is that of “near-a” (cosine 1.00)"
    )
    assert "2 tokens of the text and 3 neighbours from the rest of the vocabulary" in told
    assert "2 tokens of the text, each once" in once.caption(PANEL, small(), showing(0))


def test_the_caption_follows_the_chosen_token():
    told = once.caption(PANEL, small(), Fitted(pos=1))
    assert told.startswith("“b” is row 1 of 50")
    assert "“<b>near</b>” (cosine 0.98)" in told


def test_in_a_long_text_only_the_chosen_tokens_neighbours_are_drawn():
    words = [f"w{i}" for i in range(MOST_WITH_NEIGHBOURS + 1)]
    rows = np.random.default_rng(0).normal(size=(len(words), 8))
    near = np.arange(100, 100 + 2 * len(words)).reshape(-1, 2)
    arrays = {Want("tok_embed"): rows, Want("near_ids"): near, Want("near_rows"): rows[:, None] + np.ones((1, 2, 8))}
    crowd = made(" ".join(words), arrays, names={int(row): f"n{row}" for row in near.ravel()})
    assert read(crowd, VIEW).ids[-2:] == (104, 105)
    assert len(read(crowd, VIEW).ids) == len(words) + 2
    assert "61 tokens of the text and 2 neighbours of the chosen one from the rest of the vocabulary" in once.caption(
        PANEL, crowd, VIEW
    )


def test_the_printed_program_leaves_the_same_neighbours_out(answered, program):
    text = "".join(map(chr, range(48, 48 + MOST_WITH_NEIGHBOURS + 3)))
    trace, view = answered(PANEL, text=text)
    assert read(trace, view).crowded
    np.testing.assert_allclose(program(PANEL, trace, view), read(trace, view).flat, atol=1e-4)


def test_one_token_without_neighbours_is_a_point():
    figure = once.figure(PANEL, small("a"), Fitted(pos=0, settings=(("near", "0"),)))
    assert [len(trace.x) for trace in figure.data] == [1, 0, 0]


def test_the_table_holds_the_numbers_of_the_figure():
    trace = small()
    figure, table = once.figure(PANEL, trace, VIEW), once.table(PANEL, trace, VIEW)
    drawn = sorted((float(x), float(y)) for points in figure.data for x, y in zip(points.x, points.y, strict=True))
    np.testing.assert_allclose(drawn, sorted((row[3], row[4]) for row in table.rows), atol=1e-6)
    assert [row[5] for row in table.rows] == sorted((row[5] for row in table.rows), reverse=True)


def test_labels_of_users_stay_text():
    figure = once.figure(PANEL, small(), Fitted(pos=1))
    assert "&lt;b&gt;near&lt;/b&gt;" in [label.text for label in figure.layout.annotations]


def test_the_formula_shows_the_row_and_its_place():
    trace = small()
    lines = once.formula(PANEL, trace, VIEW).splitlines()
    assert lines[0] == "row 0 of the table = (1.00, 0, 0, 0, … 8 numbers)   length 1.00"
    x = read(trace, VIEW).flat[0, 0]
    assert lines[2].startswith(
        f"PC 1 = (row − mean) · u₁ = {abs(x):.3f}" if x > 0 else f"PC 1 = (row − mean) · u₁ = −{-x:.3f}"
    )
