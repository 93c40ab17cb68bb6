"""Bytes of the cache: by precision, by heads, and no more than a sliding window keeps."""

import pytest

from anatomy.memory import cache_bytes, kept, number_bytes
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
    assert kept(spec(window=5), tokens) == held
    assert cache_bytes(spec(window=5), tokens) == cache_bytes(spec(), held)
    assert kept(spec(), tokens) == tokens
