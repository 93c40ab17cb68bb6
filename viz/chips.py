"""Chips: tokens in reading order as small tiles, each with what its label hides. One description, two pictures: the
page's own component, where a token is chosen by click and key, and plain HTML for export and notebooks."""

import html
from dataclasses import dataclass

from viz.theme import FONT, MONO, Palette, palette


@dataclass(frozen=True)
class Chip:
    """label: visible form; note: small line below (the id); detail: words for its parts (bytes); tint: colour class."""

    label: str
    note: str
    detail: str
    tint: int = 0


@dataclass(frozen=True)
class Chips:
    """Tokens in reading order; focus is the chosen one. legend names the tints, in order.

    of_text  they are the tokens of the reader's text, in order: choosing one chooses that token
    places   the token of the reader's text that choosing each chip means, where they are not just these; None: nothing
    rows     several rows of chips: (first chip of the row, words above it)

    ValueError for a tint without a name, a focus that is no chip, or places that are not one per chip.
    """

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

    def html(self, dark: bool = False) -> str:
        """The same picture as HTML without scripts, with the colours of one theme. Labels are escaped."""
        tiles = "".join(_row(self, i) + _tile(chip, i == self.focus) for i, chip in enumerate(self.chips))
        tiles += _row(self, len(self.chips))
        names = "".join(f'<li><i class="t{i}"></i>{html.escape(name)}</li>' for i, name in enumerate(self.legend))
        style = _style(palette(dark), len(self.legend))
        return f'<style>{style}</style><ol class="chips">{tiles}</ol><ul class="kinds">{names}</ul>'


def _row(given: Chips, start: int) -> str:
    """The words above the rows that begin with this chip."""
    return "".join(f'<li class="row">{html.escape(words)}</li>' for at, words in given.rows or () if at == start)


def _tile(chip: Chip, chosen: bool) -> str:
    label, note, detail = (html.escape(text) for text in (chip.label, chip.note, chip.detail))
    mark = ' aria-current="true"' if chosen else ""
    return f'<li class="t{chip.tint}"{mark}><b>{label}</b><span>{note}</span><small>{detail}</small></li>'


def _style(colours: Palette, tints: int) -> str:
    kinds = "".join(
        f".t{i} {{ background: color-mix(in srgb, {colour} 14%, {colours.background});"
        f" border: 1px solid color-mix(in srgb, {colour} 45%, {colours.border}) }}\n"
        for i, colour in zip(range(tints), colours.categorical, strict=False)
    )
    return f"""
.chips, .kinds {{ list-style: none; display: flex; flex-wrap: wrap; gap: 8px; margin: 0 0 12px; padding: 0; }}
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
