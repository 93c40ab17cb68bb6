"""Captions of the embedding say no more than its rows bear out."""

import numpy as np
import pytest

from anatomy.measure import cosines
from tests.panels.captions.answers import Answer, answers, asked
from tests.panels.captions.rules import Rules
from viz.format import cosine, fixed, number, quoted

RULES = Rules(
    contexts=answers("contexts", asked("llama", text="aaa")),
    embedding=answers("embedding", asked("llama", text="a", settings=(("near", "0"),))),
    neighbours=answers("neighbours"),
    row=answers("row"),
    similarity=answers("similarity"),
)


@RULES.holds("contexts", r"stands only once in this text")
def the_token_stands_once(case, said):
    return case.ids.count(case.ids[case.view.pos]) == 1


@RULES.holds("contexts", r" at (?P<pos>\d+) and at (?P<other>\d+) has the same row")
def both_are_the_same_token(case, said):
    return case.ids[int(said["pos"])] == case.ids[int(said["other"])] and said["pos"] != said["other"]


@RULES.holds("contexts", r"The two vectors stay the same: ")
def two_vectors_that_stay_the_same_have_cosine_1_throughout(case, said):
    return case.reading.same[0].min() >= 0.9995 - 1e-6


@RULES.holds("contexts", r"The two vectors stay nearly the same: ")
def two_vectors_that_stay_nearly_the_same_keep_a_cosine_of_99_percent(case, said):
    return 0.99 <= case.reading.same[0].min() < 0.9995 + 1e-6


@RULES.holds("contexts", r"the two vectors become those of two contexts: ")
def two_vectors_that_part_have_a_lower_cosine_somewhere(case, said):
    return case.reading.same[0].min() < 0.99


def way(case: Answer, other: str | None) -> np.ndarray:
    """Cosines of the chosen token's stream with that of the token at `other`, or with its own row: of the row itself,
    of the stream that enters layer 0 where that differs from the row, after each layer."""
    row, alike, *streams = (case.trace[want] for want in case.panel.needs(case.trace.spec, case.view))
    entering = [streams.pop(0)] if len(streams) > case.trace.spec.layers else []
    if other is None:
        path = cosines(np.stack([*(each[case.view.pos] for each in entering), *streams]), row[None])
    else:
        at = int(other)
        path = np.array([*(cosines(each[at], each[case.view.pos]) for each in entering), *alike[:, at]])
    return np.clip(np.append(1.0, path), -1, 1)


def three(value: float) -> str:
    """As the captions on contexts print a cosine."""
    return fixed(float(value), 3)


WAY = r"(?:at \d+ and at (?P<other>\d+) has the same row.*: )?cosine (?P<end>\S+) "


@RULES.holds("contexts", WAY + r"after layer (?P<last>\d+), the least of all")
def nothing_on_the_way_is_less(case, said):
    path, last = way(case, said["other"]), int(said["last"])
    told = said["end"] == three(path[-1]) == three(path.min()) != three(path.max())
    return told and last == case.trace.spec.layers - 1


@RULES.holds(
    "contexts",
    WAY + r"after layer (?P<last>\d+), the least (?P<least>\S+) (?P<where>before|after) layer (?P<layer>\d+)",
)
def the_least_stands_where_it_is_said(case, said):
    path, layer, layers = way(case, said["other"]), int(said["layer"]), case.trace.spec.layers
    afterwards = path[len(path) - layers :]
    least = afterwards[layer] if said["where"] == "after" else path[: len(path) - layers].min()
    ends = (said["end"], int(said["last"])) == (three(path[-1]), layers - 1)
    return ends and said["end"] != said["least"] == three(least) and least <= path.min() + 1e-5


@RULES.holds("contexts", WAY + r"all the way to layer (?P<last>\d+)")
def no_place_on_the_way_reads_otherwise(case, said):
    path = way(case, said["other"])
    return {three(value) for value in path} == {said["end"]} and int(said["last"]) == case.trace.spec.layers - 1


@RULES.holds(
    "contexts", r"With its own row the one at (?P<pos>\d+) has cosine (?P<end>\S+) after layer (?P<last>\d+)\."
)
def the_end_of_the_way_from_its_own_row(case, said):
    told = int(said["pos"]), said["end"], int(said["last"])
    return told == (case.view.pos, three(way(case, None)[-1]), case.trace.spec.layers - 1)


