"""How the text is cut into tokens: label, id and bytes of each, and what kind of piece it is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anatomy.characters import clusters
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from panels.common.columns import around, caption_around, table_note, table_rows
from panels.common.snippet import FOLDER
from panels.panel import Panel, Table
from viz import nouns
from viz.chips import Chip, Chips
from viz.format import listed, quoted, thousands
from viz.tokens import BYTES, KINDS, PART, Cut, cut, rated, spelled

_MOST, _NEAR = 1_024, 256  # tokens drawn, and of a longer text those around the chosen one
_MOST_LOST = 24  # characters named that are not spelled


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Nothing but the tokens: no forward pass."""
    return ()


@dataclass(frozen=True)
class Segmentation:
    """A text and the tokens that it is cut into.

    text    with what was generated after it
    tokens  all of them, in order
    cut     what kind of piece each token is; the words and characters of the text
    lost    characters that no token covers, each once
    vocab   rows of the vocabulary
    pos     the chosen token
    """

    text: str
    tokens: tuple[Token, ...]
    cut: Cut
    lost: str
    vocab: int
    pos: int

    @property
    def shown(self) -> range:
        """The positions that are drawn."""
        count = len(self.tokens)
        return around(count, self.pos, count if count <= _MOST else _NEAR)

    def pieces(self, positions: range) -> Iterator[tuple[int, Token, int]]:
        """(position, token, its index in KINDS) of tokens side by side."""
        part = slice(positions.start, positions.stop)
        return zip(positions, self.tokens[part], self.cut.kinds[part], strict=True)


def read(trace: Trace, view: Fitted) -> Segmentation:
    """The text and its tokens, each with its kind."""
    text, tokens = trace.text, trace.tokens
    return Segmentation(text, tokens, cut(text, tokens), trace.lost, trace.spec.vocab, view.pos)


def draw(segmentation: Segmentation) -> Chips:
    """A chip per token, tinted by its kind; of a long text the tokens around the chosen one."""
    shown, count = segmentation.shown, len(segmentation.tokens)
    return Chips(
        tuple(
            Chip(token.label, str(token.id), spelled(token.bytes), kind, token.shares)
            for _pos, token, kind in segmentation.pieces(shown)
        ),
        tuple(_(kind) for kind in KINDS),
        nouns.tokens(count),
        segmentation.pos - shown.start,
        places=tuple(shown) if len(shown) < count else None,
    )


def caption(segmentation: Segmentation) -> str:
    """Tokens per word, or per character where words are not set apart; then which pieces are less than that."""
    sentences = (
        _rate(segmentation.cut),
        _pieces(segmentation.cut),
        _added(segmentation),
        _lost(segmentation.lost),
        caption_around(len(segmentation.tokens), segmentation.shown),
    )
    return " ".join(sentence for sentence in sentences if sentence)


def _rate(cut: Cut) -> str:
    """How many tokens stand for text, and for how much of it each."""
    tokens = nouns.tokens(cut.own)
    if cut.per_word is not None:
        words, rate = nouns.words(len(cut.words)), rated(cut.per_word)
        return _("{tokens} for {words}: {rate} per word.", tokens=tokens, words=words, rate=rate)
    if cut.per_character is not None:
        characters, rate = nouns.characters(cut.characters), rated(cut.per_character)
        return _("{tokens} for {characters}: {rate} per character.", tokens=tokens, characters=characters, rate=rate)
    if cut.own:
        return ngettext(
            "{count} token, with nothing but white space in it.",
            "{count} tokens, with nothing but white space in them.",
            cut.own,
        )
    return _("The text has no token of its own.")


def _pieces(cut: Cut) -> str:
    """How many tokens hold less than a word, and less than a character."""
    part, byte = cut.kinds.count(PART), cut.kinds.count(BYTES)
    sentences = []
    if part:
        sentences.append(
            ngettext(
                "{count} holds only part of a word.",
                "{count} hold only part of a word.",
                part,
            )
        )
    if byte:
        sentences.append(
            ngettext(
                "{count} holds only part of a character.",
                "{count} hold only part of a character.",
                byte,
            )
        )
    if not sentences and cut.words and not cut.unspaced:
        return _("No word is cut.")
    return " ".join(sentences)


