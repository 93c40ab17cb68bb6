"""Waiting in a test for what other threads do."""

from collections.abc import Callable
from time import monotonic, sleep

WAIT = 20  # seconds until a test gives up


def until(true: Callable[[], bool]) -> None:
    """Wait for it; a failure where it does not come."""
    end = monotonic() + WAIT
    while not true():
        assert monotonic() < end, "it did not come to that"
        sleep(0.005)
