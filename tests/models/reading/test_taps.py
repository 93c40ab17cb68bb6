"""Hooks are there once, silent unless this thread records, and never hear another thread."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import numpy as np
import pytest
import torch

from anatomy.spec import Weights
from models.families import Tap, load
from models.loaded.model import LoadedModel
from models.reading.layer_inputs import LayerInputs
from models.reading.recorder import ATTENDED, ORDER, Sites, current
from models.reading.taps import install
from tests.models.tiny import tiny_model

ALL = frozenset({"q", ATTENDED, "resid_mid", "act", "ffn_out"})


def loaded(kind: str = "llama") -> LoadedModel:
    return LoadedModel(tiny_model(kind), load()[kind], kind, "0", Weights("", "", "", "", 0))


def look(model: LoadedModel, ids: np.ndarray) -> tuple[dict[str, torch.Tensor], LayerInputs]:
    """Every site of ALL by layer, the pattern for how attention was called, and the layer inputs."""
    seen: dict[str, torch.Tensor] = {}

    def visit(layer: int, sites: Sites) -> None:
        shown = sites | {"pattern": sites.attended.whole}
        seen.update({f"{site} {layer}": tensor for site, tensor in shown.items()})

    inputs = model.record(ids, dict.fromkeys(range(3), ALL), visit)
    return seen, inputs


def test_hooks_cannot_be_installed_twice() -> None:
    model = loaded().model
    with pytest.raises(ValueError, match="already has the hooks of family 'llama'"):
        install(model, load()["llama"])


def test_a_table_that_does_not_fit_is_told_at_once() -> None:
    with pytest.raises(AttributeError, match="encoder"):
        install(tiny_model("llama"), load()["bert"])


def test_a_visit_gets_the_wanted_sites_and_both_ends_of_the_layer() -> None:
    seen, _ = look(loaded(), np.arange(6))
    sites = {"q", "pattern", "resid_mid", "act", "ffn_out", "resid_pre", "resid_post"}
    assert set(seen) == {f"{site} {layer}" for site in sites for layer in range(3)}


@pytest.mark.parametrize(("kind", "order"), [("llama", [0, 1, 0, 2]), ("gpt2", [0, 1, 0, 2]), ("bert", [1, 0, 2, 0])])
def test_the_parts_of_a_layer_are_noted_in_the_order_of_their_calls(kind: str, order: list[int]) -> None:
    orders, model = [], loaded(kind)
    wanted = dict.fromkeys(range(3), frozenset({ORDER}))
    inputs = model.record(np.arange(6), wanted, lambda layer, sites: orders.append(sites[ORDER].tolist()))
    model.replay(inputs, wanted, lambda layer, sites: orders.append(sites[ORDER].tolist()))
    assert orders == [order] * 6


def test_an_ffn_that_is_run_by_itself_is_seen_by_nobody() -> None:
    model, kept = loaded(), []

    def visit(layer: int, sites: Sites) -> None:
        before = {site: tensor.clone() for site, tensor in sites.items()}
        model.ffn(layer, torch.ones(2, 32))
        kept.append(all(torch.equal(sites[site], tensor) for site, tensor in before.items()))
        assert ORDER not in sites or len(sites[ORDER]) == 4

    model.record(np.arange(6), dict.fromkeys(range(3), ALL | {ORDER}), visit)
    assert kept == [True] * 3


def test_a_part_that_is_read_where_it_goes_in_cannot_be_left_out_and_is_told_at_once() -> None:
    llama = load()["llama"]
    wrong = replace(llama, taps=llama.taps | {"ffn_out": Tap("mlp.down_proj", "in")})
    with pytest.raises(ValueError, match="reads ffn_out where it goes in"):
        install(tiny_model("llama"), wrong)


def test_a_layer_that_nobody_wants_is_not_visited() -> None:
    layers = []
    loaded().record(np.arange(6), {1: frozenset({"act"})}, lambda layer, sites: layers.append(layer))
    assert layers == [1]


def test_the_model_runs_unseen_when_nobody_records() -> None:
    model = loaded()
    assert current() is None
    with torch.inference_mode():
        logits = model.model(torch.arange(6)[None]).logits
        expected = tiny_model("llama")(torch.arange(6)[None]).logits
    torch.testing.assert_close(logits, expected)


def test_a_recorder_ends_with_its_run_even_when_the_run_fails() -> None:
    def fail(layer: int, sites: Sites) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        loaded().record(np.arange(6), {0: ALL}, fail)
    assert current() is None


def test_eight_threads_in_one_model_at_once_each_see_their_own_run() -> None:
    model, start = loaded(), Barrier(8)
    texts = [np.random.default_rng(seed).integers(0, 256, 9) for seed in range(8)]
    alone = [look(model, ids)[0] for ids in texts]

    def together(number: int) -> list[dict[str, torch.Tensor]]:
        start.wait()
        return [look(model, texts[number])[0] for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(together, range(8)))
    for expected, given in zip(alone, answers, strict=True):
        assert all(_equal(expected, seen) for seen in given)


def _equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.allclose(one[key], other[key], atol=1e-5) for key in one)
