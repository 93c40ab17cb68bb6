"""The balance sheet: it adds up to the model's own final stream, its shares to one; it says where it cannot."""

import re

import numpy as np
import pytest
import torch

from anatomy.request import Want
from anatomy.spec import LearnedPositions
from anatomy.view import Fitted
from panels.residual.balance import PANEL, read
from tests import once
from tests.alike import assert_rounding
from tests.anatomy.spec import SPEC, spec
from tests.models.tiny import MODELS, tiny_engine
from tests.panels.conftest import TEXT
from tests.panels.made import made
from tests.snapshot import described

VIEW = Fitted(layer=1, pos=0)


def row(*numbers: float, width: int = SPEC.d_model) -> np.ndarray:
    return np.array([*numbers, *[0.0] * (width - len(numbers))])


def small(off: float = 0.0, last: tuple[float, ...] = (0.0, 4.0), model=SPEC):
    """What enters is (3, 0, …), the last FFN writes `last`, all else is 0; the final stream is off by `off`."""
    writes = {Want(site, layer, pos=0): row() for site in ("attn_out", "ffn_out") for layer in range(3)}
    writes[Want("ffn_out", 2, pos=0)] = row(*last)
    ends = {Want("resid_pre", 0, pos=0): row(3.0), Want("resid_post", 2, pos=0): row(3.0) + row(*last) + off}
    return made("a", writes | ends, model)


@pytest.mark.parametrize("kind", MODELS)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", MODELS)
def test_the_sums_are_the_models_own(kind, answered):
    found = read(*answered(PANEL, kind)).entries
    assert found.off <= 1e-5 * found.size
    assert found.size > 1


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2"])
def test_the_shares_add_up_to_one(kind, answered):
    found = read(*answered(PANEL, kind)).entries
    assert found.lead[0] + found.shares.sum() == pytest.approx(1)
    assert np.abs(found.shares).max() > 0.1


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_printed_program_finds_the_same_shares(kind, answered, program):
    trace, view = answered(PANEL, kind)
    found = read(trace, view).entries
    ours = [found.lead[0], *found.shares.T.ravel()]
    np.testing.assert_allclose(program(PANEL, trace, view, kind), ours, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "bert-headless"])
def test_the_printed_program_finds_the_same_shares_of_normalized_sums(kind, answered, program):
    trace, view = answered(PANEL, kind)
    np.testing.assert_allclose(program(PANEL, trace, view, kind), read(trace, view).entries.shares, atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_final_stream_is_what_the_library_hands_to_its_last_norm(kind, answered):
    trace, view = answered(PANEL, kind)
    model, seen = tiny_engine(kind).model, []
    norm = model.base_model.get_submodule("norm" if kind == "llama" else "ln_f")
    hook = norm.register_forward_pre_hook(lambda module, given: seen.append(given[0][0, view.pos]))
    with torch.inference_mode():
        model(torch.tensor([list(TEXT.encode())]))
    hook.remove()
    found = read(trace, view).entries
    assert found.total == pytest.approx(float((seen[0].double() ** 2).sum()), rel=1e-5)


def test_a_share_is_what_points_along_the_sum():
    found = read(small(), VIEW).entries
    assert found.lead == pytest.approx((9 / 25, 3))
    assert found.shares[1, 2] == pytest.approx(16 / 25)
    assert found.total == pytest.approx(25)


def test_the_error_is_measured_and_said():
    assert read(small(), VIEW).entries.off == 0
    assert read(small(off=0.5), VIEW).entries.off == pytest.approx(0.5)
    assert "(largest difference 0.50, numbers up to" in once.caption(PANEL, small(off=0.5), VIEW)
    assert "own final stream: 0.50 " in once.formula(PANEL, small(off=0.5), VIEW)


def test_the_caption_names_the_largest_part_and_what_points_away():
    told = once.caption(PANEL, small(), VIEW)
    assert told.startswith(
        "Embedding and 6 writes add up to the final stream of “a” (largest difference below 10⁻⁴, numbers up to 4"
    )
    assert (
        "what enters makes up 36 %, attention 0 %, the FFNs 64 %; the largest write is FFN in layer 2 (64 %)." in told
    )
    assert "away" not in told
    assert once.caption(PANEL, small(last=(-1.0, 1.0)), VIEW).endswith(" 1 write points away from it: −20 %.")


def test_learned_positions_enter_with_the_embedding():
    figure = once.figure(PANEL, small(model=spec(position=LearnedPositions(64))), VIEW)
    assert [bars.name for bars in figure.data] == ["attention", "FFN", "embedding + position"]


def test_the_formula_adds_up():
    last = once.formula(PANEL, small(), VIEW).splitlines()[-1]
    assert last == "what enters + Σ attention + Σ FFN = 36 % + 0 % + 64 % = 100 %"


def test_the_table_runs_to_one_and_holds_the_numbers_of_the_figure(answered):
    trace, view = answered(PANEL)
    rows, figure = once.table(PANEL, trace, view).rows, once.figure(PANEL, trace, view)
    assert rows[-1][-1] == pytest.approx(1)
    np.testing.assert_allclose([100 * row[3] for row in rows[1::2]], figure.data[0].y, rtol=1e-5)
    np.testing.assert_allclose([100 * row[3] for row in rows[2::2]], figure.data[1].y, rtol=1e-5)
    assert 100 * rows[0][3] == pytest.approx(figure.data[2].y[0])


def test_normalized_sums_are_said_not_to_add_up(answered):
    trace, view = answered(PANEL, "bert")
    told = once.caption(PANEL, trace, view)
    assert told.startswith("Here the sheet does not add up over layers: each sum is normalized")
    assert len(once.figure(PANEL, trace, view).data) == 2
    assert "running" not in " ".join(once.table(PANEL, trace, view).columns)
    assert_rounding(re.search(r"the model's own: (.+?) \(", once.formula(PANEL, trace, view))[1])


@pytest.mark.real
def test_the_sheet_of_the_default_model_adds_up(really_answered):
    for pos in (0, 11):
        found = read(*really_answered(PANEL, pos=pos)).entries
        assert found.off <= 2e-6 * found.size
        assert found.lead[0] + found.shares.sum() == pytest.approx(1)
