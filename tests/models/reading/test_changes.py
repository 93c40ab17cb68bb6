"""A changed run is what a plain model gives that is changed by other means (`plain_changes.py`): site by site and
operation by operation, in every kind of model; and a change that changes nothing leaves every bit as it was."""

from collections.abc import Iterator
from copy import deepcopy
from functools import cache, partial
from itertools import islice
from typing import Any

import numpy as np
import pytest
from transformers import AutoModelForCausalLM, AutoModelForTextEncoding, PreTrainedModel

from anatomy.alignment import by_token
from anatomy.interventions import PLACES, POSITIONS
from anatomy.refused import Refused
from anatomy.request import Intervention, Op, Run, Want
from models.local import estimate
from models.local.engine import LocalEngine
from tests.models.long import long_engine, text_of
from tests.models.reading.against_plain import (
    FLOAT32,
    LAYERS,
    TEXT,
    cut,
    ends,
    gap,
    gaps,
    plain,
    run_of,
    same,
    streams,
    worst,
)
from tests.models.reading.plain_changes import Changed, greedy
from tests.models.real import plain_model, real_engine
from tests.models.reference import Plain
from tests.models.tiny import MODELS, new_tiny_engine, tiny_engine, tiny_model

SOURCE, FURTHER = "a cat and the other hat", "mat, bat"
AT_LENGTH = ("llama", "mistral", "gpt2", "bert", "t5")  # the others are built as one of these but for a detail
KINDS = tuple(
    kind if kind in AT_LENGTH else pytest.param(kind, marks=pytest.mark.wide)
    for kind in (*MODELS, "qwen2-mixed", "t5-gated")
)
GROUPED = ("llama", "mistral", "qwen2")  # several query heads read one key/value head
SITES = tuple(site for site, place in PLACES.items() if not place.whole)
SITES_AND_OPS = tuple((site, op) for site in SITES for op in PLACES[site].ops)
# What is chosen of each place, one after the other: heads, key/value heads, neurons, positions, everything.
_OF_GROUPS = ({}, {"kv": 1}, {"pos": 14}, {"kv": 0, "pos": 5})
_OF_QUERY_HEADS = ({}, {"head": 1}, {"kv": 1, "pos": 5}, {"head": 3, "pos": 14})
_OF_KEY_VALUE_HEADS = ({}, {"kv": 1}, {"kv": 0, "pos": 5})
_OF_NEURONS = ({}, {"neuron": 11}, {"neuron": 35, "pos": 5})
_OF_THE_STREAM = ({}, {"pos": 5}, {"pos": 14})
PARTS = {
    **dict.fromkeys(SITES, _OF_THE_STREAM),
    **dict.fromkeys(("pattern", "q", "z"), _OF_QUERY_HEADS),
    **dict.fromkeys(("k", "v"), _OF_KEY_VALUE_HEADS),
    "act": _OF_NEURONS,
}


def how(engine: LocalEngine, site: str, op: Op) -> list[dict[str, Any]]:
    """What an operation can be told at a site, in every way."""
    one, other = (run_of(engine, text=text) for text in (SOURCE, FURTHER))
    changed = run_of(engine, Intervention("attn_out", "zero", 0), text=SOURCE)
    toward = [{"amount": 1.5, "token": 99}] if PLACES[site].wide and engine.spec.head else []
    return {
        "zero": [{}],
        "scale": [{"amount": -1.5}, {"amount": 0.25}],
        "mean": [{}] if site == "pattern" else [{}, {"sources": (one, other)}, {"sources": (changed,)}],
        "average": [{}],
        "add": [*toward, {"amount": 0.7, "sources": (one,)}, {"amount": -2.0, "sources": (other,)}],
        "noise": [{"amount": 0.5, "seed": 3}, {"amount": 2.0}],
        "dropout": [{"amount": 0.3, "seed": 3}, {"amount": 0.6}],
        "patch": [{"sources": (one,)}, {"sources": (changed,)}, {"sources": (other,)}],
    }[op]


