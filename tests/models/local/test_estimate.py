"""What a run costs is said before it runs, and it costs no more."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from anatomy.request import Run, Want
from anatomy.sites import SITES, Site
from bench import long
from models.engine import Estimate
from models.loaded.generate import new_cache, step
from models.local import estimate as costs
from models.local.estimate import Speed, estimate, extending, extending_fits, fitting, inputs_bytes, thinning
from models.serving.recorded import FIRST_VIEW, RecordedEngine
from models.serving.store import Store
from tests.models.long import HEADS, long_engine, text_of
from tests.models.tiny import MODELS, STREAMS, TEXT, asked_of, new_tiny_engine, run_of, tiny_engine
from tests.share import diagonal, share

SPEED = Speed(products=2e11, fused=1e11, weights=3e8)


def test_memory_and_time_grow_with_the_text_and_with_what_is_asked() -> None:
    spec = tiny_engine().spec
    costs = [estimate(spec, tokens, STREAMS, SPEED) for tokens in (10, 100, 1_000, 10_000)]
    assert [cost.nbytes for cost in costs] == sorted({cost.nbytes for cost in costs})
    assert [cost.seconds for cost in costs] == sorted({cost.seconds for cost in costs})
    more = estimate(spec, 1_000, (*STREAMS, Want("head_entropy")), SPEED)
    assert more.nbytes > costs[2].nbytes
    assert more.seconds > costs[2].seconds
    assert estimate(spec, 1_000, STREAMS, SPEED, recorded=True).nbytes < costs[2].nbytes
    assert estimate(spec, 1_000, (Want("attn_in", 1),), SPEED, recorded=True).seconds < costs[2].seconds / 2


def test_as_many_tokens_fit_as_the_estimate_says() -> None:
    spec = tiny_engine().spec
    room = estimate(spec, 5_000, STREAMS, SPEED).nbytes
    fit = fitting(spec, STREAMS, room, 8_192)
    assert estimate(spec, fit, STREAMS, SPEED).nbytes <= room < estimate(spec, fit + 1, STREAMS, SPEED).nbytes
    assert fitting(spec, STREAMS, room, 100) == 100
    assert fitting(spec, STREAMS, 0, 100) == 0


def test_the_layer_inputs_are_the_largest_part_of_what_a_long_text_takes() -> None:
    engine = tiny_engine()
    wide = replace(engine.spec, d_model=576, stacks=(replace(engine.spec.stacks[-1], layers=30),))
    assert estimate(wide, 8_192, STREAMS, SPEED).nbytes > 31 * 8_192 * 576 * 4


def test_layer_inputs_that_do_not_fit_are_thinned_until_they_do() -> None:
    spec, beside = tiny_engine().spec, 100 * (8 + 2 * 8 * 4)  # positions, and cosine and sine of their turns
    assert [inputs_bytes(spec, 100, every) for every in (1, 3)] == [4 * 12_800 + beside, 3 * 12_800 + beside]
    budgets = (None, 4 * 12_800 + beside, 4 * 12_800, 3 * 12_800 + beside, 0)
    assert [thinning(spec, 100, budget) for budget in budgets] == [1, 1, 3, 3, 3]
    thin = estimate(spec, 1_000, STREAMS, SPEED, inputs=3 * 128_000).nbytes
    assert estimate(spec, 1_000, STREAMS, SPEED).nbytes - thin == 128_000


INPUTS = [*product([*MODELS, "t5-gated"], [1, 5, 64], [1, 2, 3])]


@pytest.mark.parametrize(("kind", "tokens", "every"), share(INPUTS, 5, ["-".join(map(str, case)) for case in INPUTS]))
def test_no_layer_inputs_take_more_than_is_said_before(kind: str, tokens: int, every: int) -> None:
    engine = new_tiny_engine(kind)
    inputs = engine._loaded.record(np.arange(tokens), {}, lambda *visited: None, every)
    for layer in range(len(inputs.calls) + 1):
        inputs.stream(layer)
        found_again = sum(stream.nbytes for stream in inputs._latest.values())
        assert inputs.nbytes + found_again <= inputs_bytes(engine.spec, tokens, every)


@pytest.mark.parametrize(("kind", "recorded"), diagonal(["llama", "bert", "t5"], [False, True]))
def test_as_many_layers_run_for_every_site_as_the_estimate_says(kind: str, recorded: bool) -> None:
    engine, ran = new_tiny_engine(kind), []
    for layer in engine._loaded.layers:
        layer.register_forward_hook(lambda layer, args, out: ran.append(_first(out).shape[:2].numel()))
    told, took = {}, {}
    for number, site in enumerate(SITES.values()):
        if site.name in engine.missing or site.of == "variant":  # whose layers are another model's
            continue
        run, want = run_of(engine, f"{number:02} {TEXT}"), _asked(site, last=45)
        if recorded:
            engine.run(run, [Want("norm_post")])
        ran.clear()
        array = engine.run(run, [want])[want]
        took[site.name] = sum(ran) / 46  # layers that read the whole text
        told[site.name] = costs._layers(engine.spec, 46, (want,), recorded, None) if costs.runs((want,)) else 0
        assert array.nbytes <= costs._array(engine.spec, 46, want), site.name
    assert took == told
    assert len(took) > 50


def _first(output: torch.Tensor | tuple) -> torch.Tensor:
    return output[0] if isinstance(output, tuple) else output


def _asked(site: Site, last: int) -> Want:
    """A want for the site: of layer 1, head 0, a token, the last position where it is asked for one."""
    token = 5 if site.for_token else None
    layer, pos, head = (1 if site.per_layer else None), (last if site.one_pos else None), (0 if site.one_head else None)
    return Want(site.name, layer, pos=pos, token=token, head=head, of=asked_of(site))


@pytest.mark.skipif(not long.forgets(), reason="this system does not say how much memory was taken at most")
@pytest.mark.parametrize(
    ("kind", "tokens", "wants"),
    [
        *(
            ("llama", tokens, wants)
            for tokens in (500, 2_000)
            for wants in (
                [*(Want(site) for site in (*HEADS, "next_ids")), Want("pattern_max", 1, head=0)],
                [Want("cache_gap", pos=tokens - 1)],
                [Want("half_kl")],
                [Want("lens_kl")],
                [Want("cos_tokens", pos=3)],
            )
        ),
        ("t5", 3_000, [Want("norm_mid")]),  # its bias grows with the square of the text
    ],
    ids=lambda given: given[-1].site if isinstance(given, list) else str(given),
)
def test_a_run_takes_no_more_memory_than_its_estimate_says(kind: str, tokens: int, wants: list[Want]) -> None:
    engine = long_engine(kind)
    engine.run(Run(engine.spec.id, text_of(9)), STREAMS)  # what is loaded at first use
    # A text of its own for each, or the layer inputs of the one before are there.
    run = Run(engine.spec.id, f" {wants[-1].site[:2]}{text_of(tokens - 1)}")
    (cost,) = long.costs(engine, run, {"all at once": wants})
    assert cost.refused == ""
    assert cost.grown < 1.1 * cost.grown_estimated


@pytest.mark.parametrize("kind", ["llama", "mistral", "gpt2"])
def test_the_keys_and_values_that_are_held_are_in_an_estimate(kind: str) -> None:
    engine = tiny_engine(kind)
    with torch.inference_mode():
        step(engine._loaded, torch.arange(20), cache := new_cache(engine._loaded))
    tensors = [part for layer in cache.layers for part in (layer.keys, layer.values)]
    held = sum(tensor.untyped_storage().nbytes() for tensor in tensors)  # of a window too: what is kept is a view
    long, short = (estimate(engine.spec, 60, (Want("cache_gap", pos=pos),), SPEED).nbytes for pos in (39, 19))
    assert long - short == held
    on, before = (extending(engine.spec, tokens, SPEED).nbytes for tokens in (40, 20))
    assert on - before > held


def test_a_text_goes_on_as_far_as_an_estimate_says_that_it_fits() -> None:
    spec = tiny_engine().spec
    room = extending(spec, 5_000, SPEED).nbytes
    assert extending_fits(spec, room, 8_192, SPEED) == 5_000
    assert extending_fits(spec, 0, 8_192, SPEED) == 0


def test_finding_streams_again_takes_time_in_an_estimate() -> None:
    spec = tiny_engine().spec
    for wants in [(Want("lens_ids", pos=3),), (Want("norm_mid"),), (Want("q", 2),)]:
        whole, thin = (estimate(spec, 1_000, wants, SPEED, recorded=True, inputs=inputs) for inputs in (None, 0))
        assert thin.seconds > whole.seconds
    assert len({estimate(spec, 1_000, (Want("norm_mid"),), SPEED, inputs=inputs).seconds for inputs in (None, 0)}) == 1


def test_every_statistic_of_heads_adds_to_the_time_and_all_together_cost_less_than_one_by_one() -> None:
    spec = tiny_engine().spec

    def seconds(*sites: str) -> float:
        wants = tuple(map(Want, sites))
        return estimate(spec, 2_000, wants, SPEED).seconds - estimate(spec, 2_000, STREAMS, SPEED).seconds

    alone = [seconds(site) for site in ("head_entropy", "head_maps", "head_apart")]
    together = seconds("head_entropy", "head_maps", "head_apart")
    assert max(alone) < together < sum(alone)
    assert seconds("head_entropy") == pytest.approx(seconds("head_entropy", "head_first"))


def test_an_estimate_runs_nothing_and_knows_the_layer_inputs() -> None:
    engine, ran = new_tiny_engine(), []
    engine.model.base_model.register_forward_hook(lambda *call: ran.append(1))
    before = engine.estimate(run_of(engine), STREAMS)
    assert (before.tokens, ran) == (43, [])
    assert engine.estimate(run_of(engine)) == Estimate(43, 0, 0.0)
    engine.run(run_of(engine), STREAMS)
    assert engine.estimate(run_of(engine), STREAMS).nbytes < before.nbytes
    assert min(engine.speed.products, engine.speed.fused, engine.speed.weights) > 1e6


def test_a_store_asks_what_it_does_not_hold_would_cost_and_a_recording_costs_nothing() -> None:
    engine = new_tiny_engine()
    store = Store(engine, 1 << 20)
    assert store.estimate(run_of(engine), STREAMS) == engine.estimate(run_of(engine), STREAMS)
    store.get(run_of(engine), STREAMS)
    assert store.estimate(run_of(engine), STREAMS) == Estimate(43, 0, 0.0)
    recorded = RecordedEngine(FIRST_VIEW)
    assert recorded.estimate(recorded.recorded).seconds == 0
