"""A logit shared out: it adds up to the library's own, heads to their attention; the caption names who pushed."""

import numpy as np
import pytest

from anatomy.request import Want, choice
from anatomy.view import Fitted
from panels.attribution import PANEL
from panels.shared_out import BY, RIVAL, shared_out
from tests.anatomy.spec import SPEC, spec
from tests.models.tiny import MODELS, tiny_engine
from tests.panels.conftest import TEXT
from tests.panels.made import made
from tests.snapshot import described
from viz.grid import Grid

VIEW = Fitted(layer=1, head=2, pos=1)
WITH_PARTS = [kind for kind in MODELS if not kind.startswith("bert")]
HEADS = VIEW.with_setting(BY, "heads")


def small(off: float = 0.0, rival: int | None = None, constant: float = 0.0, model=SPEC):
    """Embedding 0.5, attention 1, −2, 0.25, FFN 3, 0, 4 and a constant; head 0 of layer 0 adds 1.5, head 3 of layer 2
    takes off 2. Token 7 is the best, 3 and 9 follow."""
    parts = [0.5, 1.0, 3.0, -2.0, 0.0, 0.25, 4.0, constant]
    heads = np.zeros((3, 4))
    heads[0, 0], heads[2, 3], heads[1, 2] = 1.5, -2.0, 0.125
    logits = np.zeros(50)
    logits[7] = sum(parts) - off + (2.0 if rival else 0.0)
    logits[[3, 9]] = 2.0, 1.0
    asked = {"pos": 1, "token": choice(1), "against": rival and choice(rival)}
    arrays = {Want("dla_parts", **asked): parts, Want("dla_heads", **asked): heads, Want("logits", pos=1): logits}
    arrays |= {Want("next_ids", pos=1): [7, 3, 9], Want("resid_post", 2, pos=1): np.full(8, 2.0)}
    return made("a b", arrays, model, {7: "<7>", 3: "<3>", 9: "<9>"})


@pytest.mark.parametrize("kind", WITH_PARTS)
@pytest.mark.parametrize(
    "settings", [(), (("by", "heads"),), (("rival", "second"),)], ids=["parts", "heads", "against the second"]
)
def test_the_picture_caption_and_table_of_every_family(kind, settings, answered, picture):
    trace, view = answered(PANEL, kind, settings=settings)
    shown = {"figure": described(PANEL.draw(trace, view)), "says": PANEL.says(trace, view)}
    assert shown | {"table": PANEL.table(trace, view)} == picture


