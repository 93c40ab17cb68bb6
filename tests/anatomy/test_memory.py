"""Bytes of the cache: by precision, by heads, and no more than a sliding window keeps."""

import pytest

from anatomy.memory import cache_bytes, kept, kept_in_all, number_bytes
from tests.anatomy.spec import spec


def test_a_token_leaves_a_key_and_a_value_per_layer_and_head() -> None:
    assert cache_bytes(spec(), 10) == 2 * 3 * 2 * 2 * 4 * 10
    assert cache_bytes(spec(), 10, kv=4) == 2 * cache_bytes(spec(), 10)


def test_half_the_precision_takes_half_the_bytes_and_an_unknown_one_is_said() -> None:
    assert cache_bytes(spec(dtype="bfloat16"), 10) * 2 == cache_bytes(spec(), 10)
    with pytest.raises(ValueError, match="no size is known for int4 numbers"):
        number_bytes("int4")


@pytest.mark.parametrize(("tokens", "held"), [(1, 1), (4, 4), (5, 4), (500, 4)])
def test_a_window_keeps_what_the_next_token_looks_back_at(tokens: int, held: int) -> None:
    narrow = spec(windows=(5, 5, 5))
    assert [kept(narrow, tokens, layer) for layer in range(3)] == [held] * 3
    assert cache_bytes(narrow, tokens) == cache_bytes(spec(), held)
    assert kept(spec(), tokens, 0) == tokens


def test_layers_with_windows_of_their_own_keep_each_their_own() -> None:
    mixed = spec(windows=(None, 5, 3))
    assert [kept(mixed, 10, layer) for layer in range(3)] == [10, 4, 2]
    assert kept_in_all(mixed, 10) == 16
    assert cache_bytes(mixed, 10) * 30 == cache_bytes(spec(), 10) * 16
    assert mixed.window is None
