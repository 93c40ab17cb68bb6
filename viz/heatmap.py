"""A Grid as a plotly heat map: numeric positions with labelled ticks, one array, numbers where cells have room."""

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, UInt8

from anatomy.language import _
from viz.cells import Cells
from viz.format import cosine, escaped, exact, exact_percent, number
from viz.lattice import Lattice, edges, gaps, lattice, sheet, spread
from viz.scale import clipped, columns, decades, steps, thinned
from viz.theme import MONO, Palette, colorscale, dress, palette

_TICK, _OUTLINE = 18, 10  # pixels: room of one tick label, smallest outline
_LETTER, _DIGIT = 7.3, 5.9  # width of a character of the labels, and of the numbers in the cells
_ANGLE = 50  # degrees of slanted labels
_MOST_NUMBERS = 24  # columns
_FAINT = 0.01  # of the scale's end: amounts below it have no number, which would be a long one


def heatmap(grid: Cells, dark: bool = False) -> go.Figure:
    """The grid in the colours of one theme: query or layer on rows from the top, key or head on columns."""
    colours, at = palette(dark), lattice(grid)
    figure = go.Figure(_cells(grid, at) if grid.tiles is None else _pictures(grid.tiles, at))
    figure.data[0].update(colorscale=colorscale(dark, grid.signed), colorbar=_colour_bar(grid))
    _axes(figure, grid, at)
    _gaps(figure, at, colours)
    if grid.focus is not None:
        _outline(figure, grid.focus, at, colours)
    _frame(figure, grid, at, colours)
    return dress(figure, dark)


def cell_text(grid: Cells, most: int = 16) -> list[list[str]]:
    """What stands in each cell: its name, the words inside it (of `most` characters), or whole percents from 10 on,
    else two decimals or digits; "" for nothing to speak of."""
    if grid.names is not None:
        return _by_row(grid, grid.names)
    if grid.inside is not None:
        return _by_row(grid, [clipped(words, most) for words in grid.inside])
    return [[_printed(float(value), grid) for value in row] for row in grid.z]


def _by_row(grid: Cells, words: Sequence[str]) -> list[list[str]]:
    """Words of the cells, which come row after row, by row."""
    return np.array(words, object).reshape(grid.z.shape).tolist()


def _laid_out(words: list[list[str]], at: Lattice) -> list[list[str]]:
    """The words as plotly prints them, with an empty column for every gap."""
    safe = np.array([[escaped(word) for word in row] for row in words], object)
    return spread(safe, at.xs, "").tolist()


def _printed(value: float, grid: Cells) -> str:
    if math.isnan(value):
        return ""
    if grid.percent:
        if grid.signed:
            return f"{100 * value:+.0f}".replace("-", "−") if abs(value) >= 0.005 else ""
        return f"{100 * value:.0f}" if value >= 0.095 else ""
    if max(abs(end) for end in grid.ends) > 1:
        faint = not (grid.signed or grid.logarithmic) and value < _FAINT * grid.high
        return "" if faint else number(value, 2)
    return cosine(value) if grid.signed or value >= 0.005 else ""


