"""The claims on the two real models of the catalogue, on the default text: what the page says when it opens."""

from functools import cache

import pytest

import articles
from anatomy.view import View
from articles.verdict import Case, Verdict, judge
from tests.models.real import real_engine

pytestmark = pytest.mark.real
DECODER, ENCODER = "smollm2-135m", "minilm-l6"
# (claim, verdict on SmolLM2, verdict on MiniLM)
EXPECTED = (
    ("c-wordpiece", "not", "holds"),
    ("c-oov", "holds", "part"),
    ("c-special-token", "not", "part"),
    ("c-vocab", "part", "not"),
    ("c-dense", "holds", "holds"),
    ("c-semantic", "part", "part"),
    ("c-contextual", "holds", "holds"),
    ("c-sentence-embedding", "not", "not"),
    ("c-added-position", "not", "holds"),
    ("c-order", "part", "holds"),
    ("c-relative", "holds", "not"),
    ("c-all-words", "part", "holds"),
    ("c-encoder", "not", "holds"),
    ("c-gqa", "holds", "not"),
    ("c-dynamic-mask", "not", "unseen"),
    ("c-two-linear-relu", "not", "part"),
    ("c-residual", "holds", "holds"),
    ("c-layernorm", "not", "holds"),
    ("c-batchnorm", "absent", "absent"),
    ("c-shared-parameters", "part", "not"),
    ("c-next-word", "holds", "not"),
    ("c-missing-word", "not", "unseen"),
    ("c-knows-language", "part", "unseen"),
    ("c-generates", "part", "not"),
    ("c-one-way-writes", "holds", "part"),
    ("c-translates", "part", "unseen"),
    ("c-medical", "part", "absent"),
    ("c-places-known", "holds", "part"),
    ("c-multihead", "holds", "holds"),
    ("c-angles", "part", "part"),
    ("c-depth", "part", "absent"),
    ("c-compute-by-size", "holds", "holds"),
    ("c-regularized", "unseen", "part"),
    ("c-pruning", "unseen", "unseen"),
    ("c-sentiment", "holds", "absent"),
    ("c-quantization", "holds", "not"),
    ("c-less-regularization", "holds", "not"),
    ("c-mixed-precision", "part", "unseen"),
    ("c-memory-attention", "holds", "holds"),
    ("c-gpt3-style", "part", "not"),
)


@cache
def verdicts(name: str) -> dict[str, Verdict]:
    """Every verdict on one model."""
    engine, view = real_engine(name), View()
    asked = Case(engine.spec, view.fit(engine.spec, engine.run(view.run(engine.spec)).tokens), engine.run)
    return {id: judge(check, asked) for id, check in articles.checks_of(articles.claims()).items()}


@pytest.mark.parametrize(("id", "decoder", "encoder"), EXPECTED)
def test_the_two_models_are_told_apart_by_their_numbers(id, decoder, encoder):
    found = verdicts(DECODER)[id], verdicts(ENCODER)[id]
    assert tuple(verdict.kind for verdict in found) == (decoder, encoder)


@pytest.mark.parametrize("name", [DECODER, ENCODER])
def test_no_verdict_comes_from_a_refusal(name):
    for id, verdict in verdicts(name).items():
        assert "engine refused" not in verdict.how, id
        assert verdict.says, id


def test_a_model_that_was_trained_on_pairs_keeps_unlike_texts_further_apart():
    assert verdicts(ENCODER)["c-contrastive"].value > verdicts(DECODER)["c-contrastive"].value > 0


_LONG = (
    "The old clock in the tower of the town hall had stopped years ago, and nobody in the town could say when. "
    "Every spring the mayor promised that it would be mended, and every autumn the hands still stood at ten past four."
)


@pytest.mark.parametrize("name", [DECODER, ENCODER])
def test_a_longer_text_shows_attention_to_far_words_besides_the_first(name):
    engine, view = real_engine(name), View(text=_LONG)
    asked = Case(engine.spec, view.fit(engine.spec, engine.run(view.run(engine.spec)).tokens), engine.run)
    verdict = articles.checks_of(articles.claims())["c-long-range"](asked)
    assert verdict.kind == "holds"
    assert 0.01 < verdict.value < 0.8
