"""Tiles: chips as a plotly figure, in rows that wrap where a usual window ends. Those that hold a character together
stand under one bracket."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from anatomy.characters import Share
from viz.bracket import short
from viz.format import escaped
from viz.scale import columns
from viz.theme import LEGEND, MONO, dress, palette

_WIDTH, _ROW, _HEADING, _AROUND = 720, 66, 30, 52  # pixels
_LETTER, _INSIDE, _GAP = 8.4, 20, 8
_OVER, _BRACKET, _END = 28, 5, 4  # over the rows that have brackets; a line's distance from its tile; how far it bends


@dataclass(frozen=True)
class Chip:
    """label: visible form; note: small line below (the id); detail: words for its parts (bytes); tint: colour class;
    shares: characters that it holds a part of."""

    label: str
    note: str
    detail: str
    tint: int = 0
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True)
class _Tile:
    """Where a chip stands, in pixels from the left and from the top."""

    chip: Chip
    left: float
    top: float
    width: float


def tiled(
    chips: Sequence[Chip],
    legend: Sequence[str],
    focus: int | None,
    rows: Sequence[tuple[int, str]],
    dark: bool = False,
) -> go.Figure:
    """The chips in rows, a colour per kind named in the legend, the chosen one framed, each row's words above it."""
    colours, headings = palette(dark), dict(rows)
    tiles, words, depth = _placed(chips, headings)
    figure = go.Figure()
    for tint, name in enumerate(legend):
        group = [tile for tile in tiles if tile.chip.tint == tint]
        figure.add_trace(_boxes(group, name, colours.categorical[tint], colours.text))
    frame = [] if focus is None else [_frame(tiles[focus], colours.accent)]
    figure.update_layout(
        height=round(depth) + _AROUND,
        barmode="overlay",
        legend=LEGEND,
        showlegend=True,
        margin={"l": 8, "r": 8, "t": 36, "b": 8},
        shapes=[*frame, *(line for tile in tiles for line in _lines(tile, colours.muted))],
        annotations=[*words, *(character for tile in tiles for character in _characters(tile))],
    )
    figure.update_xaxes(visible=False, range=[0, _WIDTH])
    figure.update_yaxes(visible=False, range=[max(depth, _ROW), 0])
    return dress(figure, dark)


def _placed(chips: Sequence[Chip], headings: dict[int, str]) -> tuple[list[_Tile], list[dict], float]:
    """(tiles, words above rows, height of all): from the left, a new row where the next one would not fit."""
    tiles: list[_Tile] = []
    words, left, top = [], 0.0, 0.0
    over = _OVER if any(chip.shares for chip in chips) else 0
    for place, chip in enumerate(chips):
        width = min(_INSIDE + _LETTER * _letters(chip), _WIDTH)
        if left and (left + width > _WIDTH or place in headings):
            left, top = 0.0, top + over + _ROW
        if place in headings:
            words.append(_words(headings[place], top))
            top += _HEADING
        tiles.append(_Tile(chip, left, top + over, width))
        left += width + _GAP
    depth = top + over + _ROW
    words += [_words(text, depth) for place, text in headings.items() if place >= len(chips)]
    return tiles, words, depth + _HEADING * sum(place >= len(chips) for place in headings)


def _letters(chip: Chip) -> int:
    """How many character cells its widest line takes."""
    return max(columns(short(chip.label, chip.shares)), columns(chip.note), columns(chip.detail), 1)


def _boxes(group: Sequence[_Tile], name: str, colour: str, words: str) -> go.Bar:
    """The tiles of one kind, with their words."""
    return go.Bar(
        x=[tile.width for tile in group],
        base=[tile.left for tile in group],
        y=[tile.top + (_ROW - _GAP) / 2 for tile in group],
        width=_ROW - _GAP,
        orientation="h",
        name=escaped(name),
        marker={"color": colour, "opacity": 0.3},
        text=["<br>".join((_large(tile.chip), *_small(tile.chip))) for tile in group],
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        constraintext="none",
        textfont={"family": MONO},
        insidetextfont={"color": words},
        hoverinfo="skip",
    )


def _large(chip: Chip) -> str:
    return f"<b>{escaped(short(chip.label, chip.shares))}</b>"


def _small(chip: Chip) -> list[str]:
    return [f"<span style='font-size:10px'>{escaped(text)}</span>" for text in (chip.note, chip.detail) if text]


def _frame(tile: _Tile, colour: str) -> dict:
    ends = {"x0": tile.left, "x1": tile.left + tile.width, "y0": tile.top, "y1": tile.top + _ROW - _GAP}
    return {"type": "rect", "line": {"width": 2, "color": colour}, **ends}


def _lines(tile: _Tile, colour: str) -> list[dict]:
    """The line over a tile for each character that it holds a part of; it bends down where the character begins or
    ends, and goes on to the next tile where it does not."""
    high, low, found = tile.top - _BRACKET, tile.top - _BRACKET + _END, []
    for share, (start, stop) in zip(tile.chip.shares, _spans(tile), strict=True):
        begins, ends = share.part == 1, share.part == share.of
        path = f"M {start} {low} L {start} {high}" if begins else f"M {start} {high}"
        path += f" L {stop} {high} L {stop} {low}" if ends else f" L {stop + _GAP} {high}"
        found.append({"type": "path", "path": path, "line": {"width": 1.5, "color": colour}})
    return found


def _characters(tile: _Tile) -> list[dict]:
    """Each character over its first part."""
    return [
        {
            "text": escaped(share.character),
            "showarrow": False,
            "x": start,
            "xanchor": "left",
            "y": tile.top - _BRACKET,
            "yanchor": "bottom",
            "font": {"size": 15, "family": MONO},
        }
        for share, (start, _stop) in zip(tile.chip.shares, _spans(tile), strict=True)
        if share.part == 1
    ]


def _spans(tile: _Tile) -> list[tuple[float, float]]:
    """(left, right) of a tile's part over which each of its characters stands, side by side."""
    each = tile.width / max(len(tile.chip.shares), 1)
    return [(tile.left + i * each, tile.left + (i + 1) * each) for i in range(len(tile.chip.shares))]


def _words(text: str, top: float) -> dict:
    place = {"x": 0, "xanchor": "left", "y": top + _HEADING, "yanchor": "bottom", "yshift": 4}
    return {"text": escaped(text), "showarrow": False, **place}
