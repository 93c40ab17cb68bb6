"""How many threads a run uses, whichever thread of the program asks."""

from threading import Thread

import pytest
import torch

from anatomy.request import Run, Want
from models.local.threads import MOST, using_threads, usual_threads
from tests.models.tiny import new_tiny_engine

GIVEN = torch.get_num_threads()


def test_so_many_compute_while_it_is_open_and_as_many_as_before_after() -> None:
    before = torch.get_num_threads()
    with using_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    with using_threads(None):
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before


def test_a_model_runs_on_a_few_threads_at_most() -> None:
    assert usual_threads(MOST + 5) == MOST
    assert usual_threads(1) == 1
    assert usual_threads() == min(GIVEN, MOST)


@pytest.mark.parametrize("others", [1, 2])
def test_a_fresh_thread_gets_the_usual_number_while_another_uses_its_own(others: int) -> None:
    """Two models that load at the same time: torch hands the number of one to the threads of the other."""
    seen: list[tuple[int, int]] = []
    with using_threads(others):
        fresh = Thread(target=lambda: seen.append((torch.get_num_threads(), usual_threads())))
        fresh.start()
        fresh.join()
    assert seen == [(others, min(GIVEN, MOST))]


def test_a_run_has_the_model_s_threads_whoever_asks() -> None:
    engine, seen = new_tiny_engine("llama"), []
    engine.model.base_model.register_forward_pre_hook(lambda *call: seen.append(torch.get_num_threads()))
    engine.threads = 3

    def ask() -> None:
        torch.set_num_threads(1)
        engine.run(Run(engine.spec.id, "some words"), [Want("entropy")])

    with using_threads(1):
        asker = Thread(target=ask)
        asker.start()
        asker.join()
    assert seen == [3]
