"""Sentences above and beneath a plotly figure, broken into lines where it ends."""

import math
import re

import plotly.graph_objects as go

from viz.format import escaped
from viz.scale import columns

_LINE, _LETTER = 18, 6.6  # pixels of a line of small words, and of a letter
_WIDE, _GAP = 500, 10  # pixels of lines, which fit into a narrow window beside long labels; and what lies between


def beneath(figure: go.Figure, words: str) -> None:
    """Sentences at the lower edge of a figure, which grows by as much."""
    layout = figure.to_dict()["layout"]
    margin = layout.get("margin", {})
    lines = wrapped(words, int(_WIDE / _LETTER))
    below = margin.get("b", 0) + _slanted(layout)
    figure.add_annotation(
        text="<br>".join(map(escaped, lines)),
        x=0,
        xref="paper",
        xanchor="left",
        y=0,
        yref="paper",
        yanchor="top",
        yshift=-below - 4,
        align="left",
        showarrow=False,
    )
    room = _LINE * len(lines) + _GAP
    figure.update_layout(height=layout.get("height", 380) + room + _slanted(layout), margin_b=below + room)


def above(figure: go.Figure, title: str, words: str) -> None:
    """A question and sentences at the upper left corner of a figure, over a title of its own; it grows by as much, and
    is made wide enough for them."""
    layout = figure.to_dict()["layout"]
    margin, own = layout.get("margin", {}), layout.get("title", {}).get("text", "")
    lines = [f"<span style='font-size:13px'>{escaped(line)}</span>" for line in wrapped(words, int(_WIDE / _LETTER))]
    heading = [f"<b>{escaped(title)}</b>"] if title else []
    room = _LINE * len([*heading, *lines]) + 2 * _GAP
    figure.update_layout(
        title={
            "text": "<br>".join([*heading, *lines, *([f" <br>{own}"] if own else [])]),
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 10, "l": 12},
        },
        height=layout.get("height", 380) + room,
        margin_t=margin.get("t", 0) + room,
    )
    short = _WIDE + 24 - layout.get("width", _WIDE + 24)
    if short > 0:
        figure.update_layout(width=layout["width"] + short, margin_r=margin.get("r", 0) + short)


def _slanted(layout: dict) -> int:
    """Pixels by which slanted labels under the x axis are longer than straight ones."""
    axis = layout.get("xaxis", {})
    letters = max((columns(re.sub(r"<[^>]*>", "", text)) for text in axis.get("ticktext") or ()), default=0)
    return round(7.5 * letters * abs(math.sin(math.radians(axis.get("tickangle") or 0))))


def wrapped(words: str, most: int) -> list[str]:
    """Words in lines of at most so many character cells; one that is longer has a line of its own. Text that is
    written without spaces is broken anywhere."""
    lines = [""]
    for word in words.split(" "):
        pieces = [word] if columns(word) <= most else list(word)
        for i, piece in enumerate(pieces):
            gap = " " if lines[-1] and not i else ""
            if columns(lines[-1] + gap + piece) > most:
                lines.append(piece)
            else:
                lines[-1] += gap + piece
    return lines
