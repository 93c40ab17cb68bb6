"""Captions of positions say no more than the angles, biases and rows bear out."""

import numpy as np
import pytest

from anatomy.relative import buckets
from tests.panels.captions.answers import answers
from tests.panels.captions.ends import level
from tests.panels.captions.rules import Rules
from viz.format import number

PANELS = ("distance", "position", "position_sizes", "relative_bias", "rotation", "wavelengths")
RULES = Rules(**{panel: answers(panel) for panel in PANELS})


@RULES.holds("distance", r"and most, (?P<most>\S+), at distance (?P<best>\d+); the mean up to (?P<far>\d+)")
def no_distance_scores_more(case, said):
    fall, best = case.reading, int(said["best"])
    return level(fall.scores, fall.scores[best]).all() and int(said["far"]) == len(fall.scores) - 1


@RULES.holds("distance", r"In this text they stand (?P<count>\d+) tokens? apart")
def they_stand_so_far_apart(case, said):
    return int(said["count"]) == abs(case.view.pos - case.reading.given.cell.src)


@RULES.holds(
    "position",
    r"The fastest of (?P<all>\d+) pairs? turns once in (?P<fastest>\S+) tokens, the slowest once in (?P<slowest>\S+) ",
)
def the_ends_of_the_wavelengths(case, said):
    waves = 2 * np.pi / np.array([f for f in case.trace.spec.position.frequencies if f])
    ends = number(float(waves.min())), number(float(waves.max()))
    return (int(said["all"]), said["fastest"], said["slowest"]) == (len(waves), *ends)


@RULES.holds(
    "position",
    r"(?P<count>None|One|\d+) of them comes? full circle within this text.*; (?P<slow>\d+) pairs? turns? less than",
)
def so_many_pairs_come_full_circle(case, said):
    waves = 2 * np.pi / np.array(case.trace.spec.position.frequencies)
    count = {"None": 0, "One": 1}.get(said["count"]) if said["count"].isalpha() else int(said["count"])
    return count == (waves <= len(case.ids)).sum() and int(said["slow"]) == (waves > case.trace.spec.max_pos).sum()


@RULES.holds("position", r"Row (?P<pos>\d+) is most like row (?P<other>\d+) \(")
def no_other_row_is_more_like_it(case, said):
    alike, other = case.reading.alike.copy(), int(said["other"])
    alike[case.view.pos] = -1
    return other != case.view.pos and level(alike, alike[other]).all()


@RULES.holds("position_sizes", r"the token's row has length (?P<own>\S+), the position's (?P<added>\S+), with")
def both_lengths_are_those_of_the_rows(case, said):
    rows = (case.trace[want][case.view.pos] for want in case.panel.needs(case.trace.spec, case.view))
    return [said["own"], said["added"]] == [number(float(np.linalg.norm(row.astype(float)))) for row in rows]


@RULES.holds("relative_bias", r"adds most, (?P<high>\S+), to the score of .*, and least, (?P<low>\S+), to")
def the_ends_of_what_a_head_adds(case, said):
    numbers = case.reading.values[case.view.head]
    return (said["high"], said["low"]) == (number(float(numbers.max())), number(float(numbers.min())))


@RULES.holds("relative_bias", r"from (?P<farthest>\d+) tokens on all are one")
def beyond_that_distance_there_is_one_bucket(case, said):
    far, bias = int(said["farthest"]), case.trace.spec.position
    found = buckets(-np.array([far - 1, far, far + 1, 10 * far, 1000 * far]), bias)
    return found[0] != found[1] and len(set(found[1:].tolist())) == 1


@RULES.holds("rotation", r"pair (?P<pair>\d+) of (?P<pairs>\d+) turns by")
def the_pair_is_one_of_the_model_and_the_one_asked_for(case, said):
    asked = dict(case.view.settings).get("pair", "8")
    return int(said["pair"]) == min(int(asked), int(said["pairs"]) - 1)


@RULES.holds("rotation", r"Their lengths stay")
def the_turn_keeps_lengths(case, said):
    return all(np.allclose(np.hypot(*s.before.T), np.hypot(*s.after.T)) for s in case.reading.sides)


@RULES.holds("rotation", r"q·k is still (?P<product>\S+) \(difference (?P<off>below \S+|0)\)")
def moving_both_changes_nothing(case, said):
    return abs(case.reading.moved - case.reading.own) <= 1e-3 * max(1.0, np.abs(case.reading.given.products).max())


@RULES.holds(
    "wavelengths",
    r"leaves (?P<left>\d+) of its (?P<pairs>\d+) pairs as they were, turns (?P<full>\d+) of them (?P<factor>\d+) × "
    r"more slowly and blends the (?P<blended>\d+) between: .* Within (?P<context>\S+) tokens (?P<inside>\d+) pairs "
    r"come full circle instead of (?P<plain>\d+)\.",
)
def so_many_pairs_are_left_blended_and_slowed(case, said):
    plain, slow = case.reading.waves
    times, factor, context = slow / plain, int(said["factor"]), int(said["context"].replace(",", ""))
    counts = np.isclose(times, 1).sum(), np.isclose(times, factor).sum(), len(times)
    told = int(said["left"]), int(said["full"]), int(said["pairs"])
    between = ((times > 1 + 1e-6) & (times < factor - 1e-6)).sum()
    inside = int((slow <= context).sum()), int((plain <= context).sum())
    return told == counts and int(said["blended"]) == between and (int(said["inside"]), int(said["plain"])) == inside


@RULES.holds("wavelengths", r"This model .*: (?P<inside>\d+) of (?P<count>\d+) pairs? within (?P<longest>[\d,]+)\.")
def so_many_pairs_of_the_model_come_full_circle(case, said):
    waves = 2 * np.pi / np.array([f for f in case.trace.spec.position.frequencies if f])
    longest = int(said["longest"].replace(",", ""))
    return (int(said["inside"]), int(said["count"])) == ((waves <= longest).sum(), len(waves))


@pytest.mark.parametrize("kind", RULES.cases)
def test_every_sentence_on_positions_is_true_of_its_numbers(kind):
    RULES.check(kind)
