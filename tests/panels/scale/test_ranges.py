"""A kind of change over its range: what the panels say of each variant is what the variant gives; what is not there yet
is told as that; a dot opens the variant that it stands for."""

import math
from dataclasses import replace

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.trace import Trace
from anatomy.variants import read
from anatomy.view import DEFAULT_TEXT, Fitted, View
from models.local.load import variant
from panels import load
from panels.panel import Panel
from panels.scale.ranged import Measured, Ranged
from panels.scale.ranges import APART, every
from tests import once
from tests.models.real import real_engine
from tests.models.tiny import MODELS, tiny_engine
from tests.panels.scale.ranged import KINDS, a_range, a_spec, whole_range, with_found
from tests.snapshot import described
from viz.description import Plotted

CHARTS = [(name, shown) for name in KINDS for shown in load()[name].controls[0].options]
STEADY = [(name, shown) for name, shown in CHARTS if shown != "seconds"]  # what is timed is never the same
TEXT = "the cat, the café sat"


def chart(panel: Panel, shown: str, kind: str = "llama", text: str = TEXT) -> tuple[Trace, Fitted]:
    """A whole range of a tiny model."""
    engine = tiny_engine(kind)
    view = View(panel=panel.id, text=text, settings=((panel.controls[0].name, shown),))
    run = view.run(engine.spec)
    fitted = view.fit(engine.spec, engine.run(run).tokens)
    return engine.run(run, [*panel.needs(engine.spec, fitted), *panel.later(engine.spec, fitted)]), fitted


def values(ranged: Ranged) -> dict[str, float]:
    return {of: ranged.value(of) for of in ranged.every}


@pytest.mark.parametrize(
    ("name", "shown", "headless"),
    [
        *((name, shown, False) for name, shown in CHARTS),
        ("quantization", "distance", True),
        ("quantization", "parts", True),
    ],
)
def test_the_picture_caption_table_and_formula(name, shown, headless, picture):
    panel, ranged = load()[name], whole_range(name, shown, headless)
    drawn = panel.draw(ranged)
    assert isinstance(drawn, Plotted)
    told = {"says": panel.caption(ranged), "table": panel.table(ranged), "formula": panel.formula(ranged)}
    assert {"figure": described(drawn.drawn())} | told == picture


@pytest.mark.parametrize(("name", "shown"), CHARTS)
def test_the_printed_program_gives_the_same_numbers(name, shown, program):
    same_by_program(name, shown, "llama", program)


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "llama"])
@pytest.mark.parametrize(("name", "shown"), [("quantization", "parts"), ("pruning", "bytes"), ("precision", "layers")])
def test_the_printed_program_does_of_every_family(name, shown, kind, program):
    same_by_program(name, shown, kind, program)


@pytest.mark.wide
@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "llama"])
@pytest.mark.parametrize(("name", "shown"), CHARTS)
def test_the_printed_program_does_of_every_family_and_chart(name, shown, kind, program):
    same_by_program(name, shown, kind, program)


def same_by_program(name, shown, kind, program):
    panel = load()[name]
    trace, view = chart(panel, shown, kind)
    ranged = panel.read(trace, view)
    result = program(panel, trace, view, kind)
    assert list(result) == list(ranged.every)
    if ranged.shown == "seconds":
        assert all(0 < seconds < 60 for seconds in [*result.values(), *values(ranged).values()])
    elif ranged.shown == "layers":
        for of, distances in result.items():
            np.testing.assert_allclose(ranged.found[of].distance.mean(axis=1), distances, rtol=2e-3, atol=1e-7)
    else:
        assert result == pytest.approx(values(ranged), rel=2e-3, abs=1e-7)


def test_every_number_is_a_mean_over_the_text():
    ranged = with_found(
        replace(a_range("quantization", np.random.default_rng(0)), shown="loss"),
        {
            "3bit": Measured(
                kl=np.array([0.0, 1.0, 2.0, 5.0]),
                losses=np.array([np.nan, 1.0, 2.0, 6.0]),
                ids=np.array([0, 9, 2, 9]),
                distance=np.array([[1.0] * 4, [0.0, 0.0, 0.0, 2.0], [0.1, 0.2, 0.3, 0.4]]),
                seconds=np.array([0.2, 0.4]),
            )
        },
        {"3bit": ("<0>", "<9>", "<2>", "<9>")},
    )
    assert ranged.value("3bit", "loss") == pytest.approx(3.0)
    assert ranged.value("3bit", "kl") == pytest.approx(2.0)
    assert ranged.value("3bit", "flips") == pytest.approx(0.5)
    assert ranged.value("3bit", "distance") == pytest.approx(0.25)
    assert ranged.value("3bit", "seconds") == pytest.approx(0.1)
    assert ranged.own_seconds == pytest.approx(0.05)
    assert [(flip.pos, flip.after, flip.before, flip.now) for flip in ranged.flipped("3bit")] == [
        (1, "b", "<1>", "<9>"),
        (3, "d", "<3>", "<9>"),
    ]
    assert math.isnan(ranged.value("2bit", "loss"))
    assert ranged.coming == len(ranged.every) - 1


def test_a_file_takes_the_bits_and_what_tells_their_levels():
    ranged = a_range("quantization", np.random.default_rng(0))
    given = replace(ranged, spec=a_spec())
    sizes = [given.file_bytes(of) for of in given.kind.ways[0].of]
    assert sizes == sorted(sizes, reverse=True)
    around = [given.file_bytes(of) for of in given.kind.ways[1].of]
    assert all(smaller < larger for smaller, larger in zip(around, sizes, strict=True))
    assert given.held_bytes("2bit") == given.held_bytes("") == 4 * given.spec.weights.parameters
    assert given.held_bytes("bf16") == 2 * given.spec.weights.parameters


