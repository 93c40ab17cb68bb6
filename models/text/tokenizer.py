"""Text to tokens and back, with the bytes and the place in the text of each."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers import decoders

from anatomy.language import N_
from anatomy.refused import Refused, Sentence
from anatomy.request import Run, Want
from anatomy.trace import Token, readable
from models.checkpoints.outside import of_a_file, reading, reason
from models.text import chat, merges
from models.text.chat import NO_TEMPLATE, Chat, chat_of
from models.text.control import plain_backend
from models.text.files import made_of
from models.text.merges import Merges
from models.text.places import keep_spaces, whole_spans
from models.text.spelling import BYTE_OF, byte_level, spelling_of

SITES = merges.SITES | chat.SITES
_NO_MERGES = N_("This model's tokenizer does not build its tokens by merging bytes: there are no steps to show.")


def load_tokenizer(folder: Path) -> "Tokenizer":
    """The tokenizer of a checkpoint's folder, which cuts as `transformers.AutoTokenizer` does. WeightsError, with a
    sentence that names the file, where none can be made of what is there."""
    made = made_of(folder)
    with reading(folder / "tokenizer.json" if (folder / "tokenizer.json").exists() else folder):
        return Tokenizer(made.definition, chat_of(made.template, made.special), backend=made.backend)


class Tokenizer:
    """The tokenizer that a tokenizer.json defines. It holds no state that a call changes: threads may share it.

    kind     "byte-level BPE", "BPE", "WordPiece", "WordLevel" or "Unigram"
    special  its control tokens, in the order of their ids
    chat     whether its files have a chat template, be it one that cannot be used
    missing  those of SITES that it does not answer, each with a sentence that says why
    vocab_size  entries that it knows, added tokens among them; a model's table may have more rows
    rows     one more than the highest id that it has an entry for: a model needs as many rows
    """

    def __init__(
        self,
        definition: str,
        conversation: Chat | Sentence | None = None,
        *,
        backend: tokenizers.Tokenizer | None = None,
    ) -> None:
        """definition    text of a tokenizer.json, as the library writes it
        conversation  the checkpoint's chat template, or why the one that it has cannot be used; None for none
        backend       the library's tokenizer of that definition where there is one already; nobody else may use it on
        """
        facts = json.loads(definition)
        self._spelling = spelling_of(facts)
        self._rules: dict[str, Any] | None = facts["model"] if self._spelling is byte_level else None
        self._rules = self._rules if self._rules and merges.followed(self._rules) else None
        self.kind: str = "byte-level BPE" if self._rules else facts["model"]["type"]
        self.chat = conversation is not None
        self._chat = conversation if isinstance(conversation, Chat) else None
        no_chat = conversation if isinstance(conversation, Sentence) else NO_TEMPLATE
        self._added = {row["id"]: row["content"] for row in facts["added_tokens"]}
        self._special = {row["id"] for row in facts["added_tokens"] if row["special"]}
        self.special = tuple(self._added[row] for row in sorted(self._special))
        self.missing: Mapping[str, str | Sentence] = {
            **({} if self._rules else dict.fromkeys(merges.SITES, _NO_MERGES)),
            **({} if self._chat else dict.fromkeys(chat.SITES, no_chat)),
        }
        # The one reads "<|im_end|>" in a text as the control token, the other as the ten characters that it is.
        self._obeying = _prepared(backend or tokenizers.Tokenizer.from_str(definition), facts)
        self._plain = _prepared(plain_backend(definition, facts, self._obeying), facts)
        self.vocab_size: int = self._obeying.get_vocab_size(with_added_tokens=True)
        self.rows = 1 + max((*_rows(facts["model"]["vocab"]), *self._added), default=-1)
        self._unknown = _unknown(facts["model"], self._obeying)
        self._without_token = self._bytes_without_token()

    def tokenize(self, text: str, special_tokens: bool = False) -> tuple[Token, ...]:
        """The tokens that the model gets for a text, with those it adds itself ([CLS], [SEP]).

        Control tokens typed in the text are plain text unless `special_tokens` is set.
        """
        return self._tokens(text, self._encoded(text, special_tokens))

    def _encoded(self, text: str, special_tokens: bool, *, around: bool = True) -> tokenizers.Encoding:
        """A text as the library cuts it. around: with the tokens that the model gets around every text."""
        with _cutting():
            return (self._obeying if special_tokens else self._plain).encode(text, add_special_tokens=around)

    def answer(self, run: Run, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
        """The wanted arrays among SITES; those in `missing` have been refused before. Needs no model."""
        sites = {want.site for want in wants}
        columns: dict[str, np.ndarray] = {}
        if sites & merges.SITES and self._rules:
            joined = self._merges.joined(self._words(run))
            columns |= {"merge_step": joined.step, "merge_rule": joined.rule}
        if sites & chat.SITES and self._chat:
            ids, roles = self._conversation(self._chat, run.text)
            columns |= {"chat_ids": ids, "chat_role": roles}
        return {want: columns[want.site] for want in wants}

    @cached_property
    def _merges(self) -> Merges:
        """The table of merges, read when it is first asked for: that takes as long as the rest together."""
        return Merges.of(self._rules or {})

    def _words(self, run: Run) -> list[str | int]:
        """The letters of each word that is merged by itself; the number of bytes of each token that is none."""
        if run.ids:
            return [len(self.piece_bytes(row)) for row in (*run.ids, *run.tail)]
        encoding = self._encoded(run.text, run.special_tokens)
        words: list[str | int] = []
        for _, group in groupby(
            zip(encoding.word_ids, self._tokens(run.text, encoding), strict=True), lambda row: row[0]
        ):
            tokens = [token for _, token in group]
            if any(token.special or token.id in self._added for token in tokens):
                words += [len(token.bytes) for token in tokens]
            else:
                words.append("".join(token.piece for token in tokens))
        return words + [len(self.piece_bytes(row)) for row in run.tail]

    def _conversation(self, conversation: Chat, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Ids and roles of the text as a user's message. Control tokens are obeyed, as they are when a model chats."""
        written = conversation.written(text)
        encoding = self._encoded(written.text, special_tokens=True, around=False)
        roles = [written.role(start) for start, _ in encoding.offsets]
        return np.array(encoding.ids, np.int64), np.array(roles, np.int32)

    def _tokens(self, text: str, encoding: tokenizers.Encoding) -> tuple[Token, ...]:
        added = encoding.special_tokens_mask
        placed = [span for span, around in zip(encoding.offsets, added, strict=True) if not around]
        spans = iter(whole_spans(text, placed, self._obeying.normalizer))
        tokens: list[Token] = []
        for row, around in zip(encoding.ids, added, strict=True):
            end = tokens[-1].end if tokens else 0
            tokens.append(self._token(row, (end, end) if around else next(spans), text))
        return tuple(tokens)

    def token(self, row: int) -> Token:
        """One vocabulary entry as a token of no text."""
        return self._token(row, (0, 0), "")

    def decode(self, ids: list[int] | tuple[int, ...]) -> str:
        """The text of some tokens, control tokens included; U+FFFD where they hold only a part of a character."""
        with _cutting():
            return self._obeying.decode(list(ids), skip_special_tokens=False)

    def piece_bytes(self, row: int) -> bytes:
        """The bytes that a vocabulary entry stands for; none for a row that the tokenizer has no entry for."""
        piece = self._piece(row)
        if piece is None:
            return b""
        return piece.encode() if row in self._added else self._spelling(piece)

    def label(self, row: int) -> str:
        """What a figure prints for a vocabulary entry; never empty, never U+FFFD."""
        raw = self.piece_bytes(row)
        if not raw:  # models round their vocabulary up; such rows have a probability but no spelling
            return f"‹row {row}›"
        return readable(self._piece(row) if row in self._special else _text(raw), raw)

    def _piece(self, row: int) -> str | None:
        """The vocabulary's spelling of a row; None where it has no such entry."""
        return self._obeying.id_to_token(row) if 0 <= row < self.rows else None

    def apart(self, row: int, following: int) -> bool:
        """Whether two entries, one after the other, spell a space between them that the bytes of neither hold: two
        words of WordPiece."""
        if self._spelling is byte_level or self.piece_bytes(following).startswith(b" "):
            return False
        one, other = self.decode([row]), self.decode([following])
        return self.decode([row, following]) == f"{one} {other}"

    def lost(self, text: str) -> tuple[str, ...]:
        """Characters of a text that reach the model in part or not at all: a byte of theirs has no token."""
        normalizer = self._obeying.normalizer
        spelled = {c: normalizer.normalize_str(c) if normalizer else c for c in set(text)}
        return tuple(character for character in text if self._without_token & set(spelled[character].encode()))

    def _token(self, row: int, span: tuple[int, int], text: str) -> Token:
        """One token. An unknown word ([UNK]) is special and stands for the characters that were written."""
        start, end = span
        piece = self._piece(row) or self.label(row)
        special = row in self._special or row == self._unknown
        raw = text[start:end].encode() if special and end > start else self.piece_bytes(row)
        return Token(row, piece, _text(raw), raw, start, end, special)

    def _bytes_without_token(self) -> frozenset[int]:
        """Bytes that a byte-level vocabulary lacks; the library drops them silently (SmolLM2 has no token for 0x13)."""
        if self._spelling is not byte_level:
            return frozenset()
        return frozenset(byte for letter, byte in BYTE_OF.items() if self._obeying.token_to_id(letter) is None)


