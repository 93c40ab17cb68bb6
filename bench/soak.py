"""A class for many minutes: readers come, look at texts and places, and go. Memory should stay flat."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import median
from time import monotonic

from bench.classroom import text, until_ready
from bench.server import Server
from bench.session import Session
from bench.table import Cell, markdown

PANELS = ("attention", "heads", "output", "residual", "lens", "embedding", "similarity")
VISIT = 12  # views until a reader closes the tab and another one comes
THINKS = 1.5  # seconds at most between two views
COLUMNS = ("minute", "memory MB", "views", "median s", "slowest s", "errors")


@dataclass
class Minute:
    """What happened until the end of one stretch of time."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    memory: int | None = None


async def soak(server: Server, sessions: int, minutes: float, stretches: int, words: int) -> list[Minute]:
    """So many readers for so many minutes; what each stretch of time saw."""
    await until_ready(server)
    found = [Minute() for _ in range(stretches)]
    begun = monotonic()

    def now() -> Minute | None:
        place = int((monotonic() - begun) * stretches / (60 * minutes))
        return found[place] if place < stretches else None

    readers = [asyncio.create_task(_come_and_go(server.port, Random(i), words, now)) for i in range(sessions)]
    for i, minute in enumerate(found):
        await asyncio.sleep(max(0.0, begun + 60 * minutes * (i + 1) / stretches - monotonic()))
        minute.memory = server.memory
    await asyncio.gather(*readers)
    return found


async def _come_and_go(port: int, chance: Random, words: int, now) -> None:
    """One seat: a reader after the other until the time is over."""
    while now() is not None:
        async with Session(port) as reader:
            for _ in range(VISIT):
                await _look(reader, chance, words, now)
                await asyncio.sleep(chance.random() * THINKS)
                if now() is None:
                    break


async def _look(reader: Session, chance: Random, words: int, now) -> None:
    """One view: a text of a class's, or one of its own, at some place in some panel."""
    seed = chance.randrange(20) if chance.random() < 0.7 else chance.randrange(10**9)
    place = {"layer": chance.randrange(12), "head": chance.randrange(4), "panel": chance.choice(PANELS)}
    before = len(reader.errors)
    try:
        seconds = await reader.go({"text": text(seed, words)} | place)
    except TimeoutError:
        seconds = None
    minute = now()
    if minute is not None:
        minute.errors += len(reader.errors) - before + (seconds is None)
        minute.seconds += [] if seconds is None else [seconds]


def rows(found: Sequence[Minute], minutes: float) -> list[tuple[Cell, ...]]:
    """A line per stretch of time."""
    ends = [minutes * (i + 1) / len(found) for i in range(len(found))]
    return [
        (
            end,
            None if minute.memory is None else round(minute.memory / 1e6),
            len(minute.seconds),
            median(minute.seconds) if minute.seconds else None,
            max(minute.seconds, default=None),
            minute.errors,
        )
        for end, minute in zip(ends, found, strict=True)
    ]


def table(found: Sequence[Minute], minutes: float) -> str:
    """The lines as Markdown, and how much memory grew over the second half."""
    held = [minute.memory for minute in found[len(found) // 2 :] if minute.memory is not None]
    grew = f"{(held[-1] - held[0]) / 1e6:+,.0f} MB" if len(held) > 1 else "not known"
    return f"{markdown(COLUMNS, rows(found, minutes))}\n\nmemory over the second half: {grew}"
