"""Points on a plane, with labels that do not lie on each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.language import N_, _
from viz.description import OnAxes
from viz.format import escaped
from viz.marks import in_groups
from viz.partners import Subtracted, Unlike, alone, both, by_name, common, meet, of_axis, residue, stood
from viz.scale import clipped, columns
from viz.table import Table
from viz.theme import NEUTRAL

Rank = Literal["chosen", "near", "text", "faint"]
Box = tuple[float, float, float, float]  # left, low, right, high

# The size in pixels that labels are kept apart for; the page may draw the figure somewhat wider.
_WIDTH, _HEIGHT = 640, 330
_PHONE = 244  # pixels of width that it has on a phone
SECOND = 11  # size of the labels that a phone leaves out (ui/page.css)
_LETTER, _LINE = 7.0, 15
_ROOM = 0.14
# Directions in which a label may stand, best first, and how far from the point's rim; the far ones get a line.
_WAYS = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
_CLOSE, _FAR = 2, (20, 40)
_SIZES: dict[Rank, int] = {"chosen": 13, "near": 9, "text": 8, "faint": 4}
_SYMBOLS: dict[Rank, str] = {"chosen": "circle", "near": "circle-open", "text": "circle", "faint": "circle"}
_OPACITY: dict[Rank, float] = {"chosen": 1.0, "near": 1.0, "text": 0.9, "faint": 0.45}
_ORDER: tuple[Rank, ...] = ("chosen", "near", "text", "faint")
_GROUPS: tuple[tuple[Rank, ...], ...] = (("chosen", "near"), ("text",), ("faint",))  # drawn together


@dataclass(frozen=True)
class Point:
    """One point: where, its label, a line of words for the hover box, and how much it matters.

    name           what it is matched by in a difference, where its label says more than that
    chosen, near   in the accent, labelled first (full and open circle)
    text           labelled while there is room
    faint          a small dot, labelled last and smaller
    """

    x: float
    y: float
    label: str
    note: str
    rank: Rank
    name: str = ""


@dataclass(frozen=True)
class Place:
    """Where a label's middle stands, in pixels right of and above its point, and whether a line leads to it.

    everywhere  also where the figure is as narrow as on a phone
    """

    right: float
    up: float
    line: bool
    everywhere: bool = False


@dataclass(frozen=True)
class Scatter(OnAxes):
    """Points on a plane; titles of the axes, with units.

    least   each axis is as long below 0 as above, and to each side at least so long; None for any others
    plane   what tells the plane of the axes from others, on which the same point lies elsewhere
    stands  of each point
    """

    kind: ClassVar[str] = N_("Points on a plane")
    points: Sequence[Point]
    x_axis: str
    y_axis: str
    least: float | None = None
    plane: str = ""

    def traces(self) -> go.Figure:
        """The points on axes of one scale, so that distances can be compared in every direction."""
        figure = go.Figure()
        looks = (
            (None, _("chosen and its neighbours"), 3),
            (NEUTRAL, _("tokens of the text"), 2),
            (NEUTRAL, _("other neighbours"), 1),
        )
        for ranks, (colour, name, order) in zip(_GROUPS, looks, strict=True):
            figure.add_trace(_trace([point for point in self.points if point.rank in ranks], colour, name, order))
        places = zip(self.points, label_places(self.points), strict=True)
        figure.update_layout(annotations=[_label(point, place) for point, place in places if place is not None])
        x_range, y_range = _ranges(self.points)
        if self.least is not None:
            x_end, y_end = (max(self.least, *map(abs, ends)) for ends in (x_range, y_range))
            x_range, y_range = [-x_end, x_end], [-y_end, y_end]
        figure.update_xaxes(title_text=escaped(self.x_axis), range=x_range, zeroline=False)
        figure.update_yaxes(
            title_text=escaped(self.y_axis), range=y_range, zeroline=False, scaleanchor="x", scaleratio=1
        )
        figure.update_layout(height=_HEIGHT + 90, showlegend=False, margin={"l": 56, "r": 16, "t": 12, "b": 52})
        return figure

    def place(self, trace: int, point: int) -> tuple[int] | None:
        """The point: they are drawn by their ranks."""
        return in_groups(self._groups, trace, point)

    @cached_property
    def _groups(self) -> tuple[tuple[int, ...], ...]:
        """The points of each trace."""
        return tuple(tuple(i for i, each in enumerate(self.points) if each.rank in ranks) for ranks in _GROUPS)

    def numbers(self) -> Float[np.ndarray, " number"]:
        """x of every point, then y."""
        return np.array([*(point.x for point in self.points), *(point.y for point in self.points)], np.float64)

    def name(self, i: int) -> str:
        """A point and an axis."""
        axis, point = divmod(i, len(self.points))
        return f"{self.points[point].label}, {(self.x_axis, self.y_axis)[axis]}"

    def table(self) -> Table:
        """A row per point."""
        return Table.of(
            (_("point"), [point.label for point in self.points]),
            (self.x_axis, [point.x for point in self.points]),
            (self.y_axis, [point.y for point in self.points]),
        )

    def minus(self, other: Self) -> "Scatter":
        """How far each point of this one lies from its partner of the same label in the other: equal ones lie at 0, 0.
        Points without a partner are named beneath."""
        meet(self, other)
        if self.plane != other.plane:
            raise Unlike(
                "the points lie on two planes, on which the same point has two places",
                _(
                    "Each of the two is drawn on a plane of its own, along which its own tokens differ most: places on "
                    "two planes cannot be subtracted. Two texts of the same tokens in one model have one plane."
                ),
            )
        meet(self, other, "x_axis", "y_axis")
        names, theirs = ([point.name or point.label for point in given.points] for given in (self, other))
        pairs = by_name(names, theirs)
        moved = [
            replace(self.points[i], x=self.points[i].x - other.points[j].x, y=self.points[i].y - other.points[j].y)
            for i, j in zip(*common(pairs, "point"), strict=True)
        ]
        return Scatter(
            moved,
            of_axis(self.x_axis),
            of_axis(self.y_axis),
            least=residue(self.numbers(), other.numbers()),
            remark=alone((pairs, names, theirs)),
            subtracted=tuple(
                Subtracted.of(
                    axis,
                    np.array([getattr(self.points[i], of) for i, _j in both(pairs)]),
                    np.array([getattr(other.points[j], of) for _i, j in both(pairs)]),
                )
                for of, axis in (("x", self.x_axis), ("y", self.y_axis))
            ),
            stands=stood(other.stands, both(pairs)),
        )


def _trace(group: Sequence[Point], colour: str | None, name: str, order: int) -> go.Scatter:
    return go.Scatter(
        x=np.array([point.x for point in group], np.float32),
        y=np.array([point.y for point in group], np.float32),
        mode="markers",
        name=name,
        zorder=order,
        marker={
            "color": colour,
            "size": [_SIZES[point.rank] for point in group],
            "symbol": [_SYMBOLS[point.rank] for point in group],
            "opacity": [_OPACITY[point.rank] for point in group],
            "line": {"width": [2 if point.rank == "near" else 0 for point in group]},
        },
        hovertext=[f"<b>{escaped(point.label)}</b><br>{escaped(point.note)}" for point in group],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _label(point: Point, place: Place) -> dict:
    text = escaped(clipped(point.label))
    return {
        "x": point.x,
        "y": point.y,
        "ax": place.right,
        "ay": -place.up,
        "text": f"<b>{text}</b>" if point.rank == "chosen" else text,
        "font": None if place.everywhere else {"size": SECOND},
        "borderpad": 0,
        "arrowhead": 0,
        "arrowwidth": 1,
        "arrowcolor": NEUTRAL if place.line else "rgba(0,0,0,0)",
        "standoff": _SIZES[point.rank] / 2,
    }


def label_places(points: Sequence[Point]) -> list[Place | None]:
    """Where each point's label stands, or None where it would lie on another or is not wanted.

    Greedy, the chosen point first, then its neighbours, which may stand farther off, then the text in order, at last
    the faint ones where their label lies on no point at all. Of the free places the best one that a phone has too; one
    that is none there is left out there, except the chosen point's, as are all of faint points.
    """
    wide, phone = (_Room(points, width) for width in (_WIDTH, _PHONE))
    places: list[Place | None] = [None] * len(points)
    for i in sorted(range(len(points)), key=lambda i: _ORDER.index(points[i].rank)):
        place = _best(points[i], wide, phone)
        if place is None:
            continue
        places[i] = place
        wide.take(points[i], place)
        if place.everywhere:
            phone.take(points[i], place)
    return places


def _best(point: Point, wide: "_Room", phone: "_Room") -> Place | None:
    """The first free place that is free on a phone too, else the first free one; None where none is free."""
    first = None
    for place in _candidates(point, _half_width(point)):
        if not wide.free(point, place):
            continue
        if point.rank == "faint":
            return place
        first = first or replace(place, everywhere=point.rank == "chosen")
        if phone.free(point, place):
            return replace(place, everywhere=True)
    return first


class _Room:
    """What points and labels have taken of a figure of some width, in pixels."""

    def __init__(self, points: Sequence[Point], width: float) -> None:
        self.scale = _pixels_per_unit(points, width)
        middle, half = sum(_ranges(points)[0]) / 2 * self.scale, width / 2
        self.left, self.right = middle - half, middle + half
        self.taken = [(point.rank == "faint", self.mark(point)) for point in points]

    def mark(self, point: Point) -> Box:
        """The square of a point."""
        return _box(point.x * self.scale, point.y * self.scale, *(2 * (0.4 * _SIZES[point.rank],)))

    def label(self, point: Point, place: Place) -> Box:
        """The box of its label."""
        x, y = point.x * self.scale + place.right, point.y * self.scale + place.up
        return _box(x, y, _half_width(point), _LINE / 2)

    def free(self, point: Point, place: Place) -> bool:
        """Whether its label lies within the axes and on nothing; on faint points it may, unless it is one's own."""
        box = self.label(point, place)
        inside = self.left <= box[0] and box[2] <= self.right
        return inside and not any(
            _overlap(box, other) for faint, other in self.taken if not faint or point.rank == "faint"
        )

    def take(self, point: Point, place: Place) -> None:
        """Its label stands there now."""
        self.taken.append((False, self.label(point, place)))


