"""Tokens have the right ids, bytes and places in the text, for each way a vocabulary spells."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, normalizers, pre_tokenizers
from transformers import AutoTokenizer, Qwen2Tokenizer

from anatomy.trace import Token
from models.checkpoints.errors import WeightsError
from models.checkpoints.gguf_tokenizer import tokenizer_from
from models.checkpoints.locate import Located
from models.text.spelling import BYTE_OF
from models.text.tokenizer import Tokenizer, load_tokenizer
from tests.models.checkpoints.tiny_checkpoints import MERGES, PIECES, SPECIAL

TEXTS = (
    "Paris is the capital of France. Berlin is the capital of",
    "患者头痛两天",
    "family: 👩‍👩‍👧 and 👍🏽!",
    "  leading and  double   spaces ",
    "lines\n\n\nand\ttabs\r\n\x0bend",
    "def f(x):\n    return x ** 2024  # ≤ 3.14\n",
    "שלום עולם مرحبا بالعالم",
    "a <|im_end|> b [SEP] <s> \ufffd \u200b e\u0301",
    "",
    " ",
)


@pytest.fixture(scope="session")
def bpe(smollm2: Located) -> Tokenizer:
    """SmolLM2's, built from the GGUF's metadata."""
    return load_tokenizer(smollm2.folder)


@pytest.fixture(scope="session")
def word_piece(minilm: Located) -> Tokenizer:
    """BERT's, as MiniLM ships it."""
    return load_tokenizer(minilm.folder)


@pytest.fixture(scope="session")
def sentence_piece() -> Tokenizer:
    """A small one in Llama 2's manner: ▁ for a space, and bytes for what has no entry."""
    pieces = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256)), *"▁thecb", "▁t", "he", "▁the"]
    vocabulary = {piece: row for row, piece in enumerate(pieces)}
    model = tokenizers.models.BPE(
        vocab=vocabulary, merges=[("▁", "t"), ("h", "e"), ("▁t", "he")], unk_token="<unk>", byte_fallback=True
    )
    backend = tokenizers.Tokenizer(model)
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    backend.decoder = decoders.Sequence(steps)
    return Tokenizer(backend.to_str())


def _pieces(tokens: tuple[Token, ...]) -> list[str]:
    return [token.piece for token in tokens]


def _assert_exact(tokenizer: Tokenizer, text: str) -> None:
    """Bytes add up to the text; each token covers the characters that its bytes belong to; decoding gives it back."""
    tokens = tokenizer.tokenize(text)
    assert b"".join(token.bytes for token in tokens) == text.encode()
    assert tokenizer.decode([token.id for token in tokens]) == text
    owner = [place for place, character in enumerate(text) for _ in character.encode()]  # byte -> its character
    at = 0
    for token in tokens:
        end = at + len(token.bytes)
        assert (token.start, token.end) == (owner[at], owner[end - 1] + 1)
        assert token.text in {None, text[token.start : token.end]}
        at = end


def test_ids_are_those_of_the_original(bpe: Tokenizer) -> None:
    ids = [token.id for token in bpe.tokenize(TEXTS[0])]
    assert ids == [38634, 314, 260, 3575, 282, 4649, 30, 11452, 314, 260, 3575, 282]
    assert (bpe.kind, bpe.vocab_size) == ("byte-level BPE", 49152)


def test_every_digit_is_a_token(bpe: Tokenizer) -> None:
    assert _pieces(bpe.tokenize("in 2024")) == ["in", "Ġ", "2", "0", "2", "4"]


@pytest.mark.parametrize("text", TEXTS)
def test_bytes_places_and_decoding_are_exact(bpe: Tokenizer, text: str) -> None:
    _assert_exact(bpe, text)


@settings(max_examples=300, deadline=None)
@given(text=st.text())
def test_bytes_places_and_decoding_are_exact_for_any_text(bpe: Tokenizer, text: str) -> None:
    lost = bpe.lost(text)
    _assert_exact(bpe, "".join(character for character in text if character not in lost))


