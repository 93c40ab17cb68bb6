"""A run says how far it is, and stops when it is told to."""

from threading import Thread

import numpy as np
import pytest

from anatomy.request import Want
from models.engine import Cancelled, Progress
from models.loaded import readout, vocabulary
from models.measures import lens, rerun
from models.reading import attended
from tests.models.tiny import STREAMS, new_tiny_engine, run_of, tiny_engine


@pytest.mark.parametrize(
    ("wants", "step"),
    [
        ([Want("lens_ids"), Want("lens_logp")], "reading the stream after each layer"),
        (
            [Want(f"lens_{what}", pos=pos) for pos in range(40) for what in ("ids", "logp")],
            "reading the stream after each",
        ),
        ([Want("lens_kl")], "comparing each layer's lens"),
        ([Want("next_ids")], "reading the predictions"),
        ([Want("surprisal")], "reading the predictions"),
        ([Want("half_kl")], "comparing the predictions"),
        ([Want("near_cos")], "comparing tokens with the whole vocabulary"),
        ([Want("cos_tokens", pos=3)], "comparing the streams"),
        ([Want("pattern_max", 1, head=0)], "reading the head's map"),
    ],
)
def test_a_long_step_says_how_far_it_is_and_stops_when_it_is_told_to(
    wants: list[Want], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (readout, lens, rerun, vocabulary):
        monkeypatch.setattr(module, "CHUNK", 4)
    monkeypatch.setattr(attended, "ROWS", 8)
    engine, told = new_tiny_engine(), []
    engine.run(run_of(engine), STREAMS)
    engine.run(run_of(engine), wants, report=told.append)
    mine = [progress for progress in told if progress.step.startswith(step)]
    assert len(mine) > 2
    assert {progress.total for progress in mine} == {mine[0].total}
    assert [progress.done for progress in mine] == sorted({progress.done for progress in mine})
    assert mine[0].done == 0
    assert mine[-1].done < mine[-1].total
    begun: list[Progress] = []
    with pytest.raises(Cancelled):
        engine.run(run_of(engine), wants, report=begun.append, cancelled=lambda: len(begun) >= 2)
    assert begun == told[:2]


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
