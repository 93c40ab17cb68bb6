"""What two runs differ by equals what two plain forward passes of the library differ by, and a run beside itself, made
again, differs by exactly nothing."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from anatomy.alignment import Alignment, aligned, identity
from anatomy.parting import KL_ROUNDING, PARTED, Losses, Parting
from anatomy.refused import Refused, TooLong
from anatomy.request import Intervention, Run
from anatomy.trace import Token
from bench import long
from models import memory
from models.engine import Cancelled, Progress
from models.local import engine as local
from models.local import parting
from models.local.engine import LocalEngine
from models.local.estimate import PAIRS, Half, Speed, parting_fits
from models.local.estimate import parting as cost
from models.serving.recorded import FIRST_VIEW, RecordedEngine
from models.serving.store import Store
from tests.models.long import long_engine, text_of
from tests.models.real import real_engine
from tests.models.reference import Plain
from tests.models.tiny import (
    HEADLESS,
    MODELS,
    STREAMS,
    TEXT,
    ByteTokenizer,
    new_tiny_engine,
    run_of,
    tiny_config,
    tiny_engine,
    tiny_model,
)

OTHER = "the cat, a hut and the bat sat on the mat"
SPEED = Speed(products=2e11, fused=1e11, weights=3e8)


def compared(a: LocalEngine, one: Run, b: LocalEngine, other: Run, alignment: Alignment | None = None) -> Parting:
    return a.parting(one, b, other, alignment or aligned(a.run(one), b.run(other)))


class Lettered(ByteTokenizer):
    """Calls one token of its vocabulary something else."""

    def token(self, row: int) -> Token:
        return replace(super().token(row), piece="other") if row == 200 else super().token(row)


# against the library


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    ("one", "other", "tail"),
    [(TEXT, OTHER, ()), (TEXT, TEXT.replace("hat", "hut"), ()), ("a", "b", ()), ("a hat", "a", (32, 104, 97))],
    ids=["longer", "replaced", "one token", "tail"],
)
def test_predictions_and_streams_differ_as_in_the_library(
    kind: str, one: str, other: str, tail: tuple[int, ...]
) -> None:
    engine = tiny_engine(kind)
    a, b = run_of(engine, one), replace(run_of(engine, other), tail=tail)
    found = compared(engine, a, engine, b)
    ids = [[token.id for token in engine.run(run).tokens] for run in (a, b)]
    plain_a, plain_b = (Plain(tiny_model(kind), own) for own in ids)
    assert found.pairs == aligned(engine.run(a), engine.run(b)).both
    assert len(found.pairs) >= 1
    _same_as_plain(found, plain_a, plain_b, kind not in HEADLESS)
    for losses, plain, own in zip(found.losses, (plain_a, plain_b), ids, strict=True):
        _same_losses(losses, plain, own, engine.spec.head == "causal")


def _same_losses(losses: Losses, plain: Plain, ids: list[int], causal: bool) -> None:
    """−log p of each token after those before it, of the library's own logits."""
    if not causal:
        assert losses is None
        return
    assert losses is not None
    assert np.isnan(losses[0])
    logp = plain.result.logits[0, :-1].double().log_softmax(-1)
    expected = -logp[range(len(logp)), ids[1:]].numpy()
    np.testing.assert_allclose(losses[1:], expected, rtol=1e-5, atol=1e-6)


def test_models_of_other_vocabularies_have_losses_of_their_own() -> None:
    a, b = tiny_engine("llama"), LocalEngine(tiny_model("gpt2"), Lettered(), name="other")
    one, other = run_of(a, TEXT), run_of(b, OTHER)
    found = compared(a, one, b, other)
    assert found.kl is None
    for losses, kind, (engine, run) in zip(found.losses, ("llama", "gpt2"), ((a, one), (b, other)), strict=True):
        ids = [token.id for token in engine.run(run).tokens]
        _same_losses(losses, Plain(tiny_model(kind), ids), ids, causal=True)


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_two_models_of_one_vocabulary_differ_as_in_the_library(kind: str) -> None:
    a, b = tiny_engine(kind), LocalEngine(tiny_model(kind, seed=1), ByteTokenizer(), name="other")
    found = compared(a, run_of(a), b, run_of(b, OTHER))
    ids = [[token.id for token in ByteTokenizer().tokenize(text)] for text in (TEXT, OTHER)]
    _same_as_plain(found, Plain(tiny_model(kind), ids[0]), Plain(tiny_model(kind, seed=1), ids[1]), True)
    assert found.parted_at == (0,) * len(found.pairs)


