"""The plotly picture of a passage: lines as wide as the logarithm of their length, arcs that land in their layer."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.language import _
from viz.format import escaped, exact_percent, number, percent, signed_percent
from viz.passage_notes import annotations
from viz.passage_parts import Arc, Parts, widths
from viz.passage_place import ABOVE, ROW, Place, begin, margin, pixel, placed
from viz.scale import thinned
from viz.theme import FOCUS, NEUTRAL

_THIN, _THICK = 1.0, 4.0  # half of a line's width, in pixels
_STROKE = 2.8 / ROW  # in rows: three of them fill the widest line
_TICKS = 12
_STEP = np.linspace(0.0, 1.0, 10)  # [step] of a way from 0 to 1; plotly draws it round
_STRENGTHS = ((0.25, 1.5), (0.5, 2.5), (1.0, 3.5))  # (largest share of the stream, pixels) of the chosen arcs
_GREY = "rgba(125,133,141,{opacity})"


def picture(given: Parts) -> go.Figure:
    """The figure without a theme: the chosen line in its first colour, its arcs in the accent, all else grey."""
    place = placed(given)
    grey, own = ([arc for arc in given.arcs if arc.chosen is chosen] for chosen in (False, True))
    figure = frame(given, place)
    figure.add_traces(
        [
            _arcs(given, place, grey, 1.2),
            *(_arcs(given, place, arcs, width) for arcs, width in _by_strength(own)),
            _dots(given, place, grey),
            _dots(given, place, own),
            _lengths(given, place),
        ]
    )
    # All at once: plotly checks the whole list again for each that is added.
    return figure.update_layout(annotations=annotations(given, place))


def frame(given: Parts, place: Place) -> go.Figure:
    """Lines, layers and what is left out, as large as everything needs."""
    figure = go.Figure([_chosen(given, place), _others(given, place), _stripes(given, place), _bands(given, place)])
    shown = thinned(given.layers, _TICKS)
    figure.update_xaxes(
        title={"text": escaped(_("layer")), "standoff": 4},
        tickvals=shown,
        ticktext=[str(layer) for layer in shown],
        range=[-0.5, given.layers - 0.5],
        showgrid=False,
        zeroline=False,
        fixedrange=True,
    )
    figure.update_yaxes(visible=False, range=[place.end, -ABOVE], fixedrange=True)
    around = margin(given)
    height = round(ROW * (place.end + ABOVE)) + around["t"] + around["b"]
    return figure.update_layout(height=height, showlegend=False, hovermode="closest", margin=around)


def thickness(given: Parts) -> str:
    """A sentence on the few widths that arcs have here; "" where there are none."""
    if not given.arcs:
        return ""
    small, middle = (exact_percent(most) for most, _width in _STRENGTHS[:2])
    return _(
        "Here the chosen token's arcs have three widths: up to {small}, up to {middle} and more of the stream's "
        "length; those of other tokens are all alike.",
        small=small,
        middle=middle,
    )


def _along(given: Parts) -> Float[np.ndarray, " stream"]:
    """Where streams stand among the layers: each between the layer that it leaves and the one that it enters."""
    return np.arange(given.layers + 1) - 0.5


def _chosen(given: Parts, place: Place) -> go.Scatter:
    """The chosen line as one stroke along its upper edge, back in its middle and along its lower edge: only a stroke
    has the theme's full colour, a filled path has half of it."""
    half = np.maximum(_halves(given)[given.chosen] - _STROKE / 2, 0.0)
    x, y = _along(given), place.lines[given.chosen]
    return go.Scatter(
        x=np.concatenate([x, x[::-1], x]).astype(np.float32),
        y=(y + np.concatenate([-half, np.zeros_like(half), half])).astype(np.float32),
        mode="lines",
        line={"width": _STROKE * ROW},
        zorder=3,
        hoverinfo="skip",
    )


def _others(given: Parts, place: Place) -> go.Scatter:
    """All other lines as one filled path: along the upper edge of each and back along the lower."""
    x, half = _along(given), _halves(given)
    others = [i for i in range(len(given.lines)) if i != given.chosen]
    return go.Scatter(
        x=joined([np.concatenate([x, x[::-1]]) for _i in others]),
        y=joined([np.concatenate([place.lines[i] - half[i], place.lines[i] + half[i][::-1]]) for i in others]),
        mode="lines",
        line={"width": 0, "color": NEUTRAL},
        fill="toself",
        fillcolor=_GREY.format(opacity=0.5),
        zorder=1,
        hoverinfo="skip",
    )


def _halves(given: Parts) -> Float[np.ndarray, "line stream"]:
    """Half of each line's width, in rows."""
    return (_THIN + (_THICK - _THIN) * widths(given)) / ROW


def joined(parts: Sequence[np.ndarray]) -> Float[np.ndarray, " point"]:
    """The paths one after another, with a gap after each."""
    return np.concatenate([np.append(part, np.nan) for part in parts] or [np.empty(0)]).astype(np.float32)


