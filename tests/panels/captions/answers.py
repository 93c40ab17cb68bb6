"""Cases from answers of tiny models, for what needs a whole trace: tokens that repeat, masks, windows, heads in rank.

The texts are short, of few letters, so that tokens repeat; the numbers are then made coarse (ties) or 0 (nothing
happens).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from types import MappingProxyType
from typing import Any

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st

from anatomy.control import Choice, Place, Slider, Switch
from anatomy.refused import Refused
from anatomy.trace import Trace
from anatomy.view import Fitted, View
from models.local.engine import LocalEngine
from panels import load
from panels.panel import Figure, Panel
from tests import once
from tests.models.tiny import MODELS, tiny_engine
from tests.models.toy import toy_engine
from tests.panels.captions.rules import Cases

KINDS_OF_MODELS = (*MODELS, "t5-gated", "qwen2-mixed")


@dataclass(frozen=True)
class Answer:
    """A panel on a trace."""

    panel: Panel
    trace: Trace
    view: Fitted

    @cached_property
    def reading(self) -> Any:
        """What the panel read."""
        return self.panel.read(self.trace, self.view)

    @cached_property
    def drawn(self) -> Figure:
        """Its figure."""
        return once.described(self.panel, self.trace, self.view)

    @property
    def ids(self) -> list[int]:
        """Of the tokens."""
        return [token.id for token in self.trace.tokens]


def answers(panel: str, *sought: Callable[[Panel], Answer]) -> Cases:
    """The panel on what tiny models answer, as it is or disturbed, and on the cases sought."""
    found = load()[panel]
    return Cases(panel, _answers(found), 30, tuple(partial(case, found) for case in sought))


def asked(kind: str, disturbed: str = "", **chosen: Any) -> Callable[[Panel], Answer]:
    """A case to seek: a kind of tiny model, what is done to its numbers, and what is chosen."""
    view = View(**{"text": "the cat", **chosen})
    return lambda panel: _disturbed(_answer(panel, tiny_engine(kind), view), disturbed)


def _answer(panel: Panel, engine: LocalEngine, chosen: View) -> Answer:
    run = chosen.run(engine.spec)
    view = chosen.fit(engine.spec, engine.run(run).tokens)
    return Answer(panel, engine.run(run, panel.needs(engine.spec, view)), view)


_TEXTS = st.one_of(
    st.sampled_from(["a", "aa", "the the the", "ab", "aab", "aba", "the cat sat", "患者", "🙂🙂", "ab " * 20 + "ab"]),
    st.text(alphabet="ab c", min_size=1, max_size=12).map(lambda text: f"a{text}"),
)


@st.composite
def _settings(draw: st.DrawFn, panel: Panel) -> tuple[tuple[str, str], ...]:
    """Values of a panel's own controls, each as it stands in a link."""
    found = {}
    for control in panel.controls:
        if isinstance(control, Place) or not draw(st.booleans()):
            continue
        match control:
            case Choice():
                found[control.name] = draw(st.sampled_from(control.options))
            case Switch():
                found[control.name] = draw(st.sampled_from("01"))
            case Slider():
                found[control.name] = str(draw(st.integers(int(control.low), int(control.high))))
    return tuple(sorted(found.items()))


@st.composite
def _answers(draw: st.DrawFn, panel: Panel) -> Answer:
    """The panel on a trace of a tiny model, as it is, coarse or of zeros."""
    kinds = ["toy"] if panel.stage == "tokens" else KINDS_OF_MODELS
    kind = draw(st.sampled_from([kind for kind in kinds if kind == "toy" or not panel.closed(tiny_engine(kind).spec)]))
    engine = _toy() if kind == "toy" else tiny_engine(kind)
    text, place = draw(_TEXTS), st.one_of(st.none(), st.integers(0, 8))
    chosen = View(
        text=text,
        layer=draw(place),
        head=draw(place),
        pos=draw(place),
        src=draw(place),
        settings=draw(_settings(panel)),
    )
    try:
        found = _answer(panel, engine, chosen)
    except Refused:  # a text of nothing that the toy tokenizer can spell
        reject()
    return _disturbed(found, draw(st.sampled_from(_DISTURBED)))


@cache
def _toy() -> LocalEngine:
    return toy_engine()


_DISTURBED = ("", "", "coarse", "zero")
# What other arrays follow from, or what is no measurement of the text: a row of zeros has no direction, and no angle.
_KEPT = (
    "scores",
    "bias_table",
    "pos_bias",
    "q",
    "k",
    "q_unturned",
    "k_unturned",
    "z",
    "near_cos",
    "near_rows",
    "write_up_logits",
)


def _disturbed(answer: Answer, how: str) -> Answer:
    """The same with its numbers rounded to few values, or all 0."""
    if not how:
        return answer
    changed = {
        want: array
        if want.site in _KEPT or array.dtype.kind != "f"
        else _coarse(array)
        if how == "coarse"
        else 0 * array
        for want, array in answer.trace.arrays.items()
    }
    return replace(answer, trace=replace(answer.trace, arrays=MappingProxyType(changed)))


def _coarse(array: np.ndarray) -> np.ndarray:
    return (np.round(4 * array) / 4 + 0).astype(array.dtype)
