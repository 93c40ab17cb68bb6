"""What a changed run is held against: others of the same layer, as many as there are up to six, the same each time."""

import pytest

from anatomy.baselines import COUNT, baseline
from anatomy.request import Intervention, Run
from tests.models.tiny import new_tiny_engine
from viz.what_if import held_against

OTHER = Run("m", "another text")


def runs(*interventions: Intervention, seed: int = 0) -> tuple[Run, ...]:
    spec = new_tiny_engine("llama").spec
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
    for run in runs(*pair):
        assert {one.head for one in run.interventions} <= {1, 3}


@pytest.mark.parametrize("site", ["attn_out", "ffn_out", "resid_mid"])
def test_a_whole_part_is_held_against_that_of_other_layers(site):
    assert sorted(run.interventions[0].layer or 0 for run in runs(Intervention(site, "zero", 1))) == [0, 2]


def test_a_direction_is_held_against_random_ones_and_noise_against_other_noise():
    added = runs(Intervention("resid_post", "add", 1, amount=2.0, token=5))
    assert len({run.interventions[0].random for run in added}) == COUNT
    assert {(run.interventions[0].token, run.interventions[0].amount) for run in added} == {(5, 2.0)}
    noise = runs(Intervention("resid_post", "noise", 1, amount=2.0, seed=3))
    assert sorted(run.interventions[0].seed for run in noise) == [4, 5, 6, 7, 8, 9]


def test_a_patch_is_held_against_the_run_itself_as_far_as_it_is_changed_by_then():
    head, patch = Intervention("z", "zero", 0, head=1), Intervention("resid_post", "patch", 1, sources=(OTHER,))
    (run,) = runs(patch)
    assert run.interventions[0].sources == (Run("m", "the text"),)
    for run in runs(head, patch):
        assert run.interventions[1].sources == (Run("m", "the text", interventions=run.interventions[:1]),)


def test_without_a_change_or_others_there_is_no_baseline():
    assert runs() == ()
    assert runs(Intervention("positions", "zero")) == ()


def test_a_baseline_is_named_in_words():
    spec = new_tiny_engine("llama").spec
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
