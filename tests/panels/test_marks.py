"""What the marks of each panel's figure choose: layers, tokens, heads, neurons that are there, wherever it has them."""

import pytest

from anatomy.trace import Trace
from panels import load
from tests import once
from tests.models.tiny import MODELS, tiny_engine
from viz.description import Plotted

TOKEN, LOOKED, LAYER, HEAD, NEURON = "pos", "src", "layer", "head", "neuron"
CHOOSES = {
    "activation": {NEURON, LAYER},
    "arcs": {TOKEN, LOOKED},
    "attribution": {LAYER},
    "balance": {LAYER},
    "cache": {TOKEN},
    "contexts": {LOOKED, LAYER},
    "directions": {LAYER},
    "distance": {LOOKED},
    "embedding": {TOKEN},
    "groups": {HEAD},
    "lens": {LAYER},
    "merges": {TOKEN},
    "neurons": {NEURON, LAYER},
    "pooled": {TOKEN},
    "position_sizes": {TOKEN},
    "promoted": {NEURON, LAYER},
    "residual": {TOKEN, LAYER},
    "settling": {LAYER},
    "sparsity": {TOKEN, LAYER},
    "surprisal": {TOKEN},
    "watched": {LAYER},
    "writes": {LAYER},
}
# Figures that a setting draws.
SET = [
    ("attribution", "by", "neurons", {NEURON, LAYER}),
    ("cell", "step", "softmax", {LOOKED}),
    ("row", "row", "lengths", {TOKEN}),
]


def meant_by(drawn: Plotted, trace: Trace) -> set[str]:
    """The choices that its marks make, each of something that the model or the text has."""
    spec, tokens = trace.spec, len(trace.tokens)
    ends = {TOKEN: tokens, LOOKED: tokens, LAYER: spec.layers, HEAD: spec.n_heads, NEURON: spec.d_ff}
    choices = set()
    for number, points in enumerate(drawn.traces().data):
        for point in range(len(points.x)):
            for choice, place in drawn.meant(number, point).items():
                assert 0 <= place < ends[choice], f"{choice} {place} of {ends[choice]}"
                choices.add(str(choice))
    return choices


@pytest.mark.parametrize("kind", MODELS)
def test_marks_choose_what_they_stand_for(kind, answered):
    found = {}
    for panel in load().values():
        if panel.applies(tiny_engine(kind).spec) is None and not panel.whole:
            trace, view = answered(panel, kind)
            drawn = once.described(panel, trace, view)
            if isinstance(drawn, Plotted):
                found[panel.id] = meant_by(drawn, trace)
    assert found == {name: CHOOSES.get(name, set()) for name in found}
    assert len(found.keys() & CHOOSES.keys()) >= 9


@pytest.mark.parametrize(("name", "control", "value", "expected"), SET, ids=[case[0] for case in SET])
def test_so_do_those_of_figures_that_a_setting_draws(name, control, value, expected, answered):
    trace, view = answered(load()[name], settings=((control, value),))
    drawn = once.described(load()[name], trace, view)
    assert isinstance(drawn, Plotted)
    assert meant_by(drawn, trace) == expected
