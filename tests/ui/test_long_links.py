"""Texts of every length in a link: as they are, packed, or kept by the server under a name."""

import random
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.view import View
from models.engine import MAX_CHARACTERS
from ui import long_links

PROSE = "When interest rates rise, the price of a bond usually falls. "
ODD = "法国的首都 👩‍👩‍👧 \x00\x7f&=#+%\n\ud83d"
SHORT = ["", "abc", ODD, "x" * long_links.PLAIN]
LONG = ["x" * (long_links.PLAIN + 1), PROSE * 1600, ODD * 300]
HUGE = "".join(random.Random(0).choices([chr(code) for code in range(33, 0x3000)], k=MAX_CHARACTERS))


def query(text: str) -> dict[str, str]:
    return {"panel": "lens", "text": text, "pos": "3"}


@pytest.mark.parametrize("text", SHORT)
def test_a_short_text_stands_in_a_link_as_it_is(text):
    assert long_links.into(query(text)) == long_links.near(query(text)) == query(text)


@pytest.mark.parametrize("text", LONG)
def test_a_long_text_is_packed_and_comes_back(text):
    link = long_links.into(query(text))
    assert set(link) == {"panel", "pos", "packed"}
    assert link["packed"].isascii()
    assert len(urlencode(link)) < len(urlencode(query(text), errors="replace"))
    assert long_links.out_of(link) == (query(text), ())


def test_a_page_names_a_long_text_in_its_own_links():
    link = long_links.near(query(LONG[1]))
    assert len(urlencode(link)) < 100
    assert long_links.out_of(link) == (query(LONG[1]), ())
    assert "packed" in long_links.into(query(LONG[1]))


def test_a_text_that_no_link_holds_is_kept_by_the_server():
    link = long_links.into(query(HUGE))
    assert set(link) == {"panel", "pos", "kept"}
    assert long_links.out_of(link) == (query(HUGE), ())


@given(
    text=st.integers(0, MAX_CHARACTERS).map(lambda count: HUGE[:count]) | st.integers(0, 3000).map("猫 ".__mul__),
    tail=st.integers(0, 1024),
    others=st.dictionaries(st.sampled_from(["utm_source", "ref"]), st.integers(0, 70_000).map("x".__mul__)),
)
def test_no_link_is_longer_than_a_server_reads_and_each_gives_its_text_back(text, tail, others):
    whole = query(text) | {"tail": ".".join(["100000"] * tail)}
    link = long_links.into(whole, others)
    assert len(urlencode(link)) <= long_links.WHOLE < 1 << 16
    back, complaints = long_links.out_of(link)
    assert {name: back[name] for name in whole} == whole
    assert not complaints


def test_a_text_that_was_kept_and_is_gone_is_said_and_another_one_shown():
    plain, complaints = long_links.out_of({"kept": "0" * 32, "panel": "lens"})
    assert plain == {"panel": "lens"}
    assert "is gone" in complaints[0]


@pytest.mark.parametrize("packed", ["", "?", "AAAA", long_links.into(query(LONG[0]))["packed"][:-4], "Ä" * 9])
def test_a_damaged_text_is_said_and_another_one_shown(packed):
    plain, complaints = long_links.out_of({"packed": packed, "text": "old"})
    assert plain == {"text": "old"}
    assert "damaged" in complaints[0]


def test_a_packed_text_cannot_unfold_without_end():
    bomb = long_links.into(query("x" * (4 * MAX_CHARACTERS + 1)))
    assert long_links.out_of(bomb)[1]


def test_only_so_many_texts_are_kept(monkeypatch):
    monkeypatch.setattr(long_links, "KEPT", 2)
    shelf = long_links.Shelf()
    names = [shelf.keep(text) for text in ("a", "b", "a", "c")]
    assert [shelf.text(name) for name in names] == ["a", None, "a", "c"]


def test_names_of_the_link_are_no_fields_of_a_view():
    assert not set(long_links.NAMES) & set(vars(View()))
