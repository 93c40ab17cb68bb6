"""A model in half precision shows the library's own half numbers, and what is worked out of them in float32."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from transformers import PreTrainedModel

from anatomy.alignment import identity
from anatomy.memory import cache_bytes
from anatomy.refused import Refused
from anatomy.request import Intervention, Run, Want
from models.families import Tap, load
from models.identities.identity import LOGIT_TOLERANCE, ROUNDINGS, TOLERANCE, UNIT, tolerances
from models.loaded.halves import in_half
from models.local.engine import LocalEngine
from models.local.estimate import inputs_bytes
from models.reading.precision import named
from tests.models.tiny import TEXT, ByteTokenizer, run_of, tiny_engine, tiny_model

KINDS = ("llama", "mistral", "bert", "gpt2", "t5")
WHOLE = ("llama", "bert", "gpt2")  # kinds of which no part stays in float32
PRECISIONS = (torch.bfloat16, torch.float16)
IDS = torch.tensor([list(TEXT.encode())])
both = pytest.mark.parametrize("dtype", PRECISIONS, ids=named)
kinds = pytest.mark.parametrize("kind", KINDS)


@cache
def half_engine(kind: str, dtype: torch.dtype) -> LocalEngine:
    """Shared by all tests: ask it anything, change nothing of it."""
    return opened(in_half(tiny_model(kind), dtype), f"tiny-{kind}")


def opened(model: PreTrainedModel, name: str = "tiny") -> LocalEngine:
    return LocalEngine(model, ByteTokenizer(), name=name)


def plain(kind: str, dtype: torch.dtype) -> PreTrainedModel:
    """The library's own model, as it computes in that precision."""
    return in_half(tiny_model(kind, attn_implementation="sdpa"), dtype)


def near(actual: Float[np.ndarray, "..."], expected: torch.Tensor, dtype: torch.dtype) -> bool:
    """Within the last digit of a half number of the largest size there."""
    wide = expected.double().numpy()
    return bool(np.abs(actual - wide).max() <= 2 * UNIT[named(dtype)] * np.abs(wide).max())


def rounded(array: Float[np.ndarray, "..."], dtype: torch.dtype) -> Float[np.ndarray, "..."]:
    return torch.from_numpy(array.copy()).to(dtype).float().numpy()


@both
@kinds
def test_streams_and_logits_are_those_of_the_plain_forward_pass_in_that_precision(
    kind: str, dtype: torch.dtype
) -> None:
    engine = half_engine(kind, dtype)
    with torch.inference_mode():
        out = plain(kind, dtype)(input_ids=IDS, output_hidden_states=True)
    trace = engine.run(run_of(engine), [Want("resid_pre", layer) for layer in range(engine.spec.layers)])
    for layer in range(engine.spec.layers):
        assert near(trace[Want("resid_pre", layer)], out.hidden_states[layer][0], dtype)
    if engine.spec.head is not None:
        logits = [Want("logits", pos=pos) for pos in range(IDS.shape[1])]
        made = engine.run(run_of(engine), logits)
        assert near(np.stack([made[want] for want in logits]), out.logits[0], dtype)


@both
@kinds
def test_the_spec_says_the_precision_and_so_does_the_name_of_every_run(kind: str, dtype: torch.dtype) -> None:
    spec = half_engine(kind, dtype).spec
    assert spec.dtype == named(dtype)
    assert spec.id == f"tiny-{kind}@0/{named(dtype)}"
    assert spec.id != tiny_engine(kind).spec.id


@both
@pytest.mark.parametrize("kind", WHOLE)
def test_what_the_model_computes_is_a_half_number_and_what_is_worked_out_is_not(kind: str, dtype: torch.dtype) -> None:
    engine = half_engine(kind, dtype)
    own = [Want(site, 1) for site in ("resid_pre", "attn_out", "resid_mid", "ffn_out", "resid_post", "q", "z", "act")]
    made = [Want("scores", 1, pos=9), Want("pattern", 1)]
    trace = engine.run(run_of(engine), [*own, *made, Want("logits", pos=9)])
    for want in (*own, Want("logits", pos=9)):
        assert trace[want].dtype == np.float32
        np.testing.assert_array_equal(trace[want], rounded(trace[want], dtype))
    for want in made:
        finite = np.where(np.isfinite(trace[want]), trace[want], 0.0)
        assert (finite != rounded(finite, dtype)).any()


