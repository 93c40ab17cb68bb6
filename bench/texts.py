"""Texts of a given number of tokens, as many different ones as a measurement needs."""

from collections.abc import Callable
from random import Random

WORDS = """
the quick brown fox jumps over a lazy dog and then it sleeps for an hour near the old red barn while rain falls on green
hills and a river runs past the town where people sell bread fish and apples in the morning
"""


def text_of(length: int, seed: int, count: Callable[[str], int]) -> str:
    """A text of exactly so many tokens; same seed, same text. count: how many tokens a text has.

    ValueError where no number of words comes out at this length.
    """
    chance, words = Random(seed), WORDS.split()
    text = chance.choice(words)
    while (now := count(text)) < length:
        many = (length - now) // 8  # a word is seldom more tokens than this
        longer = " ".join([text, *(chance.choice(words) for _ in range(max(1, many)))])
        if not many and count(longer) > length:
            longer = text + " a" if count(text + " a") <= length else text + "a"
        text = longer
    if count(text) != length:
        raise ValueError(f"a text of {length} tokens was not found: {count(text)} came out")
    return text
