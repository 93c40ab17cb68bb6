"""What does not fit into the memory that is left is refused with what would; layer inputs of other runs make room."""

from dataclasses import replace
from threading import Event, Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anatomy.refused import Refused, TooLong
from anatomy.request import Want
from models import memory
from models.local import engine as local
from models.local import refuse
from models.local.engine import LocalEngine
from models.local.estimate import extending, inputs_bytes
from models.measures import lens
from tests.alike import assert_alike
from tests.models.tiny import MODELS, STREAMS, new_tiny_engine, run_of, tiny_engine


@pytest.mark.parametrize("kind", MODELS)
def test_layer_inputs_for_which_there_is_just_room_are_kept(kind: str) -> None:
    spec = tiny_engine(kind).spec
    engine, ran = new_tiny_engine(kind, inputs_bytes=inputs_bytes(spec, 43, 1)), []
    engine.model.base_model.register_forward_hook(lambda *call: ran.append(1))
    for site in ("norm_mid", "cos_ffn"):
        engine.run(run_of(engine), [Want(site)])
    assert len(ran) == 1


def test_an_engine_with_room_for_half_the_layer_inputs_answers_the_same() -> None:
    wants = [
        Want("resid_pre", 2),
        Want("lens_ids"),
        Want("norm_mid"),
        Want("contribution", 1),
        Want("cos_tokens", pos=3),
    ]
    small, usual = new_tiny_engine(inputs_bytes=20_000), new_tiny_engine()
    whole = usual.run(run_of(usual), wants)
    ran: list[int] = []
    small.model.base_model.register_forward_hook(lambda *call: ran.append(1))
    for want in wants:
        np.testing.assert_array_equal(small.run(run_of(small), [want])[want], whole[want])
    assert len(ran) == 1


def test_the_lens_at_every_position_of_a_long_text_is_refused_with_the_length_that_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = tiny_engine()
    each = engine.spec.layers * engine.spec.vocab * engine.spec.d_model
    monkeypatch.setattr(refuse, "PRODUCTS", 42 * each)
    for site in ("lens_ids", "lens_logp", "lens_kl"):
        with pytest.raises(TooLong, match=r"all positions of 43 tokens .* at most 42 tokens") as told:
            engine.run(run_of(engine), [Want(site)])
        assert told.value.longest == 42
        assert engine.run(run_of(engine), [Want(site, pos=3)])[Want(site, pos=3)].shape[0] == 3


