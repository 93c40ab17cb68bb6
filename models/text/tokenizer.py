"""Text to tokens and back, with the bytes and the place in the text of each."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers import decoders

from anatomy.language import N_
from anatomy.request import Run, Want
from anatomy.trace import Token, readable
from models.checkpoints.errors import WeightsError
from models.text import chat, merges
from models.text.chat import Chat, chat_of
from models.text.merges import Merges
from models.text.spelling import BYTE_OF, byte_level, spelling_of

SITES = merges.SITES | chat.SITES
_NO_MERGES = N_("This model's tokenizer does not build its tokens by merging bytes: there are no steps to show.")
_NO_CHAT = N_("This checkpoint's files do not say how a conversation is written: it has no chat template.")


def load_tokenizer(folder: Path) -> "Tokenizer":
    """The tokenizer of a checkpoint's folder. WeightsError where it has no tokenizer.json."""
    try:
        return Tokenizer((folder / "tokenizer.json").read_text("utf-8"), chat_of(folder))
    except FileNotFoundError as error:
        template = N_("{folder} has no tokenizer.json, so its model cannot read text.")
        raise WeightsError(template, folder=folder) from error


class Tokenizer:
    """The tokenizer that a tokenizer.json defines. It holds no state that a call changes: threads may share it.

    kind     "byte-level BPE", "BPE", "WordPiece" or "Unigram"
    special  its control tokens, in the order of their ids
    missing  those of SITES that it does not answer, each with a sentence that says why
    vocab_size  entries that it knows, added tokens among them; a model's table may have more rows
    """

    def __init__(self, definition: str, conversation: Chat | None = None) -> None:
        facts = json.loads(definition)
        self._spelling = spelling_of(facts)
        self._merges = Merges.of(facts["model"]) if self._spelling is byte_level else None
        self.kind: str = "byte-level BPE" if self._merges else facts["model"]["type"]
        self._chat = conversation
        self._added = {row["id"]: row["content"] for row in facts["added_tokens"]}
        self._special = {row["id"] for row in facts["added_tokens"] if row["special"]}
        self.special = tuple(self._added[row] for row in sorted(self._special))
        self.missing: Mapping[str, str] = {
            **({} if self._merges else dict.fromkeys(merges.SITES, _NO_MERGES)),
            **({} if self._chat else dict.fromkeys(chat.SITES, _NO_CHAT)),
        }
        self._obeying = _backend(definition, facts)  # reads "<|im_end|>" in a text as the control token
        self._plain = _backend(definition, facts)  # reads it as the ten characters that it is
        self._plain.encode_special_tokens = True
        self.vocab_size: int = self._plain.get_vocab_size(with_added_tokens=True)
        self._without_token = self._bytes_without_token()

    def tokenize(self, text: str, special_tokens: bool = False) -> tuple[Token, ...]:
        """The tokens that the model gets for a text, with those it adds itself ([CLS], [SEP]).

        Control tokens typed in the text are plain text unless `special_tokens` is set.
        """
        return self._tokens(text, (self._obeying if special_tokens else self._plain).encode(text))

    def answer(self, run: Run, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
        """The wanted arrays among SITES; those in `missing` have been refused before. Needs no model."""
        sites = {want.site for want in wants}
        columns: dict[str, np.ndarray] = {}
        if sites & merges.SITES and self._merges:
            joined = self._merges.joined(self._words(run))
            columns |= {"merge_step": joined.step, "merge_rule": joined.rule}
        if sites & chat.SITES and self._chat:
            ids, roles = self._conversation(self._chat, run.text)
            columns |= {"chat_ids": ids, "chat_role": roles}
        return {want: columns[want.site] for want in wants}

    def _words(self, run: Run) -> list[str | int]:
        """The letters of each word that is merged by itself; the number of bytes of each token that is none."""
        encoding = (self._obeying if run.special_tokens else self._plain).encode(run.text)
        words: list[str | int] = []
        pieces = zip(encoding.word_ids, encoding.ids, encoding.tokens, strict=True)
        for _, group in groupby(pieces, key=lambda row: row[0]):
            rows = list(group)
            if any(row in self._added for _, row, _ in rows):
                words += [len(self.piece_bytes(row)) for _, row, _ in rows]
            else:
                words.append("".join(piece for _, _, piece in rows))
        return words + [len(self.piece_bytes(row)) for row in run.tail]

    def _conversation(self, conversation: Chat, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Ids and roles of the text as a user's message. Control tokens are obeyed, as they are when a model chats."""
        written = conversation.written(text)
        encoding = self._obeying.encode(written.text, add_special_tokens=False)
        roles = [written.role(start) for start, _ in encoding.offsets]
        return np.array(encoding.ids, np.int64), np.array(roles, np.int32)

    def _tokens(self, text: str, encoding: tokenizers.Encoding) -> tuple[Token, ...]:
        tokens: list[Token] = []
        for row, piece, span, added in zip(
            encoding.ids, encoding.tokens, encoding.offsets, encoding.special_tokens_mask, strict=True
        ):
            end = tokens[-1].end if tokens else 0
            tokens.append(self._token(row, piece, (end, end) if added else span, text))
        return tuple(tokens)

    def token(self, row: int) -> Token:
        """One vocabulary entry as a token of no text."""
        return self._token(row, self._plain.id_to_token(row) or self.label(row), (0, 0), "")

    def decode(self, ids: list[int] | tuple[int, ...]) -> str:
        """The text of some tokens, control tokens included; U+FFFD where they hold only a part of a character."""
        return self._plain.decode(list(ids), skip_special_tokens=False)

    def piece_bytes(self, row: int) -> bytes:
        """The bytes that a vocabulary entry stands for; none for a row that the tokenizer has no entry for."""
        piece = self._plain.id_to_token(row)
        if piece is None:
            return b""
        return piece.encode() if row in self._added else self._spelling(piece)

    def label(self, row: int) -> str:
        """What a figure prints for a vocabulary entry; never empty, never U+FFFD."""
        piece, raw = self._plain.id_to_token(row), self.piece_bytes(row)
        if piece is None:  # models round their vocabulary up; such rows have a probability but no spelling
            return f"‹row {row}›"
        if row in self._special:
            return piece
        return readable(_text(raw), raw).replace("\ufffd", "‹U+FFFD›")

    def lost(self, text: str) -> tuple[str, ...]:
        """Characters of a text that reach the model in part or not at all: a byte of theirs has no token."""
        return tuple(character for character in text if self._without_token & set(character.encode()))

    def _token(self, row: int, piece: str, span: tuple[int, int], text: str) -> Token:
        """One token. An unknown word ([UNK]) is special and stands for the characters that were written."""
        start, end = span
        special = row in self._special
        raw = text[start:end].encode() if special and end > start else self.piece_bytes(row)
        return Token(row, piece, _text(raw), raw, start, end, special)

    def _bytes_without_token(self) -> frozenset[int]:
        """Bytes that a byte-level vocabulary lacks; the library drops them silently (SmolLM2 has no token for 0x13)."""
        if self._spelling is not byte_level:
            return frozenset()
        return frozenset(byte for letter, byte in BYTE_OF.items() if self._plain.token_to_id(letter) is None)


def _backend(definition: str, facts: dict[str, Any]) -> tokenizers.Tokenizer:
    """The library's tokenizer, without the cutting, filling up and tidying that some files ask for."""
    backend = tokenizers.Tokenizer.from_str(definition)
    backend.no_truncation()
    backend.no_padding()
    if facts["model"]["type"] == "WordPiece":
        backend.decoder = decoders.WordPiece(facts["model"]["continuing_subword_prefix"], cleanup=False)
    return backend


def _text(raw: bytes) -> str | None:
    """The characters of some bytes; None where they hold only a part of a character."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
