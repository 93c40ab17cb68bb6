"""Readers who go on quickly: does a page forget a message that the server then only names?

Each goes through four views of a text and some of its words more, with pauses short and long, and after a few with a
longer text: verdicts are being worked out all the while, and the page is polled. Their machines are slow.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from bench.classroom import until_ready
from bench.server import Server, serving
from bench.session import Session
from bench.table import Cell, markdown

LAG = 0.01  # seconds for a message, at most
PAUSES = (0.3, 0.6, 1.2, 2.5)  # seconds between two views
SAME = 14  # views of one text
PLACES = ({}, {"panel": "groups", "claim": "c-gqa"}, {"panel": "heads"}, {"layer": 3})
COLUMNS = ("remembered, in runs", "views", "polls", "runs", "named and there", "lost", "errors")


@dataclass(frozen=True)
class Tally:
    """What all readers together saw. age: in runs, that a message was remembered; lost: messages named in vain, which
    are errors, too."""

    age: int
    views: int
    polls: int
    runs: int
    held: int
    lost: int
    errors: int

    @property
    def row(self) -> tuple[Cell, ...]:
        """Its line in the table."""
        return (self.age, self.views, self.polls, self.runs, self.held, self.lost, self.errors)


def measure(model: str, views: int, sessions: int, ages: Sequence[int] = ()) -> list[Tally]:
    """One line per age, each with a server of its own; without ages, as the server is set."""
    tallies = []
    for options in [("--global.maxCachedMessageAge", str(age)) for age in ages] or [()]:
        with serving(model, "app.py", *options) as server:
            tallies.append(asyncio.run(look(server, views, sessions)))
    return tallies


async def look(server: Server, views: int, sessions: int) -> Tally:
    """So many readers go through so many views together, each through as many as the others."""
    await until_ready(server)
    readers = await asyncio.gather(*(_read(server.port, number, -(-views // sessions)) for number in range(sessions)))
    return Tally(
        age=readers[0].memory.age,
        views=sum(reader.asked for reader in readers),
        polls=sum(reader.polls for reader in readers),
        runs=sum(reader.memory.runs for reader in readers),
        held=sum(reader.memory.held for reader in readers),
        lost=sum(len(reader.memory.lost) for reader in readers),
        errors=sum(len(reader.errors) for reader in readers),
    )


async def _read(port: int, number: int, views: int) -> Session:
    chance, text = Random(number), f"The reader number {number} looks"
    async with Session(port, LAG) as reader:
        for i in range(views):
            if i and i % SAME == 0:
                text = f"{text} so"
            await reader.send({"text": text, **chance.choice(PLACES)})
            await asyncio.sleep(chance.choice(PAUSES))
    return reader


def table(tallies: Sequence[Tally]) -> str:
    """The lines as Markdown."""
    return markdown(COLUMNS, [tally.row for tally in tallies])
