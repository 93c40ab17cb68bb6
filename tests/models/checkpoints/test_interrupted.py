"""A fetch that is killed leaves nothing half-done, and two at once do the work once."""

import signal
from types import SimpleNamespace

import pytest

from tests.models.checkpoints import locating

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("step", ["fetching", "unpacking", "converting", "writing"])
def test_after_a_kill_at_any_step_the_next_fetch_succeeds(shop: SimpleNamespace, step: str) -> None:
    with locating.start("tiny", shop.catalog, pause=step) as killed:
        locating.read_until(killed, step)
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    assert not (shop.cache / "tiny-1.0").exists()
    assert list((shop.cache / ".partial" / "tiny-1.0").iterdir())  # what it left

    assert "located" in locating.run("tiny", shop.catalog)
    assert (shop.cache / "tiny-1.0" / "model.safetensors").exists()
    assert list((shop.cache / ".partial").iterdir()) == []


def test_of_two_processes_at_once_one_works_and_the_other_waits(shop: SimpleNamespace) -> None:
    worker = locating.start("tiny", shop.catalog, pause="converting")
    locating.read_until(worker, "converting")
    other = locating.start("tiny", shop.catalog)
    locating.read_until(other, "waiting for another process")
    worked = locating.outcome(worker, go_on="\n")
    waited = locating.outcome(other)
    assert waited["steps"] == []  # after the waiting: nothing left to do
    assert worked["located"] == waited["located"]
