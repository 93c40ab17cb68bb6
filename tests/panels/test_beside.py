"""Two runs beside each other, on every panel: computed twice they differ by exactly 0; any other two have a difference,
or a sentence that says why they have none."""

import numpy as np
import pytest
from transformers import AutoModelForCausalLM

from anatomy.alignment import aligned
from anatomy.request import Run
from anatomy.trace import Trace
from anatomy.view import View
from models.local.engine import LocalEngine
from panels import load
from panels.answer import PanelAnswer
from panels.beside import BesideAnswer
from panels.panel import Panel
from tests.models.tiny import ByteTokenizer, new_tiny_engine, randomize, tiny_config, tiny_engine, tiny_model
from viz.change import changed
from viz.description import Description
from viz.partners import FIRST, RUNS, SECOND
from viz.passage_two import PassageOfTwo

TEXT = "the cat, the café sat"
OTHERS = {"same length": "the dog, the café ran", "longer": "the big cat, the café sat on", "one token": "t"}
KINDS = ("llama", "gpt2", "bert", "t5")
PANELS = list(load().values())


def other_weights(kind: str) -> LocalEngine:
    return LocalEngine(tiny_model(kind, seed=1), ByteTokenizer(), name=f"tiny-{kind}-1")


def answer(panel: Panel, engine: LocalEngine, text: str, **choices: int) -> tuple[PanelAnswer, Trace]:
    """A panel's answer, and the trace of the whole text with no more than its tokens."""
    view = View(text=text, layer=1, head=1, **choices)
    run = view.run(engine.spec)
    cut = engine.run(run)
    fitted = view.fit(engine.spec, cut.tokens)
    return PanelAnswer.of(
        panel, engine.run(run, (*panel.needs(engine.spec, fitted), *panel.later(engine.spec, fitted))), fitted
    ), cut


def beside(panel: Panel, a: LocalEngine, b: LocalEngine, text: str) -> BesideAnswer:
    """The panel on the text of run A, and on another of run B with what stands in the place of A's choices chosen."""
    one, cut = answer(panel, a, TEXT)
    tokens = b.run(Run(b.spec.id, text))
    pairs = aligned(cut, tokens)
    two, _cut = answer(panel, b, text, pos=pairs.near_b(one.view.pos))
    return BesideAnswer(one, two, (cut.labels, tokens.labels), pairs, one.view)


def larger() -> LocalEngine:
    """A Llama with another number of layers, heads, dimensions and neurons."""
    config = tiny_config("llama")
    config.update(
        {
            "num_hidden_layers": 4,
            "hidden_size": 48,
            "num_attention_heads": 6,
            "num_key_value_heads": 3,
            "head_dim": 10,
            "intermediate_size": 72,
        }
    )
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    randomize(model)
    return LocalEngine(model, ByteTokenizer(), name="tiny-larger")


def open_panels(kind: str) -> list[Panel]:
    return [panel for panel in PANELS if not panel.closed(tiny_engine(kind).spec)]


