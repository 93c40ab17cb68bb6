"""Every kind of description twice on small fixed numbers: with some parts in both, and some in one alone."""

from dataclasses import replace

import numpy as np

from tests.viz.examples import attention
from tests.viz.passages import passage
from viz.activation import Activation
from viz.arcs import Arcs, Ribbon
from viz.bars import Bars, Marks
from viz.chips import Chip, Chips
from viz.components import Components, Strip
from viz.curves import Band, Curve, Curves, Mark
from viz.description import Description
from viz.dots import Dots
from viz.grid import Grid
from viz.groups import Groups, Sizes
from viz.ladder import Block, Ladder
from viz.level import Level
from viz.lines import Lines
from viz.measures import Column, Measures
from viz.pairs import Lead, Pairs
from viz.plane import Planes, Turn
from viz.rows import Bar
from viz.scatter import Point, Scatter
from viz.sidebyside import Amounts, Series, Shares
from viz.upright import Upright
from viz.whole import Whole

ODD = "<b>&</b>"  # a reader's text


def grid(labels: str, scale: float) -> Grid:
    labels_, n = tuple(labels), len(labels)
    z = np.where(np.tri(n, dtype=bool), scale / np.arange(1, n + 1)[:, None], np.nan)
    return Grid(z, labels_, labels_, "looking", "looked at", "probability", "Layer 1", percent=True, focus=(1, 0))


def named(scale: float) -> Grid:
    names = ("L0 H0", "L0 H1", "L1 H0", "L1 H1", "L2 H0", "")
    z = np.array([[0.5, 0.25, 0.125], [1.0, 0.0, np.nan]]) * scale
    rows, cols = ("1", "2"), ("", "", "")
    return Grid(z, rows, cols, "best first", "head", "share", "Heads", names=names, empty="no case")


def worded(*words: str) -> Grid:
    z = np.array([[0.1, 0.2], [0.3, 0.4]]) * len(words[0])
    return Grid(z, ("0", "1"), ("a", "b"), "layer", "token", "probability", "Lens", inside=words)


def chips(*labels: str) -> Chips:
    made = tuple(Chip(label, str(i), "61 62", tint=i % 2) for i, label in enumerate(labels))
    return Chips(made, ("whole word", "part"), "tokens", focus=0)


def chip_rows(first: str, second: str) -> Chips:
    made = tuple(Chip(letter, "", "") for letter in first + second)
    return Chips(made, ("kind",), "two ways", of_text=False, rows=((0, "one"), (len(first), "other")))


def bars(**values: float) -> Bars:
    made = [Bar(label, value, f"{value} %", accent=i == 0) for i, (label, value) in enumerate(values.items())]
    rest = Bar("all others", 5.0, "5 %", apart=True)
    return Bars([*made, rest], "probability (%)", "token", low=0.0, marks=Marks((1.0, None, 2.0, 3.0), "before"))


def measures(labels: str, scale: float) -> Measures:
    values = scale * np.arange(1.0, len(labels) + 1)
    texts = tuple(str(value) for value in values)
    return Measures(tuple(labels), (Column("share (%)", values, texts), Column("norm (L2)", -values, texts)))


def lines(names: str, scale: float, *, logarithmic: bool = False) -> Lines:
    values = scale * np.arange(1.0, 4 * len(names) + 1).reshape(len(names), 4)
    places = ("in", "0", "1", "2")
    return Lines(values, tuple(names), places, 0, "after layer", "norm", 1, lead=True, logarithmic=logarithmic)


def curves(scale: float, last: int, *, logarithmic: bool = False) -> Curves:
    x = np.arange(last, dtype=np.float64)
    made = (Curve("of 3", x, scale * (x + 1)), Curve("of 9", x, 3 * scale * (x + 1)))
    level, mark = Level(2.0, "a guess"), Mark(1.0, 2 * scale, "here")
    band = Band(1.0, 2.0, "added")
    return Curves(made, "tokens read", "bytes", (level,), (mark,), logarithmic, band, x_ends=(0, 5))


def dots(scale: float, count: int, *, logarithmic: bool = True) -> Dots:
    x = np.arange(count, dtype=np.float32)
    notes, accent = tuple(f"dot {i}" for i in range(count)), tuple(i == 1 for i in range(count))
    return Dots(x, scale * (x + 1), notes, accent, "pair", "wavelength", [Level(scale, "median")], logarithmic)


def pairs(scale: float, count: int, places: str | None = None) -> Pairs:
    values = scale * np.arange(1.0, 2 * count + 1).reshape(2, count)
    notes = (tuple("a" * count), tuple("b" * count))
    lead, named_places = Lead("embedding", "in", scale, "note"), None if places is None else tuple(places)
    return Pairs(values, ("attention", "FFN"), notes, "layer", "norm", focus=1, lead=lead, places=named_places)


def upright(labels: str, scale: float, *, whole: bool = False) -> Upright:
    count = len(labels)
    values = scale * np.arange(1.0, count + 1)
    values[0] = np.nan
    middles = np.arange(3.0)
    below = Whole(scale * middles, middles, np.ones(3, int), ("a", "b", "c"), "position", "mean", 1)
    mean = Level(scale, f"mean {scale}")
    return Upright(values, tuple(labels), tuple(labels), "token", "nats", 1, mean, below if whole else None)