def made(engine: LocalEngine, site: str, op: Op) -> Iterator[Intervention]:
    """As many interventions as every part and every way of telling occur in, in all layers."""
    shared = engine.spec.n_kv < engine.spec.n_heads
    groups = [part for part in _OF_GROUPS if shared or "kv" not in part]
    parts, ways = groups if op == "average" else PARTS[site], how(engine, site, op)
    for number in range(max(len(parts), len(ways))):
        where = parts[number % len(parts)] | ways[number % len(ways)]
        yield Intervention(site, op, (LAYERS - 1 - number) % LAYERS, **where)


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_without_changes_is_the_librarys_eager_model(kind: str) -> None:
    reference, eager = Changed(plain(kind), Run("", TEXT), cut), Plain(tiny_model(kind), cut(Run("", TEXT)))
    for layer in range(LAYERS):
        sites = eager.layer(layer)
        for site in SITES:
            assert gap(reference.site(site, layer), sites[site].numpy()) < 1e-6, site
    if reference.logits is not None:
        np.testing.assert_array_equal(reference.logits, eager.result.logits[0].numpy())


def test_a_head_off_in_the_reference_is_a_head_without_rows_in_the_output_projection() -> None:
    run, silent = Run("", TEXT, interventions=(Intervention("z", "zero", 1, head=2),)), tiny_model("llama")
    width = silent.config.hidden_size // silent.config.num_attention_heads
    silent.model.layers[1].self_attn.o_proj.weight.data[:, 2 * width : 3 * width] = 0.0
    expected = Plain(silent, cut(run)).result.logits[0].numpy()
    logits = Changed(plain("llama"), run, cut).logits
    assert logits is not None
    assert gap(logits, expected) < FLOAT32


def test_the_texts_of_patches_have_tokens_elsewhere_and_tokens_without_a_partner() -> None:
    for text in (SOURCE, FURTHER):
        alignment = by_token(tuple(TEXT.encode()), tuple(text.encode()))
        assert any(i != j for i, j in alignment.both)
        assert len(alignment.both) < len(TEXT)