def test_a_character_in_pieces_has_no_text_but_bytes(bpe: Tokenizer) -> None:
    tokens = bpe.tokenize("患")
    assert [(token.text, token.bytes) for token in tokens] == [(None, b"\xe6"), (None, b"\x82"), (None, b"\xa3")]
    assert [(token.start, token.end) for token in tokens] == [(0, 1)] * 3
    assert [token.label for token in tokens] == ["‹怀…濿›", "‹82›", "‹A3›"]  # by themselves


def test_characters_that_the_vocabulary_cannot_spell_are_named(bpe: Tokenizer) -> None:
    assert bpe.lost("a\x13b\U00040000c患") == ("\x13", "\U00040000")
    assert _pieces(bpe.tokenize("\x13")) == []


def test_control_tokens_in_a_text_are_obeyed_only_on_request(bpe: Tokenizer) -> None:
    text = "hi<|im_end|>"
    assert _pieces(bpe.tokenize(text)) == ["hi", "<", "|", "im", "_", "end", "|", ">"]
    *_, control = bpe.tokenize(text, special_tokens=True)
    assert control == Token(2, "<|im_end|>", "<|im_end|>", b"<|im_end|>", 2, 12, special=True)
    assert bpe.decode([2]) == "<|im_end|>"


def test_threads_that_obey_and_threads_that_do_not_share_one_tokenizer(bpe: Tokenizer) -> None:
    obeyed, plain = (_pieces(bpe.tokenize("x <|im_end|> y", special_tokens=flag)) for flag in (True, False))
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(
            lambda turn: _pieces(bpe.tokenize("x <|im_end|> y", special_tokens=turn % 2 == 0)), range(200)
        )
    assert all(pieces == (obeyed if turn % 2 == 0 else plain) for turn, pieces in enumerate(answers))


def test_every_entry_of_the_vocabulary_has_a_readable_label(bpe: Tokenizer, word_piece: Tokenizer) -> None:
    for tokenizer in (bpe, word_piece):
        labels = [tokenizer.label(row) for row in range(tokenizer.vocab_size)]
        assert all(labels)
        assert not any("\ufffd" in label for label in labels)
    assert [bpe.label(row) for row in (2, 260, 177)] == ["<|im_end|>", "·the", "‹怀…濿›"]


def test_a_row_beyond_the_vocabulary_has_a_label_and_no_bytes(bpe: Tokenizer) -> None:
    assert (bpe.label(49152), bpe.piece_bytes(49152)) == ("‹row 49152›", b"")


def test_transformers_reads_the_same_tokenizer_from_the_folder(smollm2: Located, bpe: Tokenizer) -> None:
    theirs = AutoTokenizer.from_pretrained(smollm2.folder)
    for text in TEXTS:
        assert theirs(text)["input_ids"] == [token.id for token in bpe.tokenize(text, special_tokens=True)]
        assert theirs.decode(theirs(text)["input_ids"]) == text
    assert (theirs.bos_token, theirs.eos_token) == ("<|im_start|>", "<|im_end|>")
    chat = theirs.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert chat.endswith("<|im_start|>user\nHi<|im_end|>\n")


def test_word_pieces_lose_their_marks_and_added_tokens_cover_nothing(word_piece: Tokenizer) -> None:
    begin, token, izing, end = word_piece.tokenize("Tokenizing")
    assert (begin.piece, begin.special, begin.start, begin.end) == ("[CLS]", True, 0, 0)
    assert (token.piece, token.text, token.start, token.end) == ("token", "token", 0, 5)
    assert (izing.piece, izing.text, izing.bytes, izing.start, izing.end) == ("##izing", "izing", b"izing", 5, 10)
    assert (end.piece, end.special, end.start, end.end) == ("[SEP]", True, 10, 10)
    assert (word_piece.kind, word_piece.vocab_size) == ("WordPiece", 30522)


def test_an_unknown_word_keeps_the_characters_that_were_written(word_piece: Tokenizer) -> None:
    unknown = word_piece.tokenize("a ☃ b")[2]
    assert (unknown.piece, unknown.text, unknown.bytes) == ("[UNK]", "☃", "☃".encode())
    assert (unknown.start, unknown.end, unknown.special, unknown.label) == (2, 3, True, "[UNK]")


