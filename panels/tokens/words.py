"""How many tokens the words of the text take, and what the vocabulary holds besides words."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from panels.common.snippet import FOLDER
from panels.panel import Panel, Table
from panels.tokens.tokenizations import holding
from viz import nouns
from viz.bars import Bars
from viz.format import fixed, listed, percent, quoted, thousands
from viz.rows import Bar
from viz.tokens import KINDS, Cut, cut, rated, units, words

_MOST_NAMED, _MOST_ROWS = 5, 200


@dataclass(frozen=True)
class Unit:
    """A word, or a character that is written without spaces: its text and the positions of the tokens that it takes."""

    text: str
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class WordCuts:
    """How each word of a text is cut into tokens.

    text     with what was generated after it
    tokens   all of them, in order
    units    the words in order, and the characters that are written without spaces
    spaced   how many of the units are words that are set apart
    pos      the chosen token
    vocab    rows of the vocabulary
    special  those of them that no text is cut into, as it spells them
    """

    text: str
    tokens: tuple[Token, ...]
    units: tuple[Unit, ...]
    spaced: int
    pos: int
    vocab: int
    special: tuple[str, ...]

    @cached_property
    def cut(self) -> Cut:
        """What kind of piece of the text each token is."""
        return cut(self.text, self.tokens)

    @property
    def own(self) -> int:
        """How many tokens stand for text."""
        return self.cut.own

    @property
    def mean(self) -> float:
        """Tokens that a unit takes on average; only where there are units."""
        return self.taken / len(self.units)

    @cached_property
    def taken(self) -> int:
        """How many tokens the units take together, each token counted once."""
        return len({pos for unit in self.units for pos in unit.tokens})

    @cached_property
    def bytes(self) -> int:
        """Length of the text in UTF-8."""
        return len(self.text.encode())


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Nothing but the tokens: no forward pass."""
    return ()


def read(trace: Trace, view: Fitted) -> WordCuts:
    """The words of the text, with the tokens that hold any of their characters."""
    text, tokens, spec = trace.text, trace.tokens, trace.spec
    held = holding(tokens)
    cut_up = tuple(Unit(text[start:end], _holders(tokens, held, range(start, end))) for start, end in units(text))
    return WordCuts(text, tokens, cut_up, len(words(text)), view.pos, spec.vocab, spec.special)


def _holders(tokens: Sequence[Token], held: Mapping[int, Sequence[int]], places: range) -> tuple[int, ...]:
    """Positions of the tokens that hold any of these characters, special ones left out."""
    return tuple(sorted({pos for place in places for pos in held.get(place, ()) if not tokens[pos].special}))


def _nouns(cuts: WordCuts) -> tuple[str, str, str]:
    """What the units of this text are: one of them, several, all of them with their number."""
    count = len(cuts.units)
    if not cuts.spaced:
        return _("character"), _("characters"), nouns.characters(count)
    if cuts.spaced == count:
        return _("word"), _("words"), nouns.words(count)
    return _("word or character"), _("words and characters"), nouns.words_or_characters(count)


def draw(cuts: WordCuts) -> Bars:
    """A bar per number of tokens: how many words take so many. The chosen token's word is in the accent."""
    by_length: dict[int, list[Unit]] = {}
    for unit in cuts.units:
        by_length.setdefault(len(unit.tokens), []).append(unit)
    bars = [
        Bar(
            nouns.tokens(length),
            len(group),
            f"{thousands(len(group))} ({percent(len(group) / len(cuts.units))})",
            _("such as {words}", words=_named(group)),
            accent=any(cuts.pos in unit.tokens for unit in group),
        )
        for length, group in sorted(by_length.items())
    ]
    one, several, _every = _nouns(cuts)
    return Bars(
        bars or [Bar(_("no {unit}", unit=one), 0, "0")],
        _("{units} of the text", units=several),
        names=(_("the chosen token's"), _("others")),
    )


def _named(group: Sequence[Unit]) -> str:
    """Some of them, each once, the most frequent first."""
    times = Counter(unit.text for unit in group)
    return listed(quoted(text) for text, _count in times.most_common(_MOST_NAMED))


def caption(cuts: WordCuts) -> str:
    """How many words are whole tokens, the most cut one, and what a token holds on average."""
    sentences = (_whole(cuts), _in_all(cuts), _most_cut(cuts), _rates(cuts), _vocabulary(cuts))
    return " ".join(sentence for sentence in sentences if sentence)


def _whole(cuts: WordCuts) -> str:
    count = len(cuts.units)
    if not count:
        return _("The text has no words.")
    one, _several, every = _nouns(cuts)
    single = sum(len(unit.tokens) == 1 for unit in cuts.units)
    return ngettext(
        "{count} of {units} lies within one token; on average a {unit} takes {mean}.",
        "{count} of {units} lie within one token; on average a {unit} takes {mean}.",
        1 if count == 1 else single,
        count=thousands(single),
        units=every,
        unit=one,
        mean=rated(cuts.mean),
    )


