"""The overview of all heads: scores as the library's weights give them, the best head named, no case said so."""

from dataclasses import replace

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.rounding import NEAR
from anatomy.spec import Stack
from anatomy.trace import Trace
from anatomy.view import Fitted, View
from panels.attention.head_kinds import KINDS, MAPS, SHOW
from panels.attention.head_order import ORDER, SCORE, Ranking, name
from panels.attention.heads import PANEL
from tests import once
from tests.alike import assert_rounding
from tests.anatomy.spec import spec
from tests.models.tiny import MODELS
from tests.panels.handmade import attending, even, tokens
from tests.snapshot import described
from viz.heatmap import heatmap

VIEW = Fitted(layer=1, head=0, pos=0)


def showing(kind: str) -> Fitted:
    return VIEW.with_setting(SHOW, kind)


def sorted_by(kind: str) -> Fitted:
    return showing(kind).with_setting(ORDER, SCORE)


def before(n: int) -> np.ndarray:
    """[pos src] a head that always looks at the token just before."""
    weights = np.eye(n, k=-1)
    weights[0, 0] = 1
    return weights


def elsewhere(weights: np.ndarray) -> Trace:
    """A text of four tokens: head 1 of layer 2 has these weights, all others, the chosen one too, look evenly."""
    trace = attending("a b c d", weights, layer=2, head=1)
    return trace.plus({Want("pattern", VIEW.layer): np.stack([even(4)] * 2).astype("f4")})


@pytest.mark.parametrize("kind", MODELS)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    figure, numbers = once.figure(PANEL, trace, view), once.table(PANEL, trace, view)
    assert {"figure": described(figure), "says": once.caption(PANEL, trace, view), "table": numbers} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
def test_the_picture_of_the_heads_in_order(kind, answered, picture):
    trace, view = answered(PANEL, kind, settings=(("order", SCORE),))
    figure, numbers = once.figure(PANEL, trace, view), once.table(PANEL, trace, view)
    assert {"figure": described(figure), "says": once.caption(PANEL, trace, view), "table": numbers} == picture


@pytest.mark.parametrize("show", KINDS)
@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
def test_in_order_every_head_has_a_cell_with_its_own_score_and_none_is_above_a_higher_one(kind, show, answered):
    by_layer, _ = answered(PANEL, kind, settings=(("show", show),))
    trace, view = answered(PANEL, kind, settings=(("order", SCORE), ("show", show)))
    grid, values = once.figure(PANEL, trace, view), by_layer[KINDS[show].want]
    assert sorted(grid.places) == [*np.ndindex(*values.shape)]
    assert grid.z.ravel().tolist() == [values[place] for place in grid.places]
    assert (np.diff(grid.z.ravel()) <= NEAR * np.nanmax(np.abs(values))).all()
    assert grid.names == tuple(f"L{layer} H{head}" for layer, head in grid.places)
    assert grid.place(grid.focus) == (view.layer, view.head)
    assert [row[:2] for row in once.table(PANEL, trace, view).rows] == [*grid.places]


def test_the_printed_program_finds_the_same_order(answered, program):
    trace, view = answered(PANEL, settings=(("order", SCORE),))
    found, drawn = program(PANEL, trace, view).numpy(), once.figure(PANEL, trace, view)
    np.testing.assert_allclose(found[:, 2], drawn.z.ravel(), atol=1e-5)
    np.testing.assert_array_equal(found[:, :2], drawn.places)


@pytest.mark.parametrize("show", SHOW.options)
def test_the_printed_program_finds_the_same_numbers(show, answered, program):
    trace, view = answered(PANEL, settings=(("show", show),))
    found = program(PANEL, trace, view)
    drawn = once.figure(PANEL, trace, view)
    if show == MAPS:
        np.testing.assert_allclose(found.numpy(), drawn.tiles, atol=1)  # a rounding apart
    else:
        np.testing.assert_allclose(found.numpy(), drawn.z, atol=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "bert", "bert-headless"])
def test_the_printed_program_finds_the_same_numbers_in_other_families(kind, answered, program):
    trace, view = answered(PANEL, kind)
    np.testing.assert_allclose(program(PANEL, trace, view, kind).numpy(), once.figure(PANEL, trace, view).z, atol=1e-5)


@pytest.mark.parametrize("show", KINDS)
@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_the_formula_arrives_at_the_score_of_the_overview(kind, show, answered):
    trace, view = answered(PANEL, kind, settings=(("show", show),))
    last = once.formula(PANEL, trace, view).splitlines()[-1]
    shown, difference = last.removeprefix("in the overview: ").split(", difference ")
    assert float(shown) == pytest.approx(float(once.figure(PANEL, trace, view).z[view.layer, view.head]), rel=5e-3)
    assert_rounding(difference)


def test_the_best_head_is_named_with_its_score():
    trace = attending("a b c d", before(4))
    assert once.caption(PANEL, trace, showing("previous")).startswith(
        "Of 6 heads, layer 1, head 0 looks most at the token just before: "
        "on average 1.0 of its attention goes to the token just before. It is the chosen one"
    )


