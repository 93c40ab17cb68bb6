"""A logit shared out: it adds up to the library's own, heads to their attention; the caption names who pushed."""

from dataclasses import replace

import numpy as np
import pytest

from anatomy.request import Want, choice
from anatomy.view import Fitted
from panels.common.logit_decomposition import BY, RIVAL
from panels.output.attribution import PANEL
from panels.output.attributions import read
from tests import once
from tests.anatomy.spec import SPEC, spec
from tests.models.tiny import MODELS, tiny_engine
from tests.panels.conftest import TEXT
from tests.panels.made import made
from tests.snapshot import described
from viz.grid import Grid

VIEW = Fitted(layer=1, head=2, pos=1)
WITH_PARTS = [kind for kind in MODELS if kind not in ("bert", "bert-headless", "t5")]
HEADS, NEURONS = VIEW.with_setting(BY, "heads"), VIEW.with_setting(BY, "neurons")
BY_NEURONS = (("by", "neurons"),)


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
    "settings",
    [(), (("by", "heads"),), BY_NEURONS, (("rival", "second"),)],
    ids=["parts", "heads", "neurons", "against the second"],
)
def test_the_picture_caption_and_table_of_every_family(kind, settings, answered, picture):
    trace, view = answered(PANEL, kind, settings=settings)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", WITH_PARTS)
