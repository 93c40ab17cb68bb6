"""Captions of the output say no more than logits, probabilities and attributions bear out."""

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from anatomy.measure import entropy, softmax
from anatomy.request import Want, choice
from anatomy.sampling import Settings, steps
from anatomy.view import Fitted
from anatomy.words import apart
from panels.output.surprisals import Surprisals
from tests.anatomy.spec import spec
from tests.panels.captions.answers import answers, asked, traces
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
    neuron = int(source.integers(12)) if by == "neurons" and source.integers(2) else None
    view = Fitted(layer=1, head=int(source.integers(4)), neuron=neuron, pos=0, settings=(("by", by), ("rival", rival)))
    return made("a", arrays, small, NAMES), view


def prediction(source: Source):
    logits = source.normal(0, source.choice([0.0, 1.0, 9.0]), 50).astype("f4")
    arrays = {Want("logits", pos=0): logits, Want("next_ids", pos=0): np.argsort(-logits, kind="stable")}
    return made("a", arrays, spec(), NAMES), Fitted(pos=0)


def sampling(source: Source):
    logits = source.normal(0, source.choice([0.1, 2.0, 60.0]), 50)
    chosen = (("minp", source.choice(["0", "0.2"])), ("penalty", source.choice(["1", "1.5"])))
    chosen += (("topk", source.choice(["0", "3", "40"])), ("topp", source.choice(["0.6", "1"])))
    arrays = {Want("logits", pos=0): logits, Want("next_ids", pos=0): np.argsort(-logits)}
    return made("a", arrays, spec(), NAMES), Fitted(pos=0, settings=tuple(sorted(chosen)))


def surprisals(source: Source):
    count = int(source.integers(1, 5))
    nats = np.concatenate([[np.nan], source.choice([0.0, 1e-9, 0.5, 3.0], count - 1)])
    found = tokens(" ".join("abcd"[:count]))
    return Surprisals(found, apart(count), False, int(source.integers(count)), nats, nats)


RULES = Rules(
    parts=traces(
        "attribution",
        lambda source: an_attribution(source, "parts", str(source.choice(["none", "second", "third"]))),
    ),
    heads=traces("attribution", lambda source: an_attribution(source, "heads")),
    neurons=traces("attribution", lambda source: an_attribution(source, "neurons")),
    output=traces("output", prediction),
    sampling=traces("sampling", sampling),
    surprisal=readings("surprisal", surprisals),
    pooled=answers("pooled", asked("bert", "zero")),
)


def given(case: Any, site: str) -> np.ndarray:
    """The array of this site that the case's trace has."""
    return next(array.astype(float) for want, array in case.trace.arrays.items() if want.site == site)


def part(case: Any, name: str) -> float:
    """What a part adds, by the words for it: the embedding, then attention and FFN of each layer in turn."""
    parts = given(case, "dla_parts")
    if name.lower().startswith("embedding"):
        return float(parts[0])
    return float(parts[1 + 2 * int(re.findall(r"\d+", name)[0]) + ("FFN" in name)])


def drawn_parts(case: Any) -> np.ndarray:
    """What all that are drawn add: not the constants."""
    return given(case, "dla_parts")[:-1]


@RULES.holds("parts", r"(?:\. |^)([A-Z][^.;“”]*?) adds (\S+), the most")
def the_part_that_adds_most_adds(case, said):
    adds, drawn = part(case, said[1]), drawn_parts(case)
    return near(adds, drawn.max(), drawn) and adds > 0 and said[2] == number(adds)


@RULES.holds("parts", r"([^.;]*?) takes off most \((\S+)\)")
def the_part_that_takes_off_most_takes_off(case, said):
    adds, drawn = part(case, said[1].strip()), drawn_parts(case)
    return near(adds, drawn.min(), drawn) and adds < 0 and said[2] == number(-adds)


@RULES.holds("parts", r"No part adds anything or takes anything off\.")
def every_part_is_zero(case, said):
    return not drawn_parts(case).any()


def asked_for(case: Any) -> tuple[list[str], float]:
    """The best token and the rival that is asked for, as they are quoted; how much higher the first one's logit is."""
    place = {"second": 1, "third": 2}[dict(case.view.settings)["rival"]]
    best, rival = case.trace[Want("next_ids", pos=0)][[0, place]].tolist()
    logits = case.trace[Want("logits", pos=0)].astype(float)
    return [quoted(NAMES[best]), quoted(NAMES[rival])], float(logits[best] - logits[rival])


