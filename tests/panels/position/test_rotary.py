"""The rotary panels: what they undo is the model's own projection, what they redo is the model's own score."""

import re

import numpy as np
import pytest
import torch

from anatomy.request import Want
from panels.position import distance, position_sizes, rotation, wavelengths
from panels.position.rotation import PAIR, SHIFT
from tests import once
from tests.alike import assert_rounding
from tests.models.tiny import MODELS, tiny_engine, tiny_model
from tests.panels.conftest import TEXT
from tests.snapshot import described

TURNING = ["llama", "mistral", "qwen2"]
LEARNED = ["gpt2", "bert"]
SHIFTED = (("pair", "3"), ("shift", "40"))


def shown(panel, trace, view) -> dict:
    return {"figure": described(once.figure(panel, trace, view)), "says": once.caption(panel, trace, view)} | {
        "table": once.table(panel, trace, view),
        "formula": once.formula(panel, trace, view),
    }


@pytest.mark.parametrize("kind", TURNING)
@pytest.mark.parametrize("settings", [(), SHIFTED], ids=["here", "shifted"])
def test_the_lab_of_every_rotary_family(kind, settings, answered, picture):
    trace, view = answered(rotation.PANEL, kind, settings=settings)
    assert shown(rotation.PANEL, trace, view) == picture


@pytest.mark.parametrize("panel", [distance.PANEL, wavelengths.PANEL], ids=lambda panel: panel.id)
@pytest.mark.parametrize("kind", ["llama", "mistral"])
def test_distance_and_wavelengths_of_rotary_families(panel, kind, answered, picture):
    trace, view = answered(panel, kind)
    assert shown(panel, trace, view) == picture


@pytest.mark.parametrize("kind", LEARNED)
def test_sizes_of_learned_rows(kind, answered, picture):
    trace, view = answered(position_sizes.PANEL, kind)
    assert shown(position_sizes.PANEL, trace, view) == picture


@pytest.mark.parametrize("kind", MODELS)
def test_a_panel_that_does_not_apply_says_why(kind):
    spec = tiny_engine(kind).spec
    reasons = [panel.PANEL.applies(spec) for panel in (rotation, distance, wavelengths, position_sizes)]
    assert [reason is None for reason in reasons] == [*[kind in TURNING] * 3, kind.startswith(("gpt2", "bert"))]
    assert all(reason.startswith("This model") and reason.endswith(".") for reason in reasons if reason)


@pytest.mark.parametrize("src", [None, 0, 5])
@pytest.mark.parametrize("settings", [(), SHIFTED], ids=["here", "shifted"])
def test_the_labs_program_finds_the_same_points(src, settings, answered, program):
    trace, view = answered(rotation.PANEL, settings=settings, src=src)
    found = program(rotation.PANEL, trace, view).numpy()
    given = rotation.read(trace, view)
    expected = [[pairs[given.pair] for pairs in (side.before, side.after)] for side in given.sides]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("settings", [(), (("reach", "far"),), (("first", "0"),)], ids=["near", "far", "without first"])
def test_the_program_finds_the_same_scores_by_distance(settings, answered, program):
    trace, view = answered(distance.PANEL, settings=settings)
    expected = distance.read(trace, view).scores
    np.testing.assert_allclose(program(distance.PANEL, trace, view).numpy(), expected, atol=1e-5)


def test_the_program_finds_the_wavelengths_with_the_librarys_own_rescaling(answered, program):
    trace, view = answered(wavelengths.PANEL)
    drawn = [np.asarray(line.y) for line in once.figure(wavelengths.PANEL, trace, view).data]
    for found, expected in zip(program(wavelengths.PANEL, trace, view), drawn, strict=True):
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", LEARNED)
def test_the_program_finds_the_same_sizes(kind, answered, program):
    trace, view = answered(position_sizes.PANEL, kind)
    found = program(position_sizes.PANEL, trace, view, kind).numpy()
    np.testing.assert_allclose(found, position_sizes.read(trace, view).norm, atol=1e-5)


def projected(kind: str, layer: int) -> dict[str, np.ndarray]:
    """What the plain model's own projections give before any turn: q [head pos d_head], k [kv src d_head]."""
    model, found = tiny_model(kind), {}
    attention = model.model.layers[layer].self_attn
    for name in ("q", "k"):
        attention.get_submodule(f"{name}_proj").register_forward_hook(
            lambda module, given, out, name=name: found.update({name: out[0]})
        )
    with torch.no_grad():
        model(torch.tensor([list(TEXT.encode())]))
    width = attention.head_dim
    return {name: out.view(len(out), -1, width).transpose(0, 1).numpy() for name, out in found.items()}


