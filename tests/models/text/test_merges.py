"""The merges of a word: as a plain loop over the table finds them, and arriving where the library's tokens are."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anatomy.request import Run, Want
from models.checkpoints.locate import Located
from models.text.merges import APART, NEW_WORD, WHOLE, Merges, followed
from models.text.tokenizer import Tokenizer, load_tokenizer
from tests.models.toy import RULES, backend, toy_tokenizer

WANTS = (Want("merge_step"), Want("merge_rule"))
RANK = {pair: rank for rank, pair in enumerate(RULES)}


@pytest.fixture(scope="module")
def bpe(smollm2: Located) -> Tokenizer:
    return load_tokenizer(smollm2.folder)


def joined(tokenizer: Tokenizer, text: str, **more) -> tuple[np.ndarray, np.ndarray]:
    found = tokenizer.answer(Run("", text, **more), WANTS)
    return found[WANTS[0]], found[WANTS[1]]


def pieces(letters: str, steps: np.ndarray, done: int) -> list[str]:
    """The pieces of one word after so many steps."""
    cuts = [i for i, step in enumerate(steps) if step < 0 or step > done] + [len(letters)]
    return [letters[a:b] for a, b in pairwise(cuts)]


def plain(letters: str, most: int) -> list[str]:
    """At most so many merges, one after another: the definition of BPE, without any cleverness."""
    found = list(letters)
    for _ in range(most):
        pairs = [(RANK.get(pair, len(RANK)), i) for i, pair in enumerate(pairwise(found))]
        if not pairs or min(pairs)[0] == len(RANK):
            break
        place = min(pairs)[1]
        found[place : place + 2] = [found[place] + found[place + 1]]
    return found


words = st.text(alphabet="abelnstuhÃ©Ġ", min_size=1, max_size=24)


@settings(max_examples=300, deadline=None)
@given(letters=words)
def test_after_any_number_of_steps_the_pieces_are_those_of_so_many_merges(letters: str) -> None:
    found = Merges(RULES).joined([letters])
    assert found.step[0] == NEW_WORD
    for done in range(len(letters) + 1):
        assert pieces(letters, found.step, done) == plain(letters, done)


@settings(max_examples=100, deadline=None)
@given(letters=words)
def test_each_step_names_the_rule_of_the_two_pieces_it_joins(letters: str) -> None:
    found = Merges(RULES).joined([letters])
    for place in np.flatnonzero(found.step > 0):
        before = plain(letters, found.step[place] - 1)
        ends = np.cumsum([len(piece) for piece in before]).tolist()
        i = ends.index(place)
        assert RULES[found.rule[place]] == (before[i], before[i + 1])


@pytest.mark.parametrize("count", range(len(RULES) + 1))
def test_a_table_cut_short_gives_the_tokens_of_the_library_with_that_table(count: int) -> None:
    rules = RULES[:count]
    for word in ("unable", "the", "aaaaa", "tables", "allatl"):
        found = Merges(rules).joined([word])
        assert pieces(word, found.step, len(word)) == backend(rules).encode(word).tokens


@pytest.mark.parametrize("text", ["the unable cat", "thé aaaaaaa", " the  the\n", "the <|end|> the"])
def test_the_last_step_leaves_the_tokens(text: str) -> None:
    _check_cut(toy_tokenizer(), text)


@pytest.mark.real
@settings(max_examples=200, deadline=None)
@given(text=st.text(min_size=1, max_size=60))
def test_the_last_step_leaves_the_tokens_of_the_real_vocabulary(bpe: Tokenizer, text: str) -> None:
    _check_cut(bpe, text)


@pytest.mark.real
def test_the_last_step_leaves_the_tokens_of_ordinary_text(bpe: Tokenizer) -> None:
    _check_cut(bpe, "An unbelievable antidisestablishmentarianism, in 2024: 患者头痛两天 👩‍👩‍👧 don't\n\n  def f(x):")


def _check_cut(tokenizer: Tokenizer, text: str) -> None:
    lengths = [len(token.bytes) for token in tokenizer.tokenize(text)]
    steps, rules = joined(tokenizer, text)
    assert len(steps) == len(rules) == sum(lengths)
    assert np.flatnonzero(steps < 0).tolist() == np.cumsum([0, *lengths])[:-1].tolist()
    assert (rules[steps > 0] >= 0).all()
    assert (rules[steps <= 0] < 0).all()


def test_words_are_told_from_tokens_of_one_word() -> None:
    steps, _ = joined(toy_tokenizer(), "the cab")
    assert steps.tolist() == [NEW_WORD, APART, 1, NEW_WORD, APART, APART, 1]


def test_a_control_token_is_whole_only_where_it_is_obeyed() -> None:
    plain_text, _ = joined(toy_tokenizer(), "<|end|>")
    obeyed, _ = joined(toy_tokenizer(), "<|end|>", special_tokens=True)
    assert obeyed.tolist() == [NEW_WORD, *[WHOLE] * 6]
    assert plain_text.tolist() != obeyed.tolist()


def test_generated_tokens_are_whole() -> None:
    tokenizer = toy_tokenizer()
    (the,) = tokenizer.tokenize(" the")
    steps, _ = joined(tokenizer, "a", tail=(the.id,))
    assert steps.tolist() == [NEW_WORD, NEW_WORD, WHOLE, WHOLE, WHOLE]


def test_words_that_are_taken_as_they_stand_are_not_merged() -> None:
    model = {"type": "BPE", "merges": ["a b"], "vocab": {"a": 0, "b": 1, "ab": 2}, "ignore_merges": True}
    assert Merges.of(model).joined(["ab"]).step.tolist() == [NEW_WORD, WHOLE]
    assert Merges.of(model | {"ignore_merges": False}).joined(["ab"]).step.tolist() == [NEW_WORD, 1]


@pytest.mark.parametrize(
    "change",
    [{"type": "WordPiece"}, {"dropout": 0.1}, {"end_of_word_suffix": "</w>"}, {"continuing_subword_prefix": "#"}],
)
def test_other_ways_of_cutting_have_no_merges(change: dict) -> None:
    assert followed({"type": "BPE", "merges": [], "vocab": {}})
    assert not followed({"type": "BPE", "merges": [], "vocab": {}} | change)


def test_an_unknown_letter_is_a_token_and_no_part_of_a_merge() -> None:
    """Bytes without an entry stand for themselves, whatever the entry for unknown ones is called."""
    made = backend()
    facts = json.loads(made.to_str())
    facts["model"]["unk_token"] = "a"
    tokenizer = Tokenizer(json.dumps(facts))
    steps, _ = joined(tokenizer, "the \x13 the")
    assert sum(len(token.bytes) for token in tokenizer.tokenize("the \x13 the")) == len(steps)


def test_a_tokenizer_without_merges_says_so(minilm: Located) -> None:
    assert "does not build its tokens by merging bytes" in load_tokenizer(minilm.folder).missing["merge_step"]
