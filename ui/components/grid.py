"""The grid on the page: `viz.grid.Grid` packed as bytes for grid.js, and the cell that the reader chooses."""

import json
import struct
from collections.abc import Callable
from typing import Literal, get_args
from zlib import crc32

import numpy as np
from jaxtyping import Float, UInt8

from anatomy.language import N_, _
from ui.components import callback, register
from viz.grid import Grid
from viz.sight import Sight

EXACT_CELLS = 128 * 128
HOLE = 255
SCRIPTS = ("grid_scale.js", "grid_draw.js", "grid_sight.js")
# What the reader did: chose a cell, chose and opened it, left the window, or had another window shown.
Action = Literal["choose", "open", "leave", "move"]
_ACTIONS: dict[str, Action] = {how: how for how in get_args(Action)}
HTML = """<figure>
<div class="within" hidden>
<div class="zoom"><button type="button" class="further">−</button><span class="side"></span>
<button type="button" class="nearer">+</button>
<button type="button" class="chosen"></button><button type="button" class="whole"></button></div>
<div class="overview" tabindex="0" role="application" hidden><canvas></canvas><i class="seen"></i></div>
<div class="beside"><p class="label"></p><p class="pooled"></p></div></div>
<div class="pad"><div class="edge left" aria-hidden="true"></div><div class="edge right" aria-hidden="true"></div>
<div class="scroller">
<canvas class="cells" tabindex="0" role="application" aria-roledescription="heat map"></canvas></div>
<p class="tip" aria-hidden="true" hidden></p></div>
<div class="foot"><p class="readout"></p>
<div class="legend" aria-hidden="true"><span class="low"></span><i class="bar"></i><span class="high"></span>
<span class="unit"></span><span class="notes"></span>
<span class="hole"><i></i><span class="empty"></span></span></div></div>
<p class="live hidden" aria-live="polite"></p></figure>"""
_MOUNT = register("grid", HTML, *SCRIPTS)


def show(grid: Grid, alt: str, key: str, chosen: Callable[[tuple[int, int], Action, int], None]) -> None:
    """The grid, as wide as its place. chosen: called with (row, column), how the reader picked the cell, and the level
    of nearness that a move asks for; of a move row and column are tokens of the whole text."""

    def call(cell: dict) -> None:
        meant = action_on(grid, cell)
        if meant is not None:
            chosen(*meant)

    _MOUNT(key=key, data=pack(grid, alt), on_cell_change=callback(key, "cell", call))


def action_on(grid: Grid, cell: dict) -> tuple[tuple[int, int], Action, int] | None:
    """What the reader did to this grid: (row, column), how, and how near. None where it was done to another one, and
    was on its way when the picture changed."""
    how = _ACTIONS.get(str(cell.get("how")), "choose")
    if how in ("choose", "open") and cell.get("of") != identity(grid):
        return None
    return (max(0, int(cell["row"])), max(0, int(cell["col"]))), how, max(0, int(cell.get("level", 0)))


def identity(grid: Grid) -> int:
    """A number that is another one where the cells mean something else."""
    part = None if grid.part is None else (grid.part.rows, grid.part.cols)
    return crc32(repr((grid.selects, grid.z.shape, part, grid.places, grid.opens is None)).encode())


