"""Values in a budget of bytes: the one used longest ago goes first."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from models.lru import ByteLru


def test_the_value_used_longest_ago_goes_first() -> None:
    held: ByteLru[str, int] = ByteLru(10)
    held.put("a", 1, 4)
    held.put("b", 2, 4)
    held.get("a")
    held.put("c", 3, 4)
    assert (held.get("a"), held.get("b"), held.get("c")) == (1, None, 3)
    assert held.nbytes == 8


def test_a_value_put_again_counts_once() -> None:
    held: ByteLru[str, int] = ByteLru(10)
    held.put("a", 1, 9)
    held.put("a", 2, 3)
    assert (held.get("a"), held.nbytes, len(held)) == (2, 3, 1)


def test_a_value_over_the_whole_budget_is_not_held_and_throws_nothing_out() -> None:
    held: ByteLru[str, int] = ByteLru(10)
    held.put("a", 1, 4)
    held.put("b", 2, 11)
    assert (held.get("a"), held.get("b"), held.nbytes) == (1, None, 4)


def test_a_value_that_grows_over_the_budget_leaves_nothing_behind() -> None:
    held: ByteLru[str, int] = ByteLru(10)
    held.put("a", 1, 4)
    held.put("a", 2, 11)
    assert (held.get("a"), held.nbytes) == (None, 0)


def test_a_budget_below_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="-1 bytes"):
        ByteLru(-1)


def test_threads_do_not_lose_count() -> None:
    held: ByteLru[int, int] = ByteLru(1000)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: held.put(n % 50, n, 1 + n % 40), range(4000)))
    assert held.nbytes == sum(1 + value % 40 for key in range(50) if (value := held.get(key)) is not None)
    assert held.nbytes <= 1000


def test_room_is_made_by_letting_go_of_what_was_used_longest_ago() -> None:
    held: ByteLru[str, int] = ByteLru(10)
    for name in "abc":
        held.put(name, 1, 3)
    held.make_room(3)
    assert ("a" in held, "b" in held, "c" in held) == (False, True, True)
    held.make_room(1_000)
    assert (len(held), held.nbytes) == (0, 0)