@pytest.mark.parametrize(("site", "op"), SITES_AND_OPS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_what_a_plain_model_changed_by_hooks_gives(kind: str, site: str, op: Op) -> None:
    engine = tiny_engine(kind).again()
    for intervention in islice(made(engine, site, op), None if kind in AT_LENGTH else 2):
        assert worst(gaps(engine, plain(kind), run_of(engine, intervention))) == {}, intervention


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_every_change_but_a_shift_of_all_keys_can_be_seen_in_the_end(kind: str) -> None:
    """Or the comparison with the reference would say nothing. Softmax does not see what is added to every score of a
    row: q·(k + d) = q·k + q·d. In the first layer equal tokens may have equal values, so a patch there is left out."""
    engine, last = tiny_engine(kind), LAYERS - 1
    before = Changed(plain(kind), run_of(engine), cut).site("resid_post", last)
    for site, op in SITES_AND_OPS:
        for one in made(engine, site, op):
            moved = gap(Changed(plain(kind), run_of(engine, one), cut).site("resid_post", last), before)
            if (site, op, one.pos) == ("k", "add", None):
                assert moved < 1e-6
            else:
                assert moved > 1e-4 or (op, one.layer) == ("patch", 0), one


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_a_token_without_a_partner_is_not_patched(kind: str, site: str) -> None:
    engine = tiny_engine(kind).again()
    assert 0 not in by_token(tuple(TEXT.encode()), tuple(SOURCE.encode())).in_b
    wants = [*streams(), *ends(engine), Want(site, 1)]
    patch = Intervention(site, "patch", 1, pos=0, sources=(run_of(engine, text=SOURCE),))
    same(engine.run(run_of(engine, patch), wants), engine.run(run_of(engine), wants), wants)


def _chains(engine: LocalEngine) -> dict[str, tuple[Intervention, ...]]:
    source = run_of(engine, Intervention("z", "zero", 1, head=2), text=SOURCE)
    change = partial(Intervention, layer=1)
    chains = {
        "one after the other at one site": (
            change("z", "noise", amount=0.5, seed=1),
            change("z", "scale", amount=2.0, head=1),
            change("z", "mean", pos=4),
        ),
        "the mean of what a patch has put there": (change("k", "patch", sources=(source,)), change("k", "mean", kv=1)),
        "all the way through one layer": tuple(
            change(site, "scale", amount=1.2)
            for site in ("resid_post", "act", "pattern", "resid_mid", "q", "resid_pre")
        ),
        "in the first layer and in the last": (
            Intervention("ffn_out", "add", 0, amount=0.5, sources=(source,)),
            Intervention("pattern", "patch", LAYERS - 1, head=0, sources=(source,)),
        ),
        "the end of a layer and the start of the next": (
            Intervention("resid_post", "noise", 0, amount=0.3),
            Intervention("resid_pre", "noise", 1, amount=0.3),
        ),
        "dropout twice, and noise by the same seed": (
            change("act", "dropout", amount=0.2, seed=1),
            change("act", "noise", amount=0.5, seed=1),
            change("act", "dropout", amount=0.4, seed=1),
        ),
        "dropout of weights before their spread is taken": (
            change("pattern", "dropout", amount=0.4, seed=2),
            change("pattern", "noise", amount=0.5, seed=2),
        ),
        "weights made even and then noisy": (
            change("pattern", "mean", head=1),
            change("pattern", "noise", amount=1.0, seed=2, pos=9),
            change("pattern", "noise", amount=1.0, seed=2, kv=0),
        ),
    }
    if engine.spec.position is not None and not engine.spec.scales:
        moved = (Intervention(POSITIONS, "zero"), Intervention(POSITIONS, "add", amount=9.0))
        chains["other positions besides"] = (change("k", "mean", pos=3), *moved, change("v", "zero", kv=0))
    return chains


@pytest.mark.parametrize("kind", KINDS)
def test_changes_are_made_one_after_the_other(kind: str) -> None:
    engine = tiny_engine(kind).again()
    for name, chain in _chains(engine).items():
        assert worst(gaps(engine, plain(kind), run_of(engine, *chain))) == {}, name


def test_the_order_of_two_changes_counts() -> None:
    engine, want = tiny_engine("llama").again(), Want("z", 1)
    one, other = Intervention("z", "scale", 1, amount=3.0, pos=2), Intervention("z", "mean", 1, pos=7)
    assert gap(*(engine.run(run_of(engine, *pair), [want])[want] for pair in ((one, other), (other, one)))) > 1e-3


@pytest.mark.parametrize("site", ["resid_pre", "resid_post"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_changed_between_two_layers_leaves_the_one_as_it_enters_the_next(kind: str, site: str) -> None:
    """Whether the layers are run again for it or not."""
    before, after = Want("resid_post", 0), Want("resid_pre", 1)
    engine = tiny_engine(kind).again()
    run = run_of(engine, Intervention(site, "noise", 1 if site == "resid_pre" else 0, amount=0.5))
    expected = Changed(plain(kind), run, cut).site("resid_pre", 1)
    engine.run(run, ends(engine))
    for trace in (engine.run(run, [before, after]), engine.again().run(run, [before, after, Want("z", 0)])):
        assert gap(trace[after], expected) < FLOAT32
        np.testing.assert_array_equal(trace[before], trace[after])


@pytest.mark.parametrize("op", ["zero", "mean", "noise", "patch"])
@pytest.mark.parametrize("site", ["resid_pre", "resid_mid", "resid_post", "attn_out"])
@pytest.mark.parametrize("kind", ["llama", "gpt2", "t5"])
def test_the_stream_stays_the_sum_of_what_is_written(kind: str, site: str, op: Op) -> None:
    """What a change puts into it counts to the write before it. With norms after the sums there is no such sum."""
    engine = tiny_engine(kind).again()
    sums = (("resid_pre", "attn_out", "resid_mid"), ("resid_mid", "ffn_out", "resid_post"))
    wants = [Want(name, layer) for layer in range(LAYERS) for each in sums for name in each]
    for intervention in made(engine, site, op):
        trace = engine.run(run_of(engine, intervention), wants)
        for layer, (stream, write, end) in ((layer, each) for layer in range(LAYERS) for each in sums):
            together = trace[Want(stream, layer)] + trace[Want(write, layer)]
            assert gap(together, trace[Want(end, layer)]) < FLOAT32, (intervention, layer)


@pytest.mark.parametrize("site", ["k", "v"])
@pytest.mark.parametrize("kind", GROUPED)
def test_a_patch_of_one_key_value_head_reaches_its_own_query_heads_alone(kind: str, site: str) -> None:
    engine, want = tiny_engine(kind).again(), Want("z", 1)
    group = engine.spec.n_heads // engine.spec.n_kv
    assert group > 1
    before = engine.run(run_of(engine), [want])[want]
    for kv in range(engine.spec.n_kv):
        patch = Intervention(site, "patch", 1, kv=kv, sources=(run_of(engine, text=SOURCE),))
        after = engine.run(run_of(engine, patch), [want])[want]
        other = (after != before).any((1, 2)).tolist()
        assert other == [kv * group <= head < (kv + 1) * group for head in range(engine.spec.n_heads)]


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("kind", KINDS)
def test_changes_that_change_nothing_leave_every_bit(kind: str, site: str) -> None:
    engine = tiny_engine(kind).again()
    wants = [*streams(), *ends(engine), *(Want(name, 1) for name in dict.fromkeys((site, "attn_out", "ffn_out")))]
    before = engine.run(run_of(engine), wants)
    for part in PARTS[site]:
        itself = Intervention(site, "patch", 1, sources=(run_of(engine),), **part)
        dropout = Intervention(site, "dropout", 1, amount=0.0, seed=3, **part)
        for intervention in (Intervention(site, "scale", 1, amount=1.0, **part), dropout, itself):
            same(engine.run(run_of(engine, intervention), wants), before, wants)


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_scaling_by_0_is_zero(kind: str, site: str) -> None:
    engine = tiny_engine(kind).again()
    wants = [Want(site, 1), *ends(engine)]
    for part in PARTS[site]:
        runs = (run_of(engine, Intervention(site, op, 1, **part)) for op in ("scale", "zero"))
        one, other = (engine.run(run, wants) for run in runs)
        same(one, other, wants)


@pytest.mark.parametrize(("site", "op"), SITES_AND_OPS)
@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "t5"])
def test_a_layer_run_again_from_the_layer_inputs_of_a_changed_run_is_changed_as_it_was(
    kind: str, site: str, op: Op
) -> None:
    at_once, later = tiny_engine(kind).again(), tiny_engine(kind).again()
    wants = _of_every_layer(site)
    for intervention in islice(made(at_once, site, op), 1, None, 2):  # of parts, in the middle
        run = run_of(at_once, intervention)
        expected = at_once.run(run, wants)
        later.run(run, ends(later))
        same(later.run(run, wants), expected, wants)


def _of_every_layer(site: str) -> list[Want]:
    return [*streams(), *(Want(name, layer) for name in {site: 0, "pattern": 0, "act": 0} for layer in range(LAYERS))]


@cache
def _thin(kind: str) -> tuple[LocalEngine, int]:
    """An engine that keeps one stream in three of a run on TEXT, and how many bytes of layer inputs."""
    spec = tiny_engine(kind).spec
    room = estimate.inputs_bytes(spec, len(TEXT), 1) - 1
    assert estimate.thinning(spec, len(TEXT), room) == LAYERS
    return new_tiny_engine(kind, inputs_bytes=room), room


@pytest.mark.parametrize(("site", "op"), SITES_AND_OPS)
@pytest.mark.parametrize("kind", ["llama", "bert", "t5"])
def test_a_stream_that_was_left_out_is_found_again_under_a_change(kind: str, site: str, op: Op) -> None:
    at_once, thin = tiny_engine(kind).again(), _thin(kind)[0].again()
    wants = _of_every_layer(site)
    first = next(made(at_once, site, op))
    sources = tuple(run_of(at_once, text="hat") for _source in first.sources[:1])  # short: both are kept
    for layer in (0, 1):  # of which the first layer's stream alone is kept
        told = {"amount": first.amount, "seed": first.seed, "token": None if sources else first.token}
        run = run_of(at_once, Intervention(site, op, layer, sources=sources, **told))
        expected = at_once.run(run, wants)
        thin.run(run, ends(thin))
        same(thin.run(run, wants), expected, wants)


CONTINUED = {
    "a head off": Intervention("z", "zero", 1, head=1),
    "weights made even": Intervention("pattern", "mean", 1, head=0),
    "a mean, which every new token moves": Intervention("resid_mid", "mean", 1, pos=15),
    "keys of the text's own mean": Intervention("k", "mean", 0, kv=0),
    "noise, whose spread every new token moves": Intervention("act", "noise", 0, amount=1.0, seed=4),
    "noise on weights": Intervention("pattern", "noise", 2, amount=1.0, seed=4),
    "dropout of what is written": Intervention("ffn_out", "dropout", 1, amount=0.3, seed=4),
    "dropout of the weights of every layer": Intervention("pattern", "dropout", amount=0.3, seed=4),
    "a token's direction": Intervention("resid_post", "add", 1, amount=0.8, token=101),
    "values scaled, and those that follow": Intervention("v", "scale", 1, amount=-1.0, kv=1),
    "keys scaled": Intervention("k", "scale", 0, amount=1.5),
    "queries off": Intervention("q", "zero", 2, kv=0),
    "a stream made longer": Intervention("resid_mid", "scale", 1, amount=3.0),
    "one place alone off": Intervention("resid_post", "zero", 0, pos=3),
    "the first place alone longer": Intervention("attn_out", "scale", 1, amount=3.0, pos=0),
    "a neuron on": Intervention("act", "scale", 2, amount=5.0, neuron=3),
    "all tokens at 0": Intervention(POSITIONS, "zero"),
}


@pytest.mark.parametrize("name", CONTINUED)
@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "gpt2"])
def test_a_text_goes_on_as_the_changed_plain_model_run_anew_for_every_token(kind: str, name: str) -> None:
    engine = tiny_engine(kind).again()
    run = run_of(engine, CONTINUED[name])
    expected = tuple(greedy(plain(kind), run, cut, 6))
    assert engine.extend(run, 6).tail == expected
    one_by_one = run
    for _token in range(3):
        one_by_one = engine.extend(one_by_one)
    assert one_by_one.tail == expected[:3]


