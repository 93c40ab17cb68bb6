"""Long texts: what they cost is said before, too much is refused with a way out, and a run says how far it is."""

from dataclasses import replace
from itertools import pairwise
from threading import Thread

import numpy as np
import pytest
import torch

from anatomy.measure import POOLED, edges
from anatomy.request import Run, Want
from models import attended, collect, memory, refuse
from models.engine import Cancelled, Progress, Refused
from models.estimate import Estimate, Speed, estimate, every, fitting
from models.local import LocalEngine
from models.recorded import FIRST_VIEW, RecordedEngine
from models.store import Store
from tests.models.checkpoints import plain_model, real_engine
from tests.models.tiny import MODELS, new_tiny_engine, tiny_engine

TEXT = "the cat, the hat and the bat sat on the mat"
HEADS = ("head_previous", "head_induction", "head_entropy", "head_apart", "head_reach", "head_maps")


def run_of(engine: LocalEngine, text: str = TEXT) -> Run:
    return Run(engine.spec.id, text)


# tiles and cells


@pytest.mark.parametrize("kind", MODELS)
def test_a_text_of_many_tiles_gives_what_one_of_one_tile_gives(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine(kind)
    wants = [*(Want(site) for site in HEADS), Want("contribution_max", 1, head=2), Want("pattern_mean", 1, head=0)]
    at_once = engine.run(run_of(engine), wants)
    monkeypatch.setattr(attended, "CELLS", 700)  # of 43 tokens and 4 heads: 4 rows
    in_tiles = engine.run(run_of(engine), wants)
    for want in wants:
        np.testing.assert_allclose(in_tiles[want], at_once[want], rtol=1e-5, atol=1e-6, err_msg=str(want))


@pytest.mark.parametrize("site", ["pattern", "contribution"])
def test_a_pooled_map_has_the_largest_and_the_mean_of_each_cell(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "POOLED", 10)
    monkeypatch.setattr(attended, "CELLS", 300)
    engine = tiny_engine()
    window = (3, 40, 1, 22)
    how = {"max": np.max, "mean": np.mean}
    wants = {name: Want(f"{site}_{name}", 1, head=3, window=window) for name in how}
    trace = engine.run(run_of(engine), [*wants.values(), Want(site, 1)])
    rows, columns = edges(37, 10, 3), edges(21, 10, 1)
    for name, reduced in how.items():
        expected = [
            [reduced(trace[Want(site, 1)][3, a:b, c:d]) for c, d in pairwise(columns)] for a, b in pairwise(rows)
        ]
        np.testing.assert_allclose(trace[wants[name]], expected, rtol=1e-5, atol=1e-8)


def test_maps_of_all_heads_are_refused_where_they_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine()
    monkeypatch.setattr(refuse, "MAP_BYTES", 20_000)
    for site in ("pattern", "scores", "contribution"):
        with pytest.raises(Refused, match=r"at 43 tokens.* one head as \w+_max, or for one position"):
            engine.run(run_of(engine), [Want(site, 1)])
        assert engine.run(run_of(engine), [Want(site, 1, pos=3)])[Want(site, 1, pos=3)].shape == (4, 43)


@pytest.mark.parametrize(
    ("want", "sentence"),
    [
        (Want("pattern_max", 1, head=4), "heads 0 to 3, not 4"),
        (Want("pattern_max", 1, head=0, window=(0, 44, 0, 2)), "no window of it goes from 0 to 44 and from 0 to 2"),
        (Want("pattern_mean", 1, head=0, window=(5, 5, 0, 2)), "no window of it goes from 5 to 5"),
    ],
)
def test_a_head_or_window_that_is_not_there_is_refused(want: Want, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        tiny_engine().run(run_of(tiny_engine()), [want])


@pytest.mark.parametrize(
    "want", [Want("pattern_max", 1), Want("pattern", 1, head=0), Want("entropy", window=(0, 1, 0, 1))]
)
def test_a_head_is_named_for_the_sites_of_one_head_and_no_others(want: Want) -> None:
    with pytest.raises(ValueError, match=r"one head|all heads"):
        tiny_engine().run(run_of(tiny_engine()), [want])


# what it costs

SPEED = Speed(products=2e11, fused=1e11, weights=3e8)
STREAMS = (Want("norm_pre"),)


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


def test_the_tape_is_the_largest_part_of_what_a_long_text_takes() -> None:
    engine = tiny_engine()
    wide = replace(engine.spec, d_model=576, stacks=(replace(engine.spec.stacks[-1], layers=30),))
    assert estimate(wide, 8_192, STREAMS, SPEED).nbytes > 31 * 8_192 * 576 * 4


def test_a_tape_that_does_not_fit_is_thinned_until_it_does() -> None:
    spec = tiny_engine().spec
    assert [every(spec, 100, budget) for budget in (None, 4 * 12_800, 3 * 12_800, 0)] == [1, 1, 3, 3]
    thin = estimate(spec, 1_000, STREAMS, SPEED, tape=3 * 128_000).nbytes
    assert estimate(spec, 1_000, STREAMS, SPEED).nbytes - thin == 128_000


def test_an_engine_with_room_for_half_a_tape_answers_the_same() -> None:
    wants = [
        Want("resid_pre", 2),
        Want("lens_ids"),
        Want("norm_mid"),
        Want("contribution", 1),
        Want("cos_tokens", pos=3),
    ]
    small, usual = new_tiny_engine(tape_bytes=30_000), new_tiny_engine()
    whole = usual.run(run_of(usual), wants)
    ran: list[int] = []
    small.model.base_model.register_forward_hook(lambda *call: ran.append(1))
    for want in wants:
        np.testing.assert_array_equal(small.run(run_of(small), [want])[want], whole[want])
    assert len(ran) == 1


def test_a_run_that_does_not_fit_is_refused_with_the_figures_and_what_would(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = new_tiny_engine(memory_bytes=2 << 30)
    engine.spec = replace(engine.spec, d_model=8 << 20)
    monkeypatch.setattr(memory, "resident", lambda: 1 << 30)
    told = r"43 tokens would take about 2\d\.\d GB .* 2\.0 GB \(STAGELIGHT_MEMORY\) and has 1\.0 GB .* about 1\."
    with pytest.raises(Refused, match=told):
        engine.run(run_of(engine), STREAMS)


def test_a_short_text_runs_however_much_the_program_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = new_tiny_engine(memory_bytes=1 << 20)
    assert engine.run(run_of(engine), STREAMS)[STREAMS[0]].shape == (3, 43)


def test_an_estimate_runs_nothing_and_knows_the_tape() -> None:
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


@pytest.mark.parametrize(
    ("given", "size"), [("", 4 << 30), ("4", 4 << 30), ("2.5 GB", 5 << 29), ("900 MB", 900 << 20), ("1gib", 1 << 30)]
)
def test_the_limit_is_what_the_variable_says(given: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(memory.VARIABLE, given)
    assert memory.limit() == size


@pytest.mark.parametrize("given", ["much", "-1", "0", "4 TB"])
def test_a_limit_that_is_no_size_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(memory.VARIABLE, given)
    with pytest.raises(Refused, match=f"STAGELIGHT_MEMORY is “{given}”: write a number of gigabytes"):
        memory.limit()


def test_what_the_process_takes_is_told() -> None:
    assert 50 << 20 < memory.resident() < 200 << 30


# how far it is, and stopping


def test_a_run_says_how_far_it_is_layer_by_layer() -> None:
    engine, told = new_tiny_engine(), []
    engine.run(run_of(engine), STREAMS, report=told.append)
    assert told == [Progress("running the model, layer by layer", layer, 3) for layer in range(3)]


@pytest.mark.parametrize(
    "wants", [STREAMS, (Want("head_apart"),), (Want("lens_ids"),), (Want("pattern_max", 2, head=0),)]
)
def test_a_run_stops_between_layers_and_the_next_is_as_ever(wants: tuple[Want, ...]) -> None:
    engine, told = new_tiny_engine(), []
    with pytest.raises(Cancelled):
        engine.run(run_of(engine), wants, report=told.append, cancelled=lambda: len(told) >= 2)
    assert len(told) == 2
    truth = tiny_engine().run(run_of(tiny_engine()), wants)
    again = engine.run(run_of(engine), wants)
    np.testing.assert_array_equal(again[wants[0]], truth[wants[0]])


def test_a_run_that_waits_for_its_turn_can_be_cancelled() -> None:
    engine, raised = new_tiny_engine(), []

    def ask() -> None:
        try:
            engine.run(run_of(engine), STREAMS, cancelled=lambda: True)
        except Cancelled as stopped:
            raised.append(stopped)

    with engine._turn:
        waiting = Thread(target=ask)
        waiting.start()
        waiting.join(timeout=20)
        assert not waiting.is_alive()
    assert len(raised) == 1


# real weights


@pytest.mark.real
def test_a_text_of_600_tokens_equals_the_plain_forward() -> None:
    engine = real_engine("smollm2-135m")
    text = " ".join(f"Item {number} of the list is worth {number * 37 % 101} points." for number in range(45))
    run = Run(engine.spec.id, text)
    tokens = engine.run(run).tokens
    assert 500 < len(tokens) < 800
    plain = plain_model("smollm2-135m")
    with torch.inference_mode():
        result = plain(torch.tensor([[token.id for token in tokens]]), output_attentions=True, use_cache=False)
    last = len(tokens) - 1
    wants = [Want("logits", pos=last), Want("pattern", 15, pos=last), Want("head_entropy")]
    wants += [Want(f"pattern_{how}", 15, head=4) for how in ("max", "mean")]
    trace = engine.run(run, wants)
    np.testing.assert_allclose(trace[wants[0]], result.logits[0, last].numpy(), atol=1e-4)
    maps = torch.cat(result.attentions).numpy()  # [layer head pos src]
    np.testing.assert_allclose(trace[wants[1]], maps[15, :, last], atol=1e-5)
    entropy = -(maps * np.log(np.where(maps > 0, maps, 1))).sum(-1, dtype=np.float64).mean(-1)
    np.testing.assert_allclose(trace[wants[2]], entropy, atol=1e-4)
    cut = edges(len(tokens), POOLED)[:-1]
    sums = np.add.reduceat(np.add.reduceat(maps[15, 4].astype(np.float64), cut, 0), cut, 1)
    sizes = np.diff(edges(len(tokens), POOLED))
    largest = np.maximum.reduceat(np.maximum.reduceat(maps[15, 4], cut, 0), cut, 1)
    np.testing.assert_allclose(trace[wants[3]], largest, atol=1e-5)
    np.testing.assert_allclose(trace[wants[4]], sums / np.outer(sizes, sizes), atol=1e-5)
