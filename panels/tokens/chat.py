"""The text as a message to a chat model: what the checkpoint's own template writes around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Int

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


@dataclass(frozen=True)
class Conversation:
    """The tokens of the conversation that the text is a message of.

    ids      rows of the vocabulary
    roles    whose part each is: index into ROLES
    labels   one per token
    special  labels of all special tokens that the vocabulary has
    alone    how many tokens the text takes without a template
    """

    ids: Int[np.ndarray, " chat"]
    roles: Int[np.ndarray, " chat"]
    labels: tuple[str, ...]
    special: frozenset[str]
    alone: int


def read(trace: Trace, view: Fitted) -> Conversation:
    """The conversation's tokens with their names."""
    ids, roles = trace[_IDS], trace[_ROLES]
    labels = tuple(map(trace.name, ids.tolist()))
    return Conversation(ids, roles, labels, frozenset(trace.spec.special), len(trace.tokens))


def draw(conversation: Conversation) -> Chips:
    """A chip per token, tinted by whose part it is; of a long text the beginning and the end."""
    count = len(conversation.labels)
    shown, left_out = _at_the_ends(count, count if count <= _MOST else _ENDS)
    labels = [conversation.labels[place] for place in shown]
    ids, roles = conversation.ids[shown].tolist(), conversation.roles[shown].tolist()
    details = [_("special") if label in conversation.special else "" for label in labels]
    gap = ngettext(
        "{count} token of the text is left out here",
        "{count} tokens of the text are left out here",
        left_out,
    )
    return Chips(
        tuple(map(Chip, labels, map(str, ids), details, roles)),
        tuple(_(role) for role in ROLES),
        nouns.tokens(count),
        of_text=False,
        rows=((_ENDS, gap),) if left_out else None,
    )


def _at_the_ends(count: int, most: int) -> tuple[list[int], int]:
    """(the first and last so many of `count` places, how many lie between): all of them where they are not more."""
    left_out = max(0, count - 2 * most)
    return [*range(min(most, count)), *range(min(most, count) + left_out, count)], left_out


def caption(conversation: Conversation) -> str:
    """How many tokens the template adds, which special ones mark the parts, and where the model's answer begins."""
    labels = conversation.labels
    counts = np.bincount(conversation.roles, minlength=len(ROLES)).tolist()
    marks = dict.fromkeys(quoted(label) for label in labels if label in conversation.special)
    parts = [
        _("{count} {part}", count=count, part=_(whose)) for count, whose in zip(counts, _WHOSE, strict=True) if count
    ]
    sentences = [
        ngettext(
            "As a message in a conversation the text takes {count} token instead of {own}: {parts}.",
            "As a message in a conversation the text takes {count} tokens instead of {own}: {parts}.",
            len(labels),
            own=thousands(conversation.alone),
            parts=listed(parts),
        )
    ]
    if marks:
        sentences.append(_("The parts are marked by special tokens: {tokens}.", tokens=listed(marks)))
    if len(labels) > _MOST:
        sentences.append(
            ngettext(
                "Drawn are the first and the last {count} token.",
                "Drawn are the first and the last {count} tokens.",
                _ENDS,
            )
        )
    return " ".join((*sentences, _("The other panels show the text alone, without a template.")))


def table(conversation: Conversation) -> Table:
    """Every token of the conversation; of a long one the beginning and the end."""
    shown, left_out = _at_the_ends(len(conversation.labels), _ENDS_LISTED)
    note = (
        ngettext(
            "Listed are the first and the last {count} token.",
            "Listed are the first and the last {count} tokens.",
            _ENDS_LISTED,
        )
        if left_out
        else None
    )
    return Table.of(
        (_("place"), shown),
        (_("token"), [conversation.labels[place] for place in shown]),
        (_("id"), conversation.ids[shown]),
        (_("part"), [_(_WHOSE[role]) for role in conversation.roles[shown].tolist()]),
        note=note,
    )


def formula(conversation: Conversation) -> str:
    """The conversation, a line per part."""
    parts = groupby(zip(conversation.roles.tolist(), conversation.labels, strict=True), key=lambda token: token[0])
    return "\n".join(f"{_(_WHOSE[role])}: {_written([label for _role, label in part])}" for role, part in parts)


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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
)