def test_in_order_the_best_head_comes_first_and_the_caption_says_how_to_read_it():
    trace = elsewhere(before(4))
    grid = once.figure(PANEL, trace, sorted_by("previous"))
    assert (grid.names[0], grid.places[0], grid.z[0, 0]) == ("L2 H1", (2, 1), 1.0)
    assert once.table(PANEL, trace, sorted_by("previous")).rows[0][:2] == (2, 1)
    assert once.caption(PANEL, trace, sorted_by("previous")).endswith(
        "From left to right, row after row, the heads stand in the order of “previous token”."
    )


def test_the_small_maps_are_sorted_by_the_first_token():
    weights = np.eye(4)[[0, 0, 0, 0]]
    grid = once.figure(PANEL, elsewhere(weights), sorted_by(MAPS))
    assert grid.places[0] == (2, 1)
    np.testing.assert_array_equal(grid.tiles[0, 0], 255 * weights)
    assert grid.title == "All heads: their maps, by “first token”"


def test_heads_without_a_score_come_last():
    assert Ranking(np.array([[np.nan, 0.1], [0.3, 0.1]])).heads == ((1, 0), (0, 1), (1, 1), (0, 0))


@pytest.mark.parametrize(
    ("layers", "heads", "shape", "left"),
    [(30, 9, (30, 9), 0), (2, 6, (2, 6), 0), (4, 16, (7, 10), 6), (1, 1, (1, 1), 0)],
)
def test_every_head_has_room_and_the_last_row_may_be_shorter(layers, heads, shape, left):
    model = spec(stacks=(Stack("dec", layers, True),), n_heads=heads, n_kv=1)
    trace = attending("a b", even(2), layer=0, model=model)
    grid = once.figure(
        PANEL, trace, Fitted(layer=0, head=0, pos=0).with_setting(ORDER, SCORE).with_setting(SHOW, "first")
    )
    assert grid.z.shape == shape
    assert grid.places.count(None) == grid.names.count("") == left
    assert not grid.holes


def test_of_very_many_heads_the_strongest_are_shown_and_the_table_has_all():
    trace = attending(
        "a b c d", before(4), layer=31, head=31, model=spec(stacks=(Stack("dec", 32, True),), n_heads=32, n_kv=8)
    )
    view = Fitted(layer=31, head=0, pos=0).with_setting(ORDER, SCORE).with_setting(SHOW, "previous")
    grid = once.figure(PANEL, trace, view)
    assert grid.z.shape == (30, 10)
    assert grid.names[0] == name(31, 31)
    assert grid.focus is None  # number 993 of 1,024
    assert once.caption(PANEL, trace, view).endswith("Shown are the first 300 of 1,024; the table has them all.")
    assert len(once.table(PANEL, trace, view).rows) == 1024


def test_the_caption_follows_the_numbers():
    trace = elsewhere(before(4))
    told = once.caption(PANEL, trace, showing("previous"))
    assert "layer 2, head 1 looks most at the token just before" in told
    assert "The chosen one, layer 1, head 0, is number 6 (0.36)" in told  # equal with four others


def test_a_text_without_a_repetition_has_no_copying_and_says_why():
    trace = attending("a b c d", even(4))
    grid = once.figure(PANEL, trace, showing("induction"))
    assert np.isnan(grid.z).all()
    assert once.caption(PANEL, trace, showing("induction")) == (
        "No token occurs twice, so nothing can be copied: no head has this score."
    )
    assert all(row[2] is None and row[5] is None for row in once.table(PANEL, trace, VIEW).rows)


def test_equal_tokens_side_by_side_offer_nothing_to_copy():
    assert "side by side" in once.caption(PANEL, attending("a a", even(2)), showing("induction"))
    assert "side by side" in once.caption(PANEL, attending("a a a", even(3)), showing("induction"))
    assert "side by side" not in once.caption(PANEL, attending("a b a", even(3)), showing("induction"))


@pytest.mark.parametrize("show", ["induction", "previous", "first", "duplicate", "distance", MAPS])
def test_one_token_alone_has_nothing_to_look_at(show):
    trace = attending("a", even(1))
    assert once.caption(PANEL, trace, showing(show)).startswith("The text is one token")
    assert heatmap(once.figure(PANEL, trace, showing(show))).data
    assert once.formula(PANEL, trace, showing(show)).startswith("The text is one token")


def test_the_colour_scale_ends_at_a_round_number_and_the_caption_says_which():
    trace = attending("a b c d e f", np.eye(6)[[0, 0, 0, 0, 0, 0]])
    grid = once.figure(PANEL, trace, showing("distance"))
    assert np.nanmax(grid.z) == 3.0 == grid.high
    assert once.caption(PANEL, trace, showing("distance")).endswith("colours run from 0 to 3.")
    assert once.figure(PANEL, trace, showing("entropy")).high == 1.5


