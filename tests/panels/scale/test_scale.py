"""The loaded model beside Llama 3.1: its parameters are counted, the others' are those that were published."""

from dataclasses import replace

import numpy as np
import pytest

from anatomy.costs import LONG, SHORT, configuration
from anatomy.published import LLAMA_31
from anatomy.spec import Stack
from anatomy.trace import Trace
from panels.scale.compared import models
from panels.scale.scale import CHARTED, PANEL
from tests import once
from tests.anatomy.spec import spec
from tests.models.tiny import MODELS, tiny_engine
from tests.snapshot import described


def column(trace, view, name: str) -> dict[str, int]:
    """The table's figures of one model, by quantity."""
    table = once.table(PANEL, trace, view)
    place = table.columns.index(name)
    return {row[0]: row[place] for row in table.rows}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("charted", CHARTED.options)
def test_the_picture_caption_and_formula_of_every_family(kind, charted, answered, picture):
    trace, view = answered(PANEL, kind, settings=(("charted", charted),))
    told = {"says": once.caption(PANEL, trace, view), "formula": once.formula(PANEL, trace, view)}
    assert {"figure": described(once.figure(PANEL, trace, view))} | told == picture


@pytest.mark.parametrize("kind", MODELS)
def test_the_table_of_every_family(kind, answered, picture):
    assert once.table(PANEL, *answered(PANEL, kind)) == picture


@pytest.mark.parametrize("kind", MODELS)
def test_the_printed_program_counts_the_same_parts(kind, answered, program):
    trace, view = answered(PANEL, kind)
    found = models(trace.spec)[0].groups
    assert program(PANEL, trace, view, kind) == {group: count for group, count in found.items() if count}


@pytest.mark.parametrize("kind", MODELS)
def test_the_parts_sum_to_the_count_of_the_loaded_model(kind, answered):
    trace, view = answered(PANEL, kind)
    own = models(trace.spec)[0]
    assert sum(own.parts.values()) == sum(own.groups.values()) == trace.spec.weights.parameters
    assert column(trace, view, own.name)["parameters as counted or published"] == trace.spec.weights.parameters


def test_each_bar_is_cut_into_shares_of_the_whole(answered):
    figure = once.figure(PANEL, *answered(PANEL))
    assert np.sum([part.x for part in figure.data], axis=0) == pytest.approx([100] * 4)


def test_the_chart_has_the_tables_numbers(answered):
    trace, view = answered(PANEL, settings=(("charted", "cache"),))
    short, long, full = once.figure(PANEL, trace, view).data
    for i, model in enumerate(models(trace.spec)):
        figures = column(trace, view, model.name)
        assert short.x[i] == figures["cache of 8,192 tokens, bfloat16 (bytes)"]
        assert long.x[i] == figures["cache of 131,072 tokens, bfloat16 (bytes)"]
        assert full.x[i] == figures["cache of 131,072 tokens with one key/value head per query head (bytes)"]


def test_grouped_queries_spare_the_published_cache(answered):
    _own, *published = models(answered(PANEL)[0].spec)
    for size, model in zip(LLAMA_31, published, strict=True):
        ratio = size.configuration.n_heads // size.configuration.n_kv
        assert model.cache(LONG, full=True) == ratio * model.cache(LONG) == ratio * 16 * model.cache(SHORT)


def test_a_bidirectional_model_keeps_no_cache_and_says_so(answered):
    trace, view = answered(PANEL, "bert", settings=(("charted", "cache"),))
    assert "keeps no keys and values" in once.caption(PANEL, trace, view)
    assert once.figure(PANEL, trace, view).layout.yaxis.ticktext[0] == "tiny-bert<br>none"
    assert column(trace, view, "tiny-bert")["cache of 8,192 tokens, bfloat16 (bytes)"] is None


def test_what_is_beyond_the_longest_text_is_said_to_be(answered):
    trace, view = answered(PANEL, settings=(("charted", "arithmetic"),))
    assert "Its longest text has 64 tokens" in once.caption(PANEL, trace, view)
    long = replace(trace.spec, max_pos=LONG)
    assert "longest" not in once.caption(PANEL, Trace(trace.run, long, trace.tokens, {}), view)


def test_parts_that_no_formula_covers_are_said_to_be_there(answered):
    assert "the other 64 are in parts that these formulas do not cover" in once.formula(PANEL, *answered(PANEL, "bert"))
    assert "difference 0" in once.formula(PANEL, *answered(PANEL, "gpt2"))


def test_an_untied_output_is_counted_apart():
    model = spec(tied=False, weights=replace(spec().weights, parameters=10_000))
    assert models(model)[0].groups["output"] == configuration(model).vocab * 8


def test_two_stacks_are_not_compared():
    assert "an encoder and a decoder" in PANEL.applies(spec(stacks=(Stack("enc", 2, False), Stack("dec", 2, True))))
    assert PANEL.applies(tiny_engine("llama").spec) is None


@pytest.mark.real
def test_the_default_model_has_the_parameters_that_its_configuration_says(really_answered):
    trace, view = really_answered(PANEL)
    assert "together: 134,515,008 computed, 134,515,008 counted in the loaded model" in once.formula(PANEL, trace, view)
    assert "21 % of them in the embedding" in once.caption(PANEL, trace, view)
