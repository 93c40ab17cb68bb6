"""The tokens that are watched: the best of both runs, with probability and rank in each, as the whole prediction has
them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from anatomy.alignment import Alignment
from anatomy.parting import WATCHED, Parting, WatchedToken, last_pair, mean_loss, spread, watched_wants
from anatomy.trace import Trace
from tests.models.tiny import run_of, tiny_engine

DIVERGENCE = np.zeros(1)
BOTH = Parting(((0, 0),), DIVERGENCE, DIVERGENCE.copy(), None, (True, True))
APART = replace(BOTH, kl=None, kl_back=None)


def trace_of(text: str, pos: int) -> Trace:
    engine = tiny_engine("llama")
    return engine.run(run_of(engine, text), watched_wants(pos))


def with_logits(trace: Trace, pos: int, logits: dict[int, float]) -> Trace:
    """The trace with these logits and −9 for all other tokens."""
    row = np.full(256, -9.0, np.float32)
    row[[*logits]] = [*logits.values()]
    best = np.lexsort((np.arange(256), -row))[:50]
    names = {int(token): f"<{token}>" for token in best}
    return Trace(trace.run, trace.spec, trace.tokens, dict(zip(watched_wants(pos), (row, best), strict=True)), names)


def test_the_best_of_both_are_watched_with_their_numbers_in_both() -> None:
    a, b = trace_of("the cat", 6), trace_of("a hat on", 7)
    rows = BOTH.watching(a, b, (6, 7)).watched
    for trace, pos, p_of, rank_of in ((a, 6, "p_a", "rank_a"), (b, 7, "p_b", "rank_b")):
        logits = torch.tensor(trace[watched_wants(pos)[0]].tolist(), dtype=torch.double)
        order = logits.argsort(descending=True).tolist()
        assert set(order[:WATCHED]) <= {row.id for row in rows}
        for row in rows:
            assert getattr(row, p_of) == pytest.approx(float(logits.softmax(-1)[row.id]), rel=1e-12)
            assert getattr(row, rank_of) == order.index(row.id) + 1
    assert [row.rank_a for row in rows[:WATCHED]] == [1, 2, 3, 4, 5]
    added = [row.rank_b for row in rows[WATCHED:]]
    assert added == sorted(added)
    assert len({row.id for row in rows}) == len(rows) > WATCHED


def test_without_one_vocabulary_each_run_has_its_own() -> None:
    a, b = trace_of("the cat", 6), trace_of("a hat on", 7)
    found = APART.watching(a, b, (6, 7))
    assert [(row.rank_a, row.rank_b) for row in found.watched] == [
        *((rank, None) for rank in range(1, 6)),
        *((None, rank) for rank in range(1, 6)),
    ]
    assert all((row.p_a is None) == (row.rank_a is None) for row in found.watched)
    assert found.at == (6, 7)
    alone = replace(APART, predicts=(False, True)).watching(Trace(a.run, a.spec, a.tokens, {}), b, (6, 7))
    assert alone.watched == found.watched[WATCHED:]


def test_what_rounding_could_explain_has_one_order_in_both() -> None:
    a = with_logits(trace_of("ab", 0), 0, {3: 2.0, 4: 2.0 - 1e-7, 9: 1.0})
    b = with_logits(trace_of("ab", 0), 0, {3: 2.0 - 1e-7, 4: 2.0, 9: 1.0})
    rows = BOTH.watching(a, a, (0, 0)).watched
    assert [(row.id, row.rank_a, row.rank_b) for row in rows[:3]] == [(3, 1, 1), (4, 2, 2), (9, 3, 3)]
    far = with_logits(trace_of("ab", 0), 0, dict.fromkeys(range(60, 200), 1.0) | {3: -5.0, 4: -5.000004})
    rows = {row.id: row for row in BOTH.watching(b, far, (0, 0)).watched}
    assert rows[3].rank_b == rows[4].rank_b == 141


def test_a_character_that_a_text_begins_is_named_as_the_token_ends_it() -> None:
    cut = trace_of("é", 0)
    a = with_logits(cut, 0, {0xA9: 3.0, 0x41: 1.0})
    a = replace(a, names={**a.names, 0xA9: "‹A9›", 0x41: "A"})
    first, second = BOTH.watching(a, a, (0, 0)).watched[:2]
    assert first.label == a.following(0xA9, 0) != "‹A9›"
    assert second == WatchedToken(0x41, "A", second.p_a, second.p_b, 2, 2)


def test_the_last_tokens_that_belong_together_are_watched_unless_others_are_chosen() -> None:
    a, b = trace_of("the cat", 6), trace_of("a hat on", 7)
    assert last_pair(Alignment(((0, 1), (2, 3), (4, None)), (True, True, False)), a, b) == (2, 3)
    assert last_pair(Alignment(((0, None), (None, 0)), (False, False)), a, b) == (6, 7)


def test_a_mean_loss_is_one_of_the_tokens_that_have_one():
    losses = np.array([np.nan, 1.0, 3.0])
    assert mean_loss(losses) == 2.0
    assert mean_loss(np.array([np.nan])) is None
    assert mean_loss(None) is None
    assert replace(BOTH, losses=(losses, None)).mean_losses == (2.0, None)


def test_a_baseline_has_the_least_and_the_most_mean_loss_of_its_runs():
    def of(loss: float) -> Parting:
        return replace(BOTH, losses=(None, np.array([np.nan, loss])))

    assert spread([of(2.0), of(0.5), of(1.0)], {}).loss == (0.5, 2.0)
    assert spread([of(2.0), BOTH], {}).loss is None
