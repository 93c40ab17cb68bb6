"""Small grids and chips on fixed numbers, for the tests of pictures."""

import numpy as np

from viz.chips import Chip, Chips
from viz.grid import Grid

WORDS = ("Paris", "·is", "<b>the</b>", "北京", "‹E6 82›")


def attention(n: int, **more) -> Grid:
    """n tokens that look evenly at what they may see, one of them chosen."""
    z = np.where(np.tri(n, dtype=bool), 1 / np.arange(1, n + 1)[:, None], np.nan)
    labels = tuple(WORDS[i % len(WORDS)] for i in range(n))
    fields = {"row_axis": "looking (query)", "col_axis": "looked at (key)", "unit": "probability", "title": "Layer 1"}
    return Grid(z, labels, labels, **fields | {"percent": True, "focus": (n - 1, n // 2), "selects": "cell"} | more)


def heads(**more) -> Grid:
    """6 layers of 9 heads in groups of 3."""
    z = np.arange(54.0).reshape(6, 9) / 100
    rows, cols = tuple(map(str, range(6))), tuple(map(str, range(9)))
    fields = {"row_axis": "layer", "col_axis": "head", "unit": "probability", "title": "All heads", "high": 0.6}
    fields |= {"z": z, "rows": rows, "cols": cols, "focus": (2, 5), "groups": 3, "selects": "head"}
    return Grid(**fields | more)


def cosines() -> Grid:
    z = np.array([[1.0, -0.25, 0.004], [-0.25, 1.0, 0.5], [0.004, 0.5, 1.0]])
    return Grid(z, WORDS[:3], WORDS[:3], "token", "token", "cosine", "Cosines", signed=True)


def tiled() -> Grid:
    tiles = np.arange(6 * 9 * 4 * 4).reshape(6, 9, 4, 4) % 256
    return heads(tiles=tiles.astype(np.uint8), percent=True, high=1.0)


CASES = {
    "one token": attention(1),
    "five tokens": attention(5),
    "forty tokens": attention(40),
    "log": attention(5, logarithmic=True, low=1e-3),
    "heads": heads(),
    "signed": cosines(),
    "tiles": tiled(),
    "lengths": heads(
        z=np.arange(54.0).reshape(6, 9) * 30, unit="L2 norm", high=2000, low=1, logarithmic=True, groups=0
    ),
}

CHIPS = Chips(
    (Chip("<i>", "17", "3C 69 3E"), Chip("·is", "314", "20 69 73", tint=1)), ("whole word", "part"), "2 tokens", focus=1
)
