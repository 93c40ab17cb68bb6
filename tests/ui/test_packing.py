"""What the grid component is sent: the same numbers, in the form its JavaScript reads."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest

from anatomy.control import Choice, Place
from tests.browsing import expect_of
from ui.components import grid, sent, source
from viz.grid import Grid, Part
from viz.sight import Sight


def made(z: np.ndarray, **more: object) -> Grid:
    rows, cols = (tuple(f"{axis}{i}" for i in range(n)) for axis, n in zip("rc", z.shape, strict=True))
    return Grid(z=z, rows=rows, cols=cols, row_axis="row", col_axis="column", unit="probability", title="Map", **more)


def unpacked(data: bytes) -> dict:
    """The header, with its buffers as arrays: what `unpack` in grid.js does."""
    (length,) = struct.unpack("<I", data[:4])
    header, at = json.loads(data[4 : 4 + length]), 4 + length
    for name, kind, count in header["buffers"]:
        dtype = {"f4": "<f4", "u1": "u1"}[kind]
        header[name] = np.frombuffer(data, dtype, count, at)
        at += header[name].nbytes
    assert at == len(data)
    return header


def test_a_small_grid_arrives_with_every_number_as_it_is():
    z = np.array([[0.25, np.nan], [0.1, 0.9]], np.float32)
    header = unpacked(grid.pack(made(z, focus=(1, 1)), "says"))
    np.testing.assert_array_equal(header["z"].reshape(header["shape"]), z)
    assert header["exact"] == pytest.approx(0.9)
    assert header["holes"]
    assert not header["steps"]


def test_a_large_grid_arrives_as_places_on_the_scale_with_the_chosen_number_in_full():
    z = np.linspace(0, 1, 130 * 130, dtype=np.float32).reshape(130, 130)
    z[0, 5] = np.nan
    header = unpacked(grid.pack(made(z, focus=(64, 7)), "says"))
    assert header["steps"]
    assert header["z"].dtype == np.uint8
    assert header["z"][5] == grid.HOLE
    assert header["exact"] == float(z[64, 7])
    places = np.delete(header["z"].astype(float) / 254, 5)
    np.testing.assert_allclose(places, np.delete(z.ravel(), 5), atol=0.5 / 254 + 1e-6)


@pytest.mark.parametrize(
    ("scale", "low_end", "middle", "high_end"),
    [
        ({"low": -2.0, "high": 2.0, "signed": True}, -2.0, 0.0, 2.0),
        ({"low": 0.001, "high": 1.0, "logarithmic": True}, 0.001, 0.001**0.5, 1.0),
        ({"low": 1.0, "high": 3.0}, 1.0, 2.0, 3.0),
    ],
)
def test_each_scale_puts_its_ends_and_its_middle_where_they_belong(scale, low_end, middle, high_end):
    z = np.array([[low_end, middle, high_end, np.nan]])
    assert grid.steps(made(z, **scale)).tolist() == [[0, 127, 254, 255]]


def test_what_lies_outside_the_scale_takes_the_colour_of_its_end():
    assert grid.steps(made(np.array([[-5.0, 5.0]]))).tolist() == [[0, 254]]


def test_tiles_travel_behind_the_numbers():
    tiles = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4)
    header = unpacked(grid.pack(made(np.zeros((2, 3), np.float32), tiles=tiles), "says"))
    assert header["tiles"] == [4, 4]
    np.testing.assert_array_equal(header["pixels"], tiles.ravel())


def test_tiles_of_causal_attention_travel_up_to_their_diagonals():
    tiles = np.arange(1, 2 * 3 * 4 * 4 + 1, dtype=np.uint8).reshape(2, 3, 4, 4) * np.tri(4, dtype=np.uint8)
    header = unpacked(grid.pack(made(np.zeros((2, 3), np.float32), tiles=tiles), "says"))
    assert header["triangle"]
    np.testing.assert_array_equal(header["pixels"].reshape(2, 3, 10), tiles[:, :, np.tri(4, dtype=bool)])


NEAR = Part((4, 5, 6), (0, 1, 2), (5, 1), 9)


def test_a_cell_is_chosen_in_the_grid_that_the_reader_saw_or_not_at_all():
    zoom = (Choice("zoom", "Zoom", ("whole", "near"), says=""), "near")
    near = made(np.zeros((2, 2), np.float32), focus=(0, 0), part=NEAR, selects="cell")
    sent = {"row": 1, "col": 0, "of": unpacked(grid.pack(near, "says"))["cells"]}
    same = replace(near, focus=(1, 1), z=np.ones((2, 2), np.float32))
    for seen in (near, same):
        assert grid.action_on(seen, sent | {"how": "choose"}) == ((1, 0), "choose", 0)
        assert grid.action_on(seen, sent | {"how": "open"}) == ((1, 0), "open", 0)
    others = [
        replace(near, part=replace(NEAR, rows=(3, 4, 5))),
        replace(near, part=replace(NEAR, cols=(1, 2, 3))),
        replace(near, part=None),
        replace(near, part=None, places=((0, 0), (0, 1), (1, 0), None)),
        replace(near, selects="head"),
        replace(near, opens=zoom),
    ]
    for other in others:
        assert grid.action_on(other, sent | {"how": "choose"}) is None
        assert grid.action_on(other, sent | {"how": "open"}) is None
        assert grid.action_on(other, sent | {"how": "leave"}) == ((1, 0), "leave", 0)
        assert grid.action_on(other, sent | {"how": "move", "level": 2}) == ((1, 0), "move", 2)


def test_where_a_window_lies_is_sent_with_a_small_picture_of_the_whole():
    zoom, place = Choice("zoom", "Zoom", ("whole", "2"), says=""), Place("at", "Place", ("",), count=3)
    part = Part((4032, 4033, 4034), (0, 1, 2), (4033, 1), 8192)
    whole = np.array([[0.5, np.nan], [1.0, 0.0]])
    sight = Sight(zoom, "2", place, (4033, 1), 8192, whole, "each cell: the largest")
    near = made(np.zeros((2, 2), np.float32), focus=(1, 1), part=part, leaves=(zoom, "whole"), sight=sight)
    header = unpacked(grid.pack(near, "says"))
    told = {name: header["sight"][name] for name in ("level", "sides", "chosen", "length", "shape", "pooled")}
    assert header["window"] == [4032, 4034, 0, 2]
    assert told == {
        "level": 1,
        "sides": [8192, 2],
        "chosen": [4033, 1],
        "length": 8192,
        "shape": [2, 2],
        "pooled": "each cell: the largest",
    }
    assert header["whole"].tolist() == [127, grid.HOLE, 254, 0]
    assert (header["opens"], header["leaves"]) == (False, True)


def test_a_map_of_the_whole_sends_no_second_picture_of_it():
    zoom, place = Choice("zoom", "Zoom", ("whole", "2"), says=""), Place("at", "Place", ("",), count=3)
    sight = Sight(zoom, "whole", place, (1, 0), 300)
    header = unpacked(grid.pack(made(np.zeros((2, 2), np.float32), sight=sight), "says"))
    assert (header["sight"]["level"], header["sight"]["shape"]) == (0, None)
    assert "whole" not in header


@pytest.mark.browser
def test_the_javascript_reads_small_pictures_as_they_were_packed(window):
    tiles = np.arange(1, 2 * 3 * 4 * 4 + 1, dtype=np.uint8).reshape(2, 3, 4, 4) * np.tri(4, dtype=np.uint8)
    packed = grid.pack(made(np.zeros((2, 3), np.float32), tiles=tiles), "says")
    read = f"(packed) => {{ {sent('grid_scale.js')} return [...unpack(new Uint8Array(packed)).pixels]; }}"
    expect_of(window().page, read, tiles.ravel().tolist(), [*packed])


def test_a_readers_text_in_the_labels_stays_text():
    odd = ('</script><img src=x onerror="x">', '"}\n', "‹E6›", "𝒳🙂")
    z = np.zeros((4, 4), np.float32)
    packed = Grid(z=z, rows=odd, cols=odd, row_axis="a", col_axis="b", unit="u", title="t")
    assert unpacked(grid.pack(packed, "says"))["rows"] == list(odd)


def test_the_javascript_reads_the_same_marks_that_python_writes():
    script = "".join(map(source, (*grid.SCRIPTS, "grid.js")))
    assert f"v === {grid.HOLE}" in script
    assert f"v / {grid.HOLE - 1}" in script
    assert (
        f"colours in {grid.HOLE} steps"
        in unpacked(grid.pack(made(np.zeros((1, 1), np.float32)), "says"))["words"].values()
    )
    for name in unpacked(grid.pack(made(np.zeros((1, 1), np.float32)), "says")):
        assert f"g.{name}" in script or f"header.{name}" in script, f"the header sends {name}, nothing reads it"


def test_names_of_cells_are_sent_and_cells_without_one_are_no_holes():
    z = np.array([[0.5, 0.25], [0.1, np.nan]], np.float32)
    header = unpacked(grid.pack(made(z, names=("L1 H0", "L0 H1", "L0 H0", "")), "says"))
    assert header["names"] == ["L1 H0", "L0 H1", "L0 H0", ""]
    assert not header["holes"]
    assert unpacked(grid.pack(made(z), "says"))["names"] is None