@both
def test_scores_and_weights_are_worked_out_from_the_half_queries_and_keys_without_rounding(dtype: torch.dtype) -> None:
    engine = half_engine("gpt2", dtype)
    trace = engine.run(run_of(engine), [Want(site, 1) for site in ("q", "k", "pattern", "scores")])
    q, k = (trace[Want(site, 1)].astype(np.float64) for site in ("q", "k"))
    scores = q @ k.transpose(0, 2, 1) * q.shape[-1] ** -0.5  # [head pos src]
    scores[:, np.triu(np.ones(scores.shape[1:], bool), 1)] = -np.inf
    seen = np.isfinite(scores)
    np.testing.assert_allclose(trace[Want("scores", 1)][seen], scores[seen], rtol=1e-5, atol=1e-5)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    expected = weights / weights.sum(-1, keepdims=True)
    np.testing.assert_allclose(trace[Want("pattern", 1)], expected, rtol=1e-5, atol=1e-6)


@both
@kinds
def test_every_law_holds_within_the_roundings_of_the_precision(kind: str, dtype: torch.dtype) -> None:
    engine = half_engine(kind, dtype)
    assert engine.broken == {}
    assert engine.spec.doubts == ()
    assert [law.name for law in engine.identities] == [law.name for law in tiny_engine(kind).identities]
    may = tolerances(engine.spec)
    assert {law.tolerance for law in engine.identities} <= {may.ours, may.part, may.logits}
    assert (may.ours, may.part) == (TOLERANCE, ROUNDINGS * UNIT[named(dtype)])
    assert TOLERANCE < may.part < may.logits < 0.1


def test_in_float32_the_tolerances_are_what_they_were() -> None:
    may = tolerances(tiny_engine().spec)
    assert (may.ours, may.part, may.logits) == (TOLERANCE, TOLERANCE, LOGIT_TOLERANCE)


WRONG = {
    "attn_out": Tap("self_attn.q_proj", "out"),
    "resid_mid": Tap("input_layernorm", "in"),
    "up": Tap("mlp.gate_proj", "out"),
    "ffn_in": Tap("input_layernorm", "out"),
    "ffn_out": Tap("self_attn", "out"),
}


@both
@pytest.mark.parametrize("site", WRONG)
def test_a_wrong_table_closes_in_half_precision_what_it_closes_in_float32(site: str, dtype: torch.dtype) -> None:
    family = load()["llama"]
    wrong = replace(family, taps={**family.taps, site: WRONG[site]})
    models = (tiny_model("llama"), in_half(tiny_model("llama"), dtype))
    wide, half = (LocalEngine(model, ByteTokenizer(), name="wrong", family=wrong) for model in models)
    assert wide.broken
    assert half.broken.keys() == wide.broken.keys()


def kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return (np.exp(p) * (p - q)).sum(-1)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_run_in_float32_is_compared_with_the_same_in_bfloat16(kind: str) -> None:
    a, b = tiny_engine(kind), half_engine(kind, torch.bfloat16)
    parting = a.parting(run_of(a), b, run_of(b), identity(IDS.shape[1]))
    with torch.inference_mode():
        outs = (
            tiny_model(kind, "sdpa")(IDS, output_hidden_states=True),
            plain(kind, torch.bfloat16)(IDS, output_hidden_states=True),
        )
    ours, theirs = (out.logits[0].double().log_softmax(-1).numpy() for out in outs)
    assert parting.kl is not None
    np.testing.assert_allclose(parting.kl, kl(theirs, ours), rtol=0.05, atol=1e-6)
    assert parting.kl.max() > 1e-6  # half precision does tell
    streams = [[out.hidden_states[layer][0].double().numpy() for layer in range(a.spec.layers)] for out in outs]
    assert parting.distance is not None
    for layer, (one, other) in enumerate(zip(*streams, strict=True)):
        expected = np.linalg.norm(other - one, axis=-1) / np.linalg.norm(one, axis=-1)
        np.testing.assert_allclose(parting.distance[layer], expected, rtol=0.05, atol=1e-6)
        assert (expected < 0.05).all()


@both
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_text_goes_on_with_the_tokens_that_the_library_takes(kind: str, dtype: torch.dtype) -> None:
    engine = half_engine(kind, dtype)
    model = plain(kind, dtype)
    went = engine.extend(run_of(engine), 4)
    given = IDS
    with torch.inference_mode():
        for token in went.tail:
            logits = model(input_ids=given).logits[0, -1].float()
            slack = 4 * UNIT[named(dtype)] * float(logits.abs().max())  # over a cache the sums are in another order
            assert float(logits[token]) >= float(logits.max()) - slack
            given = torch.cat([given, torch.tensor([[token]])], dim=1)
    assert len(went.tail) == 4


