"""Matrices that lie otherwise multiply to the same; what is measured decides, and what is missing changes nothing."""

import numpy as np
import pytest
import torch
from torch import nn

from anatomy.refused import Refused
from anatomy.request import Intervention, Run, Want
from anatomy.sites import SITES
from models.families import family_of
from models.local import packed
from models.local.engine import LocalEngine
from models.local.packed import AS_LOADED, Packing
from models.measure import sites_of
from models.measures import rerun
from tests.models.tiny import ByteTokenizer, tiny_engine, tiny_model

TEXT = "some words, some"
ROOM = 1 << 30
KINDS = ("llama", "qwen2", "bert", "t5")  # without and with biases, before and after norms, gated and not


def laid(kind: str, setting: str) -> tuple[LocalEngine, Packing]:
    """An engine of a tiny model whose matrices lie as the setting says."""
    model = tiny_model(kind)
    family = family_of(model.config.model_type)
    found = packed.layers(family.fit(family, model.config).layers_of(model), ROOM, setting)
    return LocalEngine(model, ByteTokenizer(), name=f"tiny-{kind}", packing={"layers": found}), found


def linears(kind: str = "llama") -> list[nn.Module]:
    return list(tiny_model(kind).base_model.layers)


@pytest.fixture
def without_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build of torch that has neither operator."""

    class Nothing:
        def __getattr__(self, name: str) -> object:
            raise AttributeError(name)

    monkeypatch.setattr(torch.ops, "mkldnn", Nothing())


def same(one: np.ndarray, other: np.ndarray) -> None:
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("setting", ["turned", "packed"])
def test_every_site_is_what_it_was_however_the_matrices_lie(kind: str, setting: str) -> None:
    engine, found = laid(kind, setting)
    assert found.way == setting
    assert found.nbytes > 0
    plain = tiny_engine(kind)
    simple = [site for site in SITES.values() if not (site.one_pos or site.for_token or site.one_head or site.of)]
    wants = [Want(site.name, 1 if site.per_layer else None) for site in simple if site.name not in plain.missing]
    second = {want for want in wants if want.site in sites_of(rerun.MEASURES)}
    ranked = {want for want in wants if SITES[want.site].unit == "1/255"}  # steps, of which one may be the next
    expected, given = (one.run(Run(one.spec.id, TEXT), wants) for one in (plain, engine))
    for want in set(wants) - second - ranked:
        same(given[want], expected[want])
    for want in ranked:
        np.testing.assert_allclose(given[want].astype(int), expected[want].astype(int), rtol=0, atol=1)


@pytest.mark.parametrize("setting", ["turned", "packed"])
def test_logits_changes_and_generation_are_what_they_were(setting: str) -> None:
    engine, plain = laid("llama", setting)[0], tiny_engine()
    run = Run(plain.spec.id, TEXT)
    want = Want("logits", pos=5)
    for asked in (
        run,
        run.intervened(Intervention("ffn_out", "zero", 1)),
        run.intervened(Intervention("positions", "add", amount=3)),
    ):
        same(engine.run(asked, [want])[want], plain.run(asked, [want])[want])
    assert engine.extend(run, 4) == plain.extend(run, 4)


@pytest.mark.parametrize("setting", ["turned", "packed"])
def test_half_precision_is_half_precision_however_the_matrices_lie(setting: str) -> None:
    engine, plain, want = laid("llama", setting)[0], tiny_engine(), Want("half_kl")
    found, expected = (one.run(Run(plain.spec.id, TEXT), [want])[want] for one in (engine, plain))
    assert expected.max() > 1e-6
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-6)


def test_the_weights_stay_readable_and_shared_ones_stay_shared() -> None:
    before = linears()
    for setting in ("turned", "packed"):
        after = linears()
        after[1].mlp.up_proj.weight = after[0].mlp.up_proj.weight
        before[1].mlp.up_proj.weight = before[0].mlp.up_proj.weight
        packed.layers(after, ROOM, setting)
        assert after[1].mlp.up_proj.weight is after[0].mlp.up_proj.weight
        for one, other in zip(before, after, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_the_head_is_packed_and_never_turned() -> None:
    model = tiny_model("llama")
    rows = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = model.lm_head(rows)
        assert packed.head(model.lm_head, ROOM, "turned") == AS_LOADED
        assert packed.head(model.lm_head, ROOM, "packed").way == "packed"
        assert "forward" in vars(model.lm_head)
        torch.testing.assert_close(model.lm_head(rows), before)
    assert packed.head(None, ROOM, "packed") == AS_LOADED


def test_what_needs_a_gradient_takes_the_module_s_own_product() -> None:
    model = tiny_model("llama")
    packed.head(model.lm_head, ROOM, "packed")
    model.lm_head(torch.ones(1, 32, requires_grad=True)).sum().backward()
    assert model.lm_head.weight.grad is not None


@pytest.mark.usefixtures("without_operators")
@pytest.mark.parametrize("setting", ["packed", "auto"])
def test_a_machine_that_cannot_pack_leaves_the_modules_alone(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "chosen", lambda gains: "packed")
    layers = linears()
    found = packed.layers(layers, ROOM, setting)
    assert (found.way, found.nbytes) == ("loaded", 0)
    assert "packed" not in found.gains
    assert not any("forward" in vars(module) for layer in layers for module in layer.modules())


def test_packed_products_that_do_not_agree_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**packed._PRODUCTS, "packed": lambda weight, bias: packed._loaded(weight * 1.001, bias)}
    monkeypatch.setattr(packed, "_PRODUCTS", wrong)
    layers = linears()
    assert packed.layers(layers, ROOM, "packed").way == "loaded"
    assert not any("forward" in vars(module) for layer in layers for module in layer.modules())
    assert set(packed.layers(layers, ROOM, "auto").gains) == {"turned"}


def test_a_measurement_that_says_no_leaves_the_model_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "measured", lambda *given: {"turned": 1.2, "packed": 1.24})
    layers = linears()
    before = [(weight.data_ptr(), weight.stride()) for layer in layers for weight in layer.parameters()]
    found = packed.layers(layers, ROOM, "auto")
    assert found.way == "loaded"
    assert "turned 1.20 × as quick" in found.says
    assert before == [(weight.data_ptr(), weight.stride()) for layer in layers for weight in layer.parameters()]
    assert not any("forward" in vars(module) for layer in layers for module in layer.modules())


@pytest.mark.parametrize(
    ("gains", "way"),
    [
        ({}, "loaded"),
        ({"turned": 1.0, "packed": 1.2}, "loaded"),
        ({"turned": 1.3, "packed": 1.2}, "turned"),
        ({"turned": 1.3, "packed": 1.4}, "packed"),
        ({"turned": 1.1, "packed": 2.0}, "packed"),
        ({"packed": 1.25}, "packed"),
    ],
)
def test_the_quicker_way_is_chosen_where_it_is_quick_enough(gains: dict[packed.Way, float], way: str) -> None:
    assert packed.chosen(gains) == way


def test_both_ways_are_measured_on_the_model_s_own_matrices() -> None:
    found = packed.layers(linears(), ROOM, "auto")
    assert set(found.gains) == {"turned", "packed"}
    assert min(found.gains.values()) > 0
    assert found.seconds > 0


def test_the_sample_is_cut_to_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "SAMPLE", 10_000)
    modules = [nn.Linear(100, 15), nn.Linear(100, 50), nn.Linear(100, 50)]
    assert [weight.shape[0] for weight, _bias in packed._sample(modules)] == [15, 25]


def test_copies_without_room_are_not_made() -> None:
    assert packed.layers(linears(), 1000, "packed") == AS_LOADED


def test_a_matrix_with_a_row_per_input_is_left_as_it_is() -> None:
    assert packed.layers(list(tiny_model("gpt2").base_model.h), ROOM, "packed") == AS_LOADED


def test_the_setting_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(packed.VARIABLE, " Turned ")
    assert packed.layers(linears(), ROOM).way == "turned"
    monkeypatch.setenv(packed.VARIABLE, "loaded")
    assert packed.layers(linears(), ROOM) == AS_LOADED
    monkeypatch.setenv(packed.VARIABLE, "yes")
    with pytest.raises(Refused, match="STAGELIGHT_PACKED is “yes”: write one of auto, loaded, turned, packed"):
        packed.layers(linears(), ROOM)
