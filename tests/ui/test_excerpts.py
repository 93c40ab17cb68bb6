"""Parts of a text: cut where tokens end, with as many tokens as were asked for, and the chosen one where it was."""

from dataclasses import replace

import pytest

from anatomy.request import Run
from anatomy.trace import Token, Trace
from tests.anatomy.spec import SPEC
from ui import excerpts


def text_of(text: str, before: int = 0, after: int = 0, apart: int = 1) -> Trace:
    """A text with a token for each byte, and tokens that the tokenizer adds before and after it."""
    added = Token(0, "[X]", None, b"", 0, 0, special=True)
    own = [
        Token(byte, "", None, bytes([byte]), place, place + apart)
        for place, character in enumerate(text)
        for byte in character.encode()
    ]
    end = replace(added, start=len(text), end=len(text))
    return Trace(Run(SPEC.id, text), SPEC, (*[added] * before, *own, *[end] * after), {})


class Recut:
    """A model that makes a token of every byte."""

    def run(self, run: Run) -> Trace:
        return text_of(run.text)


def test_first_and_last_and_those_around_a_token():
    trace = text_of("abcdefghij")
    assert excerpts.first(trace, 4).text == "abcd"
    assert excerpts.last(trace, 4).text == "ghij"
    assert excerpts.around(5)(trace, 4) == excerpts.Part("defg", 2)


@pytest.mark.parametrize(("pos", "text", "chosen"), [(0, "abcd", 0), (1, "abcd", 1), (9, "ghij", 3), (8, "ghij", 2)])
def test_around_a_token_near_an_end_lies_within_the_text(pos, text, chosen):
    assert excerpts.around(pos)(text_of("abcdefghij"), 4) == excerpts.Part(text, chosen)


def test_what_the_tokenizer_adds_counts_and_is_not_part_of_the_text():
    trace = text_of("abcdefghij", before=1, after=1)
    assert excerpts.first(trace, 4).text == "ab"
    assert excerpts.last(trace, 4).text == "ij"
    assert excerpts.around(6)(trace, 4) == excerpts.Part("ef", 2)  # token 6 is the sixth letter; before "e" stands [X]
    assert excerpts.around(0)(trace, 4) == excerpts.Part("ab", 1)
    assert excerpts.around(11)(trace, 4) == excerpts.Part("ij", 2)


@pytest.mark.parametrize("count", range(1, 14))
def test_no_part_holds_a_character_that_it_has_not_all_tokens_of(count):
    trace = text_of("aé法👩b")
    for cut in (excerpts.first, excerpts.last, excerpts.around(5)):
        part = cut(trace, count).text
        assert part in trace.run.text
        assert len(part.encode()) <= count
    assert excerpts.first(trace, 11) == excerpts.Part("aé法👩b")
    assert excerpts.first(trace, 5) == excerpts.Part("aé")


def test_nothing_is_left_of_a_text_of_one_character_that_does_not_fit():
    assert excerpts.first(text_of("👩"), 3) == excerpts.Part("")


def test_a_part_that_has_more_tokens_when_it_is_cut_anew_is_made_shorter():
    def cut(trace: Trace, count: int) -> excerpts.Part:
        return excerpts.Part("x" * (count + 2))

    assert excerpts.fitting(Recut(), Run(SPEC.id, "x" * 50), 10, cut).text == "x" * 10


def test_claims_are_held_against_the_first_tokens_of_a_long_text():
    class Model(Recut):
        def spec(self):
            return SPEC

    long = "ab" * excerpts.JUDGED
    assert excerpts.judged(Model(), long, (1, 2)) == (long[: excerpts.JUDGED], ())
    assert excerpts.judged(Model(), "ab", (1, 2)) == ("ab", (1, 2))
    assert excerpts.judged_of(excerpts.JUDGED) == ""
    assert excerpts.judged_of(8192) == "judged on the first 1,024 of 8,192 tokens"
