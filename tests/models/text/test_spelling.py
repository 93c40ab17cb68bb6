"""Rows of a vocabulary are shown as what they are, also those that spell nothing or spell it oddly."""

import json
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from anatomy.refused import Refused
from models.text.spelling import BYTE_OF
from models.text.tokenizer import Tokenizer as Ours

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def definition(vocabulary: dict[str, int], added: dict[int, str] | None = None, **change: Any) -> Ours:
    """A byte-level tokenizer, its JSON written by hand."""
    switches = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    rows = [{"id": row, "content": content} | switches for row, content in (added or {}).items()]
    model = {"type": "BPE", "vocab": vocabulary, "merges": []}
    facts = {"version": "1.0", "added_tokens": rows, "pre_tokenizer": BYTES, "decoder": BYTES, "model": model}
    made = Tokenizer.from_str(json.dumps(facts | change))
    return Ours(made.to_str(), backend=made)


def rows_of(tokenizer: Ours) -> list[str]:
    """Every label, with all that is asked about a row asked."""
    shown = []
    for row in range(tokenizer.rows + 1):
        token = tokenizer.token(row)
        assert (token.id, token.bytes) == (row, tokenizer.piece_bytes(row))
        assert token.label
        tokenizer.decode([row])
        shown.append(tokenizer.label(row))
    return shown


def test_rows_without_an_entry_are_shown_by_their_number() -> None:
    tokenizer = definition({"a": 0, "b": 5, "Ġ": 9})
    assert rows_of(tokenizer) == [
        "a",
        *(f"‹row {row}›" for row in range(1, 5)),
        "b",
        *(f"‹row {row}›" for row in range(6, 9)),
        "·",
        "‹row 10›",
    ]
    assert (tokenizer.vocab_size, tokenizer.rows) == (3, 10)


@pytest.mark.parametrize("row", [-1, 1 << 31, 1 << 32, 1 << 70])
def test_a_row_that_no_vocabulary_has_is_shown_by_its_number(row: int) -> None:
    tokenizer = definition({"a": 0})
    assert (tokenizer.label(row), tokenizer.piece_bytes(row)) == (f"‹row {row}›", b"")


def test_a_piece_outside_the_alphabet_of_bytes_is_the_text_that_it_is() -> None:
    tokenizer = definition({"a": 0, "北": 1, "é北": 2, "<0xZZ>": 3, " ": 4})
    assert rows_of(tokenizer)[:5] == ["a", "北", "é北", "<0xZZ>", "·"]
    assert [tokenizer.decode([row]) for row in range(5)] == ["a", "北", "é北", "<0xZZ>", " "]


def test_an_entry_of_no_letters_is_shown_by_its_number() -> None:
    assert rows_of(definition({"a": 0, "": 1}))[:2] == ["a", "‹row 1›"]


def test_two_entries_of_one_row_are_shown_as_one() -> None:
    tokenizer = definition({"a": 0, "b": 0, "c": 1})
    assert rows_of(tokenizer)[0] in ("a", "b")
    assert [token.id for token in tokenizer.tokenize("c")] == [1]


def test_added_tokens_keep_the_rows_that_the_library_gives_them() -> None:
    """Neither a stated row that is not the next one, nor one that is taken, nor an empty content."""
    tokenizer = definition({"a": 0, "b": 1}, {300: "<x>", 1: "<y>", 7: ""})
    assert rows_of(tokenizer) == ["a", "b", "<x>", "<y>", "‹row 4›"]
    assert [token.id for token in tokenizer.tokenize("<x>a<y>")] == [2, 0, 3]


def test_control_tokens_that_cannot_be_seen_are_named() -> None:
    made = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    made.add_special_tokens(["\n", " ", "\ufffd", "\u200b"])
    labels = rows_of(Ours(made.to_str()))
    assert labels[1:5] == ["⏎", "·", "‹U+FFFD›", "‹U+200B›"]


def sentence_pieces(pieces: list[str], *, falls_back: bool, mark: str = "▁") -> Ours:
    made = Tokenizer(models.BPE({piece: row for row, piece in enumerate(pieces)}, [], byte_fallback=falls_back))
    made.pre_tokenizer = pre_tokenizers.Metaspace(mark)
    made.decoder = decoders.Metaspace(mark)
    return Ours(made.to_str())


def test_bytes_are_told_from_texts_that_look_alike() -> None:
    pieces = ["<0xE6>", "<0xZZ>", "<0x+1>", "<0x 1>", "<0xE6", "<0x1234>"]
    spelled = sentence_pieces(pieces, falls_back=True)
    assert [spelled.piece_bytes(row) for row in range(6)] == [b"\xe6", *(piece.encode() for piece in pieces[1:])]
    assert sentence_pieces(pieces, falls_back=False).piece_bytes(0) == b"<0xE6>"
    assert rows_of(spelled)[:2] == ["‹怀…濿›", "<0xZZ>"]


def test_the_mark_for_a_space_is_the_tokenizer_s_own() -> None:
    pieces = ["▁a", "_a"]
    assert [sentence_pieces(pieces, falls_back=False).piece_bytes(row) for row in (0, 1)] == [b" a", b"_a"]
    under = sentence_pieces(pieces, falls_back=False, mark="_")
    assert [under.piece_bytes(row) for row in (0, 1)] == ["▁a".encode(), b" a"]
    made = Tokenizer(models.WordLevel({"▁a": 0}, unk_token="▁a"))
    assert Ours(made.to_str()).piece_bytes(0) == "▁a".encode()
    made.normalizer = normalizers.Replace(" ", "▁")
    assert Ours(made.to_str()).piece_bytes(0) == b" a"


def test_marks_within_words_are_no_text() -> None:
    words = Tokenizer(
        models.BPE({"cat</w>": 0, "@@s": 1}, [], end_of_word_suffix="</w>", continuing_subword_prefix="@@")
    )
    assert [Ours(words.to_str()).piece_bytes(row) for row in (0, 1)] == [b"cat", b"s"]
    pieces = Tokenizer(models.WordPiece({"[UNK]": 0, "s": 1}, unk_token="[UNK]", continuing_subword_prefix=""))
    assert Ours(pieces.to_str()).piece_bytes(1) == b"s"
    facts = json.loads(pieces.to_str())
    assert facts["model"]["continuing_subword_prefix"] == ""


def test_what_stands_for_the_unknown_is_the_characters_that_were_written() -> None:
    """Also where it is no added token, as in T5's older files."""
    made = Tokenizer(models.Unigram([("<unk>", 0.0), ("a", -1.0)], unk_id=0))
    tokens = Ours(made.to_str()).tokenize("a☃a")
    assert [(token.text, token.special) for token in tokens] == [("a", False), ("☃", True), ("a", False)]


def test_a_text_that_the_tokenizer_cannot_cut_is_refused() -> None:
    made = Tokenizer(models.Unigram([("a", -1.0)]))
    with pytest.raises(Refused, match="cannot read the text"):
        Ours(made.to_str()).tokenize("☃")


def test_the_alphabet_has_every_byte() -> None:
    assert rows_of(definition(BYTE_OF))[ord("A")] == "A"
