"""What is asked of a variant beside a run is what that variant itself gives, and it leaves nothing behind."""

from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from anatomy.alignment import identity
from anatomy.refused import Refused
from anatomy.request import Intervention, Want
from anatomy.variants import new_bytes, read
from models import memory
from models.engine import Cancelled
from models.loaded.model import LoadedModel
from models.local import load as loading
from models.local import varied
from models.local.engine import LocalEngine
from models.local.estimate import inputs_bytes
from models.measures.varied import TIMES
from models.variants.altered import altered
from tests.models.tiny import MODELS, STREAMS, TEXT, new_tiny_engine, run_of, tiny_engine

APART = ("variant_kl", "variant_loss", "variant_ids", "variant_distance")
KINDS = (
    "3bit",
    "2bit=sym",
    "int8",
    "3bit=ffn",
    "prune=0.4",
    "prune=0.4,attention",
    "bf16",
    "fp16",
    "untrained",
    "shared=2",
)


def wanted(engine: LocalEngine, of: str) -> dict[str, Want]:
    """The wants that such a model answers, by site."""
    return {site: Want(site, of=of) for site in APART if site not in engine.missing}


@pytest.mark.parametrize("of", KINDS)
@pytest.mark.parametrize("kind", MODELS)
def test_it_is_what_the_variant_itself_gives(kind: str, of: str) -> None:
    engine = tiny_engine(kind)
    wants, run = wanted(engine, of), run_of(engine)
    given = engine.run(run, wants.values())
    other = loading.variant(engine, read(f"m~{of}")[1])
    theirs = run_of(other)
    parting = engine.parting(run, other, theirs, identity(len(given.tokens)))
    np.testing.assert_allclose(given[wants["variant_distance"]], parting.distance[1:], rtol=1e-6)
    if engine.spec.head is not None:
        np.testing.assert_allclose(given[wants["variant_kl"]], parting.kl, rtol=1e-6)
        best = other.run(theirs, [Want("next_ids")])[Want("next_ids")][:, 0]
        assert given[wants["variant_ids"]].tolist() == best.tolist()
        assert set(given.names) >= set(best.tolist())
    if engine.spec.head == "causal":
        losses = other.run(theirs, [Want("surprisal")])[Want("surprisal")]
        np.testing.assert_allclose(given[wants["variant_loss"]], losses, rtol=1e-5)


@pytest.mark.parametrize("of", ["prune=0", "shared=1"])
@pytest.mark.parametrize("kind", MODELS)
def test_what_changes_nothing_differs_by_exactly_nothing(kind: str, of: str) -> None:
    engine = tiny_engine(kind)
    wants = wanted(engine, of)
    given = engine.run(run_of(engine), wants.values())
    assert not given[wants["variant_distance"]].any()
    if "variant_kl" in wants:
        assert not given[wants["variant_kl"]].any()


@pytest.mark.parametrize("change", [Intervention("ffn_out", "zero", layer=1), Intervention("pattern", "swap", layer=0)])
def test_a_changed_run_is_compared_under_the_same_changes(change: Intervention) -> None:
    engine = tiny_engine("llama")
    change = change if change.site == "ffn_out" else Intervention("layer", "swap", layer=0, other=1)
    run, wants = run_of(engine).intervened(change), wanted(engine, "3bit")
    other = loading.variant(engine, read("m~3bit")[1])
    given = engine.run(run, wants.values())
    parting = engine.parting(run, other, run_of(other).intervened(change), identity(len(given.tokens)))
    np.testing.assert_allclose(given[wants["variant_distance"]], parting.distance[1:], rtol=1e-6)
    np.testing.assert_allclose(given[wants["variant_kl"]], parting.kl, rtol=1e-6)


def test_a_variant_of_a_variant_is_altered_further() -> None:
    engine = tiny_engine("llama")
    pruned = loading.variant(engine, read("m~prune=0.3")[1])
    want = Want("variant_kl", of="3bit")
    given = pruned.run(run_of(pruned), [want])[want]
    both = loading.variant(engine, read("m~prune=0.3~3bit")[1])
    parting = pruned.parting(run_of(pruned), both, run_of(both), identity(len(given)))
    np.testing.assert_allclose(given, parting.kl, rtol=1e-6)
    assert given.max() > 0


def test_several_variants_are_each_their_own() -> None:
    engine = tiny_engine("llama")
    wants = [Want("variant_kl", of=of) for of in ("8bit", "3bit", "2bit")]
    together = engine.run(run_of(engine), wants)
    for want in wants:
        np.testing.assert_array_equal(engine.run(run_of(engine), [want])[want], together[want])
    means = [together[want].mean() for want in wants]
    assert means == sorted(means)
    assert means[0] < means[2]


@pytest.mark.parametrize("of", ["dropout=0.1", "noskip", "nonorm", "lora=mine", "4bits", "", "3bit~3bit", "prune=2"])
def test_what_is_no_such_variant_is_refused_with_a_sentence(of: str) -> None:
    engine = tiny_engine("llama")
    with pytest.raises(Refused) as refused:
        engine.run(run_of(engine), [Want("variant_kl", of=of)])
    assert str(refused.value).endswith(".")


def test_a_site_of_variants_is_asked_of_one_and_others_of_none() -> None:
    engine = tiny_engine("llama")
    for want in (Want("variant_kl"), Want("surprisal", of="3bit")):
        with pytest.raises(ValueError, match="is asked of"):
            engine.run(run_of(engine), [want])


