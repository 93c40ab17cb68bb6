"""A row of blocks, several times: how small pieces grow together, a row per step, from the top."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.language import N_, _
from viz.description import OnAxes
from viz.format import escaped
from viz.marks import in_groups
from viz.partners import by_name, called, marked, meet, stood
from viz.scale import columns, thinned
from viz.table import Table
from viz.theme import MONO, NEUTRAL

_ROW, _AROUND = 30, 72
_CALM = 0.35
_MOST_TICKS = 24
_WIDTH, _LETTER = 600, 0.62  # pixels of a row, and width of a letter as a share of its size
_SMALLEST, _LARGEST = 8, 13
_SPOKEN = 12  # rows that the alternative text names


@dataclass(frozen=True)
class Block:
    """One piece: where it begins, how wide it is, its label, words for the hover box; new: it grew in this row."""

    start: int
    width: int
    label: str
    note: str
    new: bool = False


@dataclass(frozen=True)
class Ladder(OnAxes):
    """Rows of blocks from the top, each with a name; names of the axes, and of new blocks and the others.

    stands  of each block, row after row

    ValueError where there are not as many names as rows.
    """

    kind: ClassVar[str] = N_("Blocks by step")
    rows: tuple[tuple[Block, ...], ...]
    names: tuple[str, ...]
    x_axis: str
    y_axis: str
    kinds: tuple[str, str]

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.names):
            raise ValueError(f"there are {len(self.rows)} rows and {len(self.names)} names for them")

    def traces(self) -> go.Figure:
        """Blocks as bars that lie in rows, those that grew in the accent."""
        left = min(block.start for row in self.rows for block in row)
        right = max(block.start + block.width for row in self.rows for block in row)
        font = {"family": MONO, "size": _size(self, right - left)}
        figure = go.Figure([_blocks(self, new, font) for new in (True, False)])
        figure.add_trace(_labels(self, font))
        last = len(self.rows) - 0.5
        shown = thinned(right - left, _MOST_TICKS)
        ticks = {"tickvals": [left + i + 0.5 for i in shown], "ticktext": [str(left + i) for i in shown]}
        figure.update_xaxes(
            title_text=escaped(self.x_axis), range=[left, right], showgrid=False, zeroline=False, **ticks
        )
        figure.update_yaxes(
            title_text=escaped(self.y_axis),
            tickvals=list(range(len(self.rows))),
            ticktext=[escaped(name) for name in self.names],
            range=[last, -0.5],
            automargin=True,
            showgrid=False,
            zeroline=False,
        )
        figure.update_layout(
            height=_AROUND + _ROW * len(self.rows),
            barmode="overlay",
            legend={"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom", "traceorder": "normal"},
            margin={"l": 8, "r": 16, "t": 36, "b": 48},
        )
        return figure

    def place(self, trace: int, point: int) -> tuple[int] | None:
        """The block's number among all, row after row: the new ones are drawn first."""
        return in_groups(self._groups, trace, point)

    @cached_property
    def _groups(self) -> tuple[tuple[int, ...], ...]:
        """The blocks of each trace."""
        blocks = [block for row in self.rows for block in row]
        return tuple(tuple(i for i, block in enumerate(blocks) if block.new is new) for new in (True, False))

    def numbers(self) -> Float[np.ndarray, " number"]:
        """None: blocks have labels."""
        return np.empty(0)

    def name(self, i: int) -> str:
        """A row's name."""
        return self.names[i]

    def alternative(self) -> str:
        """The rows in words, block by block."""
        rows = (
            _("{row}: {blocks}", row=name, blocks=" | ".join(block.label for block in row))
            for name, row in zip(self.names[:_SPOKEN], self.rows, strict=False)
        )
        more = " …" if len(self.rows) > _SPOKEN else ""
        words = f"{_('{kind}. {axes}.', kind=_(self.kind), axes=self.axes)} {'; '.join(rows)}{more}."
        return f"{words} {self.remark}".strip()

    def table(self) -> Table:
        """A row per block."""
        placed = [(name, block) for name, blocks in zip(self.names, self.rows, strict=True) for block in blocks]
        return Table.of(
            (self.y_axis, [name for name, _block in placed]),
            (self.x_axis, [block.start for _name, block in placed]),
            (_("width"), [block.width for _name, block in placed]),
            (_("block"), [block.label for _name, block in placed]),
        )

    def minus(self, other: Self) -> "Ladder":
        """Blocks have no numbers to subtract: rows of the same name and blocks stand once, the others of each on their
        own, marked, with the blocks that the other one lacks in the accent."""
        meet(self, other, "x_axis", "y_axis")
        rows: list[tuple[Block, ...]] = []
        names: list[str] = []
        blocks: list[int | None] = []  # of the other one, for each that is drawn
        begins = np.cumsum([0, *map(len, other.rows)]).tolist()
        for i, j in by_name(self.names, other.names):
            one, two = (() if at is None else given.rows[at] for at, given in ((i, self), (j, other)))
            theirs = [] if j is None else list(range(begins[j], begins[j + 1]))
            name = self.names[i] if i is not None else other.names[j or 0]
            alone = ((called().first, one, two, [None] * len(one)), (called().second, two, one, theirs))
            for mark, own, others, numbers in (("", one, two, theirs),) if _same(one, two) else alone:
                if own:
                    rows.append(_beside(own, others))
                    names.append(f"{mark} {name}".strip())
                    blocks += numbers
        return replace(
            self,
            rows=tuple(rows),
            names=tuple(names),
            kinds=(_("in one alone"), _("in both")),
            remark=marked(name.startswith(tuple(called().marks.values())) for name in names),
            stands=stood(other.stands, [(None, block) for block in blocks]),
        )


