"""Changes as data: every link is read as it was written, what cannot be done is told why, texts find their model."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.interventions import (
    LONGEST,
    MOST,
    OPS,
    PLACES,
    POSITIONS,
    SOURCES,
    Change,
    at,
    check,
    numbers,
    of,
    of_itself,
    place,
    read,
    stepwise,
    written,
)
from anatomy.refused import Refused
from anatomy.request import Intervention, Run
from anatomy.sites import SITES
from anatomy.spec import LearnedPositions, RelativeBias
from tests.anatomy.changes import changes
from tests.anatomy.spec import SPEC, spec

TOKENS = 5
OTHER = Run(SPEC.id, "another text")


def test_every_place_is_a_site_of_a_layer_or_the_positions():
    for name, known in PLACES.items():
        assert known.site == name
        assert known.ops
        assert set(known.ops) <= set(OPS)
        assert set(known.by) <= {"head", "kv", "neuron"}
        assert name == POSITIONS or SITES[name].axes[-1] in ("d_model", "d_head", "d_ff", "src")
        assert known.wide == (name != POSITIONS and SITES[name].axes[-1] == "d_model")


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


def test_a_text_goes_on_token_by_token_where_each_is_changed_by_itself():
    alone = (Intervention(POSITIONS, "add", amount=9.0), Intervention("z", "zero", 1), Intervention("q", "scale", 1))
    assert stepwise(())
    assert stepwise(alone)
    for one in (
        Intervention("pattern", "scale", 1, amount=2.0),
        Intervention("z", "zero", 1, pos=3),
        Intervention("v", "mean", 1),
        Intervention("ffn_out", "noise", 1, amount=0.5),
        Intervention("resid_mid", "patch", 1, sources=(OTHER,)),
    ):
        assert not stepwise((*alone, one))
    assert [of_itself(one) for one in alone] == [False, True, True]


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


@pytest.mark.parametrize(
    "link",
    ["", " ", "z", "z.", "z.zero.", "z.fly", "nowhere.zero", "pattern.add.layer0", "positions.mean", "z.zero.layer",
     "z.zero.layerx", "z.zero.layer1.5", "z.zero.layer1.layer2", "z.zero.site3", "z.zero.wing3", "Z.zero", "on.z.zero",
     "z.zero.layer٣", "z.zero.layer1234567890", "z.scale.amountnan", "z.scale.amount1e3", "z.zero z", "off.off.z.zero",
     " ".join(["z.zero"] * (MOST + 1)), "z.patch.layer0!" + "a" * LONGEST],
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


ZERO = Intervention("z", "zero", 1)
REFUSED = [
    (replace(ZERO, site="nowhere"), "Nothing can be changed at “nowhere”. Places are: pattern, q, k,"),
    (Intervention("pattern", "add", 1), "“add” cannot be done at “pattern”. What can is: zero, mean, scale"),
    (replace(ZERO, layer=None), "Say in which layer “z” is to be changed: small has layers 0 to 2."),
    (replace(ZERO, layer=3), "small has layers 0 to 2, not 3: no part of that layer can be changed."),
    (replace(ZERO, layer=-1), "small has layers 0 to 2, not -1: no part of that layer can be changed."),
    (Intervention("k", "zero", 1, head=3), "head 3 reads key/value head 1, so say kv=1."),
    (replace(ZERO, head=1, kv=0), "Say head or kv, not both: a key/value head means all query heads that read it."),
    (replace(ZERO, neuron=1), "“z” is not cut into parts called “neuron”: leave neuron=1 out."),
    (Intervention("ffn_out", "zero", 1, head=2), "“ffn_out” is not cut into parts called “head”: leave head=2 out."),
    (replace(ZERO, head=4), "small has head 0 to 3, not 4."),
    (replace(ZERO, kv=2), "small has kv 0 to 1, not 2."),
    (Intervention("act", "zero", 1, neuron=12), "small has neuron 0 to 11, not 12."),
    (replace(ZERO, pos=5), "This text has positions 0 to 4, not 5: choose another token for the change."),
    (
        replace(ZERO, op="scale", amount=float("nan")),
        "The amount of a change has to be a number between −1,000,000,000 and 1,000,000,000.",
    ),
    (replace(ZERO, op="noise", amount=1.0, seed=-1), "A seed is a whole number from 0 to 999,999,999."),
    (replace(ZERO, op="patch"), "A patch comes out of one other run: say which, as its source."),
    (replace(ZERO, op="patch", sources=(OTHER, OTHER)), "A patch comes out of one other run: say which"),
    (replace(ZERO, op="mean", sources=(OTHER,) * (SOURCES + 1)), "A mean is taken over at most 8 texts."),
    (replace(ZERO, sources=(OTHER,)), "“zero” takes nothing out of other runs: leave their source out."),
    (replace(ZERO, token=1), "“zero” goes towards no token: leave the token out."),
    (replace(ZERO, op="add", amount=1.0), "Say which direction is added: that of a token, or towards the mean of one"),
    (replace(ZERO, op="add", token=1, sources=(OTHER,)), "Say which direction is added: that of a token, or towards"),
    (replace(ZERO, op="add", token=1), "A token's direction is as wide as the stream, “z” is not: add towards another"),
    (Intervention("resid_mid", "add", 1, token=50), "small has tokens 0 to 49, not 50."),
    (Intervention(POSITIONS, "add", 1), "Position numbers are the same in every layer: leave layer 1 out"),
    (Intervention(POSITIONS, "add", pos=1), "Position numbers are changed for the whole text: say nothing but by how"),
    (Intervention(POSITIONS, "zero", token=1), "Position numbers are changed for the whole text"),
    (Intervention(POSITIONS, "add", sources=(OTHER,)), "Position numbers are changed for the whole text"),
    (Intervention(POSITIONS, "add", amount=0.5), "Tokens are moved by a whole number of positions."),
    (Intervention(POSITIONS, "add", amount=60), "at positions 60 to 64; small has 0 to 63: add less."),
    (Intervention(POSITIONS, "add", amount=-1), "at positions −1 to 3; small has 0 to 63: add less."),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), REFUSED)
def test_what_cannot_be_done_is_told_with_what_can(change, said):
    with pytest.raises(Refused) as refused:
        check([ZERO, change], SPEC, TOKENS)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("facts", "change", "said"),
    [
        (
            {"head": None},
            Intervention("attn_out", "add", 1, token=1),
            "This model has no output layer, so no token has",
        ),
        ({"position": None}, Intervention(POSITIONS, "zero"), "gives its tokens no position numbers"),
        ({"position": RelativeBias(32, 128, True)}, Intervention(POSITIONS, "zero"), "no position numbers"),
    ],
)
def test_what_this_model_lacks_cannot_be_changed(facts, change, said):
    with pytest.raises(Refused, match=said):
        check([change], spec(**facts), TOKENS)


@pytest.mark.parametrize("site", [site for site in PLACES if site != POSITIONS])
def test_all_that_a_place_allows_passes(site):
    place = PLACES[site]
    need = {"patch": {"sources": (OTHER,)}, "add": {"sources": (OTHER,), "amount": 1.0}}
    for op in place.ops:
        for part in (None, *place.by):
            one = {} if part is None else {part: 1}
            check([Intervention(site, op, 2, pos=4, **one, **need.get(op, {}))], SPEC, TOKENS)
    if place.wide:
        check([Intervention(site, "add", 0, token=49, amount=-2.5)], SPEC, TOKENS)


@pytest.mark.parametrize("position", [SPEC.position, LearnedPositions(64)])
def test_positions_move_as_far_as_the_model_has_them(position):
    model = spec(position=position)
    check([Intervention(POSITIONS, "add", amount=59)], model, TOKENS)
    check([Intervention(POSITIONS, "add", amount=70), Intervention(POSITIONS, "add", amount=-20)], model, TOKENS)
    check([Intervention(POSITIONS, "zero"), Intervention(POSITIONS, "add", amount=63)], model, TOKENS)
    with pytest.raises(Refused, match="at positions 64 to 64"):
        check([Intervention(POSITIONS, "zero"), Intervention(POSITIONS, "add", amount=64)], model, TOKENS)


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