def test_the_distance_of_the_lens_goes_through_thinned_layer_inputs_once_for_many_positions() -> None:
    engine, usual = new_tiny_engine(inputs_bytes=20_000), new_tiny_engine()
    run, want = run_of(engine), Want("lens_kl")
    engine.run(run, STREAMS)
    ran: list[int] = []
    for layer in engine._loaded.layers:
        layer.register_forward_hook(lambda *call: ran.append(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lens, "CHUNK", 8)
        found = engine.run(run, [want])[want]
    assert len(ran) == engine.spec.layers - 1  # what enters the first and what leaves the last is kept
    assert_alike(found, usual.run(run_of(usual), [want])[want])


def test_a_run_that_does_not_fit_is_refused_with_the_figures_and_what_would(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = new_tiny_engine(memory_bytes=2 << 30)
    engine.spec = replace(engine.spec, d_model=8 << 20)
    monkeypatch.setattr(memory, "resident", lambda: 1 << 30)
    told = r"43 tokens would take about 2\d\.\d GB .* 2\.0 GB \(STAGELIGHT_MEMORY\) and has 1\.0 GB .* about 1\."
    with pytest.raises(Refused, match=told):
        engine.run(run_of(engine), STREAMS)


@settings(max_examples=30)
@given(context=st.integers(1, 60), lens_fits=st.integers(1, 60), memory_fits=st.integers(1, 60))
def test_of_several_limits_the_one_that_has_to_be_kept_is_told(context: int, lens_fits: int, memory_fits: int) -> None:
    engine, wants = new_tiny_engine(max_tokens=context, memory_bytes=1 << 30), [Want("lens_kl")]
    each = engine.spec.layers * engine.spec.vocab * engine.spec.d_model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refuse, "PRODUCTS", lens_fits * each)
        room = engine._cost(run_of(engine), memory_fits, wants).nbytes
        patch.setattr(local, "LEAST_ROOM", 1)
        patch.setattr(memory, "resident", lambda: (1 << 30) - room)
        least = min(context, lens_fits, memory_fits)
        if least >= 43:
            engine.run(run_of(engine), wants)
            return
        with pytest.raises(TooLong) as told:
            engine.run(run_of(engine), wants)
        assert told.value.longest == least
        engine.run(run_of(engine, "x" * least), wants)


def tapes_of(engine: LocalEngine, *texts: str) -> list[bool]:
    return [run_of(engine, text) in engine._inputs for text in texts]


def leave(left: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many bytes are left of a gigabyte."""
    monkeypatch.setattr(local, "LEAST_ROOM", 1)
    monkeypatch.setattr(memory, "resident", lambda: (1 << 30) - left)


def test_tapes_of_other_runs_go_until_there_is_as_much_memory_as_a_run_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, texts = new_tiny_engine(memory_bytes=1 << 30), ("a" * 40, "b" * 40, "c" * 40)
    leave(1 << 30, monkeypatch)
    for text in texts:
        engine.run(run_of(engine, text), STREAMS)
    again = (Want("attn_in", 1),)
    cost, inputs = engine.estimate(run_of(engine, texts[0]), again).nbytes, inputs_bytes(engine.spec, 40, 1)
    leave(cost, monkeypatch)
    engine.run(run_of(engine, texts[0]), again)
    assert tapes_of(engine, *texts) == [True, True, True]
    leave(cost - 1, monkeypatch)
    engine.run(run_of(engine, texts[1]), again)  # with layer inputs of its own, which stay
    assert tapes_of(engine, *texts) == [True, True, False], "the one used longest ago goes"
    leave(engine.estimate(run_of(engine, "d" * 40), again).nbytes - inputs - 1, monkeypatch)
    engine.run(run_of(engine, "d" * 40), again)
    assert tapes_of(engine, *texts, "d" * 40) == [False, False, False, True]


def test_a_runs_own_tape_is_no_room_for_it_and_none_goes_for_one_that_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, texts = new_tiny_engine(memory_bytes=1 << 30), ("a" * 40, "b" * 40)
    leave(1 << 30, monkeypatch)
    for text in texts:
        engine.run(run_of(engine, text), STREAMS)
    again = (Want("attn_in", 1),)
    cost, inputs = engine.estimate(run_of(engine, texts[0]), again).nbytes, inputs_bytes(engine.spec, 40, 1)
    leave(cost - inputs - 1, monkeypatch)
    with pytest.raises(TooLong, match="A run of 40 tokens would take about"):
        engine.run(run_of(engine, texts[0]), again)
    assert tapes_of(engine, *texts) == [True, True]
    leave(cost - inputs, monkeypatch)
    engine.run(run_of(engine, texts[0]), again)
    assert tapes_of(engine, *texts) == [True, False]


def test_the_memory_that_is_left_is_that_of_when_a_run_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, raised = new_tiny_engine(memory_bytes=1 << 30), []
    monkeypatch.setattr(local, "LEAST_ROOM", 1)
    looked = Event()

    def look() -> bool:
        looked.set()
        return False

    def ask() -> None:
        try:
            engine.run(run_of(engine), STREAMS, cancelled=look)
        except TooLong as refused:
            raised.append(refused)

    monkeypatch.setattr(memory, "resident", lambda: 0)
    with engine._turn:
        waiting = Thread(target=ask)
        waiting.start()
        assert looked.wait(20), "it waits for its turn"
        monkeypatch.setattr(memory, "resident", lambda: 1 << 30)
    waiting.join(timeout=20)
    assert len(raised) == 1


def test_a_text_does_not_go_on_where_there_is_no_memory_for_its_keys_and_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = new_tiny_engine(memory_bytes=1 << 30)
    cost = extending(engine.spec, 46, engine.speed).nbytes
    leave(cost - 1, monkeypatch)
    with pytest.raises(TooLong, match=r"A run of 46 tokens would take about .* enough for about 45") as told:
        engine.extend(run_of(engine), 3)
    assert told.value.longest == 45
    assert len(engine.extend(run_of(engine), 2).tail) == 2
    leave(1 << 30, monkeypatch)
    engine.run(run_of(engine), STREAMS)
    leave(1, monkeypatch)
    assert len(engine.extend(run_of(engine)).tail) == 1, "the first token is read off the layer inputs"


def test_a_short_text_runs_however_much_the_program_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = new_tiny_engine(memory_bytes=1 << 20)
    assert engine.run(run_of(engine), STREAMS)[STREAMS[0]].shape == (3, 43)


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