def _cells(grid: Cells, at: Lattice) -> go.Heatmap:
    low, high = grid.ends
    z = spread(grid.z.astype(np.float32), at.xs, np.nan)
    trace = go.Heatmap(z=z, zmin=low, zmax=high, hoverongaps=False)
    if gaps(at.xs):
        trace.x = edges(at.xs)
    value = "%{z:.1%}" if grid.percent else "%{z:.3~g}"
    if grid.logarithmic:
        value = value.replace("%{z", "%{customdata")
        trace.update(z=_logarithms(z, low), zmin=math.log10(low), zmax=math.log10(high), customdata=z)
    if grid.part is not None:
        trace.update(x=_categories(grid.cols), y=_categories(grid.rows))
    rows, cols = escaped(grid.row_axis), escaped(grid.col_axis)
    reading = f"{escaped(grid.measure)} {value}" if grid.measure else value
    trace.hovertemplate = f"{rows} %{{y}}<br>{cols} %{{x}}<br>{reading} {escaped(grid.unit)}<extra></extra>"
    if grid.names is not None:
        named = _laid_out(_by_row(grid, grid.names), at)
        trace.update(hovertext=named, hovertemplate=f"%{{hovertext}}<br>{value} {escaped(grid.unit)}<extra></extra>")
    elif grid.inside is not None:
        held = _laid_out(_by_row(grid, grid.inside), at)
        trace.update(hovertext=held, hovertemplate=trace.hovertemplate.replace(value, f"<b>%{{hovertext}}</b> {value}"))
    gap = 1 if min(at.width, at.height) >= 8 else 0
    trace.update(xgap=gap, ygap=gap)
    room = at.width - gap
    text = cell_text(grid, int(room / _DIGIT)) if grid.z.shape[1] <= _MOST_NUMBERS and at.height >= 13 else []
    if text and max(columns(words) for row in text for words in row) * _DIGIT <= room:
        size = 10.5 if grid.percent and grid.inside is None else 10
        trace.update(text=_laid_out(text, at), texttemplate="%{text}", textfont={"size": size})
    return trace


def _categories(labels: Sequence[str]) -> list[str]:
    """Labels of a long text's cells, which all differ, as names of columns that plotly prints when pointed at."""
    return [escaped(label) for label in labels]


def _logarithms(z: Float[np.ndarray, "row col"], low: float) -> Float[np.ndarray, "row col"]:
    """log10 of z, with everything below `low` at `low`; NaN stays."""
    return np.log10(np.maximum(z, np.float32(low)))


def _pictures(tiles: UInt8[np.ndarray, "row col h w"], at: Lattice) -> go.Heatmap:
    """All the small pictures as one array of bytes."""
    height, width = tiles.shape[2:]
    return go.Heatmap(
        z=sheet(tiles, at),
        zmin=0,
        zmax=255,
        x0=-0.5 + 0.5 / width,
        dx=1 / width,
        y0=-0.5 + 0.5 / height,
        dy=1 / height,
        hoverinfo="skip",
    )


def _colour_bar(grid: Cells) -> dict:
    bar = {
        "title": {"text": escaped(grid.unit), "side": "right", "font": {"size": 12}},
        "thickness": 12,
        "lenmode": "pixels",
        "len": _bar_length(grid),
        "y": 1,
        "yanchor": "top",
        "xpad": 18,
        "outlinewidth": 0,
    }
    if grid.tiles is not None:
        shares = (0.0, 0.5, 1.0)
        return bar | {"tickvals": [255 * s for s in shares], "ticktext": [_tick(s * grid.high, grid) for s in shares]}
    if grid.logarithmic:
        ticks = decades(grid.low, grid.high)
        texts = [_tick(tick, grid) for tick in ticks]
        if math.isclose(ticks[0], grid.low):
            texts[0] = f"≤ {texts[0]}"
        return bar | {"tickvals": [math.log10(tick) for tick in ticks], "ticktext": texts}
    if grid.percent:
        ticks = steps(*grid.ends)
        return bar | {"tickvals": ticks, "ticktext": [_tick(tick, grid) for tick in ticks]}
    return bar


def _bar_length(grid: Cells) -> int:
    """Pixels from one end of the colour bar to the other."""
    return max(140, min(30 * len(grid.rows), 300))


def _tick(value: float, grid: Cells) -> str:
    return exact_percent(value) if grid.percent else exact(value)


def _axes(figure: go.Figure, grid: Cells, at: Lattice) -> None:
    common = {"showgrid": False, "zeroline": False, "automargin": False, "ticks": ""}
    common |= {"tickfont": {"family": MONO, "size": 12}, "ticklabelstandoff": 4}
    edge_x, edge_y = _edge(at.width), _edge(at.height)
    figure.update_xaxes(
        **common,
        **_ticks(grid, grid.cols, at.xs, at.pixels[0]),
        range=[-edge_x, at.xs[-1] + edge_x],
        side="top",
        tickangle=-_ANGLE if _slanted(grid, at) else 0,
        title={"text": escaped(grid.col_axis), "standoff": 6},
    )
    figure.update_yaxes(
        **common,
        **_ticks(grid, grid.rows, at.ys, at.pixels[1]),
        range=[at.ys[-1] + edge_y, -edge_y],
        title={"text": escaped(grid.row_axis), "standoff": 6},
    )


