"""The same token at two places: one row, streams that part with depth, as the plain model's hooks measure it."""

import numpy as np
import pytest

from anatomy.request import Run, Want
from anatomy.view import Fitted
from panels.embedding.contexts import PANEL, read
from tests import once
from tests.models.tiny import MODELS, tiny_engine
from tests.panels.made import made
from tests.snapshot import described


def small(words: str = "a b a", pos: int = 2, last: float = 0.5):
    """Streams of which the chosen token's turns away from its row; cosines with the others as given."""
    n = len(words.split())
    row, away = np.eye(8)[0], np.eye(8)[1]
    alike = np.ones((3, n))
    alike[1], alike[2] = 0.75, last
    arrays = {
        Want("tok_embed", pos=pos): row,
        Want("cos_tokens", pos=pos): alike,
        **{Want("resid_post", layer, pos=pos): row + layer * away for layer in range(3)},
    }
    return made(words, arrays), Fitted(pos=pos)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("pos", [0, 4], ids=["again", "once"])
def test_the_picture_caption_and_table_of_every_family(kind, pos, answered, picture):
    trace, view = answered(PANEL, kind, pos=pos)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view), "formula": once.formula(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "bert-headless", "t5"])
@pytest.mark.parametrize("pos", [4, 10])
def test_the_printed_program_measures_the_same_cosines(kind, pos, answered, program):
    trace, view = answered(PANEL, kind, pos=pos)
    paths = read(trace, view)
    in_order = paths.same[np.argsort(paths.others)]
    np.testing.assert_allclose(program(PANEL, trace, view, kind), np.vstack([in_order, paths.own]), atol=1e-5)


def test_the_other_places_are_those_of_the_same_token_nearest_first():
    trace, view = small("a b a a b a", pos=3)
    assert read(trace, view).others == (2, 5, 0)


def test_a_place_that_the_reader_chose_comes_first():
    trace, _ = small("a b a a b a", pos=3)
    assert read(trace, Fitted(pos=3, src=0)).others == (0, 2, 5)
    assert read(trace, Fitted(pos=3, src=1)).others == (2, 5, 0)


def test_the_caption_begins_at_one_and_tells_where_it_ends():
    assert once.caption(PANEL, *small()) == (
        "“a” at 2 and at 0 has the same row (cosine 1.000). With the layers the two vectors become those of two "
        "contexts: cosine 0.500 after layer 2, the least of all. With its own row the one at 2 has cosine 0.447 after "
        "layer 2."
    )
    assert "cosine 0.900 after layer 2, the least 0.750 after layer 1." in once.caption(PANEL, *small(last=0.9))


def test_a_token_that_stands_once_says_how_to_get_a_case():
    told = once.caption(PANEL, *small("a b c"))
    assert told.startswith("“c” stands only once in this text: write it a second time to compare two contexts.")
    figure = once.figure(PANEL, *small("a b c"))
    assert [line.name for line in figure.data] == ["own row"]


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_positions_that_are_added_part_the_two_before_layer_0(kind, answered):
    trace, view = answered(PANEL, kind, pos=0)
    paths = read(trace, view)
    assert (paths.same[:, 0] == 1).all()
    assert (paths.same[:, 1] < 0.999).all()
    assert "what is added before layer 0 (positions)" in once.caption(PANEL, trace, view)
    assert once.figure(PANEL, trace, view).layout.xaxis.ticktext[:2] == ("row", "in")


def test_rotary_models_enter_with_the_row_itself_so_nothing_stands_between(answered):
    engine = tiny_engine("llama")
    both = engine.run(Run(engine.spec.id, "aba"), [Want("resid_pre", 0), Want("tok_embed")])
    np.testing.assert_array_equal(both[Want("resid_pre", 0)], both[Want("tok_embed")])
    trace, view = answered(PANEL, "llama", pos=0)
    assert once.figure(PANEL, trace, view).layout.xaxis.ticktext[:2] == ("row", "0")


def test_the_last_other_place_of_a_causal_prefix_is_seen_by_no_one(answered):
    """The first token of a causal text sees only itself, so the same token further on has another vector."""
    trace, view = answered(PANEL, "llama", text="aba", pos=2)
    assert read(trace, view).same[0, -1] < 0.999


def test_the_table_holds_the_numbers_of_the_figure():
    trace, view = small()
    figure, rows = once.figure(PANEL, trace, view), once.table(PANEL, trace, view).rows
    np.testing.assert_allclose(figure.data[0].y, [row[1] for row in rows])
    np.testing.assert_allclose(figure.data[1].y, [row[-1] for row in rows])


def test_the_formula_divides_by_both_lengths():
    lines = once.formula(PANEL, *small()).splitlines()
    assert lines[2] == "= 1.00 / (2.24 · 1.00) = 0.447"
    assert lines[3] == "a with the stream at 0 after the same layer: 0.500"


@pytest.mark.real
def test_the_same_word_of_the_default_text_parts_with_depth(really_answered):
    trace, view = really_answered(PANEL, pos=8)
    paths = read(trace, view)
    assert paths.others == (1,)
    assert paths.same[0, 0] == 1
    assert paths.same[0, -1] == pytest.approx(0.747, abs=0.005)
