"""Derived sites: logits shared out add up to the model's own, whoever has no such way is refused in a sentence."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from anatomy.refused import Refused
from anatomy.request import Run, Want, choice
from anatomy.sites import SITES
from anatomy.spec import Weights
from anatomy.trace import Trace
from models.families import load
from models.identities import sums
from models.identities.identity import LOGIT_TOLERANCE, broken
from models.loaded.model import LoadedModel
from models.local.engine import LocalEngine
from models.measures.registry import APART, MEASURES, with_resting
from tests.alike import assert_alike
from tests.models.real import real_engine
from tests.models.tiny import MODELS, ByteTokenizer, tiny_engine, tiny_model

TEXT = "some words, some"
POS = 9
PRE_NORM = ("llama", "mistral", "qwen2", "gpt2")
NOWHERE = Weights("", "", "", "", 0)
NAMES = (
    "heads through the output projection = attention's write",
    "neurons × rows of the down projection = FFN's write",
    "all writes through the frozen final norm = logits",
)


def asked(kind: str, *wants: Want) -> Trace:
    engine = tiny_engine(kind)
    return engine.run(Run(engine.spec.id, TEXT), wants)


def plain_logits(kind: str) -> np.ndarray:
    """[vocab] of the library's own forward pass at POS."""
    with torch.inference_mode():
        return tiny_model(kind)(torch.tensor([list(TEXT.encode())])).logits[0, POS].double().numpy()


def failing(loaded: LoadedModel) -> set[str]:
    return {identity.name for identity in sums.check(loaded, np.arange(12)) if not identity.holds}


# parts of a logit


@pytest.mark.parametrize("kind", [*PRE_NORM, "llama-eps"])
@pytest.mark.parametrize("against", [None, 0, 77])
def test_the_parts_add_up_to_the_librarys_own_logit(kind: str, against: int | None) -> None:
    want = Want("dla_parts", pos=POS, token=200, against=against)
    logits = plain_logits(kind)
    told = logits[200] - (0.0 if against is None else logits[against])
    assert asked(kind, want)[want].sum(dtype=np.float64) == pytest.approx(told, abs=1e-4)


@pytest.mark.parametrize("kind", PRE_NORM)
def test_the_parts_of_a_lead_are_the_differences_of_the_parts(kind: str) -> None:
    one, other, lead = (
        Want("dla_parts", pos=POS, token=token, against=against) for token, against in ((5, None), (7, None), (5, 7))
    )
    trace = asked(kind, one, other, lead)
    assert_alike(trace[one] - trace[other], trace[lead])


