"""Changes as data: what each of them reaches, every link is read as it was written, texts find their model."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.interventions import (
    LONGEST,
    MASK,
    MOST,
    OF_VALUES,
    OPS,
    PLACES,
    POSITIONS,
    Change,
    at,
    in_every_layer,
    numbers,
    of,
    of_itself,
    place,
    read,
    stepwise,
    swapped,
    written,
)
from anatomy.request import Intervention, Run
from anatomy.sites import SITES
from tests.anatomy.changes import changes

TOKENS = 5
OTHER = Run("small@1/float32", "another text")
ZERO = Intervention("z", "zero", 1)


def test_every_place_is_a_site_of_a_layer_or_a_part_of_the_architecture():
    for name, known in PLACES.items():
        assert known.site == name
        assert known.ops
        assert set(known.ops) <= set(OPS)
        assert set(known.of_all) <= set(known.ops)
        assert set(known.by) <= {"head", "kv", "neuron"}
        assert known.whole == (name not in SITES)
        assert known.wide == (name in SITES and SITES[name].axes[-1] == "d_model")
        assert known.layered or not (known.by or known.of_all)
    parts = {site: known.ops for site, known in PLACES.items() if known.whole}
    assert {site for site, ops in parts.items() if "drop" in ops} == {*parts} - {POSITIONS, "embedding"}
    assert {op for ops in parts.values() for op in ops} == {"zero", "add", "drop", "swap", "shuffle"}


def test_the_values_of_a_site_are_changed_in_the_same_ways_and_weights_are_never_added_to():
    for name, known in PLACES.items():
        if not known.whole:
            assert known.ops == OF_VALUES or name == "pattern"
            assert SITES[name].axes[-1] in ("d_model", "d_head", "d_ff", "src")
    assert {*PLACES["pattern"].ops} == {*OF_VALUES, "average"} - {"add"}


def test_a_token_stands_where_the_changes_put_it_and_the_ends_of_the_text_are_among_them():
    on, zero = Intervention(POSITIONS, "add", amount=9.0), Intervention(POSITIONS, "zero")
    other = Intervention("z", "zero", 1)
    assert [place((other,), token) for token in (0, 4)] == [0, 4]
    assert [place((on, other, on), token) for token in (0, 4)] == [18, 22]
    assert [place((on, zero), token) for token in (0, 4)] == [0, 0]
    assert [place((zero, on), token) for token in (0, 4)] == [9, 9]
    for asked in ((), (on,), (zero,), (on, zero), (zero, on)):
        assert numbers(asked, TOKENS) == (place(asked, 0), place(asked, TOKENS - 1))


def test_the_stream_that_leaves_a_layer_is_the_one_that_enters_the_next():
    leaves, enters = Intervention("resid_post", "zero", 1), Intervention("resid_pre", "mean", 2)
    asked = (leaves, enters, Intervention("ffn_out", "zero", 1))
    assert at(asked, "resid_post", 1) == at(asked, "resid_pre", 2) == (leaves, enters)
    assert at(asked, "ffn_out", 1) == asked[2:]
    assert at(asked, "resid_post", 2) == at(asked, "ffn_out", 2) == at(asked, "resid_mid", 1) == ()


def test_a_part_that_is_left_out_is_left_out_of_what_it_makes():
    layer, norm = Intervention("layer", "drop", 1), Intervention("attn_norm", "drop", 1)
    before, after = Intervention("attn_skip", "drop", 1), Intervention("ffn_skip", "drop", 1)
    asked = (layer, norm, before, after, Intervention("layer", "swap", 1, other=2))
    assert at(asked, "attn_out", 1) == at(asked, "ffn_out", 1) == (layer,)
    assert at(asked, "resid_mid", 1) == (before,)
    assert at(asked, "resid_post", 1) == at(asked, "resid_pre", 2) == (after,)
    assert at(asked, "attn_norm", 1) == (norm,)
    assert at(asked, "layer", 1) == (layer, asked[-1])
    elsewhere = (("attn_out", 0), ("resid_mid", 2), ("resid_post", 2), ("resid_pre", 1), ("ffn_norm", 1), ("z", 1))
    assert not any(at(asked, *place) for place in elsewhere)


def test_a_change_that_names_no_layer_is_one_of_every_layer_or_of_none():
    every = [
        Intervention("attn_norm", "drop"),
        Intervention("attn_skip", "drop"),
        Intervention("ffn_skip", "drop"),
        Intervention("pattern", "average"),
        Intervention("ffn_out", "dropout", amount=0.1),
    ]
    alone = [
        Intervention(MASK, "drop"),
        Intervention("final_norm", "drop"),
        Intervention("embedding", "shuffle", seed=3),
        Intervention(POSITIONS, "zero"),
    ]
    assert [in_every_layer(one) for one in (*every, *alone)] == [True] * 5 + [False] * 4
    assert not in_every_layer(Intervention("attn_norm", "drop", 0))
    asked = (*every, *alone)
    for layer in (0, 7):
        assert at(asked, "attn_norm", layer) == (every[0],)
        assert at(asked, "resid_mid", layer) == (every[1],)
        assert at(asked, "resid_post", layer) == at(asked, "resid_pre", layer + 1) == (every[2],)
        assert at(asked, "pattern", layer) == (every[3],)
        assert at(asked, "ffn_out", layer) == (every[4],)
        assert not any(at(asked, one.site, layer) for one in alone)
    assert at(asked, "resid_pre", 0) == ()
    assert [at(asked, one.site, None) for one in alone] == [(one,) for one in alone]


def test_layers_that_are_swapped_run_in_each_other_s_place_and_go_by_their_places_from_then_on():
    first, second = Intervention("layer", "swap", 1, other=3), Intervention("layer", "swap", 3, other=0)
    assert swapped(()) == swapped((ZERO, Intervention("layer", "drop", 1))) == {}
    assert swapped((first,)) == {1: 3, 3: 1}
    assert swapped((first, ZERO, second)) == {1: 3, 3: 0, 0: 1}  # what stood at place 3 by then was layer 1
    assert swapped((second, first)) == {3: 1, 0: 3, 1: 0}
    back = swapped((first, first))
    assert all(running == place for place, running in back.items())


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda pair: pair[0] != pair[1]), max_size=8))
def test_however_layers_are_swapped_each_runs_once(pairs):
    order = list(range(6))
    for a, b in pairs:
        order[a], order[b] = order[b], order[a]
    running = swapped(Intervention("layer", "swap", a, other=b) for a, b in pairs)
    assert [running.get(place, place) for place in range(6)] == order


def test_a_text_goes_on_token_by_token_where_each_is_changed_by_itself():
    alone = (
        Intervention(POSITIONS, "add", amount=9.0),
        Intervention("z", "zero", 1),
        Intervention("q", "scale", 1),
        Intervention("layer", "drop", 1),
        Intervention("layer", "swap", 1, other=2),
        Intervention("ffn_norm", "drop"),
        Intervention("attn_skip", "drop", 1),
        Intervention("final_norm", "drop"),
        Intervention("embedding", "shuffle"),
    )
    assert stepwise(())
    assert stepwise(alone)
    for one in (
        Intervention("pattern", "scale", 1, amount=2.0),
        Intervention("pattern", "average"),
        Intervention(MASK, "drop"),
        Intervention("z", "zero", 1, pos=3),
        Intervention("v", "mean", 1),
        Intervention("ffn_out", "noise", 1, amount=0.5),
        Intervention("ffn_out", "dropout", amount=0.5),
        Intervention("resid_mid", "patch", 1, sources=(OTHER,)),
    ):
        assert not stepwise((*alone, one))
    assert [of_itself(one) for one in alone] == [False] + [True] * 8
    assert not of_itself(Intervention("pattern", "average", 1))


@given(changes.filter(bool))
def test_a_link_is_read_as_it_was_written(made):
    assert read(written(made)) == made


def test_a_link_is_short_and_says_what_is_changed():
    zero = Change(Intervention("z", "zero", 18, head=6))
    twice = Change(Intervention("act", "scale", 3, neuron=55, amount=2.0), on=False)
    mean = Change(Intervention("attn_out", "mean", 0, sources=(Run("", "a b"), Run("", "c!"))))
    link = "z.zero.layer18.head6 off.act.scale.layer3.neuron55.amount2 attn_out.mean.layer0!a%20b!c%21"
    assert written((zero, twice, mean)) == link
    assert read(link) == (zero, twice, mean)


def test_a_link_names_the_parts_of_the_architecture_as_it_names_values():
    parts = (
        Intervention("layer", "swap", 0, other=12),
        Intervention("attn_norm", "drop"),
        Intervention("ffn_skip", "drop", 3),
        Intervention("mask", "drop"),
        Intervention("embedding", "shuffle", seed=7),
        Intervention("pattern", "average", 2, kv=1),
        Intervention("attn_out", "dropout", amount=0.1, seed=3),
    )
    link = (
        "layer.swap.layer0.other12 attn_norm.drop ffn_skip.drop.layer3 mask.drop embedding.shuffle.seed7 "
        "pattern.average.layer2.kv1 attn_out.dropout.amount0.1.seed3"
    )
    assert written(map(Change, parts)) == link
    assert read(link) == tuple(map(Change, parts))


@pytest.mark.parametrize(
    "link",
    ["", " ", "z", "z.", "z.zero.", "z.fly", "nowhere.zero", "pattern.add.layer0", "positions.mean", "z.zero.layer",
     "z.zero.layerx", "z.zero.layer1.5", "z.zero.layer1.layer2", "z.zero.site3", "z.zero.wing3", "Z.zero", "on.z.zero",
     "z.average.layer1", "layer.swap.layer1.other", "layer.swap.layer1.other2.other3", "layer.zero.layer1", "mask.swap",
     "attn-norm.drop", "z.zero.layer٣", "z.zero.layer1234567890", "z.scale.amountnan", "z.scale.amount1e3", "z.zero z",
     "off.off.z.zero", " ".join(["z.zero"] * (MOST + 1)), "z.patch.layer0!" + "a" * LONGEST],
)  # fmt: skip
def test_a_link_that_names_no_change_is_read_as_none(link):
    assert read(link) is None


@given(st.text(alphabet="z.eroptacmlyhdgkv!% 0123456789-", max_size=60))
def test_whatever_stands_in_a_link_is_read_or_none(link):
    found = read(link)
    assert found is None or read(written(found)) == found


def test_as_many_changes_as_a_link_may_hold_are_read():
    most = tuple(Change(Intervention("z", "zero", layer)) for layer in range(MOST))
    assert read(written(most)) == most


def test_the_numbers_of_the_first_and_the_last_token_follow_the_changes_in_order():
    add, zero = Intervention(POSITIONS, "add", amount=3), Intervention(POSITIONS, "zero")
    assert numbers([], 5) == (0, 4)
    assert numbers([], 0) == (0, 0)
    assert numbers([add, ZERO, add], 5) == (6, 10)
    assert numbers([add, zero], 5) == (0, 0)
    assert numbers([zero, add], 5) == (3, 3)


def test_sources_of_a_link_are_runs_of_the_runs_own_model_and_a_patch_comes_from_the_other_run():
    run, other = Run("m@1/float32", "b"), Run("m@1/float32", "a", tail=(7,))
    patch, mean = Intervention("z", "patch", 0), Intervention("z", "mean", 0, sources=(Run("", "c"),))
    assert of(run, [patch, mean, ZERO], other) == (
        replace(patch, sources=(other,)),
        replace(mean, sources=(Run(run.model, "c"),)),
        ZERO,
    )
    assert of(run, [patch]) == (patch,)
    named = replace(patch, sources=(Run("n@1/float32", "d"),))
    assert of(run, [named], other) == (named,)
