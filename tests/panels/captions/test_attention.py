"""Captions of attention say no more than its weights and scores bear out."""

import re
from functools import partial

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.view import Fitted
from panels.attention.head_kinds import KINDS, MAPS, shown
from panels.panel import Panel
from tests.panels.captions.answers import Answer, answers, asked
from tests.panels.captions.ends import level
from tests.panels.captions.rules import Rules
from tests.panels.handmade import attending, even
from viz.format import number, percent, quoted


def weights_that_read_the_same(panel: Panel) -> Answer:
    """All differ by less than a caption shows."""
    weights = even(3)
    weights[2] = 0.3331, 0.3335, 0.3334
    return Answer(panel, attending("a b c", weights), Fitted(layer=1, head=0, pos=2, src=0, length=3))


def two_weights_that_read_the_same(panel: Panel) -> Answer:
    """One is more than another by less than a caption shows, a third one is much less."""
    weights = even(3)
    weights[2] = 0.4631, 0.4635, 0.0734
    return Answer(panel, attending("a b c", weights), Fitted(layer=1, head=0, pos=2, src=0, length=3))


def attention_spread_thinly(panel: Panel) -> Answer:
    """No weight of the token reaches 1 %."""
    words = " ".join(f"w{i}" for i in range(120))
    return Answer(panel, attending(words, even(120)), Fitted(layer=1, head=0, pos=119, length=120))


def tokens_that_look_at_themselves(panel: Panel, count: int = 2) -> Answer:
    """No token gives anything to another."""
    words = " ".join(f"w{i}" for i in range(count))
    return Answer(panel, attending(words, np.eye(count)), Fitted(layer=1, head=0, pos=count - 1, length=count))


RULES = Rules(
    attention=answers(
        "attention",
        asked("mistral", text="the cat sat", pos=9, src=1),
        asked("llama", pos=1, src=4),
        asked("llama", pos=0, settings=(("first", "0"),)),
        asked("llama", text="a", settings=(("first", "0"), ("measure", "value"))),
        weights_that_read_the_same,
        two_weights_that_read_the_same,
    ),
    arcs=answers("arcs", asked("llama", pos=5), attention_spread_thinly),
    bertviz=answers(
        "bertviz",
        asked("llama", settings=(("bertviz", "neuron"),)),
        tokens_that_look_at_themselves,
        partial(tokens_that_look_at_themselves, count=80),
    ),
    cell=answers("cell", asked("llama", pos=1, src=4)),
    groups=answers("groups"),
    heads=answers(
        "heads",
        asked("llama", text="the cat sat", settings=(("show", "maps"),)),
        asked("llama", text="ab", settings=(("show", "induction"),)),
        asked("llama", text="aa", settings=(("show", "induction"),)),
        asked("llama", "coarse", text="aab", settings=(("show", "first"),)),
        asked("llama", text="a"),
    ),
)


@RULES.holds("attention", r"Most goes to (?P<best>“.*?”)( \(\d+\))? \((?P<share>[^()]*)\)")
def most_goes_to_the_largest_weight_of_the_row(case, said):
    row = case.reading.row
    most = np.nanmax(row.shown)
    names = {quoted(row.label(i)) for i in np.flatnonzero(row.shown >= most * (1 - 1e-5))}
    other = np.isnan(row.shown[row.looked]) or percent(float(row.shown[row.looked])) != percent(float(most))
    return said["best"] in names and said["share"] == percent(float(most)) and other


@RULES.holds("attention", r"(?P<best>“.*?”) gets slightly more")
def what_gets_slightly_more_reads_the_same(case, said):
    row = case.reading.row
    chosen, most = float(row.shown[row.looked]), float(np.nanmax(row.shown))
    return chosen < most and (percent(chosen) == percent(most) or number(chosen) == number(most))


@RULES.holds("attention", r"is kept from looking at .*, which stands later")
def what_stands_later_is_masked(case, said):
    return np.isnan(case.reading.row.shown[case.reading.row.looked]) and case.view.src > case.view.pos


@RULES.holds("attention", r"is kept from looking at .*, which lies outside of its window")
def what_lies_outside_of_the_window_is_masked_and_stands_before(case, said):
    window = case.trace.spec.windows[case.view.layer]
    return case.view.src < case.view.pos and case.view.pos - case.view.src >= window


@RULES.holds("attention", r"Among all (?P<heads>\d+) heads this one (?P<does>[a-z ]+) \(")
def the_head_that_does_it_most_is_above_every_other(case, said):
    kind = next(kind for kind in KINDS.values() if kind.does == said["does"])
    scores = case.trace[kind.want]
    own = scores[case.view.layer, case.view.head]
    return int(said["heads"]) == scores.size and own > 0 and (level(scores, own * (1 - 3e-6)).sum() == scores.size - 1)


