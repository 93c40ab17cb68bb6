"""A run in which parts of the architecture are left out, swapped, shuffled or averaged is what a plain model gives that
is built so (`plain_parts.py`, `plain_changes.py`)."""

from functools import cache

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from anatomy.interventions import of_itself, stepwise
from anatomy.refused import Refused
from anatomy.request import Intervention, Want
from anatomy.sampling import Settings
from models.local import estimate
from models.local.engine import LocalEngine
from tests.models.reading.against_plain import (
    FLOAT32,
    LAYERS,
    TEXT,
    cut,
    ends,
    gap,
    gaps_everywhere,
    plain,
    run_of,
    same,
    streams,
    worst,
)
from tests.models.reading.broken import CHAINS, OF_A_LAYER, chains, dropped, possible, shuffled, swapped
from tests.models.reading.plain_changes import Changed, greedy, uncached
from tests.models.reading.plain_parts import kind_of
from tests.models.tiny import MODELS, ByteTokenizer, new_tiny_engine, tiny_engine, tiny_model

AT_LENGTH = ("llama", "bert", "t5", "qwen2-mixed")
KINDS = tuple(
    kind if kind in AT_LENGTH else pytest.param(kind, marks=pytest.mark.wide)
    for kind in (*MODELS, "qwen2-mixed", "t5-gated")
)
# What changes nothing: two swaps undo each other, in a model whose layers are equal one does.
UNDONE = {
    "swapped and back": (swapped(1, 2), swapped(1, 2)),
    "swapped and back the other way round": (swapped(1, 2), swapped(2, 1)),
}
LARGE = 9e8


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_broken_by_changes_is_a_plain_model_that_is_built_so(kind: str, name: str) -> None:
    engine = tiny_engine(kind).again()
    run = run_of(engine, *possible(CHAINS[name], engine.spec))
    assert worst(gaps_everywhere(engine, plain(kind), run)) == {}


@pytest.mark.parametrize("kind", ["llama", pytest.param("bert", marks=pytest.mark.wide)])
def test_every_broken_part_can_be_seen_in_the_end(kind: str) -> None:
    """Or the comparison with the reference would say nothing."""
    engine = tiny_engine(kind)
    wants = ends(engine)
    before = [_end(Changed(plain(kind), run_of(engine), cut), want) for want in wants]
    for name, chain in chains(engine).items():
        after = [_end(Changed(plain(kind), run_of(engine, *chain), cut), want) for want in wants]
        assert max(map(gap, after, before)) > 1e-3, name


def _end(reference: Changed, want: Want) -> np.ndarray:
    if want.site == "logits":
        assert reference.logits is not None
        return reference.logits[want.pos]
    return reference.site(want.site, LAYERS - 1)


@pytest.mark.parametrize(
    ("kind", "layer"),
    [
        *((kind, layer) for kind in ("llama", "mistral", "gpt2", "bert") for layer in range(LAYERS)),
        *(("t5", layer) for layer in (1, 2)),  # its first layer makes the position bias of the others
    ],
)
def test_a_layer_that_is_left_out_is_one_that_the_model_does_not_have(kind: str, layer: int) -> None:
    engine, model = tiny_engine(kind).again(), tiny_model(kind)
    run = run_of(engine, dropped("layer", layer))
    trace = engine.run(run, streams())
    del _layers(model)[layer]
    assert gap(trace[Want("resid_post", LAYERS - 1)], _last_stream(model, cut(run))) < FLOAT32
    np.testing.assert_array_equal(trace[Want("resid_pre", layer)], trace[Want("resid_post", layer)])


def _layers(model: PreTrainedModel) -> torch.nn.ModuleList:
    layers = model.base_model.get_submodule(kind_of(model).layer.removesuffix(".{}"))
    assert isinstance(layers, torch.nn.ModuleList)
    return layers


def _last_stream(model: PreTrainedModel, ids: list[int]) -> np.ndarray:
    """What leaves the last layer that a plain model has."""
    seen: list[torch.Tensor] = []
    _layers(model)[-1].register_forward_hook(lambda layer, args, output: seen.append(_first(output)))
    with torch.inference_mode():
        model(torch.tensor([ids]), **uncached(model))
    return seen[0][0].numpy()


def _first(output: object) -> torch.Tensor:
    first = output[0] if isinstance(output, tuple) else output
    assert isinstance(first, torch.Tensor)
    return first


@pytest.mark.parametrize("name", UNDONE)
@pytest.mark.parametrize("kind", KINDS)
def test_layers_swapped_and_swapped_back_leave_every_bit(kind: str, name: str) -> None:
    engine = tiny_engine(kind).again()
    wants = _everything(engine)
    same(engine.run(run_of(engine, *UNDONE[name]), wants), engine.run(run_of(engine), wants), wants)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "t5"])
