"""The loaded model beside Llama 3.1: its parameters are counted, the others' are those that were published."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from anatomy.costs import LONG, PRECISIONS, SHORT, configuration
from anatomy.published import LLAMA_31
from anatomy.spec import Stack
from anatomy.trace import Trace
from anatomy.variant_bytes import file_bytes
from anatomy.variants import read
from models.local.load import variant
from panels.scale.compared import models
from panels.scale.scale import CHARTED, PANEL
from tests import once
from tests.anatomy.spec import spec
from tests.models.tiny import MODELS, tiny_engine
from tests.snapshot import described
from viz.format import size


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
    for one, model in zip(LLAMA_31, published, strict=True):
        ratio = one.configuration.n_heads // one.configuration.n_kv
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


ALTERED = ("3bit", "int8=ffn", "prune=0.5,attention~4bit=sym,ffn", "3bit~prune=0.1", "shared=2~2bit")


def of_variant(answered, name: str, kind: str = "llama", charted: str = "weights"):
    """The panel's trace of a variant of a tiny model, which it needs no run of."""
    trace, view = answered(PANEL, kind, settings=(("charted", charted),))
    return Trace(trace.run, variant(tiny_engine(kind), read(f"m~{name}")[1]).spec, trace.tokens, {}), view


@pytest.mark.parametrize("name", ALTERED)
def test_the_picture_caption_and_formula_of_a_variant(name, answered, picture):
    trace, view = of_variant(answered, name)
    told = {"says": once.caption(PANEL, trace, view), "formula": once.formula(PANEL, trace, view)}
    assert {"figure": described(once.figure(PANEL, trace, view))} | told == picture


@pytest.mark.parametrize("name", ALTERED)
@pytest.mark.parametrize("kind", ["llama", "bert", "gpt2"])
def test_the_bytes_of_a_variant_are_the_same_in_figure_table_formula_and_caption(kind, name, answered):
    trace, view = of_variant(answered, name, kind)
    *_precisions, bars = once.figure(PANEL, trace, view).data
    said, formula = once.caption(PANEL, trace, view), once.formula(PANEL, trace, view)
    assert bars.name == "as altered, in a file"
    for i, model in enumerate(models(trace.spec)):
        expected = file_bytes(model.given, model.total, trace.spec.alterations)
        assert bars.x[i] == expected
        assert column(trace, view, model.name)["weights as altered, in a file (bytes)"] == expected
        assert f"/ 8 = {expected:,}" in formula
        assert size(expected) in said or i not in (0, 3)


@pytest.mark.parametrize("kind", ["llama", "bert"])
@pytest.mark.parametrize("name", [*ALTERED, "int8", "prune=0.3"])
def test_the_formula_of_a_variant_gives_what_it_says(kind, name, answered):
    """What stands in it, computed by hand; bits per weight stand there with twelve digits."""
    formula = once.formula(PANEL, *of_variant(answered, name, kind))
    sums = re.findall(r"as altered: \((.*)\) / 8 = (.*)", formula)
    assert len(sums) == 4
    for terms, total in sums:
        products = [
            math.prod(float(word.replace(",", "")) for word in term.split(" × ")) for term in terms.split(" + ")
        ]
        assert math.ceil(sum(products) / 8 - 1e-3) == pytest.approx(int(total.replace(",", "")), rel=1e-7, abs=1)


@pytest.mark.parametrize("name", ["untrained", "noskip", "bf16", "prune=0", "shared=1", "dropout=0.1"])
def test_of_a_variant_that_a_file_keeps_like_any_model_it_says_what_it_says_of_its_base(name, answered):
    plain, view = answered(PANEL, settings=(("charted", "weights"),))
    trace, _view = of_variant(answered, name)
    own, base = trace.spec.name, plain.spec.name
    assert once.caption(PANEL, trace, view).replace(own, base) == once.caption(PANEL, plain, view)
    assert str(once.table(PANEL, trace, view)).replace(own, base) == str(once.table(PANEL, plain, view))
    assert [bar.name for bar in once.figure(PANEL, trace, view).data] == list(PRECISIONS)


@pytest.mark.parametrize("charted", CHARTED.options)
def test_what_no_bytes_of_weights_are_is_said_of_a_variant_as_of_its_base(charted, answered):
    plain, view = answered(PANEL, settings=(("charted", charted),))
    trace, _view = of_variant(answered, "3bit", charted=charted)
    own, base = (once.caption(PANEL, *one).replace("~3bit", "") for one in ((trace, view), (plain, view)))
    assert (own == base) == (charted != "weights")


@pytest.mark.real
def test_the_default_model_has_the_parameters_that_its_configuration_says(really_answered):
    trace, view = really_answered(PANEL)
    assert "together: 134,515,008 computed, 134,515,008 counted in the loaded model" in once.formula(PANEL, trace, view)
    assert "21 % of them in the embedding" in once.caption(PANEL, trace, view)
