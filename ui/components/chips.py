"""Tokens as tiles with id and bytes: `viz.chips.Chips` on the page."""

from ui.components import Chosen, callback, register
from ui.components.bracket import BRACKET, parts
from viz.chips import Chips

_MOUNT = register("chips", '<div class="chips" role="group"></div>\n<ul class="legend"></ul>', *BRACKET)


def show(chips: Chips, alt: str, key: str, chosen: Chosen) -> None:
    """The tiles. chosen: called with the position that the reader picks."""
    data = {
        "chips": [(chip.label, chip.note, chip.detail, chip.tint) for chip in chips.chips],
        "parts": [(place, *parts(chip.label, chip.shares)) for place, chip in enumerate(chips.chips) if chip.shares],
        "legend": chips.legend,
        "focus": chips.focus,
        "rows": chips.rows or (),
        "alt": alt,
    }
    _MOUNT(key=key, data=data, on_token_change=callback(key, "token", lambda at: chosen(int(at))))
