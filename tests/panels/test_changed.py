"""Every panel on a run in which something is changed: beside the same run without it there is a difference, or a reason
why there is none; a change that changes nothing differs by exactly 0."""

import numpy as np
import pytest

from anatomy.alignment import identity
from anatomy.interventions import Change
from anatomy.request import Intervention, Run, Want
from anatomy.view import View
from panels.answer import PanelAnswer
from panels.beside import BesideAnswer
from panels.panel import Panel
from tests.models.tiny import new_tiny_engine, tiny_engine
from tests.panels.test_beside import CASES, PAGE, TEXT
from viz.change import changed
from viz.description import Description

DOG = Run("", "the dog, the café ran")
HEAD = (Intervention("z", "zero", 1, head=1),)
MANY = (
    Intervention("k", "scale", 0, amount=0.5, pos=2),
    Intervention("pattern", "mean", 0, head=0),
    Intervention("resid_post", "noise", 0, amount=0.5, seed=3),
    Intervention("pattern", "noise", 1, amount=0.5),
    Intervention("attn_out", "scale", 1, amount=-1.0, pos=4),
    Intervention("resid_mid", "patch", 1, sources=(DOG,), pos=5),
    Intervention("act", "mean", 1, neuron=3),
    Intervention("ffn_out", "add", 1, amount=2.0, sources=(DOG,)),
    Intervention("v", "patch", 2, sources=(DOG,)),
    Intervention("z", "mean", 2, head=2),
    Intervention("resid_post", "zero", 2, pos=0),
)
SAME = (
    Intervention("q", "scale", 0, amount=1.0),
    Intervention("pattern", "scale", 1, amount=1.0),
    Intervention("resid_mid", "patch", 1),  # out of the first run, which is the same
    Intervention("z", "patch", 2),
    Intervention("resid_post", "scale", 2, amount=1.0),
)
# Of another text's plane, and of figures that are pages, there is no difference.
NONE = {"bertviz": PAGE, "watched": "Nothing that the one figure shows"}


def beside(panel: Panel, kind: str, interventions: tuple[Intervention, ...]) -> BesideAnswer:
    """The panel on a run, and on the same with changes."""
    engine, fresh = tiny_engine(kind), new_tiny_engine(kind)
    view = View(text=TEXT, layer=1, head=1, changes=tuple(map(Change, interventions)))
    answers, cut = [], engine.run(view.run(engine.spec))
    for side, one in ((engine, view.alone), (fresh, view.second)):
        run = one.run(side.spec)
        fitted = one.fit(side.spec, side.run(run).tokens)
        wants = (*panel.needs(side.spec, fitted), *panel.later(side.spec, fitted))
        answers.append(PanelAnswer.of(panel, side.run(run, wants), fitted))
    a, b = answers
    return BesideAnswer(a, b, (cut.labels, cut.labels), identity(len(cut.tokens)), a.view)


@pytest.mark.parametrize("interventions", [HEAD, MANY], ids=["a head off", "many"])
@pytest.mark.parametrize(("panel", "kind"), CASES, ids=[f"{panel.id}-{kind}" for panel, kind in CASES])
def test_a_changed_run_has_a_difference_from_the_plain_one_or_a_reason(panel, kind, interventions):
    shown = beside(panel, kind, interventions)
    assert shown.b.caption
    assert shown.b.formula
    assert shown.b.table.rows
    difference = shown.difference
    if not isinstance(difference, Description):
        assert difference.sentence.startswith(NONE.get(panel.id, "?")), difference.sentence
        return
    says = changed(shown.a.description, shown.b.description, difference)
    assert says.endswith(".")


@pytest.mark.parametrize(("panel", "kind"), CASES, ids=[f"{panel.id}-{kind}" for panel, kind in CASES])
def test_what_changes_nothing_differs_by_exactly_0_on_the_same_path(panel, kind):
    difference = beside(panel, kind, SAME).difference
    if isinstance(difference, Description):
        assert not np.nan_to_num(difference.numbers()).any()
    else:
        assert difference.sentence.startswith(NONE.get(panel.id, "?")), difference.sentence


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mistral", "qwen2", "t5"])
def test_the_writes_of_a_changed_run_add_up_to_its_stream(kind):
    """What a change puts into the stream counts to the write before it."""
    engine = new_tiny_engine(kind)
    run = View(text=TEXT, changes=tuple(map(Change, MANY))).second.run(engine.spec)
    layers = range(engine.spec.layers)
    writes = [Want(site, layer) for layer in layers for site in ("attn_out", "ffn_out")]
    first, last = Want("resid_pre", 0), Want("resid_post", engine.spec.layers - 1)
    trace = engine.run(run, [first, last, *writes])
    total = trace[first].astype(np.float64) + sum(trace[want].astype(np.float64) for want in writes)
    np.testing.assert_allclose(total, trace[last], atol=1e-4 * np.abs(trace[last]).max())


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_parts_of_a_changed_run_add_up_to_its_logit(kind):
    engine = new_tiny_engine(kind)
    run = View(text=TEXT, changes=tuple(map(Change, MANY))).second.run(engine.spec)
    pos, token = 7, 65
    parts, logits = Want("dla_parts", pos=pos, token=token), Want("logits", pos=pos)
    trace = engine.run(run, [parts, logits])
    whole = float(trace[logits][token])
    np.testing.assert_allclose(trace[parts].sum(), whole, atol=1e-4 * max(1.0, np.abs(trace[parts]).sum()))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize(
    "one",
    [
        Intervention("z", "scale", 1, head=1, amount=-2.0),
        Intervention("attn_out", "scale", 1, amount=0.5, pos=7),
        Intervention("attn_out", "zero", 2),
        Intervention("pattern", "mean", 1),
        Intervention("v", "zero", 1, kv=0),
    ],
    ids=lambda one: f"{one.site}-{one.op}",
)
def test_what_tokens_bring_adds_up_to_what_heads_bring(kind, one):
    """Where a change only scales what is there, nothing comes from elsewhere."""
    engine = new_tiny_engine(kind)
    run = Run(engine.spec.id, TEXT, interventions=(one,))
    heads, sources = (Want(site, pos=7, token=65) for site in ("dla_heads", "dla_src"))
    trace = engine.run(run, [heads, sources])
    scale = np.abs(trace[heads]).sum() + np.abs(trace[sources]).sum()
    np.testing.assert_allclose(trace[heads].sum(), trace[sources].sum(), atol=1e-5 * scale)


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_a_key_value_head_reaches_exactly_its_query_heads(kind):
    engine = new_tiny_engine(kind)
    group = engine.spec.n_heads // engine.spec.n_kv
    source = Run(engine.spec.id, "a dog, a café at ")
    before = Run(engine.spec.id, TEXT)
    want = Want("z", 1)
    plain = engine.run(before, [want])[want]
    for site in ("k", "v", "z", "q", "pattern"):
        patched = engine.run(before.intervened(Intervention(site, "patch", 1, kv=1, sources=(source,))), [want])[want]
        other = np.abs(patched - plain).max((1, 2)) > 0
        assert other.tolist() == [head // group == 1 for head in range(engine.spec.n_heads)], site
