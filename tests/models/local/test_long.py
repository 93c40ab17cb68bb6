"""Long texts: maps go through in tiles and are pooled to cells, and hold the plain model's own numbers."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from anatomy.measure import POOLED, edges
from anatomy.refused import Refused, TooLong
from anatomy.request import Run, Want
from models.local import refuse
from models.measures import collect
from models.reading import attended
from tests.models.long import HEADS
from tests.models.real import plain_model, real_engine
from tests.models.tiny import MODELS, run_of, tiny_engine


@pytest.mark.parametrize("kind", MODELS)
def test_a_text_of_many_tiles_gives_what_one_of_one_tile_gives(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine(kind)
    wants = [*(Want(site) for site in HEADS), Want("contribution_max", 1, head=2), Want("pattern_mean", 1, head=0)]
    at_once = engine.run(run_of(engine), wants)
    monkeypatch.setattr(attended, "ROWS", 10)
    monkeypatch.setattr(attended, "CELLS", 700)  # of 43 tokens and 4 heads: 4 rows
    in_tiles = engine.run(run_of(engine), wants)
    for want in wants:
        np.testing.assert_allclose(in_tiles[want], at_once[want], rtol=1e-5, atol=1e-6, err_msg=str(want))


@pytest.mark.parametrize("head", range(4))
@pytest.mark.parametrize("site", ["pattern", "contribution"])
def test_a_pooled_map_has_the_largest_and_the_mean_of_each_cell(
    site: str, head: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "POOLED", 10)
    monkeypatch.setattr(attended, "CELLS", 300)
    engine = tiny_engine()
    assert (engine.spec.n_heads, engine.spec.n_kv) == (4, 2)
    window = (3, 40, 1, 22)
    how = {"max": np.max, "mean": np.mean}
    wants = {name: Want(f"{site}_{name}", 1, head=head, window=window) for name in how}
    trace = engine.run(run_of(engine), [*wants.values(), Want(site, 1)])
    rows, columns = edges(37, 10, 3), edges(21, 10, 1)
    for name, reduced in how.items():
        expected = [
            [reduced(trace[Want(site, 1)][head, a:b, c:d]) for c, d in pairwise(columns)] for a, b in pairwise(rows)
        ]
        np.testing.assert_allclose(trace[wants[name]], expected, rtol=1e-5, atol=1e-8)


def test_maps_of_all_heads_are_refused_where_they_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine()
    monkeypatch.setattr(refuse, "MAP_BYTES", 20_000)
    for site in ("pattern", "scores", "contribution"):
        with pytest.raises(Refused, match=r"at 43 tokens.* one head as \w+_max, or for one position"):
            engine.run(run_of(engine), [Want(site, 1)])
        assert engine.run(run_of(engine), [Want(site, 1, pos=3)])[Want(site, 1, pos=3)].shape == (4, 43)


def test_maps_that_are_not_pooled_are_offered_at_one_position_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine("t5")
    monkeypatch.setattr(refuse, "MAP_BYTES", 20_000)
    with pytest.raises(TooLong, match=r"at 43 tokens.* as they are: ask for one position\.$"):
        engine.run(run_of(engine), [Want("pos_bias", 1)])
    assert engine.run(run_of(engine), [Want("pos_bias", 1, pos=3)])[Want("pos_bias", 1, pos=3)].shape == (4, 43)


@pytest.mark.parametrize(
    ("want", "sentence"),
    [
        (Want("pattern_max", 1, head=4), "heads 0 to 3, not 4"),
        (Want("pattern_max", 1, head=0, window=(0, 44, 0, 2)), "no window of it goes from 0 to 44 and from 0 to 2"),
        (Want("pattern_mean", 1, head=0, window=(5, 5, 0, 2)), "no window of it goes from 5 to 5"),
    ],
)
def test_a_head_or_window_that_is_not_there_is_refused(want: Want, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        tiny_engine().run(run_of(tiny_engine()), [want])


@pytest.mark.parametrize(
    "want", [Want("pattern_max", 1), Want("pattern", 1, head=0), Want("entropy", window=(0, 1, 0, 1))]
)
def test_a_head_is_named_for_the_sites_of_one_head_and_no_others(want: Want) -> None:
    with pytest.raises(ValueError, match=r"one head|all heads"):
        tiny_engine().run(run_of(tiny_engine()), [want])


@pytest.mark.real
def test_a_text_of_600_tokens_equals_the_plain_forward() -> None:
    engine = real_engine("smollm2-135m")
    text = " ".join(f"Item {number} of the list is worth {number * 37 % 101} points." for number in range(45))
    run = Run(engine.spec.id, text)
    tokens = engine.run(run).tokens
    assert 500 < len(tokens) < 800
    plain = plain_model("smollm2-135m")
    with torch.inference_mode():
        result = plain(torch.tensor([[token.id for token in tokens]]), output_attentions=True, use_cache=False)
    last = len(tokens) - 1
    wants = [Want("logits", pos=last), Want("pattern", 15, pos=last), Want("head_entropy")]
    wants += [Want(f"pattern_{how}", 15, head=4) for how in ("max", "mean")]
    trace = engine.run(run, wants)
    np.testing.assert_allclose(trace[wants[0]], result.logits[0, last].numpy(), atol=1e-4)
    maps = torch.cat(result.attentions).numpy()  # [layer head pos src]
    np.testing.assert_allclose(trace[wants[1]], maps[15, :, last], atol=1e-5)
    entropy = -(maps * np.log(np.where(maps > 0, maps, 1))).sum(-1, dtype=np.float64).mean(-1)
    np.testing.assert_allclose(trace[wants[2]], entropy, atol=1e-4)
    cut = edges(len(tokens), POOLED)[:-1]
    sums = np.add.reduceat(np.add.reduceat(maps[15, 4].astype(np.float64), cut, 0), cut, 1)
    sizes = np.diff(edges(len(tokens), POOLED))
    largest = np.maximum.reduceat(np.maximum.reduceat(maps[15, 4], cut, 0), cut, 1)
    np.testing.assert_allclose(trace[wants[3]], largest, atol=1e-5)
    np.testing.assert_allclose(trace[wants[4]], sums / np.outer(sizes, sizes), atol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_layers_that_are_folded_together_give_what_each_gives_alone(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine(kind)
    wants = [Want(site) for site in ("head_previous", "head_induction", "head_entropy", "head_maps")]
    together = engine.run(run_of(engine), wants)
    monkeypatch.setattr(collect, "CELLS", 1)  # no layer waits for another
    alone = engine.run(run_of(engine), wants)
    assert together[wants[0]].shape == (3, 4)
    for want in wants[:-1]:
        np.testing.assert_allclose(together[want], alone[want], rtol=1e-5, atol=1e-6, err_msg=str(want))
    np.testing.assert_array_equal(together[wants[-1]], alone[wants[-1]])


def test_attention_with_a_mask_of_its_own_is_not_taken_together_with_another() -> None:
    heads = torch.ones(2, 3, 4)
    plain = attended.Attended(heads, heads, None, None, causal=True)
    masked = replace(plain, mask=torch.ones(1, 3, 3, dtype=torch.bool))
    assert attended.together([plain, plain]).query.shape == (4, 3, 4)
    with pytest.raises(ValueError, match="of its own cannot be taken together"):
        attended.together([plain, masked])