def test_heads_that_share_keys_and_values_stand_together(answered):
    shared, view = answered(PANEL, "llama")
    assert once.figure(PANEL, shared, view).groups == shared.spec.n_heads // shared.spec.n_kv > 1
    single, view = answered(PANEL, "gpt2")
    assert once.figure(PANEL, single, view).groups == 0


def test_the_small_maps_are_one_picture():
    trace = attending("a b c d", np.eye(4)[[0, 0, 0, 0]])
    grid = once.figure(PANEL, trace, showing(MAPS))
    assert grid.tiles.shape == (3, 2, 4, 4)
    figure = heatmap(grid)
    assert len(figure.data) == 1
    assert figure.data[0].z.dtype == np.uint8
    assert once.caption(PANEL, trace, showing(MAPS)).endswith("more than half of their attention: 1 of 6.")


def test_a_cell_chooses_a_head():
    grid = once.figure(PANEL, attending("a b", even(2)), VIEW)
    assert (grid.selects, grid.focus, grid.z.shape) == ("head", (1, 0), (3, 2))


def test_small_maps_are_asked_for_only_when_shown(answered):
    trace, _ = answered(PANEL)
    assert Want("head_maps") not in trace


@pytest.mark.real
def test_the_head_of_the_first_view_copies_most(really_answered):
    trace, view = really_answered(PANEL)
    assert once.caption(PANEL, trace, view) == (
        "Of 270 heads, layer 17, head 5 copies most: on average 0.64 of its attention goes to what followed an earlier "
        "copy of the token. It is the chosen one; colours run from 0 to 0.8."
    )
    assert once.figure(PANEL, trace, view).groups == 3


def test_in_a_short_text_everything_is_close_by():
    told = once.caption(PANEL, attending("a b c d", even(4)), showing("local"))
    assert told == "No token has more than 4 before it, so all that it sees is close by: no head has this score."


def test_a_head_that_looks_four_tokens_back_is_local_and_one_that_looks_five_back_is_not():
    words = " ".join("abcdefghij")
    for back, share in ((4, 1.0), (5, 0.0)):
        trace = attending(words, np.eye(10)[np.maximum(np.arange(10) - back, 0)])
        assert once.figure(PANEL, trace, showing("local")).z[1, 0] == share


@pytest.mark.real
def test_a_planted_repetition_brings_the_copying_heads_to_the_top(really_answered):
    trace, view = really_answered(PANEL, text=REPEATED)
    ids = [token.id for token in trace.tokens]
    assert ids[len(ids) // 2 :] == ids[: len(ids) // 2]
    copying = np.sort(once.figure(PANEL, trace, view).z.ravel())[::-1]
    assert (copying[:5] > 0.5).all(), copying[:5]
    assert np.median(copying) < 0.1


@pytest.mark.real
def test_in_order_the_copying_heads_of_a_planted_repetition_stand_first(really_answered):
    by_layer, view = really_answered(PANEL, text=REPEATED)
    values = once.figure(PANEL, by_layer, view).z
    grid = once.figure(PANEL, *really_answered(PANEL, text=REPEATED, settings=(("order", SCORE),)))
    first = [grid.place((0, column)) for column in range(5)]
    assert all(values[place] > 0.5 for place in first), first
    assert (17, 5) in first
    assert set(grid.places) == {*np.ndindex(30, 9)}


# Words in no order that means anything, twice.
REPEATED = (
    " lamp seven orbit cheese under violin rapid stone fog ladder blue eleven carpet sign ocean fork tidy maple"
    " rocket thin glove market sudden owl paper" * 2
)


def chosen_for(text: str) -> Fitted:
    found = tokens(text)
    return View(text=text).fit(spec(n_heads=2, n_kv=1), found)


@pytest.mark.parametrize(
    ("text", "opens", "why"),
    [
        ("a b a c", "induction", ""),
        (
            "the the the",
            "previous",
            "Equal tokens stand only side by side, so nothing can be copied: no head has a score",
        ),
        ("a b c", "previous", "No token occurs twice, so nothing can be copied: no head has a score for copying."),
        ("a", MAPS, "The text is one token, which gives itself all of its attention in every head"),
    ],
)
def test_what_opens_has_something_to_show_and_says_why_it_is_not_copying(text, opens, why):
    view, trace = chosen_for(text), attending(text, even(len(text.split())))
    control = next(control for control in PANEL.offered(trace.spec, view) if control.name == "show")
    grid = once.figure(PANEL, trace, view)
    assert control.default == opens
    caption = once.caption(PANEL, trace, view)
    assert why in caption
    assert ("no head has" in caption) is ("no head has" in why)
    assert not np.isnan(grid.z).all() or (grid.tiles == 255).all()


def test_copying_can_be_asked_for_where_something_else_opens():
    view, trace = chosen_for("a b c"), attending("a b c", even(3))
    control = next(control for control in PANEL.offered(trace.spec, view) if control.name == "show")
    asked = replace(view, settings=view.with_setting(control, "induction").settings)
    assert dict(asked.settings) == {"show": "induction"}
    assert np.isnan(once.figure(PANEL, trace, asked).z).all()
    assert not view.with_setting(control, "previous").settings
