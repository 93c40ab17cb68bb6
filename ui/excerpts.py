"""Parts of a text that is too long, or takes too long: cut where tokens end, never through a character."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from anatomy.language import ngettext
from anatomy.refused import Refused
from anatomy.request import Run
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from ui import links, mishap
from ui.host import HostedModel
from viz.format import thousands

JUDGED = 1_024  # tokens of a text that claims are held against
_TRIES = 4  # a part that is cut anew may have a few tokens more


@dataclass(frozen=True)
class Part:
    """Part of a text. pos: where the chosen token stands in it; None where none was chosen."""

    text: str
    pos: int | None = None


Cut = Callable[[Trace, int], Part]  # (the whole text's tokens, how many tokens the part may have) → the part


def first(trace: Trace, count: int) -> Part:
    """The first so many tokens."""
    return _cut(trace, 0, count - _added(trace))


def last(trace: Trace, count: int) -> Part:
    """The last so many tokens."""
    own = len(_own(trace))
    return _cut(trace, max(0, own - count + _added(trace)), own)


def around(pos: int) -> Cut:
    """Tokens with the chosen one in their middle, or as near to it as the ends of the text allow."""

    def cut(trace: Trace, count: int) -> Part:
        own = _own(trace)
        room = count - _added(trace)
        place = min(range(len(own)), key=lambda i: abs(own[i] - pos))
        start = max(0, min(place - room // 2, len(own) - room))
        return _cut(trace, start, start + room, place)

    return cut


def judged(
    model: HostedModel, text: str, tail: tuple[int, ...], whole: Trace | None = None
) -> tuple[str, tuple[int, ...]]:
    """What of a text, and of the tokens that follow it, claims are held against: all of it, or its first tokens. The
    checks make dozens of runs, and a verdict does not depend on which token is chosen. whole: the text's tokens, where
    whoever asks has them."""
    try:
        whole = whole or model.run(Run(model.spec().id, text, tail=tail))
    except Refused:
        return text, tail
    return (text, tail) if len(whole.tokens) <= JUDGED else (first(whole, JUDGED).text, ())


def judged_of(tokens: int) -> str:
    """The sentence that says so; "" where all of the text is judged."""
    if tokens <= JUDGED:
        return ""
    return ngettext(
        "judged on the first {part} of {count} token",
        "judged on the first {part} of {count} tokens",
        tokens,
        part=thousands(JUDGED),
    )


def _own(trace: Trace) -> list[int]:
    """The tokens that cover text; those that the tokenizer adds to every text cover none."""
    return [i for i, token in enumerate(trace.tokens) if token.end > token.start]


def _added(trace: Trace) -> int:
    """How many tokens cover no text."""
    return len(trace.tokens) - len(_own(trace))


def _cut(trace: Trace, start: int, stop: int, place: int | None = None) -> Part:
    """The text of some of the tokens that cover text: without a character that is in it only in part.

    start, stop  the first, and one past the last; place: of the chosen one; all counted among those that cover text
    """
    own = _own(trace)
    tokens = [trace.tokens[i] for i in own]
    stop = min(stop, len(tokens))
    while start < stop and not _begins(tokens, start):
        start += 1
    while start < stop < len(tokens) and not _begins(tokens, stop):
        stop -= 1
    if start >= stop:
        return Part("")
    chosen = None if place is None else min(max(place, start), stop - 1) - start + own[0]
    return Part(trace.text[tokens[start].start : tokens[stop - 1].end], chosen)


def _begins(tokens: Sequence[Token], i: int) -> bool:
    """Whether a token begins where the one before it ends: not within a character that both have a share in."""
    return i == 0 or tokens[i].start >= tokens[i - 1].end


def fitting(model: HostedModel, run: Run, most: int, cut: Cut) -> Part:
    """A part of the run's text that has at most so many tokens when it is cut into tokens anew."""
    whole, count = model.run(run), most
    part = cut(whole, count)
    for _again in range(_TRIES):
        excess = len(model.run(run.on(part.text)).tokens) - most if part.text else 0
        if excess <= 0:
            break
        count -= excess
        part = cut(whole, count)
    return part


def offer(model: HostedModel, run: Run, view: Fitted, most: int, chosen: bool, key: str) -> None:
    """Buttons that take a part of the text in its place; Back brings the whole again.

    most    tokens of a part
    chosen  the reader has picked a token: there is a part around it, too
    """
    if not 0 < most < view.length:
        return
    offers: list[tuple[str, str, Cut]] = [
        (
            "first",
            ngettext(
                "The first {count} token",
                "The first {count} tokens",
                most,
            ),
            first,
        ),
        (
            "last",
            ngettext(
                "The last {count} token",
                "The last {count} tokens",
                most,
            ),
            last,
        ),
    ]
    if chosen:
        offers.append(
            (
                "around",
                ngettext(
                    "{count} token around the chosen one",
                    "{count} tokens around the chosen one",
                    most,
                ),
                around(view.pos),
            )
        )
    with st.container(horizontal=True, gap="small", key=f"{key}.parts"):
        for name, label, cut in offers:
            st.button(label, key=f"{key}.{name}", on_click=_take, args=(model, run, most, cut))


@mishap.harmless
def _take(model: HostedModel, run: Run, most: int, cut: Cut) -> None:
    part = fitting(model, run, most, cut)
    links.go(lambda now: replace(now.with_text(part.text), pos=part.pos))
