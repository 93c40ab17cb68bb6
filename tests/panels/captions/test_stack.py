"""Captions of the stack say no more than the lens, its distances and the streams bear out."""

import math
import re
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest

from anatomy.measure import cosine_matrix
from anatomy.request import Want
from anatomy.view import Fitted
from panels import load
from panels.stack.likeness import Likeness
from panels.stack.watched import Watched
from tests.panels.captions.readings import NAMES, model, numbers, readings
from tests.panels.captions.rules import Rules, Source
from tests.panels.made import made
from viz.format import cosine, number


def a_lens(source: Source):
    layers = int(source.integers(1, 7))
    logp = np.log(np.sort(source.uniform(0.01, 0.5, (layers, 2)))[:, ::-1])
    ids = np.array([source.permutation(3)[:2] for _ in range(layers)])
    trace = made("a", {Want("lens_ids", pos=0): ids, Want("lens_logp", pos=0): logp}, model(layers), NAMES)
    return load()["lens"].read(trace, Fitted(layer=int(source.integers(layers)), pos=0))


def distances(source: Source):
    layers = int(source.integers(1, 6))
    kl = source.choice([0.2, 1.0, 2.0, math.log(50)], layers)
    kl[-1] = 0
    arrays = {Want("lens_kl", pos=0): kl, Want("entropy", pos=0): source.choice([0.0, 1.5])}
    return load()["settling"].read(made("a", arrays, model(layers)), Fitted(layer=int(source.integers(layers)), pos=0))


@dataclass(frozen=True)
class Led(Watched):
    """What was read of the watched tokens, and which token of all led after each layer."""

    leaders: np.ndarray


def watched(source: Source):
    """Five tokens may lead; of those that do, the last few are watched."""
    layers = int(source.integers(1, 10))
    p = source.permuted(np.tile([0.05, 0.1, 0.2, 0.25, 0.3], (layers, 1)), axis=1)
    leaders = list(dict.fromkeys(reversed(p.argmax(axis=1).tolist())))[: int(source.integers(1, 5))]
    rank = (p[:, None, :] > p[:, leaders, None]).sum(axis=-1) + 1
    arrays = {Want("watch_ids", pos=0): leaders, Want("watch_logp", pos=0): np.log(p[:, leaders])}
    trace = made("a", arrays | {Want("watch_rank", pos=0): rank}, model(layers), NAMES)
    reading = load()["watched"].read(trace, Fitted(layer=0, pos=0))
    known = {field.name: getattr(reading, field.name) for field in fields(reading)}
    return Led(**known, leaders=p.argmax(axis=1))


def lenses(source: Source):
    layers, count, whole = int(source.integers(1, 5)), int(source.integers(1, 20)), source.integers(2)
    arrays: dict[Want, np.ndarray] = {}
    for pos in range(count):
        if pos == count - 1 or whole or source.integers(3):  # else it has not come yet
            arrays[Want("lens_ids", pos=pos)] = source.integers(0, 3, (layers, 1))
            arrays[Want("lens_logp", pos=pos)] = np.log(source.uniform(0.1, 1, (layers, 1)))
    view = Fitted(layer=int(source.integers(layers)), pos=count - 1)
    return load()["lensgrid"].read(made(" ".join(["w"] * count), arrays, model(layers), NAMES), view)


def likeness(source: Source):
    layers = int(source.integers(1, 5))
    streams = numbers(source, layers, 8)
    streams = streams[:1].repeat(layers, axis=0) if source.integers(4) == 0 else streams
    return Likeness(int(source.integers(layers)), "a", streams, cosine_matrix(streams))


RULES = Rules(
    lens=readings("lens", a_lens),
    settling=readings("settling", distances),
    watched=readings("watched", watched),
    lensgrid=readings("lensgrid", lenses),
    likeness=readings("likeness", likeness),
)


def leads(lens: Any) -> list[bool]:
    """After which layers the best token is the final one."""
    return [step.best == lens.steps[-1].best for step in lens.steps]


def spanned(text: str) -> list[int]:
    """The numbers of "3, 5–7"."""
    ends = [[int(end) for end in part.split("–")] for part in text.split(", ")]
    return [place for each in ends for place in range(each[0], each[-1] + 1)]


@RULES.holds("lens", r"in the end, is the best token after every layer\.")
def it_leads_after_every_layer(case, said):
    return all(leads(case.reading))


