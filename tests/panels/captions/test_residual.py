"""Captions of the residual stream say no more than its lengths, shares and directions bear out."""

import re
from typing import Literal

import numpy as np
import pytest

from anatomy.spec import Norm
from anatomy.words import apart
from panels.common.normed import Normed
from panels.common.residual_decomposition import ResidualDecomposition
from panels.residual.balance import Sheet
from panels.residual.directions import Directions
from panels.residual.normalization import NormedToken
from panels.residual.outliers import Outliers
from panels.residual.residual import Longest, Streams
from panels.residual.writes import Writes
from tests.anatomy.spec import spec
from tests.panels.captions.ends import near
from tests.panels.captions.readings import model, numbers, readings
from tests.panels.captions.rules import Rules, Source
from tests.panels.handmade import tokens
from viz.format import cosine, number


def streams(source: Source):
    count, layers = int(source.integers(1, 5)), int(source.integers(1, 4))
    norm, found = np.abs(numbers(source, count, layers + 1)), tokens(" ".join("abcd"[:count]))
    if source.integers(4) == 0:
        norm = 1 + norm * 1e-3
    words, labels = apart(count), tuple(token.label for token in found)
    chosen, longest = int(source.integers(count)), Longest.of(norm, words, found)
    return Streams(norm, labels, tuple(range(count)), chosen, norm[[chosen]], True, longest, None, True, 8)


def writes(source: Source):
    layers = int(source.integers(1, 5))
    norm, cosines = np.abs(numbers(source, 2, layers)), np.clip(numbers(source, 2, layers), -1, 1)
    return Writes(int(source.integers(layers)), "a", True, norm, cosines)


def sheet(source: Source, place: str = "pre"):
    layers = int(source.integers(1, 5))
    shares, lead = numbers(source, 2, layers), (float(source.normal()), 1.0)
    entries = ResidualDecomposition(shares, np.abs(shares), lead if place == "pre" else None, 0.0, 1.0, 1.0, 1.0)
    return Sheet(int(source.integers(layers)), "a", model(layers), entries)


def directions(source: Source):
    layers = int(source.integers(1, 5))
    toward = np.clip(source.choice([0.004, 0.5, 1.0]) * numbers(source, 2, layers), -1, 1)
    return Directions(int(source.integers(layers)), "a", "stream", toward, np.ones((2, 8)), np.ones((2, 8)))


def normed(source: Source, kind: Literal["rms", "layer"]):
    before, gain = numbers(source, 8) * source.choice([1e-3, 1.0]), source.normal(0, 1, 8)
    epsilon = float(source.choice([1e-12, 1e-5, 0.5]))
    steps = Normed(before, before, gain, None if kind == "rms" else gain, before * gain)
    top = np.argsort(-np.abs(before), kind="stable")
    return NormedToken("a", 0, 0, spec(norm=Norm(kind, "pre", epsilon)), steps, top)


def outliers(source: Source):
    layers, count = int(source.integers(1, 4)), int(source.integers(1, 4))
    every, layer, pos = numbers(source, count, 8), int(source.integers(layers)), int(source.integers(count))
    stream = numbers(source, layers + 1, 8)
    stream[layer + 1] = every[pos]
    top = np.argsort(-np.abs(every[pos]), kind="stable")
    return Outliers(layer, pos, "a", False, stream, every, top)


RULES = Rules(
    residual=readings("residual", streams),
    writes=readings("writes", writes),
    balance=readings("balance", sheet),
    balance_post=readings("balance", lambda source: sheet(source, "post")),
    directions=readings("directions", directions),
    rms=readings("normalization", lambda source: normed(source, "rms")),
    layernorm=readings("normalization", lambda source: normed(source, "layer")),
    outliers=readings("outliers", outliers),
)


@RULES.holds("residual", r"The longest is .*? with (\S+) (?:before|after)")
def the_length_is_that_of_the_longest(case, said):
    return said[1] == number(case.reading.longest.norm)


@RULES.holds("residual", r", (\S+) × the median of the others")
def so_many_times_the_median_is_more_than_once(case, said):
    return said[1] != "1.0" and case.reading.longest.norm >= case.reading.longest.median


@RULES.holds("residual", r"hardly longer than the median")
def what_is_hardly_longer_is_so_by_a_few_percent(case, said):
    return case.reading.longest.norm / case.reading.longest.median < 1.06


@RULES.holds("writes", r"The FFN adds the longer vector in (\d+) of (\d+) layers?\.")
def the_ffn_is_longer_in_so_many_layers(case, said):
    attention, ffn = case.reading.norm
    return (int(said[1]), int(said[2])) == ((ffn > attention).sum(), len(ffn))


def write(sheet: Sheet, name: str) -> float:
    """A write's share, by the words for it."""
    return float(sheet.entries.shares[int("FFN" in name), int(re.findall(r"\d+", name)[0])])


@RULES.holds("balance", r"the largest write is (\w+ in layer \d+)")
def no_write_is_larger(case, said):
    return near(write(case.reading, said[1]), case.reading.entries.shares.max(), case.reading.entries.shares)