def _boxes(boxes: Sequence[tuple[float, float, float, float]], opacity: float) -> go.Scatter:
    """Grey rectangles (left, right, top, bottom) as one filled path, behind everything."""
    return go.Scatter(
        x=joined([np.array([left, right, right, left, left]) for left, right, _top, _bottom in boxes]),
        y=joined([np.array([top, top, bottom, bottom, top]) for _left, _right, top, bottom in boxes]),
        mode="lines",
        line={"width": 0, "color": NEUTRAL},
        fill="toself",
        fillcolor=_GREY.format(opacity=opacity),
        zorder=0,
        hoverinfo="skip",
    )


def _stripes(given: Parts, place: Place) -> go.Scatter:
    """Every second layer."""
    return _boxes([(i - 0.5, i + 0.5, -ABOVE, place.end) for i in range(0, given.layers, 2)], 0.08)


def _bands(given: Parts, place: Place) -> go.Scatter:
    """The positions that are left out, as broad as all layers."""
    return _boxes([(-0.5, given.layers - 0.5, y - 0.25, y + 0.25) for y in place.bands], 0.2)


def way(given: Parts, place: Place, arc: Arc) -> tuple[Float[np.ndarray, " step"], Float[np.ndarray, " step"]]:
    """From the source along its line, then down or up to the one that looks, into its layer (a cubic Bézier curve)."""
    unit = pixel(given)
    x = _cubic(begin(given, arc), arc.layer + 2 * unit, arc.layer - 6 * unit, arc.layer + 6 * unit)
    start, end = place.lines[arc.looked], place.lines[arc.looking]
    return x, _cubic(start, start, end, end)


def _cubic(first: float, second: float, third: float, last: float) -> Float[np.ndarray, " step"]:
    there, left = _STEP, 1 - _STEP
    return first * left**3 + 3 * second * left**2 * there + 3 * third * left * there**2 + last * there**3


def _by_strength(arcs: Sequence[Arc]) -> list[tuple[list[Arc], float]]:
    """The arcs of each strength, with their width in pixels."""
    of_width: dict[float, list[Arc]] = {}
    for arc in arcs:
        width = next((width for most, width in _STRENGTHS if arc.share <= most), _STRENGTHS[-1][1])
        of_width.setdefault(width, []).append(arc)
    return [(of_width[width], width) for width in sorted(of_width)]


def _arcs(given: Parts, place: Place, arcs: Sequence[Arc], width: float) -> go.Scatter:
    """Arcs of one colour and width as one path."""
    ways = [way(given, place, arc) for arc in arcs]
    own = any(arc.chosen for arc in arcs)
    return go.Scatter(
        x=joined([x for x, _y in ways]),
        y=joined([y for _x, y in ways]),
        mode="lines",
        line={"width": width, "color": FOCUS if own else NEUTRAL, "shape": "spline"},
        opacity=1.0 if own else 0.6,
        zorder=4 if own else 2,
        hoverinfo="skip",
    )


def _dots(given: Parts, place: Place, arcs: Sequence[Arc]) -> go.Scatter:
    """Where arcs begin, with their numbers to read."""
    own = any(arc.chosen for arc in arcs)
    return go.Scatter(
        x=np.array([begin(given, arc) for arc in arcs], np.float32),
        y=np.array([place.lines[arc.looked] for arc in arcs], np.float32),
        mode="markers",
        marker={"size": 6 if own else 5, "color": FOCUS if own else NEUTRAL, "opacity": 1.0 if own else 0.6},
        zorder=4 if own else 2,
        hovertext=[_read(given, arc) for arc in arcs],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _read(given: Parts, arc: Arc) -> str:
    """An arc in words, a line for each number."""
    return "<br>".join(
        (
            _("layer {layer}, head {head}", layer=arc.layer, head=arc.head),
            f"{escaped(given.called(arc.looking))} ← {escaped(given.called(arc.looked))}",
            _("attention weight {weight}", weight=percent(arc.weight)),
            _("{share} of the stream's length", share=signed_percent(arc.share)),
        )
    )


def _lengths(given: Parts, place: Place) -> go.Scatter:
    """Invisible points along the lines, with the length to read."""
    streams = given.layers + 1
    named = [escaped(given.called(i)) for i in range(len(given.lines))]
    return go.Scatter(
        x=np.tile(np.arange(streams, dtype=np.float32) - 0.5, len(named)),
        y=np.repeat(np.array(place.lines, np.float32), streams),
        mode="markers",
        marker={"size": 8, "color": NEUTRAL, "opacity": 0},
        zorder=1,
        hovertext=[
            f"{token}: {number(length)}"
            for token, lengths in zip(named, given.lengths.tolist(), strict=True)
            for length in lengths
        ],
        hovertemplate="%{hovertext}<extra></extra>",
    )