@pytest.mark.parametrize("kind", PRE_NORM)
def test_heads_add_up_to_their_layers_attention_but_for_its_bias(kind: str) -> None:
    parts, heads = (Want(site, pos=POS, token=choice(1)) for site in ("dla_parts", "dla_heads"))
    trace = asked(kind, parts, heads)
    attention = trace[parts][1:-1:2]  # [layer]
    apart = attention - trace[heads].sum(axis=1)
    assert (np.abs(apart).max() < 1e-5) == (kind != "gpt2")
    if kind == "gpt2":
        model, token = tiny_model(kind), int(plain_logits(kind).argmax())
        biases = torch.stack([layer.attn.c_proj.bias for layer in model.transformer.h]).double().detach()
        stream = asked(kind, Want("resid_post", 2))[Want("resid_post", 2)][POS].astype(np.float64)
        row = (model.transformer.ln_f.weight * model.lm_head.weight[token]).double().detach()
        frozen = (biases - biases.mean(-1, keepdim=True)) @ row / np.sqrt(stream.var() + 1e-5)
        np.testing.assert_allclose(apart, frozen.numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", PRE_NORM)
def test_what_tokens_add_through_all_heads_is_what_the_heads_add(kind: str) -> None:
    heads, sources = (Want(site, pos=POS, token=choice(1)) for site in ("dla_heads", "dla_src"))
    trace = asked(kind, heads, sources)
    assert_alike(trace[sources].sum(), trace[heads].sum())
    assert not trace[sources][POS + 1 :].any()  # nobody sees what comes later


def test_all_neurons_of_a_layer_that_has_as_many_as_are_kept_add_up_to_its_ffn(monkeypatch: pytest.MonkeyPatch) -> None:
    from models.measures import attribution

    monkeypatch.setattr(attribution, "NEURONS", 48)
    parts, neurons = (Want(site, pos=POS, token=3) for site in ("dla_parts", "dla_neuron_logits"))
    trace = asked("llama", parts, neurons)
    assert trace[neurons].shape == (3, 48)
    np.testing.assert_allclose(trace[neurons].sum(axis=1), trace[parts][2:-1:2], atol=1e-5)
    assert (np.diff(np.abs(trace[neurons]), axis=1) <= 0).all()


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_rank_is_the_token_that_the_model_predicts_at_that_rank(kind: str) -> None:
    best = [int(row) for row in np.argsort(-plain_logits(kind))[:3]]
    by_rank = Want("dla_parts", pos=POS, token=choice(1), against=choice(3))
    by_id = Want("dla_parts", pos=POS, token=best[0], against=best[2])
    trace = asked(kind, by_rank, by_id)
    np.testing.assert_array_equal(trace[by_rank], trace[by_id])


def test_parts_have_names_in_their_order() -> None:
    spec = tiny_engine().spec
    assert spec.parts()[:3] == ("embedding", "attention 0", "FFN 0")
    assert spec.parts()[-2:] == ("FFN 2", "constants")
    assert len(spec.parts()) == spec.sizes()["part"]
    assert asked("llama", Want("dla_parts", pos=0, token=1))[Want("dla_parts", pos=0, token=1)].shape == (8,)


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2"])
def test_models_whose_final_norm_has_no_bias_have_no_constants(kind: str) -> None:
    want = Want("dla_parts", pos=POS, token=200)
    assert asked(kind, want)[want][-1] == 0


# neurons


@pytest.mark.parametrize("kind", PRE_NORM)
def test_what_a_neuron_adds_to_its_tokens_is_its_part_of_their_logits(kind: str) -> None:
    wants = {site: Want(site, 2, pos=POS) for site in ("write_ids", "write_up_ids", "write_up_logits")}
    trace = asked(kind, *wants.values())
    neuron, token = int(trace[wants["write_ids"]][0]), int(trace[wants["write_up_ids"]][0, 0])
    ids, logits = (Want(f"dla_neuron_{site}", pos=POS, token=token) for site in ("ids", "logits"))
    trace = trace.plus(asked(kind, ids, logits).arrays)
    place = trace[ids][2].tolist().index(neuron)
    assert trace[logits][2, place] == pytest.approx(trace[wants["write_up_logits"]][0, 0], abs=1e-5)


def test_tokens_that_neurons_raise_and_lower_have_names() -> None:
    wants = [Want(f"write_{way}_ids", 1, pos=2) for way in ("up", "down")]
    trace = asked("llama", *wants)
    assert set(trace.names) == {int(row) for want in wants for row in trace[want].ravel()}
    assert trace[wants[0]].shape == (10, 5)


# who has no such way


@pytest.mark.parametrize(
    ("kind", "want", "sentence"),
    [
        ("bert", Want("dla_parts", pos=0, token=1), "normalizes after each sum"),
        ("bert", Want("write_up_ids", 0, pos=0), "normalizes after each sum"),
        ("bert-headless", Want("dla_heads", pos=0, token=1), "no output layer"),
        ("bert-headless", Want("watch_ids", pos=0), "no output layer"),
        ("bert-headless", Want("lens_kl", pos=0), "no output layer"),
        ("bert", Want("surprisal"), "in both directions"),
        ("llama", Want("dla_parts", token=1), "one position at a time"),
        ("llama", Want("write_ids", 0), "one position at a time"),
        ("llama", Want("watch_ids"), "one position at a time"),
        ("llama", Want("dla_parts", pos=0, token=256), "has tokens 0 to 255, and −1 to −50 name its own choices: 256"),
        ("llama", Want("dla_parts", pos=0, token=1, against=-51), "-51 is none of them"),
    ],
)
def test_what_has_no_answer_is_refused_in_a_sentence(kind: str, want: Want, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        asked(kind, want)


@pytest.mark.parametrize("kind", MODELS)
def test_every_kind_of_model_has_neurons_that_write_and_weighted_values(kind: str) -> None:
    wants = [Want("write_ids", 1, pos=3), Want("contribution", 1), Want("contribution", 1, pos=3)]
    trace = asked(kind, *wants)
    assert_alike(trace[wants[1]][:, 3], trace[wants[2]])


# what vouches for them


@pytest.mark.parametrize("kind", MODELS)
def test_every_sum_holds_for_every_family(kind: str) -> None:
    found = [identity for identity in tiny_engine(kind).identities if identity.name in NAMES]
    assert len(found) == (3 if kind in PRE_NORM else 2)
    assert all(identity.holds for identity in found)
    assert {identity.tolerance for identity in found} <= {1e-5, LOGIT_TOLERANCE}
    vouched = frozenset().union(*(identity.sites for identity in tiny_engine(kind).identities))
    assert RESTING - tiny_engine(kind).missing.keys() <= vouched | LENSES | GAPS


RESTING = {site for site in APART if MEASURES[site].needs}  # worked out from what layers show
LENSES = {"lens_kl", "surprisal", "watch_ids", "watch_logp", "watch_rank"}  # they rest on logits, as the lens does
# They say themselves how far two ways to the same numbers are apart, or two models.
GAPS = {"batch_gap", "cache_gap", "half_kl", *(name for name, site in SITES.items() if site.of == "variant")}


def test_another_projection_is_noticed() -> None:
    wrong = replace(load()["llama"], writes=("self_attn.q_proj", "mlp.down_proj"))
    assert failing(LoadedModel(tiny_model("llama"), wrong, "llama", "0", NOWHERE)) == {NAMES[0]}


def test_neurons_that_are_not_all_that_the_ffn_adds_are_noticed() -> None:
    model = tiny_model("gpt2")
    model.transformer.h[1].mlp.c_proj.register_forward_hook(lambda module, args, out: out + 0.1)
    assert failing(LoadedModel(model, load()["gpt2"], "gpt2", "0", NOWHERE)) == {NAMES[1]}


def test_a_final_norm_that_does_more_than_its_formula_is_noticed() -> None:
    model = tiny_model("llama")
    model.model.norm.register_forward_hook(lambda module, args, out: out + out / module.weight)
    assert failing(LoadedModel(model, load()["llama"], "llama", "0", NOWHERE)) == {NAMES[2]}


def test_what_rests_on_a_broken_site_is_broken_too() -> None:
    engine = LocalEngine(tiny_model("llama"), ByteTokenizer(), name="odd")
    law = next(identity for identity in engine.identities if "z" in identity.sites)
    reasons = with_resting(broken([replace(law, error=0.5)]))
    assert {"contribution", "dla_heads", "head_maps", "pattern"} <= set(reasons)
    assert "dla_parts" not in reasons
    assert "is off by 0.5" in str(reasons["dla_heads"])


@pytest.mark.real
def test_the_parts_add_up_for_the_default_model() -> None:
    engine = real_engine("smollm2-135m")
    run = Run(engine.spec.id, "Paris is the capital of France. Berlin is the capital of")
    lead = Want("dla_parts", pos=11, token=choice(1), against=choice(2))
    ids, logits = Want("next_ids", pos=11), Want("logits", pos=11)
    trace = engine.run(run, [lead, ids, logits])
    one, other = trace[ids][:2]
    assert trace[lead].sum(dtype=np.float64) == pytest.approx(trace[logits][one] - trace[logits][other], abs=1e-4)
