"""The passages of two runs: what is new, gone or stronger follows from both lists, and is told by sign and stroke."""

import re
from dataclasses import replace

import numpy as np
import pytest

from anatomy.alignment import Partner
from tests.snapshot import described
from tests.viz.passages import LAYERS, passage
from viz.partners import Unlike
from viz.passage import Arc, Passage, Word
from viz.passage_two import PassageOfTwo, beside
from viz.passage_two_parts import CHANGES, LEAST, SIGNS, ArcOfTwo, from_to
from viz.passage_two_picture import foremost
from viz.passage_two_words import instead, named, named_word

SAME = [(i, i) for i in range(4)]
ODD = "<b>&</b>"  # a reader's text


def with_arcs(given: Passage, arcs: dict[tuple[int, int, int, int], float]) -> Passage:
    """The passage with arcs of these weights by layer, head, looking and looked line."""
    made = [Arc(*key, weight, 0.2, key[2] == given.chosen) for key, weight in arcs.items()]
    return replace(given, arcs=tuple(sorted(made, key=lambda arc: (arc.layer, arc.looking))))


def by_chance(seed: int, count: int) -> dict[tuple[int, int, int, int], float]:
    """Arcs between so many lines."""
    chance = np.random.default_rng(seed)
    arcs = {}
    for _again in range(9):
        layer, head = chance.integers(0, (LAYERS, 3)).tolist()
        looked, looking = sorted(chance.choice(count, 2, replace=False).tolist())
        arcs[layer, head, looking, looked] = float(chance.uniform(0.5, 1))
    return arcs


def key_of(arc: ArcOfTwo) -> tuple[int, int, int, int]:
    return arc.layer, arc.arc.head, arc.looking, arc.looked


def changed() -> PassageOfTwo:
    """One token replaced and one added, and an arc, a word and a number of every kind."""
    a = with_arcs(passage("abcd"), {(1, 1, 3, 0): 0.6, (1, 2, 3, 2): 0.9, (2, 1, 3, 2): 0.7, (3, 0, 2, 1): 0.8})
    b = with_arcs(
        passage(("a", ODD, "c", "new", "d")),
        {(1, 1, 4, 2): 0.75, (1, 2, 4, 2): 0.5, (2, 1, 4, 2): 0.95, (3, 0, 2, 1): 0.81, (3, 1, 4, 3): 0.66},
    )
    b = replace(
        b,
        words=(Word(0, "·z", 0.4, False), Word(2, "·x", 0.9, True)),
        best=(("·x", 0.9), ("·z", 0.05)),
    )
    return beside(a, b, [(0, 0), (1, 1), (2, 2), (None, 3), (3, 4)])


def test_the_picture(picture):
    given = changed()
    assert {"light": described(given.drawn()), "words": given.alternative(), "table": given.table()} == picture


@pytest.mark.parametrize("seed", range(20))
def test_what_is_new_and_gone_follows_from_the_two_lists(seed):
    one, other = by_chance(seed, 4), by_chance(seed + 100, 4)
    other |= {key: 0.5 + (weight * 7) % 0.5 for key, weight in list(one.items())[:4]}
    two = beside(with_arcs(passage("abcd"), one), with_arcs(passage("abcd"), other), SAME)
    found = {key_of(arc): arc.change for arc in two.arcs}
    assert len(found) == len(two.arcs) == len({*one, *other})
    assert {key for key, change in found.items() if change == "new"} == {*other} - {*one}
    assert {key for key, change in found.items() if change == "gone"} == {*one} - {*other}
    for key in {*one} & {*other}:
        grown = other[key] - one[key]
        expected = "same" if abs(grown) < LEAST else "stronger" if grown > 0 else "weaker"
        assert found[key] == expected


