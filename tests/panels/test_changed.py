"""Every panel on a run in which something is changed: beside the same run without it there is a difference, or a reason
why there is none; a change that changes nothing differs by exactly 0. No sentence claims an identity that a change
breaks: it names the change instead."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from anatomy.alignment import identity
from anatomy.control import Place, Slider, Switch, written
from anatomy.interventions import Change
from anatomy.request import Intervention, Run, Want
from anatomy.shuffled import row_of
from anatomy.view import View
from models.local.engine import LocalEngine
from panels.answer import PanelAnswer
from panels.beside import BesideAnswer
from panels.common import requires
from panels.panel import Panel
from tests.models.tiny import new_tiny_engine, tiny_engine
from tests.panels.test_beside import CASES, KINDS, PAGE, TEXT
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
    Intervention("ffn_out", "dropout", amount=0.0, seed=3),
    Intervention("resid_post", "scale", 2, amount=1.0),
)
# One change at a time, of everything that stands between two numbers that captions hold against each other.
ONES = {
    "plain": (),
    "weights below 0": (Intervention("pattern", "scale", 1, amount=-1.0),),
    "weights doubled": (Intervention("pattern", "scale", 1, amount=2.0),),
    "noise on weights": (Intervention("pattern", "noise", 1, amount=0.5),),
    "no weights": (Intervention("pattern", "zero", 1),),
    "no head output": (Intervention("z", "zero", 1),),
    "keys with noise": (Intervention("k", "noise", 1, amount=0.5),),
    "queries doubled": (Intervention("q", "scale", 1, amount=2.0),),
    "neurons with noise": (Intervention("act", "noise", 1, amount=0.5),),
    "attention patched": (Intervention("attn_out", "patch", 1, sources=(DOG,)),),
    "noise on the FFN": (Intervention("ffn_out", "noise", 1, amount=0.5),),
    "noise between": (Intervention("resid_mid", "noise", 1, amount=0.5),),
    "streams their mean": (Intervention("resid_post", "mean", 1),),
    "streams 0": (Intervention("resid_post", "zero", 1),),
    "at position 0": (Intervention("positions", "zero"),),
    "9 further on": (Intervention("positions", "add", amount=9.0),),
    "many": MANY,
    "dropout of weights": (Intervention("pattern", "dropout", 1, amount=0.5, seed=2),),
    "dropout of the heads": (Intervention("z", "dropout", 1, amount=0.5, seed=2),),
    "dropout of what is written": tuple(
        Intervention(site, "dropout", amount=0.3, seed=2) for site in ("attn_out", "ffn_out")
    ),
    "dropout of the stream": (Intervention("resid_mid", "dropout", 1, amount=0.5, seed=2),),
    "dropout as in training": tuple(
        Intervention(site, "dropout", amount=0.1, seed=2) for site in ("pattern", "act", "attn_out", "ffn_out")
    ),
    "no dropout": (Intervention("ffn_out", "dropout", amount=0.0, seed=2),),
    "no mask": (Intervention("mask", "drop"),),
    "no norm of attention": (Intervention("attn_norm", "drop", 1),),
    "no norm of attention at all": (Intervention("attn_norm", "drop"),),
    "no norm of the FFN": (Intervention("ffn_norm", "drop", 1),),
    "no norm of the FFN at all": (Intervention("ffn_norm", "drop"),),
    "no final norm": (Intervention("final_norm", "drop"),),
    "no skip of attention": (Intervention("attn_skip", "drop", 1),),
    "no skip of attention at all": (Intervention("attn_skip", "drop"),),
    "no skip of the FFN": (Intervention("ffn_skip", "drop", 1),),
    "no skip of the FFN at all": (Intervention("ffn_skip", "drop"),),
    "a layer left out": (Intervention("layer", "drop", 1),),
    "layers swapped": (Intervention("layer", "swap", 1, other=2),),
    "rows shuffled": (Intervention("embedding", "shuffle", seed=3),),
    "heads averaged": (Intervention("pattern", "average", 1),),
    "heads of one key averaged": (Intervention("pattern", "average", 1, kv=0),),
    "heads averaged everywhere": (Intervention("pattern", "average"),),
    "a broken architecture": (
        Intervention("mask", "drop"),
        Intervention("attn_norm", "drop"),
        Intervention("layer", "swap", 0, other=1),
        Intervention("ffn_skip", "drop", 1),
        Intervention("layer", "drop", 2),
        Intervention("pattern", "average", 1),
        Intervention("final_norm", "drop"),
        Intervention("embedding", "shuffle", seed=3),
    ),
}
CAUSAL = ("no mask", "a broken architecture")  # what a model has not that sees the whole text as it is
LESSER = {
    "dropout of the heads",
    "dropout of the stream",
    "no dropout",
    "no norm of attention at all",
    "no norm of the FFN",
    "no norm of the FFN at all",
    "no skip of attention",
    "no skip of the FFN",
    "no skip of the FFN at all",
    "heads of one key averaged",
    "heads averaged everywhere",
}
WITHOUT = {  # what kinds of model do not allow
    "bert": (*CAUSAL, "no final norm", "heads of one key averaged"),
    "gpt2": ("heads of one key averaged",),
    "t5": (*CAUSAL, "at position 0", "9 further on", "no final norm", "heads of one key averaged"),
}
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


def variants(panel: Panel) -> Iterator[tuple[tuple[str, str], ...]]:
    """The panel as it opens, then with each of its controls moved to each of its options."""
    yield ()
    for control in panel.controls:
        if isinstance(control, Slider):
            values = (control.low, control.low + control.step * round((control.high - control.low) / control.step / 2))
        elif isinstance(control, Switch):
            values = (False, True)
        else:
            values = () if isinstance(control, Place) else control.options
        yield from (((control.name, written(value)),) for value in values)


def texts(panel: Panel, kind: str, name: str) -> Iterator[str]:
    """Caption, lines of the formula and note of the table, of every variant of a panel."""
    engine = engine_of(kind, name)
    for settings in variants(panel):
        changes = tuple(map(Change, ONES[name]))
        view = View(text=TEXT, layer=1, head=1, settings=settings, changes=changes)
        view = view.second if changes else view.alone
        run = view.run(engine.spec)
        fitted = view.fit(engine.spec, engine.run(run).tokens)
        wants = (*panel.needs(engine.spec, fitted), *panel.later(engine.spec, fitted))
        answer = PanelAnswer.of(panel, engine.run(run, wants), fitted)
        yield from (answer.caption, *answer.formula.splitlines(), answer.table.note or "")


@cache
def engine_of(kind: str, name: str) -> LocalEngine:
    """An engine of its own for each change, so that what it keeps of one run serves all panels."""
    return new_tiny_engine(kind)


_OF_A_CHANGE = re.compile(r"changes? of (this|the) run|(changed|left out) in this run|this run's changes")
_DIFFERENCE = re.compile(r"difference(?! enters)[^.;]*?(below|[−∞\d][\d.,·⁻⁰-⁹]*)")


def false_claims(text: str) -> list[str]:
    """Sentences that tell of a difference above rounding, and of no change that makes it."""
    return [
        sentence
        for sentence in re.split(r"(?<=[.]) (?=[A-Z])", text)
        if not _OF_A_CHANGE.search(sentence)
        and any(found[1] not in ("below", "0") for found in _DIFFERENCE.finditer(sentence))
    ]


def test_the_check_finds_what_claims_too_much():
    claim = "The sum is what the FFN adds to the stream (length 3.20; difference {gap})."
    assert false_claims(claim.format(gap="2.8")) == [claim.format(gap="2.8")]
    assert false_claims(claim.format(gap="below 10⁻⁵")) == false_claims(claim.format(gap="0")) == []
    assert false_claims("A change of this run comes after that: it is not its z (largest difference 1.3).") == []


def swept() -> Iterator[Any]:
    """Each change in each kind of model that allows it; the lesser ones where all tests run."""
    for kind in KINDS:
        for name in ONES:
            if name not in WITHOUT.get(kind, ()):
                marks = [pytest.mark.wide] if name in LESSER else []
                yield pytest.param(kind, name, id=f"{kind}-{name}", marks=marks)


@pytest.mark.parametrize(("kind", "name"), list(swept()))
def test_no_sentence_of_a_changed_run_claims_an_identity_that_is_broken(kind, name):
    for panel in {panel.id: panel for panel, each in CASES if each == kind}.values():
        for text in texts(panel, kind, name):
            assert false_claims(text) == [], f"{panel.id}: {text}"
            assert not re.search(r"\bnan\b", text, re.IGNORECASE), f"{panel.id}: {text}"


BROKEN = [
    ("cell", "weights below 0", "attention weights × −1): weight × value, summed over the row, is not its z"),
    ("cell", "no head output", "head output (z) set to 0): weight × value, summed over the row, is not its z"),
    ("attention", "weights doubled", "attention weights × 2), and the weight is"),
    ("attention", "no head output", "head output (z) set to 0): they are not its z"),
    ("neurons", "noise on the FFN", "makes of all neurons is not what is added to the stream"),
    ("neurons", "neurons with noise", "over all 48 neurons, largest difference"),
    ("neurons", "streams their mean", "stream leaving the layer replaced by the mean over the text"),
    ("promoted", "streams 0", "nothing that a neuron writes goes into the stream"),
    ("rotation", "queries doubled", "comes after the turn (layer 1: queries × 2): by the turn alone q·k is"),
    ("rotation", "at position 0", "at position 0 by 0°"),
    ("rotation", "9 further on", "at position 30 by"),
    ("distance", "keys with noise", "by the turn alone. A change of the run comes after it (layer 1: keys + noise"),
    ("distance", "at position 0", "In this run they stand 0 positions apart"),
    ("attribution", "attention patched", "puts in (layer 1: what attention writes taken from"),
    ("balance", "streams 0", "and that is 0"),
    ("arcs", "weights below 0", "has no ribbon: no token gets a weight above 0"),
    ("bertviz", "weights below 0", "no token gives another a weight above 0"),
    ("arcs", "weights doubled", "comes after the softmax (layer 1: attention weights × 2)"),
    ("bertviz", "noise on weights", "comes after the softmax (layer 1: attention weights + noise"),
    ("cache", "weights doubled", "none can be computed alone over the cache"),
    ("cache", "no mask", "none can be computed alone over the cache"),
    ("surprisal", "no mask", "With itself in sight, “t” had a probability of"),
    ("surprisal", "no mask", "p(token | the whole text, itself among it)"),
    ("surprisal", "no mask", "what follows one is in sight where it is predicted"),
    ("passage", "no mask", "what follows one is in sight where it is predicted"),
    (
        "normalization",
        "no norm of attention",
        "is left out in this run (layer 1: norm of attention left out): attention",
    ),
    ("normalization", "no norm of the FFN at all", "over all 32 numbers, largest difference"),
    ("normalization", "no skip of attention", "the stream itself ends here, as the skip connection around attention"),
    ("lens", "no final norm", "p = softmax(head(stream))"),
    ("lens", "no final norm", "reads every stream with the head, which was trained"),
    ("settling", "no final norm", "reads every stream with the head, which was trained"),
    ("attribution", "no final norm", "The final norm is left out in this run: the output layer reads the stream"),
    ("attribution", "no final norm", "nothing is divided, and there is no gain"),
    ("promoted", "no final norm", "as the final norm is left out in this run"),
    ("writes", "no skip of attention", "what the stream brought is taken off in attention's write"),
    ("directions", "no skip of the FFN at all", "what the stream brought is taken off in the FFN's write"),
    ("writes", "a layer left out", "neither attention nor the FFN adds anything to “t”"),
    (
        "directions",
        "a layer left out",
        "attention writes nothing to “t”, which has no direction. The FFN writes nothing",
    ),
    ("neurons", "a layer left out", "only what it lets through is added to the stream (length 0; difference 0)"),
    ("attention", "a layer left out", "Layer 1 is left out in this run: what its parts compute is not written"),
    ("neurons", "layers swapped", "in this run layer 2 runs as layer 1, layer 1 runs as layer 2"),
    ("row", "rows shuffled", "but there “t” keeps row 116, its own"),
    ("embedding", "rows shuffled", "“t” is given row"),
    ("similarity", "rows shuffled", "what is called a token's row here is the one that it is given"),
    ("contexts", "rows shuffled", "what is called a token's row here is the one that it is given"),
    ("arcs", "dropout of weights", "comes after the softmax (layer 1: attention weights with dropout 0.5, seed 2)"),
    ("bertviz", "dropout of weights", "comes after the softmax (layer 1: attention weights with dropout 0.5"),
    ("neurons", "dropout of what is written", "makes of all neurons is not what is added to the stream"),
    (
        "promoted",
        "dropout of what is written",
        "What each neuron writes is counted as it is before dropout (every layer:",
    ),
    (
        "attention",
        "dropout of the heads",
        "What each head writes is counted as it is before dropout (layer 1: head out",
    ),
    ("attention", "dropout of the stream", "What each head writes is counted as it is before dropout (layer 1: stream"),
    ("attention", "dropout of what is written", "before dropout (every layer: what attention writes with dropout 0.3"),
    ("passage", "dropout of what is written", "before dropout (every layer: what attention writes with dropout 0.3"),
    (
        "attribution",
        "dropout of what is written",
        "what a change of this run puts in (every layer: what attention writes",
    ),
    ("cache", "dropout of what is written", "none can be computed alone over the cache"),
    ("heads", "heads averaged", "is the same for each of them (layer 1: attention weights averaged over the heads)"),
    ("attention", "heads averaged everywhere", "is the same for each of them (every layer: attention weights averaged"),
]


@pytest.mark.parametrize(("panel", "name", "said"), BROKEN, ids=[f"{panel}-{name}" for panel, name, _said in BROKEN])
def test_a_sentence_names_the_change_that_breaks_an_identity(panel, name, said):
    (found,) = (each for each, kind in CASES if each.id == panel and kind == "llama")
    assert any(said in text for text in texts(found, "llama", name))
    assert not any(said in text for text in texts(found, "llama", "plain"))


def test_of_a_norm_after_the_sum_what_it_gives_is_told_apart_from_what_goes_on():
    for panel, said in (("balance", "is not the stream that follows"), ("normalization", "from what goes on")):
        (found,) = (each for each, kind in CASES if each.id == panel and kind == "bert")
        assert any(said in text for text in texts(found, "bert", "noise between"))


FOLLOWS_A_SUM = [
    (
        "balance",
        "no norm of attention",
        "at the norm or after it (layer 1: norm of attention left out): norm(stream + ",
    ),
    ("balance", "no skip of attention", "the norm there reads the write alone, and what it gives is the stream that"),
    ("balance", "no skip of attention", "after attention = norm(attention)"),
    ("balance", "no skip of the FFN at all", "after the FFN = norm(FFN)"),
    ("balance", "a layer left out", "a change of this run comes at the norm or after it (layer 1: left out): norm("),
    ("normalization", "no skip of attention", "follows attention's write alone: the skip connection around attention"),
    ("normalization", "no norm of attention", "what it would read goes on as it is"),
    ("normalization", "a layer left out", "is left out in this run (layer 1: left out): what it would read goes on"),
]


@pytest.mark.parametrize(
    ("panel", "name", "said"), FOLLOWS_A_SUM, ids=[f"{panel}-{name}" for panel, name, _said in FOLLOWS_A_SUM]
)
def test_where_norms_follow_the_sums_the_change_is_named_too(panel, name, said):
    (found,) = (each for each, kind in CASES if each.id == panel and kind == "bert")
    assert any(said in text for text in texts(found, "bert", name))
    assert not any(said in text for text in texts(found, "bert", "plain"))


@pytest.mark.parametrize(
    ("panel", "name"), [("balance", "no skip of attention"), ("normalization", "no skip of the FFN")]
)
def test_a_norm_after_a_sum_that_is_the_write_alone_still_gives_what_goes_on(panel, name):
    """What the sentence says of the stream that follows holds to rounding."""
    (found,) = (each for each, kind in CASES if each.id == panel and kind == "bert")
    gaps = [gap[1] for text in texts(found, "bert", name) for gap in _DIFFERENCE.finditer(text)]
    assert gaps
    assert set(gaps) <= {"below", "0"}


def test_the_row_that_is_shown_is_the_one_that_the_token_is_given():
    engine = engine_of("llama", "rows shuffled")
    run = Run(engine.spec.id, TEXT, interventions=ONES["rows shuffled"])
    trace = engine.run(run, [Want("tok_embed")])
    token = trace.tokens[-1]
    given = row_of(run.interventions, token.id, engine.spec.vocab)
    plain = engine.run(engine.on_ids([given]), [Want("tok_embed")])
    assert plain.tokens[-1].id == given != token.id
    np.testing.assert_array_equal(trace[Want("tok_embed")][-1], plain[Want("tok_embed")][-1])


def of_panel(name: str) -> Panel:
    return next(panel for panel, kind in CASES if panel.id == name and kind == "llama")


def test_a_difference_of_cells_says_where_each_run_looks_if_that_is_not_the_same():
    shown = beside(of_panel("cell"), "llama", ONES["at position 0"] + ONES["rows shuffled"])
    a, b = (labels[each.reading.cell.src] for labels, each in zip(shown.labels, (shown.a, shown.b), strict=True))
    assert a != b
    assert f"A is about “{a}” and B about “{b}”" in shown.caption
    same = beside(of_panel("cell"), "llama", (Intervention("z", "zero", 1, head=2),))
    assert "is about" not in same.caption


def test_without_a_mask_the_difference_holds_what_the_mask_had_hidden():
    shown = beside(of_panel("attention"), "llama", ONES["no mask"])
    tokens = len(shown.labels[0])
    difference = shown.description.numbers().reshape(tokens, tokens)
    assert np.isfinite(difference).all()
    assert (difference[np.triu_indices(tokens, 1)] > 0).all()


def test_a_run_without_a_mask_keeps_no_keys_and_values_and_says_why():
    engine = engine_of("llama", "no mask")
    trace = engine.run(Run(engine.spec.id, TEXT, interventions=ONES["no mask"]))
    assert "This run leaves out the causal mask" in str(requires.cache(trace.spec))
    assert requires.cache(engine.spec) is None
    assert "both directions" in str(requires.cache(new_tiny_engine("bert").spec))


@pytest.mark.parametrize("heads", [False, True])
def test_averaged_heads_that_are_told_apart_again_are_not_called_the_same(heads):
    panel = of_panel("heads" if heads else "attention")
    again = (*ONES["heads averaged"], Intervention("pattern", "zero", 1, head=1))
    said = "is the same for each of them"
    assert said in beside(panel, "llama", ONES["heads averaged"]).b.caption
    assert said not in beside(panel, "llama", again).b.caption


def test_a_head_whose_input_is_changed_does_not_look_as_before():
    panel, off = of_panel("attention"), Intervention("z", "zero", 1, head=1)
    assert "looks there as before" in beside(panel, "llama", (off,)).b.caption
    for other in (*ONES["layers swapped"], Intervention("resid_post", "scale", 0, amount=2.0)):
        assert "looks there as before" not in beside(panel, "llama", (other, off)).b.caption