@RULES.holds("balance", r"(\d+) writes? points? away from it")
def so_many_writes_are_below_zero(case, said):
    return int(said[1]) == (case.reading.entries.shares < 0).sum() > 0


@RULES.holds("balance_post", r"the largest write of all layers is (\w+ in layer \d+)")
def no_write_of_any_layer_is_larger(case, said):
    return near(write(case.reading, said[1]), case.reading.entries.shares.max(), case.reading.entries.shares)


PARTS = {"attention": 0, "FFN": 1}


def way(value: float) -> str:
    return "along" if value >= 0.5 else "against" if value <= -0.5 else "mostly across"


@RULES.holds(
    "directions",
    r"In layer (\d+) attention's write to “a” points (along|against|mostly across) the stream \(cosine (\S+)\)",
)
def attention_points_that_way(case, said):
    own = float(case.reading.cosine[0, case.reading.layer])
    return int(said[1]) == case.reading.layer and (said[2], said[3]) == (way(own), cosine(own))


@RULES.holds("directions", r"The FFN's points (along|against|mostly across) the stream \((\S+)\)")
def the_ffn_points_that_way(case, said):
    own = float(case.reading.cosine[1, case.reading.layer])
    return (said[1], said[2]) == (way(own), cosine(own))


@RULES.holds("directions", r"Of \d+ writes (\d+) ha(?:s|ve) a cosine below 0")
def so_many_cosines_are_below_zero(case, said):
    return int(said[1]) == (case.reading.cosine < 0).sum()


@RULES.holds("directions", r"highest is (\w+) in layer (\d+) \((\S+)\)")
def no_cosine_is_higher(case, said):
    own, every = float(case.reading.cosine[PARTS[said[1]], int(said[2])]), case.reading.cosine
    return near(own, every.max(), every) and said[3] == cosine(own)


@RULES.holds("directions", r"lowest (\w+) in layer (\d+) \((\S+)\)")
def no_cosine_is_lower(case, said):
    own, every = float(case.reading.cosine[PARTS[said[1]], int(said[2])]), case.reading.cosine
    return near(own, every.min(), every) and said[3] == cosine(own)


@RULES.holds("rms", r"It divides every number of “a” by their root mean square, (\S+)\. ")
def the_divisor_reads_as_the_root_mean_square(case, said):
    return number(case.reading.divisor) == number(case.reading.size) == said[1]


@RULES.holds("rms", r"It divides every number of “a” by (\S+): their root mean square is (\S+), and")
def the_divisor_reads_otherwise_than_the_root_mean_square(case, said):
    return said[1] == number(case.reading.divisor) != number(case.reading.size)


@RULES.holds("rms", r"Dim (\d+), the largest before .*? is number (\d+) by size")
def no_number_is_larger_before_and_fewer_than_its_rank_after(case, said):
    before, after, dim = np.abs(case.reading.steps.before), np.abs(case.reading.steps.after), int(said[1])
    return not (before > before[dim] + 1e-9).any() and (after > after[dim] + 1e-5).sum() < int(said[2])


@RULES.holds("layernorm", r"and divides by their deviation, (\S+)\. ")
def the_divisor_reads_as_the_deviation(case, said):
    return number(case.reading.divisor) == number(case.reading.deviation) == said[1]


@RULES.holds("layernorm", r"and divides by (\S+): their deviation is (\S+), and")
def the_divisor_reads_otherwise_than_the_deviation(case, said):
    return said[1] == number(case.reading.divisor) != number(case.reading.deviation)


@RULES.holds("outliers", r"has no length: all of its 8 numbers are 0\.")
def every_number_is_zero(case, said):
    return not case.reading.vector.any()


@RULES.holds("outliers", r"a single dimension holds half or more")
def one_holds_half(case, said):
    return case.reading.shares.max() >= 0.5


@RULES.holds("outliers", r"(\d+) dimensions hold half or more")
def so_many_hold_half_and_one_less_does_not(case, said):
    falling, count = np.sort(case.reading.shares)[::-1], int(said[1])
    return falling[:count].sum() >= 0.5 - 1e-9 and falling[: count - 1].sum() < 0.5


@RULES.holds("outliers", r"the largest are dim (\d+) \(")
def no_share_is_larger(case, said):
    return case.reading.shares[int(said[1])] == case.reading.shares.max()


@RULES.holds("outliers", r"Dim (\d+) is the largest in (\d+) of the (\d+) other tokens? too\.")
def it_is_the_largest_here_and_the_others_are_all_but_this_one(case, said):
    sizes = abs(case.reading.vector)
    return sizes[int(said[1])] >= sizes.max() - 1e-5 and int(said[3]) == len(case.reading.every_token) - 1


@pytest.mark.parametrize("kind", RULES.cases)
def test_every_sentence_on_the_residual_stream_is_true_of_its_numbers(kind):
    RULES.check(kind)
