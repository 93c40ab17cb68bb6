"""A class at one server: sessions over real WebSockets, all at once, and whether each got what a single reader gets."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from random import Random
from statistics import median, quantiles
from time import perf_counter

from bench.server import Server
from bench.session import Session, View
from bench.table import Cell, markdown
from bench.texts import WORDS

TYPED = 0.05  # seconds between two texts of a reader who types on
DRAGGED = 0.25  # seconds between two values of a slider that is drawn along: 20 of them in 5 s
MOVES = 20
LEAVES = 0.3  # seconds after which the half of the readers who do not wait close their tabs
READY = 300  # seconds that the model may take to load


@dataclass(frozen=True)
class Scene:
    """What the class does: the views that each of its readers goes through, the last one waited for.

    pause  seconds between two views of a reader
    stay   how many of the readers wait; the others, behind them, close their tabs
    """

    name: str
    views: tuple[tuple[View, ...], ...]
    pause: float = TYPED
    stay: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How it went.

    seconds    from the last view on, of every reader who waited and got it
    wall       until the last of them had it
    processor  seconds of processor time of the server; None where the system does not say
    bytes      that a reader received
    asked      views that the readers went to
    drawn      pages that they got whole: views that others followed at once are passed over
    counts     what became of the questions to the model: see `models.serving.queue.Queue`
    errors     on the pages, and readers who got no answer
    unequal    pages unlike a single reader's
    """

    scene: str
    seconds: tuple[float, ...]
    wall: float
    processor: float | None
    bytes: float
    asked: int
    drawn: int
    counts: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    unequal: int = 0

    @property
    def row(self) -> tuple[Cell, ...]:
        """Its line in the table."""
        p95 = quantiles(self.seconds, n=20, method="inclusive")[-1] if len(self.seconds) > 1 else max(self.seconds)
        times = (median(self.seconds), p95, self.wall, self.processor)
        left = self.counts["left"] + self.counts["stopped"]
        questions = (self.counts["asked"], self.counts["computed"], left, self.counts["refused"])
        views = (self.asked, self.drawn)
        return (self.scene, len(self.seconds), *times, *views, *questions, round(self.bytes / 1000), *self.faults)

    @property
    def faults(self) -> tuple[int, int]:
        """What must be none."""
        return self.errors, self.unequal


COLUMNS = (
    "scene",
    "readers",
    "p50 s",
    "p95 s",
    "wall s",
    "server CPU s",
    "views",
    "pages drawn",
    "questions",
    "computed",
    "left before",
    "refused",
    "kB a reader",
    "errors",
    "unlike a single reader's",
)


def scenes(sessions: int, words: int) -> tuple[Scene, ...]:
    """The same text for all, a text of one's own, sliders drawn along on both, texts that are given up, closed tabs."""
    shared, own = text(0, words), [text(1 + i, words) for i in range(sessions)]
    drags = [dragged(i) for i in range(sessions)]
    return (
        Scene("same text", tuple(({"text": shared},) for _ in range(sessions))),
        Scene("same text again", tuple(({"text": shared},) for _ in range(sessions))),
        Scene("different texts", tuple(({"text": each},) for each in own)),
        Scene(
            "slider storm, same text",
            tuple(tuple({"text": shared, **place} for place in drag) for drag in drags),
            DRAGGED,
        ),
        Scene(
            "slider storm, different texts",
            tuple(tuple({"text": each, **place} for place in drag) for each, drag in zip(own, drags, strict=True)),
            DRAGGED,
        ),
        Scene(
            "texts changed while they are computed",
            tuple(({"text": f"{each} so"}, {"text": f"{each} now"}) for each in own),
        ),
        Scene(
            "half of the tabs closed at once",
            tuple(({"text": f"{each} then"},) for each in own),
            stay=(sessions + 1) // 2,
        ),
    )


def dragged(seed: int) -> tuple[View, ...]:
    """The layers that a slider passes when a reader draws it up and down; now and then another head."""
    chance, layer, head, passed = Random(seed), seed % 12, 0, []
    for _move in range(MOVES):
        layer = min(max(layer + chance.choice((-2, -1, 1, 1, 2)), 0), 11)
        head = chance.randrange(4) if chance.random() < 0.2 else head
        passed.append({"layer": layer, "head": head})
    return tuple(passed)


def text(seed: int, words: int) -> str:
    """A text of so many words."""
    chance, known = Random(seed), WORDS.split()
    return " ".join(chance.choice(known) for _ in range(words))


