"""Words instead of pieces: which tokens stand together, and that joining keeps what it has to keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.request import Run
from anatomy.trace import Token, Trace
from anatomy.words import Words, apart, attention, averaged, joined, summed
from tests.anatomy.spec import SPEC

RANDOM = np.random.default_rng(0)


@st.composite
def groupings(draw) -> Words:
    """Up to 12 tokens in words of any size."""
    count = draw(st.integers(1, 12))
    starts = draw(st.sets(st.integers(1, max(count - 1, 1)))) if count > 1 else set()
    return Words((0, *sorted(starts)), count)


def attending(count: int) -> np.ndarray:
    """[pos src] rows that sum to 1 over what stands before; NaN after."""
    weights = np.tril(RANDOM.random((count, count)) + 0.01)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.where(np.tri(count, dtype=bool), weights, np.nan)


def cut(*pieces: str, special: tuple[int, ...] = ()) -> list[Token]:
    """The pieces of one text as tokens; those named special cover none of it."""
    found, start = [], 0
    for place, piece in enumerate(pieces):
        end = start if place in special else start + len(piece)
        found.append(Token(place, piece, piece, piece.encode(), start, end, place in special))
        start = end
    return found


@given(groupings())
def test_joined_rows_of_attention_still_sum_to_one(words):
    np.testing.assert_allclose(np.nansum(attention(attending(words.count), words), axis=1), 1)


@given(groupings())
def test_a_joined_cell_is_empty_only_where_nothing_may_be_seen(words):
    empty = np.isnan(attention(attending(words.count), words))
    np.testing.assert_array_equal(empty, ~np.tri(len(words), dtype=bool))


@given(groupings())
def test_the_total_of_sums_is_the_total_of_all_tokens(words):
    values = RANDOM.random((words.count, 3))
    np.testing.assert_allclose(summed(values, words).sum(axis=0), values.sum(axis=0))


@given(groupings())
def test_a_mean_lies_between_the_tokens_it_is_of(words):
    values = RANDOM.random(words.count)
    means = averaged(values, words)
    for word, mean in enumerate(means):
        own = values[list(words.tokens(word))]
        assert own.min() - 1e-12 <= mean <= own.max() + 1e-12


@given(groupings())
def test_every_token_is_in_one_word(words):
    assert [token for word in range(len(words)) for token in words.tokens(word)] == list(range(words.count))
    assert all(token in words.tokens(words.of(token)) for token in range(words.count))
    assert [words.of(token) for token in words.last] == list(range(len(words)))
    assert words.sizes.sum() == words.count


@given(st.integers(1, 8))
def test_tokens_apart_keep_their_numbers(count):
    weights = attending(count)
    np.testing.assert_array_equal(attention(weights, apart(count)), weights)


def test_keys_are_summed_and_queries_averaged():
    pattern = np.array([[1.0, np.nan, np.nan], [0.25, 0.75, np.nan], [0.5, 0.25, 0.25]])
    expected = [[1.0, np.nan], [0.75, 0.25]]
    np.testing.assert_array_equal(attention(pattern, Words((0, 2), 3)), expected)


def test_what_has_no_number_adds_nothing_and_alone_stays_without():
    values = np.array([np.nan, 2.0, np.nan, 3.0, 4.0])
    np.testing.assert_array_equal(summed(values, Words((0, 2, 3), 5)), [2.0, np.nan, 7.0])


def test_pieces_of_a_word_stand_together_and_marks_alone():
    tokens = cut("The", " un", "believ", "able", ",", " end", ".")
    words = joined(tokens, [(0, 3), (4, 16), (18, 21)])
    assert words.starts == (0, 1, 4, 5, 6)
    assert words.labels(tokens) == ("The", "·unbelievable", ",", "·end", ".")


def test_equal_words_side_by_side_stay_apart():
    tokens = cut("the", " the", " the")
    assert joined(tokens, [(0, 3), (4, 7), (8, 11)]) == apart(3)


def test_special_tokens_stand_alone_even_where_they_stand_for_a_word():
    tokens = cut("[CLS]", "un", "able", "[SEP]", special=(0, 3))
    assert joined(tokens, [(0, 6)]).starts == (0, 1, 3)
    unknown = [Token(0, "[UNK]", "don", b"don", 0, 3, True), Token(1, "'", "'", b"'", 3, 4)]
    assert joined(unknown, [(0, 5)]) == apart(2)


def test_a_token_that_reaches_into_two_words_joins_both():
    assert joined(cut("un", "able to", "day"), [(0, 6), (7, 12)]).starts == (0,)


def test_characters_of_scripts_without_spaces_stand_alone_and_their_bytes_together():
    raw = "北京".encode()
    tokens = [Token(i, "", None, bytes([byte]), i // 3, i // 3 + 1) for i, byte in enumerate(raw)]
    words = joined(tokens, [])
    assert words.starts == (0, 3)
    assert words.labels(tokens) == ("北", "京")


def test_a_half_character_is_called_by_what_it_may_become():
    tokens = [Token(0, "", None, b"\xe5", 0, 1), Token(1, "", None, b"\x8c", 0, 1)]
    assert joined(tokens, []).labels(tokens) == ("‹匀…匿›",)


def test_tokens_of_one_character_of_several_code_points_stand_together():
    family = "👩\u200d👧"
    pieces = [family[:1], family[1:2], family[2:], "!"]
    tokens = [Token(i, "x", piece, piece.encode(), i, i + 1) for i, piece in enumerate(pieces)]
    tokens = Trace(Run(SPEC.id, family + "!"), SPEC, tuple(tokens), {}).tokens
    words = joined(tokens, [])
    assert words.labels(tokens) == (family, "!")


@pytest.mark.parametrize("starts", [(1, 2), (0, 0), (0, 3), (0, 2, 1)])
def test_words_that_do_not_cover_the_tokens_are_refused(starts):
    with pytest.raises(ValueError, match="do not cover 3 tokens"):
        Words(starts, 3)
