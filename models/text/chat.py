"""A text as a message in a conversation, written as the checkpoint's own chat template asks for."""

from collections.abc import Mapping
from dataclasses import dataclass

from anatomy.language import N_
from anatomy.refused import Refused, Sentence
from models.checkpoints.outside import shown
from models.text.rendering import Conversation, write_out

SITES = frozenset({"chat_ids", "chat_role"})
SYSTEM, USER, ASSISTANT = range(3)
INSTRUCTION = "You are a helpful assistant."
NO_TEMPLATE = N_("This checkpoint's files do not say how a conversation is written: it has no chat template.")
_ROLES = {"system": SYSTEM, "user": USER}
_CHECK = "Hello"


@dataclass(frozen=True)
class Written:
    """A conversation as the model reads it: the text, and where each part begins, (first character, role)."""

    text: str
    parts: tuple[tuple[int, int], ...]

    def role(self, place: int) -> int:
        """Whose part a character belongs to: SYSTEM, USER or ASSISTANT. What stands before the first part, as a mark
        of a text's beginning may, belongs to that part."""
        return next((role for start, role in reversed(self.parts) if start <= place), self.parts[0][1])


def chat_of(template: object, special: Mapping[str, str]) -> "Chat | Sentence | None":
    """The chat template of a checkpoint; None where it has none, or why none that it has can be used.

    template  its text; where there are several, their texts by name, of which "default" is used; None for none
    special   the special tokens by the names that a template may use, as bos_token
    """
    if not template and (template is None or isinstance(template, Mapping)):
        return None
    if isinstance(template, Mapping):
        if "default" not in template:
            return Sentence(_FOR_OTHER_USES, names=", ".join(shown(name) for name in template))
        template = template["default"]
    if not isinstance(template, str):
        return Sentence(N_("This checkpoint's chat template is no text, so no conversation can be written with it."))
    chat = Chat(template, special)
    try:
        chat.written(_CHECK)
    except Refused as refused:
        return Sentence(refused.message, **refused.values)
    return chat


_FOR_OTHER_USES = N_(
    "This checkpoint has chat templates for other uses ({names}) and none that is called “default”, so no conversation "
    "is shown. Give the one for plain conversations that name in its tokenizer_config.json."
)


class Chat:
    """A chat template, with the special tokens that it may name. It runs within limits (`models.text.rendering`)."""

    def __init__(self, template: str, special: Mapping[str, str]) -> None:
        self._template = template
        self._special = dict(special)

    def written(self, text: str) -> Written:
        """An instruction, the text as the user's message, and what makes the model answer. Templates that know no
        system message get none. Refused for a template that writes no such conversation at all, or none within the
        limits."""
        system, user = {"role": "system", "content": INSTRUCTION}, {"role": "user", "content": text}
        attempts = ([system, user], [user])
        chosen, texts = write_out(self._template, self._special, [_growing(messages) for messages in attempts])
        if any("\ud800" <= character <= "\udfff" for character in texts[-1]):
            raise Refused(
                N_("This checkpoint's chat template writes half a character (an unpaired surrogate), which is no text.")
            )
        roles = [*(_ROLES[message["role"]] for message in attempts[chosen]), ASSISTANT]
        return Written(texts[-1], _parts(texts, roles))


def _growing(messages: list[dict[str, str]]) -> list[Conversation]:
    """The first message, the first two … and all with the prompt to answer."""
    begun = [Conversation(tuple(messages[: count + 1])) for count in range(len(messages))]
    return [*begun, Conversation(tuple(messages), prompt=True)]


def _parts(texts: list[str], roles: list[int]) -> tuple[tuple[int, int], ...]:
    """What each message and then the prompt to answer add at the end of the whole, which comes last. What is no
    addition at the end (templates may rewrite what stands before) counts to the part that follows it."""
    whole, parts, start = texts[-1], [], 0
    for role, text in zip(roles, texts, strict=True):
        if whole.startswith(text) and len(text) > start:
            parts.append((start, role))
            start = len(text)
    return tuple(parts) or ((0, ASSISTANT),)
