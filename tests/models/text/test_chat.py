"""A text as a message: the conversation that the library's own tokenizer writes, with its parts told apart."""

import json
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from anatomy.refused import Refused
from anatomy.request import Run, Want
from models.checkpoints.locate import Located
from models.text.chat import ASSISTANT, INSTRUCTION, NO_TEMPLATE, SITES, SYSTEM, USER, Chat, chat_of
from models.text.tokenizer import Tokenizer, load_tokenizer
from tests.models.text.made_checkpoints import byte_level
from tests.models.toy import TEMPLATE, save, toy_tokenizer

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
    save(tmp_path, "{{ raise_exception('not this one') }}")
    (tmp_path / "chat_template.jinja").write_text(TEMPLATE, "utf-8")
    assert not load_tokenizer(tmp_path).missing.keys() & SITES


def test_of_several_templates_the_default_one_is_read(tmp_path: Path) -> None:
    save(tmp_path)
    file = tmp_path / "tokenizer_config.json"
    named = [{"name": "default", "template": TEMPLATE}, {"name": "tool_use", "template": "{{ 1 / 0 }}"}]
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | {"chat_template": named}), "utf-8")
    assert not load_tokenizer(tmp_path).missing.keys() & SITES


def test_templates_for_other_uses_alone_are_told_as_such(tmp_path: Path) -> None:
    told = str(chat_of({"tool_use": TEMPLATE, "rag": TEMPLATE}, {}))
    assert told.startswith("This checkpoint has chat templates for other uses (tool_use, rag) and none that is called")
    save(tmp_path)
    file = tmp_path / "tokenizer_config.json"
    named = [{"name": "tool_use", "template": TEMPLATE}]
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | {"chat_template": named}), "utf-8")
    tokenizer = load_tokenizer(tmp_path)
    assert "for other uses (tool_use)" in str(tokenizer.missing["chat_ids"])
    assert tokenizer.chat


@pytest.mark.parametrize(
    ("template", "chat"),
    [(TEMPLATE, True), ("{% for %}", True), ({"tool_use": TEMPLATE}, True), ({}, False), (None, False)],
)
def test_a_tokenizer_says_whether_there_is_a_template_be_it_one_that_cannot_be_used(
    template: object, chat: bool
) -> None:
    definition = byte_level().to_str()
    assert Tokenizer(definition, chat_of(template, {})).chat == chat


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for %}", "Expected an expression"),
        ("{{ raise_exception('never') }}", "never"),
        ("{{ messages + 1 }}", "TypeError"),
        ("{{ messages[7].content.x }}", "has no"),
        ("{{ '\ud800' }}", "half a character"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "is stopped"),
    ],
)
def test_a_template_that_cannot_be_used_says_why_and_the_model_opens(template: str, said: str, tmp_path: Path) -> None:
    save(tmp_path, template)
    tokenizer = load_tokenizer(tmp_path)
    assert said in str(tokenizer.missing["chat_ids"])
    assert tokenizer.tokenize("the")


@pytest.mark.parametrize("template", [7, {"default": 7}, ["x"], True])
def test_a_template_that_is_no_text_says_so(template: object) -> None:
    assert "is no text" in str(chat_of(template, {}))


def test_a_text_that_the_template_does_not_take_is_refused() -> None:
    shy = "{% if 'no' in messages[-1].content %}{{ raise_exception('not that') }}{% endif %}" + TEMPLATE
    tokenizer = toy_tokenizer(shy)
    with pytest.raises(Refused, match="not that"):
        tokenizer.answer(Run("", "no"), [IDS])
    assert tokenizer.answer(Run("", "yes"), [IDS])


def test_special_tokens_are_those_that_the_library_knows(tmp_path: Path) -> None:
    """Also those of special_tokens_map.json."""
    save(tmp_path, "{{ bos_token }}" + TEMPLATE)
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"bos_token": "<|start|>"}), "utf-8")
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text("utf-8"))
    settings.pop("added_tokens_decoder", None)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    assert theirs.bos_token == "<|start|>"
    asked = theirs.apply_chat_template([*MESSAGES, {"role": "user", "content": "hi"}], add_generation_prompt=True)
    assert load_tokenizer(tmp_path).answer(Run("", "hi"), [IDS])[IDS].tolist() == asked["input_ids"]


def test_a_folder_without_a_template_has_no_chat(minilm: Located) -> None:
    assert load_tokenizer(minilm.folder).missing["chat_ids"] == NO_TEMPLATE
    assert chat_of(None, {}) is None