def components(scale: float) -> Components:
    values = scale * np.array([1.0, -2.0, 3.0, 0.0])
    line = Strip("running sum", np.cumsum(values), "score", "line", end="= 2")
    return Components((Strip("q·k", values, "product"), line), "component")


def planes(angle: float) -> Planes:
    turns = tuple(Turn(f"pair {i}", 1.0, float(i), angle, "before", "after") for i in range(2))
    return Planes(turns, "first", "second")


def arcs(labels: str, scale: float) -> Arcs:
    n = len(labels)
    ribbons = tuple(Ribbon(i, j, scale / (i + 1), i == 1) for i in range(n) for j in range(i + 1))
    return Arcs(tuple(labels), tuple(labels), ribbons, "looking", "looked at", 1, 0, least=0.005)


def groups(scale: float, kvs: int) -> Groups:
    made = (Sizes("as it is", scale, "a"), Sizes("a head each", 3 * scale, "b"))
    return Groups(6, kvs, 1, made, "kilobytes per token")


def ladder(*rows: str) -> Ladder:
    made = []
    for row in rows:
        start, blocks = 0, []
        for piece in row.split():
            blocks.append(Block(start, len(piece), piece, "note", new=len(piece) > 1))
            start += len(piece)
        made.append(tuple(blocks))
    return Ladder(tuple(made), tuple(map(str, range(len(rows)))), "byte", "step", ("joined", "as before"))


def series(*columns: float | None) -> tuple[Series, Series]:
    texts = tuple(map(str, columns))
    return Series("FFN", columns, texts), Series("attention", (10.0, 20.0), ("10", "20"))


def activation(scale: float) -> Activation:
    x = np.linspace(-3.0, 3.0, 31)
    own = scale * np.linspace(-1.0, 1.0, 8)
    every = scale * np.linspace(-2.0, 2.0, 40)
    notes = tuple(f"neuron {i}" for i in range(8))
    return Activation(x, x**2, every, own, own**2, notes, (0, 7), "gate", "f(gate)", "neurons")


def scatter(**points: tuple[float, float]) -> Scatter:
    made = [
        Point(x, y, label, "note", "chosen" if not i else "text") for i, (label, (x, y)) in enumerate(points.items())
    ]
    return Scatter(made, "PC 1", "PC 2")


# name: (first, second, whether some part of one has no partner in the other)
KINDS: dict[str, tuple[Description, Description, bool]] = {
    "grid": (grid("abcd", 1.0), grid("abxcd", 0.5), True),
    "grid of a text": (attention(5), replace(attention(5), z=np.full((5, 5), 0.1)), False),
    "grid of names": (named(1.0), named(0.5), False),
    "grid of words": (worded("x", "y", "z", "w"), worded("xx", "y", "z", "w"), False),
    "chips": (chips("a", "b", ODD), chips("a", ODD), True),
    "rows of chips": (chip_rows("abc", "ab"), chip_rows("ac", "ab"), True),
    "bars": (bars(a=50.0, b=25.0, c=10.0), bars(b=30.0, a=20.0, d=4.0), True),
    "measures": (measures("abc", 1.0), measures("acd", 2.0), True),
    "lines": (lines("abc", 1.0), lines("acd", 2.0), True),
    "log lines": (lines("abc", 1.0, logarithmic=True), lines("abc", 10.0, logarithmic=True), False),
    "curves": (curves(1.0, 5), curves(2.0, 4), False),
    "log curves": (curves(1.0, 5, logarithmic=True), curves(10.0, 5, logarithmic=True), False),
    "dots": (dots(1.0, 4, logarithmic=False), dots(2.0, 5, logarithmic=False), True),
    "log dots": (dots(1.0, 4), dots(10.0, 4), False),
    "scatter": (scatter(a=(0.0, 1.0), b=(1.0, 2.0), c=(3.0, 3.0)), scatter(a=(1.0, 1.0), b=(0.0, 2.5)), True),
    "pairs": (pairs(1.0, 4), pairs(2.0, 4), False),
    "pairs with places": (pairs(1.0, 3, "abc"), pairs(2.0, 3, "acd"), True),
    "upright": (upright("abcde", 1.0), upright("abxde", 2.0), True),
    "upright over a whole": (upright("abc", 1.0, whole=True), upright("abc", 2.0, whole=True), False),
    "components": (components(1.0), components(2.0), False),
    "planes": (planes(1.0), planes(2.5), False),
    "arcs": (arcs("abc", 1.0), arcs("abxc", 0.5), True),
    "groups": (groups(10.0, 2), groups(12.0, 3), False),
    "ladder": (ladder("a b c d", "ab c d", "ab cd"), ladder("a b c d", "a bc d"), True),
    "shares": (
        Shares(("SmolLM2\n135M", "Llama"), series(30.0, 20.0), "share"),
        Shares(("SmolLM2\n135M", "Qwen"), series(90.0, 20.0), "share"),
        True,
    ),
    "amounts": (
        Amounts(("SmolLM2", "Llama"), series(30.0, None), "bytes (log scale)", ((10.0, "10"), (100.0, "100"))),
        Amounts(("SmolLM2", "Llama"), series(90.0, 7.0), "bytes (log scale)", ((10.0, "10"), (100.0, "100"))),
        False,
    ),
    "activation": (activation(1.0), activation(0.5), False),
    "passage": (passage("abcd"), passage("abxcd", 3.0), True),
}