def _edge(pixels: float) -> float:
    """How far the picture reaches beyond the middle of the outer cells, in cells: enough for an outline there."""
    return (max(pixels, _OUTLINE) / 2 + 2) / pixels


def _ticks(grid: Cells, labels: tuple[str, ...], places: Float[np.ndarray, " cell"], pixels: float) -> dict:
    """Labelled positions: equal labels stay apart, and where not all have room the rest is counted on."""
    kept = thinned(len(labels), int(max(pixels, _TICK) / _TICK))
    shown = _shown(labels)
    if grid.part is not None:  # its labels tell their places
        names = _categories(labels)
        texts = [escaped(shown[i]) for i in kept]
        return {"type": "category", "tickvals": [names[i] for i in kept], "ticktext": texts}
    if len(kept) < len(labels) and not all(label.isdecimal() for label in labels):
        shown = [f"{i} {label}" for i, label in enumerate(shown)]
    return {"tickvals": places[kept].tolist(), "ticktext": [escaped(shown[i]) for i in kept]}


def _shown(labels: tuple[str, ...]) -> list[str]:
    return [clipped(label) for label in labels]


def _widest(labels: tuple[str, ...]) -> float:
    """Pixels of the widest label."""
    return _LETTER * max(columns(label) for label in _shown(labels))


def _slanted(grid: Cells, at: Lattice) -> bool:
    """Whether the columns' labels are wider than the columns."""
    return _widest(grid.cols) > at.width


def _gaps(figure: go.Figure, at: Lattice, colours: Palette) -> None:
    """The page's colour between groups of columns, and between small pictures."""
    bare = {"fillcolor": colours.background, "line": {"width": 0}}
    for start, end in gaps(at.xs):
        figure.add_vrect(start, end, **bare)
    for start, end in gaps(at.ys):
        figure.add_hrect(start, end, **bare)


def _outline(figure: go.Figure, focus: tuple[int, int], at: Lattice, colours: Palette) -> None:
    """A frame around the chosen cell, never smaller than can be seen."""
    x, y = at.xs[focus[1]], at.ys[focus[0]]
    half_width, half_height = (max(pixels, _OUTLINE) / pixels / 2 for pixels in (at.width, at.height))
    frame = {"x0": x - half_width, "x1": x + half_width, "y0": y - half_height, "y1": y + half_height}
    figure.add_shape(type="rect", **frame, line={"color": colours.focus, "width": 2.4})


def _frame(figure: go.Figure, grid: Cells, at: Lattice, colours: Palette) -> None:
    """Title, size and margins: as much as the labels, the colour bar and the title need."""
    width, height = at.pixels
    title = {"text": escaped(grid.title), "yref": "container", "y": 1, "yanchor": "top", "pad": {"t": 14}}
    empty = grid.tiles is None and grid.holes
    if empty:
        words = escaped(_("grey cells: {meaning}", meaning=grid.empty))
        title["subtitle"] = {"text": words, "font": {"color": colours.muted}}
    labels = _widest(grid.cols) * math.sin(math.radians(_ANGLE)) + 12 if _slanted(grid, at) else 14
    left, top = 48 + _widest(grid.rows), (90 if empty else 68) + labels
    right = max(110.0, 8.5 * columns(grid.title) - width)
    below = 16 + max(0.0, _bar_length(grid) - height)
    figure.update_layout(
        title=title,
        plot_bgcolor=colours.empty,
        width=round(left + width + right),
        height=round(top + height + below),
        margin={"l": round(left), "r": round(right), "t": round(top), "b": round(below)},
    )
