"""Every number of every site equals the library's plain eager forward pass, family by family and on real weights."""

import pytest

from anatomy.sites import SITES
from models.local.engine import LocalEngine
from tests.models.parity import parity, real, too_large
from tests.models.real import real_engine
from tests.models.reference import Plain
from tests.models.tiny import MODELS, ByteTokenizer, tiny_engine, tiny_model

TEXT = "the cat, the hat"
# Held against the checkpoint's file in tests/models/loaded/test_stored.py.
VARIANTS = {site.name for site in SITES.values() if site.of == "variant"}  # held by test_varied.py
STORED = {site.name for site in SITES.values() if site.of == "row"}
FLOAT32 = 1e-5  # as a share of the largest number of the site, where that is above 1
REAL = 1e-4
# Of a Llama with any weights: nothing later is seen, no neuron is exactly 0, parts come in one order, gaps are 0.
ALIKE = {"head_later", "act_zero", "layer_order", "batch_gap", "cache_gap", "ffn_sum_gap"}
TOKENIZERS = {"merge_step", "merge_rule", "chat_ids", "chat_role"}  # held by test_merges.py and test_chat.py


@pytest.mark.parametrize("kind", MODELS)
def test_every_site_equals_the_plain_forward(kind: str) -> None:
    gaps = parity(tiny_engine(kind), _plain(kind), TEXT, pos=6)
    assert too_large(gaps, FLOAT32) == []


@pytest.mark.parametrize("kind", MODELS)
def test_every_site_is_compared_or_said_to_be_missing(kind: str) -> None:
    compared = {gap.site for gap in parity(tiny_engine(kind), _plain(kind), TEXT, pos=6)}
    assert compared | set(tiny_engine(kind).missing) | VARIANTS == set(SITES)
    assert not compared & set(tiny_engine(kind).missing)


def test_a_model_with_other_weights_is_told_apart() -> None:
    other = LocalEngine(tiny_model("llama", seed=1), ByteTokenizer(), name="other")
    gaps = {gap.site: gap.relative for gap in parity(other, _plain("llama"), TEXT, pos=6)}
    assert gaps["pattern"] > 0.1
    assert {site for site, gap in gaps.items() if gap <= FLOAT32} == ALIKE


@pytest.mark.real
@pytest.mark.parametrize("name", ["smollm2-135m", "minilm-l6"])
def test_every_site_of_a_real_model_equals_the_plain_forward(name: str) -> None:
    gaps = real(name, "Paris is the capital of France. Berlin is the capital of")
    assert too_large(gaps, REAL) == []
    assert {gap.site for gap in gaps} == set(SITES) - set(real_engine(name).missing) - TOKENIZERS - STORED - VARIANTS


def _plain(kind: str) -> Plain:
    return Plain(tiny_model(kind), [token.id for token in ByteTokenizer().tokenize(TEXT)])
