"""A text as a message in a conversation, written as the checkpoint's own chat template asks for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from transformers.utils.chat_template_utils import render_jinja_template

SITES = frozenset({"chat_ids", "chat_role"})
SYSTEM, USER, ASSISTANT = range(3)
INSTRUCTION = "You are a helpful assistant."
_ROLES = {"system": SYSTEM, "user": USER}
_CHECK = "Hello"


@dataclass(frozen=True)
class Written:
    """A conversation as the model reads it: the text, and where each part begins, (first character, role)."""

    text: str
    parts: tuple[tuple[int, int], ...]

    def role(self, place: int) -> int:
        """Whose part a character belongs to: SYSTEM, USER or ASSISTANT."""
        return next(role for start, role in reversed(self.parts) if start <= place)


def chat_of(folder: Path) -> "Chat | None":
    """The chat template of a checkpoint's folder; None where it has none, or one that writes no plain conversation."""
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text("utf-8")) if file.exists() else {}
    apart = folder / "chat_template.jinja"
    template = apart.read_text("utf-8") if apart.exists() else settings.get("chat_template")
    if isinstance(template, list):  # several by name
        template = next((one["template"] for one in template if one["name"] == "default"), None)
    if template is None:
        return None
    chat = Chat(template, _special(settings))
    try:
        chat.written(_CHECK)
    except TemplateError:
        return None
    return chat


def _special(settings: Mapping[str, object]) -> dict[str, str]:
    """bos_token, eos_token and their kin, by name; a token is written as text or as a table with its content."""
    named = {name: value for name, value in settings.items() if name.endswith("_token")}
    texts = {name: value["content"] if isinstance(value, dict) else value for name, value in named.items()}
    return {name: text for name, text in texts.items() if isinstance(text, str)}


class Chat:
    """A chat template, with the special tokens that it may name. It is run in the library's sandbox."""

    def __init__(self, template: str, special: Mapping[str, str]) -> None:
        self._template = template
        self._special: dict[str, Any] = dict(special)

    def written(self, text: str) -> Written:
        """An instruction, the text as the user's message, and what makes the model answer. Templates that know no
        system message get none. jinja2.TemplateError for one that writes no such conversation at all."""
        system, user = {"role": "system", "content": INSTRUCTION}, {"role": "user", "content": text}
        try:
            return self._grown([system, user])
        except TemplateError:
            return self._grown([user])

    def _grown(self, messages: Sequence[dict[str, str]]) -> Written:
        """The whole, and what each message and then the prompt to answer add at the end. What is no addition at the
        end (templates may rewrite what stands before) counts to the part that follows it."""
        whole = self._render(messages, prompt=True)
        grown = {_ROLES[message["role"]]: self._render(messages[: i + 1]) for i, message in enumerate(messages)}
        parts, start = [], 0
        for role, text in (grown | {ASSISTANT: whole}).items():
            if whole.startswith(text) and len(text) > start:
                parts.append((start, role))
                start = len(text)
        return Written(whole, tuple(parts))

    def _render(self, messages: Sequence[dict[str, str]], prompt: bool = False) -> str:
        rendered, _ = render_jinja_template(
            [list(messages)], chat_template=self._template, add_generation_prompt=prompt, **self._special
        )
        return rendered[0]