def test_half_precision_and_models_without_predictions_say_what_they_lack() -> None:
    half = loading.variant(tiny_engine("llama"), read("m~bf16")[1])
    with pytest.raises(Refused, match="half precision"):
        half.run(run_of(half), [Want("variant_distance", of="3bit")])
    lacking = (
        ("bert", "variant_loss", "next token"),
        ("bert-headless", "variant_kl", "has no output layer"),
        ("bert-headless", "variant_loss", "has no output layer"),
    )
    for kind, site, sentence in lacking:
        engine = tiny_engine(kind)
        with pytest.raises(Refused, match=sentence):
            engine.run(run_of(engine), [Want(site, of="3bit")])


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[PreTrainedModel]:
    """The models that are altered for a moment, as they are made."""
    found: list[PreTrainedModel] = []

    def noted(*given: Any) -> PreTrainedModel:
        found.append(altered(*given))
        return found[-1]

    monkeypatch.setattr(varied, "altered", noted)
    return found


def held(models: list[PreTrainedModel]) -> list[int]:
    """How many numbers the weights of each have left."""
    return [sum(weight.numel() for weight in model.parameters()) for model in models]


def test_its_weights_are_let_go_of_at_once_and_the_models_own_stay(made: list[PreTrainedModel]) -> None:
    engine = new_tiny_engine("llama")
    before = {name: weight.clone() for name, weight in engine.model.named_parameters()}
    engine.run(run_of(engine), [Want("variant_kl", of=of) for of in ("3bit", "bf16")])
    assert held(made) == [0, 0]
    assert all(torch.equal(weight, before[name]) for name, weight in engine.model.named_parameters())


@pytest.mark.parametrize("recorded", [False, True])
def test_its_weights_are_counted_before_it_is_made(monkeypatch: pytest.MonkeyPatch, recorded: bool) -> None:
    engine = new_tiny_engine("llama")
    run, streams = run_of(engine), 0
    if recorded:
        engine.run(run, STREAMS)
        assert engine.estimate(run, STREAMS).seconds < new_tiny_engine("llama").estimate(run, STREAMS).seconds
        streams = inputs_bytes(engine.spec, len(TEXT), 1)
        assert streams > 0
    whole = engine.estimate(run, [Want("surprisal")])
    cost = engine.estimate(run, [Want("variant_kl", of="3bit")])
    own = new_bytes(dict(engine.spec.counts), read("m~3bit")[1])
    assert own > 0
    assert cost.nbytes >= whole.nbytes + own + streams
    assert cost.seconds > whole.seconds
    several = engine.estimate(run, [Want("variant_kl", of=of) for of in ("3bit", "2bit", "8bit")])
    assert several.seconds > 2 * cost.seconds - whole.seconds
    assert several.nbytes < cost.nbytes + own  # one after the other
    monkeypatch.setattr(memory, "fits", lambda *given, **named: False)
    with pytest.raises(Refused):
        engine.run(run, [Want("variant_kl", of="3bit")])


@pytest.mark.parametrize("site", ["variant_kl", "variant_seconds"])
def test_it_stops_while_its_weights_are_made(made: list[PreTrainedModel], site: str) -> None:
    engine, steps = new_tiny_engine("llama"), []
    engine.run(run_of(engine), STREAMS)
    with pytest.raises(Cancelled):
        engine.run(
            run_of(engine),
            [Want(site, of="3bit")],
            report=lambda progress: steps.append(progress.step),
            cancelled=lambda: _ALTERING in steps,
        )
    assert steps == [_ALTERING]
    assert made == []


_ALTERING = "altering the weights"


@pytest.mark.parametrize("site", ["variant_kl", "variant_seconds"])
def test_it_stops_during_its_pass_and_its_weights_are_let_go_of(made: list[PreTrainedModel], site: str) -> None:
    engine = new_tiny_engine("llama")
    engine.run(run_of(engine), STREAMS)
    before = {name: weight.clone() for name, weight in engine.model.named_parameters()}
    with pytest.raises(Cancelled):
        engine.run(run_of(engine), [Want(site, of="3bit")], cancelled=lambda: bool(made))
    assert held(made[:1]) == [0]
    assert all(torch.equal(weight, before[name]) for name, weight in engine.model.named_parameters())
    want = Want("variant_kl", of="3bit")
    assert engine.run(run_of(engine), [want])[want].any(), "and it is there for whoever asks again"


def test_seconds_are_of_both_and_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, passes = tiny_engine("llama"), []
    timed = varied._pass

    def noted(base: object, loaded: LoadedModel) -> float:
        passes.append(loaded.spec.name)
        return timed(base, loaded)

    monkeypatch.setattr(varied, "_pass", noted)
    want = Want("variant_seconds", of="3bit")
    seconds = engine.run(run_of(engine), [want])[want]
    assert seconds.shape == (2,)
    assert (seconds > 0).all()
    assert passes == [engine.spec.name, f"{engine.spec.name}~3bit"] * (TIMES + 1)


def test_what_is_timed_lies_alike_and_the_base_is_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, timed = tiny_engine("gpt2"), []
    monkeypatch.setattr(varied, "_pass", lambda run, loaded: timed.append((loaded, _strides(loaded))) or 1.0)
    engine.run(run_of(engine), [Want("variant_seconds", of=of) for of in ("3bit", "prune=0.5", "bf16")])
    assert len({loaded for loaded, _lie in timed[::2]}) == 1
    assert len({loaded for loaded, _lie in timed[1::2]}) == 3
    assert all(lie == _strides(engine) for _loaded, lie in timed)


def _strides(loaded: LoadedModel | LocalEngine) -> dict[str, tuple[int, ...]]:
    """How each matrix lies in memory."""
    return {name: weight.stride() for name, weight in loaded.model.named_parameters() if weight.ndim == 2}