def test_equal_layers_that_are_swapped_leave_every_bit(kind: str) -> None:
    model = tiny_model(kind)
    layers = _layers(model)
    layers[2].load_state_dict(layers[1].state_dict())
    engine = LocalEngine(model, ByteTokenizer(), name=f"equal-{kind}")
    wants = _everything(engine)
    same(engine.run(run_of(engine, swapped(2, 1)), wants), engine.run(run_of(engine), wants), wants)


def _everything(engine: LocalEngine) -> list[Want]:
    named = ("q", "k", "v", "z", "pattern", "act", "attn_out", "ffn_out")
    return [*streams(), *(Want(site, layer) for site in named for layer in range(LAYERS)), *ends(engine)]


@pytest.mark.parametrize(
    "kind", ["llama", "t5", *(pytest.param(kind, marks=pytest.mark.wide) for kind in ("bert", "qwen2-mixed"))]
)
def test_a_layer_run_again_from_the_layer_inputs_of_a_broken_run_is_broken_as_it_was(kind: str) -> None:
    """From all of them, and from one in three."""
    at_once = tiny_engine(kind).again()
    wants = _everything(at_once)
    for name, chain in chains(at_once).items():
        run = run_of(at_once, *chain)
        expected = at_once.again().run(run, wants)
        for later in (at_once.again(), _thin(kind).again()):
            later.run(run, ends(later))
            found = later.run(run, wants)
            for want in wants:
                np.testing.assert_array_equal(found[want], expected[want], err_msg=f"{name}: {want}")


@cache
def _thin(kind: str) -> LocalEngine:
    """An engine that keeps one stream in three of a run on TEXT."""
    spec = tiny_engine(kind).spec
    room = estimate.inputs_bytes(spec, len(TEXT), 1) - 1
    assert estimate.thinning(spec, len(TEXT), room) == LAYERS
    return new_tiny_engine(kind, inputs_bytes=room)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize(
    "kind", ["llama", "qwen2-mixed", *(pytest.param(kind, marks=pytest.mark.wide) for kind in ("mistral", "gpt2"))]
)
def test_a_text_goes_on_as_the_broken_plain_model_run_anew_for_every_token(kind: str, name: str) -> None:
    engine = tiny_engine(kind).again()
    run = run_of(engine, *possible(CHAINS[name], engine.spec))
    expected = tuple(greedy(plain(kind), run, cut, 6))
    assert engine.extend(run, 6).tail == expected
    engine.run(run, ends(engine))  # the next token is read off its layer inputs then
    assert engine.extend(run).tail == expected[:1]


@pytest.mark.parametrize("kind", ["llama", "qwen2-mixed"])
def test_what_goes_on_over_the_cache_is_what_does_not_depend_on_the_whole_text(kind: str) -> None:
    """A mask that is gone lets every token see those to come, and an average is over the weights of a whole row."""
    engine = tiny_engine(kind)
    for name, chain in chains(engine).items():
        want = Want("cache_gap", pos=11)
        alone = all(of_itself(one) or one.site == "positions" for one in chain)
        assert stepwise(chain) == (alone and not any(one.site in ("mask", "pattern") for one in chain)), name
        if stepwise(chain):
            largest = np.abs(engine.run(run_of(engine, *chain), [Want("logits", pos=11)])[Want("logits", pos=11)]).max()
            assert engine.run(run_of(engine, *chain), [want])[want] < FLOAT32 * max(largest, 1.0), name
        else:
            with pytest.raises(Refused, match="alone over the cache"):
                engine.run(run_of(engine, *chain), [want])


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_run_is_the_same_in_a_batch(kind: str) -> None:
    engine = tiny_engine(kind)
    stream = Want("resid_post", LAYERS - 1)
    for name, chain in chains(engine).items():
        trace = engine.run(run_of(engine, *chain), [Want("batch_gap"), stream])
        assert trace[Want("batch_gap")].max() <= FLOAT32 * np.abs(trace[stream]).max(), name


@pytest.mark.parametrize("part", OF_A_LAYER)
@pytest.mark.parametrize("kind", ["llama", "gpt2", "t5"])
def test_the_stream_stays_the_sum_of_what_is_written(kind: str, part: str) -> None:
    engine = tiny_engine(kind).again()
    sums = (("resid_pre", "attn_out", "resid_mid"), ("resid_mid", "ffn_out", "resid_post"))
    wants = [Want(name, layer) for layer in range(LAYERS) for each in sums for name in each]
    trace = engine.run(run_of(engine, dropped(part), Intervention("resid_mid", "scale", 1, amount=2.0)), wants)
    for layer, (stream, write, end) in ((layer, each) for layer in range(LAYERS) for each in sums):
        together = trace[Want(stream, layer)] + trace[Want(write, layer)]
        assert gap(together, trace[Want(end, layer)]) < FLOAT32, (layer, end)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "t5"])
