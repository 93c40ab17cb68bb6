"""Something changed in a run, from Python: what is asked is what is computed, told and printed; the rest is refused."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch

import stagelight
from anatomy.interventions import PLACES, POSITIONS
from anatomy.refused import Refused
from anatomy.request import Intervention, Run, Want
from models.serving.store import Store
from panels import load
from tests.models.tiny import MODELS, tiny_engine
from tests.models.toy import toy_engine
from viz.description import Description
from viz.partners import Unlike

TEXT = "the cat, the café sat"
OTHER = "the hat, the carafe fell"
SILENT = {"layer": 1, "head": 2}


def model(kind: str = "llama") -> stagelight.Model:
    return stagelight.Model(Store(tiny_engine(kind), 1 << 26))


@pytest.fixture(scope="module")
def run() -> stagelight.Run:
    return model()(TEXT)


def test_a_changed_run_is_a_run_with_its_change_and_the_first_one_stays(run):
    before = run["logits", None, -1].copy()
    changed = run.change("z", "zero", layer=1, head=2)
    assert isinstance(changed, stagelight.Run)
    assert changed.question == run.question.intervened(Intervention("z", "zero", 1, head=2))
    assert changed.tokens == run.tokens
    assert not changed["z", 1][2].any()
    np.testing.assert_array_equal(changed["z", 1][[0, 1, 3]], run["z", 1][[0, 1, 3]])
    assert np.abs(changed["logits", None, -1] - before).max() > 1e-3
    np.testing.assert_array_equal(run["logits", None, -1], before)
    assert (run.changes, run.question.interventions) == ((), ())


def test_changes_are_made_one_after_the_other(run):
    doubled = run.change("attn_out", "scale", layer=0, amount=2)
    both = doubled.change("ffn_out", "zero", layer=1)
    assert both.question.interventions == (
        Intervention("attn_out", "scale", 0, amount=2.0),
        Intervention("ffn_out", "zero", 1),
    )
    np.testing.assert_allclose(both["attn_out", 0], 2 * run["attn_out", 0], rtol=1e-5)
    assert not both["ffn_out", 1].any()
    assert doubled["ffn_out", 1].any()


def test_what_is_counted_from_the_end_is_a_place(run):
    spec, tokens = run.model.spec, len(run.tokens)
    (made,) = run.change("z", "zero", layer=-1, head=-1, pos=-2).question.interventions
    assert (made.layer, made.head, made.pos) == (spec.layers - 1, spec.n_heads - 1, tokens - 2)
    (made,) = run.change("k", "zero", layer=np.int64(0), kv=-1).question.interventions
    assert (made.layer, made.kv, type(made.layer)) == (0, spec.n_kv - 1, int)
    (made,) = run.change("act", "zero", layer=0, neuron=-1).question.interventions
    assert made.neuron == spec.d_ff - 1
    (made,) = run.change("layer", "swap", layer=-1, other=np.int64(-2)).question.interventions
    assert (made.layer, made.other, type(made.other)) == (spec.layers - 1, spec.layers - 2, int)


def test_parts_of_the_architecture_are_changed_one_after_the_other(run):
    changed = (
        run.change("layer", "swap", layer=0, other=2)
        .change("attn_norm", "drop", layer=1)
        .change("ffn_skip", "drop")
        .change("embedding", "shuffle", seed=3)
        .change("pattern", "average", layer=-1, kv=0)
        .change("z", "zero", layer=0, head=1)
    )
    assert changed.question.interventions == (
        Intervention("layer", "swap", 0, other=2),
        Intervention("attn_norm", "drop", 1),
        Intervention("ffn_skip", "drop"),
        Intervention("embedding", "shuffle", seed=3),
        Intervention("pattern", "average", 2, kv=0),
        Intervention("z", "zero", 0, head=1),
    )
    assert changed.changes == (
        "layer 0: swapped with layer 2",
        "layer 1: norm of attention left out",
        "every layer: skip connection around the FFN left out",
        "rows of the embedding table shuffled, seed 3",
        "layer 2 · key/value head 0: attention weights averaged over the heads",
        "layer 0 · head 1: head output (z) set to 0",
    )
    assert all(change in repr(changed) for change in changed.changes)
    pattern, z = changed["pattern", 2], changed["z", 0]
    np.testing.assert_allclose(pattern[0], pattern[1], atol=1e-6)
    assert np.abs(pattern[2] - pattern[3]).max() > 1e-3
    assert not z[1].any()
    assert z[0].any()


def test_a_text_without_its_mask_sees_what_comes_after(run):
    seeing = run.change("mask", "drop")
    np.testing.assert_allclose(seeing["pattern", 0].sum(-1), 1, atol=1e-5)
    assert (seeing["pattern", 0] > 0).all()
    assert not np.triu(run["pattern", 0], 1).any()


def test_a_layer_that_is_left_out_writes_nothing_and_one_swapped_twice_stands_where_it_stood(run):
    out = run.change("layer", "drop", layer=1)
    np.testing.assert_array_equal(out["resid_post", 1], out["resid_post", 0])
    np.testing.assert_array_equal(out["resid_post", 0], run["resid_post", 0])
    swap = {"layer": 0, "other": 2}
    twice = run.change("layer", "swap", **swap).change("layer", "swap", **swap)
    np.testing.assert_array_equal(twice["logits", None, -1], run["logits", None, -1])


def test_what_is_left_out_of_every_layer_is_left_out_of_each(run):
    every, each = run.change("attn_skip", "drop"), run
    for layer in range(run.model.spec.layers):
        each = each.change("attn_skip", "drop", layer=layer)
    np.testing.assert_array_equal(every["resid_post", -1], each["resid_post", -1])
    assert np.abs(every["resid_post", -1] - run["resid_post", -1]).max() > 1e-3


def test_the_question_of_a_changed_run_can_be_pickled_and_asked_again(run):
    changed = run.change("layer", "swap", layer=0, other=2).change("embedding", "shuffle", seed=5)
    question = pickle.loads(pickle.dumps(changed.question))
    assert question == changed.question
    assert hash(question) == hash(changed.question)
    again = stagelight.Run(model(), question)
    np.testing.assert_array_equal(again["logits", None, -1], changed["logits", None, -1])
    logits = pickle.loads(pickle.dumps(changed["logits", None, -1]))
    np.testing.assert_array_equal(logits, changed["logits", None, -1])


def test_an_amount_that_is_not_said_is_1_where_that_makes_sense(run):
    (add,) = run.change("resid_mid", "add", layer=1, towards="c").question.interventions
    (noise,) = run.change("resid_mid", "noise", layer=1, seed=3).question.interventions
    (loud,) = run.change("resid_mid", "noise", layer=1, amount=np.float32(0.5)).question.interventions
    assert (add.amount, add.token) == (1.0, ord("c"))
    assert (noise.amount, noise.seed) == (1.0, 3)
    assert (loud.amount, loud.seed, type(loud.amount)) == (0.5, 0, float)
    (dropped,) = run.change("ffn_out", "dropout", seed=3).question.interventions
    assert (dropped.layer, dropped.amount, dropped.seed) == (None, 0.1, 3)
    for seed, taken in ((None, 0), (np.int64(7), 7)):
        (shuffle,) = run.change("embedding", "shuffle", seed=seed).question.interventions
        assert (shuffle.amount, shuffle.seed, type(shuffle.seed)) == (0.0, taken, int)
    with pytest.raises(ValueError, match=r"scale has to be told its amount.*amount=2\.0"):
        run.change("z", "scale", layer=1)


def test_a_direction_is_that_of_a_token_or_the_way_to_another_run(run):
    for goal in ("cat", ord("c"), np.int64(ord("c")), torch.tensor(ord("c"))):
        (made,) = run.change("resid_mid", "add", layer=1, towards=goal, amount=2).question.interventions
        assert (made.token, made.sources, made.amount) == (ord("c"), (), 2.0)
    other = run.model(OTHER)
    (made,) = run.change("z", "add", layer=1, towards=other).question.interventions
    assert (made.token, made.sources) == (None, (other.question,))


def test_what_is_taken_out_of_other_runs_is_named_by_their_questions(run):
    silent = run.model(OTHER).change("z", "zero", **SILENT)
    (patch,) = run.change("resid_post", "patch", layer=0, source=silent).question.interventions
    assert patch.sources == (silent.question,)
    assert patch.sources[0].interventions == (Intervention("z", "zero", 1, head=2),)
    (mean,) = run.change("z", "mean", layer=0, texts=[OTHER, run.model(ids=[97, 98])]).question.interventions
    assert mean.sources == (run.model(OTHER).question, run.model(ids=[97, 98]).question)
    (own,) = run.change("z", "mean", layer=0).question.interventions
    (one,) = run.change("z", "mean", layer=0, texts=OTHER).question.interventions
    assert (own.sources, one.sources) == ((), (run.model(OTHER).question,))


def test_a_patch_of_the_whole_stream_gives_the_other_runs_answer(run):
    again = run.model(TEXT).change("z", "zero", **SILENT)
    patched = run.change("resid_post", "patch", layer=run.model.spec.layers - 1, source=again)
    np.testing.assert_allclose(patched["logits", None, -1], again["logits", None, -1], atol=1e-5)
    assert np.abs(patched["logits", None, -1] - run["logits", None, -1]).max() > 1e-3


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("nowhere", "zero", {}), "Nothing can be changed at “nowhere”. Places are: pattern,"),
        (("z", "erase", {"layer": 1}), "“erase” cannot be done at “z”. What can is: zero, mean, scale,"),
        (("z", "zero", {}), "Say in which layer “z” is to be changed: tiny-llama has layers 0 to 2."),
        (("z", "zero", {"layer": 3}), "tiny-llama has layers 0 to 2, not 3"),
        (("z", "zero", {"layer": -4}), "tiny-llama has layers 0 to 2, not -4"),
        (("z", "zero", {"layer": 1, "head": 99}), "tiny-llama has head 0 to 3, not 99."),
        (("k", "zero", {"layer": 1, "head": 3}), "head 3 reads key/value head 1, so say kv=1."),
        (("z", "zero", {"layer": 1, "pos": 99}), "This text has positions 0 to 21, not 99"),
        (("z", "patch", {"layer": 1}), "A patch comes out of one other run: say which, as its source."),
        (("z", "add", {"layer": 1}), "Say which direction is added"),
        (("z", "add", {"layer": 1, "towards": "c"}), "A token's direction is as wide as the stream, “z” is not"),
        (("resid_mid", "add", {"layer": 1, "towards": 256}), "tiny-llama has tokens 0 to 255, not 256."),
        (("resid_mid", "zero", {"layer": 1, "towards": "c"}), "“zero” goes towards no token: leave the token out."),
        (("z", "zero", {"layer": 1, "texts": [OTHER]}), "“zero” takes nothing out of other runs"),
        (("z", "mean", {"layer": 1, "texts": ["a"] * 9}), "A mean is taken over at most 8 texts."),
        (("z", "mean", {"layer": 1, "texts": [""]}), "There is no text to run"),
        (("z", "noise", {"layer": 1, "seed": -1}), "A seed is a whole number from 0 to 999,999,999."),
        (("z", "dropout", {"amount": 0.1}), "Say in which layer “z” is to be changed: tiny-llama has layers 0 to 2."),
        (("ffn_out", "dropout", {"amount": 1}), "say 0 or more and less than 1, not 1."),
        (("z", "scale", {"layer": 1, "amount": float("inf")}), "The amount of a change has to be a number"),
        ((POSITIONS, "add", {"layer": 1}), "“positions” is no part of one layer: leave layer 1 out of the change."),
        (("mask", "drop", {"layer": -1}), "“mask” is no part of one layer: leave layer 2 out of the change."),
        (("mask", "zero", {}), "“zero” cannot be done at “mask”. What can is: drop."),
        (("layer", "drop", {}), "Say which layer is to be changed: tiny-llama has layers 0 to 2."),
        (("layer", "drop", {"layer": 0, "pos": 1}), "“layer” is changed for the whole text: leave the position out."),
        (("layer", "swap", {"layer": 0}), "Two layers are swapped: say which other one, besides layer 0."),
        (("layer", "swap", {"layer": 2, "other": -1}), "Two layers are swapped: say which other one, besides layer 2."),
        (("layer", "swap", {"layer": 0, "other": 3}), "tiny-llama has layers 0 to 2, not 3: it cannot be swapped"),
        (("z", "zero", {"layer": 0, "other": 1}), "“zero” is about one layer: leave the other one out."),
        (("pattern", "average", {"layer": 0, "head": 1}), "The average is that of several heads: of all"),
        (("embedding", "shuffle", {"source": OTHER}), "“embedding” goes towards no token and takes nothing out of"),
        (("embedding", "shuffle", {"seed": 10**9}), "A seed is a whole number from 0 to 999,999,999."),
        ((POSITIONS, "add", {"amount": 9999}), "This change puts tokens at positions 9,999 to 10,020"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_at_once(run, asked, said):
    site, op, more = asked
    with pytest.raises(Refused) as refused:
        run.change(site, op, **more)
    assert said in str(refused.value)


def test_what_cannot_be_done_together_is_refused_with_the_second_change(run):
    moved = run.change(POSITIONS, "add", amount=1)
    most = run.model.spec.max_pos - len(run.tokens)
    moved.change(POSITIONS, "add", amount=most - 1)
    with pytest.raises(Refused, match="This change puts tokens at positions"):
        moved.change(POSITIONS, "add", amount=most)


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"layer": 1.5}, TypeError, "layer is 1.5: give a whole number, or leave it out for all"),
        ({"layer": True}, TypeError, "layer is True: give a whole number"),
        ({"layer": "1"}, TypeError, "layer is '1': give a whole number"),
        ({"layer": 1, "pos": slice(1, 2)}, TypeError, r"pos is slice\(1, 2, None\)"),
        ({"layer": 1, "amount": 2.0}, ValueError, "'zero' is never more or less: leave the amount out, it is 2.0"),
        ({"layer": 1, "other": 0.5}, TypeError, "other is 0.5: give a whole number"),
        ({"layer": 1, "seed": 2}, ValueError, "'zero' draws no random numbers: leave the seed out, it is 2"),
        ({"layer": 1, "op": "scale", "amount": "2"}, TypeError, "amount is '2': give a number"),
        ({"layer": 1, "op": "noise", "seed": 0.5}, TypeError, "seed is 0.5: give a whole number"),
        ({"layer": 1, "op": "add", "towards": 1.5}, TypeError, "towards is a token, as text or as its id, or a run"),
        ({"layer": 1, "op": "patch", "source": 7}, TypeError, "taken out of is a text or a run, not 7"),
        ({"layer": 1, "op": "mean", "texts": [None, 7]}, TypeError, "taken out of is a text or a run, not 7"),
    ],
)
def test_what_is_no_number_text_or_run_is_told(run, more, error, said):
    with pytest.raises(error, match=said):
        run.change("z", **{"op": "zero", **more})


def test_a_run_of_another_model_is_told_what_to_do(run):
    with pytest.raises(
        ValueError, match=r"a run of the same model, tiny-llama.*, not of tiny-gpt2.*: give its text, or"
    ):
        run.change("z", "patch", layer=1, source=model("gpt2")(TEXT))


def test_a_patch_is_taken_from_the_partner_of_each_token(run):
    ours, theirs = run.model("a b c"), run.model("xx a b c")
    patched = ours.change("resid_post", "patch", layer=0, pos=-1, source=theirs)
    np.testing.assert_array_equal(patched["resid_post", 0][-1], theirs["resid_post", 0][-1])
    np.testing.assert_array_equal(patched["resid_post", 0][:-1], ours["resid_post", 0][:-1])
    whole = ours.change("resid_post", "patch", layer=0, source=theirs)
    np.testing.assert_array_equal(whole["resid_post", 0], theirs["resid_post", 0][3:])
    with pytest.raises(ValueError, match=r"pos is 1: the token 'x' has no partner in the source\. Those that have one"):
        theirs.change("resid_post", "patch", layer=0, pos=1, source=ours)


def test_runs_take_something_out_of_each_other_a_few_times_and_more_is_refused_at_once(run):
    deep = run
    for _step in range(4):
        deep = run.change("z", "patch", layer=1, source=deep)
    with pytest.raises(Refused, match="4 deep at most"):
        run.change("z", "patch", layer=1, source=deep)


def test_a_recorded_run_cannot_be_changed_and_says_so_at_once():
    from models.serving.recorded import FIRST_VIEW

    recorded = stagelight.open(f"recorded:{FIRST_VIEW}")
    with pytest.raises(Refused, match="is recorded: open the model to run this"):
        recorded(recorded.store._engine.recorded.text).change("z", "zero", layer=18, head=6)


def test_a_run_says_what_is_changed_in_it(run):
    changed = run.change("z", "zero", layer=1, head=2).change("resid_mid", "add", layer=0, towards="c")
    first, second = changed.changes
    assert first == "layer 1 · head 2: head output (z) set to 0"
    assert second == "layer 0: stream between attention and FFN + 1 × the direction of “c”"
    assert repr(changed) == f"{repr(run)[:-1]}; {first}; {second}>"
    assert ";" not in repr(run)


def test_the_same_run_computed_again_keeps_its_changes(run):
    changed = run.change("resid_mid", "noise", layer=1, seed=4)
    again = changed.again()
    assert again.question == changed.question
    np.testing.assert_array_equal(again["norm_post"], changed["norm_post"])
    assert not np.shares_memory(again["norm_post"], changed["norm_post"])
    beside = changed.beside(again).panel("writes", layer=1).description
    assert not np.nan_to_num(beside.numbers()).any()


EVERY = [(site, op, place.layered) for site, place in PLACES.items() for op in place.ops]
IN_EVERY_LAYER = [(site, op, False) for site, place in PLACES.items() for op in place.of_all]


@pytest.mark.parametrize(("site", "op", "layered"), EVERY + IN_EVERY_LAYER)
def test_whatever_can_be_changed_changes_the_predictions(run, site, op, layered):
    where = {"layer": 0} if layered else {}
    how = {"patch": {"source": OTHER}, "scale": {"amount": 0.5}, "swap": {"other": 2}}.get(op, {})
    if op == "add" and site != POSITIONS:
        how = {"towards": run.model(OTHER), "amount": 2.0}
    changed = run.change(site, op, **where, **how)
    gap = np.abs(changed["surprisal"] - run["surprisal"])[1:]
    # Rotations know only how far apart two tokens stand, and a softmax only how far apart two scores are.
    without = (site, op) in ((POSITIONS, "add"), ("k", "add"))
    assert np.isfinite(gap).all()
    assert gap.max() < 1e-3 if without else gap.max() > 1e-3


@pytest.mark.parametrize("kind", MODELS)
def test_every_panel_shows_a_changed_run_alone_and_beside_the_first(kind):
    run = model(kind)(TEXT)
    changed = run.change("z", "zero", layer=1, head=2)
    beside = run.beside(changed)
    for id in run.model.panels():
        answers = beside.panel(id, layer=1, pos=3)
        answer = changed.panel(id, layer=1, pos=3)
        assert answer.view.run(run.model.spec) == changed.question
        assert answers.b.caption == answer.caption, id
        assert isinstance(answers.of.difference, Description | Unlike)
    drawn = beside.panel("heads", layer=1).a.description
    assert isinstance(drawn, Description)


def test_a_difference_is_what_the_change_makes(run):
    changed = run.change("attn_out", "zero", layer=1)
    drawn = run.beside(changed).panel("surprisal").description.numbers()
    np.testing.assert_allclose(drawn[np.isfinite(drawn)], (changed["surprisal"] - run["surprisal"])[1:], atol=1e-5)


def test_two_runs_part_where_something_is_changed(run):
    parting = run.beside(run.change("ffn_out", "zero", layer=1)).parting
    assert parting.kl.max() > 1e-4
    assert run.beside(run.again()).parting.kl.max() < 1e-6


# the printed program


def program_of(
    answer: stagelight.Answer, opened: stagelight.Model, monkeypatch: pytest.MonkeyPatch
) -> stagelight.Answer:
    """What the printed program of an answer leaves in `answer`, with this model opened in place of a fetched one."""
    monkeypatch.setattr(stagelight, "open", lambda address: opened)
    names: dict = {}
    exec(answer.python, names)
    return names["answer"]


@pytest.mark.parametrize("id", load())
def test_the_printed_program_of_a_changed_run_makes_the_same_answer(run, id, monkeypatch, capsys):
    panel = load()[id]
    changed = run.change("attn_out", "zero", layer=1).change(POSITIONS, "add", amount=2)
    if panel.closed(run.model.spec) is not None:
        return
    answer = changed.panel(id, layer=1, head=3, pos=4)
    if panel.stage == "tokens":  # nothing that is computed changes how a text is cut
        assert answer.python == run.panel(id, layer=1, head=3, pos=4).python
        return
    assert "from_pretrained" not in answer.python
    found = program_of(answer, model(), monkeypatch)
    assert found.caption == answer.caption
    pd.testing.assert_frame_equal(found.table, answer.table, rtol=1e-4, atol=1e-6)
    assert found.view.run(run.model.spec) == changed.question
    assert answer.caption in capsys.readouterr().out


def test_the_printed_program_has_every_kind_of_change_and_choice(run, monkeypatch):
    silent = run.model(OTHER).change("z", "zero", **SILENT)
    changed = (
        run.change("z", "patch", layer=1, source=silent)
        .change("resid_mid", "add", layer=0, towards="c", amount=-2.5)
        .change("resid_mid", "add", layer=0, towards=run.model("other"), pos=3)
        .change("attn_out", "mean", layer=0, texts=["one", "the \"other\"\n"])
        .change("act", "noise", layer=1, neuron=3, amount=0.1, seed=12)
        .change("ffn_out", "dropout", amount=0.05, seed=2)
        .change("resid_mid", "add", layer=1, towards=65, random=7)
        .change("k", "scale", layer=2, kv=1, amount=2)
        .change("layer", "swap", layer=0, other=2)
        .change("ffn_norm", "drop", layer=1)
        .change("attn_skip", "drop", layer=2)
        .change("pattern", "average", layer=1, kv=1)
        .change("embedding", "shuffle", seed=4)
        .change("mask", "drop")
        .change("final_norm", "drop")
    )  # fmt: skip
    answer = changed.panel("attention", layer=1, head=3, pos=4, src=2, scale="log", words=True)
    found = program_of(answer, model(), monkeypatch)
    assert found.view.run(run.model.spec) == changed.question
    assert found.view.settings == answer.view.settings
    np.testing.assert_array_equal(found.description.z, answer.description.z)
    assert answer.python.count(".change(") == len(changed.question.interventions) + 1


@pytest.mark.parametrize(
    ("site", "op", "places"),
    [
        ("layer", "swap", {"layer": 0, "other": 2}),
        ("layer", "drop", {"layer": 1}),
        ("attn_norm", "drop", {}),
        ("embedding", "shuffle", {"seed": 4}),
        ("mask", "drop", {}),
        ("pattern", "average", {}),
    ],
)
def test_the_printed_program_of_a_changed_architecture_makes_the_same_answer(run, site, op, places, monkeypatch):
    changed = run.change(site, op, **places)
    said = "".join(f", {name}={value}" for name, value in places.items())
    for id in ("surprisal", "attention"):
        answer = changed.panel(id)
        assert f'run = run.change("{site}", "{op}"{said})\n' in answer.python
        found = program_of(answer, model(), monkeypatch)
        assert found.view.run(run.model.spec) == changed.question
        pd.testing.assert_frame_equal(found.table, answer.table, rtol=1e-4, atol=1e-6)


def test_the_printed_program_of_ids_and_of_a_text_that_went_on_runs_the_same_tokens(monkeypatch):
    toy = stagelight.Model(Store(toy_engine(), 1 << 26))
    on_ids = toy(ids=[0, 41, 42, 97, 1]).change("attn_out", "zero", layer=1)
    found = program_of(on_ids.panel("surprisal"), toy, monkeypatch)
    assert found.view.run(toy.spec) == on_ids.question
    opened = model()
    went_on = stagelight.Run(opened, opened(TEXT).question.plus(98, 99)).change("attn_out", "zero", layer=1)
    found = program_of(went_on.panel("surprisal"), opened, monkeypatch)
    assert found.view.ids == tuple(token.id for token in went_on.tokens)
    pd.testing.assert_frame_equal(found.table, went_on.panel("surprisal").table, rtol=1e-4, atol=1e-6)


def test_a_run_in_which_nothing_is_changed_prints_plain_transformers(run):
    assert "from_pretrained" in run.panel("attention").python
    answers = run.beside(run.change("attn_out", "zero", layer=1)).panel("attention")
    assert "from_pretrained" in answers.a.python
    assert 'run = run.change("attn_out", "zero", layer=1)\n' in answers.b.python


def test_the_engine_is_asked_for_the_changed_run(run):
    changed = run.change("attn_out", "zero", layer=1)
    want = Want("resid_post", 1)
    question = Run(run.model.spec.id, TEXT, interventions=(Intervention("attn_out", "zero", 1),))
    np.testing.assert_array_equal(changed[want], tiny_engine().run(question, [want])[want])


def test_a_change_is_held_against_the_same_elsewhere(run):
    pair = run.beside(run.change("z", "zero", layer=1, head=2))
    assert [control.question.interventions[0].head for control in pair.controls] == [0, 1, 3]
    others = [run.beside(control).parting for control in pair.controls]
    least, most = pair.spread.kl
    np.testing.assert_array_equal(least, np.min([one.kl for one in others], axis=0))
    np.testing.assert_array_equal(most, np.max([one.kl for one in others], axis=0))
    assert most.max() > 0
    for token, (low, high) in pair.spread.chances.items():
        logits = np.stack([control["logits", None, -1].astype(np.float64) for control in pair.controls])
        p = np.exp(logits - logits.max(-1, keepdims=True))
        p = (p / p.sum(-1, keepdims=True))[:, token]
        np.testing.assert_allclose((low, high), (p.min(), p.max()), rtol=1e-6)


def test_a_patch_is_held_against_the_run_itself_and_a_run_without_changes_against_nothing(run):
    source = run.model(OTHER)
    pair = run.beside(run.change("resid_post", "patch", layer=1, source=source))
    assert not np.any(pair.spread.kl)
    assert pair.parting.kl.max() > 0
    with pytest.raises(ValueError, match="no change that others could be held against"):
        _ = run.beside(source).spread


def test_a_random_direction_is_as_long_as_the_one_it_stands_for(run):
    changed = run.change("resid_post", "add", layer=1, amount=2.0, towards=65)
    before, after = run["resid_post", 1], changed["resid_post", 1]
    for control in run.beside(changed).controls:
        moved = control["resid_post", 1] - before
        np.testing.assert_allclose(moved, moved[:1].repeat(len(moved), 0), atol=1e-4)
        length = np.linalg.norm(after - before, axis=-1)
        np.testing.assert_allclose(np.linalg.norm(moved, axis=-1), length, rtol=1e-4)
        assert abs(float(moved[0] @ (after - before)[0])) < 0.9 * float(length[0]) ** 2


def test_a_changed_architecture_is_held_against_the_same_elsewhere_or_nothing(run):
    assert run.beside(run.change("layer", "swap", layer=0, other=1)).controls == ()  # of three, none are left
    pair = run.beside(run.change("layer", "drop", layer=1))
    assert [control.changes for control in pair.controls] == [("layer 0: left out",), ("layer 2: left out",)]
    least, most = pair.spread.kl
    assert (least <= most).all()
    assert most.max() > 0
    assert len(run.beside(run.change("embedding", "shuffle")).controls) == 6
    for changed in (run.change("mask", "drop"), run.change("final_norm", "drop"), run.change("ffn_norm", "drop")):
        assert run.beside(changed).controls == ()
        with pytest.raises(ValueError, match="no change that others could be held against"):
            _ = run.beside(changed).spread
