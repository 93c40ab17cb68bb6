"""Rows of horizontal bars: where they stand, what is printed at their ends, how far out their axis goes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from viz.format import escaped
from viz.scale import clipped, columns
from viz.sentences import wrapped
from viz.theme import CALM, MONO, NEUTRAL

ROW, _AROUND = 22, 66
WIDTH, LETTER = 560, 7.4  # pixels of the bars together, and of a printed character
LAYOUT = {"showlegend": False, "barmode": "overlay", "margin": {"l": 8, "r": 16, "t": 12, "b": 48}}
NARROW = 120  # pixels that the bars have on a phone, beside long labels
_THICK = 0.72  # of a row
_NOTE = 60  # character cells of a line of what is said of a bar


@dataclass(frozen=True)
class Bar:
    """One row: its label, its value, the value in words at its end, more words in the hover box.

    accent  drawn in the accent
    focus   its label in bold
    apart   stands below the others with a gap: a sum over what is not shown
    what    of what the value is, where rows of one label may be of different things: they have no difference
    lone    in a difference: it has no partner, and so no value; its words tell its own
    """

    label: str
    value: float
    text: str
    note: str = ""
    accent: bool = False
    focus: bool = False
    apart: bool = False
    lone: bool = False
    what: str = ""


def places_of(bars: Sequence[Bar]) -> Float[np.ndarray, " bar"]:
    """Where each bar stands, from the top; one that stands apart has half a row of air."""
    return np.array([i + 0.5 * bar.apart for i, bar in enumerate(bars)], np.float32)


def bar_trace(bars: Sequence[Bar], places: Float[np.ndarray, " bar"], shown: Sequence[bool], accent: bool) -> go.Bar:
    group = [bar for bar, chosen in zip(bars, shown, strict=True) if chosen]
    return go.Bar(
        x=np.array([bar.value for bar in group], np.float32),
        y=places[np.array(shown, bool)],
        orientation="h",
        width=_THICK,
        marker={
            "color": None if accent else NEUTRAL,
            "opacity": 1.0 if accent else CALM,
            "pattern": {"shape": ["/" if bar.apart else "" for bar in group]},
        },
        text=[escaped(bar.text) for bar in group],
        textposition="outside",
        constraintext="none",
        cliponaxis=False,
        hovertext=["<br>".join((f"<b>{escaped(bar.label)}</b>", *_lines(bar.note or bar.text))) for bar in group],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _lines(note: str) -> list[str]:
    """What a bar says when it is pointed at, in lines that a narrow figure has room for. None ends before a %."""
    return [escaped(line) for line in wrapped(note.replace(" %", "\u00a0%"), _NOTE)]


def row_label(label: str, focus: bool = False) -> str:
    text = escaped(clipped(label, 28))
    return f"<b>{text}</b>" if focus else text


def row_axis(labels: Sequence[str], places: Float[np.ndarray, " bar"]) -> dict:
    return {
        "tickvals": places,
        "ticktext": labels,
        "range": [_last(places) + 0.6, -0.6],
        "automargin": True,
        "tickfont": {"family": MONO},
        "showgrid": False,
        "zeroline": False,
        "ticklabelstandoff": 6,
    }


def height(places: Float[np.ndarray, " bar"], row: int) -> int:
    return _AROUND + round(row * (_last(places) + 1.2))


def _last(places: Float[np.ndarray, " bar"]) -> float:
    """Where the lowest bar stands; a figure that has none yet has room for one."""
    return float(places[-1]) if len(places) else 0.0


def ends_of(bars: Sequence[Bar], low: float | None = None, high: float | None = None) -> tuple[float, float]:
    """The given ends of the axis, or the smallest and largest value, 0 among them."""
    values = (0.0, *(bar.value for bar in bars))
    lowest, highest = (min(values) if low is None else low), (max(values) if high is None else high)
    return lowest, highest if highest > lowest else lowest + 1.0


def drawn_ends(low: float, high: float) -> list[float]:
    """The ends of an axis whose bars are drawn in single precision, which may round them up: plotly writes no number at
    a bar that ends beyond its axis."""
    return [min(low, float(np.float32(low))), max(high, float(np.float32(high)))]


def beyond(bars: Sequence[Bar], ends: Sequence[float], begins: Sequence[float] | None = None) -> int:
    """Pixels that the printed numbers to the right of the bars take beyond the upper end of the axis, where the bars
    have no more than NARROW pixels: as many as the figure leaves free at its right, so that no phone cuts them.

    begins  where the numbers begin; None for the ends of the bars
    """
    scale = NARROW / (ends[1] - ends[0])
    starts = [bar.value for bar in bars] if begins is None else begins
    over = [
        (columns(bar.text) + 2) * LETTER - (ends[1] - start) * scale
        for bar, start in zip(bars, starts, strict=True)
        if bar.value >= 0 and bar.text
    ]
    return max(0, *(round(pixels) for pixels in over)) if over else 0


def with_room(bars: Sequence[Bar], lowest: float, highest: float, parts: int = 1) -> list[float]:
    """The ends of an axis that has one of `parts` equal shares of the width, so far out that every printed number is
    inside. More room makes the bars shorter: a few rounds settle it."""
    left, right = lowest, highest
    for _ in range(12):
        letter = min(LETTER * parts / WIDTH, 0.03 if parts <= 3 else 0.05) * (right - left)  # in units of the axis
        ends = [(bar.value, (len(bar.text) + 1) * letter) for bar in bars]
        left = min((lowest, *(value - room for value, room in ends if value < 0)))
        right = max((highest, *(value + room for value, room in ends if value >= 0)))
    return [left, right]