def test_a_short_stream_after_a_very_long_one_keeps_its_digits(kind: str) -> None:
    """As the first token's is in real models: what is left of it alone is no difference of two large numbers."""
    engine = tiny_engine(kind).again()
    long = Intervention("resid_pre", "scale", 1, amount=1e5)
    for short in (dropped("attn_skip", 1), Intervention("resid_mid", "scale", 1, amount=1e-5)):
        run, wants = run_of(engine, long, short), [Want("resid_mid", 1), Want("resid_post", 1)]
        reference, trace = Changed(plain(kind), run, cut), engine.run(run, wants)
        for want in wants:
            for mine, expected in zip(trace[want], reference.site(want.site, 1), strict=True):
                assert gap(mine, expected) < 3 * FLOAT32, (short.site, want)


@pytest.mark.parametrize("thin", [False, True])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_numbers_that_become_too_large_are_refused_with_the_layer_in_which_they_do(kind: str, thin: bool) -> None:
    engine = (_thin(kind) if thin else tiny_engine(kind)).again()
    grown = [Intervention("resid_mid", "scale", 1, amount=LARGE)] * 5
    without_norms = (dropped("attn_norm"), dropped("ffn_norm"))
    assert np.isfinite(engine.run(run_of(engine, *without_norms), ends(engine))[ends(engine)[0]]).all()
    for chain in ((*without_norms, *grown), (swapped(0, 1), *grown), (dropped("ffn_skip"), *without_norms, *grown)):
        with pytest.raises(Refused, match="in layer 1"):
            engine.run(run_of(engine, *chain), ends(engine))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_numbers_too_large_in_between_are_refused_too(kind: str) -> None:
    """Whatever is put in their place further on."""
    engine = tiny_engine(kind).again()
    for site, layer in (("resid_pre", 0), ("resid_post", 0)):
        grown = [Intervention(site, "scale", layer, amount=LARGE)] * 5
        with pytest.raises(Refused, match="in layer 0"):
            engine.run(run_of(engine, *grown, Intervention("resid_post", "zero", 1)), ends(engine))


@pytest.mark.parametrize("how", [None, Settings()], ids=["best", "drawn"])
def test_a_text_does_not_go_on_from_numbers_that_are_too_large(how: Settings | None) -> None:
    engine = tiny_engine("llama").again()
    grown = [Intervention("resid_mid", "scale", 1, amount=LARGE)] * 5
    for chain in (grown, (*grown, dropped("mask"))):
        with pytest.raises(Refused, match="too large for float32"):
            engine.extend(run_of(engine, *chain), 3, how)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_logits_that_are_too_large_for_their_softmax_are_refused(kind: str) -> None:
    """The stream itself is finite for some time longer. LayerNorm squares it, so there it need not be that large."""
    engine = tiny_engine(kind).again()
    grown, sites = [Intervention("resid_post", "scale", LAYERS - 1, amount=LARGE)] * 4, ("next_logp", "lens_logp")
    refusals = []
    for amount in (1e-6, 1e-3, 0.1, 2.0, 5.0, 20.0, 50.0, 80.0, LARGE):
        last = Intervention("resid_post", "scale", LAYERS - 1, amount=amount)
        try:
            trace = engine.run(run_of(engine, dropped("final_norm"), *grown, last), [Want(site) for site in sites])
        except Refused as refused:
            refusals.append(str(refused))
        else:
            assert refusals == []
            assert all(np.isfinite(trace[Want(site)]).all() for site in sites), amount
    assert "leave no norm out" in refusals[0]
    assert "in layer 2" in refusals[-1]  # the stream itself is too large then
    if engine.spec.norm.kind == "layer":
        with pytest.raises(Refused, match="leave no norm out"):
            engine.run(run_of(engine, *grown), [Want("next_logp")])
    else:
        assert np.isfinite(engine.run(run_of(engine, *grown), [Want("next_logp")])[Want("next_logp")]).all()


def test_a_changed_run_leaves_the_model_as_it_was() -> None:
    for kind in ("llama", "bert", "t5"):
        engine = tiny_engine(kind).again()
        before = engine.run(run_of(engine), _everything(engine))
        for chain in chains(engine).values():
            engine.run(run_of(engine, *chain), ends(engine))
        same(engine.again().run(run_of(engine), _everything(engine)), before, _everything(engine))


@pytest.mark.parametrize("seed", [0, 7])
def test_the_order_of_shuffled_embeddings_is_the_seeds(seed: int) -> None:
    engine = tiny_engine("llama")
    table = plain("llama").get_input_embeddings().weight.detach().numpy()
    order = np.random.default_rng(seed).permutation(len(table))
    found = engine.run(run_of(engine, shuffled(seed)), [Want("tok_embed"), Want("resid_pre", 0)])
    for want in (Want("tok_embed"), Want("resid_pre", 0)):
        np.testing.assert_array_equal(found[want], table[order[cut(run_of(engine))]], err_msg=str(want))