def _added(segmentation: Segmentation) -> str:
    """Special tokens: those that stand for some of the text, as for an unknown word, and those that stand for none."""
    special = [token for token in segmentation.tokens if token.special or token.start == token.end]
    within, besides = ([token for token in special if (token.end > token.start) == inside] for inside in (True, False))
    sentences = (
        _("Special tokens in place of text: {tokens}.", tokens=_each(within)) if within else "",
        _("Special tokens besides: {tokens}.", tokens=_each(besides)) if besides else "",
    )
    return " ".join(filter(None, sentences))


def _each(tokens: Sequence[Token]) -> str:
    """They by name, each once."""
    return listed(dict.fromkeys(quoted(token.label) for token in tokens))


def _lost(lost: str) -> str:
    """Characters that the model does not get to see."""
    if not lost:
        return ""
    characters, more = listed(map(quoted, lost[:_MOST_LOST])), len(lost) - _MOST_LOST
    if more > 0:
        return _(
            "The tokenizer leaves out {characters} and {count} more: the model does not see them.",
            characters=characters,
            count=thousands(more),
        )
    return _("The tokenizer leaves out {characters}: the model does not see it.", characters=characters)


def table(segmentation: Segmentation) -> Table:
    """One row per token. Code points are counted from 0; the end is one past the last."""
    count = len(segmentation.tokens)
    rows = table_rows(count, segmentation.pos)
    return Table(
        (_("position"), _("token"), _("id"), _("bytes (hexadecimal)"), _("first code point"), _("end"), _("kind")),
        tuple(
            (pos, token.label, token.id, spelled(token.bytes), token.start, token.end, _(KINDS[kind]))
            for pos, token, kind in segmentation.pieces(rows)
        ),
        table_note(count, rows),
    )


def formula(segmentation: Segmentation) -> str:
    """From characters to bytes to a row number, for the chosen token; then the rate."""
    token, text = segmentation.tokens[segmentation.pos], segmentation.text
    return "\n".join(
        (
            _where(token, segmentation.pos),
            _("spelled {piece} in the vocabulary → bytes {bytes}", piece=token.piece, bytes=spelled(token.bytes)),
            _("→ row {row} of {rows}", row=thousands(token.id), rows=thousands(segmentation.vocab)),
            _(
                "the whole text: {characters} with white space, {bytes} bytes of UTF-8 → {tokens}",
                characters=nouns.characters(len(clusters(text))),
                bytes=thousands(len(text.encode())),
                tokens=nouns.tokens(len(segmentation.tokens)),
            ),
        )
    )


def _where(token: Token, pos: int) -> str:
    """Which characters a token stands for."""
    name = quoted(token.label)
    if token.start == token.end:
        return _("position {pos}: {token}, stands for no characters of the text", pos=pos, token=name)
    return _(
        "position {pos}: {token}, code points {first} to {last} of the text",
        pos=pos,
        token=name,
        first=token.start,
        last=token.end - 1,
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Vocabulary spelling, id and place in the text of every token, as plain transformers gives them."""
    if view.ids:
        return _given(view)
    return f"""from transformers import AutoTokenizer

folder = "{FOLDER}"  # holds the tokenizer
text = {view.text!r}

tokenizer = AutoTokenizer.from_pretrained(folder)
encoding = tokenizer(text, split_special_tokens=True, return_offsets_mapping=True)
pieces = tokenizer.convert_ids_to_tokens(encoding["input_ids"])
result = list(zip(pieces, encoding["input_ids"], encoding["offset_mapping"]))
for piece, row, (start, end) in result:
    print(row, repr(piece), text[start:end].encode().hex(" "))
"""


def _given(view: Fitted) -> str:
    """The same of tokens that were given by their ids: no text was cut, and none of them has a place in one."""
    return f"""from transformers import AutoTokenizer

folder = "{FOLDER}"  # holds the tokenizer
ids = {list(view.ids)}

tokenizer = AutoTokenizer.from_pretrained(folder)
result = list(zip(tokenizer.convert_ids_to_tokens(ids), ids))
for piece, row in result:
    print(row, repr(piece))
"""


PANEL = Panel(
    id="tokens",
    stage="tokens",
    order=0,
    name=N_("Tokens"),
    title=N_("How is the text cut into tokens?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
)