def pack(grid: Grid, alt: str) -> bytes:
    """Header length (u32), JSON header, buffers. Up to 128 × 128 cells as float32; more as places on the colour
    scale in 254 steps, 255 for an empty cell, with the exact value of the chosen one in the header."""
    exact = grid.z.size <= EXACT_CELLS
    numbers = grid.z.astype("<f4") if exact else steps(grid)
    header = {
        "rows": grid.rows,
        "cols": grid.cols,
        "row_axis": grid.row_axis,
        "col_axis": grid.col_axis,
        "unit": grid.unit,
        "low": grid.low,
        "high": grid.high,
        "signed": grid.signed,
        "logarithmic": grid.logarithmic,
        "percent": grid.percent,
        "difference": grid.subtracted is not None,
        "focus": grid.focus,
        "exact": focused(grid),
        "empty": grid.empty,
        "holes": grid.holes,
        "names": grid.names,
        "inside": grid.inside,
        "groups": grid.groups,
        "selects": grid.selects,
        "hint": _(HINTS["zoom"]) if grid.opens else _(HINTS[grid.selects]),
        "words": {"log": _("log scale"), "steps": _("colours in 255 steps")},
        "measure": grid.measure,
        "cells": identity(grid),
        "opens": grid.opens is not None,
        "leaves": grid.leaves is not None,
        "window": None if grid.part is None else grid.part.window,
        "sight": None if grid.sight is None else _sight(grid, grid.sight),
        "alt": f"{grid.title}. {alt}",
        "shape": grid.z.shape,
        "steps": not exact,
        "tiles": None if grid.tiles is None else grid.tiles.shape[2:],
        "triangle": grid.tiles is not None and _below(grid.tiles),
        "buffers": [("z", "f4" if exact else "u1", numbers.size)],
    }
    pixels = np.empty(0, np.uint8) if grid.tiles is None else _pixels(grid.tiles, header["triangle"])
    if grid.tiles is not None:
        header["buffers"].append(("pixels", "u1", pixels.size))
    if grid.sight is not None and grid.sight.whole is not None:
        header["buffers"].append(("whole", "u1", grid.sight.whole.size))
        pixels = _places(grid, grid.sight.whole)
    text = json.dumps(header, ensure_ascii=False, allow_nan=False).encode()
    return struct.pack("<I", len(text)) + text + numbers.tobytes() + pixels.tobytes()


def _sight(grid: Grid, sight: Sight) -> dict[str, object]:
    """How near the grid stands and where, and the words for it; a sentence's places are filled in by the browser."""
    looking = grid.selects == "cell"
    return {
        "level": sight.level,
        "sides": sight.sides,
        "chosen": sight.chosen,
        "length": sight.length,
        "shape": None if sight.whole is None else sight.whole.shape,
        "pooled": sight.pooled,
        "words": {
            "place": _(LOOKING) if looking else _(ALIKE),
            "side": _("{count} tokens a side"),
            "all": _("whole text"),
            "nearer": _("Nearer (+)"),
            "further": _("Further away (−)"),
            "chosen": _("To the chosen cell"),
            "whole": _("Whole text (Esc)"),
            "overview": _("overview"),
            "keys": _("Arrow keys move the window, + and − zoom, Escape shows the whole text."),
        },
    }


def _below(tiles: UInt8[np.ndarray, "row col h w"]) -> bool:
    """Whether square small pictures hold nothing above their diagonals, as those of causal attention."""
    height, width = tiles.shape[2:]
    return height == width and not tiles[:, :, ~np.tri(height, dtype=bool)].any()


def _pixels(tiles: UInt8[np.ndarray, "row col h w"], triangle: bool) -> np.ndarray:
    """Every small picture one after another, row after row: whole, or up to the diagonal."""
    return tiles[:, :, np.tri(tiles.shape[2], dtype=bool)] if triangle else np.ascontiguousarray(tiles)


LOOKING = N_("positions {first}–{last} looking at {from_}–{to}, of {tokens} tokens")
ALIKE = N_("positions {first}–{last} beside {from_}–{to}, of {tokens} tokens")
HINTS = {
    "zoom": N_("Click a cell, or press Enter on it, to see its tokens; arrow keys move."),
    "cell": N_("Click a cell, or move with the arrow keys."),
    "head": N_("Click a head, or move with the arrow keys."),
    "token": N_("Click a token, or move with the arrow keys."),
    "none": "",
}


def focused(grid: Grid) -> float | None:
    """The exact number in the chosen cell; None where none is chosen or it is empty."""
    value = np.nan if grid.focus is None else float(grid.z[grid.focus])
    return None if np.isnan(value) else value


def steps(grid: Grid) -> UInt8[np.ndarray, "row col"]:
    """Each cell's place on the colour scale as 0 … 254; 255 where the cell is empty."""
    return _places(grid, grid.z)


def _places(grid: Grid, values: Float[np.ndarray, "row col"]) -> UInt8[np.ndarray, "row col"]:
    """Numbers in the grid's unit as places on its scale."""
    z: Float[np.ndarray, "row col"] = values.astype(np.float32)
    if grid.signed:
        place = (z / grid.high + 1) / 2
    elif grid.logarithmic:
        place = np.log(np.maximum(z, grid.low) / grid.low) / np.log(grid.high / grid.low)
    else:
        place = (z - grid.low) / (grid.high - grid.low)
    scaled = np.rint(254 * np.clip(place, 0.0, 1.0))
    return np.where(np.isnan(z), HOLE, scaled).astype(np.uint8)
