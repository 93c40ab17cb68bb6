"""Controls as they are for one model and text: with an end or a default of its own."""

from anatomy.control import Choice, Slider
from anatomy.view import Fitted

PAIR = Slider("pair", "Pair", 0, 63, 1, 8, says="")


def test_a_slider_that_ends_earlier_takes_older_links_at_its_end():
    four = PAIR.up_to(3)
    assert (four.high, four.default) == (3, 3)
    assert (four.read("2"), four.read("40"), four.read("64")) == (2, 3, None)
    assert four.up_to(1).read("63") == 1
    assert PAIR.up_to(200) == Slider("pair", "Pair", 0, 63, 1, 8, beyond=63, says="")


def test_a_choice_that_opens_otherwise_writes_its_first_option_into_the_link():
    show = Choice("show", "Show", ("a", "b"), says="").opening("b")
    view = Fitted()
    assert view[show] == "b"
    assert view.with_setting(show, "b").settings == ()
    assert view.with_setting(show, "a")[show] == "a"
