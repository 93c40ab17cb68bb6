"""What the passage says: every sentence is true of the layers, tokens and weights that it speaks of."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.request import Want
from anatomy.spec import Norm
from panels.stack.passage_drawing import draw
from panels.stack.passage_paths import CHOSEN, paths
from panels.stack.passage_reading import read
from panels.stack.passage_steps import steps
from panels.stack.passage_words import caption, formula, notes
from tests.panels.stack.passages import BOTH, NAMES, TOPS, drawn_by_chance, model, scaled, slowly, told, way
from viz.format import percent, quoted
from viz.passage import explained

LEADERS = st.lists(st.sampled_from([5, 6, 7]), min_size=2, max_size=9).map(tuple)


@given(LEADERS)
def test_words_begin_where_they_lead_for_two_layers(leaders):
    found = draw(way(leaders=leaders)).words
    assert [(word.layer, word.label) for word in found] == slowly([NAMES[leader] for leader in leaders])
    for word in found:
        assert word.probability == pytest.approx(0.1 * (word.layer + 1))
        assert word.answer == (word.label == NAMES[leaders[-1]])


@given(LEADERS)
def test_what_is_said_of_layers_is_true_of_all_of_them(leaders):
    seen = way(leaders=leaders)
    names = [NAMES[leader] for leader in leaders]
    for says in (caption(seen), steps(seen)[3].says):
        for layer, name in re.findall(r"From layer (\d+) on (?:its line|it) says “(.+?)”", says):
            assert set(names[int(layer) :]) == {name}
            assert names[int(layer) - 1] != name
            assert int(layer) < len(names) - 1
        for layer, name in re.findall(r"Read out after layer (\d+), the line of “six” would say “(.+?)”", says):
            assert names[int(layer)] == name != names[-1]
    ends = [f"Its line says {quoted(names[-1])} after every layer, with 75 % in the end."]
    ends += [f"From layer {layer} on its line says {quoted(names[-1])}, with 75 % in the end." for layer in range(1, 9)]
    last = f"In the end its line says {quoted(names[-1])}, with 75 %."
    led = next(layer for layer in range(len(names)) if len(set(names[layer:])) == 1)
    assert caption(seen).endswith(ends[led] if led < len(names) - 1 else last)


def test_one_that_leads_for_a_single_layer_is_not_named_and_does_not_make_the_next_one_new():
    seen = way(leaders=(5, 5, 6, 5, 5))
    assert [(said.first, said.label) for said in seen.said] == [(0, "<b>")]
    assert caption(seen).endswith("From layer 3 on its line says “<b>”, with 75 % in the end.")
    assert "Read out" not in steps(seen)[3].says


def test_equal_labels_of_two_rows_are_one_word():
    trace, view = told(leaders=(6, 6, 5, 5))
    twins = replace(trace, names=NAMES | {6: "<b>"})
    assert [(word.layer, word.label) for word in draw(read(twins, view)).words] == [(0, "<b>")]


def test_a_model_of_one_layer_names_its_answer():
    seen = way({(0, 5): (2, 3, 0.8, 10.0)}, leaders=(5,))
    assert [(said.first, said.label) for said in seen.said] == [(0, "<b>")]
    assert caption(seen) == (
        "On its way through the layers “six” takes something from “three”. In the end its line says “<b>”, with 75 %."
    )
    step = steps(seen)[2]
    assert step.says.startswith("In its one layer every token takes something from those before it, through 4 heads.")
    assert step.over == "1 layer: look back, rewrite"
    assert all(part in step.says for part in step.strong)
    assert "single layer" not in notes(seen)[-1]
    both = steps(way(of=model(1, causal=False), leaders=(5,)))[2]
    assert both.says == "In its one layer every token takes something from all others, through 4 heads."
    assert (both.over, both.title) == ("1 layer: look around, rewrite", "Look around")


def test_the_caption_says_what_is_taken_and_what_the_line_says():
    assert caption(way(BOTH)) == (
        "On its way through the layers “six” takes something from “three”, “two”. "
        "From layer 2 on its line says “<b>”, with 75 % in the end."
    )


def test_every_step_of_a_small_model():
    cut, look_up, look_back, rewrite, predict = steps(way(BOTH))
    assert cut.says == "Your text becomes 6 tokens, pieces that the model has a number for."
    assert look_up.says == (
        "Each token fetches its row of 8 numbers from a table. From there on it is a line through the layers."
    )
    assert look_back.says == (
        "In each of 4 layers every token takes something from those before it, through 4 heads. "
        "“six” takes from “three” in layer 1, from “two” in layer 2."
    )
    assert rewrite.says == (
        "Then a network of 12 neurons adds to each line alone. "
        "Read out after layer 1, the line of “six” would say “six”. From layer 2 on it says “<b>”."
    )
    assert predict.says == (
        "At the end the line of “six” is compared with all 50 tokens of the vocabulary: “<b>” 75 %. "
        "Choose one, and the text goes on."
    )
    assert [step.over for step in steps(way(BOTH))] == [
        "cut",
        "look up",
        "4 layers: look back, rewrite",
        "read the answer as it forms",
        "predict",
    ]


def test_only_the_last_tokens_answer_can_go_on():
    seen = way(BOTH, pos=4)
    assert not draw(seen).goes_on
    assert steps(seen)[-1].says.endswith("“<b>” 75 %.")
    assert draw(way(BOTH)).goes_on
    assert not draw(way(of=model(causal=False, head="masked"))).goes_on


def test_a_word_that_stands_twice_in_the_text_is_named_once():
    arcs = {(1, 5): (1, 3, 0.8, 10.0), (2, 5): (3, 0, 0.8, 15.0)}
    seen = way(arcs, words="a the cat the hat sat")
    assert caption(seen).startswith("On its way through the layers “sat” takes something from “the”. From")
    assert steps(seen)[2].says.endswith("“sat” takes from “the” in layer 1, from “the” in layer 2.")


def test_another_token_that_reads_like_the_chosen_one_is_told_from_it():
    seen = way({(1, 5): (1, 3, 0.8, 10.0), (2, 5): (2, 0, 0.8, 15.0)}, words="a of Rome b c of")
    assert caption(seen).startswith(
        "On its way through the layers “of” takes something from another “of”, “Rome”. From"
    )
    assert steps(seen)[2].says.endswith("“of” takes from another “of” in layer 1, from “Rome” in layer 2.")


def test_of_one_token_the_third_step_says_that_there_is_no_other():
    assert steps(way(words="six"))[2].says.endswith("through 4 heads. Here there is no other.")
    assert not any(note.startswith("Arcs") for note in notes(way(words="six")))


@pytest.mark.parametrize(("causal", "whom"), [(True, "the token before it"), (False, "a token beside it")])
def test_neighbours_are_counted_where_nothing_comes_from_further_away(causal, whom):
    arcs = {(1, 3): (2, 0, 0.7, 1.0)}
    for more, layers in (({}, "1 layer"), ({(2, 3): (2 if causal else 4, 1, 0.8, 1.0)}, "2 layers")):
        seen = way(arcs | more, pos=3, of=model(causal=causal))
        assert caption(seen).startswith(f"“four” takes something from {whom}, in {layers}. From layer")
        assert steps(seen)[2].says.endswith("through 4 heads.")
    further = way(arcs | {(2, 3): (1, 1, 0.8, 1.0)}, pos=3, of=model(causal=causal))
    assert "takes something from “two”. From" in caption(further)


def test_where_no_weight_is_over_the_rule_it_is_said_of_every_layer():
    assert caption(way({(0, 5): (2, 0, 0.5, 9.0), (1, 4): (2, 0, 0.9, 9.0)})).startswith(
        "In no layer does the largest contribution to “six”, the first token's and its own left out, come with over "
        "50 % of its head's attention. From"
    )


def test_the_first_token_of_a_causal_model_has_nothing_before_it():
    first = "stands first: there is nothing before it"
    assert caption(way(BOTH, pos=0)).startswith(f"“one” {first} that it could take anything from. From")
    assert first not in caption(way(BOTH, pos=0, of=model(causal=False)))
    assert first not in caption(way(BOTH, pos=1))


@given(st.integers(0, 10_000), st.booleans(), st.integers(0, 11), st.sampled_from([1, 3, 6]))
def test_what_is_said_of_arcs_is_true_of_the_largest_contributions(seed, causal, pos, layers):
    tops, words = drawn_by_chance(seed, 12, layers, causal), "abcdefghijkl"
    trace, view = told({}, (5,) * layers, " ".join(words), pos, model(layers, causal))
    trace = trace.plus({Want(site): array for site, array in zip(TOPS, scaled(tops, trace), strict=True)})
    seen = read(trace, view)
    over = {layer: int(tops.source[layer, pos]) for layer in range(layers) if tops.weight[layer, pos] > CHOSEN}
    apart = {layer: src for layer, src in over.items() if abs(src - pos) > 1}
    step, says = steps(seen)[2].says, caption(seen)
    named = [(int(layer), words.index(source)) for source, layer in re.findall(r"from “(.)” in layer (\d+)", step)]
    assert set(named) <= set(apart.items())
    assert len(named) == min(3, len(set(apart.values())))
    listed = re.search(r"takes something from ((?:“.”(?:, )?)+)\.", says)
    sources = re.findall("“(.)”", listed[1]) if listed else []
    assert [words.index(source) for source in sources] == [source for _layer, source in named]
    assert says.startswith("In no layer does") == (not over and not (causal and pos < 2))
    assert (f"it, in {len(over)} layer" in says) == bool(over and not apart)


def test_the_notes_say_the_rule_what_is_left_out_and_how_far_words_go():
    arcs, words = notes(way(BOTH))
    wide = explained(draw(way(BOTH)))[0]
    assert (
        wide == "Lines: as wide as the logarithm of the stream's length (L2 norm), from 10.0 to 50.0. 3 arcs are drawn."
    )
    assert "drawn where that weight is over 50 % for “six” and over 60 % for the other tokens" in arcs
    assert "Left out: what comes from the first token" in arcs
    assert explained(draw(way({(1, 5): (2, 3, 0.8, 10.0)})))[0].endswith(" 1 arc is drawn.")
    assert words.startswith("Words under the line: the best token where the final norm and the output layer read")
    assert words.endswith("One that leads for a single layer is left out.")


def test_a_model_that_normalizes_after_each_sum_has_no_final_norm_to_read_with():
    seen = way(of=model(norm=Norm("layer", "post", 1e-5)).without_final_norm())
    assert "the best token where the output layer reads the stream" in notes(seen)[-1]
    assert "after layer 0: softmax(head(stream)) is largest for “six”: 10 %" in formula(seen).splitlines()


def test_the_formula_is_an_arithmetic_that_comes_out():
    assert formula(way(BOTH)).splitlines() == [
        "width of a line ~ log₁₀ ‖stream‖: of “six” from log₁₀ 10.0 = 1.00 to log₁₀ 50.0 = 1.70",
        "thickness of an arc ~ weight × ‖value W_O‖ / ‖stream entering the layer‖",
        "“three” → “six”, layer 1, head 3: 0.800 × 12.5 / 20.0 = 0.500",
        "after layer 0: softmax(head(final norm(stream))) is largest for “six”: 10 %",
        "after layer 2: softmax(head(final norm(stream))) is largest for “<b>”: 30 %",
    ]


def test_words_in_the_picture_name_layer_head_and_weight():
    arcs = {arc.layer: arc for arc in draw(way(BOTH)).arcs}
    assert arcs[1].told == f"layer 1, head 3: {percent(0.8)}"
    assert arcs[2].told == "layer 2, head 0: 56 %"
    assert (arcs[3].told, arcs[3].chosen) == ("", False)


@given(st.integers(0, 10_000))
def test_words_stand_at_the_three_largest_of_the_chosen_tokens_arcs_each_from_another_token_not_beside_it(seed):
    tops = drawn_by_chance(seed, 12, 6, causal=False)
    chosen = [arc for arc in paths(tops, 12, 5).taken if arc.pos == 5 and arc.src not in (4, 6)]
    largest = sorted({arc.src: max(a.share for a in chosen if a.src == arc.src) for arc in chosen}.values())[-3:]
    trace, view = told({}, words=" ".join("abcdefghijkl"), pos=5, of=model(6, causal=False), leaders=(5,) * 6)
    arrays = {Want(site): array for site, array in zip(TOPS, scaled(tops, trace), strict=True)}
    found = read(trace.plus(arrays), view).told
    assert sorted(arc.share for arc in found) == pytest.approx(largest)
    assert len({arc.src for arc in found}) == len(found)
    assert [arc.layer for arc in found] == sorted(arc.layer for arc in found)
    assert {(arc.layer, arc.pos) for arc in found} <= {(arc.layer, arc.pos) for arc in chosen}