def _prepared(backend: tokenizers.Tokenizer, facts: dict[str, Any]) -> tokenizers.Tokenizer:
    """The library's tokenizer, without the cutting, filling up, tidying and narrowing that some files ask for."""
    backend.no_truncation()
    backend.no_padding()
    keep_spaces(backend, facts)
    if facts["model"].get("dropout"):  # for training: it leaves merges out at random
        backend.model.dropout = None
    if facts["model"]["type"] == "WordPiece":
        backend.decoder = decoders.WordPiece(facts["model"]["continuing_subword_prefix"], cleanup=False)
    return backend


def _rows(vocabulary: dict[str, int] | list[list]) -> Iterable[int]:
    """Ids of the entries of a model's own vocabulary: stated for each, or counted."""
    return vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))


def _unknown(model: dict[str, Any], backend: tokenizers.Tokenizer) -> int | None:
    """The id that stands for what the vocabulary cannot spell."""
    piece = model.get("unk_token")
    return model.get("unk_id") if piece is None else backend.token_to_id(piece)


@contextmanager
def _cutting() -> Iterator[None]:
    """Inside a `with`, what the library raises over a text becomes a refusal."""
    try:
        yield
    except BaseException as error:
        if not of_a_file(error):
            raise
        template = N_(
            "This model's tokenizer cannot read the text ({reason}): its files may be damaged. Fetch them again."
        )
        raise Refused(template, reason=reason(error)) from error


def _text(raw: bytes) -> str | None:
    """The characters of some bytes; None where they hold only a part of a character."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
