"""Brackets: tokens that hold a character together stand under the character, and say which part of it they are."""

from collections.abc import Sequence

from anatomy.characters import Share
from anatomy.trace import of_part


def short(label: str, shares: Sequence[Share]) -> str:
    """A token's label where brackets with its characters stand over it: "1/2" in place of "‹患 1/2›"."""
    for share in shares:
        label = label.replace(of_part(share), f" {share.part}/{share.of} ", 1)
    return " ".join(label.split()) if shares else label
