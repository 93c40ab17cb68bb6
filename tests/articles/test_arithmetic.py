"""What single checks count and compare, on numbers that were made for it."""

import math

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.trace import Trace
from articles.checks import embedding, output, position, residual
from tests.articles.cases import altered, case, constant


@pytest.mark.parametrize(("stream", "write"), [("pre", "attn"), ("mid", "ffn")])
def test_the_cosine_of_a_stream_with_what_comes_of_it_is_that_of_the_vectors(stream, write):
    rng = np.random.default_rng(0)
    shown = case()
    x, y = rng.normal(size=(2, 3, len(shown.trace().tokens), 8))  # [layer pos d_model]

    def length(v):
        return np.linalg.norm(v, axis=-1)

    def cosine(v, w):
        return (v * w).sum(-1) / (length(v) * length(w))

    arrays = {
        Want(f"norm_{stream}"): length(x),
        Want(f"norm_{write}"): length(y),
        Want(f"cos_{write}"): cosine(x, y),
    }
    trace = Trace(shown.trace().run, shown.spec, shown.trace().tokens, arrays, {})
    assert (cosine(x, x + y) < 0.95).any()
    np.testing.assert_allclose(residual._passed(trace, stream, write), cosine(x, x + y), rtol=1e-12)


@pytest.mark.parametrize("hit", [(), (1,), (2, 5), (1, 2, 3, 4, 5, 6)])
def test_a_hit_is_a_token_that_the_one_before_it_expected_first(hit):
    def expecting(array, trace):
        ids = np.array([token.id for token in trace.tokens])
        expected = (np.roll(ids, -1) + 1)[:, None] + np.arange(array.shape[1])  # none of them comes next …
        for pos in hit:
            expected[pos - 1, 0] = ids[pos]  # … but here
        return expected

    asked = altered("llama", {"next_ids": expecting})
    count = len(asked.trace().tokens) - 1
    assert f"{len(hit)} of {count} were the model's first choice" in output.next_word(asked).says


@pytest.mark.parametrize(("factor", "kind"), [(0.9, "not"), (1.15, "not"), (1.25, "part"), (2.0, "part")])
def test_neighbours_are_near_from_a_fifth_above_chance_on(factor, kind):
    spec = case().spec
    chance = math.sqrt(2 * math.log(spec.vocab) / spec.d_model)
    verdict = embedding.related(
        altered("llama", {"near_cos": constant(factor * chance)}, vocab=spec.vocab, d_model=spec.d_model)
    )
    assert verdict.kind == kind
    assert verdict.tolerance == pytest.approx(1.2 * min(1, chance))


@pytest.mark.parametrize(
    ("spec_says", "model_does", "kind"), [(1.0, 1.0, "not"), (3.0, 3.0, "not"), (3.0, 1.0, "part")]
)
def test_a_factor_on_the_embedding_row_is_no_vector_that_is_added(spec_says, model_does, kind):
    def scaled(array, trace):
        return array * model_does

    verdict = position.added(altered("llama", {"resid_pre": scaled}, embed_scale=spec_says))
    assert verdict.kind == kind
    assert (verdict.value < 1e-6) == (kind == "not")