async def attend(server: Server, sessions: int, words: int) -> list[Outcome]:
    """Every scene with all readers at once, then each of its last views by a single reader, for comparison."""
    await until_ready(server)
    planned = scenes(sessions, words)
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(Session(server.port)) for _ in range(sessions)]
        seen = [await played(server, scene, readers) for scene in planned]
    async with Session(server.port) as single:
        return [await _compared(single, scene, *each) for scene, each in zip(planned, seen, strict=True)]


async def until_ready(server: Server) -> None:
    """Wait for the model of a server. RuntimeError, with the server's log, where the page shows an error instead."""
    try:
        await ready(server.port)
    except RuntimeError as error:
        raise RuntimeError(f"{error}\n{server.log.read_text('utf-8')[-2000:]}") from None


async def ready(port: int) -> None:
    """Wait for the model's first answer to a text that was not recorded. RuntimeError where the page shows an error."""
    async with Session(port) as session, asyncio.timeout(READY):
        await session.go({"text": "Is it ready?"})
        if session.errors:
            raise RuntimeError(f"the page shows an error: {session.errors[0]}")


@dataclass(frozen=True)
class _State:
    """What has come together so far, at the readers and at the server."""

    bytes: int
    asked: int
    drawn: int
    errors: int
    processor: float | None
    counts: Counter[str]

    @classmethod
    def of(cls, server: Server, readers: Sequence[Session], counts: Counter[str]) -> "_State":
        return cls(
            bytes=sum(reader.bytes for reader in readers),
            asked=sum(reader.asked for reader in readers),
            drawn=sum(reader.drawn for reader in readers),
            errors=sum(len(reader.errors) for reader in readers),
            processor=server.processor,
            counts=counts,
        )


async def played(server: Server, scene: Scene, readers: Sequence[Session]) -> tuple[Outcome, list[dict[str, str]]]:
    """(how a scene went, the figures that each reader who waited has at its end). Readers who leave come no more."""
    before = _State.of(server, readers, await asyncio.to_thread(server.counts))
    begun, stay = perf_counter(), len(readers) if scene.stay is None else scene.stay
    staying, leaving = readers[:stay], readers[stay:]
    waiting = [_gone(reader, views, scene.pause) for reader, views in zip(staying, scene.views, strict=False)]
    going = [_left(reader, views) for reader, views in zip(leaving, scene.views[stay:], strict=True)]
    seconds = (await asyncio.gather(*waiting, *going))[:stay]
    wall = max(reader.ended for reader in staying) - begun
    after = _State.of(server, readers, await asyncio.to_thread(server.counts))
    answered = tuple(each for each in seconds if each is not None)
    outcome = Outcome(
        scene=scene.name,
        seconds=answered or (0.0,),
        wall=wall,
        processor=None if after.processor is None or before.processor is None else after.processor - before.processor,
        bytes=(after.bytes - before.bytes) / len(readers),
        asked=after.asked - before.asked,
        drawn=after.drawn - before.drawn,
        counts=after.counts - before.counts,
        errors=after.errors - before.errors + len(seconds) - len(answered),
    )
    return outcome, [reader.page for reader in staying]


async def _gone(reader: Session, views: Sequence[View], pause: float) -> float | None:
    """Seconds; None where no answer came in time."""
    try:
        return await reader.go(*views, pause=pause)
    except TimeoutError:
        return None


async def _left(reader: Session, views: Sequence[View]) -> None:
    """Ask, and close the tab."""
    await reader.send(views[-1])
    await asyncio.sleep(LEAVES)
    await reader.close()


async def _compared(single: Session, scene: Scene, outcome: Outcome, seen: Sequence[dict[str, str]]) -> Outcome:
    """The outcome with the pages counted that a single reader sees otherwise."""
    unequal = 0
    for views, figures in zip(scene.views, seen, strict=False):
        await single.go(views[-1])
        unequal += figures != single.page
    return replace(outcome, unequal=unequal)


def table(outcomes: Sequence[Outcome], server: Server) -> str:
    """The outcomes as Markdown, and what the server took and wrote down."""
    peak = "not known" if server.peak is None else f"{server.peak / 1e6:,.0f} MB"
    rows = [outcome.row for outcome in outcomes]
    return f"{markdown(COLUMNS, rows)}\n\nserver: peak memory {peak}, {server.mistakes} tracebacks in its log"
