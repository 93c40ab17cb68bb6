"""How a vocabulary spells text: the bytes that an entry stands for."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

Spelling = Callable[[str], bytes]  # the vocabulary's piece -> the bytes of text it stands for
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def spelling_of(definition: dict[str, Any]) -> Spelling:
    """The spelling that a tokenizer.json uses: byte-level BPE, or pieces with marks for where words begin, go on or
    end, as WordPiece and SentencePiece have them."""
    steps = list(_steps(definition))
    kinds = {step["type"] for step in steps}
    if "ByteLevel" in kinds:
        return byte_level
    model = definition["model"]
    prefix, suffix = (model.get(name) or "" for name in ("continuing_subword_prefix", "end_of_word_suffix"))
    by_bytes = "ByteFallback" in kinds or bool(model.get("byte_fallback"))
    return partial(_marked, prefix, suffix, _space(steps), by_bytes)


def _steps(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every step that prepares, cuts or joins the text, those of sequences one by one."""
    left = [definition.get(name) for name in ("decoder", "pre_tokenizer", "normalizer")]
    while left:
        step = left.pop()
        if isinstance(step, dict) and "type" in step:
            yield step
            left += [one for name in ("normalizers", "pretokenizers", "decoders") for one in step.get(name) or ()]


def _space(steps: list[dict[str, Any]]) -> str:
    """The character that a vocabulary writes for a space, "▁" in SentencePiece's; a space where it has none."""
    for step in steps:
        if step["type"] == "Metaspace":
            return step.get("replacement") or "▁"
        if step["type"] == "Replace" and step.get("pattern") == {"String": " "} and step.get("content"):
            return step["content"]
    return " "


def _marked(prefix: str, suffix: str, space: str, by_bytes: bool, piece: str) -> bytes:
    """ "##ing" goes on a word: the bytes of "ing"; "▁the" begins with a space; "<0xE6>" is one byte."""
    if by_bytes and (byte := _BYTE.fullmatch(piece)):
        return bytes.fromhex(byte[1])
    return piece.removeprefix(prefix).removesuffix(suffix).replace(space, " ").encode()


def byte_level(piece: str) -> bytes:
    """Every character stands for one byte: "Ġ" for a space, "æ" for E6. A piece with a character outside GPT-2's
    alphabet is text as it stands, as for the library's decoder."""
    try:
        return bytes(BYTE_OF[character] for character in piece)
    except KeyError:
        return piece.encode()


def _byte_letters() -> dict[str, int]:
    """GPT-2's alphabet: printable Latin-1 characters stand for themselves, the others for U+0100 onwards.

    Radford et al. 2019, `bytes_to_unicode` in the released encoder.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    rest = [byte for byte in range(0x100) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + row): byte for row, byte in enumerate(rest)}


BYTE_OF = _byte_letters()
