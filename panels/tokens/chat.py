"""The text as a message to a chat model: what the checkpoint's own template writes around it."""

from collections.abc import Sequence
from itertools import groupby

from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.columns import ROWS
from panels.common.snippet import FOLDER
from panels.panel import Panel, Table
from viz import nouns
from viz.chips import Chip, Chips
from viz.format import listed, quoted, thousands

_IDS, _ROLES = Want("chat_ids"), Want("chat_role")
ROLES = (
    N_("system: what the model is told to be"),
    N_("user: the text"),
    N_("assistant: where the model goes on"),
)
_WHOSE = (N_("system"), N_("user"), N_("assistant"))
_INSTRUCTION = "You are a helpful assistant."
_MOST = 1_024  # tokens drawn, and in a line of the formula
_ENDS, _ENDS_LISTED = 128, ROWS // 2  # tokens drawn at each end of a longer conversation, and listed of one


def applies(spec: ModelSpec) -> str | None:
    """None, or that this checkpoint was not made for conversations."""
    if spec.chat:
        return None
    return _("This checkpoint's files do not say how a conversation is written: it has no chat template.")


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The tokens of the conversation, and whose part each is: no forward pass."""
    return (_IDS, _ROLES)


def _tokens(trace: Trace) -> list[tuple[int, str, int]]:
    """(id, label, role) of every token of the conversation."""
    return [
        (row, trace.name(row), role) for row, role in zip(trace[_IDS].tolist(), trace[_ROLES].tolist(), strict=True)
    ]


def draw(trace: Trace, view: Fitted) -> Chips:
    """A chip per token, tinted by whose part it is; of a long text the beginning and the end."""
    special = set(trace.spec.special)
    tokens = _tokens(trace)
    shown, left_out = _at_the_ends(len(tokens), _ends(tokens))
    drawn = (tokens[place] for place in shown)
    chips = tuple(Chip(label, str(row), _("special") if label in special else "", role) for row, label, role in drawn)
    gap = ngettext(
        "{count} token of the text is left out here",
        "{count} tokens of the text are left out here",
        left_out,
    )
    return Chips(
        chips,
        tuple(_(role) for role in ROLES),
        nouns.tokens(len(tokens)),
        of_text=False,
        rows=((_ENDS, gap),) if left_out else None,
    )


def _ends(tokens: Sequence[object]) -> int:
    """How many tokens are drawn at each end."""
    return len(tokens) if len(tokens) <= _MOST else _ENDS


def _at_the_ends(count: int, most: int) -> tuple[list[int], int]:
    """(the first and last so many of `count` places, how many lie between): all of them where they are not more."""
    left_out = max(0, count - 2 * most)
    return [*range(min(most, count)), *range(min(most, count) + left_out, count)], left_out


def caption(trace: Trace, view: Fitted) -> str:
    """How many tokens the template adds, which special ones mark the parts, and where the model's answer begins."""
    tokens = _tokens(trace)
    counts = [sum(role == whose for _row, _label, role in tokens) for whose in range(len(ROLES))]
    special = set(trace.spec.special)
    marks = dict.fromkeys(quoted(label) for _row, label, _role in tokens if label in special)
    parts = [
        _("{count} {part}", count=count, part=_(whose)) for count, whose in zip(counts, _WHOSE, strict=True) if count
    ]
    sentences = [
        ngettext(
            "As a message in a conversation the text takes {count} token instead of {own}: {parts}.",
            "As a message in a conversation the text takes {count} tokens instead of {own}: {parts}.",
            len(tokens),
            own=thousands(len(trace.tokens)),
            parts=listed(parts),
        )
    ]
    if marks:
        sentences.append(_("The parts are marked by special tokens: {tokens}.", tokens=listed(marks)))
    if len(tokens) > _MOST:
        sentences.append(
            ngettext(
                "Drawn are the first and the last {count} token.",
                "Drawn are the first and the last {count} tokens.",
                _ENDS,
            )
        )
    return " ".join((*sentences, _("The other panels show the text alone, without a template.")))


def table(trace: Trace, view: Fitted) -> Table:
    """Every token of the conversation; of a long one the beginning and the end."""
    tokens = _tokens(trace)
    shown, left_out = _at_the_ends(len(tokens), _ENDS_LISTED)
    rows = ((place, *tokens[place]) for place in shown)
    note = (
        ngettext(
            "Listed are the first and the last {count} token.",
            "Listed are the first and the last {count} tokens.",
            _ENDS_LISTED,
        )
        if left_out
        else None
    )
    return Table(
        (_("place"), _("token"), _("id"), _("part")),
        tuple((place, label, row, _(_WHOSE[role])) for place, row, label, role in rows),
        note,
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The conversation, a line per part."""
    parts = groupby(_tokens(trace), key=lambda token: token[2])
    return "\n".join(f"{_(_WHOSE[role])}: {_written([label for _row, label, _role in part])}" for role, part in parts)


def _written(labels: list[str]) -> str:
    """One part's tokens as a line; the middle of a long one is left out."""
    if len(labels) <= _MOST:
        return "".join(labels)
    left_out = nouns.tokens(len(labels) - 2 * _ENDS)
    return f"{''.join(labels[:_ENDS])} … ({left_out}) … {''.join(labels[-_ENDS:])}"


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The conversation's tokens, by the library's own chat template."""
    return f"""from transformers import AutoTokenizer

folder = "{FOLDER}"  # holds the tokenizer and its chat template
text = {view.text!r}

tokenizer = AutoTokenizer.from_pretrained(folder)
messages = [{{"role": "system", "content": "{_INSTRUCTION}"}}, {{"role": "user", "content": text}}]
print(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
result = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
print(result)
"""


PANEL = Panel(
    id="chat",
    stage="tokens",
    order=3,
    name=N_("Chat"),
    title=N_("What does the model read in a conversation?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
)
