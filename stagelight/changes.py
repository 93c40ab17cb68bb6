"""The numbers of a change as a program gives them: each is taken as it is, or refused with what could be given."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from anatomy.allowed import SEEDED
from anatomy.spec import ModelSpec
from panels.choices import shown
from stagelight import given

# Where none is given; of dropout that of Vaswani et al. 2017, sec. 5.4.
_AMOUNTS = {"add": 1.0, "noise": 1.0, "dropout": 0.1}


def at(places: Mapping[str, Any], spec: ModelSpec, tokens: int) -> dict[str, int | None]:
    """The layers, head, key/value head, neuron and position of a change, from the end where they are below 0. One that
    the model or the text does not have stays as it is, for `anatomy.allowed.check` to refuse."""
    parts = {"head": spec.n_heads, "kv": spec.n_kv, "neuron": spec.d_ff}
    lengths = {"layer": spec.layers, "other": spec.layers, **parts, "pos": tokens}
    return {name: None if value is None else _from_end(name, value, lengths[name]) for name, value in places.items()}


def _from_end(name: str, value: Any, length: int) -> int:
    number = given.whole_number(value)
    if number is None:
        raise TypeError(f"{name} is {shown(value)}: give a whole number, or leave it out for all")
    return number + length if -length <= number < 0 else number


def amount_of(op: str, amount: Any) -> float:
    """How much of a change, of those that are more or less."""
    if amount is None and op == "scale":
        raise ValueError("scale has to be told its amount, how many times as much there is to be: amount=2.0, say")
    if amount is None:
        return _AMOUNTS.get(op, 0.0)
    if op not in ("scale", *_AMOUNTS):
        raise ValueError(f"{op!r} is never more or less: leave the amount out, it is {shown(amount)}")
    if not isinstance(amount, int | float | np.number) or isinstance(amount, bool):
        raise TypeError(f"amount is {shown(amount)}: give a number")
    return float(amount)


def seed_of(op: str, seed: Any) -> int:
    """The seed of noise, of dropout, or of the order in which rows are shuffled."""
    if seed is None:
        return 0
    number = given.whole_number(seed)
    if number is None:
        raise TypeError(f"seed is {shown(seed)}: give a whole number")
    if op not in SEEDED:
        raise ValueError(f"{op!r} draws no random numbers: leave the seed out, it is {number}")
    return number