@cache
def _plain_long(kind: str) -> PreTrainedModel:
    """The weights of the long engine in a model of the library that nobody has hooked."""
    hooked = long_engine(kind).model
    auto = AutoModelForTextEncoding if kind == "t5" else AutoModelForCausalLM
    model = auto.from_config(deepcopy(hooked.config), attn_implementation="eager").eval()
    model.load_state_dict(hooked.state_dict())
    return model


@pytest.mark.parametrize("op", PLACES["pattern"].ops)
@pytest.mark.parametrize("kind", ["llama", "gpt2", "t5"])
def test_weights_of_a_long_text_are_changed_block_by_block_and_head_by_head_alike(kind: str, op: Op) -> None:
    """150 tokens are three blocks of rows; the source's words stand seven places further on."""
    engine, words = long_engine(kind).again(), text_of(190)
    text, source = words[: 3 * 150], Run(engine.spec.id, words[3 * 7 :])
    told: dict[str, Any] = {"sources": (source,)} if op == "patch" else {}
    told |= {"amount": 0.8} if op in ("scale", "noise", "dropout") else {}
    of_some: dict[str, Any] = {"head": 2}
    if op == "average":
        of_some = {"kv": 1} if engine.spec.n_kv < engine.spec.n_heads else {}
    chain = (
        Intervention("pattern", op, 1, **of_some, **told),
        Intervention("pattern", op, 1, pos=140, **told),
        Intervention("pattern", op, 2, **told),
    )
    run = run_of(engine, *chain, text=text)
    assert worst(gaps(engine, _plain_long(kind), run, partial(ids_of, engine))) == {}
    maps = [Want("pattern_mean", layer, head=head) for layer in (1, 2) for head in range(engine.spec.n_heads)]
    trace = engine.run(run, [Want("pattern", 1), Want("pattern", 2), *maps])
    for want in maps:
        assert gap(trace[want], trace[Want("pattern", want.layer)][want.head]) < FLOAT32, want


