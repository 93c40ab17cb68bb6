"""The panel of words: tokens per word, characters of scripts without spaces, and what is special in a vocabulary."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.view import Fitted
from panels import stagemap
from panels.tokens import tokenizers, tokens
from panels.tokens.words import PANEL, read
from tests import once
from tests.anatomy.spec import spec
from tests.models.tiny import MODELS
from tests.panels.handmade import cut_as
from tests.snapshot import described
from viz.tokens import units

VIEW = Fitted(pos=0)
CATS = cut_as("the cats, too", [b"the", b" cat", b"s", b",", b" too"])


@pytest.mark.parametrize("kind", MODELS)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
def test_the_printed_program_counts_the_same(kind, answered, program):
    trace, view = answered(PANEL, kind, text="the cat's café, twice")
    assert program(PANEL, trace, view, kind) == [len(unit.tokens) for unit in read(trace, view).units]


def test_every_word_takes_the_tokens_that_hold_its_characters():
    assert [(unit.text, unit.tokens) for unit in read(CATS, VIEW).units] == [
        ("the", (0,)),
        ("cats", (1, 2)),
        ("too", (4,)),
    ]


def test_the_caption_counts_words_and_names_the_most_cut():
    assert once.caption(PANEL, CATS, VIEW) == (
        "2 of 3 words lie within one token; on average a word takes 1.33. In all, the text takes 5 tokens, 1.67 per "
        "word. The most cut is “cats”: 2 tokens, “·cat” "
        "“s”. A token holds 2.60 characters, 2.60 bytes, white space counted."
    )


@given(st.lists(st.sampled_from([b"the", b" cat", b"s", b",", b" ", "你".encode(), "é".encode()]), min_size=1))
def test_all_panels_tell_one_rate_of_a_text(pieces):
    text = b"".join(pieces).decode()
    trace = cut_as(text, pieces, special=("[SEP]",))
    rate = re.compile(r"(\d+\.\d+) per (?:word|character)\b")
    (own,) = rate.findall(once.caption(tokens.PANEL, trace, VIEW)) or [None]
    assert rate.findall(stagemap._tokens(trace, VIEW)) == [own] * (own is not None)
    ((_start, above),) = once.figure(tokenizers.PANEL, trace, VIEW).rows
    assert rate.findall(above) == [own] * (own is not None)
    told = once.caption(PANEL, trace, VIEW)
    average = re.search(r"on average a [a-z ]+ takes (\d+\.\d+)", told)
    if own is not None and average is not None and own != average[1]:
        assert rate.findall(told) == [own]


def test_characters_of_scripts_without_spaces_count_one_by_one():
    trace = cut_as("你好 ok", ["你好".encode(), b" ", b"o", b"k"])
    assert [unit.text for unit in read(trace, VIEW).units] == ["你", "好", "ok"]
    assert once.caption(PANEL, trace, VIEW).startswith(
        "2 of 3 words and characters lie within one token; on average a word or"
    )
    assert once.figure(PANEL, trace, VIEW).layout.xaxis.title.text == "words and characters of the text"


def test_a_character_in_pieces_takes_several_tokens():
    raw = "患".encode()
    trace = cut_as("患", [raw[:1], raw[1:2], raw[2:]])
    assert once.caption(PANEL, trace, VIEW).startswith(
        "0 of 1 character lies within one token; on average a character takes 3.00"
    )


@pytest.mark.parametrize(
    ("text", "found"), [("a-b c", ["a", "b", "c"]), ("!?", ["!", "?"]), ("北京x", ["北", "京", "x"])]
)
def test_units_are_words_or_characters(text, found):
    assert [text[a:b] for a, b in units(text)] == found


def test_white_space_alone_has_nothing_to_count():
    trace = cut_as(" \n", [b" ", b"\n"])
    assert once.caption(PANEL, trace, VIEW).startswith("The text has no words.")
    assert once.figure(PANEL, trace, VIEW).layout.yaxis.ticktext == ("no character",)
    assert once.table(PANEL, trace, VIEW).rows == ()


def test_the_bars_hold_every_word_once():
    figure = once.figure(PANEL, CATS, VIEW)
    assert sum(float(bars.x.sum()) for bars in figure.data) == len(read(CATS, VIEW).units)
    assert figure.layout.yaxis.ticktext == ("1 token", "2 tokens")


def test_the_table_counts_words_cut_alike_together():
    trace = cut_as("a bc a", [b"a", b" b", b"c", b" a"])
    assert once.table(PANEL, trace, VIEW).rows == (("bc", 2, "“·b” “c”", 1), ("a", 1, "“a”", 1), ("a", 1, "“·a”", 1))


def test_special_tokens_of_the_vocabulary_are_named():
    special = tuple(f"<{i}>" for i in range(7))
    trace = replace(CATS, spec=spec(special=special))
    told = once.caption(PANEL, trace, VIEW)
    assert told.endswith(
        "Of the 50 rows of the vocabulary, 7 are special: “<0>”, “<1>”, “<2>”, “<3>”, “<4>” and 2 more."
    )
    assert once.formula(PANEL, trace, VIEW).splitlines()[-1].endswith("<6>")


def test_special_tokens_in_a_text_are_no_part_of_a_word():
    trace = cut_as("hello", [b"hello"], special=("[SEP]",))
    assert read(trace, VIEW).units[0].tokens == (0,)


@pytest.mark.real
def test_the_default_text_is_made_of_whole_words(really_answered):
    trace, view = really_answered(PANEL)
    assert once.caption(PANEL, trace, view).startswith(
        "11 of 11 words lie within one token; on average a word takes 1.00."
    )