@RULES.holds("lens", r"is the best token only after the last layer\.")
def it_leads_after_no_other_layer(case, said):
    return sum(leads(case.reading)) == 1


@RULES.holds("lens", r"is the best token after the last layer\. It led")
def it_led_but_not_up_to_the_end(case, said):
    return not leads(case.reading)[-2] and sum(leads(case.reading)) > 1


@RULES.holds("lens", r"is the best token from layer (\d+) on\.")
def it_leads_from_there_on_and_not_just_before(case, said):
    return all(leads(case.reading)[int(said[1]) :]) and not leads(case.reading)[int(said[1]) - 1]


@RULES.holds("lens", r"It led earlier too, after (?:layer (\d+)|(\d+) layers \((.*?)\)), and lost the lead")
def it_led_after_these_layers_alone(case, said):
    led = [layer for layer, lead in enumerate(leads(case.reading)[: case.reading.start]) if lead]
    return led == spanned(said[1] or said[3]) and int(said[2] or 1) == len(led)


@RULES.holds("lens", r"is not among the (\d+) best\.")
def it_has_no_rank(case, said):
    return case.reading.here.rank is None


@RULES.holds("lens", r"has rank (\d+) \(")
def its_rank_is_told_where_it_does_not_lead(case, said):
    return int(said[1]) == case.reading.here.rank and not leads(case.reading)[case.reading.layer]


@RULES.holds(
    "settling",
    r"is (\S+) nats from the final answer at “a”, farther than an even guess among all tokens \((\S+) nats\)",
)
def what_is_farther_is_farther_and_reads_so(case, said):
    return case.reading.here > case.reading.even and said[1] != said[2]


@RULES.holds("settling", r"nearer than an even guess among all tokens \((\S+) nats\)")
def what_is_nearer_is_nearer(case, said):
    return case.reading.here < case.reading.even


@RULES.holds("settling", r"about as far as an even guess among all tokens")
def what_is_about_as_far_reads_the_same(case, said):
    return number(case.reading.here) == number(case.reading.even)


@RULES.holds("settling", r"It is within 1 nat after every layer\.")
def every_layer_is_within_a_nat(case, said):
    return (case.reading.kl <= 1).all()


@RULES.holds("settling", r"It stays within 1 nat only after the last layer\.")
def the_last_but_one_is_not_within_a_nat(case, said):
    return case.reading.kl[-2] > 1


@RULES.holds("settling", r"It stays within 1 nat from layer (\d+) on\.")
def from_there_on_all_are_within_a_nat_and_the_one_before_is_not(case, said):
    return (case.reading.kl[int(said[1]) :] <= 1).all() and case.reading.kl[int(said[1]) - 1] > 1


@RULES.holds("settling", r"(\d+) layers? of (\d+) lies? farther away than an even guess\.")
def so_many_layers_lie_farther_than_a_guess(case, said):
    return (int(said[1]), int(said[2])) == ((case.reading.kl > case.reading.even).sum(), len(case.reading.kl))


@RULES.holds("watched", r"<(\d+)>” leads after every layer")
def no_other_token_leads(case, said):
    return set(case.reading.leaders.tolist()) == {int(said[1])}


@RULES.holds("watched", r"^(?!.*every layer).*? in the end\.")
def every_spell_is_a_run_of_the_lead(case, said):
    return lead_spells(case.reading, said[0])


def lead_spells(reading: Led, told: str) -> bool:
    """Every named spell is a run of that token's lead, and what is not drawn leads where it is said to."""
    start = 0
    for part in re.split(r", then |, with ", re.sub(r"([Uu]p to) layer", r"\1", told)):
        ends = re.findall(r"(?:[Uu]p to|after layer) (\d+)", part)
        token = re.findall(r"<(\d+)>", part)
        if "changes" in part:
            since, start = start, int(ends[0]) + 1
            changes = int(re.findall(r"changes (\d+)", part)[0])
            seen = int((np.diff(reading.leaders[since - 1 : start]) != 0).sum())
            if not (seen == changes or ("or more" in part and seen >= changes)):
                return False
        elif ends:
            ids = set(reading.leaders[start : int(ends[0]) + 1].tolist())
            if (token and ids != {int(token[0])}) or (not token and ids & set(reading.ids)):
                return False
            start = int(ends[0]) + 1
    return True


