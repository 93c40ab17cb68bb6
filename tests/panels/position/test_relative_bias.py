"""Relative bias: the figure's numbers are those that the model adds, bucket by bucket; others say what they do."""

import numpy as np
import pytest

from anatomy.relative import spans
from anatomy.request import Want
from anatomy.spec import LearnedPositions, RelativeBias, Rope
from anatomy.view import Fitted
from panels.position.relative_bias import PANEL, read
from tests import once
from tests.anatomy.spec import SPEC, spec
from tests.models.tiny import MODELS, tiny_engine
from tests.panels.made import made
from tests.snapshot import described

# One side of the buckets: 0, 1, 2 to 3, 4 and on.
BIASED = spec(n_heads=2, n_kv=2, position=RelativeBias(8, 6, True), scales=(1.0,) * SPEC.layers)
VIEW = Fitted(layer=1, head=1, pos=3)
NUMBERS = {0: 0.5, 1: 0.25, 2: -1.0, 3: -2.0, 5: 1.5, 6: 0.75, 7: -0.5}  # by bucket


def given(words: str):
    """A text whose head 0 has nothing added and head 1 the numbers above."""
    n = len(words.split())
    pos = min(VIEW.pos, n - 1)
    stored, own = np.zeros((8, 2)), np.zeros((2, n))
    stored[list(NUMBERS), 1] = list(NUMBERS.values())
    for span in spans(n, BIASED.position):
        distance = np.arange(n) - pos
        own[1][(distance >= span.first) & (distance <= span.last)] = NUMBERS[span.bucket]
    return made(words, {Want("bias_table"): stored, Want("pos_bias", 1, pos=pos): own}, BIASED)


def test_the_picture_caption_table_and_formula(answered, picture):
    trace, view = answered(PANEL, "t5", src=17)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view), "formula": once.formula(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["t5", "t5-gated"])
def test_the_printed_program_finds_the_same_numbers(kind, answered, program):
    trace, view = answered(PANEL, kind)
    found, n = program(PANEL, trace, view, kind), len(trace.tokens)
    for span, numbers in zip(read(trace, view).spans, read(trace, view).values.T, strict=True):
        for distance in range(span.first, span.last + 1):
            np.testing.assert_allclose(found[:, n - 1 + distance], numbers, atol=1e-6)


@pytest.mark.parametrize("text", ["a", "ab", "the cat, the café sat", "x" * 60])
def test_every_score_gets_the_number_of_its_bucket(text, answered):
    trace, view = answered(PANEL, "t5", text=text)
    whole, found = Want("pos_bias", 0), read(trace, view)
    added = tiny_engine("t5").run(trace.run, [whole])[whole]
    place = np.arange(len(trace.tokens))
    distance = place[None, :] - place[:, None]  # [pos src]
    for span, row in zip(found.spans, found.values.T, strict=True):
        inside = (distance >= span.first) & (distance <= span.last)
        np.testing.assert_array_equal(added[:, inside], np.broadcast_to(row[:, None], (len(row), inside.sum())))


def test_the_table_and_the_grid_hold_the_same_numbers(answered):
    trace, view = answered(PANEL, "t5")
    grid, table = once.figure(PANEL, trace, view), once.table(PANEL, trace, view)
    np.testing.assert_allclose([row[3:] for row in table.rows], grid.z.T)
    assert grid.cols[0] == "−21 to −10"
    assert table.rows[0][:3] == (5, -21, -10)
    assert grid.rows[grid.focus[0]] == str(view.head)


def test_choosing_a_row_chooses_its_head(answered):
    trace, view = answered(PANEL, "t5")
    grid = once.figure(PANEL, trace, view)
    assert grid.selects == "head"
    assert grid.place((2, 5)) == (view.layer, 2)


def test_the_caption_names_the_distances_with_the_largest_and_the_smallest_number():
    told = once.caption(PANEL, given("a b c d e f g"), VIEW)
    assert told.startswith(
        "Head 1 adds most, 1.50, to the score of what comes 1 token on, and least, −2.00, to that of what stands "
        "4 to 6 tokens back."
    )
    assert "8 buckets of distances, of which this text of 7 tokens reaches 7:" in told
    assert told.endswith(
        "what layer 1 adds for “d” are the table's numbers for its distances (largest difference below 10⁻⁵)."
    )


def test_a_text_of_one_token_has_one_distance():
    one = Fitted(layer=1, head=1, pos=0)
    assert once.caption(PANEL, given("a"), one).startswith(
        "Head 1 adds 0.500 to the score of a token for itself; a text of one"
    )
    assert once.figure(PANEL, given("a"), one).cols == ("0",)


def test_the_formula_follows_the_chosen_cell():
    near = once.formula(PANEL, given("a b c d e f g"), Fitted(layer=1, head=1, pos=3, src=4)).splitlines()
    assert near[0] == "score = q·k + b(head, bucket of the distance)   (not divided by √d)"
    assert near[1] == "layer 1, head 1: “d” → “e”, distance 4 − 3 = 1"
    assert near[2] == "bucket 5 = 1 + 4: distances below 2 have one each"
    assert near[4] == "added by the model: 1.50, difference below 10⁻⁵"
    far = once.formula(PANEL, given("a b c d e f g"), Fitted(layer=1, head=1, pos=3, src=0)).splitlines()
    assert far[2] == "bucket 2 = 2 + ⌊ln(3 / 2) / ln(6 / 2) · 2⌋, 3 at most"


def test_a_layer_that_adds_other_numbers_would_be_seen():
    trace = given("a b c d")
    other = trace.plus({Want("pos_bias", 1, pos=3): trace[Want("pos_bias", 1, pos=3)] + np.float32(0.5)})
    assert once.caption(PANEL, other, VIEW).endswith("(largest difference 0.50).")
    assert once.formula(PANEL, other, VIEW).endswith("difference 0.50")


@pytest.mark.parametrize("kind", MODELS)
def test_models_without_such_a_bias_say_what_they_do_instead(kind):
    assert (PANEL.applies(tiny_engine(kind).spec) is None) == (kind == "t5")


def test_each_kind_of_position_has_its_own_reason():
    reasons = [PANEL.applies(spec(position=p)) for p in (Rope(1.0, (1.0,)), LearnedPositions(5), None)]
    assert len(set(reasons)) == 3
    assert all(reason.startswith("This model adds nothing to its scores for a distance") for reason in reasons)
