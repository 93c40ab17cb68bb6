"""How the token looked at stands to the token that looks, in words that are true of this text."""

from collections.abc import Sequence

from anatomy.language import _, ngettext
from anatomy.trace import Token
from viz.format import quoted


def relation(tokens: Sequence[Token], pos: int, src: int) -> str:
    """“itself”, “the token that followed the last time … was read”, “the token just before”, …; up to two of them."""
    if src == pos:
        return _("itself")
    relations = [said for said in (_follower(tokens, pos, src), _copy(tokens, pos, src), _place(pos, src)) if said]
    if not relations:
        return _distance(pos, src)
    return relations[0] if len(relations) == 1 else _("{one} and {other}", one=relations[0], other=relations[1])


def _follower(tokens: Sequence[Token], pos: int, src: int) -> str:
    """Whether src came right after an earlier copy of the token at pos."""
    copies = [i for i in range(pos) if tokens[i].id == tokens[pos].id]
    if src - 1 not in copies:
        return ""
    label = quoted(tokens[pos].label)
    if src - 1 == copies[-1]:
        return _("the token that followed the last time {token} was read", token=label)
    return _("a token that followed an earlier {token}", token=label)


def _copy(tokens: Sequence[Token], pos: int, src: int) -> str:
    if tokens[src].id != tokens[pos].id:
        return ""
    return _("the same token, {distance}", distance=_distance(pos, src))


def _place(pos: int, src: int) -> str:
    if src == pos - 1:
        return _("the token just before, which is the first") if src == 0 else _("the token just before")
    if src == 0:
        return _("the first token")
    return _("the token just after") if src == pos + 1 else ""


def _distance(pos: int, src: int) -> str:
    distance = abs(pos - src)
    if src < pos:
        return ngettext("{count} token before it", "{count} tokens before it", distance)
    return ngettext("{count} token after it", "{count} tokens after it", distance)
