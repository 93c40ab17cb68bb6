"""Cases from answers of tiny models, for what needs a whole trace: tokens that repeat, masks, windows, heads in rank.

The texts are short, of few letters, so that tokens repeat; the numbers are then made coarse (ties) or 0 (nothing
happens).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from types import MappingProxyType
from typing import Any

import numpy as np

from anatomy.control import Choice, Control, Place, Slider, Switch
from anatomy.refused import Refused
from anatomy.trace import Trace
from anatomy.view import Fitted, View
from models.local.engine import LocalEngine
from panels import load
from panels.panel import Figure, Panel
from tests import once
from tests.models.tiny import MODELS, tiny_engine
from tests.models.toy import toy_engine
from tests.panels.captions.rules import Cases, Source

KINDS_OF_MODELS = (*MODELS, "t5-gated", "qwen2-mixed")


@dataclass(frozen=True)
class Answer:
    """A panel on a trace. disturbed: what was done to its numbers; nothing where they are as a model gave them."""

    panel: Panel
    trace: Trace
    view: Fitted
    disturbed: str = ""

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
    return Cases(panel, partial(_random, found), 60, tuple(partial(case, found) for case in sought))


def traces(panel: str, given: Callable[[Source], tuple[Trace, Fitted]]) -> Cases:
    """The panel on traces that are made of random numbers."""
    found = load()[panel]
    return Cases(panel, lambda source: Answer(found, *given(source)), 200)


def asked(kind: str, disturbed: str = "", **chosen: Any) -> Callable[[Panel], Answer]:
    """A case to seek: a kind of tiny model, what is done to its numbers, and what is chosen."""
    view = View(**{"text": "the cat", **chosen})
    return lambda panel: _disturbed(_answer(panel, tiny_engine(kind), view), disturbed)


def _answer(panel: Panel, engine: LocalEngine, chosen: View) -> Answer:
    run = chosen.run(engine.spec)
    view = chosen.fit(engine.spec, engine.run(run).tokens)
    return Answer(panel, engine.run(run, panel.needs(engine.spec, view)), view)


def _random(panel: Panel, source: Source) -> Answer:
    """The panel on a trace of a tiny model, as it is, coarse or of zeros."""
    engine = _engine(panel, source)
    while True:
        try:
            return _disturbed(_answer(panel, engine, _view(panel, source)), _one(source, _DISTURBED))
        except Refused:  # a text of nothing that the toy tokenizer can spell
            continue


def _engine(panel: Panel, source: Source) -> LocalEngine:
    if panel.stage == "tokens":
        return _toy()
    return tiny_engine(_one(source, [kind for kind in KINDS_OF_MODELS if not panel.closed(tiny_engine(kind).spec)]))


def _view(panel: Panel, source: Source) -> View:
    """A text, places, each chosen or not, and what a link may say of the panel's own controls."""
    letters = "a" + "".join(source.choice([*"ab c"], source.integers(1, 13)))
    layer, head, pos, src = (int(source.integers(9)) if source.integers(2) else None for _place in range(4))
    neuron = int(source.integers(60)) if panel.stage == "ffn" and source.integers(2) else None
    own = [control for control in panel.controls if not isinstance(control, Place) and source.integers(2)]
    return View(
        text=_one(source, _TEXTS) if source.integers(2) else letters,
        layer=layer,
        head=head,
        neuron=neuron,
        pos=pos,
        src=src,
        settings=tuple(sorted((control.name, _value(control, source)) for control in own)),
    )


def _value(control: Control, source: Source) -> str:
    """One of a control's values, as it stands in a link."""
    match control:
        case Choice():
            return _one(source, control.options)
        case Switch():
            return _one(source, "01")
        case Slider():
            return str(source.integers(int(control.low), int(control.high) + 1))
    raise AssertionError(f"{control} has values that no case has")


def _one(source: Source, values: Sequence[Any]) -> Any:
    return values[int(source.integers(len(values)))]


_TEXTS = ("a", "aa", "the the the", "ab", "aab", "aba", "the cat sat", "患者", "🙂🙂", "ab " * 20 + "ab")


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
    return replace(answer, trace=replace(answer.trace, arrays=MappingProxyType(changed)), disturbed=how)


def _coarse(array: np.ndarray) -> np.ndarray:
    return (np.round(4 * array) / 4 + 0).astype(array.dtype)