def _in_all(cuts: WordCuts) -> str:
    """Tokens over words, as the other panels have it, where it is not that average: of tokens outside of words."""
    if not cuts.units:
        return ""
    tokens, average, cut = nouns.tokens(cuts.own), rated(cuts.mean), cuts.cut
    if cut.per_word is not None and (rate := rated(cut.per_word)) != average:
        return _("In all, the text takes {tokens}, {rate} per word.", tokens=tokens, rate=rate)
    if cut.per_word is None and cut.per_character is not None and (rate := rated(cut.per_character)) != average:
        return _("In all, the text takes {tokens}, {rate} per character.", tokens=tokens, rate=rate)
    return ""


def _most_cut(cuts: WordCuts) -> str:
    """The one with most tokens, and its pieces."""
    most = max(cuts.units, key=lambda unit: len(unit.tokens), default=None)
    if most is None or len(most.tokens) < 2:
        return ""
    return ngettext(
        "The most cut is {word}: {count} token, {pieces}.",
        "The most cut is {word}: {count} tokens, {pieces}.",
        len(most.tokens),
        word=quoted(most.text),
        pieces=_pieces(cuts, most),
    )


def _pieces(cuts: WordCuts, unit: Unit) -> str:
    return " ".join(quoted(cuts.tokens[pos].label) for pos in unit.tokens)


def _rates(cuts: WordCuts) -> str:
    """Characters and bytes per token, white space counted."""
    if not cuts.own:
        return ""
    return _(
        "A token holds {characters} characters, {bytes} bytes, white space counted.",
        characters=fixed(len(cuts.text) / cuts.own, 2),
        bytes=fixed(cuts.bytes / cuts.own, 2),
    )


def _vocabulary(cuts: WordCuts) -> str:
    """What the vocabulary holds that no text is cut into."""
    if not cuts.special:
        return ""
    count, named = len(cuts.special), listed(quoted(piece) for piece in cuts.special[:_MOST_NAMED])
    values = {"rows": thousands(cuts.vocab), "count": thousands(count), "named": named}
    if count > _MOST_NAMED:
        return _(
            "Of the {rows} rows of the vocabulary, {count} are special: {named} and {rest} more.",
            rest=count - _MOST_NAMED,
            **values,
        )
    return ngettext(
        "Of the {rows} rows of the vocabulary, {count} is special: {named}.",
        "Of the {rows} rows of the vocabulary, {count} are special: {named}.",
        count,
        **values,
    )


def table(cuts: WordCuts) -> Table:
    """Every word as it was cut, most tokens first."""
    times = Counter((unit.text, _pieces(cuts, unit), len(unit.tokens)) for unit in cuts.units)
    order = sorted(times.items(), key=lambda entry: -entry[0][2])
    note = _("Listed are the {shown} most cut of {count}.", shown=_MOST_ROWS, count=thousands(len(order)))
    return Table(
        (_nouns(cuts)[0], _("tokens"), _("cut as"), _("times in the text")),
        tuple((text, length, pieces, count) for (text, pieces, length), count in order[:_MOST_ROWS]),
        note if len(order) > _MOST_ROWS else None,
    )


def formula(cuts: WordCuts) -> str:
    """The rates with their numbers, the kinds of pieces, the special tokens."""
    return "\n".join(_lines(cuts))


def _lines(cuts: WordCuts) -> Iterator[str]:
    if cuts.units:
        ratio = _ratio(cuts.taken, len(cuts.units))
        yield _("tokens of {units} / {units} = {ratio}", units=_nouns(cuts)[1], ratio=ratio)
    if cuts.own:
        yield _("characters / tokens = {ratio}", ratio=_ratio(len(cuts.text), cuts.own))
        yield _("bytes / tokens = {ratio}", ratio=_ratio(cuts.bytes, cuts.own))
    kinds = Counter(cuts.cut.kinds)
    yield from (f"{_(KINDS[kind])}: {nouns.tokens(count)}" for kind, count in sorted(kinds.items()))
    if cuts.special:
        yield _("special tokens of the vocabulary: {tokens}", tokens=" ".join(cuts.special))


def _ratio(count: int, of: int) -> str:
    return f"{count} / {of} = {fixed(count / of, 2)}"


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """How many tokens each word separated by spaces takes, by their places in the text."""
    return f"""import re
from transformers import AutoTokenizer

folder = "{FOLDER}"  # holds the tokenizer
text = {view.text!r}

tokenizer = AutoTokenizer.from_pretrained(folder)
places = tokenizer(text, split_special_tokens=True, return_offsets_mapping=True)["offset_mapping"]
words = [(match.start(), match.end()) for match in re.finditer(r"\\w+(['’]\\w+)*", text)]
result = [sum(start < last and first < end for start, end in places) for first, last in words]
print(list(zip([text[first:last] for first, last in words], result)))
print("per word:", sum(result) / max(len(result), 1), "special tokens:", tokenizer.all_special_tokens)
"""


PANEL = Panel(
    id="words",
    stage="tokens",
    order=1,
    name=N_("Words"),
    title=N_("How many tokens does a word take?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
)
