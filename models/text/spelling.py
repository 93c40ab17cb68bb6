"""How a vocabulary spells text: the bytes that an entry stands for."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

Spelling = Callable[[str], bytes]  # the vocabulary's piece -> the bytes of text it stands for


def spelling_of(definition: dict[str, Any]) -> Spelling:
    """The spelling that a tokenizer.json uses: byte-level BPE, WordPiece or SentencePiece."""
    model = definition["model"]
    if model["type"] == "WordPiece":
        return partial(_word_piece, model["continuing_subword_prefix"])
    if _mentions(definition, "ByteLevel"):
        return byte_level
    return _sentence_piece


def _mentions(definition: dict[str, Any], kind: str) -> bool:
    """Whether a step of that type cuts or joins the text."""
    steps = [definition.get("pre_tokenizer"), definition.get("decoder")]
    return json.dumps({"type": kind})[1:-1] in json.dumps(steps)


def _word_piece(prefix: str, piece: str) -> bytes:
    """ "##ing" goes on a word: the bytes of "ing"."""
    return piece.removeprefix(prefix).encode()


def _sentence_piece(piece: str) -> bytes:
    """ "▁the" begins with a space; "<0xE6>" is one byte."""
    if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
        return bytes([int(piece[3:5], 16)])
    return piece.replace("▁", " ").encode()


def byte_level(piece: str) -> bytes:
    """Every character stands for one byte: "Ġ" for a space, "æ" for E6. KeyError for one outside GPT-2's alphabet."""
    return bytes(BYTE_OF[character] for character in piece)


def _byte_letters() -> dict[str, int]:
    """GPT-2's alphabet: printable Latin-1 characters stand for themselves, the others for U+0100 onwards.

    Radford et al. 2019, `bytes_to_unicode` in the released encoder.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    rest = [byte for byte in range(0x100) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + row): byte for row, byte in enumerate(rest)}


BYTE_OF = _byte_letters()
