"""Chips: tokens in reading order as small tiles, each with what its label hides. One description, three pictures: the
page's own component, where a token is chosen by click and key, HTML for export and notebooks, and a plotly figure."""

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.characters import Share
from anatomy.language import N_, _
from viz import notebook
from viz.bracket import short
from viz.description import Description
from viz.format import listed, quoted, thousands
from viz.partners import Partner, by_name, called, in_order, label, meet, of_titles
from viz.table import Table
from viz.theme import FONT, MONO, Palette, palette
from viz.tiles import Chip as Chip
from viz.tiles import tiled

_REPLACED = 3  # the tint of a chip of which one text has one token and the other another
_SPOKEN = 40  # labels that the alternative text names


@dataclass(frozen=True)
class Chips(Description):
    """Tokens in reading order; focus is the chosen one. legend names the tints, in order.

    of_text  they are the tokens of the reader's text, in order: choosing one chooses that token
    places   the token of the reader's text that choosing each chip means, where they are not just these; None: nothing
    rows     several rows of chips: (first chip of the row, words above it)

    ValueError for a tint without a name, a focus that is no chip, or places that are not one per chip.
    """

    kind: ClassVar[str] = N_("Tokens")
    chips: tuple[Chip, ...]
    legend: tuple[str, ...]
    title: str
    focus: int | None = None
    of_text: bool = True
    places: tuple[int | None, ...] | None = None
    rows: tuple[tuple[int, str], ...] | None = None

    def __post_init__(self) -> None:
        strange = next((chip for chip in self.chips if not 0 <= chip.tint < len(self.legend)), None)
        if strange is not None:
            raise ValueError(f"the chip {strange.label!r} has tint {strange.tint}, the legend names {len(self.legend)}")
        if self.focus is not None and not 0 <= self.focus < len(self.chips):
            raise ValueError(f"the focus {self.focus} is outside of {len(self.chips)} chips")
        if self.places is not None and len(self.places) != len(self.chips):
            raise ValueError(f"there are {len(self.places)} places for {len(self.chips)} chips")

    def place(self, chip: int) -> int | None:
        """The token of the reader's text that choosing a chip means; None for nothing."""
        if self.places is not None:
            return self.places[chip]
        return chip if self.of_text else None

    def plotly(self, dark: bool = False) -> go.Figure:
        """The tiles in rows that wrap, in the colours of the light or dark theme."""
        return tiled(self.chips, self.legend, self.focus, self.rows or (), dark)

    def in_notebook(self, title: str, caption: str) -> dict[str, Any]:
        """The tiles as HTML, which needs no script."""
        return notebook.standing(title, caption, self.html())

    @property
    def axes(self) -> str:
        """What the chips are."""
        return self.title

    def numbers(self) -> Float[np.ndarray, " number"]:
        """None: chips hold words."""
        return np.empty(0)

    def name(self, i: int) -> str:
        """A chip's label."""
        return self.chips[i].label

    def alternative(self) -> str:
        """The chips in words: how many of each kind, and the labels of the first."""
        counts = Counter(chip.tint for chip in self.chips)
        kinds = (
            _("{kind}: {count}", kind=name, count=thousands(counts[tint]))
            for tint, name in enumerate(self.legend)
            if counts[tint]
        )
        first = listed(quoted(chip.label) for chip in self.chips[:_SPOKEN])
        more = " …" if len(self.chips) > _SPOKEN else ""
        return f"{_(self.kind)}. {self.title}. {listed(kinds)}. {first}{more}."

    def table(self) -> Table:
        """A row per chip."""
        return Table.of(
            (_("token"), [chip.label for chip in self.chips]),
            (_("below it"), [chip.note for chip in self.chips]),
            (_("parts"), [chip.detail for chip in self.chips]),
            (_("kind"), [self.legend[chip.tint] for chip in self.chips]),
        )

    def minus(self, other: Self) -> "Chips":
        """Chips have no numbers to subtract: those of both stand once, those of one alone are marked, in the order of
        the text; row by row where there are several."""
        meet(self, other)
        chips: list[Chip] = []
        places: list[int | None] = []
        rows: list[tuple[int, str]] = []
        mine, theirs = _by_row(self), _by_row(other)
        headings = [[row[0] for row in side] for side in (mine, theirs)]
        alike = len(mine) == len(theirs)  # then row belongs to row, whatever is counted in the words above
        for row in [(i, i) for i in range(len(mine))] if alike else by_name(*headings):
            if self.rows is not None or other.rows is not None:
                rows.append((len(chips), _heading(row, *headings)))
            (own, at), (others, there_at) = (
                ((), ()) if i is None else side[i][1:] for i, side in zip(row, (mine, theirs), strict=True)
            )
            names, other_names = ([chip.label for chip in side] for side in (own, others))
            chosen = (None, None) if self.rows else (self.focus, other.focus)
            known = None not in (*at, *there_at)
            for i, j in in_order(names, other_names, chosen, (at, there_at) if known else (None, None)):
                there = others[j] if i is None and j is not None else own[i or 0]
                tint = _tint((i, j), names, other_names)
                chips.append(replace(there, label=label((i, j), names, other_names), tint=tint))
                places.append(None if j is None else there_at[j])
        only = (_(said, mark=mark) for said, mark in zip(called().only, called().marks.values(), strict=True))
        replaced = (_("one in place of another"),) if any(chip.tint == _REPLACED for chip in chips) else ()
        return Chips(
            tuple(chips),
            (_("in both"), *only, *replaced),
            of_titles(self.title, other.title),
            of_text=False,
            places=tuple(places) if any(place is not None for place in places) else None,
            rows=tuple(rows) or None,
        )

    def html(self, dark: bool = False) -> str:
        """The same picture as HTML without scripts, with the colours of one theme. Labels are escaped."""
        tiles = "".join(_row(self, i) + _tile(chip, i == self.focus) for i, chip in enumerate(self.chips))
        tiles += _row(self, len(self.chips))
        names = "".join(f'<li><i class="t{i}"></i>{html.escape(name)}</li>' for i, name in enumerate(self.legend))
        style, parted = _style(palette(dark), len(self.legend)), ""
        if any(chip.shares for chip in self.chips):
            style, parted = style + _bracket_style(palette(dark)), " parted"
        return f'<style>{style}</style><ol class="chips{parted}">{tiles}</ol><ul class="kinds">{names}</ul>'


