"""The token strip: the text's tokens in a row, one of them chosen."""

from anatomy.language import _
from anatomy.trace import Token
from ui.components import Chosen, register, told

_MOUNT = register(
    "strip",
    """<div class="tokens" role="listbox" aria-orientation="horizontal">
<span class="hint" aria-hidden="true"></span></div>""",
)


def show(tokens: tuple[Token, ...], added: int, pos: int, chosen: Chosen) -> None:
    """The strip. added: how many of the last tokens follow the text; chosen: called with the position that the reader
    picks."""
    data = {
        "labels": [token.label for token in tokens],
        "ids": [token.id for token in tokens],
        "notes": [in_bytes(token) for token in tokens],
        "added": added,
        "chosen": pos,
        "words": {
            "name": _("Tokens of the text"),
            "token": _("{label} {id}, token {at} of {count}"),
            "added": _("{label} {id}, token {at} of {count}, added to the text"),
            "chosen": _("chosen: token {at} of {count}, every panel follows it"),
        },
    }
    _MOUNT(key="strip", data=data, on_token_change=told("strip", "token", lambda at: chosen(int(at))))


def in_bytes(token: Token) -> str:
    """A token's bytes in words; what kind it is where it has none."""
    if not token.bytes:
        return _("added by the model")
    return _("bytes {bytes}", bytes=token.bytes.hex(" ").upper())
