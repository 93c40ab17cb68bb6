"""The attention function: what it computes beside the library's own, and what it refuses to overlook."""

import pytest
import torch
from torch import nn

from models.reading import attention_interface
from models.reading.recorder import ATTENDED, Recorder, Sites, recording
from tests.models.tiny import tiny_model

POS, WIDTH = 5, 8


def heads(count: int, seed: int) -> torch.Tensor:
    return torch.randn(1, count, POS, WIDTH, generator=torch.Generator().manual_seed(seed))


def scores_of(
    query: torch.Tensor,
    key: torch.Tensor,
    mask: torch.Tensor | None = None,
    scaling: float | None = None,
    causal: bool = True,
) -> torch.Tensor:
    return attention_interface.called(query, key, mask, scaling, causal).scores(0, POS)


def test_a_query_head_reads_the_keys_of_its_group() -> None:
    query, key = heads(4, 0), heads(2, 1)
    scores = scores_of(query, key, causal=False)
    for head in range(4):
        expected = query[0, head] @ key[0, head // 2].T / WIDTH**0.5
        torch.testing.assert_close(scores[head], expected)


def test_causal_scores_forbid_every_later_token_and_no_other() -> None:
    scores = scores_of(heads(2, 0), heads(2, 1))
    later = torch.ones(POS, POS, dtype=torch.bool).triu(1)
    assert torch.equal(scores.isneginf(), later.expand_as(scores))


def test_a_mask_says_alone_what_may_be_seen() -> None:
    mask = torch.eye(POS, dtype=torch.bool)[None, None]
    scores = scores_of(heads(2, 0), heads(2, 1), mask)
    assert torch.equal(scores.isfinite(), torch.eye(POS, dtype=torch.bool).expand_as(scores))


def test_scaling_is_the_one_that_the_model_gives() -> None:
    query, key = heads(1, 0), heads(1, 1)
    torch.testing.assert_close(scores_of(query, key, None, 3.0, causal=False), 3 * query[0] @ key[0].mT)


def test_a_mask_of_numbers_is_not_taken_for_one_of_truths() -> None:
    with pytest.raises(TypeError, match=r"mask is torch\.float32"):
        attention_interface.called(heads(1, 0), heads(1, 1), torch.zeros(1, 1, POS, POS), None, causal=False)


def test_an_argument_that_would_change_the_result_is_named() -> None:
    with pytest.raises(TypeError, match="Identity gives attention softcap"):
        attention_interface.attend(nn.Identity(), heads(1, 0), heads(1, 1), heads(1, 2), None, softcap=30.0)


def test_an_argument_without_a_value_changes_nothing() -> None:
    query, key, value = heads(1, 0), heads(1, 1), heads(1, 2)
    plain, _ = attention_interface.attend(nn.Identity(), query, key, value, None)
    torch.testing.assert_close(
        attention_interface.attend(nn.Identity(), query, key, value, None, softcap=None)[0], plain
    )


def test_a_module_that_nobody_marked_is_not_recorded() -> None:
    shown: list[Sites] = []
    wanted = {0: frozenset({"q", ATTENDED})}
    with recording(Recorder(wanted, lambda layer, sites: shown.append(sites))) as seen:
        seen.enter(0, (heads(1, 0),), {})
        attention_interface.attend(nn.Identity(), heads(1, 0), heads(1, 1), heads(1, 2), None)
        assert seen.kept == {}
        seen.leave(0, heads(1, 0))
    with pytest.raises(AssertionError, match="'attended' is not among the sites"):
        _ = shown[0].attended


def test_a_marked_module_shows_what_is_wanted_and_no_more() -> None:
    module = nn.Identity()
    attention_interface.mark(module, 0)
    query, key, value = heads(4, 0), heads(2, 1), heads(2, 2)
    module.num_key_value_groups = 2
    shown: list[Sites] = []
    wanted = {0: frozenset({"q", "k", "z", ATTENDED})}
    with recording(Recorder(wanted, lambda layer, sites: shown.append(sites))) as seen:
        seen.enter(0, (query,), {})
        out, _ = attention_interface.attend(module, query, key, value, None)
        assert set(seen.kept) == {"q", "k", "z"}
        seen.leave(0, out)
    (sites,) = shown
    assert sites["k"].shape == (2, POS, WIDTH)
    torch.testing.assert_close(sites["z"], out[0].transpose(0, 1))
    torch.testing.assert_close(sites.attended.whole @ value[0].repeat_interleave(2, 0), sites["z"])


def test_the_library_still_gives_attentions_when_asked() -> None:
    ids = torch.arange(7)[None]
    eager, seen = tiny_model("llama"), tiny_model("llama", attn_implementation=attention_interface.NAME)
    with torch.inference_mode():
        expected = eager(ids, output_attentions=True).attentions
        given = seen(ids, output_attentions=True).attentions
    assert len(given) == 3
    for one, other in zip(given, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("shared_by", [1, 2, 4])
def test_a_head_alone_reads_what_it_reads_among_all(shared_by: int) -> None:
    attended = attention_interface.called(heads(4, 0), heads(4 // shared_by, 1), None, None, causal=True)
    for head in range(4):
        torch.testing.assert_close(attended.scores(0, POS, head)[0], attended.scored[head])
        torch.testing.assert_close(attended.weights(0, POS, head)[0], attended.whole[head])
        (tile,) = attended.tiles(head)
        torch.testing.assert_close(tile.weights[0], attended.whole[head])