def _same_as_plain(found: Parting, a: Plain, b: Plain, predicts: bool) -> None:
    in_a, in_b = (torch.tensor(places) for places in zip(*found.pairs, strict=True))
    if predicts:
        logp_a, logp_b = (
            torch.log_softmax(plain.result.logits[0, places].double(), -1) for plain, places in ((a, in_a), (b, in_b))
        )
        forth = torch.nn.functional.kl_div(logp_a, logp_b, reduction="none", log_target=True).sum(-1)
        back = torch.nn.functional.kl_div(logp_b, logp_a, reduction="none", log_target=True).sum(-1)
        np.testing.assert_allclose(found.kl, forth, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(found.kl_back, back, rtol=1e-5, atol=1e-7)
        assert found.without_kl is None
    else:
        assert found.kl is None
        assert "no output layer" in str(found.without_kl)
    gaps = []
    for ours, theirs in zip(_streams(a), _streams(b), strict=True):
        ours, theirs = ours[in_a].double(), theirs[in_b].double()
        gaps.append((theirs - ours).norm(dim=-1) / ours.norm(dim=-1))
    np.testing.assert_allclose(found.distance, torch.stack(gaps), rtol=1e-4, atol=1e-6)


def _streams(plain: Plain) -> list[torch.Tensor]:
    layers = [plain.layer(number) for number in range(plain.model.config.num_hidden_layers)]
    return [*(layer["resid_pre"] for layer in layers), layers[-1]["resid_post"]]


# exactness


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("text", [TEXT, "a"])
def test_a_run_beside_itself_made_again_differs_by_exactly_nothing(kind: str, text: str) -> None:
    a, thin = new_tiny_engine(kind), new_tiny_engine(kind, inputs_bytes=0)  # which keeps no layer inputs
    run = run_of(a, text)
    for engine, other in ((a, new_tiny_engine(kind)), (a, thin), (thin, thin)):
        found = compared(engine, run, other, run)
        assert found.distance is not None
        assert not found.distance.any()
        assert found.parted_at == (None,) * len(found.pairs)
        assert found.first is None
        if kind not in HEADLESS:
            assert found.kl is not None
            assert found.kl_back is not None
            assert not found.kl.any()
            assert not found.kl_back.any()


def test_streams_that_were_left_out_are_those_of_the_same_changed_run() -> None:
    changed = Intervention("attn_out", "zero", layer=1)
    for options in ({}, {"inputs_bytes": 0}):
        a, b = new_tiny_engine("llama", **options), new_tiny_engine("llama", **options)
        for one, other in (((), (changed,)), ((changed,), ())):
            found = compared(a, run_of(a).intervened(*one), b, run_of(b).intervened(*other))
            assert found.parted_at == (2,) * len(TEXT)  # after layer 1
            assert found.distance is not None
            assert not found.distance[:2].any()
        same = compared(a, run_of(a).intervened(changed), b, run_of(b).intervened(changed))
        assert same.first is None


def test_in_a_causal_model_nothing_parts_before_the_first_other_token() -> None:
    engine = tiny_engine("llama")
    found = compared(engine, run_of(engine), engine, run_of(engine, TEXT.replace("hat", "hut")))
    at = TEXT.index("hat") + 1
    assert found.parted_at is not None
    assert found.kl is not None
    assert found.parted_at[:at] == (None,) * at
    assert (found.kl[:at] < KL_ROUNDING).all()
    assert found.parted_at[at] == found.first == 0
    assert set(found.parted_at[at + 1 :]) == {1}
    assert (found.kl[at:] > 1e-5).all()


def test_what_is_equal_has_no_distance_whatever_it_is() -> None:
    a = torch.tensor(
        [[1.0, torch.inf], [torch.nan, 3.0], [0.0, 0.0], [0.0, 0.0], [3.0, 4.0], [1.0, torch.nan]]
    ).double()
    b = torch.tensor([[1.0, torch.inf], [torch.nan, 3.0], [0.0, 0.0], [0.0, 1.0], [3.0, 4.5], [1.0, 2.0]]).double()
    assert parting._apart(a, b).tolist() == [0, 0, 0, torch.inf, 0.1, torch.inf]


def test_rounding_counts_as_no_parting_and_more_does() -> None:
    distance = np.array([[0.0, 0.0, 0.0], [PARTED, 1.01 * PARTED, 0.0], [0.0, 0.0, 0.9]])
    found = Parting(((0, 0), (1, 1), (2, 2)), None, None, distance, (False, False))
    assert found.parted_at == (None, 1, 2)
    assert found.first == 1
    assert not distance.flags.writeable


# what has no difference


def _other(kind: str, **sizes: int) -> LocalEngine:
    config = tiny_config(kind)
    config.update(sizes)
    return LocalEngine(type(tiny_model(kind))(config).eval(), ByteTokenizer(), name="sized")


@pytest.mark.parametrize(
    ("other", "kl", "distance"),
    [
        (lambda: LocalEngine(tiny_model("llama", seed=1), Lettered(), name="other"), "different vocabularies", None),
        (lambda: tiny_engine("bert"), "the other the token that stands there", None),
        (lambda: tiny_engine("bert-headless"), "no output layer", None),
        (lambda: _other("llama", hidden_size=64), None, "32 numbers wide and the second's 64"),
        (lambda: _other("llama", num_hidden_layers=2), None, "has 3 layers and the second 2"),
        (lambda: _other("llama", vocab_size=200), "different vocabularies", None),
    ],
)
def test_a_reason_stands_where_two_models_cannot_be_compared(
    other: Callable[[], LocalEngine], kl: str | None, distance: str | None
) -> None:
    a, b = tiny_engine("llama"), other()
    found = compared(a, run_of(a), b, run_of(b))
    assert (found.kl is None) == (found.kl_back is None) == (kl is not None)
    assert (found.distance is None) == (found.parted_at is None) == (distance is not None)
    assert (kl or "None") in str(found.without_kl)
    assert (distance or "None") in str(found.without_distance)
    assert found.predicts == (True, b.spec.head is not None)


def test_texts_of_which_no_tokens_belong_together_have_empty_arrays() -> None:
    engine = tiny_engine("llama")
    none = Alignment(((0, None), (None, 0)), (False, False))
    found = compared(engine, run_of(engine, "a"), engine, run_of(engine, "b"), none)
    assert found.kl is not None
    assert found.distance is not None
    assert (found.kl.shape, found.distance.shape, found.parted_at, found.first) == ((0,), (4, 0), (), None)


def test_an_alignment_of_other_texts_is_a_mistake_of_the_asker() -> None:
    engine = tiny_engine("llama")
    with pytest.raises(ValueError, match="of other texts than these of 3 and 3 tokens"):
        compared(engine, run_of(engine, "abc"), engine, run_of(engine, "abd"), identity(4))


def test_a_recording_is_beside_no_model() -> None:
    engine, recorded = tiny_engine("llama"), RecordedEngine(FIRST_VIEW)
    with pytest.raises(Refused, match="open the second one"):
        engine.parting(run_of(engine), recorded, recorded.recorded, identity(1))
    with pytest.raises(Refused, match="open the second one"):
        engine.parting_estimate(run_of(engine), recorded, recorded.recorded)


def test_a_second_run_that_cannot_be_made_is_refused_as_it_would_be_alone() -> None:
    a, b = tiny_engine("llama"), new_tiny_engine("llama", max_tokens=5)
    for ask in (lambda: compared(a, run_of(a), b, run_of(b)), lambda: a.parting_estimate(run_of(a), b, run_of(b))):
        with pytest.raises(TooLong, match="the limit is 5"):
            ask()


# what it takes


def test_predictions_are_compared_a_few_at_a_time_and_streams_are_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, thin = tiny_engine("llama"), new_tiny_engine("llama", inputs_bytes=0)
    text, rows = TEXT, []
    logits = parting.MadeRun.logits

    def noting(run: parting.MadeRun, readout: object, places: torch.Tensor) -> torch.Tensor:
        rows.append(len(places))
        return logits(run, readout, places)

    monkeypatch.setattr(parting.MadeRun, "logits", noting)
    found = compared(thin, run_of(thin, text), thin, run_of(thin, text.upper()))
    assert max(rows) == PAIRS < len(text)
    assert sum(rows) == 2 * len(text)
    held = compared(engine, run_of(engine, text), engine, run_of(engine, text.upper()))
    np.testing.assert_array_equal(found.distance, held.distance)
    np.testing.assert_array_equal(found.kl, held.kl)


def test_it_says_how_far_it_is_and_stops_where_nobody_waits() -> None:
    engine, steps = tiny_engine("llama"), []

    def report(progress: Progress) -> None:
        steps.append(progress.step)

    asked = (run_of(engine), engine, run_of(engine, TEXT.upper()), identity(len(TEXT)))
    engine.parting(*asked, report=report)
    streams, predictions = "comparing the streams, layer by layer", "comparing the predictions"
    assert [steps.count(streams), steps.count(predictions)] == [4, 2]
    for step in (streams, predictions):
        steps.clear()
        with pytest.raises(Cancelled):
            engine.parting(*asked, report=report, cancelled=lambda step=step: step in steps)
        assert steps[-1] == step


def test_two_runs_that_take_more_memory_than_there_is_are_refused_with_what_would_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "LEAST_ROOM", 0)
    engine = new_tiny_engine("llama", memory_bytes=1, inputs_bytes=1 << 20)
    with pytest.raises(TooLong, match=r"A run of 43 tokens would take about .* enough for about 0"):
        compared(engine, run_of(engine), engine, run_of(engine, OTHER))


