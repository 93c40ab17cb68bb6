"""How the text is cut into tokens: label, id and bytes of each, and what kind of piece it is."""

from collections.abc import Sequence

from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.snippet import FOLDER
from viz.chips import Chips
from viz.format import many, quoted, thousands
from viz.tokens import BYTES, KINDS, PART, SPECIAL, Cut, chips, cut, spelled


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Nothing but the tokens: no forward pass."""
    return ()


def draw(trace: Trace, view: Fitted) -> Chips:
    """A chip per token, tinted by its kind."""
    return chips(trace.text, trace.tokens, many(len(trace.tokens), "token"), view.pos)


def says(trace: Trace, view: Fitted) -> str:
    """Tokens per word, or per character where words are not set apart; then which pieces are less than that."""
    found = cut(trace.text, trace.tokens)
    own = sum(kind != SPECIAL for kind in found.kinds)
    return " ".join(part for part in (_rate(found, own), _pieces(found), _added(trace, found), _lost(trace)) if part)


def _rate(found: Cut, own: int) -> str:
    tokens = many(own, "token")
    if found.words and not found.unspaced:
        return f"{tokens} for {many(len(found.words), 'word')}: {own / len(found.words):.1f} per word."
    if found.characters:
        return f"{tokens} for {many(found.characters, 'character')}: {own / found.characters:.1f} per character."
    return f"{tokens}, with nothing but white space in them." if own else "The text has no token of its own."


def _pieces(found: Cut) -> str:
    """How many tokens hold less than a word, and less than a character."""
    counted = [(found.kinds.count(kind), KINDS[kind]) for kind in (PART, BYTES)]
    told = [f"{thousands(count)} {'holds' if count == 1 else 'hold'} only {kind}" for count, kind in counted if count]
    if told:
        return f"{' and '.join(told)}."
    return "No word is cut." if found.words and not found.unspaced else ""


def _added(trace: Trace, found: Cut) -> str:
    """Special tokens, which stand for no text."""
    special = [quoted(t.label) for t, kind in zip(trace.tokens, found.kinds, strict=True) if kind == SPECIAL]
    if not special:
        return ""
    return f"Special tokens besides: {', '.join(dict.fromkeys(special))}."


def _lost(trace: Trace) -> str:
    """Characters that the model does not get to see."""
    if not trace.lost:
        return ""
    return f"The vocabulary cannot spell {', '.join(map(quoted, trace.lost))}: the model does not see it."


def table(trace: Trace, view: Fitted) -> Table:
    """One row per token. Characters are counted from 0; the end is one past the last."""
    kinds = cut(trace.text, trace.tokens).kinds
    return Table(
        ("position", "token", "id", "bytes (hexadecimal)", "first character", "end", "kind"),
        tuple(
            (i, token.label, token.id, spelled(token.bytes), token.start, token.end, KINDS[kind])
            for i, (token, kind) in enumerate(zip(trace.tokens, kinds, strict=True))
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """From characters to bytes to a row number, for the chosen token; then the rate."""
    token = trace.tokens[view.pos]
    text = trace.text
    where = (
        "stands for no characters of the text"
        if token.start == token.end
        else f"characters {token.start} to {token.end - 1} of the text"
    )
    return "\n".join(
        (
            f"position {view.pos}: {quoted(token.label)}, {where}",
            f"spelled {token.piece} in the vocabulary → bytes {spelled(token.bytes)}",
            f"→ row {thousands(token.id)} of {thousands(trace.spec.vocab)}",
            f"the whole text: {many(len(text), 'character')} with white space, "
            f"{thousands(len(text.encode()))} bytes of UTF-8 → {many(len(trace.tokens), 'token')}",
        )
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Vocabulary spelling, id and place in the text of every token, as plain transformers gives them."""
    return f"""from transformers import AutoTokenizer

folder = "{FOLDER}"  # holds the tokenizer
text = {view.text!r}

tokenizer = AutoTokenizer.from_pretrained(folder)
found = tokenizer(text, split_special_tokens=True, return_offsets_mapping=True)
pieces = tokenizer.convert_ids_to_tokens(found["input_ids"])
result = list(zip(pieces, found["input_ids"], found["offset_mapping"]))
for piece, row, (start, end) in result:
    print(row, repr(piece), text[start:end].encode().hex(" "))
"""


PANEL = Panel(
    id="tokens",
    stage="tokens",
    order=0,
    name="Tokens",
    title="How is the text cut into tokens?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
)
