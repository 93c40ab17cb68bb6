"""How byte-level BPE builds the chosen token's word: its bytes, joined one pair at a time by the table of merges."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Int

from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace, readable
from anatomy.view import Fitted
from panels import Panel, Table
from panels.snippet import FOLDER
from viz.format import many, quoted, thousands
from viz.ladder import Block, Ladder, ladder
from viz.tokens import spelled

_STEP, _RULE = Want("merge_step"), Want("merge_rule")
_NEW_WORD = -2
_MOST_BYTES, _MOST_OTHER_BYTES = 32, 22  # drawn of a word, and of one with characters beyond ASCII: longer labels
_MOST_ROWS, _MOST_LINES = 24, 12
_NO_MERGES = {
    "WordPiece": "it takes the longest entry of the vocabulary that the rest of a word begins with, again and again",
    "Unigram": "it compares whole ways of cutting a word and takes the likeliest",
    "BPE": "it merges characters, or in a manner of its own, and only merges of bytes can be followed here",
}


def applies(spec: ModelSpec) -> str | None:
    """None, or how this model's tokenizer finds its pieces instead."""
    if spec.tokenizer == "byte-level BPE":
        return None
    if spec.tokenizer in _NO_MERGES:
        return f"This model's tokenizer is {spec.tokenizer}: {_NO_MERGES[spec.tokenizer]}."
    return "This model's tokenizer does not build its tokens by merging bytes: there are no steps to show."


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """When each byte was joined to the one before, and by which rule: no forward pass."""
    return (_STEP, _RULE)


@dataclass(frozen=True)
class Merge:
    """One step: its number in the word, the two pieces as (first byte, end), the rule, 0 the first of the table."""

    step: int
    left: tuple[int, int]
    right: tuple[int, int]
    rule: int


@dataclass(frozen=True)
class Word:
    """The bytes that are merged by themselves, and how: step and rule of each byte as the sites give them.

    first  position of its first token in the text
    """

    raw: bytes
    step: Int[np.ndarray, " byte"]
    rule: Int[np.ndarray, " byte"]
    first: int

    def pieces(self, done: int) -> list[tuple[int, int]]:
        """(first byte, end) of every piece after so many steps."""
        cuts = [i for i, step in enumerate(self.step.tolist()) if step < 0 or step > done]
        return list(zip(cuts, [*cuts[1:], len(self.raw)], strict=True))

    @property
    def count(self) -> int:
        """How many merges there are."""
        return int((self.step > 0).sum())

    @cached_property
    def merges(self) -> tuple[Merge, ...]:
        """Every step, in order."""
        order = np.argsort(self.step, kind="stable")
        return tuple(self.merge(int(place)) for place in order[len(order) - self.count :])

    def merge(self, place: int) -> Merge:
        """The step that joined a byte to the one before."""
        before = self.pieces(int(self.step[place]) - 1)
        right = next(piece for piece in before if piece[0] == place)
        left = next(piece for piece in before if piece[1] == place)
        return Merge(int(self.step[place]), left, right, int(self.rule[place]))

    @property
    def tokens(self) -> list[tuple[int, int]]:
        """(first byte, end) of what no rule joins any further."""
        return self.pieces(len(self.raw))

    def label(self, piece: tuple[int, int]) -> str:
        """A piece as figures print it."""
        return readable(*_text(self.raw[piece[0] : piece[1]]))

    def part(self, pieces: Sequence[tuple[int, int]]) -> "Word":
        """The word as if it held these neighbouring tokens alone; steps keep their numbers."""
        first, end = pieces[0][0], pieces[-1][1]
        return Word(self.raw[first:end], self.step[first:end], self.rule[first:end], self.first)


def _text(raw: bytes) -> tuple[str | None, bytes]:
    try:
        return raw.decode(), raw
    except UnicodeDecodeError:
        return None, raw


def word_of(trace: Trace, view: Fitted) -> Word:
    """The word that the chosen token belongs to."""
    lengths = [len(token.bytes) for token in trace.tokens]
    begins = np.cumsum([0, *lengths]).tolist()
    steps = trace[_STEP]
    edges = [*np.flatnonzero(steps == _NEW_WORD).tolist(), len(steps)]
    start = max(edge for edge in edges if edge <= begins[view.pos])
    end = min(edge for edge in edges if edge > start)
    raw = b"".join(token.bytes for token in trace.tokens)[start:end]
    return Word(raw, steps[start:end], trace[_RULE][start:end], begins.index(start))


def shown(trace: Trace, view: Fitted) -> Word:
    """The word; of a long one the tokens around the chosen one."""
    word = word_of(trace, view)
    tokens = word.tokens
    low = high = view.pos - word.first
    most = _MOST_BYTES if word.raw.isascii() else _MOST_OTHER_BYTES
    while True:
        wider = [(a, b) for a, b in ((low, high + 1), (low - 1, high)) if a >= 0 and b < len(tokens)]
        fitting = [(a, b) for a, b in wider if tokens[b][1] - tokens[a][0] <= most]
        if not fitting:
            return word.part(tokens[low : high + 1])
        low, high = fitting[0]


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """A row of pieces after every step: single bytes on top, tokens at the bottom."""
    word = shown(trace, view)
    merges = word.merges[-_MOST_ROWS:]
    start = merges[0].step - 1 if merges else 0
    rows = [_row(word, start, None), *(_row(word, merge.step, merge) for merge in merges)]
    top = "bytes" if len(merges) == len(word.merges) else f"after {start}"
    return ladder(
        Ladder(
            rows=tuple(rows),
            names=(top, *(f"{merge.step}: rule {thousands(merge.rule + 1)}" for merge in merges)),
            x_axis="byte of the word",
            y_axis="step: rule",
            kinds=("joined in this step", "as before"),
        )
    )