@pytest.mark.parametrize(("name", "shown"), STEADY)
def test_each_mark_opens_the_variant_it_stands_for(name, shown):
    panel = load()[name]
    trace, view = chart(panel, shown)
    drawn = once.described(panel, trace, view)
    assert isinstance(drawn, Plotted)
    figure = drawn.drawn()
    opened = {
        drawn.opened(i, point)
        for i, each in enumerate(figure.data)
        for point in range(len(each.x if each.x is not None else ()))
    }
    assert opened - {None} == set(panel.read(trace, view).every)
    assert drawn.chooses
    assert not drawn.minus(drawn).chooses


@pytest.mark.parametrize("name", KINDS)
def test_a_range_is_drawn_as_far_as_it_is_there(name):
    panel = load()[name]
    control = panel.controls[0]
    trace, view = chart(panel, control.options[0])
    wants = panel.later(trace.spec, view)
    first = dict.fromkeys(want.of for want in wants)
    few = [want for want in wants if want.of == next(iter(first))]
    held = {want: trace[want] for want in (*panel.needs(trace.spec, view), *few)}
    part = Trace(trace.run, trace.spec, trace.tokens, held, trace.names)
    assert f"{len(first) - 1} variant" in once.caption(panel, part, view)
    listed = [row[0] for row in once.table(panel, part, view).rows]
    assert listed == ["as it is", next(iter(first))]
    assert np.isfinite(once.described(panel, part, view).numbers()).any()
    own = {want: trace[want] for want in panel.needs(trace.spec, view)}
    none = Trace(trace.run, trace.spec, trace.tokens, own, trace.names)
    assert f"{len(first)} variants" in once.caption(panel, none, view)
    assert not np.isfinite(once.described(panel, none, view).numbers()).any()


@pytest.mark.parametrize(("name", "shown"), CHARTS)
def test_every_chart_is_drawn_while_variants_are_still_to_come(name, shown):
    """None is there yet, then the first: the page draws what there is, beside another run's too."""
    panel = load()[name]
    trace, view = chart(panel, shown)
    wants = panel.later(trace.spec, view)
    first = [want for want in wants if want.of == wants[0].of]
    for few in ([], first):
        held = {want: trace[want] for want in (*panel.needs(trace.spec, view), *few)}
        part = Trace(trace.run, trace.spec, trace.tokens, held, trace.names)
        drawn = once.described(panel, part, view)
        assert isinstance(drawn, Plotted)
        shown_there = sum(np.isfinite(np.asarray(each.y, float)).sum() for each in drawn.plotly().data)
        assert bool(shown_there) == bool(np.isfinite(drawn.numbers()).any())
        assert once.caption(panel, part, view)
        assert once.formula(panel, part, view)


@pytest.mark.parametrize("name", KINDS)
def test_a_variant_of_the_range_has_none_of_its_own(name):
    panel, engine = load()[name], tiny_engine("llama")
    for of in every(KINDS[name]):
        reason = panel.closed(variant(engine, read(f"m~{of}")[1]).spec)
        assert reason is not None
        assert "a point of this range" in reason
    other = {"quantization": "prune=0.5", "pruning": "3bit", "precision": "3bit"}[name]
    assert panel.closed(variant(engine, read(f"m~{other}")[1]).spec) is None


@pytest.mark.parametrize("name", ["quantization", "pruning"])
def test_one_token_has_no_loss_and_a_model_without_predictions_has_distances(name):
    panel = load()[name]
    trace, view = chart(panel, "loss", text="a")
    assert panel.read(trace, view).shown == "kl"
    assert "loss" not in panel.fitted(trace.spec, view)[0].options
    trace, view = chart(panel, "loss", "bert-headless")
    ranged = panel.read(trace, view)
    assert ranged.shown == "distance"
    assert panel.fitted(trace.spec, view)[0].options == ("distance", "parts", "bytes", "seconds")
    assert all(0 <= value < math.inf for value in values(ranged).values())


def test_parts_are_altered_by_themselves():
    panel = load()["quantization"]
    trace, view = chart(panel, "parts")
    ranged = panel.read(trace, view)
    everywhere, attention, ffn = ranged.ways
    assert all(ranged.value(of) >= 0 for of in ranged.every)
    assert len({ranged.value(way.of[-1]) for way in (everywhere, attention, ffn)}) == 3


def test_nothing_pruned_is_nothing_changed():
    panel = load()["pruning"]
    trace, view = chart(panel, "kl")
    ranged = panel.read(trace, view)
    assert ranged.value("prune=0") == 0.0
    assert ranged.unchanged("prune=0")
    assert not ranged.unchanged("prune=0.5")


@pytest.mark.real
def test_the_default_model_is_on_four_bits_already_and_lost_at_two():
    engine = real_engine("smollm2-135m")
    panel = load()["quantization"]
    run = View().run(engine.spec)
    ofs = ("4bit", "3bit", "2bit")
    wants = [Want(site, of=of) for of in ofs for site in APART]
    view = View(panel="quantization").fit(engine.spec, engine.run(run).tokens)
    ranged = panel.read(engine.run(run, [*panel.needs(engine.spec, view), *wants]), view)
    assert run.text == DEFAULT_TEXT
    assert ranged.unchanged("4bit")
    assert ranged.whole == pytest.approx(2.253, abs=0.01)
    assert ranged.value("4bit") == pytest.approx(ranged.whole, abs=1e-3)
    assert ranged.value("3bit") == pytest.approx(3.77, abs=0.1)
    assert ranged.value("2bit") > ranged.blind
    assert ranged.value("3bit", "kl") == pytest.approx(2.16, abs=0.1)
