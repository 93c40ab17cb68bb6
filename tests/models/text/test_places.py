"""Tokens stand where they were written, whatever a tokenizer does to the text before it cuts it."""

import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from models.text import places
from models.text.places import whole_spans
from models.text.spelling import BYTE_OF
from models.text.tokenizer import Tokenizer as Ours

NORMALIZERS = {
    "none": None,
    "NFC": normalizers.NFC(),
    "NFD": normalizers.NFD(),
    "NFKC": normalizers.NFKC(),
    "NFKD": normalizers.NFKD(),
    "lower": normalizers.Lowercase(),
    "no accents": normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]),
    "no accents, composed": normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.NFC()]),
    "BERT": normalizers.BertNormalizer(),
    "BERT, cased": normalizers.BertNormalizer(lowercase=False),
    "a space before": normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
    "composed, a space before": normalizers.Sequence([normalizers.NFC(), normalizers.Prepend("▁")]),
    "quotes": normalizers.Sequence([normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]),
    "longer": normalizers.Replace("x", "yyy"),
    "left out": normalizers.Replace("x", ""),
    "single spaces": normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]),
    "no ends": normalizers.Strip(),
    "SentencePiece": normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()]),
}
LETTERS = (
    "aexbE `'\u0301\u0323\u0302\u0327ﬁＡéİſ①½ẞﷺ\u212b\u0344\u0958\u1112\u1161\u11ab\u3099か北👩\u200d👧🏽\u200b\0\n\t"
)


def by_bytes(normalizer: normalizers.Normalizer | None) -> Ours:
    """One token per byte of the normalized text, places trimmed as RoBERTa's settings ask."""
    made = Tokenizer(models.BPE(vocab=BYTE_OF, merges=[]))
    made.normalizer = normalizer
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=True)
    return Ours(made.to_str())


TOKENIZERS = {name: by_bytes(normalizer) for name, normalizer in NORMALIZERS.items()}


def _dropped(place: int, text: str, name: str) -> bool:
    """Whether a character leaves no trace in what is read: the rest alone, or it alone, gives the same without it."""
    normalizer = NORMALIZERS[name]
    if normalizer is None:
        return False
    without = text[:place] + text[place + 1 :]
    alone = normalizer.normalize_str(f"7{text[place]}7")
    return normalizer.normalize_str(without) == normalizer.normalize_str(text) or alone[-2:] == "77"


@pytest.mark.parametrize("name", NORMALIZERS)
@settings(max_examples=80, deadline=None, derandomize=True)
@given(text=st.text(alphabet=LETTERS, max_size=10))
def test_every_character_that_is_read_lies_in_a_token(name: str, text: str) -> None:
    tokens = TOKENIZERS[name].tokenize(text)
    spans = [(token.start, token.end) for token in tokens]
    assert spans == sorted(spans)
    assert [end for _, end in spans] == sorted(end for _, end in spans)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    covered = {place for start, end in spans for place in range(start, end)}
    assert [place for place in range(len(text)) if place not in covered and not _dropped(place, text, name)] == []


@pytest.mark.parametrize(
    ("name", "text", "read", "spans"),
    [
        ("NFC", "cafe\u0301s", "cafés", [(0, 1), (1, 2), (2, 3), (3, 5), (3, 5), (5, 6)]),
        ("NFC", "\u1112\u1161\u11ab", "한", [(0, 3)] * 3),
        ("NFC", "a\u0323\u0302!", "ậ!", [(0, 3)] * 3 + [(3, 4)]),
        ("NFC", "A\u0327\u0302", "Â\u0327", [(0, 2)] * 2 + [(2, 3)] * 2),
        ("NFKC", "ﬁＡ", "fiA", [(0, 1), (0, 1), (1, 2)]),
        ("NFD", "é", "e\u0301", [(0, 1)] * 3),
        ("no accents", "e\u0301a", "ea", [(0, 1), (2, 3)]),
        ("quotes", "a``b''", 'a"b"', [(0, 1), (1, 3), (3, 4), (4, 6)]),
        ("left out", "axb", "ab", [(0, 1), (2, 3)]),
        ("none", " a b", " a b", [(0, 1), (1, 2), (2, 3), (3, 4)]),
    ],
)
def test_what_became_one_character_belongs_to_its_tokens(
    name: str, text: str, read: str, spans: list[tuple[int, int]]
) -> None:
    tokens = TOKENIZERS[name].tokenize(text)
    assert b"".join(token.bytes for token in tokens).decode() == read
    assert [(token.start, token.end) for token in tokens] == spans