@RULES.holds("attention", r"The longest comes from (?P<best>“.*?”) \((?P<length>[^()]*)\)")
def the_longest_is_the_largest_length_of_the_row(case, said):
    return said["length"] == number(float(np.nanmax(case.reading.row.shown)))


@RULES.holds("attention", r"has nothing but the first token to look at")
def nothing_but_the_first_token_is_seen(case, said):
    return np.isnan(case.reading.row.shown).all()


@RULES.holds("arcs", r"the thickest ribbon of .* goes to (?P<best>“.*?”): (?P<weight>[^,]*),")
def the_thickest_ribbon_has_the_largest_weight_and_is_drawn(case, said):
    weights = case.reading.row.weights
    return said["weight"] == percent(float(np.nanmax(weights))) and any(ribbon.chosen for ribbon in case.drawn.ribbons)


@RULES.holds(
    "attention", r"spreads its attention about evenly: (?P<share>[^,:]*?) to each of the (?P<count>\d+) tokens"
)
def every_token_that_it_sees_gets_the_same(case, said):
    row = case.reading.row.shown
    seen = row[~np.isnan(row)]
    return int(said["count"]) == len(seen) > 1 and {percent(weight) for weight in seen.tolist()} == {said["share"]}


@RULES.holds("arcs", r"about evenly: its (?P<count>\d+) ribbons are equally thick, (?P<share>.*?) each")
def every_ribbon_of_the_chosen_token_is_as_thick(case, said):
    own = [ribbon.weight for ribbon in case.drawn.ribbons if ribbon.chosen]
    return int(said["count"]) == len(own) > 1 and {percent(weight) for weight in own} == {said["share"]}


@RULES.holds("arcs", r"(?P<count>\d+) tokens? holds? half of its attention")
def so_many_hold_half_and_one_less_does_not(case, said):
    falling = -np.sort(-np.nan_to_num(case.reading.row.weights))
    count, half = int(said["count"]), falling.sum() / 2
    return falling[:count].sum() >= half - 1e-9 and falling[: count - 1].sum() < half + 1e-9


@RULES.holds("arcs", r"Weights below 1 % are not drawn")
def every_weight_of_a_percent_has_a_ribbon(case, said):
    return len(case.drawn.ribbons) == int((np.nan_to_num(case.reading.weights) >= 0.01).sum())


@RULES.holds("arcs", r"none of its weights reaches 1 %")
def a_token_without_ribbon_gives_no_weight_of_a_percent(case, said):
    return np.nanmax(case.reading.row.weights) < 0.01 and not any(ribbon.chosen for ribbon in case.drawn.ribbons)


@RULES.holds("bertviz", r"link between two tokens.* is (?P<looking>“.*?”) → (?P<looked>“.*?”) with (?P<weight>[^%]*%)")
def no_link_between_two_tokens_is_stronger(case, said):
    links = case.reading
    weights = links.weights[links.layers.index(links.layer), links.head].copy()
    np.fill_diagonal(weights, 0)
    best = np.argwhere(weights >= weights.max() - 1e-6)
    pairs = {tuple(quoted(links.labels_shown[place]) for place in pair) for pair in best.tolist()}
    return said["weight"] == percent(float(weights.max())) and (said["looking"], said["looked"]) in pairs


@RULES.holds("bertviz", r"no token gives any weight to another\.")
def all_tokens_look_at_themselves(case, said):
    weights = case.trace[Want("pattern", case.view.layer)][case.view.head]
    return not (weights * (1 - np.eye(len(weights)))).any()


@RULES.holds("bertviz", r"no token of those shown gives any weight to another of them\.")
def those_shown_look_at_themselves_or_at_what_is_not_shown(case, said):
    weights = case.reading.weights[case.reading.layers.index(case.view.layer), case.view.head]
    return not (weights * (1 - np.eye(len(weights)))).any() and len(weights) < len(case.ids)


@RULES.holds("bertviz", r"gives most .*?to (?P<best>“[^”]*”): q·k = .* the weight (?P<weight>[^%]*%)")
def no_token_shown_gets_more(case, said):
    weights = case.reading.asked.weights
    names = {quoted(case.reading.labels_shown[place]) for place in np.flatnonzero(weights >= weights.max() - 1e-6)}
    return said["weight"] == percent(float(weights.max())) and said["best"] in names