@pytest.mark.parametrize("seed", range(10))
def test_the_runs_in_each_other_s_place_have_the_opposite_changes(seed):
    one, other = (with_arcs(passage("abcd"), by_chance(number, 4)) for number in (seed, seed + 50))
    opposite = {"new": "gone", "gone": "new", "stronger": "weaker", "weaker": "stronger", "same": "same"}
    there, back = beside(one, other, SAME), beside(other, one, SAME)
    assert {key_of(arc): opposite[arc.change] for arc in there.arcs} == {key_of(arc): arc.change for arc in back.arcs}
    np.testing.assert_allclose(sorted(there.numbers()), sorted(-back.numbers()))


def test_a_run_beside_itself_says_that_nothing_differs():
    two = beside(passage("abcd"), passage("abcd"), SAME)
    assert {arc.change for arc in two.arcs} == {word.change for word in two.words} == {"same"}
    assert not two.numbers().any()
    assert two.caption == "Nothing differs: A and B have the same arcs, words and predictions, with the same numbers."
    assert foremost(two) == []
    longer = replace(passage("abcd"), lengths=np.nextafter(passage("abcd").lengths, 99))
    assert "Nothing differs" not in beside(passage("abcd"), longer, SAME).caption


def test_tokens_that_were_replaced_say_what_they_were_and_those_without_a_partner_whose_they_are():
    two = changed()
    assert [(row.was, row.lone) for row in two.rows] == [("", ""), ("b", ""), ("", ""), ("", "B"), ("", "")]
    assert [line.label for line in two.merged.lines] == ["a", f"b → {ODD}", "c", "B: new", "d"]
    assert f"Replaced: “b” → “{ODD}”. Without a partner, in B alone: “new”." in two.alternative()
    gone = beside(passage("abc"), passage("ac"), [(0, 0), (1, None), (2, 1)])
    assert [(row.line.label, row.lone) for row in gone.rows] == [("a", ""), ("b", "A"), ("c", "")]
    np.testing.assert_array_equal(gone.lengths[1], passage("abc").lengths[1])


def test_a_head_that_looks_elsewhere_says_where_it_looked():
    two = changed()
    arc = next(arc for arc in two.arcs if (arc.layer, arc.arc.head, arc.change) == (1, 1, "new"))
    before = instead(two, arc)
    assert before is not None
    assert (before.change, before.looked, before.arc.weight) == ("gone", 0, 0.6)
    said = "“d” takes 75 % from “c” (layer 1, head 1; in A 60 % from “a”)"
    assert named(two, arc) == said
    assert f"The foremost change (new): {said}." in two.caption
    stronger = next(arc for arc in two.arcs if arc.change == "stronger")
    assert instead(two, stronger) is None


@pytest.mark.parametrize(
    ("weight", "expected"),
    [(0.31, ("stronger", "31 % → 80 %")), (0.79, ("same", "79 % → 80 %")), (0.9, ("weaker", "90 % → 80 %"))],
)
def test_an_arc_whose_weight_is_known_in_both_is_called_by_its_numbers_also_where_one_draws_none(weight, expected):
    weak = (Arc(2, 1, 3, 2, weight, 0.1, chosen=True),)
    none, one = with_arcs(passage("abcd"), {}), with_arcs(passage("abcd"), {(2, 1, 3, 2): 0.8})
    assert [(arc.change, arc.numbers) for arc in beside(none, one, SAME, weak=(weak, ())).arcs] == [expected]
    opposite = {"stronger": "weaker", "weaker": "stronger", "same": "same"}
    assert [arc.change for arc in beside(one, none, SAME, weak=((), weak)).arcs] == [opposite[expected[0]]]
    assert [arc.change for arc in beside(none, one, SAME).arcs] == ["new"]
    assert [arc.change for arc in beside(one, none, SAME).arcs] == ["gone"]


@pytest.mark.parametrize("seed", range(10))
def test_the_caption_counts_every_arc_and_names_one_change_at_most(seed):
    one, other = (with_arcs(passage("abcd"), by_chance(number, 4)) for number in (seed, seed + 50))
    two = beside(one, other, SAME)
    counts = re.findall(r"(\d+) (new|gone|stronger|weaker|unchanged)\b", two.caption)
    assert sum(int(count) for count, _kind in counts) == len(two.arcs)
    assert two.caption.count("takes") == 1
    assert "…" not in two.alternative()