def test_as_many_tokens_fit_as_the_estimate_says() -> None:
    spec = tiny_engine().spec
    a, b = Half(spec, 5_000, SPEED), Half(spec, 300, SPEED, recorded=True)
    room = cost(a, b).nbytes
    assert parting_fits(replace(a, tokens=9_000), b, room) == 5_000
    assert parting_fits(a, b, 0) == 0


def test_an_estimate_grows_with_both_texts_and_knows_what_has_been_run() -> None:
    engine = new_tiny_engine("llama")
    short, full = run_of(engine, TEXT[:9]), run_of(engine, TEXT)
    one, other, both = (
        engine.parting_estimate(*asked)
        for asked in ((short, engine, short), (short, engine, full), (full, engine, full))
    )
    assert one.seconds < other.seconds < both.seconds
    assert one.nbytes < other.nbytes < both.nbytes
    assert (one.tokens, other.tokens) == (9, len(TEXT))
    compared(engine, full, engine, full)
    assert engine.parting_estimate(full, engine, full).seconds < both.seconds


@pytest.mark.skipif(not long.forgets(), reason="this system does not say how much memory was taken at most")
@pytest.mark.parametrize(("kind", "tokens"), [("llama", 4_000), ("t5", 1_500)])
def test_two_long_runs_take_no_more_memory_than_their_estimate_says(kind: str, tokens: int) -> None:
    engine = long_engine(kind)
    engine.run(Run(engine.spec.id, text_of(9)), STREAMS)  # what is loaded at first use
    a, b = (Run(engine.spec.id, f"{first}{text_of(tokens - 1)}") for first in (" pa", " pb"))
    alignment, told = identity(tokens), engine.parting_estimate(a, engine, b)
    before = memory.resident()
    long._forget()
    engine.parting(a, engine, b, alignment)
    assert 0 <= long._peak() - before < 1.1 * told.nbytes  # 0: an earlier test left as much free within the process


