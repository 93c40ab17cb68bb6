"""The token strip: the text's tokens in a row, one of them chosen; of a long text, a stretch at a time."""

from dataclasses import dataclass

import streamlit as st

from anatomy.language import _
from anatomy.measure import POOLED
from anatomy.trace import Token, Trace
from ui.components import Chosen, callback, register

WHOLE = 600  # tokens up to which all are shown at once
STRETCH = 512  # tokens that are shown at once of more than that, at most
_TURNED = "strip.turned"

_MOUNT = register(
    "strip",
    """<div class="tokens" role="listbox" aria-orientation="horizontal">
<span class="hint" aria-hidden="true"></span></div>
<div class="stretch" role="group"><button type="button" class="earlier"></button><span role="status"></span>
<button type="button" class="later"></button><button type="button" class="back"></button></div>""",
)


@dataclass(frozen=True)
class Stretch:
    """The tokens that are shown: from `start` up to `stop`; number `at` of `count` stretches, counted from 0."""

    start: int
    stop: int
    at: int
    count: int


def stretch(tokens: int, at: int) -> Stretch:
    """Number `at` of the stretches of a text, which are of nearly equal length."""
    count = stretches(tokens)
    at = min(max(at, 0), count - 1)
    return Stretch(at * tokens // count, (at + 1) * tokens // count, at, count)


def stretches(tokens: int) -> int:
    """Into how many stretches a text falls."""
    return 1 if tokens <= WHOLE else -(-tokens // STRETCH)


def holding(tokens: int, pos: int) -> int:
    """Number of the stretch that holds a token."""
    return next(at for at in range(stretches(tokens)) if pos < stretch(tokens, at).stop)


def show(trace: Trace, pos: int, chosen: Chosen) -> None:
    """The strip. chosen: called with the position that the reader picks. Turning to another stretch picks nothing, and
    holds until something is picked."""
    count, added = len(trace.tokens), len(trace.run.tail)
    before = (trace.run, pos)
    turned = st.session_state.get(_TURNED)
    at = turned[1] if turned is not None and turned[0] == before else holding(count, pos)
    shown = stretch(count, at)
    tokens = trace.tokens[shown.start : shown.stop]
    far = count > POOLED
    data = {
        "labels": [token.label for token in tokens],
        "ids": [token.id for token in tokens],
        "notes": [in_bytes(token) for token in tokens],
        "start": shown.start,
        "count": count,
        "stretch": shown.at,
        "stretches": shown.count,
        "added": added,
        "chosen": pos,
        "first": 0 if far else 1,
        "words": {
            "name": _("Tokens of the text"),
            **(_at_positions() if far else _counted()),
            "stretch": _("positions {first} to {last} of {count} tokens"),
            "earlier": _("Earlier"),
            "later": _("Later"),
            "back": _("To the chosen token"),
        },
    }
    _MOUNT(
        key="strip",
        data=data,
        on_token_change=callback("strip", "token", lambda at: _pick(chosen, int(at))),
        on_stretch_change=callback("strip", "stretch", lambda at: _turn(before, int(at))),
    )


def _counted() -> dict[str, str]:
    """How a token is named among a few: the first, the second."""
    return {
        "token": _("{label} {id}, token {at} of {count}"),
        "added": _("{label} {id}, token {at} of {count}, added to the text"),
        "chosen": _("chosen: token {at} of {count}, every panel follows it"),
    }


def _at_positions() -> dict[str, str]:
    """How a token is named among many: by its position, as the figures of such texts do, from 0 on."""
    return {
        "token": _("{label} {id}, position {at} of {count} tokens"),
        "added": _("{label} {id}, position {at} of {count} tokens, added to the text"),
        "chosen": _("chosen: position {at} of {count} tokens, every panel follows it"),
    }


def _pick(chosen: Chosen, at: int) -> None:
    st.session_state.pop(_TURNED, None)
    chosen(at)


def _turn(before: tuple[object, int], at: int) -> None:
    st.session_state[_TURNED] = (before, at)


def in_bytes(token: Token) -> str:
    """A token's bytes in words; what kind it is where it has none."""
    if not token.bytes:
        return _("added by the model")
    return _("bytes {bytes}", bytes=token.bytes.hex(" ").upper())
