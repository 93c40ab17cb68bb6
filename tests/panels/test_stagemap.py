"""The map: every stage has a box that says something true of this model and text, from its facts and numbers."""

from dataclasses import replace

import numpy as np
import pytest

import panels
from anatomy.request import Run, Want
from anatomy.spec import Ffn, LearnedPositions, Norm, RelativeBias, Rope, Stack
from anatomy.stages import STAGES
from anatomy.trace import Trace
from anatomy.view import Fitted, View
from panels.stagemap import Box, block, block_line, boxes, needs
from tests.anatomy.spec import SPEC, spec
from tests.models.tiny import MODELS, tiny_engine
from tests.panels.conftest import TEXT
from tests.panels.made import made

VIEW = Fitted(pos=1)


def lengths(first: float = 1.0, last: float = 1000.0):
    """norm_pre and norm_post of two tokens in three layers."""
    values = np.geomspace(first, last, 4)[:, None] * [1.0, 1.0]
    return {Want("norm_pre"): values[:3], Want("norm_post"): values[1:]}


def small(model=SPEC, **ends) -> Trace:
    arrays = lengths(**ends)
    if model.head:
        arrays |= {
            Want("lens_ids", pos=1): [[8, 9], [9, 8], [9, 8]],
            Want("next_ids", pos=1): [9, 8],
            Want("next_logp", pos=1): np.log([0.94, 0.03]),
        }
    return made("a b", arrays, model, {8: "eight", 9: "<nine>"})


def line(stage: str, model=SPEC, **ends) -> str:
    return next(box.line for box in boxes(small(model, **ends), VIEW) if box.stage == stage)


def traced(kind: str) -> tuple[Trace, Fitted]:
    engine = tiny_engine(kind)
    run = Run(engine.spec.id, TEXT)
    view = View(text=TEXT).fit(engine.spec, engine.run(run).tokens)
    return engine.run(run, needs(engine.spec, view)), view


@pytest.mark.parametrize("kind", MODELS)
def test_the_boxes_of_every_family(kind, picture):
    trace, view = traced(kind)
    found = boxes(trace, view)
    assert [(box.stage, box.number, box.title) for box in found] == [(s.id, s.number, s.title) for s in STAGES.values()]
    assert all(box.line for box in found)
    assert {"block": block(trace.spec), "boxes": found} == picture


@pytest.mark.parametrize("kind", MODELS)
def test_every_box_opens_a_panel_of_its_stage_that_applies_where_one_does(kind):
    trace, view = traced(kind)
    for box in boxes(trace, view):
        offered = panels.of_stage(box.stage)
        assert box.panel in {panel.id for panel in offered}
        chosen = panels.load()[box.panel]
        assert chosen.applies(trace.spec) is None or all(panel.applies(trace.spec) for panel in offered)


def test_a_box_is_plain_values():
    box = boxes(small(), VIEW)[0]
    assert box == Box("tokens", 1, "Tokens", "2 tokens · 1.00 per word", None, False, "tokens")


def test_the_embedding_says_whether_the_output_is_tied():
    assert line("embedding") == "2 × 8, tied with the output"
    assert line("embedding", spec(tied=False)) == "2 × 8, apart from the output"
    assert line("embedding", spec(head=None)) == "2 × 8"


@pytest.mark.parametrize(
    ("position", "text"),
    [
        (Rope(100_000.0, (1.0,)), "rotary, θ = 100,000"),
        (Rope(500_000.0, (1.0,), "llama3"), "rotary, θ = 500,000, rescaled"),
        (LearnedPositions(512), "learned, 512 rows"),
        (RelativeBias(32, 128, True), "bias by distance, 32 buckets"),
        (None, "none added, none rotated in"),
    ],
)
def test_positions_are_named_by_their_kind(position, text):
    assert line("position", spec(position=position)) == text


def test_shared_keys_and_values_are_counted():
    assert line("attention", spec(n_heads=9, n_kv=3)) == "9 query heads → 3 key/value heads"
    assert line("attention", spec(n_heads=12, n_kv=12)) == "12 heads"
    assert line("attention", spec(n_heads=8, n_kv=1)) == "8 query heads → 1 key/value head"


def test_the_ffn_is_named_by_its_parts():
    assert line("ffn", spec(d_ff=1536)) == "SwiGLU, 1,536 neurons"
    assert line("ffn", spec(ffn=Ffn(False, "gelu"), d_ff=3072)) == "GELU, 3,072 neurons"


def test_the_stream_is_measured_at_both_ends_with_a_small_line():
    box = next(box for box in boxes(small(), VIEW) if box.stage == "residual")
    assert box.line == "norm 1.0 → 1,000, log scale"
    assert box.spark == pytest.approx((0, 1, 2, 3))
    assert line("residual", first=44, last=1391) == "norm 44 → 1,391, log scale"
    assert all(other.spark is None for other in boxes(small(), VIEW) if other.stage != "residual")


def test_the_answer_is_named_with_its_layer_and_probability():
    assert line("stack") == "“<nine>” leads from layer 1"
    assert line("output") == "“<nine>” 94 %"


def test_the_whole_model_is_counted_and_weighed():
    weights = replace(SPEC.weights, parameters=134_515_008)
    assert line("scale", spec(weights=weights)) == "134.5 M parameters, 538 MB in float32"
    assert line("scale", spec(weights=weights, dtype="bfloat16")) == "134.5 M parameters, 269 MB in bfloat16"


def test_a_model_without_a_head_makes_no_promise():
    assert line("stack", spec(head=None)) == "3 layers"
    assert line("output", spec(head=None)) == "vectors, no predictions"
    assert {want.site for want in needs(spec(head=None), VIEW)} == {"norm_pre", "norm_post"}


def test_the_block_is_counted_and_its_norms_are_placed():
    assert block_line(spec(stacks=(Stack("dec", 30, True),))) == "one block, 30 times"
    assert block_line(spec(stacks=(Stack("dec", 1, True),))) == "one block, once"
    for place, before, after in (("pre", "RMSNorm", ""), ("post", "", "RMSNorm"), ("both", "RMSNorm", "RMSNorm")):
        found = block(spec(norm=Norm("rms", place, 1e-5)))
        assert (found.norm_before, found.norm_after) == (before, after)
    assert block(spec(norm=Norm("layer", "post", 1e-5))).norm_after == "LayerNorm"


def test_three_stages_stand_inside_of_the_block():
    assert [box.stage for box in boxes(small(), VIEW) if box.in_block] == ["position", "attention", "ffn"]
