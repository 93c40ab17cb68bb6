"""A class at one server: sessions over real WebSockets, all at once, and whether each got what a single reader gets."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random
from statistics import median, quantiles
from time import perf_counter

from bench.server import Server
from bench.session import Session, View
from bench.table import Cell, markdown
from bench.texts import WORDS

PAUSE = 0.05  # seconds between two values of a slider that is drawn along
READY = 300  # seconds that the model may take to load


@dataclass(frozen=True)
class Scene:
    """What the class does: the views that each of its readers goes through, the last one waited for."""

    name: str
    views: tuple[tuple[View, ...], ...]


@dataclass(frozen=True)
class Outcome:
    """How it went: seconds per reader, in all, bytes per reader, pages with an error, pages unlike a lone reader's."""

    scene: str
    seconds: tuple[float, ...]
    wall: float
    bytes: float
    errors: int
    unequal: int

    @property
    def row(self) -> tuple[Cell, ...]:
        """Its line in the table."""
        p95 = quantiles(self.seconds, n=20, method="inclusive")[-1] if len(self.seconds) > 1 else self.seconds[0]
        times = (median(self.seconds), p95, self.wall)
        return (self.scene, len(self.seconds), *times, round(self.bytes / 1000), self.errors, self.unequal)


COLUMNS = ("scene", "sessions", "p50 s", "p95 s", "wall s", "kB a session", "errors", "unlike a single reader's")


def scenes(sessions: int, words: int) -> tuple[Scene, ...]:
    """The same text for all, a text of one's own, sliders drawn through layers and heads on both."""
    shared, own = text(0, words), [text(1 + i, words) for i in range(sessions)]
    slide = [tuple({"layer": layer, "head": layer % 4} for layer in range(i % 5, i % 5 + 10)) for i in range(sessions)]
    return (
        Scene("same text", tuple(({"text": shared},) for _ in range(sessions))),
        Scene("same text again", tuple(({"text": shared},) for _ in range(sessions))),
        Scene("different texts", tuple(({"text": each},) for each in own)),
        Scene("slider storm, same text", tuple(tuple({"text": shared} | at for at in path) for path in slide)),
        Scene(
            "slider storm, different texts",
            tuple(tuple({"text": each} | at for at in path) for each, path in zip(own, slide, strict=True)),
        ),
        Scene(
            "texts changed while they are computed",
            tuple(({"text": f"{each} so"}, {"text": f"{each} now"}) for each in own),
        ),
    )


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
        seen = [await _played(scene, readers) for scene in planned]
    left = await _left(server, sessions, words)
    async with Session(server.port) as single:
        compared = [await _compared(single, scene, *each) for scene, each in zip(planned, seen, strict=True)]
    return [*compared, left]


async def until_ready(server: Server) -> None:
    """Wait for the model: its first answer to a text that was not recorded."""
    async with Session(server.port) as session, asyncio.timeout(READY):
        await session.go({"text": "Is it ready?"})


async def _played(scene: Scene, readers: Sequence[Session]) -> tuple[Outcome, list[dict[str, str]]]:
    bytes_before, errors_before = _totals(readers)
    begun = perf_counter()
    paths = zip(readers, scene.views, strict=True)
    seconds = await asyncio.gather(*(_gone(reader, views) for reader, views in paths))
    wall = max(reader.ended for reader in readers) - begun
    received, errors = (
        after - before for after, before in zip(_totals(readers), (bytes_before, errors_before), strict=True)
    )
    told = [each for each in seconds if each is not None]
    errors += len(seconds) - len(told)
    outcome = Outcome(scene.name, tuple(told) or (0.0,), wall, received / len(readers), errors, 0)
    return outcome, [dict(reader.figures) for reader in readers]


async def _left(server: Server, sessions: int, words: int) -> Outcome:
    """All ask for a text of their own and close their tab; then one more reader comes, who need not wait for them."""

    async def leave(seed: int) -> None:
        async with Session(server.port) as reader:
            await reader.send({"text": text(seed, words)})
            await asyncio.sleep(PAUSE)

    await asyncio.gather(*(leave(1000 + i) for i in range(sessions)))
    async with Session(server.port) as last:
        begun = perf_counter()
        seconds = await _gone(last, [{"text": text(999, words)}])
        told = () if seconds is None else (seconds,)
        errors = len(last.errors) + (seconds is None)
        return Outcome("all tabs closed, then one reader", told or (0.0,), last.ended - begun, last.bytes, errors, 0)


async def _gone(reader: Session, views: Sequence[View]) -> float | None:
    """Seconds; None where no answer came in time."""
    try:
        return await reader.go(*views, pause=PAUSE)
    except TimeoutError:
        return None


def _totals(readers: Sequence[Session]) -> tuple[int, int]:
    return sum(reader.bytes for reader in readers), sum(len(reader.errors) for reader in readers)


async def _compared(single: Session, scene: Scene, outcome: Outcome, seen: Sequence[dict[str, str]]) -> Outcome:
    """The outcome with the pages counted that a single reader sees otherwise."""
    unequal = 0
    for views, figures in zip(scene.views, seen, strict=True):
        await single.go(views[-1])
        unequal += figures != single.figures
    return Outcome(**vars(outcome) | {"unequal": unequal})


def table(outcomes: Sequence[Outcome], server: Server) -> str:
    """The outcomes as Markdown, and what the server took and wrote down."""
    peak = "not known" if server.peak is None else f"{server.peak / 1e6:,.0f} MB"
    rows = [outcome.row for outcome in outcomes]
    return f"{markdown(COLUMNS, rows)}\n\nserver: peak memory {peak}, {server.mistakes} tracebacks in its log"