@RULES.holds("cell", r"softmax over (?P<count>\d+) tokens? makes it (?P<weight>[^.]*)\. ")
def the_softmax_goes_over_what_the_mask_leaves(case, said):
    return int(said["count"]) == int(np.isfinite(case.reading.scores).sum())


@RULES.holds("cell", r"the mask makes it −∞, and the weight 0")
def the_masked_score_is_no_number(case, said):
    return case.reading.scores[case.reading.cell.src] == -np.inf and case.reading.pattern[case.reading.cell.src] == 0


@RULES.holds("groups", r"head (?P<head>\d+) shares number (?P<group>\d+) with (?P<others>[\d, and]+)\.")
def the_heads_that_share_are_those_of_one_group(case, said):
    spec = case.trace.spec
    group = {h for h in range(spec.n_heads) if h * spec.n_kv // spec.n_heads == int(said["group"])}
    return group == {int(said["head"]), *map(int, re.findall(r"\d+", said["others"]))}


@RULES.holds("groups", r"Every one of the .* has keys and values of its own")
def heads_of_their_own_are_as_many_as_keys_and_values(case, said):
    return case.trace.spec.n_heads == case.trace.spec.n_kv


@RULES.holds("groups", r"That is beyond this model's longest text")
def what_is_beyond_is_longer_than_the_longest_text(case, said):
    return case.reading.length > case.trace.spec.max_pos


def scores_of(case: Answer) -> np.ndarray:
    slug = shown(case.view)
    return case.trace[KINDS["first" if slug == MAPS else slug].want]


@RULES.holds("heads", r"^Of (?P<all>\d+) heads, layer (?P<layer>\d+), head (?P<head>\d+) ")
def one_head_is_above_all_others(case, said):
    scores = scores_of(case)
    best = scores[int(said["layer"]), int(said["head"])]
    return level(scores, best).all() and (scores >= best * (1 - 1e-7)).sum() == 1


@RULES.holds("heads", r"^Every one of the (?P<all>\d+) heads has the same score")
def all_heads_are_level(case, said):
    return np.ptp(scores_of(case)) <= 1e-5 * max(1.0, scores_of(case).max())


@RULES.holds(
    "heads",
    r"^(?P<count>\d+) of \d+ heads share the highest score, the first of them layer (?P<layer>\d+), head (?P<head>\d+)",
)
def several_heads_are_level_at_the_top(case, said):
    scores = scores_of(case)
    best = np.flatnonzero(scores.ravel() >= scores.max() * (1 - 2e-6))
    first = divmod(int(best[0]), scores.shape[1])
    return len(best) == int(said["count"]) > 1 and first == (int(said["layer"]), int(said["head"]))


@RULES.holds("heads", r"is one of them")
def the_chosen_head_is_level_with_the_best(case, said):
    scores = scores_of(case)
    return scores[case.view.layer, case.view.head] >= scores.max() * (1 - 2e-6)


@RULES.holds("heads", r"The chosen one, layer \d+, head \d+, is number (?P<rank>\d+)")
def no_more_heads_than_its_rank_reach_the_chosen_one(case, said):
    scores = scores_of(case)
    own = scores[case.view.layer, case.view.head]
    return (scores > own).sum() < int(said["rank"]) <= (scores >= own * (1 - 2e-6)).sum()


@RULES.holds("heads", r"more than half of their attention: (?P<count>\d+) of")
def so_many_heads_rest_on_the_first_token(case, said):
    return int(said["count"]) == int((case.trace[KINDS["first"].want] > 0.5).sum())


@RULES.holds("heads", r"No token occurs twice")
def all_tokens_differ(case, said):
    return len(set(case.ids)) == len(case.ids)


@RULES.holds("heads", r"Equal tokens stand only side by side")
def equal_tokens_follow_each_other(case, said):
    changes = [case.ids[0], *(b for a, b in zip(case.ids, case.ids[1:], strict=False) if a != b)]
    return len(set(changes)) == len(changes) < len(case.ids)


@RULES.holds("heads", r"no head has (this score|a score for copying)")
def the_score_is_of_no_head(case, said):
    slug = (
        "induction" if "copying" in said[0] else KINDS["first"].slug if shown(case.view) == MAPS else shown(case.view)
    )
    return np.isnan(case.trace[KINDS[slug].want]).all()


@RULES.holds("heads", r"The text is one token, which gives itself all of its attention in every head")
def the_only_token_gets_everything(case, said):
    return len(case.ids) == 1 and (case.trace[case.panel.needs(case.trace.spec, case.view)[-1]] == 255).all()


@pytest.mark.parametrize("kind", RULES.cases)
def test_every_sentence_on_attention_is_true_of_its_numbers(kind):
    RULES.check(kind)
