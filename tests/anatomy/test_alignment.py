"""Alignment: which tokens of two runs belong together."""

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.alignment import Alignment, aligned, by_token, identity
from anatomy.request import Run
from anatomy.trace import Token, Trace
from tests.anatomy.spec import spec

words = st.lists(st.sampled_from("abcde"), max_size=9).map(tuple)


def cut(*pieces: str, name: str = "small", vocab: int = 50, around: tuple[str, str] | None = None) -> Trace:
    """The run of a made tokenizer that cuts a text so, with a token before it and one after it perhaps."""
    tokens, start = [], 0
    for piece in pieces:
        tokens.append(Token(sum(piece.encode()) % vocab, piece, piece, piece.encode(), start, start + len(piece)))
        start += len(piece)
    if around:
        before, after = (
            Token(i, text, text, b"", place, place, True)
            for i, text, place in zip((0, 1), around, (0, start), strict=True)
        )
        tokens = [before, *tokens, after]
    return Trace(Run(name, "".join(pieces)), spec(name=name, vocab=vocab), tuple(tokens), {})


@given(words, words)
def test_each_place_stands_in_one_pair_and_all_in_order(a, b):
    alignment = by_token(a, b)
    for side, length in ((0, len(a)), (1, len(b))):
        assert [pair[side] for pair in alignment.pairs if pair[side] is not None] == list(range(length))
    assert (None, None) not in alignment.pairs


@given(words, words)
def test_a_pair_is_equal_where_both_tokens_are(a, b):
    alignment = by_token(a, b)
    for (i, j), equal in zip(alignment.pairs, alignment.equal, strict=True):
        assert equal == (i is not None and j is not None and a[i] == b[j])


@given(words, words)
def test_turned_round_the_pairs_are_the_same(a, b):
    assert by_token(a, b) == by_token(b, a).swapped()


@given(words)
def test_a_text_beside_itself_is_paired_place_by_place(a):
    assert by_token(a, a) == identity(len(a))
    assert by_token(a, a).whole


@given(words, words)
def test_no_other_pairing_in_order_has_more_equal_tokens_unless_the_places_do_not_move(a, b):
    alignment = by_token(a, b)
    most = max(
        count
        for count in range(min(len(a), len(b)) + 1)
        if any(one == other for one in combinations(a, count) for other in combinations(b, count))
    )
    assert sum(alignment.equal) == most or (alignment.whole and len(a) == len(b))


@pytest.mark.parametrize(
    ("a", "b", "pairs"),
    [
        ("the the the", "the the", [(0, 0), (1, 1), (2, None)]),
        ("John gave Mary", "Mary gave John", [(0, 0), (1, 1), (2, 2)]),
        ("a b c d", "a x c d", [(0, 0), (1, 1), (2, 2), (3, 3)]),
        ("a b c d", "a x y c d", [(0, 0), (1, None), (None, 1), (None, 2), (2, 3), (3, 4)]),
        ("a b c", "a b c d", [(0, 0), (1, 1), (2, 2), (None, 3)]),
        ("a", "", [(0, None)]),
        ("", "", []),
    ],
)
def test_examples(a, b, pairs):
    found = by_token(tuple(a.split()), tuple(b.split())).pairs
    assert sorted(found, key=str) == sorted(pairs, key=str)


def test_what_has_no_partner_goes_where_the_last_one_before_it_has_one():
    alignment = by_token(tuple("abxcd"), tuple("abcdyz"))
    assert [alignment.near_b(place) for place in range(5)] == [0, 1, 1, 2, 3]
    assert [alignment.near_a(place) for place in range(6)] == [0, 1, 3, 4, 4, 4]
    assert Alignment(((0, None), (None, 0), (None, 1)), (False,) * 3).near_b(0) == 1
    assert Alignment(((0, None), (1, 0)), (False, True)).near_b(0) == 0


def test_under_one_vocabulary_tokens_are_matched_by_id():
    alignment = aligned(cut("the", " cat", " sat"), cut("the", " dog", " sat"))
    assert alignment.pairs == ((0, 0), (1, 1), (2, 2))
    assert alignment.equal == (True, False, True)


def test_across_vocabularies_tokens_that_end_at_one_character_of_a_word_are_partners():
    one = cut("un", "believ", "able", " thing")
    other = cut("unbeliev", "able", " th", "ing", name="other", vocab=60)
    assert aligned(one, other).pairs == ((0, None), (1, 0), (2, 1), (None, 2), (3, 3))
    assert aligned(other, one) == aligned(one, other).swapped()
    assert all(
        equal == (None not in pair)
        for pair, equal in zip(aligned(one, other).pairs, aligned(one, other).equal, strict=True)
    )


def test_across_vocabularies_tokens_that_a_model_adds_pair_with_those_that_the_other_adds_at_the_same_end():
    plain, around = cut("a", " b"), cut("a", " b", name="other", vocab=60, around=("[CLS]", "[SEP]"))
    assert aligned(plain, around).pairs == ((None, 0), (0, 1), (1, 2), (None, 3))
    again = replace(around, spec=replace(around.spec, name="third", vocab=61))
    assert aligned(around, again) == identity(4)


def test_of_a_character_that_several_tokens_share_the_last_one_has_read_it():
    raw = "患".encode()
    parts = tuple(Token(i, "", None, raw[i : i + 1], 0, 1) for i in range(3))
    split = Trace(Run("small", "患"), spec(), parts, {})
    assert aligned(split, cut("患", name="other", vocab=60)).pairs == ((0, None), (1, None), (2, 0))


def test_other_words_between_do_not_take_the_rest_along():
    one, other = cut("big", " cat", " sat"), cut("small", " ca", "t", " sat", name="other", vocab=60)
    assert aligned(one, other).both == ((1, 2), (2, 3))
