"""The answer: tokens and arrays by `Want`, each checked against the table of sites when it is built."""

import re
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from unicodedata import bidirectional

import numpy as np

from anatomy.characters import Covered, Share, begun, covered, parted, stands_alone
from anatomy.request import Run, Want
from anatomy.sites import SITES, axes_of
from anatomy.spec import ModelSpec


@dataclass(frozen=True)
class Token:
    """One token of the text.

    id       row of the vocabulary
    piece    the vocabulary's own spelling ("Ġcapital", "##ing")
    text     the characters it stands for, or None where it holds only a part of a character
    bytes    its UTF-8 bytes, always
    start    first character that it covers, of the text with what the run's tail goes on with
    end      one past the last; start == end for a token that covers no text (added by the model)
    special  added or control token, not text
    covers   what it covers where it holds a part of a character, in order: characters, and parts of others; set by the
             trace, which has the tokens beside it
    """

    id: int
    piece: str
    text: str | None
    bytes: bytes
    start: int
    end: int
    special: bool = False
    covers: Covered = field(default=(), compare=False)

    @property
    def label(self) -> str:
        """What a figure prints: spaces as ·, newlines as ⏎, the first of two parts of a character as `‹患 1/2›`.

        A part that can be read by itself stands for itself: the 👩 that begins a family.
        """
        if self.covers and not stands_alone(self.text):
            return "".join(of_part(one) if isinstance(one, Share) else readable(one, b"") for one in self.covers)
        return readable(self.piece if self.special else self.text, self.bytes)

    @property
    def shares(self) -> tuple[Share, ...]:
        """The characters that it holds a part of, in order."""
        return tuple(one for one in self.covers if isinstance(one, Share))


def of_part(share: Share) -> str:
    """What a figure prints for a part of a character: `‹患 1/2›`."""
    return f"‹{seen(share)} {share.part}/{share.of}›"


def seen(share: Share) -> str:
    """The character of a part as a figure prints it: □ for an ideographic space, U+200B for what cannot be seen."""
    label = readable(share.character, b"")
    return label[1:-1] if label.startswith("‹U+") else label


def readable(text: str | None, raw: bytes) -> str:
    """A label that is never empty and never U+FFFD: visible white space, bytes where no text exists. Of a character
    that is only begun, the first and the last that it may become: `‹悀…悿›` for the bytes E6 82.

    One in a script that runs from right to left is isolated (Unicode Annex 9), so that marks, quotes and numbers
    beside it keep their order.
    """
    if text is None:
        return _unfinished(raw)
    if text == "":
        return _in_hex(raw)
    if set(text) <= _JOINERS:  # with nothing to join they would leave the label blank
        return "".join(f"‹U+{ord(c):04X}›" for c in text)
    shown = text.translate(_VISIBLE)
    label = "".join(c if c.isprintable() and c != "\ufffd" else _code_point(c) for c in shown)
    return f"\u2066{label}\u2069" if any(bidirectional(c) in ("R", "AL") for c in text) else label


def _unfinished(raw: bytes) -> str:
    """Bytes that are no text by themselves: whole characters among them as such, the beginning of one by the characters
    that begin so, all others in hexadecimal."""
    parts = parted(raw)
    if parts is None:
        return _in_hex(raw)
    may_be = begun(parts.begins)
    ends = _in_hex(parts.ends) if parts.ends else ""
    text = readable(parts.text, b"") if parts.text else ""
    begins = _in_hex(parts.begins) if parts.begins else ""
    return ends + text + (_between(may_be) if may_be else begins)


def _between(ends: tuple[str, str]) -> str:
    """A character of which only the beginning is known, by the first and the last that it may be."""
    return "‹{}…{}›".format(*(readable(one, b"") for one in ends))


def _in_hex(raw: bytes) -> str:
    return f"‹{raw.hex(' ').upper()}›"


def _code_point(character: str) -> str:
    """Invisible characters by their number, save those that join emoji or scripts, which have to stay."""
    return character if character in _JOINERS else f"‹U+{ord(character):04X}›"


_VISIBLE = {ord(" "): "·", ord("\n"): "⏎", ord("\t"): "⇥", ord("\r"): "␍", 0xA0: "⍽", 0x3000: "□"}
_ENDS = re.compile("‹([89AB][0-9A-F](?: [89AB][0-9A-F]){0,2})›")  # a label that ends a character
_JOINERS = {"\u200c", "\u200d", "\ufe0f"}


def continued(
    tokens: Iterable[Token], start: int, apart: Callable[[Token, Token], bool] = lambda token, following: False
) -> tuple[tuple[Token, ...], str]:
    """(tokens of no text with their places counted on from a text of `start` characters, the text that they spell).

    Special tokens spell nothing. A character that is spread over several tokens is covered by each of them, as in a
    text that is cut; bytes that are no character spell U+FFFD. apart: whether a space that neither of two tokens
    covers stands between them.
    """
    decoder = getincrementaldecoder("utf-8")("replace")
    placed, text = [], ""
    before: Token | None = None
    for token in tokens:
        if token.special:
            text += decoder.decode(b"", final=True)
        else:
            if before is not None and apart(before, token):
                text += decoder.decode(b"", final=True) + " "
            before = token
        first = start + len(text)
        text += decoder.decode(b"" if token.special else token.bytes)
        begun = len(decoder.getstate()[0]) > 0  # a character that later tokens may complete
        placed.append(replace(token, start=first, end=start + len(text) + begun))
    return tuple(placed), text + decoder.decode(b"", final=True)


