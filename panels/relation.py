"""How the token looked at stands to the token that looks, in words that are true of this text."""

from collections.abc import Sequence

from anatomy.trace import Token
from viz.format import many, quoted


def relation(tokens: Sequence[Token], pos: int, src: int) -> str:
    """“itself”, “the token that followed the last time … was read”, “the token just before”, …; up to two of them."""
    if src == pos:
        return "itself"
    found = [said for said in (_follower(tokens, pos, src), _copy(tokens, pos, src), _place(pos, src)) if said]
    return " and ".join(found[:2]) or _distance(pos, src)


def _follower(tokens: Sequence[Token], pos: int, src: int) -> str:
    """Whether src came right after an earlier copy of the token at pos."""
    copies = [i for i in range(pos) if tokens[i].id == tokens[pos].id]
    if src - 1 not in copies:
        return ""
    label = quoted(tokens[pos].label)
    if src - 1 == copies[-1]:
        return f"the token that followed the last time {label} was read"
    return f"a token that followed an earlier {label}"


def _copy(tokens: Sequence[Token], pos: int, src: int) -> str:
    if tokens[src].id != tokens[pos].id:
        return ""
    return f"the same token, {_distance(pos, src)}"


def _place(pos: int, src: int) -> str:
    if src == pos - 1:
        return "the token just before" + (", which is the first" if src == 0 else "")
    if src == 0:
        return "the first token"
    return "the token just after" if src == pos + 1 else ""


def _distance(pos: int, src: int) -> str:
    return f"{many(abs(pos - src), 'token')} {'before' if src < pos else 'after'} it"
