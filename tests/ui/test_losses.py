"""The loss of two runs above all panels: each sentence and each bar says what the numbers are."""

import re

import numpy as np
import pytest

from anatomy.parting import LOSS_ROUNDING, Parting, Spread
from tests.models.tiny import TEXT
from tests.ui.test_page import words
from ui import losses, parted
from ui.pairs import MOST_BARS, Names

LABELS = ("a", "b", "c", "d")
NAMES = Names((LABELS, LABELS))
PAIRS = tuple((place, place) for place in range(4))


def made(a, b, pairs=PAIRS) -> Parting:
    """Of runs with these losses after the first token, for which there is none."""
    both = tuple(None if loss is None else np.array([np.nan, *loss]) for loss in (a, b))
    return Parting(pairs, None, None, None, (True, True), losses=both)


def test_the_mean_of_both_and_the_token_that_changes_most():
    said = losses.said(made((1.0, 2.0, 3.0), (1.5, 8.0, 2.5)), NAMES, None)
    mean = "The mean loss (surprisal per token) goes from 2.00 to 4.00 nats."
    assert said == f"{mean} It changes most at “c”: there it goes from 2.00 to 8.00."


def test_the_chosen_token_has_its_own_sentence_where_it_is_another_one():
    parting = made((1.0, 2.0, 3.0), (1.5, 8.0, 2.5))
    assert losses.said(parting, NAMES, (1, 1)).endswith(" At “b” it goes from 1.00 to 1.50.")
    assert losses.said(parting, NAMES, (2, 2)).endswith("It changes most at “c”: there it goes from 2.00 to 8.00.")
    assert losses.said(parting, NAMES, (0, 0)).endswith("It changes most at “c”: there it goes from 2.00 to 8.00.")


def test_equal_runs_have_one_loss_and_no_token_that_changes():
    assert (
        losses.said(made((1.0, 2.0), (1.0, 2.0), PAIRS[:3]), NAMES, None)
        == "The mean loss (surprisal per token) stays at 1.50 nats."
    )


def test_what_rounding_may_make_of_a_loss_is_no_change_of_a_token():
    said = losses.said(made((1.0, 2.0), (1.0 + LOSS_ROUNDING / 2, 2.0), PAIRS[:3]), NAMES, None)
    assert said == "The mean loss (surprisal per token) stays at about 1.50 nats."
    assert "changes most at “b”" in losses.said(
        made((1.0, 2.0), (1.0 + 2 * LOSS_ROUNDING, 2.0), PAIRS[:3]), NAMES, None
    )


def test_a_run_without_loss_is_said_to_have_none():
    assert losses.said(made(None, None), NAMES, None) == ""
    said = losses.said(made(None, (1.0, 2.0, 3.0)), NAMES, None)
    assert said == "The mean loss (surprisal per token) of B is 2.00 nats. The other run has none."
    assert losses.bars(made(None, (1.0, 2.0, 3.0)), NAMES, None) == ""


def test_the_baseline_is_said_from_the_least_to_the_most():
    parting = made((1.0, 2.0, 3.0), (1.5, 8.0, 2.5))
    assert "In the baseline: from 1.00 to 2.50." in losses.said(parting, NAMES, None, Spread(2, None, {}, (1.0, 2.5)))
    assert "In the baseline: 1.00." in losses.said(parting, NAMES, None, Spread(1, None, {}, (1.0, 1.0)))
    assert "baseline" not in losses.said(parting, NAMES, None, Spread(2, None, {}))


def heights(html: str) -> list[list[float]]:
    """Of each token's bars, those of A and B."""
    tokens = re.findall(r"<span[^>]*>(.*?)</span>", html)
    return [[float(height) for height in re.findall(r"height: ([0-9.]+)%", bars)] for bars in tokens]


def test_each_token_has_a_bar_of_either_run_and_the_largest_loss_is_as_high_as_they_go():
    html = losses.bars(made((1.0, 2.0, 3.0), (1.5, 8.0, 0.0)), NAMES, (2, 2))
    assert heights(html) == [[], [12.5, 18.8], [25.0, 100.0], [37.5, 2.0]]
    assert html.count('class="chosen"') == 1
    assert 'title="“c”: A 2.00, B 8.00" class="chosen"' in html
    assert "“a”: nothing stands before it, so it has no loss" in html
    assert "the highest 8.00 nats" in html


def test_of_many_tokens_the_one_that_changes_most_of_every_few_is_drawn():
    count = 3 * MOST_BARS
    a, b = np.ones(count), np.ones(count)
    b[5::6] = 4.0
    labels = tuple(map(str, range(count)))
    parting = Parting(tuple((i, i) for i in range(count)), None, None, None, (True, True), losses=(a, b))
    drawn = heights(losses.bars(parting, Names((labels, labels)), None))
    assert len(drawn) == MOST_BARS
    assert drawn[1::2] == [[25.0, 100.0]] * (MOST_BARS // 2)
    assert drawn[::2] == [[25.0, 25.0]] * (MOST_BARS // 2)


def test_losses_without_end_are_drawn_and_said():
    parting = made((1.0, 2.0), (np.inf, 2.0), PAIRS[:3])
    assert "goes from 1.50 to ∞" in losses.said(parting, NAMES, None)
    assert len(heights(losses.bars(parting, NAMES, None))) == 3


@pytest.mark.parametrize(("changes", "ahead"), [("mask.drop", True), ("layer.drop.layer1", False)])
def test_the_page_says_the_loss_and_that_without_a_mask_nothing_is_predicted(open_page, changes, ahead):
    app = open_page(panel="attention", text=TEXT, changes=changes)
    said = words(app)
    assert "<h2>Loss<small" in said
    assert re.search(r"The mean loss \(surprisal per token\) goes from \S+ to \S+ nats", re.sub("<[^>]+>", "", said))
    assert ("each token sees those that it is to predict" in said) == ahead


def test_a_summary_without_losses_has_no_part_for_them():
    assert "<h2>Loss" not in parted.shown(made(None, None), NAMES, None)
    assert "<h2>Loss<small" in parted.shown(made((1.0, 2.0, 3.0), (1.0, 2.0, 4.0)), NAMES, None)
