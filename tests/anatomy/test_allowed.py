"""What one model allows to be changed: all that there is at each place, and all else is refused with a reason."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.allowed import SEEDED, check
from anatomy.interventions import MASK, PLACES, POSITIONS, SOURCES
from anatomy.refused import Refused
from anatomy.request import Intervention, Run
from anatomy.spec import LearnedPositions, RelativeBias, Stack
from tests.anatomy.changes import interventions
from tests.anatomy.spec import SPEC, spec

TOKENS = 5
OTHER = Run(SPEC.id, "another text")
ZERO = Intervention("z", "zero", 1)
SWAP = Intervention("layer", "swap", 1, other=2)
AVERAGE = Intervention("pattern", "average", 1)
REFUSED = [
    (replace(ZERO, site="nowhere"), "Nothing can be changed at “nowhere”. Places are: pattern, q, k,"),
    (Intervention("pattern", "add", 1), "“add” cannot be done at “pattern”. What can is: zero, mean, average, scale"),
    (replace(ZERO, op="average"), "“average” cannot be done at “z”. What can is: zero, mean, scale, add, noise,"),
    (Intervention("layer", "zero", 1), "“zero” cannot be done at “layer”. What can is: drop, swap."),
    (replace(ZERO, layer=None), "Say in which layer “z” is to be changed: small has layers 0 to 2."),
    (Intervention("layer", "drop"), "Say which layer is to be changed: small has layers 0 to 2."),
    (replace(SWAP, layer=None), "Say which layer is to be changed: small has layers 0 to 2."),
    (Intervention("pattern", "zero"), "Say in which layer “pattern” is to be changed"),
    (replace(ZERO, layer=3), "small has layers 0 to 2, not 3: no part of that layer can be changed."),
    (replace(ZERO, layer=-1), "small has layers 0 to 2, not -1: no part of that layer can be changed."),
    (Intervention("attn_norm", "drop", 3), "small has layers 0 to 2, not 3: no part of that layer can be changed."),
    (Intervention("k", "zero", 1, head=3), "head 3 reads key/value head 1, so say kv=1."),
    (replace(ZERO, head=1, kv=0), "Say head or kv, not both: a key/value head means all query heads that read it."),
    (replace(ZERO, neuron=1), "“z” is not cut into parts called “neuron”: leave neuron=1 out."),
    (Intervention("ffn_out", "zero", 1, head=2), "“ffn_out” is not cut into parts called “head”: leave head=2 out."),
    (Intervention("layer", "drop", 1, head=2), "“layer” is not cut into parts called “head”: leave head=2 out."),
    (Intervention("ffn_norm", "drop", 1, neuron=2), "“ffn_norm” is not cut into parts called “neuron”: leave"),
    (replace(ZERO, head=4), "small has head 0 to 3, not 4."),
    (replace(ZERO, kv=2), "small has kv 0 to 1, not 2."),
    (replace(AVERAGE, kv=2), "small has kv 0 to 1, not 2."),
    (replace(AVERAGE, head=1), "The average is that of several heads: of all, or of those that read one key"),
    (Intervention("act", "zero", 1, neuron=12), "small has neuron 0 to 11, not 12."),
    (replace(ZERO, pos=5), "This text has positions 0 to 4, not 5: choose another token for the change."),
    (
        replace(ZERO, op="scale", amount=float("nan")),
        "The amount of a change has to be a number between −1,000,000,000 and 1,000,000,000.",
    ),
    (replace(ZERO, amount=2.0), "“zero” is never more or less: leave the amount out."),
    (Intervention("mask", "drop", amount=0.5), "“drop” is never more or less: leave the amount out."),
    (replace(ZERO, seed=2), "“zero” draws no random numbers: leave the seed out."),
    (replace(SWAP, seed=2), "“swap” draws no random numbers: leave the seed out."),
    (replace(ZERO, op="noise", amount=1.0, seed=-1), "A seed is a whole number from 0 to 999,999,999."),
    *(
        (Intervention("z", "dropout", 1, amount=amount), f"is set to 0: say 0 or more and less than 1, not {said}.")
        for amount, said in ((1.0, "1"), (1.5, "1.5"), (-0.25, "-0.25"))
    ),
    (Intervention("z", "dropout", amount=0.1), "Say in which layer “z” is to be changed: small has layers 0 to 2."),
    (Intervention("mask", "dropout", amount=0.1), "“dropout” cannot be done at “mask”. What can is: drop."),
    (Intervention("z", "dropout", 1, amount=0.1, seed=-1), "A seed is a whole number from 0 to 999,999,999."),
    (Intervention("z", "dropout", 1, amount=0.1, sources=(OTHER,)), "“dropout” takes nothing out of other runs"),
    (Intervention("embedding", "shuffle", seed=10**9), "A seed is a whole number from 0 to 999,999,999."),
    (replace(ZERO, op="patch"), "A patch comes out of one other run: say which, as its source."),
    (replace(ZERO, op="patch", sources=(OTHER, OTHER)), "A patch comes out of one other run: say which"),
    (replace(ZERO, op="mean", sources=(OTHER,) * (SOURCES + 1)), "A mean is taken over at most 8 texts."),
    (replace(ZERO, sources=(OTHER,)), "“zero” takes nothing out of other runs: leave their source out."),
    (replace(AVERAGE, sources=(OTHER,)), "“average” takes nothing out of other runs: leave their source out."),
    (replace(ZERO, token=1), "“zero” goes towards no token: leave the token out."),
    (replace(ZERO, random=1), "A random direction is one that is added, and its seed a whole number of 0 or more."),
    (replace(ZERO, op="add", amount=1.0), "Say which direction is added: that of a token, or towards the mean of one"),
    (replace(ZERO, op="add", token=1, sources=(OTHER,)), "Say which direction is added: that of a token, or towards"),
    (replace(ZERO, op="add", token=1), "A token's direction is as wide as the stream, “z” is not: add towards another"),
    (Intervention("resid_mid", "add", 1, token=50), "small has tokens 0 to 49, not 50."),
    (Intervention(POSITIONS, "add", amount=0.5), "Tokens are moved by a whole number of positions."),
    (Intervention(POSITIONS, "add", amount=60), "at positions 60 to 64; small has 0 to 63: add less."),
    (Intervention(POSITIONS, "add", amount=-1), "at positions −1 to 3; small has 0 to 63: add less."),
    (replace(SWAP, other=None), "Two layers are swapped: say which other one, besides layer 1."),
    (replace(SWAP, other=1), "Two layers are swapped: say which other one, besides layer 1."),
    (replace(SWAP, other=3), "small has layers 0 to 2, not 3: it cannot be swapped with one that is not there."),
    (replace(SWAP, other=-1), "small has layers 0 to 2, not -1: it cannot be swapped with one that is not there."),
    (replace(ZERO, other=2), "“zero” is about one layer: leave the other one out."),
    (Intervention("layer", "drop", 1, other=2), "“drop” is about one layer: leave the other one out."),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), REFUSED)
def test_what_cannot_be_done_is_told_with_what_can(change, said):
    with pytest.raises(Refused) as refused:
        check([ZERO, change], SPEC, TOKENS)
    assert said in str(refused.value)


@pytest.mark.parametrize("site", [site for site, place in PLACES.items() if not place.layered])
def test_what_is_no_part_of_one_layer_names_none(site):
    said = f"“{site}” is no part of one layer: leave layer 1 out of the change."
    with pytest.raises(Refused, match=said):
        check([Intervention(site, PLACES[site].ops[0], 1)], SPEC, TOKENS)


@pytest.mark.parametrize("site", [site for site, place in PLACES.items() if place.whole])
def test_what_is_changed_for_the_whole_text_names_no_position_token_or_other_run(site):
    place = PLACES[site]
    made = Intervention(site, place.ops[0], 1 if place.layered else None)
    check([made], SPEC, TOKENS)
    with pytest.raises(Refused, match=f"“{site}” is changed for the whole text: leave the position out."):
        check([replace(made, pos=1)], SPEC, TOKENS)
    for more in ({"sources": (OTHER,)}, {"token": 1}, {"random": 1}):
        with pytest.raises(Refused, match=f"“{site}” goes towards no token and takes nothing out of other runs."):
            check([replace(made, **more)], SPEC, TOKENS)


def test_all_changes_of_a_run_together_take_something_out_of_so_many_texts():
    patches = [Intervention("z", "patch", 1, sources=(replace(OTHER, text=str(n)),)) for n in range(SOURCES + 1)]
    check(patches[1:], SPEC, TOKENS)
    with pytest.raises(Refused, match="The changes of a run take something out of at most 8 other texts"):
        check(patches, SPEC, TOKENS)


WITHOUT_FINAL_NORM = replace(SPEC.paths, final_norm=None)
LACKING = [
    ({"head": None}, Intervention("attn_out", "add", 1, token=1), "This model has no output layer, so no token has"),
    ({"position": None}, Intervention(POSITIONS, "zero"), "gives its tokens no position numbers"),
    ({"position": RelativeBias(32, 128, True)}, Intervention(POSITIONS, "zero"), "no position numbers"),
    ({"stacks": (Stack("enc", 3, False),)}, Intervention(MASK, "drop"), "This model has no causal mask: each token"),
    ({"paths": WITHOUT_FINAL_NORM}, Intervention("final_norm", "drop"), "its own norm: there is no final norm to"),
    ({"position": RelativeBias(32, 128, True)}, replace(SWAP, layer=0), "Layer 0 of this model makes the position"),
    ({"position": RelativeBias(32, 128, True)}, replace(SWAP, other=0), "Layer 0 of this model makes the position"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "change", "said"), LACKING)
def test_what_this_model_lacks_cannot_be_changed(facts, change, said):
    with pytest.raises(Refused, match=said):
        check([change], spec(**facts), TOKENS)


def test_layers_that_make_no_bias_for_others_are_swapped_whatever_the_positions():
    check([SWAP], spec(position=RelativeBias(32, 128, True)), TOKENS)
    check([replace(SWAP, layer=0)], SPEC, TOKENS)
    check([SWAP, replace(SWAP, layer=0)], SPEC, TOKENS)


@pytest.mark.parametrize("site", PLACES)
def test_all_that_a_place_allows_passes(site):
    place = PLACES[site]
    need = {"patch": {"sources": (OTHER,)}, "add": {"sources": (OTHER,), "amount": 1.0}, "swap": {"other": 0}}
    if site == POSITIONS:
        need = {"add": {"amount": 3.0}}
    layer, pos = 2 if place.layered else None, None if place.whole else 4
    for op in place.ops:
        for part in (None, *place.by):
            one = {} if part is None or (op, part) == ("average", "head") else {part: 1}
            check([Intervention(site, op, layer, pos=pos, **one, **need.get(op, {}))], SPEC, TOKENS)
        if op in SEEDED:
            check([Intervention(site, op, layer, seed=999_999_999)], SPEC, TOKENS)
    for op in place.of_all:
        check([Intervention(site, op)], SPEC, TOKENS)
    if place.wide:
        check([Intervention(site, "add", 0, token=49, amount=-2.5)], SPEC, TOKENS)


@given(interventions(), st.integers(0, 2), st.integers(0, TOKENS))
def test_whatever_a_link_holds_is_taken_or_refused_with_a_sentence(made, layer, pos):
    near = replace(made, layer=made.layer and layer, pos=made.pos and pos, other=made.other and layer)
    plain = Intervention(near.site, near.op, near.layer, pos=near.pos, other=near.other, sources=near.sources)
    for one in (made, near, plain):
        with suppress(Refused):
            check([one], SPEC, TOKENS)
            place = PLACES[one.site]
            assert one.op in place.ops
            layers = {0, 1, 2} if place.layered else {None}
            assert one.layer in layers or (one.layer is None and one.op in place.of_all)


@pytest.mark.parametrize("position", [SPEC.position, LearnedPositions(64)])
def test_positions_move_as_far_as_the_model_has_them(position):
    model = spec(position=position)
    check([Intervention(POSITIONS, "add", amount=59)], model, TOKENS)
    check([Intervention(POSITIONS, "add", amount=70), Intervention(POSITIONS, "add", amount=-20)], model, TOKENS)
    check([Intervention(POSITIONS, "zero"), Intervention(POSITIONS, "add", amount=63)], model, TOKENS)
    with pytest.raises(Refused, match="at positions 64 to 64"):
        check([Intervention(POSITIONS, "zero"), Intervention(POSITIONS, "add", amount=64)], model, TOKENS)