@pytest.mark.parametrize("kind", TURNING)
@pytest.mark.parametrize("src", [0, 9])
def test_what_the_lab_calls_before_the_turn_is_the_models_own_projection(kind, src, answered):
    trace, view = answered(rotation.PANEL, kind, src=src)
    query, key = rotation.read(trace, view).sides
    own = projected(kind, view.layer)
    np.testing.assert_allclose(query.plain, own["q"][view.head, view.pos], atol=2e-6)
    group = view.head // (trace.spec.n_heads // trace.spec.n_kv)
    np.testing.assert_allclose(key.plain, own["k"][group, src], atol=2e-6)


@pytest.mark.parametrize("kind", TURNING)
@pytest.mark.parametrize("shift", [0, 1, 500])
def test_moving_both_tokens_leaves_their_product(kind, shift, answered):
    trace, view = answered(rotation.PANEL, kind, settings=(("shift", str(shift)),))
    found, here = rotation.read(trace, view), rotation.read(*answered(rotation.PANEL, kind))
    assert found.moved == pytest.approx(here.moved, abs=1e-9)
    assert found.moved == pytest.approx(found.own, abs=1e-5)


def test_a_model_told_other_positions_attends_the_same():
    model = tiny_model("llama")
    ids = torch.tensor([list(TEXT.encode())])
    with torch.no_grad():
        here, further = (
            model(ids, position_ids=torch.arange(ids.shape[1])[None] + shift, output_attentions=True).attentions
            for shift in (0, 37)
        )
    assert max(float((a - b).abs().max()) for a, b in zip(here, further, strict=True)) < 1e-5


@pytest.mark.parametrize("kind", TURNING)
@pytest.mark.parametrize("src", [None, 18, 20])
def test_the_score_at_the_texts_own_distance_is_the_models(kind, src, answered):
    trace, view = answered(distance.PANEL, kind, src=src)
    found = distance.read(trace, view)
    assert found.here == pytest.approx(
        float(trace[Want("scores", view.layer)][view.head, view.pos, found.given.cell.src]), abs=1e-5
    )
    assert found.scores[found.distance] == pytest.approx(found.here)
    assert_rounding(re.search(r"difference (.+?)\)", once.caption(distance.PANEL, trace, view))[1])


@pytest.mark.real
@pytest.mark.parametrize("layer", [0, 15, 29])
def test_the_real_models_scores_follow_from_the_rotation_in_every_head(layer, really_answered):
    for head in range(9):
        trace, view = really_answered(distance.PANEL, layer=layer, head=head)
        assert distance.read(trace, view).off < 1e-4
        found = rotation.read(trace, view.with_setting(SHIFT, 500))
        assert found.moved == pytest.approx(found.own, abs=1e-5 * np.abs(found.given.products).sum())


def test_a_masked_key_has_no_score_to_compare_with(answered):
    trace, view = answered(distance.PANEL, pos=3, src=9)
    assert "masked for this query" in once.caption(distance.PANEL, trace, view)
    assert once.formula(distance.PANEL, trace, view).endswith("masked, −∞")
    assert len(once.figure(distance.PANEL, trace, view).data) == 1


def test_a_pair_beyond_the_models_last_shows_the_last(answered):
    trace, view = answered(rotation.PANEL)
    assert rotation.read(trace, view.with_setting(PAIR, 63)).pair == trace.spec.d_head // 2 - 1


def test_the_slider_moves_both_tokens(answered):
    trace, view = answered(rotation.PANEL, src=2)
    moved = rotation.read(trace, view.with_setting(SHIFT, 10))
    assert [side.position for side in moved.sides] == [view.pos + 10, 12]
    assert "10 tokens further on than in the text" in once.caption(rotation.PANEL, trace, view.with_setting(SHIFT, 10))


@pytest.mark.parametrize("panel", [rotation.PANEL, distance.PANEL, wavelengths.PANEL], ids=lambda panel: panel.id)
def test_one_token_is_enough(panel, answered):
    trace, view = answered(panel, text="a")
    assert once.figure(panel, trace, view).data
    assert once.caption(panel, trace, view)
    assert once.table(panel, trace, view).rows
