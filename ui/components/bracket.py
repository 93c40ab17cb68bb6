"""Tokens that hold a character together, as the browser draws them: `viz.bracket` on the page."""

from collections.abc import Sequence

from anatomy.characters import Share
from anatomy.trace import seen
from viz.bracket import short

BRACKET = ("bracket.css", "bracket.js")  # what a component needs that draws brackets


def parts(label: str, shares: Sequence[Share]) -> tuple[str, list[tuple[str, int, int]]]:
    """As the browser gets a token that holds parts of characters: (its label beneath them, the parts: each the
    character, which part, of how many)."""
    return short(label, shares), [(seen(share), share.part, share.of) for share in shares]