@both
def test_layer_inputs_and_the_cache_take_half_the_bytes(dtype: torch.dtype) -> None:
    wide, half = tiny_engine("gpt2").spec, half_engine("gpt2", dtype).spec
    positions = 100 * 8
    assert 2 * (inputs_bytes(half, 100, 1) - positions) == inputs_bytes(wide, 100, 1) - positions
    assert 2 * cache_bytes(half, 100) == cache_bytes(wide, 100)
    engine = half_engine("gpt2", dtype)
    engine.run(run_of(engine), [Want("norm_pre")])
    inputs = engine._inputs.get(run_of(engine))
    assert inputs is not None
    assert inputs.nbytes <= inputs_bytes(half, IDS.shape[1], 1)


@both
def test_a_second_run_in_half_precision_is_refused(dtype: torch.dtype) -> None:
    engine = half_engine("llama", dtype)
    with pytest.raises(Refused, match="computes in half precision already"):
        engine.run(run_of(engine), [Want("half_kl")])


@both
@pytest.mark.parametrize("kind", WHOLE)
def test_a_change_is_made_in_the_precision_of_the_model(kind: str, dtype: torch.dtype) -> None:
    engine = half_engine(kind, dtype)
    was, stream = run_of(engine), Want("resid_post", 1)
    before = engine.run(was, [stream])[stream]
    scaled = engine.run(was.intervened(Intervention("resid_post", "scale", 1, amount=0.3)), [stream])[stream]
    np.testing.assert_array_equal(scaled, rounded(scaled, dtype))
    assert near(scaled, torch.from_numpy(0.3 * before), dtype)
    same = engine.run(was.intervened(Intervention("resid_post", "patch", 1, sources=(was,))), [stream])[stream]
    np.testing.assert_array_equal(same, before)


def too_large(kind: str, part: Callable[[PreTrainedModel], torch.nn.Parameter], factor: float) -> PreTrainedModel:
    model = tiny_model(kind)
    with torch.no_grad():
        part(model).mul_(factor)
    return model


def test_numbers_too_large_for_float16_are_refused_and_bfloat16_holds_them() -> None:
    def down(model: PreTrainedModel) -> torch.nn.Parameter:
        return model.get_submodule("model.layers.1.mlp.down_proj").get_parameter("weight")

    with pytest.raises(Refused, match=r"too large for float16, in layer 1: take the model in bfloat16"):
        opened(in_half(too_large("llama", down, 2e5), torch.float16))
    engine = opened(in_half(too_large("llama", down, 2e5), torch.bfloat16))
    assert np.isfinite(engine.run(run_of(engine), [Want("resid_post", 2)])[Want("resid_post", 2)]).all()


def test_logits_too_large_for_float16_are_refused() -> None:
    def gain(model: PreTrainedModel) -> torch.nn.Parameter:
        return model.get_submodule("model.norm").get_parameter("weight")

    with pytest.raises(Refused, match="logits of this run become too large for float16"):
        opened(in_half(too_large("llama", gain, 4e4), torch.float16))


def test_a_change_that_float16_does_not_hold_is_refused() -> None:
    engine = half_engine("llama", torch.float16)
    changed = run_of(engine).intervened(Intervention("resid_post", "scale", 0, amount=1e5))
    with pytest.raises(Refused, match=r"With these changes .* too large for float16, in layer 0"):
        engine.run(changed, [Want("resid_post", 2)])


@both
@kinds
def test_weights_are_halved_as_the_library_loads_them(kind: str, dtype: torch.dtype, tmp_path: Path) -> None:
    tiny_model(kind).save_pretrained(tmp_path)
    loaded, own = type(tiny_model(kind)).from_pretrained(tmp_path, dtype=dtype), in_half(tiny_model(kind), dtype)
    theirs, ours = ({**dict(one.named_parameters()), **dict(one.named_buffers())} for one in (loaded, own))
    assert theirs.keys() == ours.keys()
    for name, numbers in theirs.items():
        assert ours[name].dtype == numbers.dtype, name
        assert torch.equal(ours[name], numbers), name


def test_float32_is_no_half_precision() -> None:
    with pytest.raises(ValueError, match="float32 is no half precision: give one of bfloat16, float16"):
        in_half(tiny_model("llama"), torch.float32)


def test_a_model_that_was_cast_whole_is_told_by_the_angles_that_it_turns_by() -> None:
    """`to` rounds the frequencies of rotary positions too: what is stated is what the model multiplies with."""
    cast, library = opened(tiny_model("llama").to(torch.bfloat16)), half_engine("llama", torch.bfloat16)
    assert cast.broken == {}
    assert cast.spec.doubts == ()
    assert cast.spec.position != library.spec.position
    assert library.spec.position == tiny_engine("llama").spec.position
    assert Run(cast.spec.id, TEXT).model.endswith("/bfloat16")
