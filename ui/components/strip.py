"""The token strip: the text's tokens in a row, one of them chosen; of a long text, a stretch at a time.

A switch beside it tints them; in a text of more than NUMBERED tokens some have their positions, and can be searched.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from jaxtyping import Float

from anatomy.language import _
from anatomy.trace import Token, Trace
from ui import text
from ui.components import Chosen, callback, register
from ui.components.bracket import BRACKET, parts
from ui.components.edges import EDGES

WHOLE = 600  # tokens up to which all are shown at once
STRETCH = 512  # tokens that are shown at once of more than that, at most
NUMBERED = 48  # tokens up to which a reader sees at a glance which one it is; of more some positions are shown
STEPS = 254  # of the scale, from one end to the other
LONGEST = 200  # characters that are searched for, at most

_MOUNT = register(
    "strip",
    """<div class="strip"><b class="side" aria-hidden="true"></b>
<div class="tokens" role="listbox" aria-orientation="horizontal"></div>
<div class="search" role="search"><input type="search" maxlength="200"
enterkeyhint="search" autocomplete="off" spellcheck="false">
<button type="button" class="previous">‹</button><button type="button" class="next">›</button>
<span role="status"></span></div>
<div class="under"><fieldset class="switch"><legend class="hidden"></legend></fieldset>
<span class="hint" aria-hidden="true"></span>
<div class="scale"><span class="own" aria-hidden="true"></span><button type="button" class="what">?</button>
<span class="ramp" aria-hidden="true"><b></b><i></i><b></b></span><span class="meaning"></span>
<button type="button" class="ask"></button></div></div>
<p class="tip" popover="manual" aria-hidden="true"></p>
<div class="stretch" role="group"><button type="button" class="earlier"></button><span role="status"></span>
<button type="button" class="later"></button><button type="button" class="back"></button></div></div>""",
    *BRACKET,
    *EDGES,
)


@dataclass(frozen=True)
class Stretch:
    """The tokens that are shown: from `start` up to `stop`; number `at` of `count` stretches, counted from 0."""

    start: int
    stop: int
    at: int
    count: int


@dataclass(frozen=True)
class Tints:
    """A number for each token of the text, to be shown as its colour.

    values   NaN for a token that has none
    high     the end of the scale; the other end is 0, or −high where the numbers are signed
    written  the numbers, as they are read
    none     why a token has none
    first    why the first token has none, where that is another reason
    value    how a number is told, with its unit, in English: "surprisal {value} nats"
    ends     both ends of the scale in words, the low one first
    says     what is coloured, as a sentence
    signed   the scale has two sides
    """

    values: Float[np.ndarray, " pos"]
    high: float
    written: tuple[str, ...]
    none: str
    value: str
    ends: tuple[str, str]
    says: str
    signed: bool = False
    first: str = ""

    def step(self, pos: int) -> int:
        """Where a token's number stands on the scale: 0 … STEPS; −1 for none."""
        value = float(self.values[pos])
        if math.isnan(value):
            return -1
        share = (value / self.high + 1) / 2 if self.signed else value / self.high
        return round(min(max(share, 0.0), 1.0) * STEPS)


@dataclass(frozen=True)
class Option:
    """One choice of the switch: what the link calls it, what it is called on the switch, and in full."""

    id: str
    name: str
    whole: str


@dataclass(frozen=True)
class Coloured:
    """The switch, and what it has brought.

    chosen  the id of an option, or "" for none
    tints   None where there are none
    why     why there are none, as a sentence
    slow    the reader may ask for them
    picked  called with what the reader switches to
    asked   called when the reader asks for what takes long
    """

    options: tuple[Option, ...]
    chosen: str
    tints: Tints | None
    why: str
    slow: bool
    picked: Callable[[str], None]
    asked: Callable[[], None]


@dataclass(frozen=True)
class Compared:
    """Which of two runs the strip is of, where one stands beside another.

    letter  "A" or "B"
    notes   of each token that is not in the other run as it is here: a mark, and what it means
    """

    letter: str
    notes: Mapping[int, tuple[str, str]]


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


def show(trace: Trace, pos: int, chosen: Chosen, coloured: Coloured, compared: Compared | None = None) -> None:
    """The strip. chosen: called with the position that the reader picks. Turning to another stretch picks nothing, and
    holds until something is picked; what is searched for is searched until the text is another one."""
    count = len(trace.tokens)
    before = (trace.run, pos)
    key = "strip-b" if compared is not None and compared.letter == "B" else "strip"
    turned = st.session_state.get(f"{key}.turned")
    at = turned[1] if turned is not None and turned[0] == before else holding(count, pos)
    data = {
        **_tokens(trace, stretch(count, at)),
        "chosen": pos,
        "found": _found(trace, key),
        "side": "" if compared is None else compared.letter,
        "notes": {} if compared is None else _notes(compared, stretch(count, at)),
        "colour": _colour(coloured, stretch(count, at)),
        "words": _words(count, compared),
    }
    _MOUNT(
        key=key,
        data=data,
        on_token_change=callback(key, "token", lambda at: _pick(key, chosen, int(at))),
        on_stretch_change=callback(key, "stretch", lambda at: _turn(key, before, int(at))),
        on_seek_change=callback(key, "seek", lambda query: _seek(key, trace.run, str(query))),
        on_colour_change=callback(key, "colour", lambda name: coloured.picked(str(name))),
        on_ask_change=callback(key, "ask", lambda _asked: coloured.asked()),
    )


