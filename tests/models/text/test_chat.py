"""A text as a message: the conversation that the library's own tokenizer writes, with its parts told apart."""

from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from anatomy.request import Run, Want
from models.checkpoints.locate import Located
from models.text.chat import ASSISTANT, INSTRUCTION, SYSTEM, USER, Chat, chat_of
from models.text.tokenizer import load_tokenizer
from tests.models.toy import TEMPLATE, save

IDS, ROLES = Want("chat_ids"), Want("chat_role")
MESSAGES = [{"role": "system", "content": INSTRUCTION}]
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + TEMPLATE


def parts(chat: Chat, text: str) -> list[tuple[int, str]]:
    written = chat.written(text)
    ends = [*(start for start, _ in written.parts[1:]), len(written.text)]
    return [(role, written.text[start:end]) for (start, role), end in zip(written.parts, ends, strict=True)]


def test_every_part_has_its_message_and_what_the_template_writes_around_it() -> None:
    assert parts(Chat(TEMPLATE, {}), "hi\n") == [
        (SYSTEM, f"<|start|>system\n{INSTRUCTION}<|end|>\n"),
        (USER, "<|start|>user\nhi\n<|end|>\n"),
        (ASSISTANT, "<|start|>assistant\n"),
    ]


def test_a_template_without_system_messages_gets_none() -> None:
    assert [role for role, _ in parts(Chat(NO_SYSTEM, {}), "hi")] == [USER, ASSISTANT]


def test_special_tokens_can_be_named_by_the_template() -> None:
    assert Chat("{{ bos_token }}" + TEMPLATE, {"bos_token": "<s>"}).written("hi").text.startswith("<s><|start|>")


def test_what_is_rewritten_later_counts_to_the_next_part() -> None:
    counting = "{{ messages | length }}" + TEMPLATE
    assert [role for role, _ in parts(Chat(counting, {}), "hi")] == [USER, ASSISTANT]


@pytest.mark.parametrize("text", ["hi", "the unable cat\n", "the <|end|> the", ""])
def test_the_tokens_are_those_of_the_library(text: str, tmp_path: Path) -> None:
    save(tmp_path)
    theirs = AutoTokenizer.from_pretrained(tmp_path).apply_chat_template(
        [*MESSAGES, {"role": "user", "content": text}], add_generation_prompt=True
    )
    found = load_tokenizer(tmp_path).answer(Run("", text), [IDS, ROLES])
    assert found[IDS].tolist() == theirs["input_ids"]
    assert (np.diff(found[ROLES]) >= 0).all()
    assert len(found[ROLES]) == len(found[IDS])


@pytest.mark.real
def test_the_tokens_of_the_default_model_are_those_of_the_library(smollm2: Located) -> None:
    theirs = AutoTokenizer.from_pretrained(smollm2.folder).apply_chat_template(
        [*MESSAGES, {"role": "user", "content": "北京 don't"}], add_generation_prompt=True
    )
    found = load_tokenizer(smollm2.folder).answer(Run("", "北京 don't"), [IDS])
    assert found[IDS].tolist() == theirs["input_ids"]


def test_a_template_in_a_file_of_its_own_is_read(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text(TEMPLATE, "utf-8")
    assert parts(chat_of(tmp_path), "hi")[1][0] == USER


@pytest.mark.parametrize("template", ["{% for %}", "{{ raise_exception('never') }}"])
def test_a_template_that_cannot_be_used_is_none(template: str, tmp_path: Path) -> None:
    save(tmp_path, template)
    assert chat_of(tmp_path) is None
    assert "no chat template" in load_tokenizer(tmp_path).missing["chat_ids"]


def test_a_folder_without_a_template_has_no_chat(minilm: Located, tmp_path: Path) -> None:
    assert chat_of(tmp_path) is None
    assert chat_of(minilm.folder) is None
