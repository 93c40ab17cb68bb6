"""A panel's choices by name, as a program gives them: each is taken as it is, or refused with what could be given."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from anatomy.control import Choice, Control, Slider, Switch
from anatomy.spec import ModelSpec
from anatomy.trace import Token
from anatomy.view import Fitted, View
from panels.panel import Panel

_PLACES = ("layer", "head", "neuron", "pos", "src")


def chosen(panel: Panel, view: View, choices: Mapping[str, Any], spec: ModelSpec, tokens: tuple[Token, ...]) -> Fitted:
    """The view with these choices (layer, head, neuron, pos, src and the panel's own controls), each inside the model
    and the text. ValueError for one that the panel does not have or take."""
    offered = panel.controls if panel.closed(spec) else panel.fitted(spec, view.fit(spec, tokens))
    controls = {control.name: control for control in offered}
    unknown = next((name for name in choices if name not in (*_PLACES, *controls)), None)
    if unknown is not None:
        known = "; ".join((", ".join(_PLACES), *map(_of_control, controls.values())))
        raise ValueError(f"the panel {panel.id!r} has no choice {unknown!r}. It has: {known}")
    lengths = {"layer": spec.layers, "head": spec.n_heads, "neuron": spec.d_ff, "pos": len(tokens), "src": len(tokens)}
    for name, value in choices.items():
        if name in lengths:
            view = replace(view, **{name: place(name, value, lengths[name], ValueError)})
        else:
            view = view.with_setting(controls[name], _setting(controls[name], value))
    return view.fit(spec, tokens)


def shown(value: object) -> str:
    """A value in a message, cut where it is long."""
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:60]}…"


def _of_control(control: Control) -> str:
    """A control with the values that it takes."""
    if isinstance(control, Choice):
        return f"{control.name} ({', '.join(map(repr, control.options))})"
    if isinstance(control, Switch):
        return f"{control.name} (True, False)"
    return f"{control.name} ({control.low:g} to {control.high:g} in steps of {control.step:g})"


def place(name: str, value: Any, length: int, error: type[Exception]) -> int:
    """A layer, head, neuron or position, from the end where it is below 0."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not -length <= value < length:
        raise error(f"{name} is {shown(value)}: give a whole number from 0 to {length - 1}, or below 0 from the end")
    return int(value) % length


def _setting(control: Control, value: Any) -> str | bool | float:
    """A control's value, if it takes it."""
    match control:
        case Choice() if isinstance(value, str) and control.read(value) is not None:
            return value
        case Switch() if isinstance(value, bool | np.bool_):
            return bool(value)
        case Slider() if isinstance(value, int | float | np.number) and not isinstance(value, bool):
            number = float(value)
            if control.low <= number <= control.high and _on_step(control, number):
                return number
    raise ValueError(f"{control.name} cannot be {shown(value)}: give one of {_of_control(control)}")


def _on_step(control: Slider, value: float) -> bool:
    steps = (value - control.low) / control.step
    return abs(steps - round(steps)) < 1e-6
