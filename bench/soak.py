"""A class for many minutes: readers come, look at texts and places, and go. Memory should stay flat.

Flat means: the median of the last third of the time is above that of the middle third by no more than `GROWTH` of it
and `SLACK` bytes. The first third does not count: answers, layer inputs and sessions fill up to their budgets.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
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
GROWTH = 0.03
SLACK = 20 << 20
SAMPLES = 6  # of the memory in each stretch of time; the median stands for it
COLUMNS = ("minute", "memory MB", "views", "median s", "slowest s", "server CPU s", "questions", "computed", "errors")


@dataclass
class Minute:
    """What happened in one stretch of time.

    seconds    of each view
    held       bytes of memory of the server, a few times
    processor  seconds of processor time of the server
    counts     what became of the questions to the model: see `models.serving.queue.Queue`
    """

    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    held: list[int] = field(default_factory=list)
    processor: float | None = None
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def memory(self) -> float | None:
        """Bytes; None where the system does not say."""
        return median(self.held) if self.held else None


async def soak(server: Server, sessions: int, minutes: float, stretches: int, words: int) -> list[Minute]:
    """So many readers for so many minutes; what each stretch of time saw."""
    await until_ready(server)
    record = [Minute() for _ in range(stretches)]
    begun = monotonic()

    def now() -> Minute | None:
        place = int((monotonic() - begun) * stretches / (60 * minutes))
        return record[place] if place < stretches else None

    readers = [asyncio.create_task(_come_and_go(server.port, Random(i), words, now)) for i in range(sessions)]
    for i, minute in enumerate(record):
        await _watched(server, minute, [begun + _step(minutes, stretches) * (i * SAMPLES + k) for k in range(SAMPLES)])
    await asyncio.gather(*readers)
    return record


def _step(minutes: float, stretches: int) -> float:
    """Seconds between two samples of the memory."""
    return 60 * minutes / stretches / SAMPLES


async def _watched(server: Server, minute: Minute, times: Sequence[float]) -> None:
    """Note what the server takes at each of these times, and what it did from the first to the end of the last."""
    processor, counts = server.processor, await asyncio.to_thread(server.counts)
    step = times[1] - times[0]
    for at in times:
        await asyncio.sleep(max(0.0, at + step - monotonic()))
        minute.held += [] if server.memory is None else [server.memory]
    after = server.processor
    minute.processor = None if after is None or processor is None else after - processor
    minute.counts = await asyncio.to_thread(server.counts) - counts


async def _come_and_go(port: int, chance: Random, words: int, now: Callable[[], Minute | None]) -> None:
    """One seat: a reader after the other until the time is over."""
    while now() is not None:
        async with Session(port) as reader:
            for _ in range(VISIT):
                await _look(reader, chance, words, now)
                await asyncio.sleep(chance.random() * THINKS)
                if now() is None:
                    break


async def _look(reader: Session, chance: Random, words: int, now: Callable[[], Minute | None]) -> None:
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


def rows(record: Sequence[Minute], minutes: float) -> list[tuple[Cell, ...]]:
    """A line per stretch of time, of COLUMNS."""
    ends = [minutes * (i + 1) / len(record) for i in range(len(record))]
    return [
        (
            end,
            None if minute.memory is None else round(minute.memory / 1e6),
            len(minute.seconds),
            median(minute.seconds) if minute.seconds else None,
            max(minute.seconds, default=None),
            minute.processor,
            minute.counts["asked"],
            minute.counts["computed"],
            minute.errors,
        )
        for end, minute in zip(ends, record, strict=True)
    ]


def flat(held: Sequence[float]) -> bool:
    """Whether memory stays flat, by the rule above. held: bytes, at equal distances of time. ValueError where there are
    too few to tell."""
    third = len(held) // 3
    if third == 0:
        raise ValueError(f"{len(held)} samples of the memory are too few: it takes three")
    middle, last = median(held[-2 * third : -third]), median(held[-third:])
    return last <= middle * (1 + GROWTH) + SLACK


def table(record: Sequence[Minute], minutes: float) -> str:
    """The lines as Markdown, and whether memory stayed flat."""
    held = [bytes for minute in record for bytes in minute.held]
    if len(held) < 3:
        said = "memory: not known"
    else:
        third = len(held) // 3
        middle, last = (median(held[-2 * third : -third]) / 1e6, median(held[-third:]) / 1e6)
        verdict = "flat" if flat(held) else "NOT flat"
        rule = f"at most {GROWTH:.0%} + {SLACK / 1e6:.0f} MB more counts as flat"
        said = f"memory: {middle:,.0f} MB in the middle third, {last:,.0f} MB in the last: {verdict} ({rule})"
    return f"{markdown(COLUMNS, rows(record, minutes))}\n\n{said}"