def _candidates(point: Point, half: float) -> Iterator[Place]:
    """Places for a label, best first: beside the point and, for what matters most, farther off. half: of its width."""
    rim = _SIZES[point.rank] / 2
    for distance in (_CLOSE, *(_FAR if point.rank in ("chosen", "near") else ())):
        for right, up in _WAYS:
            yield Place(right * (rim + distance + half), up * (rim + distance + _LINE / 2), distance != _CLOSE)


def _half_width(point: Point) -> float:
    return columns(clipped(point.label)) * _LETTER / 2


def _box(x: float, y: float, half_width: float, half_height: float) -> Box:
    return (x - half_width, y - half_height, x + half_width, y + half_height)


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _ranges(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    """Both axes with room for labels; a point alone, or points in line, get a range of their own."""
    xs, ys = [point.x for point in points], [point.y for point in points]
    widest = max(max(xs) - min(xs), max(ys) - min(ys)) or 1.0
    return _padded(xs, widest), _padded(ys, widest)


def _padded(values: Sequence[float], widest: float) -> list[float]:
    low, high = min(values), max(values)
    room = _ROOM * max(high - low, widest / 4)
    return [low - room, high + room]


def _pixels_per_unit(points: Sequence[Point], width: float) -> float:
    (x_low, x_high), (y_low, y_high) = _ranges(points)
    return min(width / (x_high - x_low), _HEIGHT / (y_high - y_low))
