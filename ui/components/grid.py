"""The grid on the page: `viz.grid.Grid` packed as bytes for grid.js, and the cell that the reader chooses."""

import json
import struct

import numpy as np
from jaxtyping import Float, UInt8

from anatomy.language import N_, _
from ui.components import Chosen, register, told
from viz.grid import Grid

EXACT_CELLS = 128 * 128
HOLE = 255
_MOUNT = register(
    "grid",
    """<figure>
<div class="pad"><canvas tabindex="0" role="application" aria-roledescription="heat map"></canvas></div>
<div class="foot"><p class="readout"></p>
<div class="legend" aria-hidden="true"><span class="low"></span><i class="bar"></i><span class="high"></span>
<span class="unit"></span><span class="notes"></span>
<span class="hole"><i></i><span class="empty"></span></span></div></div>
<p class="live hidden" aria-live="polite"></p></figure>""",
)


def show(grid: Grid, alt: str, key: str, chosen: Chosen) -> None:
    """The grid, as wide as its place. chosen: called with (row, column) when the reader picks a cell."""
    _MOUNT(
        key=key,
        data=pack(grid, alt),
        on_cell_change=told(key, "cell", lambda cell: chosen((int(cell["row"]), int(cell["col"])))),
    )


def pack(grid: Grid, alt: str) -> bytes:
    """Header length (u32), JSON header, buffers. Up to 128 × 128 cells as float32; more as places on the colour
    scale in 254 steps, 255 for an empty cell, with the exact value of the chosen one in the header."""
    exact = grid.z.size <= EXACT_CELLS
    cells = grid.z.astype("<f4") if exact else steps(grid)
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
        "focus": grid.focus,
        "exact": focused(grid),
        "empty": grid.empty,
        "holes": grid.holes,
        "names": grid.names,
        "inside": grid.inside,
        "groups": grid.groups,
        "selects": grid.selects,
        "hint": _(HINTS[grid.selects]),
        "words": {"log": _("log scale"), "steps": _("colours in 255 steps")},
        "alt": f"{grid.title}. {alt}",
        "shape": grid.z.shape,
        "steps": not exact,
        "tiles": None if grid.tiles is None else grid.tiles.shape[2:],
        "buffers": [("z", "f4" if exact else "u1", cells.size)],
    }
    if grid.tiles is not None:
        header["buffers"].append(("pixels", "u1", grid.tiles.size))
    text = json.dumps(header, ensure_ascii=False, allow_nan=False).encode()
    pixels = b"" if grid.tiles is None else np.ascontiguousarray(grid.tiles).tobytes()
    return struct.pack("<I", len(text)) + text + cells.tobytes() + pixels


HINTS = {
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
    z: Float[np.ndarray, "row col"] = grid.z.astype(np.float64)
    if grid.signed:
        place = (z / grid.high + 1) / 2
    elif grid.logarithmic:
        place = np.log(np.maximum(z, grid.low) / grid.low) / np.log(grid.high / grid.low)
    else:
        place = (z - grid.low) / (grid.high - grid.low)
    scaled = np.rint(254 * np.clip(place, 0.0, 1.0))
    return np.where(np.isnan(z), HOLE, scaled).astype(np.uint8)