def test_more_tokens_than_a_sentence_names_are_counted():
    many = beside(passage("abcdef"), passage("uvwxyf"), [(i, i) for i in range(6)])
    assert "Replaced: “a” → “u”, “b” → “v”, “c” → “w”, 2 more." in many.alternative()


def test_a_run_that_predicts_no_token_is_not_said_to_predict_one():
    mute = replace(passage("abcd"), best=(), best_ids=(), words=(), goes_on=False)
    said = beside(passage("abcd"), mute, SAME, one_model=False).caption
    assert said.startswith("The likeliest next token in A is “·x” (50 %); B predicts no token.")
    said = beside(mute, passage("abcd"), SAME, one_model=False)
    assert said.caption.startswith("The likeliest next token in B is “·x” (50 %); A predicts no token.")
    assert "not among those" not in said.alternative()
    assert "likeliest" not in beside(mute, mute, SAME).caption


def test_what_a_alone_predicts_at_a_token_has_its_mark():
    silent = replace(passage("abcd"), lines=tuple(replace(line, leads="") for line in passage("abcd").lines))
    two = beside(passage("abcd"), silent, SAME, one_model=False)
    assert [line.leads for line in two.merged.lines] == [f"A: {line.leads}" for line in passage("abcd").lines]


def test_an_arc_is_seen_where_a_has_both_tokens_and_the_head():
    opens = {"arc": "attention-pattern"}
    a = replace(with_arcs(passage("abd", places=(0, 1, 2), tokens=3), {(1, 1, 2, 0): 0.6}), opens=opens)
    b = with_arcs(passage("abcd"), {(1, 1, 3, 0): 0.7, (2, 0, 3, 1): 0.8, (2, 1, 3, 2): 0.9})
    pairs: list[Partner] = [(0, 0), (1, 1), (None, 2), (2, 3)]
    two = beside(a, b, pairs)
    assert [two.place(row) for row in range(4)] == [0, 1, None, 2]
    assert [two.seen(at) for at in range(3)] == [(1, 1, 2, 0), (2, 0, 2, 1), None]
    other = beside(a, replace(b, arcs=tuple(replace(arc, head=7) for arc in b.arcs)), pairs, one_model=False)
    assert [other.seen(at) for at in range(3)] == [(1, 1, 2, 0), None, None]
    assert beside(replace(a, opens={}), b, pairs).seen(0) is None


def test_words_are_told_by_whether_and_when_they_come():
    two = changed()
    assert [(word.word.label, word.layer, word.change) for word in two.words] == [
        ("·y", 0, "gone"),
        ("·z", 0, "new"),
        ("·x", 2, "earlier"),
    ]
    assert named_word(two.words[2]) == "“·x” 50 % → 90 % after layer 2, in A after layer 3"
    back = beside(passage("abcd"), replace(passage("abcd"), words=(Word(3, "·y", 0.3, False),)), SAME)
    assert [(word.word.label, word.change) for word in back.words] == [("·y", "later"), ("·x", "gone")]


def test_next_tokens_have_the_probabilities_of_both():
    two = changed()
    assert (two.best[0].label, two.best[0].a, two.best[0].b) == ("·x", 0.5, 0.9)
    assert np.isnan(two.best[1].a)
    assert np.isnan(two.best[2].b)
    assert two.caption.startswith("The likeliest next token is “·x” in both runs: 50 % → 90 %.")
    other = replace(passage("abcd"), best=(("·y", 0.7), ("·x", 0.2)))
    said = beside(passage("abcd"), other, SAME).caption
    assert "The likeliest next token is “·x” in A (A 50 %, B 20 %), and “·y” in B (A 25 %, B 70 %)." in said


