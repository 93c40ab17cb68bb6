"""Questions: an order of wants that never compares None with a number, names of ranks, runs that go on."""

from itertools import permutations

import pytest

from anatomy.request import Run, Want, choice
from anatomy.sites import axes_of

WANTS = (
    Want("dla_parts", pos=1, token=0),
    Want("dla_parts", pos=1, token=choice(1)),
    Want("dla_parts", pos=1, token=choice(1), against=choice(2)),
    Want("logits", pos=1),
    Want("pattern", 2),
    Want("pattern", 2, "dec"),
    Want("pattern_max", 2, head=0),
    Want("pattern_max", 2, head=0, window=(0, 5, 2, 3)),
)


def test_wants_have_one_order_whatever_they_leave_open():
    orders = {tuple(sorted(some, key=Want.sort_key)) for some in permutations(WANTS)}
    assert len(orders) == 1


def test_a_want_names_its_token_and_the_one_against_it():
    assert str(Want("dla_parts", pos=1, token=7, against=9)) == "dla_parts[pos 1, token 7, against 9]"


def test_ranks_are_told_apart_from_ids():
    assert choice(1) < 0
    assert choice(1) != choice(2)
    with pytest.raises(ValueError, match="ranks count from 1, not 0"):
        choice(0)


@pytest.mark.parametrize(
    ("want", "message"),
    [
        (Want("dla_parts", pos=1), "is asked for a token: name one"),
        (Want("logits", pos=1, token=3), "is asked for no token"),
        (Want("logits", pos=1, against=3), "is asked for no token"),
    ],
)
def test_only_sites_about_a_token_are_asked_for_one(want, message):
    with pytest.raises(ValueError, match=message):
        axes_of(want)


def test_a_run_goes_on_and_another_text_begins_anew():
    run = Run("m@1/float32", "one two").plus(3).plus(4, 5)
    assert run.tail == (3, 4, 5)
    assert run.on("other") == Run("m@1/float32", "other")
