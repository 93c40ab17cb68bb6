"""The overview of all heads: scores as the library's weights give them, the best head named, no case said so."""

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.view import Fitted
from panels.head_kinds import KINDS, MAPS, SHOW
from panels.heads import PANEL
from tests.models.tiny import MODELS
from tests.panels.handmade import attending, even
from tests.snapshot import described

VIEW = Fitted(layer=1, head=0, pos=0)


def showing(kind: str) -> Fitted:
    return VIEW.with_setting(SHOW, kind)


def before(n: int) -> np.ndarray:
    """[pos src] a head that always looks at the token just before."""
    weights = np.eye(n, k=-1)
    weights[0, 0] = 1
    return weights


@pytest.mark.parametrize("kind", MODELS)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    figure, numbers = PANEL.draw(trace, view), PANEL.table(trace, view)
    assert {"figure": described(figure), "says": PANEL.says(trace, view), "table": numbers} == picture


@pytest.mark.parametrize("show", SHOW.options)
def test_the_printed_program_finds_the_same_numbers(show, answered, program):
    trace, view = answered(PANEL, settings=(("show", show),))
    found = program(PANEL, trace, view)
    drawn = PANEL.draw(trace, view)
    if show == MAPS:
        np.testing.assert_allclose(found.numpy(), drawn.tiles, atol=1)  # a rounding apart
    else:
        np.testing.assert_allclose(found.numpy(), drawn.z, atol=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "bert", "bert-headless"])
def test_the_printed_program_finds_the_same_numbers_in_other_families(kind, answered, program):
    trace, view = answered(PANEL, kind)
    np.testing.assert_allclose(program(PANEL, trace, view, kind).numpy(), PANEL.draw(trace, view).z, atol=1e-5)


@pytest.mark.parametrize("show", KINDS)
@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_the_formula_arrives_at_the_score_of_the_overview(kind, show, answered):
    trace, view = answered(PANEL, kind, settings=(("show", show),))
    last = PANEL.formula(trace, view).splitlines()[-1]
    shown, difference = last.removeprefix("in the overview: ").split(", difference ")
    assert float(shown) == pytest.approx(float(PANEL.draw(trace, view).z[view.layer, view.head]), rel=5e-3)
    assert difference == "0" or "·10⁻" in difference


def test_the_best_head_is_named_with_its_score():
    trace = attending("a b c d", before(4))
    assert PANEL.says(trace, showing("previous")).startswith(
        "Of 6 heads, layer 1, head 0 looks most at the token just before: "
        "on average 1.0 of its attention goes to the token just before. It is the chosen one"
    )


def test_the_caption_follows_the_numbers():
    trace = attending("a b c d", before(4), layer=2, head=1)
    told = PANEL.says(trace, showing("previous"))
    assert "layer 2, head 1 looks most at the token just before" in told
    assert "The chosen one, layer 1, head 0, is number 6 (0.36)" in told  # equal with four others


def test_a_text_without_a_repetition_has_no_copying_and_says_why():
    trace = attending("a b c d", even(4))
    grid = PANEL.draw(trace, showing("induction"))
    assert np.isnan(grid.z).all()
    assert PANEL.says(trace, showing("induction")) == (
        "No token occurs twice, so nothing can be copied: no head has this score."
    )
    assert all(row[2] is None and row[5] is None for row in PANEL.table(trace, VIEW).rows)


def test_equal_tokens_side_by_side_offer_nothing_to_copy():
    assert "side by side" in PANEL.says(attending("a a", even(2)), showing("induction"))
    assert "side by side" in PANEL.says(attending("a a a", even(3)), showing("induction"))
    assert "side by side" not in PANEL.says(attending("a b a", even(3)), showing("induction"))


@pytest.mark.parametrize("show", ["induction", "previous", "first", "duplicate", "distance", MAPS])
def test_one_token_alone_has_nothing_to_look_at(show):
    trace = attending("a", even(1))
    assert PANEL.says(trace, showing(show)).startswith("The text is one token")
    assert PANEL.draw(trace, showing(show)).figure().data
    assert PANEL.formula(trace, showing(show)).startswith("The text is one token")


def test_the_colour_scale_ends_at_a_round_number_and_the_caption_says_which():
    trace = attending("a b c d e f", np.eye(6)[[0, 0, 0, 0, 0, 0]])
    grid = PANEL.draw(trace, showing("distance"))
    assert np.nanmax(grid.z) == 3.0 == grid.high
    assert PANEL.says(trace, showing("distance")).endswith("colours run from 0 to 3.")
    assert PANEL.draw(trace, showing("entropy")).high == 1.5


def test_heads_that_share_keys_and_values_stand_together(answered):
    shared, view = answered(PANEL, "llama")
    assert PANEL.draw(shared, view).groups == shared.spec.n_heads // shared.spec.n_kv > 1
    single, view = answered(PANEL, "gpt2")
    assert PANEL.draw(single, view).groups == 0


def test_the_small_maps_are_one_picture():
    trace = attending("a b c d", np.eye(4)[[0, 0, 0, 0]])
    grid = PANEL.draw(trace, showing(MAPS))
    assert grid.tiles.shape == (3, 2, 4, 4)
    figure = grid.figure()
    assert len(figure.data) == 1
    assert figure.data[0].z.dtype == np.uint8
    assert PANEL.says(trace, showing(MAPS)).endswith("more than half of their attention: 1 of 6.")


def test_a_cell_chooses_a_head():
    grid = PANEL.draw(attending("a b", even(2)), VIEW)
    assert (grid.selects, grid.focus, grid.z.shape) == ("head", (1, 0), (3, 2))


def test_small_maps_are_asked_for_only_when_shown(answered):
    trace, _ = answered(PANEL)
    assert Want("head_maps") not in trace


@pytest.mark.real
def test_the_head_of_the_first_view_copies_most(really_answered):
    trace, view = really_answered(PANEL)
    assert PANEL.says(trace, view) == (
        "Of 270 heads, layer 17, head 5 copies most: on average 0.64 of its attention goes to what followed an earlier "
        "copy of the token. It is the chosen one; colours run from 0 to 0.8."
    )
    assert PANEL.draw(trace, view).groups == 3


def test_in_a_short_text_everything_is_close_by():
    told = PANEL.says(attending("a b c d", even(4)), showing("local"))
    assert told == "No token has more than 4 before it, so all that it sees is close by: no head has this score."


def test_a_head_that_looks_four_tokens_back_is_local_and_one_that_looks_five_back_is_not():
    words = " ".join("abcdefghij")
    for back, share in ((4, 1.0), (5, 0.0)):
        trace = attending(words, np.eye(10)[np.maximum(np.arange(10) - back, 0)])
        assert PANEL.draw(trace, showing("local")).z[1, 0] == share


@pytest.mark.real
def test_a_planted_repetition_brings_the_copying_heads_to_the_top(really_answered):
    trace, view = really_answered(PANEL, text=REPEATED)
    ids = [token.id for token in trace.tokens]
    assert ids[len(ids) // 2 :] == ids[: len(ids) // 2]
    copying = np.sort(PANEL.draw(trace, view).z.ravel())[::-1]
    assert (copying[:5] > 0.5).all(), copying[:5]
    assert np.median(copying) < 0.1


# Words in no order that means anything, twice.
REPEATED = (
    " lamp seven orbit cheese under violin rapid stone fog ladder blue eleven carpet sign ocean fork tidy maple"
    " rocket thin glove market sudden owl paper" * 2
)
