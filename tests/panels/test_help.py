"""Every control says what it changes: a sentence of its own, in every language, and none can be made without one."""

import pytest

import panels
from anatomy.control import Choice, Control, Place, Slider, Switch
from anatomy.language import LANGUAGES, _, use_locale

CONTROLS = [control for control in panels.controls() if not isinstance(control, Place)]


@pytest.mark.parametrize(
    "make", [lambda: Choice("a", "A", ("b",)), lambda: Switch("a", "A"), lambda: Slider(*"ab", 0, 1, 1, 0)]
)
def test_no_control_can_be_made_without_a_word_of_explanation(make):
    with pytest.raises(TypeError, match="says"):
        make()


@pytest.mark.parametrize("control", CONTROLS, ids=[control.name for control in CONTROLS])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_controls_help_is_whole_sentences_and_not_its_label_again(control, language):
    with use_locale(language):
        says = _(control.says)
        assert says.endswith("." if language == "en" else "。")
        assert len(says) > 2 * len(_(control.label))
        assert len(says) <= 280


@pytest.mark.parametrize("control", CONTROLS, ids=[control.name for control in CONTROLS])
def test_a_help_is_no_markdown(control):
    """Streamlit reads it as such: these would vanish, or begin a formula."""
    assert not set("*_$`[]<>#~\\") & set(control.says)


def test_no_two_controls_share_a_help():
    helps = [control.says for control in CONTROLS]
    assert len(set(helps)) == len(helps)


@pytest.mark.parametrize("control", [each for each in CONTROLS if isinstance(each, Choice)], ids=lambda each: each.name)
def test_a_choice_without_a_word_that_tells_its_options_apart_explains_at_least_one_by_name(control: Control):
    if control.label in ("Show", "Scale", "View", "Cells", "Order"):  # words that say nothing alone
        named = [
            option for option in control.options if control.shown(option).split()[0].lower() in control.says.lower()
        ]
        assert named