@RULES.holds("parts", r"After “a” the best tokens, (?P<best>“[^”]*”) and (?P<rival>“[^”]*”), have the same logit\.")
def both_logits_are_level(case, said):
    names, lead = asked_for(case)
    return [said["best"], said["rival"]] == names and abs(lead) < 1e-4


@RULES.holds(
    "parts", r"After “a” the best token, (?P<best>“[^”]*”), leads (?P<rival>“[^”]*”) by (?P<lead>\S+) logits\."
)
def who_leads_has_the_higher_logit_and_reads_so(case, said):
    names, lead = asked_for(case)
    return [said["best"], said["rival"]] == names and lead > 0 and said["lead"] == number(lead) != "0"


@RULES.holds("parts", r"After “a” the best token, (?P<best>“[^”]*”), has the logit (?P<logit>\S+)\.")
def the_best_token_has_the_highest_logit(case, said):
    logits = case.trace[Want("logits", pos=0)].astype(float)
    best = {quoted(NAMES[row]) for row in np.flatnonzero(logits == logits.max()).tolist()}
    return said["best"] in best and said["logit"] == number(float(logits.max()))


@RULES.holds("heads", r"Layer (\d+), head (\d+) adds (\S+), the most")
def the_head_that_adds_most_adds(case, said):
    heads = given(case, "dla_heads")
    adds = float(heads[int(said[1]), int(said[2])])
    return near(adds, heads.max(), heads) and adds > 0 and said[3] == number(adds)


@RULES.holds("heads", r"[Ll]ayer (\d+), head (\d+) takes off most \((\S+)\)")
def the_head_that_takes_off_most_takes_off(case, said):
    heads = given(case, "dla_heads")
    adds = float(heads[int(said[1]), int(said[2])])
    return near(adds, heads.min(), heads) and adds < 0 and said[3] == number(-adds)


@RULES.holds("heads", r"No part adds anything or takes anything off\.")
def every_head_is_zero(case, said):
    return not given(case, "dla_heads").any()


@RULES.holds("heads", r"All (\d+) heads together bring (\S+) of it\.")
def what_all_heads_bring_is_their_sum(case, said):
    heads = given(case, "dla_heads")
    return int(said[1]) == heads.size and said[2] == number(float(heads.sum()))


@RULES.holds(
    "neurons",
    r"Of 36 neurons, neuron (?P<n>\d+) of layer (?P<at>\d+) moves it most: it (?P<way>adds|takes off) (?P<by>\S+)\.",
)
def no_neuron_moves_it_more_and_the_way_is_told(case, said):
    layer, every = int(said["at"]), given(case, "dla_neuron_logits")
    by = float(every[layer, given(case, "dla_neuron_ids")[layer].tolist().index(int(said["n"]))])
    told = "adds" if by > 0 else "takes off"
    return abs(by) >= abs(every).max() - 1e-5 and by != 0 and (said["way"], said["by"]) == (told, number(abs(by)))


@RULES.holds("neurons", r"None of the 36 neurons moves it\.")
def every_neuron_is_zero(case, said):
    return not given(case, "dla_neuron_logits").any()


@RULES.holds("neurons", r"The chosen one, neuron (?P<n>\d+) of layer 1, (?P<way>adds|takes off) (?P<by>\S+)\. The")
def what_the_chosen_neuron_does_is_told(case, said):
    ids, every = given(case, "dla_neuron_ids")[1].tolist(), given(case, "dla_neuron_logits")[1]
    by = float(every[ids.index(int(said["n"]))])
    told = "adds" if by >= 0 else "takes off"
    return int(said["n"]) == case.view.neuron and (said["way"], said["by"]) == (told, number(abs(by)))


@RULES.holds("neurons", r"The chosen one, neuron (\d+) of layer 1, is not listed")
def a_chosen_neuron_that_is_not_told_moves_it_less_than_those_listed(case, said):
    ids, every = given(case, "dla_neuron_ids")[1].tolist(), given(case, "dla_neuron_logits")[1]
    by, listed = float(every[ids.index(int(said[1]))]), case.reading.movers
    return f"L1 N{said[1]}" not in map(listed.name, range(len(listed.ids))) and abs(by) <= abs(listed.logits[-1])


@RULES.holds("neurons", r"neurons? listed, and only these, add up to (\S+);")
def those_listed_add_up_to_their_total(case, said):
    return said[1] == number(case.reading.movers.total)


@RULES.holds("output", r"(\d+) tokens? holds? 90 % of the probability or more")
def so_many_hold_that_share_and_one_less_does_not(case, said):
    falling, count = np.sort(case.reading.probabilities)[::-1], int(said[1])
    return falling[:count].sum() >= 0.9 - 1e-6 and falling[: count - 1].sum() < 0.9


