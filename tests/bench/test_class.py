"""A class at one server, small and on a tiny model: that it counts the right things, not how fast they are."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest

from bench import classroom, lost, session, soak
from bench.classroom import Outcome, dragged
from bench.server import Server
from bench.session import Session
from bench.soak import Minute
from tests.bench.tiny_server import tiny_server

pytestmark = pytest.mark.slow

MB = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """A server of a tiny model that counts its questions; readers with little time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "QUIET", 0.2)
        patch.setattr(classroom, "MOVES", 6)
        patch.setattr(classroom, "DRAGGED", 0.02)
        with tiny_server(tmp_path_factory.mktemp("server"), "bench/counted.py") as running:
            yield running


def test_a_class_gets_what_a_single_reader_gets(server):
    outcomes = asyncio.run(classroom.attend(server, sessions=3, words=5))
    assert [outcome.faults for outcome in outcomes] == [(0, 0)] * 7
    assert all(outcome.wall > 0 and outcome.bytes > 1000 for outcome in outcomes)
    assert [len(outcome.seconds) for outcome in outcomes] == [3] * 6 + [2]
    same, again, different, *storms = outcomes[:5]
    assert same.counts["asked"] == same.counts["shared"] + same.counts["computed"]
    assert same.counts["computed"] == 1  # three readers, one question: who comes later shares it, or finds it there
    assert again.counts["computed"] == 0
    assert 3 <= different.counts["computed"] <= 6  # a page may be drawn again meanwhile
    assert [(storm.asked, storm.drawn <= storm.asked) for storm in storms] == [(18, True)] * 2
    assert ", 0 tracebacks" in classroom.table(outcomes, server)


def test_pages_of_different_views_are_not_taken_for_equal(server):
    async def look() -> list[dict[str, str]]:
        async with Session(server.port) as reader:
            seen = []
            for view in (
                {"text": "the same"},
                {"text": "the same"},
                {"text": "the other"},
                {"text": "the same", "head": 1},
            ):
                await reader.go(view)
                seen.append(reader.page)
            return seen

    first, again, other, head = asyncio.run(look())
    assert set(first) == {"attention.figure", "heads.figure"}
    assert first == again
    assert other["attention.figure"] != first["attention.figure"]
    assert head["attention.figure"] != first["attention.figure"]


def test_a_soak_counts_views_and_memory(server):
    found = asyncio.run(soak.soak(server, sessions=2, minutes=0.08, stretches=2, words=4))
    assert sum(len(minute.seconds) for minute in found) > 0
    assert sum(minute.counts["computed"] for minute in found) > 0
    assert [minute.errors for minute in found] == [0, 0]
    assert all(minute.memory is None or minute.memory > MB for minute in found)
    assert re.search(
        r"memory: [\d,]+ MB in the middle third, [\d,]+ MB in the last: (NOT )?flat", soak.table(found, 0.08)
    )


def test_quick_readers_lose_nothing(server, monkeypatch):
    monkeypatch.setattr(lost, "PAUSES", (0.05, 0.2, 0.4))
    found = asyncio.run(lost.look(server, views=24, sessions=2))
    assert (found.age, found.views, found.lost, found.errors) == (200, 24, 0, 0)
    assert found.runs >= found.views / 4
    assert found.held > 0
    assert "| 200 | 24 |" in lost.table([found])


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([300, 500, 900, 1000, 1000, 1000, 1000, 1000, 1000], True),
        ([300, 500, 900, 1000, 1000, 1000, 1049, 1049, 1049], True),
        ([300, 500, 900, 1000, 1000, 1000, 1051, 1051, 1051], False),
        ([300, 500, 900, 1000, 1000, 1000, 1000, 1000, 1900], True),
        ([100, 200, 300, 400, 500, 600, 700, 800, 900], False),
        ([1000, 1000, 1000, 1000, 1000, 1000, 800, 800, 800], True),
    ],
    ids=["filled up", "at the bound", "above it", "one sample alone", "growing", "shrinking"],
)
def test_memory_is_flat_or_not_by_the_rule(held, expected):
    assert soak.flat([each * MB for each in held]) == expected


def test_too_few_samples_say_so():
    with pytest.raises(ValueError, match="2 samples"):
        soak.flat([1, 2])
    assert "not known" in soak.table([Minute()], 1)


def test_growing_memory_is_called_so():
    found = [Minute(held=[(500 + 100 * i) * MB] * 3) for i in range(6)]
    assert "NOT flat" in soak.table(found, 6)


def test_a_row_of_the_class_has_its_columns():
    counts = Counter({"asked": 9, "computed": 4, "left": 2, "stopped": 1, "computed in the background": 50})
    outcome = Outcome("scene", (1.0, 2.0, 3.0), 3.5, 7.5, 2000, 60, 6, counts, 0, 0)
    row = dict(zip(classroom.COLUMNS, outcome.row, strict=True))
    assert (row["readers"], row["p50 s"], row["wall s"], row["server CPU s"]) == (3, 2.0, 3.5, 7.5)
    assert (row["questions"], row["computed"], row["left before"], row["refused"]) == (9, 4, 3, 0)
    assert (row["views"], row["pages drawn"], row["kB a reader"]) == (60, 6, 2)
    assert row["p95 s"] == pytest.approx(2.9)


def test_a_reader_draws_the_slider_through_layers_that_lie_side_by_side():
    views = dragged(7)
    assert len(views) == classroom.MOVES
    layers = [int(view["layer"]) for view in views]
    assert all(0 < abs(after - before) <= 2 or after == before in (0, 11) for before, after in pairwise(layers))
    assert dragged(7) == views != dragged(8)
    assert len({view["head"] for i in range(9) for view in dragged(i)}) > 1