@RULES.holds("embedding", r"most nearly its way is that of (?P<near>“.*?”) \(cosine (?P<cosine>[^\s)]+)\)")
def the_nearest_row_has_the_largest_cosine(case, said):
    own, ids, rows = (case.trace[want][case.view.pos] for want in case.panel.needs(case.trace.spec, case.view))
    found = cosines(rows, own[None])
    names = [quoted(case.trace.name(row)) for row in ids.tolist()]
    told = said["near"] == names[0] and said["cosine"] == cosine(float(found[0]))
    return told and (bool(case.disturbed) or found[0] >= found.max() - 1e-6)


@RULES.holds("embedding", r"The map holds (?P<count>\d+) tokens?( of the text)? ?(and (?P<others>\d+) neighbours?)?")
def so_many_points_are_drawn(case, said):
    others = int(said["others"] or 0)
    return int(said["count"]) == len(set(case.ids)) and len(case.drawn.points) == int(said["count"]) + others


@RULES.holds("embedding", r"It is drawn alone")
def one_point_is_drawn_alone(case, said):
    return len(case.drawn.points) == 1


@RULES.holds("neighbours", r"\(cosine (?P<best>\S+)\); number (?P<count>\d+) is .* \((?P<least>\S+)\)")
def neighbours_fall_from_the_first_to_the_last(case, said):
    found = case.reading.cosines
    ends = cosine(float(found.max())), cosine(float(found.min()))
    return (said["best"], said["least"]) == ends and int(said["count"]) == len(found)


@RULES.holds("row", r"from (?P<low>\S+) to (?P<high>[^\s;]+); (?P<zeros>none|it|[\d,]+) (is|are) (not )?exactly 0")
def the_ends_and_zeros_of_a_row(case, said):
    row = case.reading.numbers
    zeros = 0 if said["zeros"] in ("none", "it") else int(said["zeros"].replace(",", ""))
    return (said["low"], said["high"]) == (number(float(row.min())), number(float(row.max()))) and zeros == (
        row == 0
    ).sum()


@RULES.holds("row", r"the (?P<which>longest|shortest) of the text's (?P<count>\d+) different")
def no_row_is_longer_or_shorter(case, said):
    lengths, own = case.reading.lengths, case.reading.lengths[case.view.pos]
    end = lengths.max() if said["which"] == "longest" else lengths.min()
    return own == end and int(said["count"]) == len(set(case.ids))


@RULES.holds("row", r"number (?P<rank>\d+) by length of the text's")
def so_many_rows_are_longer(case, said):
    by_id = dict(zip(case.ids, case.reading.lengths.tolist(), strict=True))
    return int(said["rank"]) == 1 + sum(length > by_id[case.ids[case.view.pos]] for length in by_id.values())


@RULES.holds("row", r"their median is (?P<median>[^\s]+)\.")
def the_level_of_the_figure_is_the_median_that_is_told(case, said):
    rows = case.trace[case.panel.needs(case.trace.spec, case.view)[0]].astype(float)
    different = [rows[case.ids.index(row)] for row in dict.fromkeys(case.ids)]
    told = number(float(np.median(np.linalg.norm(different, axis=1)))) == said["median"]
    lines = [number(float(level.value)) for level in getattr(case.drawn, "levels", ())]
    return told and lines == [said["median"]] * (dict(case.view.settings).get("row") == "lengths")


@RULES.holds("similarity", r"is most like (?P<other>“.*?”) among the tokens of this text \(cosine (?P<cosine>\S+)\)")
def no_other_token_is_more_alike(case, said):
    others = np.flatnonzero(np.array(case.ids) != case.ids[case.view.pos])
    return said["cosine"] == cosine(float(case.reading.alike[others].max()))


@RULES.holds("similarity", r"holds no token but")
def all_tokens_are_the_same(case, said):
    return len(set(case.ids)) == 1


@pytest.mark.parametrize("kind", RULES.cases)
def test_every_sentence_on_the_embedding_is_true_of_its_numbers(kind):
    RULES.check(kind)
