"""What is measured in runs with a broken architecture: as in a model that is built so, and as its own numbers say."""

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from anatomy.measure import apart, head_scores
from anatomy.request import Intervention, Want
from anatomy.spec import RelativeBias
from models.local.engine import LocalEngine
from tests.models.local.test_made_again import every_want
from tests.models.reading.against_plain import FLOAT32, LAYERS, TEXT, gap, gaps_everywhere, run_of, same, worst
from tests.models.reading.broken import CHAINS, chains, dropped, possible, shuffled, swapped
from tests.models.reading.plain_parts import kind_of
from tests.models.tiny import MODELS, ByteTokenizer, randomize, tiny_config, tiny_engine, tiny_model

KINDS = tuple(
    kind if kind in ("llama", "bert", "qwen2-mixed") else pytest.param(kind, marks=pytest.mark.wide)
    for kind in (*MODELS, "qwen2-mixed", "t5-gated")
)
WITH_PARTS = ("llama", "gpt2", pytest.param("qwen2-mixed", marks=pytest.mark.wide))  # whose logits are sums of parts
LAST = len(TEXT) - 1
TOKEN = 101


def _every_want(engine: LocalEngine) -> list[Want]:
    return every_want(engine, last=LAST)


@pytest.mark.parametrize("asked", [(swapped(1, 2),), (swapped(0, 2), swapped(2, 1))], ids=["one swap", "two swaps"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_site_of_swapped_layers_is_that_of_a_model_with_its_weights_in_that_order(
    kind: str, asked: tuple[Intervention, ...]
) -> None:
    """Gains, projections and what is worked out from them among it. T5's first layer stays where it is."""
    if isinstance(tiny_engine(kind).spec.position, RelativeBias):
        asked = asked[-1:]
    model = tiny_model(kind)
    _reorder(model, asked)
    _alike(kind, asked, model)


@pytest.mark.parametrize("asked", [(shuffled(5),), (shuffled(5), shuffled(6))], ids=["once", "twice"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_site_of_shuffled_embeddings_is_that_of_a_model_with_its_table_in_that_order(
    kind: str, asked: tuple[Intervention, ...]
) -> None:
    """The nearest tokens are those that are given the nearest rows. An output layer that shares the table keeps it."""
    model = tiny_model(kind)
    table = model.get_input_embeddings().weight.detach()
    for one in asked:
        table = table[torch.from_numpy(np.random.default_rng(one.seed).permutation(len(table)))]
    own = torch.nn.Parameter(table, requires_grad=False)
    for module in model.base_model.modules():
        if isinstance(module, torch.nn.Embedding) and len(module.weight) == len(table):
            module.weight = own
    _alike(kind, asked, model)


def _reorder(model: PreTrainedModel, asked: Sequence[Intervention]) -> None:
    """Each layer with the weights of the one that runs in its place."""
    layers = list(model.base_model.get_submodule(kind_of(model).layer.removesuffix(".{}")))
    weights = [{name: tensor.clone() for name, tensor in layer.state_dict().items()} for layer in layers]
    for one in asked:
        assert one.layer is not None
        assert one.other is not None
        weights[one.layer], weights[one.other] = weights[one.other], weights[one.layer]
    for layer, mine in zip(layers, weights, strict=True):
        layer.load_state_dict(mine)


def _alike(kind: str, asked: Sequence[Intervention], model: PreTrainedModel) -> None:
    """Every site of the changed run is that of a model built so."""
    engine, built = tiny_engine(kind).again(), LocalEngine(model, ByteTokenizer(), name=f"tiny-{kind}")
    assert engine.missing == built.missing
    found, expected = (
        one.run(run, _every_want(one)) for one, run in ((engine, run_of(engine, *asked)), (built, run_of(built)))
    )
    for want, array in expected.arrays.items():
        largest = np.abs(np.where(np.isfinite(array), array, 0.0)).max(initial=1e-3)
        whole = array.dtype.kind in "iub"
        np.testing.assert_allclose(
            found[want], array, rtol=0, atol=0 if whole else FLOAT32 * largest, equal_nan=True, err_msg=str(want)
        )


@pytest.mark.parametrize("kind", ["llama", "gpt2", "t5"])
def test_every_site_of_a_layer_that_is_left_out_is_that_of_one_that_writes_0(kind: str) -> None:
    """Where norms stand before the parts: elsewhere they are left out with it."""
    engine = tiny_engine(kind).again()
    wants = [want for want in _every_want(engine) if want.site != "cache_gap"]
    writes = (Intervention("attn_out", "zero", 1), Intervention("ffn_out", "zero", 1))
    one, other = (engine.run(run_of(engine, *asked), wants) for asked in ((dropped("layer", 1),), writes))
    same(one, other, wants)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("kind", WITH_PARTS)
def test_the_logits_of_a_broken_run_are_the_sum_of_what_its_parts_add(kind: str, name: str) -> None:
    engine = tiny_engine(kind).again()
    parts, logits = Want("dla_parts", pos=LAST, token=TOKEN), Want("logits", pos=LAST)
    against = Want("dla_parts", pos=9, token=-1, against=-2)
    wants = [parts, against, logits, Want("logits", pos=9), Want("next_ids")]
    trace = engine.run(run_of(engine, *possible(CHAINS[name], engine.spec)), wants)
    assert _far(trace[parts], float(trace[logits][TOKEN])) < FLOAT32
    elsewhere = trace[Want("logits", pos=9)]
    best, second = trace[Want("next_ids")][9, :2]
    assert _far(trace[against], float(elsewhere[best] - elsewhere[second])) < FLOAT32


def _far(parts: np.ndarray, total: float) -> float:
    """How far some numbers are from a sum, as a share of the sum of their sizes."""
    return abs(float(parts.astype(np.float64).sum()) - total) / float(np.abs(parts).sum())


@pytest.mark.parametrize(
    "asked",
    [
        (swapped(0, 2), Intervention("z", "zero", 2, head=1)),
        (dropped("mask"), Intervention("pattern", "average", 1)),
        (dropped("final_norm"), shuffled(3)),
        (dropped("attn_norm"), dropped("ffn_skip", 0)),
        (dropped("layer", 1),),
        (dropped("attn_skip", 1), dropped("attn_skip", 2)),
    ],
    ids=lambda asked: " ".join(f"{one.site}.{one.op}" for one in asked),
)
@pytest.mark.parametrize("kind", ["llama", "qwen2-mixed"])
def test_what_heads_and_the_tokens_that_they_read_add_is_what_attention_adds(
    kind: str, asked: tuple[Intervention, ...]
) -> None:
    """Where a skip connection is left out its write takes off what the stream brought, which no head does."""
    engine = tiny_engine(kind).again()
    parts, heads, src = (Want(f"dla_{site}", pos=LAST, token=TOKEN) for site in ("parts", "heads", "src"))
    trace = engine.run(run_of(engine, *asked), [parts, heads, src])
    added = trace[parts].astype(np.float64)
    sizes = float(np.abs(added).sum())
    for layer in range(LAYERS):
        write = added[1 + 2 * layer]
        if dropped("attn_skip", layer) in asked:
            write += added[: 1 + 2 * layer].sum()
        assert abs(float(trace[heads][layer].sum()) - write) < FLOAT32 * sizes, layer
        assert trace[heads][layer].any() == (dropped("layer", layer) not in asked)
    assert abs(float(trace[src].sum()) - float(trace[heads].sum())) < FLOAT32 * sizes


@pytest.mark.parametrize(
    "asked",
    [
        (dropped("mask"),),
        (dropped("mask"), Intervention("pattern", "average")),
        (Intervention("pattern", "average", kv=1),),
        (dropped("mask"), swapped(0, 2), Intervention("pattern", "noise", 1, amount=1.0)),
    ],
    ids=["no mask", "no mask, averaged", "averaged by key/value head", "no mask, swapped and noisy"],
)
@pytest.mark.parametrize("kind", ["llama", "qwen2-mixed", "gpt2"])
def test_what_is_kept_of_broken_attention_is_what_its_weights_say(kind: str, asked: tuple[Intervention, ...]) -> None:
    """Kinds of heads, entropies, pooled maps: none takes for granted that nothing after a token is looked at."""
    engine = tiny_engine(kind).again()
    kinds = ("previous", "first", "duplicate", "induction", "local", "later", "entropy", "distance")
    maps = [Want("pattern", layer) for layer in range(LAYERS)]
    pooled = [Want(f"pattern_{how}", 1, head=head) for how in ("max", "mean") for head in range(4)]
    wants = [*maps, *pooled, *(Want(f"head_{name}") for name in kinds), Want("head_apart")]
    trace = engine.run(run_of(engine, *possible(asked, engine.spec)), wants)
    ids = np.array([token.id for token in trace.tokens])
    for layer, want in enumerate(maps):
        scores = head_scores(trace[want], ids)
        for name in kinds:
            found = trace[Want(f"head_{name}")][layer]
            np.testing.assert_allclose(found, scores[name], atol=1e-5, rtol=1e-5, err_msg=f"{layer} {name}")
        np.testing.assert_allclose(trace[Want("head_apart")][layer], apart(trace[want]), atol=1e-5)
    for want in pooled:
        np.testing.assert_allclose(trace[want], trace[maps[1]][want.head], atol=1e-6, err_msg=str(want))
    assert trace.spec.stack().causal == (dropped("mask") not in asked)
    assert (trace[Want("head_later")].max() > 0.1) == (dropped("mask") in asked)


def test_a_swapped_layer_takes_its_own_scale_along() -> None:
    """GPT-2 with scores divided by the number of the layer, too (`scale_attn_by_inverse_layer_idx`)."""
    config = tiny_config("gpt2")
    config.scale_attn_by_inverse_layer_idx = True
    model, plain = (_randomized(deepcopy(config)) for _ in range(2))
    engine = LocalEngine(model, ByteTokenizer(), name="scaled")
    own = engine.spec.scales
    assert len(set(own)) == LAYERS
    run = run_of(engine, swapped(0, 2), swapped(1, 2))
    assert worst(gaps_everywhere(engine, plain, run)) == {}
    wants = [Want(site, layer) for layer in range(LAYERS) for site in ("q", "k", "scores")]
    trace = engine.run(run, wants)
    assert trace.spec.scales == (own[2], own[0], own[1])
    assert engine.run(run).spec.scales == trace.spec.scales
    for layer in range(LAYERS):
        q, k, scores = (trace[Want(site, layer)] for site in ("q", "k", "scores"))
        seen = np.isfinite(scores)
        stated = q @ k.swapaxes(1, 2) * trace.spec.scale(layer)
        assert gap(np.where(seen, scores, 0.0), np.where(seen, stated, 0.0)) < FLOAT32


def _randomized(config: PreTrainedConfig) -> PreTrainedModel:
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    randomize(model)
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_no_broken_run_has_a_number_that_is_none(kind: str) -> None:
    """Where the same site of the run without changes has none."""
    engine = tiny_engine(kind).again()
    wants = [want for want in _every_want(engine) if want.site != "cache_gap"]
    before = engine.run(run_of(engine), wants)
    for name, chain in chains(engine).items():
        trace = engine.run(run_of(engine, *chain), wants)
        for want in wants:
            if np.isfinite(before[want]).all():
                assert np.isfinite(trace[want]).all(), (name, want)
