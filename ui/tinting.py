"""The tokens above the figures and their colour, which is asked for after the page's own question: no figure waits.

What is there already is drawn with the tokens. Else the tokens are drawn once it has come: those of a text that is on
the screen already stay there meanwhile, and those of a short text are not long in coming. The tokens of a long text
stand there uncoloured first.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anatomy.language import N_, _
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.trace import Trace
from anatomy.view import Fitted
from ui import asking, colours, figure, links, mishap, polled
from ui.asking import Halt
from ui.components import strip
from ui.components.strip import Coloured, Compared, Option, Tints
from ui.host import HostedModel, Loading
from ui.waiting import Line
from ui.withheld import SHORT, SLOW
from viz.format import lasting

_DRAWN, _ASKED, _TOLD = "tinting.drawn", "tinting.asked", "tinting.told"
_FOLLOWS = N_("The colour follows the figure.")


@dataclass(frozen=True)
class Tinting:
    """What is known of the colour that the link names.

    tints    the numbers of all tokens; None where they are not there
    why      why they are not, as a sentence
    slow     a click brings them
    awaited  they are to be asked for once the page has its own answer
    late     until then the tokens wait, too
    """

    tints: Tints | None = None
    why: str = ""
    slow: bool = False
    awaited: bool = False
    late: bool = False


def begun(model: HostedModel, run: Run, view: Fitted, side: str = "") -> Tinting:
    """What can be said before the page's own question: nothing is computed for it. side: "b" of the second run."""
    if view.colour is None:
        return Tinting()
    try:
        return _begun(model, run, view, side)
    except Loading:
        raise
    except Exception as error:
        return _broken(error)


def _begun(model: HostedModel, run: Run, view: Fitted, side: str) -> Tinting:
    spec = model.spec()
    closed = colours.ALL[view.colour or ""].closed(spec)
    if closed is not None:
        return Tinting(why=closed)
    wants = _wants(model, view)
    held = model.held(run, wants)
    if all(want in held for want in wants):
        return Tinting(_read(held, view))
    if not model.live:
        return Tinting(why=_("The colour comes once the model is loaded."))
    question, (about, told) = (run, wants), st.session_state.get(_TOLD + side, (None, None))
    if about == question and st.session_state.get(_ASKED + side) != question:
        return told
    return Tinting(
        awaited=True, late=view.length <= SHORT or st.session_state.get(_DRAWN + side) == run, why=_(_FOLLOWS)
    )


def finished(model: HostedModel, run: Run, view: Fitted, line: Line, halt: Halt | None, side: str = "") -> Tinting:
    """The same once the page has its answer: asked for now, unless it would take long. halt: there was none."""
    try:
        return Tinting(why=halt.says) if halt is not None else _finished(model, run, view, line, side)
    except Loading:
        raise
    except Refused as refused:
        return Tinting(why=str(refused))
    except Exception as error:
        return _broken(error)


def _finished(model: HostedModel, run: Run, view: Fitted, line: Line, side: str) -> Tinting:
    wants = _wants(model, view)
    cost = model.estimate(run, wants)
    slow = view.length > SHORT and cost is not None and cost.seconds > SLOW
    if slow and cost is not None and st.session_state.get(_ASKED + side) != (run, wants):
        why = _("For a text of this length this colour takes about {time}.", time=lasting(cost.seconds))
        return Tinting(why=why, slow=True)
    answer = asking.ask(model, run, wants, line)
    if isinstance(answer, Halt):
        stopped = _("This colour was stopped before its end.")
        return Tinting(why=stopped if answer.stopped else answer.says, slow=answer.stopped)
    return Tinting(_read(answer, view))


def _wants(model: HostedModel, view: Fitted) -> tuple[Want, ...]:
    return tuple(colours.ALL[view.colour or ""].needs(model.spec(), view))


def _read(trace: Trace, view: Fitted) -> Tints:
    return colours.ALL[view.colour or ""].read(trace, view)


def _broken(error: Exception) -> Tinting:
    """An error of the program costs the colour alone."""
    return Tinting(why=str(mishap.said("the colour of the tokens", error)))


class TokensRow:
    """The tokens of a text, on the page at once or as soon as their colour is there."""

    def __init__(
        self,
        model: HostedModel,
        tokens: Trace,
        view: Fitted,
        place: DeltaGenerator,
        compared: Compared | None = None,
        go: Callable[[links.Change], None] = links.go,
    ) -> None:
        """place: where they stand, which nobody else draws in. compared: which of two runs they are of; go: carries out
        what a click on a token changes."""
        self._model, self._tokens, self._view, self._place = model, tokens, view, place
        self._compared, self._go = compared, go
        self._side = "b" if compared is not None and compared.letter == "B" else ""
        self._begun = begun(model, tokens.run, view, self._side)
        if not self._begun.late:
            self._draw(self._begun)

    def finish(self, line: Line, halt: Halt | None) -> None:
        """Once the page has its own answer: the colour, where it was not there. halt: the page has none."""
        if not self._begun.awaited:
            return
        known = finished(self._model, self._tokens.run, self._view, line, halt, self._side)
        if self._begun.late:
            with mishap.costing("the tokens"):
                self._draw(known)
        elif halt is None:
            question = self._tokens.run, _wants(self._model, self._view)
            told = known if known.tints is None else Tinting(awaited=True, late=True)  # it need not be kept for long
            st.session_state[_TOLD + self._side] = question, told
            polled.anew()

    def _draw(self, known: Tinting) -> None:
        with self._place:
            strip.show(
                self._tokens,
                self._view.pos,
                lambda pos: self._go(lambda now: figure.at_token(now, pos)),
                _switch(self._model, self._tokens.run, self._view, known, self._side),
                self._compared,
            )
            st.session_state[_DRAWN + self._side] = self._tokens.run


def _switch(model: HostedModel, run: Run, view: Fitted, known: Tinting, side: str) -> Coloured:
    """The switch of the strip, and what it has brought. That of the first run switches both."""
    offered = () if side else colours.offered(model.spec(), view)
    return Coloured(
        options=tuple(Option(name, _(one.name), _(one.whole)) for name, one in offered),
        chosen=view.colour or "",
        tints=known.tints,
        why=known.why,
        slow=known.slow,
        picked=lambda name: links.go(lambda now: replace(now, colour=name or None)),
        asked=lambda: _ask(run, _wants(model, view), side),
    )


def _ask(run: Run, wants: tuple[Want, ...], side: str) -> None:
    st.session_state[_ASKED + side] = (run, wants)
    asking.resume()