CASES = [(panel, kind) for kind in KINDS for panel in open_panels(kind)]
NOTHING = "Nothing that the one figure shows is in the other"
PLANE = "Each of the two is drawn on a plane of its own"
PAGE = "This figure is a page of BertViz"
NO_LOSS = "One figure shows “KL(variant ‖ model) per token (nats, log scale)”, the other “loss per token (nats)”"
AHEAD = "One figure shows “token that may come next”, the other “token”"
# What has no difference and why, by panel and by what run B is; of one kind of model alone where that is named.
NONE = {
    ("embedding", "same length"): PLANE,
    ("embedding", "longer"): PLANE,
    ("embedding", "one token"): PLANE,
    ("embedding", "weights"): PLANE,
    ("bertviz", "same length"): PAGE,
    ("bertviz", "longer"): PAGE,
    ("bertviz", "one token"): PAGE,
    ("bertviz", "weights"): PAGE,
    ("words", "one token"): NOTHING,
    ("neighbours", "weights"): NOTHING,
    ("watched", "weights"): NOTHING,
    ("watched", "same length", "llama"): NOTHING,
    ("watched", "one token", "llama"): NOTHING,
    ("watched", "longer", "bert"): NOTHING,
    ("watched", "one token", "bert"): NOTHING,
    ("lensgrid", "one token"): NOTHING,
    ("surprisal", "one token"): AHEAD,
    **{(name, "one token", kind): NO_LOSS for name in ("quantization", "pruning") for kind in ("llama", "gpt2")},
}
# The same for a model of another size, and for one of another kind.
NONE_OF_MODELS = {
    ("embedding", "larger"): PLANE,
    ("embedding", "gpt2"): PLANE,
    ("bertviz", "larger"): PAGE,
    ("bertviz", "gpt2"): PAGE,
    ("cell", "larger"): "The two do not have as many components",
    ("rotation", "larger"): "One figure shows “component 4”, the other “component 3”",
    ("cache", "larger"): NOTHING,
    ("cache", "gpt2"): NOTHING,
    ("watched", "larger"): NOTHING,
    ("watched", "gpt2"): NOTHING,
    ("neurons", "gpt2"): NOTHING,
    ("promoted", "gpt2"): NOTHING,
    ("position", "gpt2"): "The two are figures of different kinds",
    ("activation", "gpt2"): "One figure shows “up (activation)”, the other “gate (activation)”",
    ("contexts", "gpt2"): "One figure shows “after layer (row: the table; in: before layer 0)”",
}


def check(shown: BesideAnswer, why: str | None) -> None:
    """There is a difference, with words and pictures; or none, and a reader is told why."""
    difference = shown.difference
    if not isinstance(difference, Description):
        assert why is not None, f"unexpected: {difference.sentence}"
        assert difference.sentence.startswith(why)
        assert difference.sentence.endswith(".")
        return
    assert why is None, "there is a difference by now: take it out of the table"
    assert difference.table().rows
    assert difference.plotly().to_dict()["data"]
    told = f"{difference.alternative()} {difference.table()}"
    assert not {FIRST, SECOND} & set(told), "two runs are called A and B"
    assert "difference:" not in told
    says = changed(shown.a.description, shown.b.description, difference)
    assert says[0].isupper() or says[0] in "“"
    assert says.endswith(".")


@pytest.mark.parametrize(("panel", "kind"), CASES, ids=[f"{panel.id}-{kind}" for panel, kind in CASES])
def test_another_text_or_other_weights_have_a_difference_or_a_reason(panel, kind):
    a = tiny_engine(kind)
    for name, text in OTHERS.items():
        check(beside(panel, a, a, text), NONE.get((panel.id, name, kind), NONE.get((panel.id, name))))
    check(beside(panel, a, other_weights(kind), TEXT), NONE.get((panel.id, "weights")))


@pytest.mark.parametrize("panel", open_panels("llama"), ids=lambda panel: panel.id)
def test_another_model_has_a_difference_or_a_reason(panel):
    a, others = tiny_engine("llama"), {"larger": (larger(), TEXT), "gpt2": (tiny_engine("gpt2"), OTHERS["longer"])}
    for name, (b, text) in others.items():
        if not panel.closed(b.spec):
            check(beside(panel, a, b, text), NONE_OF_MODELS.get((panel.id, name)))


@pytest.mark.parametrize(("panel", "kind"), CASES, ids=[f"{panel.id}-{kind}" for panel, kind in CASES])
def test_a_run_beside_itself_computed_again_differs_by_exactly_0(panel, kind):
    shown = beside(panel, tiny_engine(kind), new_tiny_engine(kind), TEXT)
    if panel.id == "bertviz":
        check(shown, PAGE)
        return
    difference, alone = shown.difference, shown.a.description
    assert isinstance(difference, Description)
    assert not np.nan_to_num(difference.numbers()).any()
    if type(difference) is type(alone):
        assert np.isfinite(difference.numbers()).sum() == np.isfinite(alone.numbers()).sum(), "each has a partner"
    said = f"{difference.alternative()} {difference.table()}"
    assert not [mark for mark in RUNS.marks.values() if mark in said]
    if isinstance(difference, PassageOfTwo):
        assert difference.alike
        return
    says = changed(alone, shown.b.description, difference)
    assert "same" in says
    assert not {"rounding", "changes"} & set(says.split())
