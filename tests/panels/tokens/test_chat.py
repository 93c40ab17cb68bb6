"""The panel of the conversation: the library's own template, its parts told apart, special tokens named."""

import pytest

from panels.tokens.chat import PANEL, ROLES
from tests import once
from tests.models.tiny import MODELS, tiny_engine
from tests.panels import toys
from tests.snapshot import described


def test_the_picture_caption_and_table(picture):
    trace, view = toys.answer(PANEL, text="the unable cat")
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view), "formula": once.formula(PANEL, trace, view)} == picture


@pytest.mark.parametrize("text", ["the unable cat", "a\n b"])
def test_the_printed_program_finds_the_same_tokens(text, tmp_path):
    trace, view = toys.answer(PANEL, text=text)
    assert toys.result(PANEL, trace, view, tmp_path) == [row[2] for row in once.table(PANEL, trace, view).rows]


def test_the_caption_counts_the_parts_and_names_the_marks():
    trace, view = toys.answer(PANEL, text="the")
    chips = once.figure(PANEL, trace, view).chips
    counts = [sum(chip.tint == role for chip in chips) for role in range(len(ROLES))]
    told = once.caption(PANEL, trace, view)
    assert f"{counts[0]} system, {counts[1]} user, {counts[2]} assistant." in told
    assert "special tokens: “<|start|>”, “<|end|>”." in told
    assert sum(chip.detail == "special" for chip in chips) == 5


def test_a_conversation_needs_no_forward_pass():
    trace, _ = toys.answer(PANEL, text="the")
    assert {want.site for want in trace.arrays} == {"chat_ids", "chat_role"}


@pytest.mark.parametrize("kind", MODELS)
def test_a_checkpoint_without_a_template_says_so(kind):
    assert "no chat template" in PANEL.applies(tiny_engine(kind).spec)


@pytest.mark.real
def test_the_default_model_has_a_template(really_answered):
    trace, view = really_answered(PANEL)
    assert PANEL.applies(trace.spec) is None
    assert once.formula(PANEL, trace, view).endswith("assistant: <|im_start|>assistant⏎")