def ids_of(engine: LocalEngine, run: Run) -> list[int]:
    """As the engine's tokenizer cuts the text."""
    return [token.id for token in engine.run(run.on(run.text)).tokens]


@pytest.mark.parametrize(
    ("site", "op"),
    [("pattern", "patch"), *((site, op) for site in ("z", "resid_pre") for op in ("patch", "mean", "add"))],
)
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_text_goes_on_under_what_comes_out_of_other_runs(kind: str, site: str, op: Op) -> None:
    engine, told = tiny_engine(kind).again(), {"amount": 0.8} if op == "add" else {}
    run = run_of(engine, Intervention(site, op, 1, sources=(run_of(engine, text=SOURCE),), **told))
    assert engine.extend(run, 6).tail == tuple(greedy(plain(kind), run, cut, 6))


def test_a_changed_run_leaves_the_model_as_it_was() -> None:
    engine = tiny_engine("llama").again()
    wants = [*streams(), *ends(engine)]
    before = engine.run(run_of(engine), wants)
    for site, op in SITES_AND_OPS:
        engine.run(run_of(engine, next(made(engine, site, op))), wants)
    same(engine.again().run(run_of(engine), wants), before, wants)


def _refused() -> list[tuple[Intervention, str]]:
    change = partial(Intervention, layer=0)
    source = (Run(tiny_engine("llama").spec.id, SOURCE),)
    return [
        (change("scores", "zero"), "Nothing can be changed at “scores”. Places are: pattern, q"),
        (change("pattern", "add", amount=1.0, sources=source), "“add” cannot be done at “pattern”"),
        (Intervention("z", "zero"), "Say in which layer “z” is to be changed"),
        (Intervention("z", "zero", 3), "has layers 0 to 2, not 3"),
        (Intervention("z", "zero", -1), "has layers 0 to 2, not -1"),
        (change("k", "zero", head=3), "head 3 reads key/value head 1, so say kv=1"),
        (change("z", "zero", head=1, kv=0), "Say head or kv, not both"),
        (change("z", "zero", head=4), "has head 0 to 3, not 4"),
        (change("v", "zero", kv=2), "has kv 0 to 1, not 2"),
        (change("act", "zero", neuron=48), "has neuron 0 to 47, not 48"),
        (change("resid_pre", "zero", head=1), "not cut into parts called “head”"),
        (change("z", "zero", pos=16), "positions 0 to 15, not 16"),
        (change("z", "patch"), "A patch comes out of one other run"),
        (change("z", "mean", sources=source * 9), "at most 8 texts"),
        (change("z", "zero", sources=source), "takes nothing out of other runs"),
        (change("resid_pre", "scale", token=3), "goes towards no token"),
        (change("resid_pre", "add", amount=1.0), "Say which direction is added"),
        (change("resid_pre", "add", token=3, sources=source), "Say which direction is added"),
        (change("resid_pre", "add", token=256), "has tokens 0 to 255, not 256"),
        (change("z", "add", token=3), "as wide as the stream, “z” is not"),
        (change("z", "noise", seed=-1), "A seed is a whole number from 0 to"),
        (change("z", "scale", amount=float("nan")), "has to be a number between"),
        (change("z", "patch", sources=(Run("another", SOURCE),)), "of the same model, not of another"),
        (change("z", "patch", sources=(source[0].on("x" * 65),)), "64"),
        (change("z", "patch", sources=(source[0].intervened(Intervention("z", "zero", 7)),)), "layers 0 to 2, not 7"),
    ]


