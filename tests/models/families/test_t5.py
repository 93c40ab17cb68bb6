"""T5: a bias by distance that all layers share, scores that are not scaled, and an encoder that is opened alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import T5Config, T5EncoderModel, T5ForConditionalGeneration

from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.spec import Ffn, RelativeBias
from models.families import load
from models.loaded.load import load_model
from models.local.engine import LocalEngine
from models.reading import attention_interface
from models.reading.attended import Attended
from tests.models.parity import parity
from tests.models.reference import Plain
from tests.models.tiny import MODELS, ByteTokenizer, randomize, tiny_config, tiny_engine, tiny_model

TEXT = "the cat, the hat"
IDS = [token.id for token in ByteTokenizer().tokenize(TEXT)]
BIAS = "the table's number for each distance = what is added to the scores"


def site(name: str, layer: int, kind: str = "t5") -> np.ndarray:
    engine, want = tiny_engine(kind), Want(name, layer)
    return engine.run(Run(engine.spec.id, TEXT), [want])[want]


def test_what_is_added_is_what_the_library_computes_and_the_same_in_every_layer() -> None:
    attention = tiny_model("t5").encoder.block[0].layer[0].SelfAttention
    expected = attention.compute_bias(len(IDS), len(IDS))[0].detach().numpy()
    for layer in range(3):
        np.testing.assert_array_equal(site("pos_bias", layer), expected)


@pytest.mark.parametrize("layer", [0, 2])
def test_a_score_is_the_product_and_the_bias_without_a_scale(layer: int) -> None:
    products = np.einsum("hpd,hsd->hps", site("q", layer), site("k", layer))
    np.testing.assert_allclose(site("scores", layer), products + site("pos_bias", layer), atol=1e-5)


def test_every_token_sees_every_other() -> None:
    assert (site("pattern", 1) > 0).all()


def test_the_gated_form_equals_the_plain_forward_too() -> None:
    engine = tiny_engine("t5-gated")
    assert engine.spec.ffn == Ffn(gated=True, act="gelu_new")
    assert engine.broken == {}
    gaps = parity(engine, Plain(tiny_model("t5-gated"), IDS), TEXT, pos=6)
    assert {"gate", "up", "act", "pos_bias"} <= {gap.site for gap in gaps}
    assert [gap for gap in gaps if gap.relative > 1e-5 and gap.site != "head_maps"] == []


@pytest.mark.parametrize("wrong", [RelativeBias(12, 40, True), RelativeBias(12, 16, False), RelativeBias(10, 16, True)])
def test_buckets_that_are_not_the_models_are_noticed(wrong: RelativeBias) -> None:
    table = load()["t5"]
    family = replace(table, facts=lambda *given: table.facts(*given) | {"position": wrong})
    engine = LocalEngine(tiny_model("t5"), ByteTokenizer(), name="wrong", family=family)
    assert [identity.name for identity in engine.identities if not identity.holds] == [BIAS]
    assert set(engine.broken) == {"pos_bias", "bias_table"}


def test_attention_without_the_bias_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Attended._scores
    monkeypatch.setattr(Attended, "_scores", lambda *given: plain(*given) * 1.01)
    engine = LocalEngine(tiny_model("t5"), ByteTokenizer(), name="without")
    assert {"pattern", "scores"} <= set(engine.broken)


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "t5"])
def test_other_models_say_what_they_do_instead(kind: str) -> None:
    engine = tiny_engine(kind)
    with pytest.raises(Refused, match=r"adds nothing to its scores for a distance: it (rotates|adds a row)"):
        engine.run(Run(engine.spec.id, TEXT), [Want("pos_bias", 0)])


def test_the_longest_text_is_the_checkpoints_or_that_of_the_training() -> None:
    facts = load()["t5"].facts
    assert facts(tiny_config("t5"), None)["max_pos"] == 64
    assert facts(T5Config(), None)["max_pos"] == 512


@pytest.fixture
def whole() -> T5ForConditionalGeneration:
    """Encoder, decoder and output layer."""
    config = T5Config(**tiny_config("t5").to_dict() | {"architectures": None, "is_encoder_decoder": True})
    model = T5ForConditionalGeneration._from_config(config).eval()
    randomize(model)
    return model


def test_of_a_whole_checkpoint_the_encoder_is_opened_and_this_is_said(
    whole: T5ForConditionalGeneration, tmp_path: Path
) -> None:
    whole.save_pretrained(tmp_path)
    loaded = load_model(tmp_path, attn_implementation=attention_interface.NAME)
    assert isinstance(loaded, T5EncoderModel)
    engine = LocalEngine(loaded, ByteTokenizer(), name="whole")
    assert engine.broken == {}
    assert engine.spec.opened.startswith("This checkpoint has an encoder and a decoder. The encoder alone is opened")
    want = Want("resid_pre", 2)
    with torch.inference_mode():
        expected = whole.encoder(torch.tensor([IDS]), output_hidden_states=True).hidden_states[2][0].numpy()
    np.testing.assert_allclose(engine.run(Run(engine.spec.id, TEXT), [want])[want], expected, atol=1e-5)


def test_a_checkpoint_of_an_encoder_is_opened_whole(tmp_path: Path) -> None:
    tiny_model("t5").save_pretrained(tmp_path)
    loaded = load_model(tmp_path, attn_implementation=attention_interface.NAME)
    assert isinstance(loaded, T5EncoderModel)
    assert LocalEngine(loaded, ByteTokenizer(), name="encoder").spec.opened == ""
