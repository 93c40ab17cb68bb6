"""Every control says what it changes: a sentence of its own, in every language, and none can be made without one."""

import pytest

import panels
from anatomy.control import Choice, Place, Slider, Switch
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


UNSPOKEN = ("Show", "Scale", "View", "Cells", "Order")  # labels that say nothing alone
CHOICES = [control for control in CONTROLS if isinstance(control, Choice) and control.label in UNSPOKEN]


@pytest.mark.parametrize("control", CHOICES, ids=[control.name for control in CHOICES])
def test_where_a_label_says_nothing_alone_the_help_names_an_option(control):
    firsts = [_(control.shown(option)).split()[0].lower() for option in control.options]
    assert any(first in control.says.lower() for first in firsts)