@pytest.mark.parametrize("kind", WITH_PARTS)
@pytest.mark.parametrize("rival", RIVAL.options)
def test_the_parts_add_up_to_the_models_own_logits(kind, rival, answered):
    found = shared_out(*answered(PANEL, kind, settings=(("rival", rival),)))
    assert found.off < 1e-5
    assert abs(found.writes).max() > 0.05


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2"])
def test_the_heads_of_a_layer_add_up_to_its_attention(kind, answered):
    found = shared_out(*answered(PANEL, kind))
    np.testing.assert_allclose(found.heads.sum(axis=1), found.writes[0], atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("rival", ["none", "third"])
def test_the_printed_program_finds_the_same_parts(kind, rival, answered, program):
    trace, view = answered(PANEL, kind, settings=(("rival", rival),))
    found = shared_out(trace, view)
    ours = [found.enters, *found.writes.T.ravel(), found.constants]
    np.testing.assert_allclose(program(PANEL, trace, view, kind), ours, atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_printed_program_finds_the_same_heads(kind, answered, program):
    trace, view = answered(PANEL, kind, settings=(("by", "heads"), ("rival", "second")))
    np.testing.assert_allclose(program(PANEL, trace, view, kind), shared_out(trace, view).heads, atol=1e-5)


def test_the_printed_program_goes_on_with_generated_tokens(answered, program):
    trace, view = answered(PANEL, tail=(200, 7))
    assert len(trace.tokens) == len(TEXT.encode()) + 2
    found = shared_out(trace, view)
    ours = [found.enters, *found.writes.T.ravel(), found.constants]
    np.testing.assert_allclose(program(PANEL, trace, view), ours, atol=1e-5)


@pytest.mark.parametrize(("kind", "reason"), [("bert", "normalizes after each sum"), ("bert-headless", "no output")])
def test_a_model_without_such_a_sum_says_why(kind, reason):
    assert reason in PANEL.applies(tiny_engine(kind).spec)
    assert all(PANEL.applies(tiny_engine(other).spec) is None for other in WITH_PARTS)


def test_the_caption_names_who_adds_and_who_takes_off():
    told = PANEL.says(small(), VIEW)
    assert told.startswith(
        "After “b” the best token, “<7>”, has the logit 6.75. The FFN in layer 2 adds 4.00, the most"
    )
    assert "attention in layer 1 takes off most (2.00)" in told
    assert "Embedding and 6 writes add up to 6.75, 0 from the model's own." in told
    assert told.endswith("The final norm's divisor is kept as it was in this run.")


def test_a_sum_that_is_off_is_said():
    assert "add up to 6.75, 0.50 from the model's own" in PANEL.says(small(off=0.5), VIEW)
    assert "difference 0.50" in PANEL.formula(small(off=0.5), VIEW)


def test_a_rival_makes_it_a_lead():
    view = VIEW.with_setting(RIVAL, "second")
    assert PANEL.says(small(rival=2), view).startswith("After “b” the best token, “<7>”, leads “<3>” by 6.75 logits.")
    assert "leads “<9>” by" in PANEL.says(small(rival=3), VIEW.with_setting(RIVAL, "third"))
    assert Want("dla_parts", pos=1, token=choice(1), against=choice(2)) in PANEL.needs(SPEC, view)


def test_constants_are_named_where_there_are_any():
    assert "Embedding, 6 writes and constants add up to 7.25" in PANEL.says(small(constant=0.5), VIEW)


def test_the_caption_of_the_heads_names_the_chosen_one_too():
    told = PANEL.says(small(), HEADS)
    assert "Layer 0, head 0 adds 1.50, the most; layer 2, head 3 takes off most (2.00)" in told
    assert "the chosen one, layer 1, head 2, adds 0.125. All 12 heads together bring −0.375 of it." in told
    assert "the chosen one" not in PANEL.says(small(), Fitted(layer=0, head=0, pos=1, settings=HEADS.settings))


def test_where_nothing_is_taken_off_nobody_takes_off():
    trace = small().plus({Want("dla_parts", pos=1, token=choice(1)): np.ones(8, "f4")})
    assert "takes off" not in PANEL.says(trace, VIEW)


def test_the_cells_of_heads_have_one_scale_around_zero():
    grid = PANEL.draw(small(), HEADS)
    assert isinstance(grid, Grid)
    assert grid.ends == (-2.0, 2.0)
    assert (grid.selects, grid.focus, grid.z.shape) == ("head", (1, 2), (3, 4))


def test_the_table_holds_the_numbers_of_the_figure():
    figure, rows = PANEL.draw(small(constant=0.5), VIEW), dict(PANEL.table(small(constant=0.5), VIEW).rows)
    np.testing.assert_allclose(figure.data[0].y, [rows[f"attention {layer}"] for layer in range(3)])
    np.testing.assert_allclose(figure.data[1].y, [rows[f"FFN {layer}"] for layer in range(3)])
    assert (figure.data[2].y[0], rows["constants"], rows["sum"]) == (rows["embedding"], 0.5, 7.25)
    cells = PANEL.table(small(), HEADS).rows
    assert cells[0] == (0, 0, 1.5)
    assert [row[2] for row in cells] == PANEL.draw(small(), HEADS).z.ravel().tolist()


def test_the_formula_writes_the_sum_out_with_its_error():
    lines = PANEL.formula(small(), VIEW).splitlines()
    assert lines[2].startswith("divisor = root mean square of the final stream = 2.000")
    assert lines[3] == (
        "embedding 0.500 + Σ attention (−0.750) + Σ FFN 7.00 = 6.750; the model's own: 6.750, difference 0"
    )
    assert lines[4] == "layer 1: attention −2.00, of which head 2 0.125; FFN 0"
    assert lines[-1] == "the output projection's bias, which belongs to no head: −2.12"


def test_layernorm_is_said_to_take_the_mean_off():
    model = spec(norm=type(SPEC.norm)("layer", "pre", 1e-5))
    told = PANEL.formula(small(constant=0.5, model=model), VIEW)
    assert "(write − its mean) · (gain" in told
    assert "deviation of the final stream" in told
    assert "+ constants 0.500 = 7.250" in told


@pytest.mark.parametrize("text", ["a", "a" * 60])
def test_a_single_token_and_a_long_text_are_drawn(text, answered):
    for settings in ((), (("by", "heads"),)):
        trace, view = answered(PANEL, "llama", text=text, settings=settings)
        assert described(PANEL.draw(trace, view))
        assert PANEL.says(trace, view)


def test_labels_of_users_stay_text():
    assert "“&lt;7&gt;”" in PANEL.draw(small(), VIEW).layout.yaxis.title.text


@pytest.mark.real
def test_the_default_model_s_answer_adds_up(really_answered):
    for rival in RIVAL.options:
        found = shared_out(*really_answered(PANEL, settings=(("rival", rival),)))
        assert found.best == "·Germany"
        assert found.off < 1e-4
