"""Captions of the output say no more than logits, probabilities and attributions bear out."""

import re
from typing import Any

import numpy as np
import pytest

from anatomy.measure import softmax
from anatomy.request import Want, choice
from anatomy.view import Fitted
from anatomy.words import apart
from panels import load
from panels.output.output import Prediction
from panels.output.surprisals import Surprisals
from tests.anatomy.spec import spec
from tests.panels.captions.answers import answers, asked
from tests.panels.captions.ends import near
from tests.panels.captions.readings import NAMES, numbers, readings
from tests.panels.captions.rules import Rules, Source
from tests.panels.handmade import tokens
from tests.panels.made import made
from viz.format import cosine, number, percent, quoted, signed_percent


def an_attribution(source: Source, by: str, rival: str = "none"):
    layers, small = 3, spec()
    parts = numbers(source, 2 + 2 * layers)
    heads, ids = numbers(source, layers, 4), np.array([source.permutation(12) for _ in range(layers)])
    added = np.array([row[np.argsort(-np.abs(row))] for row in numbers(source, layers, 12)])
    logits = np.sort(source.choice([1.0, 2.0, 3.0], 50))[::-1] + np.append(source.integers(2), np.zeros(49))
    against = {"none": None, "second": choice(2), "third": choice(3)}[rival]
    asked = {"pos": 0, "token": choice(1), "against": against}
    arrays = {
        Want("dla_parts", **asked): parts,
        Want("dla_heads", **asked): heads,
        Want("dla_neuron_ids", **asked): ids,
        Want("dla_neuron_logits", **asked): added,
        Want("logits", pos=0): logits,
        Want("next_ids", pos=0): np.arange(20),
        Want("resid_post", layers - 1, pos=0): np.ones(8),
    }
    view = Fitted(layer=1, head=int(source.integers(4)), pos=0, settings=(("by", by), ("rival", rival)))
    return load()["attribution"].read(made("a", arrays, small, NAMES), view)


def prediction(source: Source):
    logits = source.normal(0, source.choice([0.0, 1.0, 9.0]), 50).astype("f4")
    order = np.argsort(-logits, kind="stable")[:15]
    names = tuple(NAMES[row] for row in order.tolist())
    return Prediction("a", True, 1.0, logits, softmax(logits, 1.0), tuple(order.tolist()), names)


def sampling(source: Source):
    logits = source.normal(0, source.choice([0.1, 2.0, 60.0]), 50)
    chosen = (("minp", source.choice(["0", "0.2"])), ("penalty", source.choice(["1", "1.5"])))
    chosen += (("topk", source.choice(["0", "3", "40"])), ("topp", source.choice(["0.6", "1"])))
    arrays = {Want("logits", pos=0): logits, Want("next_ids", pos=0): np.argsort(-logits)}
    return load()["sampling"].read(made("a", arrays, spec(), NAMES), Fitted(pos=0, settings=tuple(sorted(chosen))))


def surprisals(source: Source):
    count = int(source.integers(1, 5))
    nats = np.concatenate([[np.nan], source.choice([0.0, 1e-9, 0.5, 3.0], count - 1)])
    found = tokens(" ".join("abcd"[:count]))
    return Surprisals(found, apart(count), False, int(source.integers(count)), nats, nats)


RULES = Rules(
    parts=readings(
        "attribution",
        lambda source: an_attribution(source, "parts", str(source.choice(["none", "second", "third"]))),
    ),
    heads=readings("attribution", lambda source: an_attribution(source, "heads")),
    neurons=readings("attribution", lambda source: an_attribution(source, "neurons")),
    output=readings("output", prediction),
    sampling=readings("sampling", sampling),
    surprisal=readings("surprisal", surprisals),
    pooled=answers("pooled", asked("bert", "zero")),
)


def part(attribution: Any, name: str) -> float:
    """What a part adds, by the words for it."""
    if name.lower().startswith("embedding"):
        return attribution.decomposition.enters
    return float(attribution.decomposition.writes[int("FFN" in name), int(re.findall(r"\d+", name)[0])])


def drawn_parts(attribution: Any) -> np.ndarray:
    """What all that are drawn add."""
    return attribution.decomposition.terms[:-1]


@RULES.holds("parts", r"(?:\. |^)([A-Z][^.;“”]*?) adds (\S+), the most")
def the_part_that_adds_most_adds(case, said):
    adds, drawn = part(case.reading, said[1]), drawn_parts(case.reading)
    return near(adds, drawn.max(), drawn) and adds > 0


@RULES.holds("parts", r"([^.;]*?) takes off most \((\S+)\)")
def the_part_that_takes_off_most_takes_off(case, said):
    adds, drawn = part(case.reading, said[1].strip()), drawn_parts(case.reading)
    return near(adds, drawn.min(), drawn) and adds < 0


@RULES.holds("parts", r"No part adds anything or takes anything off\.")
def every_part_is_zero(case, said):
    return not drawn_parts(case.reading).any()


@RULES.holds("parts", r"have the same logit\.")
def both_logits_are_level(case, said):
    return abs(case.reading.decomposition.own) < 1e-4


@RULES.holds("parts", r"leads “[^”]*” by (\S+) logits\.")
def who_leads_has_the_higher_logit_and_reads_so(case, said):
    return case.reading.decomposition.own > 0 and said[1] != "0"