def test_the_space_before_a_word_belongs_to_it_in_every_setting() -> None:
    """RobertaProcessing and ByteLevel may leave it out; the token is spelled with it."""
    pieces = [*BYTE_OF, "Ġa", "<s>", "</s>"]
    made = Tokenizer(models.BPE({piece: row for row, piece in enumerate(pieces)}, [("Ġ", "a")]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trimmed = (
        processors.ByteLevel(trim_offsets=True),
        processors.RobertaProcessing(("</s>", 258), ("<s>", 257), trim_offsets=True, add_prefix_space=False),
        processors.Sequence([processors.ByteLevel(trim_offsets=True), processors.ByteLevel(trim_offsets=True)]),
    )
    for processor in trimmed:
        made.post_processor = processor
        tokens = [token for token in Ours(made.to_str()).tokenize("a a") if token.end > token.start]
        assert [(token.text, token.start, token.end) for token in tokens] == [("a", 0, 1), (" a", 1, 3)]


def test_places_of_a_tokenizer_without_settings_for_spaces_are_left_alone() -> None:
    made = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(single="a $A a", special_tokens=[("a", 1)])
    assert json.loads(made.to_str())["post_processor"]["type"] == "TemplateProcessing"
    spans = [(token.start, token.end) for token in Ours(made.to_str()).tokenize(" a  a ")]
    assert spans == [(0, 0), (1, 2), (4, 5), (5, 5)]


def test_a_long_text_of_parted_letters_is_placed_whole() -> None:
    text = "e\u0301" * 5_000 + "\u0301" * 5_000
    assert TOKENIZERS["NFC"].tokenize(text)[-1].end == len(text)


LONG = 100_000
ONE_LETTER = normalizers.Replace(Regex("x+"), "b")


@pytest.mark.parametrize(
    ("normalizer", "text"),
    [
        (ONE_LETTER, "x" * LONG + "a"),
        (ONE_LETTER, "a" + "x" * LONG),
        (NORMALIZERS["single spaces"], " " * LONG + "a"),
        (NORMALIZERS["NFC"], "e" + "\u0301" * LONG),
        (NORMALIZERS["BERT"], "e\u0301" * (LONG // 2)),
    ],
)
def test_a_long_text_is_placed_whole_in_little_time_and_memory(
    normalizer: normalizers.Normalizer, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    join = places._join

    def counted(normalizer: object, left: str, right: str) -> bool:
        compared.append(len(left) + len(right))
        return join(normalizer, left, right)

    monkeypatch.setattr(places, "_join", counted)
    spans = by_bytes(normalizer)._encoded(text, False).offsets
    compared.clear()
    tracemalloc.start()
    found = whole_spans(text, spans, normalizer)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50 << 20
    assert len(compared) <= 2 * len(text)
    assert max(compared) <= 2 * places._MOST_MARKS
    assert [found[0][0], found[-1][1]] == [0, len(text) - text.endswith("e\u0301")]  # BERT leaves accents out


@pytest.mark.parametrize("text", ["x" * LONG, "x" * LONG + "a"])
def test_all_that_became_one_letter_belongs_to_it_however_long(text: str) -> None:
    first = by_bytes(ONE_LETTER).tokenize(text)[0]
    assert (first.text, first.start, first.end) == ("b", 0, LONG)
