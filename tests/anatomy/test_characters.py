"""Characters that tokens hold in parts, and bytes that are not whole characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.characters import LONGEST, Bytes, Share, begun, clusters, covered, parted
from anatomy.request import Run
from anatomy.trace import Token, Trace, readable
from tests.anatomy.spec import SPEC

FAMILY = "👩‍👩‍👧‍👦"


def in_bytes(text: str, *lengths: int) -> tuple[Token, ...]:
    """A text cut after so many bytes each, as a byte-level vocabulary may cut it."""
    raw, tokens, at = text.encode(), [], 0
    owner = [place for place, c in enumerate(text) for _byte in c.encode()]
    for length in lengths:
        piece = raw[at : at + length]
        whole = readable_text(piece)
        tokens.append(Token(len(tokens), "x", whole, piece, owner[at], owner[at + length - 1] + 1))
        at += length
    assert at == len(raw), "the lengths leave bytes over"
    return tuple(tokens)


def readable_text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def labels(text: str, *lengths: int) -> list[str]:
    return list(Trace(Run(SPEC.id, text), SPEC, in_bytes(text, *lengths), {}).labels)


@pytest.mark.parametrize(
    ("text", "lengths", "expected"),
    [
        ("患", (2, 1), ["‹患 1/2›", "‹患 2/2›"]),
        ("患", (3,), ["患"]),
        ("a 患者", (1, 3, 2, 2), ["a", "·‹患 1/2›", "‹患 2/2›‹者 1/2›", "‹者 2/2›"]),
        ("患者天", (2, 4, 3), ["‹患 1/2›", "‹患 2/2›者", "天"]),
        ("e\u0301", (1, 2), ["e", "‹e\u0301 2/2›"]),
        ("कि", (3, 3), ["क", "‹कि 2/2›"]),
        ("🙂", (1, 1, 1, 1), [f"‹🙂 {i}/4›" for i in (1, 2, 3, 4)]),
        (FAMILY, (4, 3, 18), ["👩", f"‹{FAMILY} 2/3›", f"👩{FAMILY[3:]}".replace("👩👩", "👩")]),
        ("\r\n", (1, 1), ["␍", "⏎"]),
    ],
)
def test_parts_of_a_character_are_called_by_it(text, lengths, expected):
    assert labels(text, *lengths) == expected


def test_a_part_is_told_from_the_whole_by_its_share():
    tokens = Trace(Run(SPEC.id, "患者"), SPEC, in_bytes("患者", 2, 4), {}).tokens
    assert [token.shares for token in tokens] == [(Share("患", 1, 2),), (Share("患", 2, 2),)]
    assert tokens[1].covers == (Share("患", 2, 2), "者")


def test_a_name_of_the_vocabulary_is_of_no_text():
    trace = Trace(Run(SPEC.id, "患"), SPEC, in_bytes("患", 2, 1), {})
    assert (trace.name(0), trace.name(1)) == ("‹悀…悿›", "‹A3›")


def test_what_special_tokens_stand_for_is_not_split():
    tokens = (Token(0, "[UNK]", "患", "患".encode(), 0, 1, special=True), Token(1, "x", "患", "患".encode(), 0, 1))
    assert [token.covers for token in Trace(Run(SPEC.id, "患"), SPEC, tokens, {}).tokens] == [(), ()]


def test_letters_under_a_heap_of_marks_are_many_characters():
    assert clusters("a" + "\u0301" * 3 + "b") == ((0, 4), (4, 5))
    assert len(clusters("a" + "\u0301" * LONGEST)) == LONGEST + 1


@given(st.text(max_size=12), st.data())
def test_every_cut_says_of_every_split_character_each_part_once(text, data):
    raw = text.encode("utf-8", "surrogatepass")
    if readable_text(raw) is None or not raw:
        return
    cuts = sorted(data.draw(st.sets(st.integers(1, max(len(raw) - 1, 1)), max_size=8)) | {len(raw)})
    lengths = [end - start for start, end in zip([0, *cuts], cuts, strict=False) if end > start]
    tokens = in_bytes(text, *lengths)
    held: dict[str, int] = {}
    found = covered(text, tuple((token.start, token.end) for token in tokens))
    for share in (one for covers in found for one in covers if isinstance(one, Share)):
        assert share.part == held.get(share.character, 0) % share.of + 1
        held[share.character] = share.part
    assert all(Trace(Run(SPEC.id, text), SPEC, tokens, {}).labels)


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        (b"\xe6\x82", Bytes(b"", "", b"\xe6\x82")),
        (b"\xa3 \xe6", Bytes(b"\xa3", " ", b"\xe6")),
        (b"\x82\xa3", Bytes(b"\x82\xa3", "", b"")),
        (b"\xe6a", None),
        (b"\x80\x80\x80\x80", None),
    ],
)
def test_bytes_fall_into_whole_characters_and_what_stands_around(raw, parts):
    assert parted(raw) == parts


@pytest.mark.parametrize("text", ["é", "患", "‽", "🙂", "ࠀ", "𐀀", "ÿ"])
def test_a_beginning_is_called_by_the_characters_that_begin_so(text):
    raw = text.encode()
    for length in range(1, len(raw)):
        low, high = begun(raw[:length])
        assert low <= text <= high
        assert low.encode()[:length] == high.encode()[:length] == raw[:length]


@pytest.mark.parametrize("raw", [b"", b"a", b"\xa3", b"\xc0", b"\xff", b"\xf4\x90", b"\xe6\x82\xa3"])
def test_bytes_that_begin_no_character_name_none(raw):
    assert begun(raw) is None


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        (b"\xe6\x82", "‹悀…悿›"),
        (b" \xf0\x9f\x91", "·‹👀…👿›"),
        (b"\xa3ab", "‹A3›ab"),
        (b"\xa3", "‹A3›"),
        (b"\xff\xfe", "‹FF FE›"),
        (b"\xd7", "‹\u2066׀\u2069…\u2066״\u2069›"),
    ],
)
def test_an_unfinished_character_is_called_by_what_it_may_become(raw, label):
    assert readable(None, raw) == label
