"""Tiles: chips as a plotly figure, in rows that wrap where a usual window ends."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from viz.format import escaped
from viz.scale import columns
from viz.theme import LEGEND, MONO, dress, palette

_WIDTH, _ROW, _HEADING, _AROUND = 720, 66, 30, 52  # pixels
_LETTER, _INSIDE, _GAP = 8.4, 20, 8


@dataclass(frozen=True)
class Chip:
    """label: visible form; note: small line below (the id); detail: words for its parts (bytes); tint: colour class."""

    label: str
    note: str
    detail: str
    tint: int = 0


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
    figure.update_layout(
        height=round(depth) + _AROUND,
        barmode="overlay",
        legend=LEGEND,
        showlegend=True,
        margin={"l": 8, "r": 8, "t": 36, "b": 8},
        shapes=[] if focus is None else [_frame(tiles[focus], colours.accent)],
        annotations=words,
    )
    figure.update_xaxes(visible=False, range=[0, _WIDTH])
    figure.update_yaxes(visible=False, range=[max(depth, _ROW), 0])
    return dress(figure, dark)


def _placed(chips: Sequence[Chip], headings: dict[int, str]) -> tuple[list[_Tile], list[dict], float]:
    """(tiles, words above rows, height of all): from the left, a new row where the next one would not fit."""
    tiles: list[_Tile] = []
    words, left, top = [], 0.0, 0.0
    for place, chip in enumerate(chips):
        width = min(_INSIDE + _LETTER * max(columns(chip.label), columns(chip.note), columns(chip.detail), 1), _WIDTH)
        if left and (left + width > _WIDTH or place in headings):
            left, top = 0.0, top + _ROW
        if place in headings:
            words.append(_words(headings[place], top))
            top += _HEADING
        tiles.append(_Tile(chip, left, top, width))
        left += width + _GAP
    words += [_words(text, top + _ROW) for place, text in headings.items() if place >= len(chips)]
    return tiles, words, top + _ROW + _HEADING * sum(place >= len(chips) for place in headings)


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
        text=["<br>".join((f"<b>{escaped(tile.chip.label)}</b>", *_small(tile.chip))) for tile in group],
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        constraintext="none",
        textfont={"family": MONO},
        insidetextfont={"color": words},
        hoverinfo="skip",
    )


def _small(chip: Chip) -> list[str]:
    return [f"<span style='font-size:10px'>{escaped(text)}</span>" for text in (chip.note, chip.detail) if text]


def _frame(tile: _Tile, colour: str) -> dict:
    ends = {"x0": tile.left, "x1": tile.left + tile.width, "y0": tile.top, "y1": tile.top + _ROW - _GAP}
    return {"type": "rect", "line": {"width": 2, "color": colour}, **ends}


def _words(text: str, top: float) -> dict:
    place = {"x": 0, "xanchor": "left", "y": top + _HEADING, "yanchor": "bottom", "yshift": 4}
    return {"text": escaped(text), "showarrow": False, **place}
