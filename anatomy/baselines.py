"""Baselines: the runs that a changed run is held against, so that one sees what such a change does anywhere.

A head that is turned off changes something whichever head it is. What is special about this one shows beside others of
the same layer, changed in the same way. They are chosen by a seed: the same question has the same baseline.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anatomy.allowed import SEEDED
from anatomy.interventions import MOST_AMOUNT, POSITIONS, swapped
from anatomy.request import Intervention, Run
from anatomy.spec import ModelSpec, RelativeBias

COUNT = 6  # runs of a baseline, where there are as many others
_PARTS = {"head": "n_heads", "kv": "n_kv", "neuron": "d_ff"}


@dataclass(frozen=True)
class Control:
    """What stands in the place of one intervention in the runs of a baseline.

    made    the intervention
    kind    head, kv, neuron: others of the same layer, or of every layer. layer: the same part of other layers. swap:
            two other layers as far apart. random: directions drawn at random, as long. seed: other noise, others
            dropped, or another order. itself: the run is patched into itself. same: nothing else does
    others  which, one per run: numbers of heads, neurons or layers (of two the first that is swapped), or seeds
    """

    made: Intervention
    kind: str
    others: tuple[int, ...] = ()

    def of(self, number: int, run: Run) -> Intervention:
        """What stands there in one of the runs. run: what there is before it."""
        if self.kind == "same":
            return self.made
        if self.kind == "itself":
            return replace(self.made, sources=(run,))
        other = self.others[number % len(self.others)]
        if self.kind == "swap":
            return replace(self.made, layer=other, other=other + self.apart)
        return replace(self.made, **{self.kind: other})

    @property
    def pair(self) -> tuple[int, int]:
        """The two layers that the intervention swaps, in their order."""
        first, second = sorted(layer for layer in (self.made.layer, self.made.other) if layer is not None)
        return first, second

    @property
    def apart(self) -> int:
        """How far apart these two are: 1 for neighbours."""
        first, second = self.pair
        return second - first

    @property
    def own(self) -> int:
        """What the intervention itself has where the runs have one of the others."""
        return self.pair[0] if self.kind == "swap" else getattr(self.made, self.kind)


@dataclass(frozen=True)
class Baseline:
    """Runs beside which a changed run is judged.

    controls  what they have in the place of each of its interventions
    runs      them, each once
    """

    controls: tuple[Control, ...]
    runs: tuple[Run, ...]


def baseline(run: Run, spec: ModelSpec, *, seed: int = 0) -> Baseline | None:
    """That of a changed run, of what is changed in it besides what is in all runs of the model; None for one in which
    nothing is changed, or nothing has others to be held against.

    Several changes of one kind are held against as many others, where there are as many.
    """
    drawing = np.random.default_rng(seed)
    controls = tuple(_control(number, run, spec, seed, drawing) for number in range(len(run.interventions)))
    if all(control.kind == "same" for control in controls):
        return None
    count = max(len(control.others) for control in controls) or 1
    runs = dict.fromkeys(_run(run, controls, number) for number in range(count))
    moved = max(_apart(run), int(any(one.op == "swap" for one in run.interventions)))
    others = tuple(made for made in runs if made != run and _apart(made) >= moved)
    return Baseline(controls, others) if others else None


def _apart(run: Run) -> int:
    """How many layers its swaps move: of two that share a layer fewer than of two that do not."""
    return sum(place != layer for place, layer in swapped(run.interventions).items())


def _run(run: Run, controls: Sequence[Control], number: int) -> Run:
    made = replace(run, interventions=())
    for control in controls:
        made = made.intervened(control.of(number, made))
    return made


def _control(number: int, run: Run, spec: ModelSpec, seed: int, drawing: np.random.Generator) -> Control:
    made = run.interventions[number]
    own = number >= len(run.interventions) - len(spec.beyond(run))
    if not own or made.site == POSITIONS:  # what is in every run of the model is in these, too
        return Control(made, "same")
    if made.op == "patch":
        return Control(made, "itself")
    if made.op == "add":
        return Control(made, "random", tuple(int(one) for one in drawing.integers(1, 10_000, COUNT)))
    for part, count in _PARTS.items():
        if getattr(made, part) is not None:
            return _others(made, part, range(getattr(spec, count)), _named(run, made, part), seed)
    if made.op in SEEDED:
        return Control(made, "seed", tuple((made.seed + 1 + step) % int(MOST_AMOUNT) for step in range(COUNT)))
    if made.op == "swap":
        return _pairs(made, run, spec, seed)
    if made.layer is None:
        return Control(made, "same")
    layers = (one.layer for one in run.interventions if one.site == made.site and one.op != "swap")
    return _others(made, "layer", range(spec.layers), layers, seed)


def _pairs(made: Intervention, run: Run, spec: ModelSpec, seed: int) -> Control:
    """Two other layers, as far apart, neither of them swapped in the run. A layer that makes the position bias of all
    others is swapped with none."""
    control, bias = Control(made, "swap"), isinstance(spec.position, RelativeBias)
    swaps = [Control(one, "swap") for one in run.interventions if one.op == "swap"]
    taken = {layer for one in swaps for layer in one.pair}
    free = range(int(bias), spec.layers - control.apart)
    firsts = [first for first in free if taken.isdisjoint((first, first + control.apart))]
    alike = [one.own for one in swaps if one.apart == control.apart]
    return _others(made, "swap", firsts, alike, seed)


def _named(run: Run, made: Intervention, part: str) -> Iterator[int | None]:
    """The heads or neurons of a layer that are changed at this site."""
    return (getattr(one, part) for one in run.interventions if (one.site, one.layer) == (made.site, made.layer))


def _others(made: Intervention, kind: str, of: Sequence[int], named: Iterable[int | None], seed: int) -> Control:
    """Some of all numbers that there are, drawn at random; those that are named in the run are none of them. Each that
    is named begins at another one, so that no run has the same in the place of two."""
    changed = tuple(dict.fromkeys(number for number in named if number is not None))
    others = [number for number in of if number not in changed]
    if not others:
        return Control(made, "same")
    count = min(COUNT, len(others))
    places = sorted(np.random.default_rng(seed).choice(len(others), count, replace=False))
    turn = changed.index(Control(made, kind).own) % count
    return Control(made, kind, tuple(others[place] for place in (*places[turn:], *places[:turn])))
