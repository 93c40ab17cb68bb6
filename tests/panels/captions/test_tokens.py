"""Captions of the tokenizer say no more than the text and its tokens bear out."""

import numpy as np
import pytest

from anatomy.trace import readable
from tests.panels.captions.answers import answers
from tests.panels.captions.rules import Rules
from viz.format import quoted
from viz.tokens import cut, units, words

RULES = Rules(**{panel: answers(panel) for panel in ("tokens", "words", "merges")})


@RULES.holds("tokens", r"No word is cut")
def every_word_lies_within_a_token(case, said):
    text = case.trace.text
    return all(any(t.start <= a and b <= t.end for t in case.trace.tokens) for a, b in words(text))


@RULES.holds("tokens", r"(?P<count>\d+) holds? only part of a word")
def so_many_tokens_are_parts(case, said):
    return int(said["count"]) == cut(case.trace.text, case.trace.tokens).kinds.count(1)


@RULES.holds("words", r"(?P<count>\d+) of (?P<all>\d+) \S+( or characters| and characters)? lies? within one token")
def so_many_words_take_one_token(case, said):
    taken = [len(unit.tokens) for unit in case.reading.units]
    return (int(said["count"]), int(said["all"])) == (taken.count(1), len(units(case.trace.text)))


@RULES.holds("words", r"The most cut is (?P<word>“.*?”): (?P<count>\d+) tokens")
def no_word_takes_more_tokens(case, said):
    return int(said["count"]) == max(len(unit.tokens) for unit in case.reading.units)


@RULES.holds(
    "merges",
    r"(?P<word>“.*?”|Its word) begins as (?P<bytes>\d+) bytes?; (?P<count>\d+) merges? leaves? (?P<left>\d+) token",
)
def each_merge_leaves_one_piece_less(case, said):
    steps, _rules = (case.trace[want] for want in case.panel.needs(case.trace.spec, case.view))
    lengths = [len(token.bytes) for token in case.trace.tokens]
    firsts = np.cumsum([0, *lengths])
    word = np.cumsum(steps == -2)  # of each byte: a word's first has −2
    own = np.flatnonzero(word == word[firsts[case.view.pos]])
    raw = b"".join(token.bytes for token in case.trace.tokens)[own[0] : own[-1] + 1]
    tokens = sum(own[0] <= first <= own[-1] for first in firsts[:-1].tolist())
    counts = len(raw), int((steps[own] > 0).sum()), tokens
    named = said["word"] == ("Its word" if len(raw) > 32 else quoted(readable(raw.decode(), raw)))
    told = (int(said["bytes"]), int(said["count"]), int(said["left"])) == counts
    return named and told and counts[0] - counts[1] == counts[2]


@RULES.holds("merges", r"there is nothing to merge|no bytes are merged for it")
def nothing_was_merged(case, said):
    return not case.reading.word.merges


@pytest.mark.parametrize("kind", RULES.cases)
def test_every_sentence_on_the_tokenizer_is_true_of_its_numbers(kind):
    RULES.check(kind)
