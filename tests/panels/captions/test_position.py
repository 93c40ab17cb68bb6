"""Captions of positions say no more than the angles, biases and rows bear out."""

import math

import numpy as np
import pytest

from anatomy.relative import buckets
from panels.position.position_waves import rope_of
from panels.position.rotation import SHIFT
from tests.panels.captions.answers import Answer, answers
from tests.panels.captions.ends import level
from tests.panels.captions.rules import Rules
from viz.format import number, quoted

PANELS = ("distance", "position", "position_sizes", "relative_bias", "rotation", "wavelengths")
RULES = Rules(**{panel: answers(panel) for panel in PANELS})


def unturned(case: Answer) -> tuple[np.ndarray, np.ndarray]:
    """The chosen query and key before the turn."""
    view, spec = case.view, case.trace.spec
    q, k = (
        {want.site: array for want, array in case.trace.arrays.items()}[site] for site in ("q_unturned", "k_unturned")
    )
    of_head = q[view.head].astype(float)
    group = view.head // (spec.n_heads // spec.n_kv)
    return of_head if of_head.ndim == 1 else of_head[view.pos], k[group, looked(case)].astype(float)


def looked(case: Answer) -> int:
    """Where the key stands: where it was chosen, else where most weight goes."""
    return case.reading.given.cell.src if case.view.src is None else case.view.src


def frequencies(case: Answer) -> np.ndarray:
    """Radians per token of each pair."""
    return np.array(rope_of(case.trace.spec).frequencies)


def dots(case: Answer, distances: np.ndarray) -> np.ndarray:
    """q·k at these distances: each pair as a complex number, which the turn multiplies by e^(i × angle)."""
    (q, k), angles = unturned(case), np.outer(distances, frequencies(case))
    pairs = angles.shape[1]
    a, b = (each[:pairs] + 1j * each[pairs : 2 * pairs] for each in (q, k))
    rest = q[2 * pairs :] @ k[2 * pairs :]
    return (np.exp(1j * angles) * (a * b.conj())).sum(axis=1).real * rope_of(case.trace.spec).stretch ** 2 + rest


def scores(case: Answer, distances: np.ndarray) -> np.ndarray:
    """The same as scores."""
    return dots(case, distances) * case.trace.spec.scale(case.view.layer)


def names(case: Answer) -> list[str]:
    """Layer, head, and what query and key are called."""
    labels = case.trace.labels
    return [
        str(case.view.layer),
        str(case.view.head),
        quoted(labels[case.view.pos]),
        quoted(labels[looked(case)]),
    ]


@RULES.holds(
    "distance",
    r"In layer (?P<layer>\d+), head (?P<head>\d+), the query of (?P<q>“.*?”) and the key of (?P<k>“.*?”) would score "
    r"(?P<once>\S+) at distance 0 and most, (?P<most>\S+), at distance (?P<best>\S+); the mean up to (?P<far>\S+) is "
    r"(?P<mean>\S+)\. ",
)
def no_distance_scores_more(case, said):
    best, far = (int(said[name].replace(",", "")) for name in ("best", "far"))
    every = scores(case, np.arange(far + 1))
    told = [said[name] for name in ("once", "most", "mean")]
    numbers = [number(float(score)) for score in (every[0], every[best], every.mean())]
    named = [said[name] for name in ("layer", "head", "q", "k")] == names(case)
    return named and told == numbers and bool(level(every, every[best]).all()) and far == len(case.reading.scores) - 1


@RULES.holds("distance", r"In this text they stand (?P<count>\d+) tokens? apart: (?P<score>\S+), the model's own")
def they_stand_so_far_apart(case, said):
    distance = case.view.pos - looked(case)
    return int(said["count"]) == abs(distance) and said["score"] == number(float(scores(case, np.array([distance]))[0]))


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


def pair(case: Answer) -> int:
    """The one that is asked for, or the last of a model of fewer."""
    return min(int(dict(case.view.settings).get("pair", "8")), len(frequencies(case)) - 1)


def degrees(radians: float) -> str:
    """An angle as captions print it."""
    return f"{number(math.degrees(radians))}°"


@RULES.holds(
    "rotation",
    r"In layer (?P<layer>\d+), head (?P<head>\d+), pair (?P<pair>\d+) of (?P<pairs>\d+) turns by (?P<step>\S+) per "
    r"token: the query of (?P<q>“.*?”) at position (?P<pos>\d+) by (?P<q_angle>\S+), the key of (?P<k>“.*?”) at "
    r"(?P<src>\d+) by (?P<k_angle>\S+)\. ",
)
def each_side_is_turned_by_its_position_times_the_step(case, said):
    step, shift = float(frequencies(case)[pair(case)]), int(case.view[SHIFT])
    pos, src = case.view.pos + shift, looked(case) + shift
    named = [said[name] for name in ("layer", "head", "q", "k")] == names(case)
    counts = tuple(int(said[name]) for name in ("pair", "pairs", "pos", "src"))
    angles = [said[name] for name in ("step", "q_angle", "k_angle")]
    told = angles == [degrees(step), degrees(pos * step), degrees(src * step)]
    return named and told and counts == (pair(case), len(frequencies(case)), pos, src)


@RULES.holds("rotation", r"Their lengths stay (?P<q>\S+) and (?P<k>\S+)\. ")
def the_turn_keeps_lengths(case, said):
    own, count = pair(case), len(frequencies(case))
    lengths = [number(float(np.hypot(each[own], each[own + count]))) for each in unturned(case)]
    kept = all(np.allclose(np.hypot(*s.before.T), np.hypot(*s.after.T)) for s in case.reading.sides)
    return kept and [said["q"], said["k"]] == lengths


@RULES.holds("rotation", r"only the difference enters q·k: (?P<angle>\S+), for (?P<count>\d+) tokens? of distance")
def the_difference_of_the_angles_is_that_of_the_distance(case, said):
    distance = case.view.pos - looked(case)
    angle = degrees(distance * float(frequencies(case)[pair(case)]))
    return int(said["count"]) == abs(distance) and said["angle"] == angle


@RULES.holds(
    "rotation",
    r"Both stand (?P<count>\d+) tokens? further .*q·k is still (?P<product>\S+) \(difference (?P<off>below \S+|0)\)",
)
def moving_both_changes_nothing(case, said):
    product = number(float(dots(case, np.array([case.view.pos - looked(case)]))[0]))
    if (int(said["count"]), said["product"]) != (int(case.view[SHIFT]), product):
        return False
    return abs(case.reading.moved - case.reading.own) <= 1e-3 * max(1.0, np.abs(case.reading.given.products).max())


@RULES.holds(
    "wavelengths",
    r"leaves (?P<left>\d+) of its (?P<pairs>\d+) pairs as they were, turns (?P<full>\d+) of them (?P<factor>\d+) × "
    r"more slowly and blends the (?P<blended>\d+) between: the slowest turns once in (?P<slowest>\S+) tokens "
    r"instead of (?P<once>\S+)\. Within (?P<context>\S+) tokens (?P<inside>\d+) pairs "
    r"come full circle instead of (?P<plain>\d+)\.",
)
def so_many_pairs_are_left_blended_and_slowed(case, said):
    plain = 2 * np.pi * 500_000 ** (np.arange(64) / 64)  # θ and width of Llama 3.1
    blend = np.clip((8192 / plain - 1) / 3, 0, 1)  # 1 from 4 turns in 8,192 tokens on, 0 up to 1
    slow = plain / (blend + (1 - blend) / 8)
    if (said["slowest"], said["once"]) != (number(float(slow.max())), number(float(plain.max()))):
        return False
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