def _row(word: Word, done: int, merge: Merge | None) -> tuple[Block, ...]:
    return tuple(
        Block(
            first,
            end - first,
            word.label((first, end)),
            f"bytes {spelled(word.raw[first:end])}",
            merge is not None and first == merge.left[0],
        )
        for first, end in word.pieces(done)
    )


def says(trace: Trace, view: Fitted) -> str:
    """What the word is made of, how many merges it took, and why it stops where it does."""
    word, token = word_of(trace, view), trace.tokens[view.pos]
    name = quoted(token.label)
    if view.pos >= len(trace.tokens) - len(trace.run.tail):
        return f"{name} was generated by the model, not cut out of a text: nothing was merged."
    if token.special or (len(word.raw) > 1 and not word.count and len(word.tokens) == 1):
        return f"{name} is taken whole: no bytes are merged for it."
    if len(word.raw) == 1:
        return f"{name} is a word of one byte: there is nothing to merge."
    whole = quoted(word.label((0, len(word.raw)))) if len(word.raw) <= _MOST_BYTES else "Its word"
    told = f"{whole} begins as {many(len(word.raw), 'byte')}; {many(word.count, 'merge')} "
    told += f"{'leaves' if word.count == 1 else 'leave'} {many(len(word.tokens), 'token')}."
    return " ".join(part for part in (told, _first(word), _stops(word, view), _left_out(trace, view, word)) if part)


def _first(word: Word) -> str:
    """The step that comes first, and the rule that makes it so."""
    if not word.count:
        return ""
    first = word.merge(int(np.flatnonzero(word.step == 1)[0]))
    return (
        f"The first joins {quoted(word.label(first.left))} and {quoted(word.label(first.right))}: rule "
        f"{thousands(first.rule + 1)} of the table, the earliest that fits anywhere in the word."
    )


def _stops(word: Word, view: Fitted) -> str:
    """Why the chosen token ends there, or begins where it does when it is the last."""
    tokens = word.tokens
    if len(tokens) == 1:
        return ""
    place = min(view.pos - word.first, len(tokens) - 2)
    left, right = (quoted(word.label(piece)) for piece in tokens[place : place + 2])
    return f"No rule joins {left} and {right}, so they stay apart."


def _left_out(trace: Trace, view: Fitted, word: Word) -> str:
    """What of the word is not drawn."""
    part = shown(trace, view)
    told = []
    if len(part.raw) < len(word.raw):
        told.append(f"Drawn are the {many(len(part.raw), 'byte')} around {quoted(trace.tokens[view.pos].label)}.")
    if len(part.merges) > _MOST_ROWS:
        told.append(f"Drawn are the last {_MOST_ROWS} of {len(part.merges)} merges.")
    return " ".join(told)


def table(trace: Trace, view: Fitted) -> Table:
    """Every merge of what is drawn."""
    word = shown(trace, view)
    return Table(
        ("step", "left", "right", "joined", "rule of the table", "bytes (hexadecimal)"),
        tuple(
            (
                merge.step,
                word.label(merge.left),
                word.label(merge.right),
                word.label((merge.left[0], merge.right[1])),
                merge.rule + 1,
                spelled(word.raw[merge.left[0] : merge.right[1]]),
            )
            for merge in word.merges
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The rule that BPE follows, and its steps in this word."""
    word = shown(trace, view)
    pieces = " · ".join(word.label(piece) for piece in word.tokens)
    return "\n".join(
        (
            f"bytes {spelled(word.raw)}",
            "again and again: of all neighbours, join the pair whose rule stands first in the table",
            *_lines(word),
            f"nothing left to join: {pieces}",
        )
    )


def _lines(word: Word) -> Iterator[str]:
    for merge in word.merges[:_MOST_LINES]:
        joined = word.label((merge.left[0], merge.right[1]))
        yield f"{merge.step}: {word.label(merge.left)} + {word.label(merge.right)} → {joined}   rule {merge.rule + 1}"
    if len(word.merges) > _MOST_LINES:
        yield f"… {many(len(word.merges) - _MOST_LINES, 'more step')}"


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The whole of BPE in a loop: the pieces of the chosen token's word after every merge."""
    return f"""import json
from transformers import AutoTokenizer

folder = "{FOLDER}"  # holds the tokenizer
text = {view.text!r}

backend = AutoTokenizer.from_pretrained(folder).backend_tokenizer
backend.encode_special_tokens = True  # control tokens in the text are plain text
rules = [tuple(pair) for pair in json.loads(backend.to_str())["model"]["merges"]]
rank = {{pair: place for place, pair in enumerate(rules)}}

found = backend.encode(text)
word = found.word_ids[{view.pos}]
pieces = list("".join(piece for piece, of in zip(found.tokens, found.word_ids) if of == word))  # a letter per byte
result = [pieces]
while True:
    pairs = [(rank.get(pair, len(rank)), place) for place, pair in enumerate(zip(pieces, pieces[1:]))]
    if not pairs or min(pairs)[0] == len(rank):
        break
    best, place = min(pairs)
    pieces = [*pieces[:place], pieces[place] + pieces[place + 1], *pieces[place + 2 :]]
    result.append(pieces)
    print(best + 1, pieces)
print("tokens:", pieces)
"""


PANEL = Panel(
    id="merges",
    stage="tokens",
    order=2,
    name="Merges",
    title="How is this word put together?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
)
