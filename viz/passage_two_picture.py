"""The plotly picture of two runs' passages: B's lines, and each kind of change with a stroke and a sign of its own."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from anatomy.language import _
from viz.format import escaped
from viz.passage_notes import around
from viz.passage_picture import frame, joined, way
from viz.passage_place import MOST, WORDS, Place, begin, placed
from viz.passage_two_parts import CHANGES, SIGNS, ArcOfTwo, Change, PartsOfTwo
from viz.scale import clipped
from viz.theme import FOCUS, LEGEND, MONO, NEUTRAL

_WORDS = 4  # arcs that have words beside their sign


class Stroke(NamedTuple):
    """How a kind of change is drawn: width in pixels, dashes, colour, and the shape at its source."""

    width: float
    dash: str
    colour: str
    symbol: str


_STROKES: dict[Change, Stroke] = {
    "same": Stroke(1.2, "solid", NEUTRAL, "circle"),
    "gone": Stroke(2.0, "6px,5px", NEUTRAL, "x-open"),
    "weaker": Stroke(2.0, "9px,3px,2px,3px", FOCUS, "triangle-down-open"),
    "stronger": Stroke(3.0, "solid", FOCUS, "triangle-up-open"),
    "new": Stroke(3.0, "solid", FOCUS, "cross"),
}


def picture(given: PartsOfTwo) -> go.Figure:
    """The figure without a theme, with a legend of the kinds of change that it shows."""
    merged = given.merged
    place = placed(merged)
    figure = frame(merged, place)
    figure.update_traces(showlegend=False)
    for kind in _STROKES:
        for own in (False, True):
            places = [
                at for at, arc in enumerate(given.arcs) if arc.change == kind and (arc.looking == given.chosen) is own
            ]
            if places:
                figure.add_traces([_arcs(given, place, kind, places, own), _dots(given, place, kind, places, own)])
        count = sum(arc.change == kind for arc in given.arcs)
        if count:
            figure.add_trace(_entry(kind, count))
    notes = [*around(merged, place), *_told(given, place), *_words(given, place)]
    top = {"margin_t": figure.layout.margin.t + 30, "height": figure.layout.height + 30} if given.arcs else {}
    return figure.update_layout(annotations=notes, showlegend=bool(given.arcs), legend=LEGEND, **top)


def _entry(kind: Change, count: int) -> go.Scatter:
    """The legend's words on a kind, beside its stroke and its shape."""
    stroke = _STROKES[kind]
    return go.Scatter(
        x=[None],
        y=[None],
        mode="lines+markers",
        line={"width": stroke.width, "color": stroke.colour, "dash": stroke.dash},
        marker=_marker(kind, own=True),
        name=f"{SIGNS[kind]} {_(CHANGES[kind])} ({count})".strip(),
        legendgroup=kind,
    )


def _marker(kind: Change, own: bool) -> dict:
    stroke = _STROKES[kind]
    return {
        "size": 5 if kind == "same" else 10 if own else 7,
        "symbol": stroke.symbol,
        "color": stroke.colour,
        "opacity": 1.0 if own else 0.6,
        "line": {"width": 2 if stroke.symbol.endswith("open") else 0, "color": stroke.colour},
    }


def _arcs(given: PartsOfTwo, place: Place, kind: Change, of_kind: Sequence[int], own: bool) -> go.Scatter:
    """Arcs of one kind as one path. own: the chosen token's, which are thick."""
    stroke = _STROKES[kind]
    ways = [way(given.merged, place, given.merged.arcs[at]) for at in of_kind]
    return go.Scatter(
        x=joined([x for x, _y in ways]),
        y=joined([y for _x, y in ways]),
        mode="lines",
        line={"width": stroke.width if own else 1.2, "color": stroke.colour, "dash": stroke.dash, "shape": "spline"},
        opacity=1.0 if own and kind != "same" else 0.6,
        zorder=2 if kind == "same" else 4,
        hoverinfo="skip",
        legendgroup=kind,
        showlegend=False,
    )


def _dots(given: PartsOfTwo, place: Place, kind: Change, of_kind: Sequence[int], own: bool) -> go.Scatter:
    """Where arcs begin: the shape of their kind, with their numbers to read."""
    merged = given.merged
    return go.Scatter(
        x=np.array([begin(merged, merged.arcs[at]) for at in of_kind], np.float32),
        y=np.array([place.lines[given.arcs[at].looked] for at in of_kind], np.float32),
        mode="markers",
        marker=_marker(kind, own),
        zorder=2 if kind == "same" else 5,
        legendgroup=kind,
        showlegend=False,
        hovertext=[_read(given, given.arcs[at]) for at in of_kind],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _read(given: PartsOfTwo, arc: ArcOfTwo) -> str:
    """An arc in words, a line for each number."""
    return "<br>".join(
        (
            _(CHANGES[arc.change]),
            _("layer {layer}, head {head}", layer=arc.arc.layer, head=arc.arc.head),
            f"{escaped(given.called(arc.looking))} ← {escaped(given.called(arc.looked))}",
            _("attention weight {weight}", weight=arc.numbers),
        )
    )


def foremost(given: PartsOfTwo) -> list[int]:
    """The changed arcs that have words: the chosen token's, the largest changes first."""
    own = [at for at, arc in enumerate(given.arcs) if arc.looking == given.chosen and arc.change != "same"]
    return sorted(own, key=lambda at: -abs(given.arcs[at].grown))[:_WORDS]


def _told(given: PartsOfTwo, place: Place) -> list[dict]:
    """The sign and the numbers at the foremost changes."""
    merged = given.merged
    return [
        {
            "x": begin(merged, merged.arcs[at]),
            "y": place.lines[given.arcs[at].looked],
            "text": f"<b>{SIGNS[given.arcs[at].change]} {given.arcs[at].numbers}</b>",
            "font": {"size": 11},
            "showarrow": False,
            "xanchor": "right",
            "xshift": -6,
            "yshift": 11,
        }
        for at in foremost(given)
    ]


def _words(given: PartsOfTwo, place: Place) -> list[dict]:
    """What the chosen line would say, in frames under it: its sign first, struck through where it is gone."""
    words = []
    for own, row in zip(given.words, place.words, strict=True):
        label = escaped(clipped(own.word.label, MOST))
        shown = f"<s>{label}</s>" if own.change == "gone" else label
        words.append(
            {
                "x": own.layer,
                "y": place.lines[given.chosen] + 0.75 + WORDS * row,
                "text": f"{SIGNS[own.change]} {shown}".strip(),
                "font": {"family": MONO, "size": 11},
                "bordercolor": NEUTRAL if own.change in ("same", "gone") else FOCUS,
                "borderpad": 3,
                "showarrow": False,
                "hovertext": own.numbers,
            }
        )
    return words
