"""Lenses, watched tokens and surprisal: a few rows at a time, the same as all at once."""

import numpy as np
import pytest
import torch

from anatomy.request import Run, Want
from models.loaded.readout import CHUNK, Readout
from models.measures import lens
from tests.alike import assert_alike
from tests.models.tiny import tiny_engine, tiny_model

TEXT = "the cat sat on the mat and the cat sat on the mat again; so it was."


def scored_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows are scored each time."""
    scored, plain = [], Readout.logits
    monkeypatch.setattr(Readout, "logits", lambda self, rows: scored.append(len(rows)) or plain(self, rows))
    return scored


def test_never_more_than_a_chunk_of_rows_is_scored_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, scored = tiny_engine(), scored_rows(monkeypatch)
    monkeypatch.setattr(lens, "CHUNK", 5)
    engine.run(Run(engine.spec.id, TEXT[:12]), [Want("lens_kl"), Want("surprisal")])
    assert scored == [5, 5, 5, 5, 5, 5, 2, 4, 5, 5, 1]  # final, two lenses; then what comes after each token
    assert CHUNK <= 64


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, wants = tiny_engine(), [Want("lens_kl"), Want("surprisal")]
    run = Run(engine.spec.id, TEXT[:30])
    whole = engine.run(run, wants)
    monkeypatch.setattr(lens, "CHUNK", 7)
    parts = engine.run(run, wants)
    for want in wants:
        assert_alike(parts[want], whole[want])


def test_the_last_lens_is_the_final_distribution_and_none_is_negative() -> None:
    engine = tiny_engine()
    distance = engine.run(Run(engine.spec.id, TEXT[:20]), [Want("lens_kl")])[Want("lens_kl")]
    assert (distance[-1] == 0).all()
    assert (distance >= 0).all()
    assert distance[0].max() > 0.01


def test_surprisal_is_the_librarys_own_loss() -> None:
    engine = tiny_engine("gpt2")
    found = engine.run(Run(engine.spec.id, TEXT[:40]), [Want("surprisal")])[Want("surprisal")]
    ids = torch.tensor([list(TEXT[:40].encode())])
    with torch.inference_mode():
        loss = tiny_model("gpt2")(ids, labels=ids).loss
    assert np.isnan(found[0])
    assert found[1:].mean() == pytest.approx(float(loss), abs=1e-5)


@pytest.mark.parametrize("pos", [0, 1, 19])
def test_surprisal_of_one_token_is_that_of_all(pos: int, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine()
    run = Run(engine.spec.id, TEXT[:20])
    whole = engine.run(run, [Want("surprisal")])[Want("surprisal")]
    scored = scored_rows(monkeypatch)
    one = engine.run(run, [Want("surprisal", pos=pos)])[Want("surprisal", pos=pos)]
    assert_alike(one, whole[pos])
    assert scored == ([1] if pos else [])


def test_a_single_token_has_no_surprisal() -> None:
    engine = tiny_engine()
    assert np.isnan(engine.run(Run(engine.spec.id, "a"), [Want("surprisal")])[Want("surprisal")]).all()


def test_watched_are_all_that_ever_lead_the_final_one_first() -> None:
    engine = tiny_engine()
    wants = [Want("watch_ids", pos=8), Want("watch_rank", pos=8), Want("watch_logp", pos=8), Want("lens_ids", pos=8)]
    trace = engine.run(Run(engine.spec.id, TEXT[:20]), wants)
    ids, ranks, logp, best = (trace[want] for want in wants)
    assert ids[0] == best[-1, 0]
    assert set(ids) == set(best[:, 0])
    assert ranks[-1, 0] == 1
    for layer, leader in enumerate(best[:, 0]):
        assert ranks[layer, ids.tolist().index(leader)] == 1
        assert logp[layer].max() == logp[layer, ids.tolist().index(leader)]


def test_at_most_eight_are_watched_the_latest_leaders() -> None:
    assert lens._leaders([1, 2, 3, 2, 9]) == [9, 2, 3, 1]
    assert lens._leaders(list(range(20))) == list(range(19, 11, -1))


def test_a_leader_by_the_rule_for_near_ties_has_the_first_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    logp = torch.tensor([[-5.0, -1.0, -1.0 + 4e-7, -3.0], [-1.0, -5.0, -2.0, -3.0]])
    monkeypatch.setattr(lens, "_logp", lambda context, rows: logp)
    found = lens._watched(None, logp)
    assert found["watch_ids"].tolist() == [0, 1]
    assert found["watch_rank"].tolist() == [[4, 1], [1, 4]]
