"""Room for one more variant: who goes for it, and what is refused before anybody does."""

from types import SimpleNamespace

import pytest

from anatomy.refused import Refused, Settled
from models import memory
from models.serving.room import Weights, leaving

MANY = 100
THERE = (Weights("a", 10), Weights("b", 20), Weights("c", 30))


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program takes 1000 bytes of the 1100 that it may have."""
    monkeypatch.setattr(memory, "ALWAYS", 0)
    monkeypatch.setattr(memory, "resident", lambda: 1000)
    monkeypatch.setattr(memory, "limit", lambda: 1100)
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(total=1 << 40))


@pytest.mark.parametrize(
    ("nbytes", "most", "at_once", "stays", "go"),
    [
        (40, 100, MANY, "", ""),
        (41, 100, MANY, "", "a"),
        (51, 100, MANY, "", "ab"),
        (41, 100, MANY, "a", "b"),
        (100, 100, MANY, "", "abc"),
        (100, 100, MANY, "b", "ac"),  # more than all may take, by the one that stays
        (0, 100, 3, "", "a"),
        (0, 100, 3, "a", "b"),
        (100, 1000, MANY, "", ""),
        (101, 1000, MANY, "", "a"),  # for the sake of memory
        (160, 1000, MANY, "", "abc"),
        (140, 1000, MANY, "b", "ac"),
    ],
)
def test_no_more_go_than_have_to_the_first_first(nbytes: int, most: int, at_once: int, stays: str, go: str) -> None:
    assert "".join(leaving(Weights("new", nbytes), THERE, stays, most, at_once)) == go


def test_one_that_is_larger_than_all_may_be_is_refused_for_good_with_what_would_do() -> None:
    told = r"new takes 2500 MB for weights of its own, .* 1024 MB here, a third of STAGELIGHT_MEMORY.*MEMORY=8\."
    with pytest.raises(Settled, match=told):
        leaving(Weights("new", 2500 << 20), (), "", 1 << 30, MANY)


@pytest.mark.parametrize(("nbytes", "stays"), [(161, ""), (141, "b")])
def test_one_for_which_there_is_no_memory_whoever_goes_is_refused(nbytes: int, stays: str) -> None:
    with pytest.raises(Refused, match="new takes"):
        leaving(Weights("new", nbytes), THERE, stays, 1000, MANY)