def _tint(pair: Partner, first: Sequence[str], second: Sequence[str]) -> int:
    """What a chip of a difference is: in both, in the first only, in the second only, or one in place of another."""
    i, j = pair
    if i is None or j is None:
        return 1 if j is None else 2
    return 0 if first[i] == second[j] else _REPLACED


def _by_row(given: Chips) -> list[tuple[str, tuple[Chip, ...], tuple[int | None, ...]]]:
    """(words above, chips, the token of the text that each of them means) of each row; of a single row without words
    ""."""
    begins = given.rows or ((0, ""),)
    ends = [*(start for start, _words in begins[1:]), len(given.chips)]
    return [
        (words, given.chips[start:end], tuple(map(given.place, range(start, end))))
        for (start, words), end in zip(begins, ends, strict=True)
    ]


def _heading(row: Partner, first: Sequence[str], second: Sequence[str]) -> str:
    """The words above a row: once where both have the same, marked where one has it alone, else one after the other."""
    i, j = row
    if i is None or j is None:
        return label(row, first, second)
    return of_titles(first[i], second[j]) if first[i] != second[j] else first[i]


def _row(given: Chips, start: int) -> str:
    """The words above the rows that begin with this chip."""
    return "".join(f'<li class="row">{html.escape(words)}</li>' for at, words in given.rows or () if at == start)


def _tile(chip: Chip, chosen: bool) -> str:
    label, note, detail = (html.escape(text) for text in (short(chip.label, chip.shares), chip.note, chip.detail))
    mark = ' aria-current="true"' if chosen else ""
    over = f"<div>{''.join(map(_line, chip.shares))}</div>" if chip.shares else ""
    return f'<li class="t{chip.tint}"{mark}>{over}<b>{label}</b><span>{note}</span><small>{detail}</small></li>'


def _line(share: Share) -> str:
    """The line over one part of a character, which begins and ends with the character, with the character over the
    first part."""
    ends = f"{'from' if share.part == 1 else ''} {'to' if share.part == share.of else ''}".strip()
    character = html.escape(share.character) if share.part == 1 else ""
    return f'<i class="{ends}">{character}</i>'


def _style(colours: Palette, tints: int) -> str:
    kinds = "".join(
        f".t{i} {{ background: color-mix(in srgb, {colour} 14%, {colours.background});"
        f" border: 1px solid color-mix(in srgb, {colour} 45%, {colours.border}) }}\n"
        for i, colour in zip(range(tints), colours.categorical, strict=False)
    )
    return f"""
.chips, .kinds, .chips li, .kinds li {{ list-style: none !important; }}
.chips, .kinds {{ padding: 0 !important; margin: 0 0 12px !important; }}
.chips, .kinds {{ display: flex; flex-wrap: wrap; gap: 8px; }}
.chips, .kinds {{ font: 12px {FONT}; color: {colours.muted}; }}
.chips li {{ border-radius: 9px; padding: 6px 10px; white-space: pre; }}
.chips li > * {{ display: block; }}
.chips b {{ font: 600 15px/1.4 {MONO}; color: {colours.text}; }}
.chips small {{ font: 11px/1.5 {MONO}; }}
.chips [aria-current] {{ outline: 2px solid {colours.accent}; }}
.chips .row {{ flex-basis: 100%; padding: 8px 0 0; font-size: 13px; color: {colours.text}; white-space: normal; }}
.kinds {{ gap: 4px 16px; }}
.kinds i {{ display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; }}
{kinds}"""


def _bracket_style(colours: Palette) -> str:
    """How the characters stand over their tokens."""
    return f"""
.parted li {{ position: relative; margin-top: 22px !important; }}
.chips li > div {{ position: absolute; left: -1px; right: -9px; top: -24px; height: 20px; display: flex; }}
.chips div i {{ flex: 1; font: 600 15px/17px {MONO}; color: {colours.text}; border: 0 solid {colours.muted}; }}
.chips div i {{ border-bottom-width: 1.5px; padding-left: 3px; }}
.chips div .from {{ border-left-width: 1.5px; }}
.chips div .to {{ border-right-width: 1.5px; margin-right: 8px; }}
.chips div i {{ border-image: linear-gradient(0deg, {colours.muted} 5px, transparent 5px) 1; }}"""