@pytest.mark.parametrize("rival", RIVAL.options)
def test_the_parts_add_up_to_the_models_own_logits(kind, rival, answered):
    found = read(*answered(PANEL, kind, settings=(("rival", rival),))).decomposition
    assert found.off < 1e-5
    assert abs(found.writes).max() > 0.05


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2"])
def test_the_heads_of_a_layer_add_up_to_its_attention(kind, answered):
    found = read(*answered(PANEL, kind)).decomposition
    np.testing.assert_allclose(found.heads.sum(axis=1), found.writes[0], atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("rival", ["none", "third"])
def test_the_printed_program_finds_the_same_parts(kind, rival, answered, program):
    trace, view = answered(PANEL, kind, settings=(("rival", rival),))
    found = read(trace, view).decomposition
    ours = [found.enters, *found.writes.T.ravel(), found.constants]
    np.testing.assert_allclose(program(PANEL, trace, view, kind), ours, atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_printed_program_finds_the_same_heads(kind, answered, program):
    trace, view = answered(PANEL, kind, settings=(("by", "heads"), ("rival", "second")))
    np.testing.assert_allclose(program(PANEL, trace, view, kind), read(trace, view).decomposition.heads, atol=1e-5)


@pytest.mark.parametrize("kind", WITH_PARTS)
@pytest.mark.parametrize("rival", ["none", "second"])
def test_the_printed_program_finds_the_same_neurons_and_none_that_is_stronger(kind, rival, answered, program):
    trace, view = answered(PANEL, kind, settings=(*BY_NEURONS, ("rival", rival)))
    ours, found = read(trace, view).movers, program(PANEL, trace, view, kind).numpy()
    assert len(ours.ids) >= 10
    np.testing.assert_allclose(ours.logits, found[: len(ours.ids), 2], atol=1e-5)
    assert {*zip(ours.layers.tolist(), ours.ids.tolist(), strict=True)} == {
        (int(layer), int(number)) for layer, number, _ in found[: len(ours.ids)]
    }


@pytest.mark.parametrize("kind", WITH_PARTS)
def test_what_is_left_to_the_other_neurons_is_the_ffns_less_those_listed(kind, answered):
    trace, view = answered(PANEL, kind, settings=BY_NEURONS)
    found, moving = read(trace, view).decomposition, read(trace, view).movers
    *rows, ends = once.table(PANEL, trace, view).rows
    assert ends[1] == pytest.approx(sum(row[1] for row in rows))
    assert ends[2] == pytest.approx(sum({row[0].split()[0]: row[2] for row in rows}.values()))
    np.testing.assert_allclose(ends[2], found.writes[1, moving.theirs].sum())


def of_neurons(logits: list[list[float]]):
    """The small trace, with these neurons of each of its layers, strongest first: their numbers count from 4."""
    ids = np.broadcast_to(4 + np.arange(len(logits[0])), (3, len(logits[0])))
    asked = {"pos": 1, "token": choice(1)}
    given = {Want("dla_neuron_ids", **asked): ids, Want("dla_neuron_logits", **asked): np.array(logits, "f4")}
    return small().plus(given)


def test_the_neurons_are_listed_by_what_they_move_and_summed_beside_their_layers():
    trace = of_neurons([[0.25, 0.125], [-2.0, 0.0625], [0.5, 0.03125]])
    told = once.caption(PANEL, trace, NEURONS)
    assert "Of 36 neurons, neuron 4 of layer 1 moves it most: it takes off 2.00." in told
    assert "The 4 neurons listed, and only these, add up to −1.12; the whole FFNs of their 3 layers add 7.00." in told
    assert once.table(PANEL, trace, NEURONS).rows == (
        ("L1 N4", -2.0, 0.0),
        ("L2 N4", 0.5, 4.0),
        ("L0 N4", 0.25, 3.0),
        ("L0 N5", 0.125, 3.0),
        ("sum of the listed; of the FFNs, each once", -1.125, 7.0),
    )
    lines = once.formula(PANEL, trace, NEURONS).splitlines()
    assert lines[5] == "4 neurons listed: L1 N4 (−2.00) + L2 N4 0.500 + L0 N4 0.250 + L0 N5 0.125 = −1.12"
    assert lines[6] == "the whole FFNs of layers 0, 1, 2: 7.00"
    assert lines[7] == "left to the other 32 neurons of these layers: 8.12"
    assert lines[8] == "no neuron that is not listed moves it by more than 0.125"


def test_the_list_ends_where_a_layer_may_hold_back_a_stronger_one():
    assert len(read(of_neurons([[3.0, 2.0], [0.5, 0.25], [0.5, 0.25]]), NEURONS).movers.ids) == 2
    every = [[12.0 - i for i in range(12)], [0.0] * 12, [0.0] * 12]  # all that a layer has: nothing is held back
    assert len(read(of_neurons(every), NEURONS).movers.ids) == 20


def test_neurons_are_drawn_to_both_sides_and_those_of_the_chosen_layer_in_bold():
    figure = once.figure(PANEL, of_neurons([[0.25, 0.125], [-2.0, 0.0625], [0.5, 0.03125]]), NEURONS)
    pushes, holds = figure.data
    assert (pushes.x.tolist(), holds.x.tolist()) == ([0.5, 0.25, 0.125], [-2.0])
    assert figure.layout.yaxis.ticktext == ("<b>L1 N4</b>", "L2 N4", "L0 N4", "L0 N5")
    assert (pushes.name, holds.name) == ("pushes for it", "holds it back")


def test_the_chosen_neuron_alone_is_in_bold_and_told_where_it_is_listed():
    trace = of_neurons([[0.25, 0.125], [-2.0, 0.0625], [-0.5, 0.03125]])

    def told(layer: int, neuron: int) -> tuple[tuple[str, ...], str]:
        view = replace(NEURONS, layer=layer, neuron=neuron)
        return once.figure(PANEL, trace, view).layout.yaxis.ticktext, once.caption(PANEL, trace, view)

    labels, says = told(0, 5)
    assert labels == ("L1 N4", "L2 N4", "L0 N4", "<b>L0 N5</b>")
    assert "The chosen one, neuron 5 of layer 0, adds 0.125." in says
    assert "The chosen one, neuron 4 of layer 2, takes off 0.500." in told(2, 4)[1]
    labels, says = told(2, 5)
    assert not any("<b>" in label for label in labels)
    assert "The chosen one, neuron 5 of layer 2, is not listed." in says
    assert "The chosen one" not in told(1, 4)[1]


def test_neurons_are_asked_for_only_when_shown():
    sites = {want.site for want in PANEL.needs(SPEC, VIEW)}
    assert {want.site for want in PANEL.needs(SPEC, NEURONS)} - sites == {"dla_neuron_ids", "dla_neuron_logits"}


def test_the_printed_program_goes_on_with_generated_tokens(answered, program):
    trace, view = answered(PANEL, tail=(200, 7))
    assert len(trace.tokens) == len(TEXT.encode()) + 2
    found = read(trace, view).decomposition
    ours = [found.enters, *found.writes.T.ravel(), found.constants]
    np.testing.assert_allclose(program(PANEL, trace, view), ours, atol=1e-5)


@pytest.mark.parametrize(("kind", "reason"), [("bert", "normalizes after each sum"), ("bert-headless", "no output")])
def test_a_model_without_such_a_sum_says_why(kind, reason):
    assert reason in PANEL.applies(tiny_engine(kind).spec)
    assert all(PANEL.applies(tiny_engine(other).spec) is None for other in WITH_PARTS)


def test_the_caption_names_who_adds_and_who_takes_off():
    told = once.caption(PANEL, small(), VIEW)
    assert told.startswith(
        "After “b” the best token, “<7>”, has the logit 6.75. The FFN in layer 2 adds 4.00, the most"
    )
    assert "attention in layer 1 takes off most (2.00)" in told
    assert "Embedding and 6 writes add up to 6.75, the model's own (difference below 10⁻⁴)." in told
    assert told.endswith("The final norm's divisor is kept as it was in this run.")


def test_a_sum_that_is_off_is_said():
    assert "add up to 6.75, the model's own (difference 0.50)" in once.caption(PANEL, small(off=0.5), VIEW)
    assert "difference 0.50" in once.formula(PANEL, small(off=0.5), VIEW)


def test_a_rival_makes_it_a_lead():
    view = VIEW.with_setting(RIVAL, "second")
    assert once.caption(PANEL, small(rival=2), view).startswith(
        "After “b” the best token, “<7>”, leads “<3>” by 6.75 logits."
    )
    assert "leads “<9>” by" in once.caption(PANEL, small(rival=3), VIEW.with_setting(RIVAL, "third"))
    assert Want("dla_parts", pos=1, token=choice(1), against=choice(2)) in PANEL.needs(SPEC, view)


def test_constants_are_named_where_there_are_any():
    assert "Embedding, 6 writes and constants add up to 7.25" in once.caption(PANEL, small(constant=0.5), VIEW)


def test_the_caption_of_the_heads_names_the_chosen_one_too():
    told = once.caption(PANEL, small(), HEADS)
    assert "Layer 0, head 0 adds 1.50, the most; layer 2, head 3 takes off most (2.00)" in told
    assert "The chosen one, layer 1, head 2, adds 0.125. All 12 heads together bring −0.375 of it." in told
    assert "The chosen one" not in once.caption(PANEL, small(), Fitted(layer=0, head=0, pos=1, settings=HEADS.settings))


def test_where_nothing_is_taken_off_nobody_takes_off():
    trace = small().plus({Want("dla_parts", pos=1, token=choice(1)): np.ones(8, "f4")})
    assert "takes off" not in once.caption(PANEL, trace, VIEW)


def test_the_cells_of_heads_have_one_scale_around_zero():
    grid = once.figure(PANEL, small(), HEADS)
    assert isinstance(grid, Grid)
    assert grid.ends == (-2.0, 2.0)
    assert (grid.selects, grid.focus, grid.z.shape) == ("head", (1, 2), (3, 4))


def test_the_table_holds_the_numbers_of_the_figure():
    figure, rows = (
        once.figure(PANEL, small(constant=0.5), VIEW),
        dict(once.table(PANEL, small(constant=0.5), VIEW).rows),
    )
    np.testing.assert_allclose(figure.data[0].y, [rows[f"attention {layer}"] for layer in range(3)])
    np.testing.assert_allclose(figure.data[1].y, [rows[f"FFN {layer}"] for layer in range(3)])
    assert (figure.data[2].y[0], rows["constants"], rows["sum"]) == (rows["embedding"], 0.5, 7.25)
    cells = once.table(PANEL, small(), HEADS).rows
    assert cells[0] == (0, 0, 1.5)
    assert [row[2] for row in cells] == once.figure(PANEL, small(), HEADS).z.ravel().tolist()


def test_the_formula_writes_the_sum_out_with_its_error():
    lines = once.formula(PANEL, small(), HEADS).splitlines()
    assert lines[2].startswith("divisor = root mean square of the final stream = 2.000")
    assert lines[3] == (
        "embedding 0.500 + Σ attention (−0.750) + Σ FFN 7.00 = 6.750; the model's own: 6.750, difference below 10⁻⁴"
    )
    assert lines[4] == "layer 1: attention −2.00, of which head 2 0.125; FFN 0"
    assert lines[-1] == "the output projection's bias, which belongs to no head: −2.12"
    assert "layer 1: attention −2.00, FFN 0" in once.formula(PANEL, small(), VIEW).splitlines()


def test_layernorm_is_said_to_take_the_mean_off():
    model = spec(norm=type(SPEC.norm)("layer", "pre", 1e-5))
    told = once.formula(PANEL, small(constant=0.5, model=model), VIEW)
    assert "(write − its mean) · (gain" in told
    assert "deviation of the final stream" in told
    assert "+ constants 0.500 = 7.250" in told


@pytest.mark.parametrize("text", ["a", "a" * 60])
def test_a_single_token_and_a_long_text_are_drawn(text, answered):
    for settings in ((), (("by", "heads"),), BY_NEURONS):
        trace, view = answered(PANEL, "llama", text=text, settings=settings)
        assert described(once.figure(PANEL, trace, view))
        assert once.caption(PANEL, trace, view)


def test_labels_of_users_stay_text():
    assert "“&lt;7&gt;”" in once.figure(PANEL, small(), VIEW).layout.yaxis.title.text


@pytest.mark.real
def test_the_default_model_s_answer_adds_up(really_answered):
    for rival in RIVAL.options:
        found = read(*really_answered(PANEL, settings=(("rival", rival),))).decomposition
        assert found.best == "·Germany"
        assert found.off < 1e-4


@pytest.mark.real
def test_the_strongest_neurons_of_the_default_model_are_listed_with_their_layers(really_answered):
    trace, view = really_answered(PANEL, settings=BY_NEURONS)
    moving = read(trace, view).movers
    assert 10 <= len(moving.ids) <= 20
    assert "Of 46,080 neurons" in once.caption(PANEL, trace, view)


def test_of_two_tokens_the_third_best_is_the_second():
    asked = {"pos": 1, "token": choice(1), "against": choice(2)}
    arrays = {Want("dla_parts", **asked): np.ones(8), Want("dla_heads", **asked): np.zeros((3, 4))}
    arrays |= {Want("logits", pos=1): [8.0, 0.0], Want("next_ids", pos=1): [0, 1]}
    two = spec(vocab=2)
    trace = made("a b", arrays | {Want("resid_post", 2, pos=1): np.ones(8)}, two, {0: "<0>", 1: "<1>"})
    view = VIEW.with_setting(RIVAL, "third")
    assert set(PANEL.needs(two, view)) == set(trace.arrays)
    assert "the best token, “<0>”, leads “<1>” by 8.00 logits." in once.caption(PANEL, trace, view)
    assert "ranked[1]" in PANEL.snippet(two, view)
    alone = spec(vocab=1)
    assert RIVAL in PANEL.idle(alone, view)
    assert all(want.against is None for want in PANEL.needs(alone, view))


def test_the_embedding_is_named_where_it_adds_most():
    trace = small()
    parts = Want("dla_parts", pos=1, token=choice(1))
    told = once.caption(PANEL, trace.plus({parts: np.array([9.0, 1, 3, -2, 0, 0.25, 4, 0], np.float32)}), VIEW)
    assert "Embedding adds 9.00, the most; attention in layer 1 takes off most (2.00)." in told