def _places(blocks: Sequence[Block]) -> list[tuple[int, int, str]]:
    return [(block.start, block.width, block.label) for block in blocks]


def _same(first: Sequence[Block], second: Sequence[Block]) -> bool:
    return _places(first) == _places(second)


def _beside(own: Sequence[Block], others: Sequence[Block]) -> tuple[Block, ...]:
    """The blocks of a row, new where the other row has none of that place and label."""
    known = set(_places(others))
    return tuple(replace(block, new=place not in known) for block, place in zip(own, _places(own), strict=True))


def _size(given: Ladder, width: int) -> int:
    """Size of the labels at which each fits into its block, within limits."""
    room = [
        block.width * _WIDTH / width / max(columns(block.label), 1) / _LETTER for row in given.rows for block in row
    ]
    return int(min(max(min(room), _SMALLEST), _LARGEST))


def _blocks(given: Ladder, new: bool, font: dict) -> go.Bar:
    """The new blocks with their labels, or the others, whose labels stand in the colour of the page's writing."""
    placed = _placed(given, new)
    return go.Bar(
        x=[block.width for _row, block in placed],
        base=[block.start for _row, block in placed],
        y=[row for row, _block in placed],
        orientation="h",
        width=0.8,
        name=escaped(given.kinds[0 if new else 1]),
        marker={"color": None if new else NEUTRAL, "opacity": 1.0 if new else _CALM, "line": {"width": 1}},
        text=[escaped(block.label) for _row, block in placed] if new else None,
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        textfont=font,
        hovertext=[f"<b>{escaped(block.label)}</b><br>{escaped(block.note)}" for _row, block in placed],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _labels(given: Ladder, font: dict) -> go.Scatter:
    placed = _placed(given, new=False)
    return go.Scatter(
        x=[block.start + block.width / 2 for _row, block in placed],
        y=[row for row, _block in placed],
        mode="text",
        text=[escaped(block.label) for _row, block in placed],
        textfont=font,
        hoverinfo="skip",
        showlegend=False,
    )


def _placed(given: Ladder, new: bool) -> Sequence[tuple[int, Block]]:
    """(row, block) of the new blocks, or of the others."""
    return [(row, block) for row, blocks in enumerate(given.rows) for block in blocks if block.new is new]
