"""What a changed run is held against: others of the same layer, as many as there are up to six, the same each time."""

from dataclasses import replace

import pytest

from anatomy.allowed import SEEDED, check
from anatomy.baselines import COUNT, baseline
from anatomy.interventions import PLACES
from anatomy.request import Intervention, Run
from anatomy.spec import RelativeBias, Stack
from tests.anatomy.spec import SPEC
from tests.models.tiny import MODELS, tiny_engine
from viz.what_if import held_against

OTHER = Run("m", "another text")
TALL = replace(SPEC, stacks=(Stack("dec", 12, True),))


def runs(*interventions: Intervention, seed: int = 0) -> tuple[Run, ...]:
    spec = tiny_engine("llama").spec
    found = baseline(Run("m", "the text", interventions=interventions), spec, seed=seed)
    return () if found is None else found.runs


def test_a_head_is_held_against_the_other_heads_of_its_layer():
    made = [run.interventions[0] for run in runs(Intervention("z", "zero", 1, head=2, pos=3))]
    assert sorted(one.head or 0 for one in made) == [0, 1, 3]
    assert {(one.site, one.op, one.layer, one.pos) for one in made} == {("z", "zero", 1, 3)}


def test_of_many_others_six_are_drawn_and_the_seed_says_which():
    neuron = Intervention("act", "zero", 1, neuron=7)
    first, again, other = (runs(neuron, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    chosen = [run.interventions[0].neuron for run in first]
    assert len(set(chosen)) == len(chosen) == COUNT
    assert 7 not in chosen


def test_two_heads_of_a_layer_are_both_left_out_of_the_others():
    pair = (Intervention("z", "zero", 1, head=2), Intervention("z", "zero", 1, head=0))
    assert [[one.head for one in run.interventions] for run in runs(*pair)] == [[1, 3], [3, 1]]


def test_as_many_others_stand_in_the_place_of_several_and_the_same_in_the_place_of_one():
    neurons = [Intervention("act", "zero", 1, neuron=neuron) for neuron in (7, 3, 11, 7)]
    layers = [Intervention("layer", "drop", layer) for layer in (4, 9)]
    for seed in range(10):
        for run in runs(*neurons, seed=seed):
            first, second, third, again = (one.neuron for one in run.interventions)
            assert len({first, second, third, 7, 3, 11}) == 6
            assert first == again
        found = baseline(Run("m", "the text", interventions=tuple(layers)), TALL, seed=seed)
        assert found is not None
        assert len(found.runs) == COUNT
        for run in found.runs:
            assert len({one.layer for one in run.interventions} | {4, 9}) == 4


@pytest.mark.parametrize("site", ["attn_out", "ffn_out", "resid_mid"])
def test_a_whole_part_is_held_against_that_of_other_layers(site):
    assert sorted(run.interventions[0].layer or 0 for run in runs(Intervention(site, "zero", 1))) == [0, 2]


def test_a_direction_is_held_against_random_ones_and_noise_against_other_noise():
    added = runs(Intervention("resid_post", "add", 1, amount=2.0, token=5))
    assert len({run.interventions[0].random for run in added}) == COUNT
    assert {(run.interventions[0].token, run.interventions[0].amount) for run in added} == {(5, 2.0)}
    noise = runs(Intervention("resid_post", "noise", 1, amount=2.0, seed=3))
    assert sorted(run.interventions[0].seed for run in noise) == [4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("layer", [1, None])
def test_dropout_is_held_against_as_much_of_other_numbers(layer):
    made = Intervention("ffn_out", "dropout", layer, amount=0.1, seed=3)
    assert [run.interventions for run in runs(made)] == [(replace(made, seed=seed),) for seed in (4, 5, 6, 7, 8, 9)]
    (one, two, three) = runs(Intervention("pattern", "dropout", layer, head=2, amount=0.1, seed=3))
    assert [run.interventions[0].head for run in (one, two, three)] == [0, 1, 3]
    assert {run.interventions[0].seed for run in (one, two, three)} == {3}


def test_a_patch_is_held_against_the_run_itself_as_far_as_it_is_changed_by_then():
    head, patch = Intervention("z", "zero", 0, head=1), Intervention("resid_post", "patch", 1, sources=(OTHER,))
    (run,) = runs(patch)
    assert run.interventions[0].sources == (Run("m", "the text"),)
    for run in runs(head, patch):
        assert run.interventions[1].sources == (Run("m", "the text", interventions=run.interventions[:1]),)


def pairs_of(*interventions: Intervention, spec=TALL, seed: int = 0) -> list[list[tuple[int | None, int | None]]]:
    """The layers that are swapped in each run of a baseline."""
    found = baseline(Run("m", "the text", interventions=interventions), spec, seed=seed)
    return [] if found is None else [[(one.layer, one.other) for one in run.interventions] for run in found.runs]


@pytest.mark.parametrize(("layer", "other"), [(3, 5), (5, 3)])
def test_two_layers_that_are_swapped_are_held_against_others_as_far_apart(layer, other):
    swap = Intervention("layer", "swap", layer, other=other)
    found = [pair for (pair,) in pairs_of(swap)]
    assert len(set(found)) == len(found) == COUNT
    assert {b - a for a, b in found} == {2}
    assert not {3, 5} & {number for pair in found for number in pair}
    assert {number for pair in found for number in pair} <= {*range(12)}
    drawn = {pair for seed in range(20) for (pair,) in pairs_of(swap, seed=seed)}
    assert drawn == {(first, first + 2) for first in range(10) if not {first, first + 2} & {3, 5}}


def test_no_layer_that_makes_the_bias_of_all_others_is_swapped_and_none_that_the_run_swaps():
    t5 = replace(TALL, position=RelativeBias(32, 128, True))
    swaps = Intervention("layer", "swap", 3, other=4), Intervention("layer", "swap", 8, other=7)
    drawn = {pair for seed in range(20) for run in pairs_of(*swaps, spec=t5, seed=seed) for pair in run}
    assert drawn == {(first, first + 1) for first in range(1, 11) if not {first, first + 1} & {3, 4, 7, 8}}


def test_layers_that_no_two_others_are_as_far_apart_as_are_held_against_none():
    assert pairs_of(Intervention("layer", "swap", 0, other=11)) == []
    assert pairs_of(Intervention("layer", "swap", 11, other=0)) == []
    assert pairs_of(Intervention("layer", "swap", 0, other=10)) == [[(1, 11)]]


def test_two_swaps_are_held_against_two_that_share_no_layer():
    one, two = Intervention("layer", "swap", 3, other=4), Intervention("layer", "swap", 5, other=6)
    for seed in range(20):
        found = pairs_of(one, two, seed=seed)
        assert found
        for first, second in found:
            assert len({*first, *second} - {3, 4, 5, 6}) == 4


def test_a_run_in_which_layers_come_back_to_their_places_is_no_baseline():
    one, two = Intervention("layer", "swap", 0, other=1), Intervention("layer", "swap", 1, other=2)
    four, five = (replace(TALL, stacks=(Stack("dec", layers, True),)) for layers in (4, 5))
    assert pairs_of(one, two, spec=four) == []  # no two others are left
    for seed in range(20):
        assert all(first != second for first, second in pairs_of(one, two, spec=TALL, seed=seed))
    assert pairs_of(one, one, spec=five) == []
    assert pairs_of(one, replace(one, layer=3, other=4), spec=five) == []


def test_a_patch_out_of_the_run_itself_is_held_against_nothing():
    assert runs(Intervention("resid_post", "patch", 1, sources=(Run("m", "the text"),))) == ()
    assert (
        baseline(Run("m", "a", interventions=(Intervention("z", "patch", 1, sources=(Run("m", "a"),)),)), TALL) is None
    )


def test_shuffled_rows_are_held_against_other_orders_and_seeds_begin_anew_after_the_last():
    shuffle = Intervention("embedding", "shuffle", seed=3)
    assert [run.interventions[0].seed for run in runs(shuffle)] == [4, 5, 6, 7, 8, 9]
    last = [run.interventions[0].seed for run in runs(replace(shuffle, seed=999_999_998))]
    assert last == [999_999_999, 0, 1, 2, 3, 4]


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    ("site", "op"),
    [(site, "drop") for site in PLACES if PLACES[site].whole and PLACES[site].layered] + [("pattern", "average")],
)
def test_a_part_of_a_layer_that_is_left_out_is_held_against_that_of_other_layers(kind, site, op):
    spec = tiny_engine(kind).spec
    made = Intervention(site, op, 1)
    found = baseline(Run("m", "the text", interventions=(made,)), spec)
    assert found is not None
    assert [run.interventions for run in found.runs] == [
        (replace(made, layer=layer),) for layer in range(spec.layers) if layer != 1
    ]
    for run in found.runs:
        check(run.interventions, spec, 5)


def test_heads_of_one_key_value_head_that_are_averaged_are_held_against_those_of_the_others():
    for layer in (1, None):
        (run,) = runs(Intervention("pattern", "average", layer, kv=1))
        assert run.interventions == (Intervention("pattern", "average", layer, kv=0),)


WITHOUT_LAYER = [
    Intervention("positions", "zero"),
    Intervention("mask", "drop"),
    Intervention("final_norm", "drop"),
    *(Intervention(site, op) for site, place in PLACES.items() for op in place.of_all if op not in SEEDED),
]


@pytest.mark.parametrize("made", WITHOUT_LAYER)
def test_what_there_is_once_is_held_against_nothing_and_stays_beside_what_is(made):
    assert runs(made) == ()
    both = runs(made, Intervention("z", "zero", 1, head=2))
    assert [run.interventions[0] for run in both] == [made] * 3
    assert [run.interventions[1].head for run in both] == [0, 1, 3]


def test_without_a_change_there_is_no_baseline():
    assert runs() == ()


def test_a_baseline_is_named_in_words():
    spec = tiny_engine("llama").spec
    asked = (
        Intervention("z", "zero", 1, head=2),
        Intervention("resid_post", "patch", 1, sources=(OTHER,)),
        Intervention("positions", "zero"),
    )
    found = baseline(Run("m", "the text", interventions=asked), spec)
    assert found is not None
    assert held_against(found) == (
        "the same at other heads of layer 1: 0, 1, 3; B patched into itself instead, which changes nothing"
    )


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (Intervention("layer", "drop", 1), "the same in other layers: 0, 2"),
        (Intervention("attn_skip", "drop", 0), "the same in other layers: 1, 2"),
        (Intervention("embedding", "shuffle"), "rows shuffled into other orders: seeds 1, 2, 3, 4, 5, 6"),
        (Intervention("z", "noise", 1, amount=1.0), "other noise of the same size: seeds 1, 2, 3, 4, 5, 6"),
        (
            Intervention("attn_out", "dropout", amount=0.1, seed=2),
            "the same dropout of other numbers: seeds 3, 4, 5, 6, 7, 8",
        ),
        (Intervention("pattern", "dropout", head=0, amount=0.1), "the same at other heads of every layer: 1, 2, 3"),
        (Intervention("pattern", "dropout", 1, head=0, amount=0.1), "the same at other heads of layer 1: 1, 2, 3"),
        (Intervention("pattern", "dropout", kv=0, amount=0.1), "the same at other key/value heads of every layer: 1"),
        (Intervention("pattern", "average", 1, kv=0), "the same at other key/value heads of layer 1: 1"),
        (Intervention("pattern", "average", kv=0), "the same at other key/value heads of every layer: 1"),
    ],
)
def test_what_a_change_of_the_architecture_is_held_against_is_said(made, said):
    found = baseline(Run("m", "the text", interventions=(made,)), tiny_engine("llama").spec)
    assert found is not None
    assert held_against(found) == said


def test_layers_that_are_swapped_in_place_of_these_are_said():
    swap = Intervention("layer", "swap", 1, other=0)
    found = baseline(Run("m", "the text", interventions=(swap,)), replace(TALL, stacks=(Stack("dec", 5, True),)))
    assert found is not None
    assert held_against(found) == "other layers as far apart, swapped: 2 ↔ 3, 3 ↔ 4"
