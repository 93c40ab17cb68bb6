"""How the text is cut into tokens: label, id and bytes of each, and what kind of piece it is."""

from collections.abc import Sequence

from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from panels.common.columns import around, caption_around, table_note, table_rows
from panels.common.snippet import FOLDER
from panels.panel import Panel, Table
from viz import nouns
from viz.chips import Chips
from viz.format import fixed, listed, quoted, thousands
from viz.tokens import BYTES, KINDS, PART, SPECIAL, Cut, chips, cut, spelled

_MOST, _NEAR = 1_024, 256  # tokens drawn, and of a longer text those around the chosen one
_MOST_LOST = 24  # characters named that are not spelled


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Nothing but the tokens: no forward pass."""
    return ()


def draw(trace: Trace, view: Fitted) -> Chips:
    """A chip per token, tinted by its kind; of a long text the tokens around the chosen one."""
    return chips(trace.text, trace.tokens, nouns.tokens(len(trace.tokens)), view.pos, _shown(trace, view))


def _shown(trace: Trace, view: Fitted) -> range:
    count = len(trace.tokens)
    return around(count, view.pos, count if count <= _MOST else _NEAR)


def caption(trace: Trace, view: Fitted) -> str:
    """Tokens per word, or per character where words are not set apart; then which pieces are less than that."""
    segmentation = cut(trace.text, trace.tokens)
    own = sum(kind != SPECIAL for kind in segmentation.kinds)
    drawn = caption_around(len(trace.tokens), _shown(trace, view))
    sentences = (_rate(segmentation, own), _pieces(segmentation), _added(trace, segmentation), _lost(trace), drawn)
    return " ".join(sentence for sentence in sentences if sentence)


def _rate(segmentation: Cut, own: int) -> str:
    tokens = nouns.tokens(own)
    if segmentation.words and not segmentation.unspaced:
        words, rate = nouns.words(len(segmentation.words)), fixed(own / len(segmentation.words), 1)
        return _("{tokens} for {words}: {rate} per word.", tokens=tokens, words=words, rate=rate)
    if segmentation.characters:
        characters, rate = nouns.characters(segmentation.characters), fixed(own / segmentation.characters, 1)
        return _("{tokens} for {characters}: {rate} per character.", tokens=tokens, characters=characters, rate=rate)
    if own:
        return ngettext(
            "{count} token, with nothing but white space in it.",
            "{count} tokens, with nothing but white space in them.",
            own,
        )
    return _("The text has no token of its own.")


def _pieces(segmentation: Cut) -> str:
    """How many tokens hold less than a word, and less than a character."""
    part, byte = segmentation.kinds.count(PART), segmentation.kinds.count(BYTES)
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
    if not sentences and segmentation.words and not segmentation.unspaced:
        return _("No word is cut.")
    return " ".join(sentences)


def _added(trace: Trace, segmentation: Cut) -> str:
    """Special tokens, which stand for no text."""
    special = [quoted(t.label) for t, kind in zip(trace.tokens, segmentation.kinds, strict=True) if kind == SPECIAL]
    if not special:
        return ""
    return _("Special tokens besides: {tokens}.", tokens=listed(dict.fromkeys(special)))


def _lost(trace: Trace) -> str:
    """Characters that the model does not get to see."""
    if not trace.lost:
        return ""
    lost, more = listed(map(quoted, trace.lost[:_MOST_LOST])), len(trace.lost) - _MOST_LOST
    if more > 0:
        return _(
            "The vocabulary cannot spell {characters} and {count} more: the model does not see them.",
            characters=lost,
            count=thousands(more),
        )
    return _("The vocabulary cannot spell {characters}: the model does not see it.", characters=lost)


def table(trace: Trace, view: Fitted) -> Table:
    """One row per token. Characters are counted from 0; the end is one past the last."""
    shown = table_rows(len(trace.tokens), view.pos)
    pieces = trace.tokens[shown.start : shown.stop]
    kinds = cut(trace.text, pieces).kinds
    return Table(
        (_("position"), _("token"), _("id"), _("bytes (hexadecimal)"), _("first character"), _("end"), _("kind")),
        tuple(
            (i, token.label, token.id, spelled(token.bytes), token.start, token.end, _(KINDS[kind]))
            for i, token, kind in zip(shown, pieces, kinds, strict=True)
        ),
        table_note(len(trace.tokens), shown),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """From characters to bytes to a row number, for the chosen token; then the rate."""
    token, text = trace.tokens[view.pos], trace.text
    return "\n".join(
        (
            _where(token, view.pos),
            _("spelled {piece} in the vocabulary → bytes {bytes}", piece=token.piece, bytes=spelled(token.bytes)),
            _("→ row {row} of {rows}", row=thousands(token.id), rows=thousands(trace.spec.vocab)),
            _(
                "the whole text: {characters} with white space, {bytes} bytes of UTF-8 → {tokens}",
                characters=nouns.characters(len(text)),
                bytes=thousands(len(text.encode())),
                tokens=nouns.tokens(len(trace.tokens)),
            ),
        )
    )


def _where(token: Token, pos: int) -> str:
    """Which characters a token stands for."""
    name = quoted(token.label)
    if token.start == token.end:
        return _("position {pos}: {token}, stands for no characters of the text", pos=pos, token=name)
    return _(
        "position {pos}: {token}, characters {first} to {last} of the text",
        pos=pos,
        token=name,
        first=token.start,
        last=token.end - 1,
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Vocabulary spelling, id and place in the text of every token, as plain transformers gives them."""
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


PANEL = Panel(
    id="tokens",
    stage="tokens",
    order=0,
    name=N_("Tokens"),
    title=N_("How is the text cut into tokens?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
)