def _tokens(trace: Trace, shown: Stretch) -> dict[str, Any]:
    """The tokens of a stretch, and where they stand in the text."""
    tokens, count = trace.tokens[shown.start : shown.stop], len(trace.tokens)
    return {
        "labels": [token.label for token in tokens],
        "ids": [token.id for token in tokens],
        "bytes": [token.bytes.hex() for token in tokens],
        "parts": [(place, *parts(token.label, token.shares)) for place, token in enumerate(tokens) if token.shares],
        "start": shown.start,
        "count": count,
        "stretch": shown.at,
        "stretches": shown.count,
        "added": len(trace.run.tail),
        "numbered": count > NUMBERED,
    }


def _notes(compared: Compared, shown: Stretch) -> dict[str, tuple[str, str]]:
    """Marks and words of the tokens of a stretch, by place."""
    return {str(place): note for place, note in compared.notes.items() if shown.start <= place < shown.stop}


def _colour(coloured: Coloured, shown: Stretch) -> dict[str, Any]:
    """The switch, and the numbers of a stretch."""
    tints, places = coloured.tints, range(shown.start, shown.stop)
    says = coloured.why if tints is None else tints.says
    data = {
        "options": [(option.id, option.name, option.whole) for option in coloured.options],
        "chosen": coloured.chosen,
        "says": says,
        "told": text.pieces(says),
        "slow": coloured.slow,
    }
    if tints is None:
        return data
    return data | {
        "steps": [tints.step(place) for place in places],
        "values": ["" if math.isnan(tints.values[place]) else tints.written[place] for place in places],
        "none": tints.none,
        "unlike": tints.first or tints.none,
        "value": _(tints.value),
        "ends": tints.ends,
        "signed": tints.signed,
    }


def _words(count: int, compared: Compared | None) -> dict[str, str]:
    """What the strip says of a text of so many tokens."""
    many = {
        "stretch": _("positions {first} to {last} of {count} tokens"),
        "earlier": _("Earlier"),
        "later": _("Later"),
        "back": _("To the chosen token"),
        "seek": _("Find a token"),
        "how": _("Text of a token, or its position. Enter goes to the next one, Shift and Enter to the one before."),
        "next": _("Next one found"),
        "previous": _("The one found before"),
        "found": _("{at} of {count}"),
        "none": _("not found"),
    }
    return {
        "name": _("Tokens of the text"),
        "bytes": _("bytes {bytes}"),
        "special": _("added by the model"),
        "colour": _("Colour of the tokens"),
        "plain": _("no colour"),
        "ask": _("Work it out"),
        "what": _("What the colour means"),
        **_places(count),
        **(many if count > NUMBERED else {}),
        **({} if compared is None else _of_side(compared.letter)),
    }


def _of_side(letter: str) -> dict[str, str]:
    """What the strip of one of two runs says otherwise: the first one's tells which token is chosen."""
    name = {"name": _("Tokens of the text of run {side}", side=letter)}
    return name if letter == "A" else {**name, "chosen": ""}


def _places(count: int) -> dict[str, str]:
    """How a token is named: by its position, as figures and links do, from 0 on."""
    if count == 1:
        return {
            "token": _("{label} {id}, position {at}"),
            "added": _("{label} {id}, position {at}, added to the text"),
            "chosen": _("chosen: position {at}, every panel follows it"),
        }
    return {
        "token": _("{label} {id}, position {at} of 0 to {last}"),
        "added": _("{label} {id}, position {at} of 0 to {last}, added to the text"),
        "chosen": _("chosen: position {at} of 0 to {last}, every panel follows it"),
    }


def _found(trace: Trace, key: str) -> dict[str, Any] | None:
    """The answer to what is searched for in this text, as the browser gets it; None where nothing is."""
    run, query = st.session_state.get(f"{key}.sought", (None, ""))
    if run != trace.run or len(trace.tokens) <= NUMBERED:
        return None
    at = found(trace.text, trace.tokens, query)
    number = position(query, len(trace.tokens))
    places = at if number is None or number in at else sorted((*at, number))
    return {"query": query, "at": places, "jump": number}


def found(text: str, tokens: Sequence[Token], query: str) -> list[int]:
    """Positions of the tokens that hold what is searched for, or with which it begins where it goes over several; in
    their labels or in the text, whichever way letters are written. text: what the tokens' places count in."""
    if not query:
        return []
    pattern = re.compile(re.escape(query), re.IGNORECASE)
    begins = [match.start() for match in pattern.finditer(text)]
    places, place = [], 0
    for pos, token in enumerate(tokens):
        while place < len(begins) and begins[place] < token.start:
            place += 1
        inside = place < len(begins) and begins[place] < token.end
        if inside or pattern.search(token.label):
            places.append(pos)
    return places


def position(query: str, tokens: int) -> int | None:
    """The position that is written there, of a text of so many tokens; None for none."""
    written = query.strip()
    return int(written) if re.fullmatch(r"[0-9]{1,9}", written) and int(written) < tokens else None


def _pick(key: str, chosen: Chosen, at: int) -> None:
    st.session_state.pop(f"{key}.turned", None)
    chosen(at)


def _turn(key: str, before: tuple[object, int], at: int) -> None:
    st.session_state[f"{key}.turned"] = (before, at)


def _seek(key: str, run: object, query: str) -> None:
    st.session_state.pop(f"{key}.sought", None)
    if query:
        st.session_state[f"{key}.sought"] = (run, query[:LONGEST])
