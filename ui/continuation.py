"""How the model goes on, one token at a time: which tokens may follow, and what the reader makes of them."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import exp
from secrets import randbelow

from anatomy.language import _
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import View
from panels.common.sampled import settings
from ui import links
from ui.components import continuation
from ui.components.continuation import Next
from ui.host import HostedModel, Loading
from viz.format import exact

SHOWN = 20


@dataclass(frozen=True)
class Continuation:
    """The most probable next tokens, best first, and why none of them can be added; None where they can."""

    tokens: tuple[Next, ...]
    full: str | None = None


def needs(spec: ModelSpec, tokens: int) -> Sequence[Want]:
    """The prediction after the last of so many tokens; nothing of a model that does not go on with a text."""
    if spec.head != "causal":
        return ()
    return (Want("next_ids", pos=tokens - 1), Want("next_logp", pos=tokens - 1))


def after(model: HostedModel, trace: Trace) -> Continuation | None:
    """What may follow the last token of a trace that holds `needs`; None where the model does not go on with a text."""
    if trace.spec.head != "causal":
        return None
    best = tokens_of(trace)
    return Continuation(best, no_room(model, trace.run.plus(best[0].id)))


def tokens_of(trace: Trace) -> tuple[Next, ...]:
    """The best tokens after the last one of a trace that holds `needs`."""
    ids, logp = (trace[want][:SHOWN].tolist() for want in needs(trace.spec, len(trace.tokens)))
    last = len(trace.tokens) - 1
    return tuple(Next(row, trace.following(row, last), exp(p)) for row, p in zip(ids, logp, strict=True))


def no_room(model: HostedModel, longer: Run) -> str | None:
    """Why a run cannot become as long as this one; None where it can, as far as is known."""
    try:
        model.estimate(longer, ())
    except Refused as refused:
        return _("Nothing more can be added. {reason}", reason=refused)
    return None


def row(following: Continuation, view: View, model: HostedModel | None = None) -> None:
    """The row under the tokens. A click goes on with a token, or lets the model draw one; what stands at its end takes
    back what was added."""
    continuation.show(
        following.tokens,
        lambda place, token: links.go(lambda now: going_on(now, place, token)),
        lambda count: links.go(lambda now: taken_back(now, count)),
        lambda: None if model is None else _draw(model),
        tail=len(view.tail),
        full=following.full,
        how=said(view),
        letter="A" if view.two else "",
    )


def _draw(model: HostedModel) -> None:
    """The model is asked first: while the link is changed, every other reader's link waits."""
    view = links.known()
    longer = drawn(view, model, randbelow(1 << 31))
    links.go(lambda now: longer if now == view else now)


def said(view: View) -> str:
    """By which settings a token is drawn."""
    how = settings(view)
    said = _(
        "Draw a token at temperature {temperature}, top-k {top_k}, top-p {top_p}",
        temperature=exact(how.temperature),
        top_k=exact(how.top_k),
        top_p=exact(how.top_p),
    )
    if how.min_p:
        said = _("{settings}, min-p {min_p}", settings=said, min_p=exact(how.min_p))
    if how.penalty != 1:
        said = _("{settings}, repetition penalty {penalty}", settings=said, penalty=exact(how.penalty))
    return _("{settings}, as the output's panels are set", settings=said)


def drawn(view: View, model: HostedModel, seed: int) -> View:
    """The view with a token more, drawn by the settings on the page; the same view where none can be drawn."""
    with suppress(Refused, Loading):
        longer = model.extend(view.run(model.spec()), 1, settings(view), seed)
        return replace(view, tail=longer.tail, pos=None, src=None)
    return view


def way_back(view: View) -> None:
    """The row of a text that was refused with what follows it: only the way back."""
    if view.tail:
        row(Continuation(()), view)


def going_on(view: View, place: int, token: int) -> View:
    """The view with this token at that place after the text: said twice, it stands there once."""
    return replace(view, tail=(*view.tail[:place], token), pos=None, src=None)


def taken_back(view: View, count: int) -> View:
    """The view with only the first `count` of the tokens that follow the text."""
    return replace(view, tail=view.tail[:count], pos=None, src=None)
