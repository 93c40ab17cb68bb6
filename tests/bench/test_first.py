"""The measurement of the opening: ratios are taken round by round, and each round has a text of its own."""

import pytest

from bench import first
from bench.first import Times


def test_the_table_has_medians_and_the_medians_of_each_rounds_ratios():
    plain = [Times(1.0, 0.1), Times(2.0, 0.2), Times(4.0, 0.4)]
    ours = [Times(2.0, 0.3), Times(3.0, 0.2), Times(4.0, 0.8)]
    said = first.table({"passage": ours, "plain": plain}).splitlines()
    assert said[2] == "| passage | 3 | 0.3 | 1.5 | 2 |"
    assert said[3] == "| plain | 2 | 0.2 | 1 | 1 |"


def test_more_rounds_than_there_are_texts_are_refused():
    with pytest.raises(ValueError, match="there are texts for 11"):
        first.measure("none", 12)


def test_every_text_has_a_word_that_the_first_one_lacks():
    assert len(set(first._WORDS)) == len(first._WORDS)
    assert first._FIRST not in " ".join(first._TEXT.format(word=word) for word in first._WORDS)
