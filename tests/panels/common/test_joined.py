"""Words in panels: the printed program joins the same tokens that the figures join."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from anatomy.view import Fitted
from anatomy.words import apart
from panels.attention.attention import PANEL
from panels.common import joined
from panels.common.shared import WORDS
from tests.models.tiny import ByteTokenizer
from tests.models.toy import backend
from tests.panels import toys
from tests.panels.conftest import byte_tokenizer
from tests.panels.handmade import attending, even
from viz import tokens

ON = Fitted().with_setting(WORDS, True)
TOKENIZER = byte_tokenizer()
LETTERS = "aé'’_1 \n.,‹िम北の한กກកာ豈𠀀🙂\u0301"


def starts(text: str, view: Fitted = ON, ids: list[int] | None = None) -> list[int]:
    """First token of each word, as the program finds them."""
    names = {"tokenizer": TOKENIZER, "text": text, "ids": ids or list(text.encode())}
    exec(joined.program(view), names)
    return [word.start for word in names["words"]]


def expected(text: str) -> list[int]:
    found = ByteTokenizer().tokenize(text)
    return list(joined.joined(found, tokens.words(text)).starts)


@given(st.text(LETTERS, min_size=1, max_size=12))
def test_the_program_finds_the_words_of_the_figure(text):
    assert starts(text) == expected(text)


@pytest.mark.parametrize("place", [0x0E00, 0x0EFF, 0x1000, 0x3040, 0x30FF, 0x3400, 0x4DBF, 0x9FFF, 0xF900, 0x20000])
@pytest.mark.parametrize("step", [-1, 0, 1])
def test_the_program_knows_the_same_scripts_without_spaces(place, step):
    text = f"a{chr(place + step)}a"
    assert starts(text) == expected(text)


@pytest.mark.parametrize("tail", ["x y", "é", " 北b", "🙂."])
def test_the_program_reads_generated_tokens_as_words_too(tail, answered):
    trace, view = answered(PANEL, text="ab c", tail=tuple(tail.encode()), settings=ON.settings)
    assert starts("ab c", view, list(f"ab c{tail}".encode())) == list(joined.words_of(trace, view).starts)


@pytest.mark.parametrize("text", ["ab c", "é x", "北b'c", "🙂."])
def test_the_program_reads_given_tokens_as_words_too(text, answered):
    trace, view = answered(PANEL, text=text, ids=tuple(text.encode()), settings=ON.settings)
    assert starts(text, view) == list(joined.words_of(trace, view).starts) == expected(text)


def test_the_program_does_not_cut_what_given_tokens_spell():
    """Letters, which the tokenizer would merge, after a control token, which no text would give."""
    letters = [backend().token_to_id(letter) for letter in "ableĠthe"]
    trace, view = toys.answer(PANEL, text="able the", ids=(0, *letters), settings=ON.settings)
    names = {"tokenizer": PreTrainedTokenizerFast(tokenizer_object=backend()), "text": "able the", "ids": [0, *letters]}
    exec(joined.program(view), names)
    assert [word.start for word in names["words"]] == list(joined.words_of(trace, view).starts) == [0, 1, 5, 6]


def test_without_the_switch_every_token_stands_alone_and_the_program_joins_nothing():
    trace = attending("a b c", even(3))
    assert joined.words_of(trace, Fitted()) == apart(3)
    assert joined.program(Fitted()) == ""


def test_a_text_of_single_tokens_says_that_nothing_is_joined():
    assert joined.note(apart(3), "so").startswith("No word of this text takes more than one token")
    assert joined.note(joined.joined(ByteTokenizer().tokenize("ab"), [(0, 2)]), "so") == "so"