@RULES.holds("watched", r"then “<(\d+)>” (?:after the last layer|from layer (\d+) on), with")
def the_last_spell_is_the_whole_last_run(case, said):
    leaders = case.reading.leaders
    start = len(leaders) - 1 if said[2] is None else int(said[2])
    return set(leaders[start:].tolist()) == {int(said[1])} and leaders[start - 1] != int(said[1])


@RULES.holds("watched", r"Only the (\d+) tokens? that led last (?:is|are) drawn; earlier leaders are left out\.")
def those_that_led_last_are_drawn_and_others_led_before(case, said):
    last, count = tuple(dict.fromkeys(reversed(case.reading.leaders.tolist()))), int(said[1])
    return case.reading.ids == last[:count] and len(last) > count == len(case.reading.ids)


@RULES.holds("lensgrid", r"(\d+) of (\d+) positions? names? their? ?.*?final token there\.")
def so_many_positions_name_their_final_token(case, said):
    grid = case.reading
    same = grid.best[grid.layer, grid.there] == grid.best[-1, grid.there]
    return (int(said[1]), int(said[2])) == (same.sum(), len(grid.there))


def leading_for_good(grid: Any, layer: int) -> int:
    """At how many positions the final token leads from this layer on."""
    return (grid.best[layer:, grid.there] == grid.best[-1, grid.there]).all(axis=0).sum()


@RULES.holds("lensgrid", r"At half of them or more it leads for good from layer (\d+) on\.")
def half_lead_for_good_from_there_and_not_from_the_layer_before(case, said):
    grid, layer = case.reading, int(said[1])
    before = layer and 2 * leading_for_good(grid, layer - 1) >= len(grid.there)
    return 2 * leading_for_good(grid, layer) >= len(grid.there) and not before


@RULES.holds("lensgrid", r"At more than half of them it leads for good only after the last layer\.")
def less_than_half_lead_for_good_before_the_last_layer(case, said):
    grid = case.reading
    last = len(grid.best) - 1
    return not last or 2 * leading_for_good(grid, last - 1) < len(grid.there)


@RULES.holds("lensgrid", r"Only the last (\d+) tokens? up to the chosen one (?:is|are) read\.")
def earlier_tokens_are_left_out(case, said):
    return int(said[1]) == len(case.reading.window) < case.reading.window.stop


@RULES.holds("lensgrid", r"Computed so far: (\d+) of (\d+)")
def some_have_not_come_yet(case, said):
    return int(said[1]) == len(case.reading.there) < int(said[2])


@RULES.holds("likeness", r"The model has a single layer")
def there_is_one_layer(case, said):
    return len(case.reading.cosine) == 1


def steps(reading: Likeness) -> set[str]:
    """Cosines from each layer to the next, as they read."""
    return {cosine(float(step)) for step in np.diag(reading.cosine, 1)}


def others(reading: Likeness) -> np.ndarray:
    """Cosines of the chosen layer with every other one."""
    return np.delete(reading.cosine[reading.layer], reading.layer)


@RULES.holds("likeness", r"From each layer to the next the stream of “a” keeps a cosine of (\S+)\. ")
def every_step_reads_the_same(case, said):
    return steps(case.reading) == {said[1]}


@RULES.holds("likeness", r"on average; it turns most in layer (\d+) \((\S+) with layer (\d+)'s\)")
def no_step_turns_more_and_they_do_not_read_the_same(case, said):
    found = case.reading.cosine
    return found[int(said[3]), int(said[1])] <= np.diag(found, 1).min() + 2e-6 and len(steps(case.reading)) > 1


@RULES.holds("likeness", r"After layer (\d+) it is least like after layer (\d+) \((\S+)\)")
def it_is_less_like_no_other_layer(case, said):
    return said[1] != said[2] and said[3] == cosine(float(others(case.reading).min()))


@RULES.holds("likeness", r"After layer (\d+) it is equally like after every other layer \((\S+)\)")
def every_other_layer_reads_the_same(case, said):
    return {cosine(float(each)) for each in others(case.reading)} == {said[2]}


@pytest.mark.parametrize("kind", RULES.cases)
def test_every_sentence_on_the_stack_is_true_of_its_numbers(kind):
    RULES.check(kind)