@pytest.mark.parametrize(("intervention", "told"), _refused())
def test_a_change_that_cannot_be_made_is_refused_in_a_sentence(intervention: Intervention, told: str) -> None:
    engine = tiny_engine("llama")
    with pytest.raises(Refused, match=told):
        engine.run(run_of(engine, intervention), ends(engine))
    with pytest.raises(Refused, match=told):
        engine.run(run_of(engine, intervention))


def test_a_model_without_an_output_layer_refuses_a_tokens_direction() -> None:
    engine = tiny_engine("t5")
    with pytest.raises(Refused, match="has no output layer, so no token has a direction"):
        engine.run(run_of(engine, Intervention("resid_pre", "add", 0, token=3)), ends(engine))


REAL, ELSEWHERE = "Paris is the capital of France. Berlin is", "As we know, Rome is the capital of Italy. Madrid is the"


def _real_changes(engine: LocalEngine, towards: int) -> dict[str, Intervention]:
    source = run_of(engine, text=ELSEWHERE)
    return {
        "a head off": Intervention("z", "zero", 18, head=6),
        "values of another text": Intervention("v", "patch", 12, kv=1, sources=(source,)),
        "the stream of another text": Intervention("resid_pre", "patch", 20, sources=(source,)),
        "weights of another text": Intervention("pattern", "patch", 9, sources=(source,)),
        "a token's direction": Intervention("resid_mid", "add", 15, amount=0.5, token=towards),
        "two layers swapped": Intervention("layer", "swap", 10, other=11),
        "a layer left out": Intervention("layer", "drop", 17),
        "no mask": Intervention("mask", "drop"),
        "no norm before an FFN": Intervention("ffn_norm", "drop", 20),
        "no skip connection around an attention": Intervention("attn_skip", "drop", 12),
        "embeddings shuffled": Intervention("embedding", "shuffle", seed=1),
        "heads averaged": Intervention("pattern", "average", 4),
    }


@pytest.mark.real
def test_a_real_model_is_changed_as_plain_hooks_change_it() -> None:
    engine, model = real_engine("smollm2-135m").again(), plain_model("smollm2-135m")
    before = engine.run(run_of(engine, text=REAL), ends(engine, 1))
    for name, intervention in _real_changes(engine, 260).items():
        run = run_of(engine, intervention, text=REAL)
        found = gaps(engine, model, run, partial(ids_of, engine))
        print(f"{name}: {max(far for want, far in found.items() if want.site == 'logits'):.1e} of the largest logit")
        assert worst(found, 1e-4) == {}, name
        assert gap(engine.run(run, ends(engine, 1))[ends(engine)[0]], before[ends(engine)[0]]) > 1e-3, name
