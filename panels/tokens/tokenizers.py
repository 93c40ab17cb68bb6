"""The same text as other models' tokenizers cut it: row by row, with what each takes per word."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from panels.common.snippet import FOLDER, OTHER
from panels.panel import Panel, Table
from panels.tokens.tokenizations import Tokenization, around, differing, tokenizations, within
from viz import nouns
from viz.chips import Chip, Chips
from viz.format import listed, quoted, thousands
from viz.tokens import KINDS, rated, units

_MOST = 400  # characters drawn
_MOST_WRITTEN = 1_024  # tokens in a cell of the table
_MOST_PIECES, _MOST_LOST = 6, 5  # of a word, and of what is not spelled, in a sentence


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Nothing but the tokens: no forward pass."""
    return ()


@dataclass(frozen=True)
class Comparison:
    """A text as the loaded model's tokenizer and others cut it.

    every     all of the tokenizers with their tokens, the loaded model's first
    pos       the chosen token, one of the loaded model's
    span      (start, end) of the characters that are drawn: those around that token, all of a short text
    added_to  whether tokens follow the text, which are left out
    """

    every: tuple[Tokenization, ...]
    pos: int
    span: tuple[int, int]
    added_to: bool

    @property
    def own(self) -> Tokenization:
        """The loaded model's."""
        return self.every[0]

    @property
    def others(self) -> tuple[Tokenization, ...]:
        """Those of the other models at hand."""
        return self.every[1:]

    @cached_property
    def shown(self) -> tuple[tuple[tuple[int, Token], ...], ...]:
        """For each tokenizer (position, token) of those that are drawn."""
        return tuple(tuple(within(one.tokens, self.span)) for one in self.every)

    @cached_property
    def apart(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """For each of the others the words, (start, end) in the text, that it cuts in another way."""
        return tuple(differing(self.own, other) for other in self.others)


def read(trace: Trace, view: Fitted) -> Comparison:
    """The text's tokens under every tokenizer at hand."""
    text = trace.run.text
    span = around(text, min(trace.tokens[view.pos].start, len(text)), _MOST)
    return Comparison(tokenizations(trace), view.pos, span, bool(trace.run.tail))


def draw(comparison: Comparison) -> Chips:
    """A row of chips for each tokenizer, tinted by kind of piece. One of another model stands for the loaded model's
    token that holds its first character."""
    tokenizers, shown = comparison.every, comparison.shown
    own = [pos for pos, _token in shown[0]]
    starts = [sum(map(len, shown[:row])) for row in range(len(tokenizers))]
    return Chips(
        tuple(
            Chip(token.label, str(token.id), "", one.cut.kinds[pos], token.shares)
            for one, row in zip(tokenizers, shown, strict=True)
            for pos, token in row
        ),
        tuple(_(kind) for kind in KINDS),
        nouns.tokenizers(len(tokenizers)),
        own.index(comparison.pos) if comparison.pos in own else None,
        places=(*own, *(comparison.own.holder(token) for row in shown[1:] for _pos, token in row)),
        rows=tuple(zip(starts, map(_heading, tokenizers), strict=True)),
    )


def _heading(one: Tokenization) -> str:
    """What stands above a tokenizer's row."""
    values = {
        "model": one.name,
        "kind": _kind(one),
        "entries": thousands(one.vocab),
        "tokens": _tokens(one),
    }
    if one.cut.per_word is not None:
        rate = rated(one.cut.per_word)
        return _("{model}: {kind}, {entries} entries → {tokens}, {rate} per word", rate=rate, **values)
    if one.cut.per_character is not None:
        rate = rated(one.cut.per_character)
        return _("{model}: {kind}, {entries} entries → {tokens}, {rate} per character", rate=rate, **values)
    return _("{model}: {kind}, {entries} entries → {tokens}", **values)


def _tokens(one: Tokenization) -> str:
    """How many there are, and how many of them stand for no text."""
    added = len(one.tokens) - one.cut.own
    if not added:
        return nouns.tokens(len(one.tokens))
    return ngettext(
        "{count} token ({added} added)",
        "{count} tokens ({added} added)",
        len(one.tokens),
        added=thousands(added),
    )


def _kind(one: Tokenization) -> str:
    return one.kind or _("a kind that is not known")


def caption(comparison: Comparison) -> str:
    """How many tokens each takes, which words come in other pieces, what is not spelled, what is not drawn."""
    own, others = comparison.own, comparison.others
    sentences = [_counts(comparison.every)]
    sentences += [_difference(own, other, apart) for other, apart in zip(others, comparison.apart, strict=True)]
    sentences += [_unspelled(one) for one in comparison.every if one.lost]
    if comparison.added_to:
        sentences.append(_("What was added to the text is left out here."))
    start, end = comparison.span
    if end - start < len(own.text):
        sentences.append(
            ngettext(
                "Drawn is {drawn} of {count} character, those around the chosen token.",
                "Drawn are {drawn} of {count} characters, those around the chosen token.",
                len(own.text),
                drawn=thousands(end - start),
            )
        )
    return " ".join(sentences)


def _counts(tokenizers: Sequence[Tokenization]) -> str:
    """The numbers of tokens, all in one sentence."""
    each = listed(
        _("{tokens} for {model} ({kind})", tokens=_tokens(one), model=one.name, kind=_kind(one)) for one in tokenizers
    )
    return _("The text is cut into {each}.", each=each)


def _difference(own: Tokenization, other: Tokenization, apart: Sequence[tuple[int, int]]) -> str:
    """How many words come in other pieces, and the first of them."""
    if not apart:
        return _same_cuts(own, other)
    first = apart[0]
    return _(
        "{model} cuts {words} in another way: {word} is {here} here and {there} there.",
        model=other.name,
        words=_units(own, len(apart)),
        word=quoted(own.text[first[0] : first[1]]),
        here=_pieces(own, first),
        there=_pieces(other, first),
    )


def _same_cuts(own: Tokenization, other: Tokenization) -> str:
    """That it cuts what the text is compared by, words or characters, as the loaded model's does."""
    if not units(own.text):
        return _("{model} finds nothing but white space to cut, too.", model=other.name)
    if own.cut.words and own.cut.unspaced:
        return _("{model} cuts every word and character at the same places.", model=other.name)
    if own.cut.words:
        return _("{model} cuts every word at the same places.", model=other.name)
    return _("{model} cuts every character at the same places.", model=other.name)


def _units(own: Tokenization, count: int) -> str:
    """So many words; where the text has none, or others besides, characters."""
    if not own.cut.words:
        return nouns.characters(count)
    if not own.cut.unspaced:
        return nouns.words(count)
    return nouns.words_or_characters(count)


def _pieces(one: Tokenization, unit: tuple[int, int]) -> str:
    """The tokens of a word as a sentence names them; counted where there are many."""
    labels = [quoted(token.label) for token in one.pieces(unit)]
    if not labels:
        return _("no token")
    return " + ".join(labels) if len(labels) <= _MOST_PIECES else nouns.tokens(len(labels))


def _unspelled(one: Tokenization) -> str:
    """What a tokenizer has no tokens for; only the first where there is much."""
    pieces, more = listed(map(quoted, one.lost[:_MOST_LOST])), len(one.lost) - _MOST_LOST
    if more > 0:
        return _(
            "{model} cannot spell {pieces} and {count} more.", model=one.name, pieces=pieces, count=thousands(more)
        )
    return _("{model} cannot spell {pieces}.", model=one.name, pieces=pieces)


def table(comparison: Comparison) -> Table:
    """One row per tokenizer: its size, what the text takes, what it cannot spell, and the whole cut; of a long text the
    cut of what is drawn."""
    every = comparison.every
    part = max(len(one.tokens) for one in every) > _MOST_WRITTEN
    cuts = [[token for _pos, token in row] for row in comparison.shown] if part else [one.tokens for one in every]
    return Table.of(
        (_("model"), [one.name for one in every]),
        (_("tokenizer"), map(_kind, every)),
        (_("entries"), [one.vocab for one in every]),
        (_("tokens"), [len(one.tokens) for one in every]),
        (_("of them added"), [len(one.tokens) - one.cut.own for one in every]),
        (_("tokens per word"), [one.cut.per_word for one in every]),
        (_("tokens per character"), [one.cut.per_character for one in every]),
        (_("not spelled"), [" ".join(one.lost) for one in every]),
        (_("cut"), [" | ".join(token.label for token in row) for row in cuts]),
        note=_("The cut is that of the characters drawn.") if part else None,
    )


def formula(comparison: Comparison) -> str:
    """The rates of each tokenizer; then the first word that is cut in another way, by each."""
    lines = [line for one in comparison.every for line in _rates(one)]
    first = min((words[0] for words in comparison.apart if words), default=None)
    if first is not None:
        word = quoted(comparison.own.text[slice(*first)])
        lines += [
            _("{word}: {pieces}   {model}", word=word, pieces=_pieces(one, first), model=one.name)
            for one in comparison.every
        ]
    return "\n".join(lines)


def _rates(one: Tokenization) -> Iterator[str]:
    """Tokens by words and by characters, without those that the model adds."""
    values = {"model": one.name, "tokens": nouns.tokens(one.cut.own)}
    if one.cut.per_word is not None:
        words = nouns.words(len(one.cut.words))
        yield _("{model}: {tokens} / {words} = {rate} per word", words=words, rate=rated(one.cut.per_word), **values)
    if one.cut.per_character is not None:
        yield _(
            "{model}: {tokens} / {characters} without white space = {rate} per character",
            characters=nouns.characters(one.cut.characters),
            rate=rated(one.cut.per_character),
            **values,
        )
    else:
        yield ngettext(
            "{model}: {count} token, and no character but white space",
            "{model}: {count} tokens, and no character but white space",
            one.cut.own,
            model=one.name,
        )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The text's pieces under this model's tokenizer and another's."""
    return f"""from transformers import AutoTokenizer

folder = "{FOLDER}"  # holds the tokenizer
other = "{OTHER}"  # holds another one, to compare with
text = {view.text!r}

result = []
for place in (folder, other):
    tokenizer = AutoTokenizer.from_pretrained(place)
    ids = tokenizer(text, split_special_tokens=True)["input_ids"]
    result.append(tokenizer.convert_ids_to_tokens(ids))
    print(len(tokenizer), "entries,", len(ids), "tokens:", result[-1])
"""


PANEL = Panel(
    id="tokenizers",
    stage="tokens",
    order=4,
    name=N_("Tokenizers"),
    title=N_("How do other tokenizers cut this text?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    others=True,
)
