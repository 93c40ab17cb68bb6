"""Trace and Token: arrays are checked when the answer is built, labels are always readable."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.request import Run, Want
from anatomy.trace import Token, Trace, continued, readable
from tests.anatomy.spec import SPEC

TOKENS = (Token(5, "a", "a", b"a", 0, 1), Token(6, "Ġb", " b", b" b", 1, 3))
RUN = Run(SPEC.id, "a b")


def trace(**arrays):
    return Trace(RUN, SPEC, TOKENS, {Want(site): array for site, array in arrays.items()})


def test_an_array_of_the_right_shape_is_kept_and_frozen():
    given_array = np.zeros((2, 8), np.float32)
    kept = trace(tok_embed=given_array)[Want("tok_embed")]
    with pytest.raises(ValueError, match="read-only"):
        kept[0, 0] = 1
    given_array[0, 0] = 1  # the caller's own array stays his


@pytest.mark.parametrize(
    ("want", "shape", "message"),
    [
        (Want("tok_embed"), (2, 9), "axis d_model is 9 long, the model and text say 8"),
        (Want("tok_embed"), (3, 8), "axis pos is 3"),
        (Want("tok_embed"), (2,), "the site table says"),
        (Want("pattern", 0), (2, 2, 2), "axis head is 2"),
        (Want("logits", pos=1), (2, 50), "the site table says"),
        (Want("nowhere"), (1,), "no site is called 'nowhere'"),
        (Want("pattern"), (4, 2, 2), "exists in every layer"),
        (Want("tok_embed", 1), (2, 8), "exists once per model"),
        (Want("head_first", pos=1), (3, 4), "has no position"),
    ],
)
def test_a_wrong_array_is_refused_with_the_reason(want, shape, message):
    with pytest.raises(ValueError, match=message):
        Trace(RUN, SPEC, TOKENS, {want: np.zeros(shape)})


def test_asking_for_what_is_not_there_says_what_to_do():
    with pytest.raises(KeyError, match=r"pattern\[layer 2\] is not in this trace: add it to the panel's needs"):
        trace()[Want("pattern", 2)]


def test_plus_adds_arrays_and_keeps_the_others():
    more = trace(tok_embed=np.zeros((2, 8))).plus({Want("entropy"): np.ones(2)})
    assert Want("tok_embed") in more
    assert more[Want("entropy")].sum() == 2


def test_characters_without_a_token_are_named_once():
    tokens = (Token(5, "a", "a", b"a", 0, 1), Token(6, "b", "b", b"b", 3, 4))
    assert Trace(Run(SPEC.id, "a\x13 b\x13"), SPEC, tokens, {}).lost == "\x13"
    assert trace().lost == ""


@pytest.mark.parametrize(
    ("text", "raw", "label"),
    [
        (" capital", b" capital", "·capital"),
        ("\n\n", b"\n\n", "⏎⏎"),
        ("\t", b"\t", "⇥"),
        (None, b"\x82\xa3", "‹82 A3›"),
        ("", b"", "‹›"),
        ("\x00", b"\x00", "‹U+0000›"),
        ("\u202e", "\u202e".encode(), "‹U+202E›"),
        ("👩\u200d", "👩\u200d".encode(), "👩\u200d"),
        ("患者", "患者".encode(), "患者"),
        (" ب", " ب".encode(), "\u2066·ب\u2069"),
        ("\ufe0f", b"\xef\xb8\x8f", "‹U+FE0F›"),
    ],
)
def test_labels_show_what_is_otherwise_invisible(text, raw, label):
    assert readable(text, raw) == label


@given(st.text(min_size=1, max_size=20))
def test_a_label_is_never_empty_and_never_holds_a_replacement_character(text):
    label = readable(text, text.encode("utf-8", "surrogatepass"))
    assert label
    assert "\ufffd" not in label
    assert all(c.isprintable() or c in "\u200c\u200d\ufe0f\u2066\u2069" for c in label)


def generated(*pieces: bytes, special: tuple[int, ...] = ()) -> tuple[Token, ...]:
    return tuple(Token(i, "x", None, piece, 0, 0, i in special) for i, piece in enumerate(pieces))


def places(tokens):
    return [(token.start, token.end) for token in tokens]


def test_generated_tokens_are_placed_after_the_text():
    tokens, text = continued(generated(b" a", b"bc", "é".encode()), 10)
    assert (places(tokens), text) == ([(10, 12), (12, 14), (14, 15)], " abcé")


def test_each_token_of_a_split_character_covers_all_of_it():
    raw = "日本".encode()
    tokens, text = continued(generated(raw[:1], raw[1:4], raw[4:], b"!"), 3)
    assert (places(tokens), text) == ([(3, 4), (3, 5), (4, 5), (5, 6)], "日本!")


def test_special_tokens_cover_nothing_and_cut_a_character_off():
    tokens, text = continued(generated(b"a", b"\xe6", b"<end>", b"b", special=(2,)), 0)
    assert (places(tokens), text) == ([(0, 1), (1, 2), (2, 2), (2, 3)], "a\ufffdb")


def test_the_text_of_a_trace_goes_on_with_its_tail():
    tokens = (Token(1, "a", "a", b"a", 0, 1), *continued(generated(b"b", b"\xe6"), 1)[0])
    assert Trace(Run(SPEC.id, "a", tail=(0, 1)), SPEC, tokens, {}).text == "ab\ufffd"
    assert Trace(Run(SPEC.id, "a"), SPEC, tokens[:1], {}).text == "a"


@pytest.mark.parametrize(
    ("pieces", "names", "expected"),
    [
        (["患".encode()[:2]], {7: "‹A3›"}, "‹患 2/2›"),
        ([b"a\xe6", b"\x82"], {7: "‹A3›"}, "‹患 3/3›"),
        ([b"\xe6"], {7: "‹82›"}, "‹悀…悿›"),
        ([b"\xe6"], {7: "‹82 A3›·b"}, "‹患 2/2›·b"),
        ([b"a"], {7: "‹A3›"}, "‹A3›"),
        (["患".encode()], {7: "‹A3›"}, "‹A3›"),
        ([b"\xc3"], {7: "‹82 A3›"}, "‹82 A3›"),
        ([b"\xe6"], {7: "‹怀…濿›"}, "‹怀…濿›"),
    ],
)
def test_what_goes_on_with_a_character_is_called_by_it(pieces, names, expected):
    tokens, text = continued(generated(*pieces), 0)
    trace = Trace(Run(SPEC.id, text), SPEC, tokens, {}, names)
    assert trace.following(7, len(tokens) - 1) == expected


def test_what_is_hidden_in_a_text_does_not_go_on_with_it():
    tokens, text = continued(generated(b"\xe6\x82"), 0)
    trace = Trace(Run(SPEC.id, text), replace(SPEC, head="masked"), tokens, {}, {7: "‹A3›"})
    assert trace.following(7, 0) == "‹A3›"
