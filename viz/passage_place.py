"""Where everything of a passage's plotly picture stands: rows from the top, layers from the left."""

from dataclasses import dataclass

from viz import nouns
from viz.passage_parts import Arc, Parts, gaps
from viz.scale import clipped, columns

ROW, WIDE = 28, 640  # pixels from line to line, and of all layers in a narrow window
MOST = 16  # letters of a label
WORDS = 0.85  # rows that each row of words under the chosen line takes
ABOVE = 0.7  # rows over the first line
_BELOW, _BAND = 0.7, 0.9  # rows under the last line, and of a band
_LETTER, _SMALL = 7.6, 7.0  # pixels of a letter of a label, and of a word under the chosen line
_USUAL = 900  # pixels of all layers in a usual window


@dataclass(frozen=True)
class Place:
    """Where everything stands, in rows from the top.

    lines, bands  of each line and of each run of positions that is left out
    words         rows under the chosen line that the words take, and which of them each word has
    end           of the picture
    """

    lines: tuple[float, ...]
    bands: tuple[float, ...]
    words: tuple[int, ...]
    end: float


def placed(given: Parts) -> Place:
    """One row per line; a band has a row of its own, and the words have theirs under the chosen line."""
    words = _rows_of_words(given)
    before = {line for line, _first, _last in gaps(given)}
    lines, bands, y = [], [], 0.0
    for i in range(len(given.lines) + 1):
        if i in before:
            bands.append(y)
            y += _BAND
        if i < len(given.lines):
            lines.append(y)
            y += 1.0 + (WORDS * (max(words, default=-1) + 1) if i == given.chosen else 0.0)
    return Place(tuple(lines), tuple(bands), words, y - 1.0 + _BELOW)


def _rows_of_words(given: Parts) -> tuple[int, ...]:
    """Which row each word has: the first in which it stands clear of the one before it there."""
    ends: list[float] = []
    rows = []
    for word in given.words:
        middle = (word.layer + 0.5) * WIDE / given.layers
        half = (_SMALL * columns(clipped(word.label, MOST)) + 18) / 2
        row = next((row for row, end in enumerate(ends) if end <= middle - half), len(ends))
        ends[row : row + 1] = [middle + half]
        rows.append(row)
    return tuple(rows)


def begin(given: Parts, arc: Arc) -> float:
    """Where an arc leaves its source: the earlier, the further away, but not before the line begins."""
    away = 10 + 3.0 * min(abs(arc.looking - arc.looked), 30)
    return max(-0.5, arc.layer - away * pixel(given))


def pixel(given: Parts) -> float:
    """A pixel from left to right in layers, where the window is as wide as usual."""
    return given.layers / _USUAL


def margin(given: Parts) -> dict[str, int]:
    """Room for the labels on both sides."""
    left = [line.label for line in given.lines] + [nouns.tokens(last - first + 1) for _line, first, last in gaps(given)]
    right = [line.leads or given.end for line in given.lines]
    shares = 54 if any(line.leads for line in given.lines) else 0
    sides = (max(columns(clipped(label, MOST)) for label in labels) for labels in (left, right))
    wide, end = (round(_LETTER * widest) + 20 for widest in sides)
    return {"l": wide, "r": end + shares, "t": 8, "b": 40}
