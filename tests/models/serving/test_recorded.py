"""A recording answers what it holds, word for word, and says so of everything else."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import panels
from anatomy.alignment import identity
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.sites import SITES
from anatomy.trace import Trace
from anatomy.view import DEFAULT_TEXT, View
from anatomy.wire import MOST_BYTES, pack
from models.connect import connect
from models.record import first_view, record
from models.serving.recorded import FIRST_VIEW, NotRecorded, RecordedEngine
from tests.anatomy.test_wire_from_outside import mutated
from tests.models.real import real_engine
from tests.models.tiny import tiny_engine

RUN = Run(tiny_engine().spec.id, "some words")
WANTS = (Want("pattern", 1), Want("next_ids"), Want("next_logp"), Want("near_ids", pos=2))
LARGEST = 1_500_000
LIVE = 1e-4  # as a share of the largest number of an array, where that is above 1


@pytest.fixture(scope="module")
def trace() -> Trace:
    return tiny_engine().run(RUN, WANTS)


@pytest.fixture
def recorded(trace: Trace, tmp_path: Path) -> RecordedEngine:
    file = tmp_path / "some.npz"
    file.write_bytes(pack(trace))
    return RecordedEngine(file)


def test_a_recording_answers_as_the_engine_did(recorded: RecordedEngine, trace: Trace) -> None:
    again = recorded.run(RUN, WANTS)
    assert (again.run, again.spec, again.tokens, again.names) == (RUN, trace.spec, trace.tokens, trace.names)
    for want in WANTS:
        np.testing.assert_array_equal(again[want], trace[want])
    assert recorded.specs() == (trace.spec,)
    assert recorded.recorded == RUN


def test_a_position_of_what_was_recorded_is_recorded(recorded: RecordedEngine, trace: Trace) -> None:
    want = Want("next_ids", pos=4)
    part = recorded.run(RUN, [want])
    np.testing.assert_array_equal(part[want], trace[Want("next_ids")][4])
    assert set(part.names) == set(part[want].tolist())


def test_what_was_not_recorded_is_named(recorded: RecordedEngine) -> None:
    with pytest.raises(NotRecorded, match=r"does not hold pattern\[layer 0\], near_ids: open the model"):
        recorded.run(RUN, [Want("pattern", 0), Want("near_ids"), Want("pattern", 1)])


@pytest.mark.parametrize("other", [RUN.on("other words"), Run("other@1/float32", RUN.text)])
def test_another_text_or_model_was_not_recorded(recorded: RecordedEngine, other: Run) -> None:
    with pytest.raises(NotRecorded, match="Only “some words” by tiny-llama@0/float32 is recorded"):
        recorded.run(other)


def test_a_file_that_is_not_there_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"nothing\.npz cannot be read: No such file"):
        connect(f"recorded:{tmp_path / 'nothing.npz'}")


def test_a_file_that_is_no_recording_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.npz").write_text("no recording")
    with pytest.raises(Refused, match=r"notes\.npz cannot be read: not a recorded trace: these bytes are no npz file"):
        connect(f"recorded:{tmp_path / 'notes.npz'}")


def test_whatever_happens_to_a_file_it_answers_or_is_refused_in_a_sentence_that_names_it(
    trace: Trace, tmp_path: Path
) -> None:
    dice, good, file = random.Random(3), pack(trace), tmp_path / "some.npz"
    said = []
    for _time in range(200):
        file.write_bytes(mutated(dice, good))
        try:
            assert RecordedEngine(file).specs()
        except Refused as refused:
            said.append(str(refused))
    assert len(said) > 100
    for sentence in said:
        assert "some.npz cannot be read: not a recorded trace: " in sentence
        assert sentence.endswith(f"python -m models.record ADDRESS --to {file}")


def test_of_a_file_that_is_too_large_no_more_is_read_than_a_recording_may_have(tmp_path: Path) -> None:
    file = tmp_path / "large.npz"
    with file.open("wb") as stream:
        stream.truncate(40 * MOST_BYTES)
    with pytest.raises(Refused, match=f"{MOST_BYTES + 1} bytes, and {MOST_BYTES} are allowed"):
        RecordedEngine(file)


def test_a_folder_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read: Is a directory"):
        RecordedEngine(tmp_path)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "bert-headless", "t5"])
def test_the_first_view_of_any_model_can_be_recorded(kind: str, tmp_path: Path) -> None:
    engine = tiny_engine(kind)
    file = tmp_path / "first.npz"
    file.write_bytes(record(engine))
    replay = RecordedEngine(file)
    wants = first_view(engine.spec, replay.run(replay.recorded).tokens)
    answered = replay.run(replay.recorded, [want for want in wants if want.site not in engine.missing])
    assert replay.recorded.text == DEFAULT_TEXT
    assert len(answered.arrays) > 20
    assert record(engine) == file.read_bytes()


def test_the_recording_that_comes_with_the_program_is_the_default_view() -> None:
    engine = RecordedEngine(FIRST_VIEW)
    (spec,) = engine.specs()
    assert (spec.name, spec.layers) == ("smollm2-135m", 30)
    trace = engine.run(Run(spec.id, DEFAULT_TEXT), first_view(spec, engine.run(engine.recorded).tokens)[:60])
    assert trace[Want("pattern", 17)][5, 11, 5] == pytest.approx(0.73, abs=0.01)
    assert FIRST_VIEW.stat().st_size < LARGEST


@pytest.mark.parametrize("name", panels.load())
def test_the_recording_that_comes_with_the_program_holds_what_every_panel_opens_with(name: str) -> None:
    panel, engine = panels.load()[name], RecordedEngine(FIRST_VIEW)
    (spec,) = engine.specs()
    view = View().fit(spec, engine.run(engine.recorded).tokens)
    if panel.applies(spec) is None:
        needed = panel.needs(spec, view)
        assert set(engine.run(engine.recorded, needed).arrays) == set(needed)


@pytest.mark.real
def test_the_recording_that_comes_with_the_program_is_what_the_model_says() -> None:
    live, recorded = real_engine("smollm2-135m"), RecordedEngine(FIRST_VIEW)
    (spec,) = recorded.specs()
    kept = live.spec.weights.kept  # "earlier" where a folder of before is still in use
    assert spec.weights.kept == "gguf"
    assert live.spec == replace(spec, weights=replace(spec.weights, kept=kept))
    run = recorded.recorded
    wants = [want for want in first_view(live.spec, live.run(run).tokens) if want.site not in live.missing]
    told, said = live.run(run, wants), recorded.run(run, wants)
    assert told.tokens == said.tokens
    assert told.names == said.names
    assert {want: gap for want in wants if (gap := _gap(said[want], told[want])) > _allowed(want)} == {}


def _allowed(want: Want) -> float:
    """Another processor rounds otherwise: of numbers in steps, the next step may be the nearest then."""
    return 1.01 / 255 if SITES[want.site].unit == "1/255" else LIVE


def _gap(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference of two arrays; endless where −inf or NaN stand in different places."""
    if not np.array_equal(np.isfinite(one), np.isfinite(other)):
        return float("inf")
    a, b = one[np.isfinite(one)].astype(float), other[np.isfinite(other)].astype(float)
    return float(np.abs(a - b).max() / max(1.0, np.abs(b).max())) if a.size else 0.0


def test_a_recording_compares_no_runs(recorded: RecordedEngine) -> None:
    for ask in (
        lambda: recorded.parting(RUN, tiny_engine(), RUN, identity(10)),
        lambda: recorded.parting_estimate(RUN, tiny_engine(), RUN),
    ):
        with pytest.raises(NotRecorded, match="compares it with no other"):
            ask()