@RULES.holds("heads", r"Layer (\d+), head (\d+) adds (\S+), the most")
def the_head_that_adds_most_adds(case, said):
    heads = case.reading.decomposition.heads
    adds = float(heads[int(said[1]), int(said[2])])
    return near(adds, heads.max(), heads) and adds > 0


@RULES.holds("heads", r"[Ll]ayer (\d+), head (\d+) takes off most")
def the_head_that_takes_off_most_takes_off(case, said):
    heads = case.reading.decomposition.heads
    adds = float(heads[int(said[1]), int(said[2])])
    return near(adds, heads.min(), heads) and adds < 0


@RULES.holds("heads", r"No part adds anything or takes anything off\.")
def every_head_is_zero(case, said):
    return not case.reading.decomposition.heads.any()


@RULES.holds("heads", r"All (\d+) heads together bring (\S+) of it\.")
def what_all_heads_bring_is_their_sum(case, said):
    return said[2] == number(float(case.reading.decomposition.heads.sum()))


@RULES.holds("neurons", r"Of 36 neurons, neuron \d+ of layer \d+ moves it most: it (adds|takes off) (\S+)\.")
def no_neuron_moves_it_more_and_the_way_is_told(case, said):
    moved = case.reading.movers.logits
    most = abs(moved[0]) >= abs(moved).max() - 1e-5
    return most and moved[0] != 0 and (moved[0] > 0) == (said[1] == "adds")


@RULES.holds("neurons", r"None of the 36 neurons moves it\.")
def every_neuron_is_zero(case, said):
    return not case.reading.movers.logits.any()


@RULES.holds("neurons", r"neurons? listed, and only these, add up to (\S+);")
def those_listed_add_up_to_their_total(case, said):
    return said[1] == number(case.reading.movers.total)


@RULES.holds("output", r"(\d+) tokens? holds? 90 % of the probability or more")
def so_many_hold_that_share_and_one_less_does_not(case, said):
    falling, count = np.sort(case.reading.probabilities)[::-1], int(said[1])
    return falling[:count].sum() >= 0.9 - 1e-6 and falling[: count - 1].sum() < 0.9


@RULES.holds("output", r"gives “([^”]*)” (\S+ ?%?)")
def the_token_named_is_the_most_probable(case, said):
    return case.reading.best[0][3] >= case.reading.probabilities.max() - 1e-6


@RULES.holds("sampling", r"(\d+) tokens? of 50 can be drawn; the model gave (?:it|them) ([^.]*?(?:\.\d+)? %)\.")
def so_many_are_left_and_all_of_it_only_where_all_are(case, said):
    return int(said[1]) == (case.reading.left > 0).sum() and (said[2] != "100 %" or said[1] == "50")


@RULES.holds("sampling", r"No step removes a token\.")
def none_is_gone(case, said):
    return not case.reading.gone.any()


@RULES.holds("sampling", r"removes .* of what reached it\.")
def some_are_gone(case, said):
    return case.reading.gone.any()


@RULES.holds("sampling", r"goes from (.*?) to (.*?)[;.]( |$)")
def what_goes_from_one_to_another_differs(case, said):
    return said[1] != said[2]


@RULES.holds("sampling", r"stays at (\S+ %)")
def what_stays_reads_the_same(case, said):
    first = case.reading.ids[0]
    return percent(float(case.reading.own[first])) == percent(float(case.reading.left[first]))


@RULES.holds("surprisal", r"is all of the text: nothing comes before it.* Type more")
def there_is_one_token(case, said):
    return len(case.reading.values) == 1


@RULES.holds("surprisal", r"is the first token: nothing predicts it")
def the_first_of_several_is_chosen(case, said):
    return case.reading.chosen == 0 and len(case.reading.values) > 1


@RULES.holds("surprisal", r"Only “b” at 1 has a surprisal")
def no_other_token_has_one(case, said):
    return len(case.reading.known) == 1 and case.reading.chosen == 0


@RULES.holds("surprisal", r"The most surprising is “\w” at (\d+):")
def no_token_is_more_surprising(case, said):
    nats = case.reading.values
    return nats[int(said[1])] >= np.nanmax(nats) * (1 - 1e-5) and len(case.reading.known) > 1


@RULES.holds(
    "pooled", r"(?P<most>“[^”]*”) adds most to it \((?P<share>[^)]*)\); .* has a cosine of (?P<cosine>\S+) with it"
)
def no_token_adds_more(case, said):
    text, vectors = case.reading, case.trace[case.panel.needs(case.trace.spec, case.view)[0]].astype(float)
    mean = vectors.mean(axis=0)
    shares = vectors @ mean / (len(vectors) * mean @ mean)
    names = {quoted(text.tokens[pos].label) for pos in np.flatnonzero(shares >= shares.max() - 1e-6)}
    own = float(vectors[text.pos] @ mean / (np.linalg.norm(vectors[text.pos]) * np.linalg.norm(mean) or 1))
    told = said["most"] in names and said["share"] == signed_percent(float(shares.max()))
    return told and said["cosine"] == cosine(own)


@RULES.holds("pooled", r"the vector of the text, is 0: no token has a share in it")
def the_mean_has_no_length(case, said):
    return not case.trace[case.panel.needs(case.trace.spec, case.view)[0]].mean(axis=0).any()


@pytest.mark.parametrize("kind", RULES.cases)
def test_every_sentence_on_the_output_is_true_of_its_numbers(kind):
    RULES.check(kind)
