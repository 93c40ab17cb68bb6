"""The identities hold for every family, notice every kind of wrong table, and close what they cannot vouch for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.spec import Norm, Weights
from models.families import Family, Tap, load
from models.identities import layers as identities
from models.identities.identity import LOGIT_TOLERANCE, TOLERANCE, Identity, broken
from models.loaded.model import LoadedModel
from models.local.engine import LocalEngine
from models.measures.reductions import ATTENTION_REDUCED
from models.measures.registry import with_resting
from models.reading import attended
from models.reading.attended import Attended, Tile
from tests.models.tiny import MODELS, ByteTokenizer, randomize, tiny_engine, tiny_model

IDS = np.arange(12)


def failing(model: LoadedModel) -> set[str]:
    return {identity.name for identity in identities.check(model, IDS) if not identity.holds}


def opened_as(family: Family, kind: str = "llama") -> LoadedModel:
    return LoadedModel(tiny_model(kind), family, kind, "0", Weights("", "", "", "", 0))


@pytest.mark.parametrize("kind", MODELS)
def test_every_identity_holds_for_every_family(kind: str) -> None:
    found = tiny_engine(kind).identities
    assert len(found) == {"bert-headless": 15, "bert": 16, "t5": 16, "gpt2": 18}.get(kind, 20)
    assert [identity for identity in found if not identity.holds] == []
    assert tiny_engine(kind).broken == {}


def test_the_tolerances_are_those_that_are_written_down() -> None:
    assert {identity.tolerance for identity in tiny_engine().identities} == {TOLERANCE, LOGIT_TOLERANCE}
    assert TOLERANCE <= 1e-5
    assert LOGIT_TOLERANCE <= 1e-4


def gemma2() -> Gemma2ForCausalLM:
    """A family without a table here: it normalizes what attention and FFN write before adding it."""
    config = Gemma2Config(
        **{name: value for name, value in load()["llama"].tiny().to_dict().items() if name in _SHARED},
        head_dim=8,
        attn_logit_softcapping=None,
        final_logit_softcapping=None,
    )
    config.hidden_act = config.hidden_activation  # where the Llama table looks for it
    model = Gemma2ForCausalLM._from_config(config, attn_implementation="eager").eval()
    randomize(model)
    assert sum(weight.numel() for weight in model.parameters()) < 200_000
    return model


_SHARED = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
)


def test_the_llama_table_on_gemma_2_is_noticed() -> None:
    engine = LocalEngine(gemma2(), ByteTokenizer(), name="gemma", family=load()["llama"])
    worst = max(identity.error for identity in engine.identities)
    assert worst > 0.1
    assert {"resid_mid", "attn_out", "ffn_out", "norm_mid", "cos_attn"} <= set(engine.broken)
    assert "pattern" not in engine.broken


def test_what_a_broken_identity_vouches_for_is_refused_with_the_reason() -> None:
    engine = LocalEngine(gemma2(), ByteTokenizer(), name="gemma", family=load()["llama"])
    run = Run(engine.spec.id, "some words")
    assert engine.run(run, [Want("pattern", 1)])[Want("pattern", 1)].shape == (4, 10, 10)
    with pytest.raises(Refused, match=r"This is not shown: .* is off by .* cannot be trusted"):
        engine.run(run, [Want("attn_out", 1)])
    with pytest.raises(Refused, match="cannot be trusted"):
        engine.run(run, [Want("norm_attn")])


@pytest.mark.parametrize(
    ("site", "tap", "law"),
    [
        ("attn_out", Tap("mlp", "out"), "(stream + attention's write)"),
        ("resid_mid", Tap("input_layernorm", "in"), "(stream + attention's write)"),
        ("ffn_out", Tap("self_attn", "out"), "(that stream + FFN's write)"),
        ("act", Tap("mlp.up_proj", "out"), "activation function"),
        ("gate", Tap("mlp.up_proj", "out"), "activation function"),
    ],
)
def test_a_tap_at_the_wrong_place_is_noticed(site: str, tap: Tap, law: str) -> None:
    llama = load()["llama"]
    wrong = replace(llama, taps=llama.taps | {site: tap})
    assert any(name.startswith(law) for name in failing(opened_as(wrong)))


def test_a_lens_without_the_final_norm_is_noticed() -> None:
    wrong = replace(load()["llama"], final_norm=None)
    assert failing(opened_as(wrong)) == {"final norm and head of the last stream = logits"}


def test_post_norm_taken_for_pre_norm_is_noticed() -> None:
    bert = load()["bert"]
    wrong = replace(bert, facts=lambda *given: bert.facts(*given) | {"norm": Norm("layer", "pre", 1e-12)})
    assert len(failing(opened_as(wrong, "bert"))) == 4


def test_a_feed_forward_part_that_is_another_is_noticed() -> None:
    llama = load()["llama"]
    found = failing(opened_as(replace(llama, ffn=("mlp", "post_attention_layernorm"))))
    assert found == {"the FFN run again on what it reads = its write"}


def test_norms_that_are_exchanged_are_noticed() -> None:
    llama = load()["llama"]
    found = failing(opened_as(replace(llama, norms=llama.norms[::-1])))
    assert found == {f"normalized stream × gain = what {part} reads" for part in ("attention", "the FFN")}


def test_a_gain_that_is_not_what_the_norm_multiplies_with_is_refused() -> None:
    """As in Gemma, whose norms multiply with 1 + weight."""
    model = tiny_model("llama")
    for layer in model.model.layers:
        layer.input_layernorm.register_forward_hook(lambda module, args, out: out + out / module.weight)
    engine = LocalEngine(model, ByteTokenizer(), name="offset")
    assert set(engine.broken) == {"attn_gain", "attn_norm_bias"}


def test_attention_that_is_not_what_the_model_used_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Attended._scores
    monkeypatch.setattr(Attended, "_scores", lambda *given: plain(*given) * 1.01)
    noticed = {"attention · values = z", "q·k × the stated factor = score"}
    assert failing(opened_as(load()["llama"])) == noticed


@pytest.mark.parametrize("kind", ["llama", "bert", "t5"])
@pytest.mark.parametrize("rows", [1, 1000])
def test_statistics_of_tiles_that_are_not_the_map_are_refused(
    kind: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = attended._tile

    def wrong(first: int, scores: torch.Tensor) -> Tile:
        tile = plain(first, scores)
        return replace(tile, weights=tile.weights.roll(1, -1))

    monkeypatch.setattr(attended, "CELLS", rows)
    monkeypatch.setattr(attended, "_tile", wrong)
    engine = LocalEngine(tiny_model(kind), ByteTokenizer(), name="tiles")
    assert set(engine.broken) == {
        *ATTENTION_REDUCED,
        "pattern_max",
        "pattern_mean",
        "contribution_max",
        "contribution_mean",
    }
    run = Run(engine.spec.id, "some words")
    for want in (Want("head_entropy"), Want("head_maps"), Want("pattern_max", 1, head=0)):
        with pytest.raises(Refused, match="“tiles of attention put together = attention formed at once” is off by"):
            engine.run(run, [want])
    for site in ("pattern", "contribution"):
        assert engine.run(run, [Want(site, 1)])[Want(site, 1)].shape == (4, 10, 10)


def test_a_layer_that_remembers_its_last_call_is_noticed() -> None:
    model = opened_as(load()["llama"])
    calls = iter(range(100))
    model.layers[0].mlp.register_forward_hook(lambda module, args, out: out + next(calls))
    assert "a layer run again from its input = its output" in failing(model)


def test_an_error_that_is_not_a_number_does_not_hold() -> None:
    assert not Identity("x", frozenset(), float("nan"), 1.0).holds
    model = opened_as(load()["llama"])
    model.layers[1].self_attn.o_proj.weight.data.fill_(float("nan"))
    assert "a layer run again from its input = its output" in failing(model)


def test_what_is_reduced_from_a_broken_site_is_broken_too() -> None:
    reasons = with_resting(broken([Identity("x = y", frozenset({"pattern"}), 0.5, 1e-5)]))
    weighted = {"contribution", "contribution_max", "contribution_mean", "dla_src"}
    assert set(reasons) == {"pattern", "pattern_max", "pattern_mean", *weighted, *_KINDS}
    assert "“x = y” is off by 0.5" in str(reasons["head_maps"])


_KINDS = frozenset(ATTENTION_REDUCED)
