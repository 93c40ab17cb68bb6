"""The panel of tokens: what it says of words, scripts without spaces, bytes and special tokens."""

from dataclasses import replace

import pytest

from anatomy.view import Fitted
from panels.tokens.tokens import PANEL
from tests import once
from tests.models.tiny import MODELS
from tests.panels.handmade import cut_as
from tests.snapshot import described
from viz.tokens import BETWEEN, BYTES, CHARACTER, KINDS, PART, SPECIAL, WHOLE, cut

VIEW = Fitted(pos=0)


def kinds(trace) -> list[int]:
    return list(cut(trace.run.text, trace.tokens).kinds)


@pytest.mark.parametrize("kind", MODELS)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    figure, numbers = once.figure(PANEL, trace, view), once.table(PANEL, trace, view)
    shown = {"figure": described(figure), "says": once.caption(PANEL, trace, view), "table": numbers}
    assert shown == picture
    assert len(numbers.rows) == len(figure.chips) == len(trace.tokens)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
def test_the_printed_program_finds_the_same_tokens(kind, answered, program):
    trace, view = answered(PANEL, kind)
    found = program(PANEL, trace, view, kind)
    assert [row for _, row, _ in found] == [token.id for token in trace.tokens]
    assert [place for _, _, place in found] == [(token.start, token.end) for token in trace.tokens]


def test_the_printed_program_names_the_tokens_that_were_given(answered, program):
    trace, view = answered(PANEL, text="ab", ids=(97, 98))
    found = program(PANEL, trace, view)
    assert found == [("a", 97), ("b", 98)]


def test_tokens_need_no_forward_pass(answered):
    trace, _ = answered(PANEL)
    assert not trace.arrays


def test_a_word_in_one_piece_and_a_word_in_two():
    trace = cut_as("the cats, too", [b"the", b" cat", b"s", b",", b" too"])
    assert kinds(trace) == [WHOLE, PART, PART, BETWEEN, WHOLE]
    assert once.caption(PANEL, trace, VIEW) == "5 tokens for 3 words: 1.67 per word. 2 hold only part of a word."


def test_words_with_apostrophes_digits_underscores_and_marks_are_words():
    text = "don't snake_case 3rd हिन्दी"
    found = cut(text, ()).words
    assert [text[a:b] for a, b in found] == text.split()


def test_a_text_of_whole_words_says_so():
    trace = cut_as("one two", [b"one", b" two"])
    assert once.caption(PANEL, trace, VIEW) == "2 tokens for 2 words: 1.00 per word. No word is cut."


def test_chinese_is_counted_in_characters():
    trace = cut_as("你好吗", ["你好".encode(), "吗".encode()[:2], "吗".encode()[2:]])
    assert kinds(trace) == [CHARACTER, BYTES, BYTES]
    assert (
        once.caption(PANEL, trace, VIEW)
        == "3 tokens for 3 characters: 1.00 per character. 2 hold only part of a character."
    )


def test_an_emoji_in_pieces_has_no_words_and_readable_bytes():
    raw = "🙂".encode()
    trace = cut_as("🙂", [raw[:3], raw[3:]])
    assert (
        once.caption(PANEL, trace, VIEW)
        == "2 tokens for 1 character: 2.00 per character. 2 hold only part of a character."
    )
    assert once.figure(PANEL, trace, VIEW).chips[0].detail == "F0 9F 99"
    assert "\ufffd" not in once.figure(PANEL, trace, VIEW).chips[0].label


def test_white_space_alone_is_not_divided_by():
    trace = cut_as(" \n", [b" ", b"\n"])
    assert kinds(trace) == [BETWEEN, BETWEEN]
    assert once.caption(PANEL, trace, VIEW) == "2 tokens, with nothing but white space in them."


def test_special_tokens_are_named_and_not_counted():
    trace = cut_as("hello", [b"hello"], special=("[SEP]",))
    assert kinds(trace) == [WHOLE, SPECIAL]
    assert (
        once.caption(PANEL, trace, VIEW)
        == "1 token for 1 word: 1.00 per word. No word is cut. Special tokens besides: “[SEP]”."
    )


def test_an_unknown_word_takes_one_token_which_is_named():
    trace = cut_as("the zzz", [b"the", b" zzz"])
    unknown = replace(trace.tokens[1], piece="[UNK]", special=True)
    trace = replace(trace, tokens=(trace.tokens[0], unknown))
    assert (
        once.caption(PANEL, trace, VIEW)
        == "2 tokens for 2 words: 1.00 per word. No word is cut. Special tokens in place of text: “[UNK]”."
    )


def test_characters_without_a_token_are_named():
    trace = cut_as("a b", [b"a", b" b"])
    lost = replace(trace, tokens=trace.tokens[:1])
    assert once.caption(PANEL, lost, VIEW).endswith("The tokenizer leaves out “b”: the model does not see it.")


def test_the_formula_goes_from_characters_to_the_row_of_the_vocabulary():
    lines = once.formula(PANEL, cut_as("the cat", [b"the", b" cat"]), Fitted(pos=1)).splitlines()
    assert lines[0] == "position 1: “·cat”, code points 3 to 6 of the text"
    assert lines[1].endswith("bytes 20 63 61 74")
    assert lines[2] == "→ row 1 of 50"


def test_labels_stay_data():
    trace = cut_as("<b>", [b"<b>"])
    assert "<b>&lt;b&gt;</b>" in once.figure(PANEL, trace, VIEW).html()


def test_every_kind_of_piece_has_a_name_in_the_legend():
    assert len(KINDS) == 1 + max(WHOLE, PART, CHARACTER, BYTES, BETWEEN, SPECIAL)
    assert once.figure(PANEL, cut_as("a", [b"a"]), VIEW).legend == KINDS


@pytest.mark.real
def test_characters_of_the_real_vocabulary_come_in_parts(really_answered):
    trace, view = really_answered(PANEL, text="北京, don't")
    assert kinds(trace) == [BYTES] * 4 + [BETWEEN, PART, PART]
    assert "\ufffd" not in once.figure(PANEL, trace, view).html()
