"""The share of the wide sweeps that `make test` takes."""

from tests.share import diagonal, share


def kept(cases) -> list[tuple]:
    return [case.values for case in cases if not case.marks]


def test_one_of_so_many_stays_and_the_others_are_wide():
    cases = share([("a", 1), ("b", 2), ("c", 3), ("d", 4)], 3, ["a", "b", "c", "d"])
    assert [case.id for case in cases] == ["a", "b", "c", "d"]
    assert kept(cases) == [("a", 1), ("d", 4)]
    assert [mark.name for mark in cases[1].marks] == ["wide"]


def test_each_value_of_the_longest_axis_stays_once_and_the_others_take_turns():
    cases = diagonal(["a", "b", "c", "d"], [1, 2, 3])
    assert len(cases) == 12
    assert kept(cases) == [("a", 1), ("b", 2), ("c", 3), ("d", 1)]
    assert kept(diagonal([1, 2], ["a", "b", "c"], [True])) == [(1, "a", True), (1, "c", True), (2, "b", True)]