def test_separators_typed_into_a_bert_text_are_plain_text(word_piece: Tokenizer) -> None:
    assert _pieces(word_piece.tokenize("a [SEP]"))[1:-1] == ["a", "[", "sep", "]"]
    assert _pieces(word_piece.tokenize("a [SEP]", special_tokens=True))[1:-1] == ["a", "[SEP]"]


def test_long_texts_are_neither_cut_nor_filled_up(word_piece: Tokenizer) -> None:
    assert len(word_piece.tokenize("word " * 300)) == 302
    assert len(word_piece.tokenize("word")) == 3


def test_decoding_word_pieces_does_not_tidy(word_piece: Tokenizer) -> None:
    ids = [token.id for token in word_piece.tokenize("do n't , no .")]
    assert word_piece.decode(ids) == "[CLS] do n ' t , no . [SEP]"


def test_sentence_pieces_show_their_space_and_their_bytes(sentence_piece: Tokenizer) -> None:
    tokens = sentence_piece.tokenize("the 患b")
    assert [token.text for token in tokens] == [" the", " ", None, None, None, "b"]
    assert b"".join(token.bytes for token in tokens) == " the 患b".encode()
    assert [(token.start, token.end) for token in tokens] == [(0, 3), (3, 4), (4, 5), (4, 5), (4, 5), (5, 6)]
    assert sentence_piece.decode([token.id for token in tokens]) == "the 患b"


def test_qwen2_cuts_text_as_transformers_does() -> None:
    vocabulary = {piece: row for row, piece in enumerate(PIECES)}
    pairs = [tuple(merge.split(" ")) for merge in MERGES]
    theirs = Qwen2Tokenizer(vocab=vocabulary, merges=pairs)
    ours = tokenizer_from(_metadata(pre="qwen2"))
    for text in TEXTS:
        assert ours.pre_tokenizer.pre_tokenize_str(text) == theirs.backend_tokenizer.pre_tokenizer.pre_tokenize_str(
            text
        )


def test_a_model_that_wants_a_first_token_gets_it() -> None:
    tokens = Tokenizer(tokenizer_from(_metadata(add_bos_token=True)).to_str()).tokenize("the")
    assert (tokens[0].piece, tokens[0].special) == ("<|im_start|>", True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"pre": "tekken"}, "by the rule 'tekken'"), ({"model": "llama"}, "of the kind 'llama'")],
)
def test_a_tokenizer_that_is_not_known_is_refused_by_name(change: dict[str, str], sentence: str) -> None:
    with pytest.raises(WeightsError, match=sentence):
        tokenizer_from(_metadata(**change))


def test_a_folder_without_a_tokenizer_says_so(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"has no tokenizer\.json"):
        load_tokenizer(tmp_path)


def test_the_alphabet_of_bytes_is_the_library_s() -> None:
    assert sorted(BYTE_OF) == sorted(pre_tokenizers.ByteLevel.alphabet())
    assert sorted(BYTE_OF.values()) == list(range(256))
    assert json.loads('"\\u0120"') == next(letter for letter, byte in BYTE_OF.items() if byte == ord(" "))


def _metadata(**change: object) -> dict[str, object]:
    """The metadata of the tiny GGUF's tokenizer, with changes."""
    kinds = np.array([3] * len(SPECIAL) + [1] * (len(PIECES) - len(SPECIAL)))
    facts = {"model": "gpt2", "pre": "smollm", "tokens": PIECES, "token_type": kinds, "merges": MERGES}
    ends = {"bos_token_id": 1, "eos_token_id": 2}
    return {f"tokenizer.ggml.{key}": value for key, value in {**facts, **ends, **change}.items()}


def test_merges_that_are_left_out_at_random_in_training_are_all_made() -> None:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: row for row, piece in enumerate([*letters, "th", "the"])}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[("t", "h"), ("th", "e")], dropout=0.5))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    drawing = Tokenizer(made.to_str())
    assert {tuple(token.piece for token in drawing.tokenize("the")) for _ in range(40)} == {("the",)}
    assert {tuple(token.piece for token in drawing.tokenize("the", special_tokens=True)) for _ in range(40)} == {
        ("the",)
    }