@pytest.mark.parametrize("layers", [2, 8])
def test_arcs_of_another_model_are_matched_by_their_tokens_and_drawn_as_deep(layers):
    a = with_arcs(passage("abcd"), {(3, 1, 3, 0): 0.6, (1, 2, 3, 2): 0.9})
    b = replace(with_arcs(passage("abcd"), {(1, 7, 3, 2): 0.7}), words=(), lengths=np.ones((4, layers + 1)))
    two = beside(a, b, SAME, one_model=False)
    assert [(arc.layer, arc.arc.head, arc.change) for arc in two.arcs] == [
        (1, 7, "same"),
        (int(3.5 * layers / 4), 1, "gone"),
    ]
    assert two.arcs[0].numbers == "90 % → 70 %"
    assert two.lengths.shape == (4, layers + 1)
    assert "The models are not the same" in two.alternative()
    assert two.caption.endswith("what A has is drawn on the layers of B, at the same relative depth.")
    assert "relative depth" not in beside(a, a, SAME).caption
    assert len(two.plotly().data) > 4


def test_a_part_of_long_texts_has_bands_for_the_pairs_between():
    places = (2, 3, 9, 17)
    a, b = (passage("abcd", places=at, tokens=21) for at in (places, [place + 1 for place in places]))
    pairs: list[Partner] = [(None, 0), *((i, i + 1) for i in range(20))]
    two = beside(a, b, pairs)
    assert (two.places, two.tokens) == ((3, 4, 10, 18), 21)
    assert {arc.change for arc in two.arcs} == {"same"}
    with pytest.raises(ValueError, match="the line at position 9 is in none of the pairs"):
        beside(a, b, pairs[:10])


def test_each_kind_of_change_has_a_stroke_a_shape_and_a_sign_of_its_own():
    figure = changed().traces()
    shown = [entry for entry in figure.data if entry.showlegend is None]
    assert {entry.name for entry in shown} == {
        "unchanged (1)",
        "× gone (1)",
        "▼ weaker (1)",
        "▲ stronger (1)",
        "+ new (2)",
    }
    assert len({(entry.line.dash, entry.line.width, entry.marker.symbol) for entry in shown}) == 5
    assert len({entry.marker.symbol for entry in shown}) == 5
    assert len(set(SIGNS.values())) == len(CHANGES)
    told = [note.text for note in figure.layout.annotations if "→" in note.text and note.xref != "paper"]
    assert "<b>▼ 90 % → 50 %</b>" in told


def test_one_token_has_no_arc_to_compare():
    one = replace(passage("a"), arcs=())
    other = replace(passage("b"), arcs=(), words=())
    two = beside(one, other, [(0, 0)])
    assert "In neither run is there an arc to compare." in two.caption
    assert two.merged.lines[0].label == "a → b"
    assert two.plotly(dark=True).layout.showlegend is False


def test_numbers_go_from_the_first_run_to_the_second():
    nan = float("nan")
    assert [from_to(*pair) for pair in ((0.03, 0.41), (0.5, 0.5), (nan, 0.5), (0.25, nan))] == [
        "3.0 % → 41 %",
        "50 %",
        "50 %",
        "25 %",
    ]


def test_every_number_has_its_row_with_the_difference():
    two = changed()
    rows = two.table().rows
    assert ("arc: attention weight", "stronger", 2, 1, "d", 4, "c", 2, None, 0.7, 0.95, pytest.approx(0.25)) in rows
    assert ("word after the layer", "earlier", 3, None, "d", 4, None, None, "·x", 0.5, None, None) in rows
    assert ("word after the layer", "earlier", 2, None, "d", 4, None, None, "·x", None, 0.9, None) in rows
    assert sum(row[0] == "stream after the layer" for row in rows) == 5 * LAYERS


def test_a_comparison_has_no_difference_and_a_reader_s_text_stays_text():
    with pytest.raises(Unlike):
        changed().minus(changed())
    assert ODD not in str(changed().plotly().to_json())
