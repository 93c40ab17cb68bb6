"""How many tokens the words of the text take, and what the vocabulary holds besides words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.snippet import FOLDER
from panels.panel import Panel, Table
from viz import nouns
from viz.bars import Bars
from viz.format import fixed, listed, percent, quoted, thousands
from viz.rows import Bar
from viz.tokens import KINDS, SPECIAL, cut, units, words

_MOST_NAMED, _MOST_ROWS = 5, 200


@dataclass(frozen=True)
class Unit:
    """A word, or a character that is written without spaces: its text and the positions of the tokens that it takes."""

    text: str
    tokens: tuple[int, ...]


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Nothing but the tokens: no forward pass."""
    return ()


def counted(trace: Trace) -> tuple[Unit, ...]:
    """The words of the text in order, with the tokens that hold any of their characters."""
    text = trace.text
    holding: dict[int, list[int]] = {}
    for pos, token in enumerate(trace.tokens):
        if not token.special:
            for place in range(token.start, token.end):
                holding.setdefault(place, []).append(pos)
    return tuple(
        Unit(text[start:end], tuple(sorted({pos for place in range(start, end) for pos in holding.get(place, ())})))
        for start, end in units(text)
    )


def _nouns(trace: Trace) -> tuple[str, str, str]:
    """What the units of this text are: one of them, several, all of them with their number."""
    spaced, count = words(trace.text), len(units(trace.text))
    if not spaced:
        return _("character"), _("characters"), nouns.characters(count)
    if len(spaced) == count:
        return _("word"), _("words"), nouns.words(count)
    return _("word or character"), _("words and characters"), nouns.words_or_characters(count)


def draw(trace: Trace, view: Fitted) -> Bars:
    """A bar per number of tokens: how many words take so many. The chosen token's word is in the accent."""
    in_text = counted(trace)
    by_length: dict[int, list[Unit]] = {}
    for unit in in_text:
        by_length.setdefault(len(unit.tokens), []).append(unit)
    bars = [
        Bar(
            nouns.tokens(length),
            len(group),
            f"{thousands(len(group))} ({percent(len(group) / len(in_text))})",
            _("such as {words}", words=_named(group)),
            accent=any(view.pos in unit.tokens for unit in group),
        )
        for length, group in sorted(by_length.items())
    ]
    one, several, _every = _nouns(trace)
    return Bars(
        bars or [Bar(_("no {unit}", unit=one), 0, "0")],
        _("{units} of the text", units=several),
        names=(_("the chosen token's"), _("others")),
    )


def _named(group: Sequence[Unit]) -> str:
    """Some of them, each once, the most frequent first."""
    times = Counter(unit.text for unit in group)
    return listed(quoted(text) for text, _count in times.most_common(_MOST_NAMED))


def caption(trace: Trace, view: Fitted) -> str:
    """How many words are whole tokens, the most cut one, and what a token holds on average."""
    in_text = counted(trace)
    sentences = [_whole(trace, in_text), _most_cut(trace, in_text), _rates(trace), _vocabulary(trace.spec)]
    return " ".join(sentence for sentence in sentences if sentence)


def _whole(trace: Trace, in_text: Sequence[Unit]) -> str:
    if not in_text:
        return _("The text has no words.")
    one, _several, every = _nouns(trace)
    single = sum(len(unit.tokens) == 1 for unit in in_text)
    mean = len({pos for unit in in_text for pos in unit.tokens}) / len(in_text)
    return ngettext(
        "{count} of {units} lies within one token; on average a {unit} takes {mean}.",
        "{count} of {units} lie within one token; on average a {unit} takes {mean}.",
        1 if len(in_text) == 1 else single,
        count=thousands(single),
        units=every,
        unit=one,
        mean=fixed(mean, 2),
    )


def _most_cut(trace: Trace, in_text: Sequence[Unit]) -> str:
    """The one with most tokens, and its pieces."""
    if not in_text:
        return ""
    most = max(in_text, key=lambda unit: len(unit.tokens))
    if len(most.tokens) < 2:
        return ""
    word, pieces = quoted(most.text), _pieces(trace, most)
    return ngettext(
        "The most cut is {word}: {count} token, {pieces}.",
        "The most cut is {word}: {count} tokens, {pieces}.",
        len(most.tokens),
        word=word,
        pieces=pieces,
    )


def _pieces(trace: Trace, unit: Unit) -> str:
    return " ".join(quoted(trace.tokens[pos].label) for pos in unit.tokens)


def _rates(trace: Trace) -> str:
    """Characters and bytes per token, white space counted."""
    own, text = _own(trace), trace.text
    if not own:
        return ""
    return _(
        "A token holds {characters} characters, {bytes} bytes, white space counted.",
        characters=fixed(len(text) / own, 2),
        bytes=fixed(len(text.encode()) / own, 2),
    )


def _own(trace: Trace) -> int:
    """How many tokens stand for text."""
    return sum(not token.special for token in trace.tokens)


def _vocabulary(spec: ModelSpec) -> str:
    """What the vocabulary holds that no text is cut into."""
    if not spec.special:
        return ""
    count, named = len(spec.special), listed(quoted(piece) for piece in spec.special[:_MOST_NAMED])
    values = {"rows": thousands(spec.vocab), "count": thousands(count), "named": named}
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


def table(trace: Trace, view: Fitted) -> Table:
    """Every word as it was cut, most tokens first."""
    in_text = counted(trace)
    times = Counter((unit.text, _pieces(trace, unit), len(unit.tokens)) for unit in in_text)
    order = sorted(times.items(), key=lambda entry: -entry[0][2])
    note = _("Listed are the {shown} most cut of {count}.", shown=_MOST_ROWS, count=thousands(len(order)))
    return Table(
        (_nouns(trace)[0], _("tokens"), _("cut as"), _("times in the text")),
        tuple((text, length, pieces, count) for (text, pieces, length), count in order[:_MOST_ROWS]),
        note if len(order) > _MOST_ROWS else None,
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The rates with their numbers, the kinds of pieces, the special tokens."""
    in_text, text, own = counted(trace), trace.text, _own(trace)
    several, special = _nouns(trace)[1], trace.spec.special
    touched = len({pos for unit in in_text for pos in unit.tokens})
    kinds = cut(text, trace.tokens).kinds
    lines = [
        _("tokens of {units} / {units} = {ratio}", units=several, ratio=_ratio(touched, len(in_text)))
        if in_text
        else "",
        _("characters / tokens = {ratio}", ratio=_ratio(len(text), own)) if own else "",
        _("bytes / tokens = {ratio}", ratio=_ratio(len(text.encode()), own)) if own else "",
        *(f"{_(KINDS[kind])}: {nouns.tokens(kinds.count(kind))}" for kind in range(SPECIAL + 1) if kinds.count(kind)),
        _("special tokens of the vocabulary: {tokens}", tokens=" ".join(special)) if special else "",
    ]
    return "\n".join(line for line in lines if line)


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
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
)