@dataclass(frozen=True)
class Trace:
    """What one run gave. `trace[want]` is a read-only array; asking for one that is not there says what to do.
    ValueError for an array that has not the axes of its site, or not their lengths in this model and text.

    names   label of every vocabulary id that the arrays mention (near_ids, next_ids, lens_ids), as `readable` gives it
    of_others  the same text under other models at hand, tokens only, for the panels that ask for them
    """

    run: Run
    spec: ModelSpec
    tokens: tuple[Token, ...]
    arrays: Mapping[Want, np.ndarray]
    names: Mapping[int, str] = field(default_factory=dict)
    of_others: tuple["Trace", ...] = ()

    def __post_init__(self) -> None:
        lengths = {stack: self._lengths(stack) for stack in {want.stack for want in self.arrays}}
        frozen = {want: _checked(want, array, lengths[want.stack]) for want, array in self.arrays.items()}
        object.__setattr__(self, "tokens", _with_parts(self.tokens, self.text))
        object.__setattr__(self, "arrays", MappingProxyType(frozen))
        object.__setattr__(self, "names", MappingProxyType(dict(self.names)))

    def __getitem__(self, want: Want) -> np.ndarray:
        try:
            return self.arrays[want]
        except KeyError:
            raise KeyError(f"{want} is not in this trace: add it to the panel's needs()") from None

    def __contains__(self, want: Want) -> bool:
        return want in self.arrays

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """One label per token, as figures print them."""
        return tuple(token.label for token in self.tokens)

    @property
    def text(self) -> str:
        """The text of the run with what its tail goes on with: what the places of the tokens count in."""
        tail = self.tokens[len(self.tokens) - len(self.run.tail) :]
        return self.run.text + continued(tail, 0)[1]

    @property
    def lost(self) -> str:
        """Characters of the text, each once, that no token covers: the vocabulary cannot spell them."""
        covered = {place for token in self.tokens for place in range(token.start, token.end)}
        missed = (c for place, c in enumerate(self.run.text) if place not in covered and not c.isspace())
        return "".join(dict.fromkeys(missed))

    def name(self, token_id: int) -> str:
        """Label of a vocabulary id that the arrays mention or that stands in the text. KeyError for others."""
        name = self.names.get(token_id, self._own_names.get(token_id))
        if name is None:
            raise KeyError(f"no name for token id {token_id}: the engine has to give one for every id in its arrays")
        return name

    def following(self, token_id: int, pos: int) -> str:
        """Label of a vocabulary id as what goes on with the text after a token: where a character is not finished
        there, and these bytes go on with it, the character: `‹患 3/3›` for A3 after E6 and 82. KeyError as `name`."""
        name = self.name(token_id)
        ends = _ENDS.match(name)
        first, count = self._unfinished(pos) if ends else (b"", 0)
        if ends is None or not first:
            return name
        raw = first + bytes.fromhex(ends[1])
        parts, may_be = parted(raw), begun(raw)
        if parts is not None and parts.text:
            return of_part(Share(parts.text, count + 1, count + 1)) + name[ends.end() :]
        return name if may_be is None else _between(may_be)

    def _unfinished(self, pos: int) -> tuple[bytes, int]:
        """(the bytes of a character that is not finished after a token, how many tokens hold them)."""
        raw, count = b"", 0
        if self.spec.head != "causal":
            return raw, count
        for token in reversed(self.tokens[max(0, pos - 2) : pos + 1]):
            if token.special:
                break
            raw, count = token.bytes + raw, count + 1
            parts = parted(raw)
            if parts is not None and (parts.begins or parts.text):
                return parts.begins, count
        return b"", 0

    @cached_property
    def _own_names(self) -> dict[int, str]:
        """Labels of the text's own tokens as those of no text: one part may begin many characters."""
        return {token.id: replace(token, covers=()).label for token in self.tokens}

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays.values())

    def plus(self, arrays: Mapping[Want, np.ndarray], names: Mapping[int, str] = MappingProxyType({})) -> "Trace":
        """The same answer with more arrays in it, and the names of the ids they mention."""
        return replace(self, arrays={**self.arrays, **arrays}, names={**self.names, **names})

    def _lengths(self, stack: str | None) -> dict[str, int]:
        """Length of every axis that the model or the text fixes."""
        of_text = {"pos": len(self.tokens), "src": len(self.tokens), "byte": sum(len(t.bytes) for t in self.tokens)}
        return self.spec.sizes(stack) | of_text


def _with_parts(tokens: tuple[Token, ...], text: str) -> tuple[Token, ...]:
    """The tokens with what those cover that hold parts of characters."""
    spans = tuple((token.start, token.start if token.special else token.end) for token in tokens)
    parts = covered(text, spans)
    if all(own == token.covers for own, token in zip(parts, tokens, strict=True)):
        return tokens
    return tuple(replace(token, covers=own) for own, token in zip(parts, tokens, strict=True))


def _checked(want: Want, array: np.ndarray, lengths: Mapping[str, int]) -> np.ndarray:
    """The array, read-only; ValueError where its site or one of its axes is not what the site table says."""
    if want.site not in SITES:
        raise ValueError(f"no site is called {want.site!r}: the table is anatomy/sites.py")
    axes = axes_of(want)
    if array.ndim != len(axes):
        raise ValueError(f"{want} has shape {array.shape}, the site table says {axes}")
    for axis, length in zip(axes, array.shape, strict=True):
        if lengths.get(axis, length) != length:
            raise ValueError(f"{want}: axis {axis} is {length} long, the model and text say {lengths[axis]}")
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array
