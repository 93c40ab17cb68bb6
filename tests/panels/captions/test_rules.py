"""Every panel's caption is held by rules; what is false, never said, or met by no case is red."""

from functools import partial
from importlib import import_module
from types import SimpleNamespace

import pytest

from anatomy.stages import STAGES
from panels import load
from tests.panels.captions.rules import Case, Cases, Rules

# Captions that compare a text with what its own tests know of it: another tokenizer, a template, a cache, a passage.
ELSEWHERE = {"cache", "chat", "passage", "tokenizers"}
PANEL = SimpleNamespace(caption=lambda reading: reading)


def said(caption: str) -> Case:
    """A case of which the reading is the caption."""
    return SimpleNamespace(panel=PANEL, reading=caption)


def rules(*captions: str, sought: tuple[str, ...] = ()) -> Rules:
    """Of captions that are drawn and sought, with one rule: what is even ends with an even digit."""
    cases = tuple(partial(said, caption) for caption in sought)
    found = Rules(ends=Cases("panel", lambda source: said(str(source.choice(captions))), 20, cases))
    found.holds("ends", r"(\d+) is even")(lambda case, match: int(match[1]) % 2 == 0)
    return found


def rules_of(stage: str) -> Rules:
    """Those in the stage's file."""
    return import_module(f"tests.panels.captions.test_{stage}").RULES


def test_the_caption_of_every_panel_has_rules_in_its_stage_or_tests_elsewhere():
    ruled = {(cases.panel, stage) for stage in STAGES for cases in rules_of(stage).cases.values()}
    assert ruled == {(name, panel.stage) for name, panel in load().items() if name not in ELSEWHERE}


@pytest.mark.wide
@pytest.mark.parametrize("stage", STAGES)
def test_every_sentence_is_true_of_ten_times_as_many_cases(stage):
    found = rules_of(stage)
    for kind in found.cases:
        found.check(kind, times=10)


def test_sentences_that_are_true_pass_beside_captions_without_them():
    rules("12 is even.", "4 is even, as is 8.", "Nothing.").check("ends")


def test_a_sentence_that_is_false_in_one_case_is_red():
    with pytest.raises(AssertionError, match="'13 is even' is not true"):
        rules("12 is even.", "13 is even.").check("ends")


def test_a_sentence_that_no_case_has_is_red():
    with pytest.raises(AssertionError, match="no case of ends has"):
        rules("12 is odd.").check("ends")


def test_a_case_that_is_sought_meets_a_rule_that_no_random_one_meets():
    rules("Nothing.", sought=("2 is even.",)).check("ends")


def test_a_case_that_is_sought_has_to_be_true():
    with pytest.raises(AssertionError, match="'3 is even' is not true"):
        rules("Nothing.", sought=("3 is even.",)).check("ends")


def test_a_kind_without_rules_is_red():
    with pytest.raises(AssertionError, match="ends has no rule"):
        Rules(ends=Cases("panel", lambda source: said("12 is even."), 20)).check("ends")


def test_a_second_rule_of_one_sentence_is_red():
    twice = rules("12 is even.").holds("ends", r"(\d+) is even")
    with pytest.raises(AssertionError, match="already"):
        twice(lambda case, match: True)


@pytest.mark.parametrize(
    "residue", ["It is −0.", "It is −0.00 now.", "It is −0 now.", "It is nan.", "from 0.3 to 0.3,", "from 0 % to 0 %"]
)
def test_what_no_caption_says_is_red(residue):
    with pytest.raises(AssertionError, match="is in"):
        rules(f"12 is even. {residue}").check("ends")


@pytest.mark.parametrize("sound", ["It is −0.5.", "It is −10.", "from 0 to 0.3,", "from 0.3 to 0.31,"])
def test_numbers_that_mean_something_pass(sound):
    rules(f"12 is even. {sound}").check("ends")