# on real weights


@pytest.mark.real
def test_the_default_model_parts_at_the_word_that_was_replaced_and_after_it() -> None:
    engine = real_engine("smollm2-135m")
    store = Store(engine, 64 << 20)
    text = "Paris is the capital of France. The language that people speak in France is called"
    a, b = Run(engine.spec.id, text), Run(engine.spec.id, text.replace("in France", "in Germany"))
    alignment = aligned(store.get(a), store.get(b))
    found = store.parting(a, store, b, alignment)
    at = next(place for place, equal in enumerate(alignment.equal) if not equal)
    assert alignment.whole
    assert found.parted_at is not None
    assert found.kl is not None
    assert found.parted_at[:at] == (None,) * at
    assert found.parted_at[at] == 0
    assert set(found.parted_at[at + 1 :]) == {1}  # layer 0 reads the other word already
    # The texts have as many tokens, so each row is added up in the same order: not even the last digits differ.
    assert not found.kl[:at].any()
    assert (found.kl[at:] > 1e-3).all()
    words = {token.label: token for token in found.watched}
    assert words["·French"].rank_a == 1 < words["·French"].rank_b
    assert words["·German"].rank_b < words["·German"].rank_a
    assert words["·French"].p_a > 5 * words["·French"].p_b
    assert words["·German"].p_b > 5 * words["·German"].p_a


@pytest.mark.real
def test_a_shorter_text_parts_nowhere_from_the_longer_one_that_it_begins() -> None:
    engine = real_engine("smollm2-135m")
    text = "When Mary and John went to the store, John gave a drink to Mary." * 6
    for words in (1, 2, 3, 7, 20):
        a, b = Run(engine.spec.id, " ".join(text.split(" ")[:words])), Run(engine.spec.id, text)
        found = compared(engine, a, engine, b)
        assert found.first is None
        assert found.kl is not None
        assert found.kl.max() < KL_ROUNDING
