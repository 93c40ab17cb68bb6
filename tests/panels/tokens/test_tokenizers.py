"""The same text under other tokenizers: rows side by side, words that come in other pieces, what is not spelled."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from anatomy.request import Run
from anatomy.trace import Trace
from anatomy.view import Fitted, View
from models.local.engine import LocalEngine
from models.text.tokenizer import Tokenizer as OurTokenizer
from panels.common.snippet import FOLDER
from panels.tokens.tokenizations import around
from panels.tokens.tokenizers import OTHER, PANEL, read
from tests import once
from tests.models.tiny import MODELS, tiny_engine, tiny_model
from tests.models.toy import save, toy_engine, toy_tokenizer
from tests.panels.handmade import cut_as
from tests.snapshot import described

TEXT = "the table, unable"
PIECES = ("[UNK]", "[CLS]", "[SEP]", "the", "table", ",", "un", "##able", "a", "b", "##b", "##a")


def word_pieces() -> Tokenizer:
    """A WordPiece of a few entries, which adds a token on either side."""
    backend = Tokenizer(models.WordPiece({piece: row for row, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    backend.add_special_tokens([AddedToken(piece, special=True, normalized=False) for piece in PIECES[:3]])
    return backend


@cache
def other_engine() -> LocalEngine:
    return LocalEngine(tiny_model("bert"), OurTokenizer(word_pieces().to_str()), name="pieces")


def compared(text: str = TEXT, **choices) -> tuple[Trace, Fitted]:
    """The toy's trace with the other tokenizer's beside it, and the view on it."""
    engine, other = toy_engine(), other_engine()
    chosen = View(text=text, **choices)
    trace = engine.run(chosen.run(engine.spec))
    others = (other.run(Run(other.spec.id, text)),)
    return replace(trace, of_others=others), chosen.fit(engine.spec, trace.tokens)


def labels(trace: Trace, view: Fitted) -> list[str]:
    return [chip.label for chip in once.figure(PANEL, trace, view).chips]


@pytest.mark.parametrize("kind", MODELS)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    trace = replace(trace, of_others=(other_engine().run(Run(other_engine().spec.id, view.text)),))
    told = {
        "says": once.caption(PANEL, trace, view),
        "table": once.table(PANEL, trace, view),
        "formula": once.formula(PANEL, trace, view),
    }
    assert {"figure": described(once.figure(PANEL, trace, view))} | told == picture


def test_a_row_for_each_tokenizer_with_its_numbers_above():
    trace, view = compared()
    chips = once.figure(PANEL, trace, view)
    assert labels(trace, view) == [*trace.labels, "[CLS]", "the", "table", ",", "un", "able", "[SEP]"]
    (own, above), (other, over) = chips.rows
    assert (own, other) == (0, len(trace.tokens))
    assert above.startswith("toy: byte-level BPE, 256 entries → ")
    assert over == "pieces: WordPiece, 256 entries → 7 tokens (2 added), 1.67 per word"


def test_the_table_holds_a_row_for_each():
    own, other = once.table(PANEL, *compared()).rows
    assert own[:2] == ("toy", "byte-level BPE")
    assert other[:5] == ("pieces", "WordPiece", 256, 7, 2)
    assert other[5] == pytest.approx(5 / 3)
    assert other[6] == pytest.approx(5 / 15)
    assert other[8] == "[CLS] | the | table | , | un | able | [SEP]"


def test_words_in_other_pieces_are_counted_and_the_first_is_shown():
    trace, view = compared()
    assert [[TEXT[start:end] for start, end in words] for words in read(trace, view).apart] == [["the", "table"]]
    told = once.caption(PANEL, trace, view)
    assert "pieces cuts 2 words in another way: “the” is “t” + “he” here and “the” there." in told
    assert once.formula(PANEL, trace, view).splitlines()[-2:] == ["“the”: “t” + “he”   toy", "“the”: “the”   pieces"]


def test_the_same_cut_is_said_to_be_the_same():
    trace, view = compared()
    same = replace(trace, of_others=(replace(trace, of_others=()),))
    assert "cuts every word at the same places." in once.caption(PANEL, same, view)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("北京", "cuts every character at the same places."),
        ("?!", "cuts every character at the same places."),
        ("a 北京", "cuts every word and character at the same places."),
        (" ", "finds nothing but white space to cut, too."),
    ],
)
def test_what_is_cut_alike_is_named_as_what_the_text_has(text, said, answered):
    trace, view = answered(PANEL, text=text)
    assert said in once.caption(PANEL, replace(trace, of_others=(trace,)), view)


def test_choosing_a_token_of_another_row_chooses_the_one_that_holds_its_first_character():
    trace, view = compared()
    chips, own = once.figure(PANEL, trace, view), len(trace.tokens)
    assert [chips.place(chip) for chip in range(own)] == list(range(own))
    for token, place in zip(trace.of_others[0].tokens, chips.places[own:], strict=True):
        if token.start == token.end:
            assert place is None
        else:
            assert trace.tokens[place].start <= token.start < trace.tokens[place].end


def test_without_another_tokenizer_the_panel_has_its_own_and_says_nothing_of_others(answered):
    trace, view = answered(PANEL)
    assert len(once.figure(PANEL, trace, view).rows) == len(once.table(PANEL, trace, view).rows) == 1
    assert once.caption(PANEL, trace, view) == (
        "The text is cut into 22 tokens for tiny-llama (a kind that is not known)."
    )


def test_one_token_and_its_twin():
    trace, view = compared("a")
    assert once.caption(PANEL, trace, view) == (
        "The text is cut into 1 token for toy (byte-level BPE), 3 tokens (2 added) for pieces (WordPiece). "
        "pieces cuts every word at the same places."
    )
    assert once.figure(PANEL, trace, view).focus == 0


def test_chinese_is_counted_in_characters_and_unknown_ones_are_named():
    own = cut_as("北京人", ["北京".encode(), "人".encode()[:2], "人".encode()[2:]])
    trace = replace(own, of_others=(other_engine().run(Run(other_engine().spec.id, "北京人")),))
    told = once.caption(PANEL, trace, Fitted(pos=0))
    assert "3 characters in another way: “北” is “北京” here and “[UNK]” there." in told
    assert "pieces cannot spell “北”, “京”, “人”." in told
    assert once.table(PANEL, trace, Fitted(pos=0)).rows[0][5] is None
    assert "1.00 per character" in once.figure(PANEL, trace, Fitted(pos=0)).rows[0][1]


def test_of_much_that_is_not_spelled_the_first_is_named():
    text = "x y z q w v u"
    own = cut_as(text, [text.encode()])
    trace = replace(own, of_others=(other_engine().run(Run(other_engine().spec.id, text)),))
    assert once.caption(PANEL, trace, Fitted(pos=0)).endswith("pieces cannot spell “x”, “y”, “z”, “q”, “w” and 2 more.")


def test_an_emoji_has_no_words():
    raw = "🙂".encode()
    trace = cut_as("🙂", [raw[:3], raw[3:]])
    other = replace(trace, tokens=(replace(trace.tokens[0], end=1),))
    told = once.caption(PANEL, replace(trace, of_others=(other,)), Fitted(pos=0))
    assert "cuts 1 character in another way: “🙂” is “‹🙂 1/2›” + “‹🙂 2/2›” here and “‹🙀…🙿›” there." in told


def test_a_character_that_is_left_out_is_named():
    trace = cut_as("a b", [b"a", b" b"])
    lost = replace(trace, tokens=trace.tokens[:1])
    assert "Small cannot spell “b”." in once.caption(PANEL, lost, Fitted(pos=0))


def test_white_space_alone_has_no_rate():
    trace = cut_as(" \n", [b" ", b"\n"])
    assert once.figure(PANEL, trace, Fitted(pos=0)).rows[0][1].endswith("→ 2 tokens")
    assert once.formula(PANEL, trace, Fitted(pos=0)).endswith("no character but white space")


def test_what_was_generated_is_left_out():
    trace, view = compared(tail=(3, 4))
    assert len(read(trace, view).own.tokens) == len(trace.tokens) - 2
    assert "What was added to the text is left out here." in once.caption(PANEL, trace, view)
    assert once.figure(PANEL, trace, view).focus is None


def test_of_a_long_text_the_surroundings_of_the_chosen_token_are_drawn():
    text = "the table " * 90
    own, other = (
        Trace(Run(engine.spec.id, text), engine.spec, reader.tokenize(text), {})
        for engine, reader in ((toy_engine(), toy_tokenizer()), (other_engine(), OurTokenizer(word_pieces().to_str())))
    )
    trace, view = replace(own, of_others=(other,)), Fitted(pos=200)
    shown = once.figure(PANEL, trace, view)
    assert len(shown.chips) < len(trace.tokens)
    assert shown.place(shown.focus) == 200
    assert "Drawn are 400 of 900 characters" in once.caption(PANEL, trace, view)


@pytest.mark.parametrize(
    ("place", "span"), [(0, (0, 4)), (5, (3, 7)), (9, (6, 10)), (10, (6, 10))], ids=["start", "middle", "last", "end"]
)
def test_a_window_stays_inside_the_text(place, span):
    assert around("0123456789", place, 4) == span
    assert around("012", place, 4) == (0, 3)


def test_the_printed_program_finds_the_same_pieces(tmp_path: Path, capsys: pytest.CaptureFixture):
    trace, view = compared()
    here, there = tmp_path / "here", tmp_path / "there"
    save(here)
    PreTrainedTokenizerFast(tokenizer_object=word_pieces()).save_pretrained(there)
    code = PANEL.snippet(trace.spec, view)
    assert code.count(FOLDER) == code.count(OTHER) == 1
    names: dict[str, object] = {}
    exec(
        compile(code.replace(FOLDER, here.as_posix()).replace(OTHER, there.as_posix()), "tokenizers.py", "exec"), names
    )
    assert names["result"] == [[token.piece for token in one.tokens] for one in (trace, *trace.of_others)]
    assert "7 tokens" in capsys.readouterr().out


def test_tokens_need_no_forward_pass(answered):
    assert not answered(PANEL)[0].arrays
    assert PANEL.others
    assert PANEL.applies(tiny_engine().spec) is None