@RULES.holds("output", r"After “a” the model gives (?P<best>“[^”]*”) (?P<share>[^”]*? %)\.")
def the_token_named_is_the_most_probable(case, said):
    logits = case.trace[Want("logits", pos=0)].astype(float)
    weights = np.exp(logits - logits.max())
    best = {quoted(NAMES[row]) for row in np.flatnonzero(weights == 1).tolist()}
    return said["best"] in best and said["share"] == percent(float(1 / weights.sum()))


@RULES.holds("output", r"The entropy is (?P<nats>\S+) nats, .* out of (?P<all>\d+)\.")
def the_entropy_is_that_of_all_tokens(case, said):
    shares = softmax(case.trace[Want("logits", pos=0)])
    return said["nats"] == number(float(entropy(shares))) and int(said["all"]) == len(shares)


def taken(case: Any) -> dict[str, np.ndarray]:
    """Scores that the model gave, and those that each step leaves, by its name: of the case's logits and sliders."""
    chosen = {name: float(value) for name, value in case.view.settings}
    settings = Settings(chosen["penalty"], 1.0, int(chosen["topk"]), chosen["topp"], chosen["minp"])
    ids = [token.id for token in case.trace.tokens]
    return {step.name: step.scores for step in steps(case.trace[Want("logits", pos=0)], ids, settings)}


def removed(case: Any) -> list[str]:
    """Each step that takes tokens away, and what they held before it: "top-k removes 12 %"."""
    left, told = list(taken(case).items()), []
    for (_before, before), (name, after) in pairwise(left):
        gone = np.isneginf(after) & ~np.isneginf(before)
        share = float(softmax(before)[gone].sum())
        told += [f"{name} removes {percent(share) if share else '< 0.01 %'}"] if gone.any() else []
    return told


def best_before_and_after(case: Any, name: str) -> list[float] | None:
    """What the token of this name had of the model and has after all steps; None where another has more then."""
    first, *_between, last = taken(case).values()
    best = next((row for row in np.flatnonzero(last == last.max()).tolist() if quoted(NAMES[row]) == name), None)
    return None if best is None else [float(softmax(scores)[best]) for scores in (first, last)]


def entropies(case: Any) -> list[float]:
    """Of what the model gave, and of what all steps leave."""
    first, *_between, last = taken(case).values()
    return [float(entropy(softmax(scores))) for scores in (first, last)]


@RULES.holds("sampling", r"(\d+) tokens? of 50 can be drawn; the model gave (?:it|them) ([^.]*?(?:\.\d+)? %)\.")
def so_many_are_left_and_all_of_it_only_where_all_are(case, said):
    first, *_between, last = taken(case).values()
    kept = ~np.isneginf(last)
    share = percent(float(softmax(first)[kept].sum()))
    return int(said[1]) == kept.sum() and said[2] == ("99.99 %" if share == "100 %" and not kept.all() else share)


@RULES.holds("sampling", r"No step removes a token\.")
def none_is_gone(case, said):
    return not removed(case)


@RULES.holds("sampling", r" %\. (?P<removals>[A-Z]\S* removes .*?) of what reached it\.")
def each_step_removes_so_much(case, said):
    told = said["removals"].split(", ")
    return [told[0][0].lower() + told[0][1:], *told[1:]] == removed(case)


@RULES.holds("sampling", r"(?P<best>“[^”]*”) goes from (?P<own>[^;]*) to (?P<left>[^;]*);")
def the_best_token_goes_from_one_share_to_another(case, said):
    shares = best_before_and_after(case, said["best"])
    told = [said["own"], said["left"]]
    return shares is not None and told == [percent(share) for share in shares] and told[0] != told[1]


@RULES.holds("sampling", r"(?P<best>“[^”]*”) stays at (?P<about>about )?(?P<share>[^;]*);")
def the_best_token_keeps_its_share(case, said):
    shares = best_before_and_after(case, said["best"])
    if shares is None:
        return False
    return {percent(share) for share in shares} == {said["share"]} and (shares[0] != shares[1]) == bool(said["about"])


@RULES.holds("sampling", r"the entropy goes from (?P<own>\S+) nats to (?P<left>\S+) nats\.")
def the_entropy_goes_from_one_number_to_another(case, said):
    told = [said["own"], said["left"]]
    return told == [number(nats) for nats in entropies(case)] and told[0] != told[1]


@RULES.holds("sampling", r"the entropy stays at (?:about )?(?P<nats>\S+) nats\.")
def the_entropy_stays(case, said):
    return {number(nats) for nats in entropies(case)} == {said["nats"]}


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
