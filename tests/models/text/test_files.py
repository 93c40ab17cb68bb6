"""A folder's tokenizer is the one that the library makes of it, or a sentence says which file is at fault."""

import json
import random
import re
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import tokenizers
from transformers import AutoTokenizer, GPT2Config, LlamaConfig

from anatomy.refused import Refused
from models.checkpoints.contents import missing
from models.checkpoints.errors import WeightsError
from models.checkpoints.hub import SMALL
from models.checkpoints.outside import LARGEST_TEXT, POINTER
from models.checkpoints.tokenizer_files import VOCABULARIES
from models.text import files
from models.text.tokenizer import Tokenizer, load_tokenizer
from tests.models.text.made_checkpoints import CHECKPOINTS, FAST, TEXTS, byte_level, sentence_pieces, write

NAMED = 1 << 9  # rows that are looked at in each vocabulary, more than any of these has
VALUES = (b"null", b"-1", b"7", b"1e9", b'"x"', b'""', b"[]", b"{}", b"true", b"4294967296", b'"\xc4\xa0"')
MARK = b"\xef\xbb\xbf"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of each made checkpoint, written when it is first asked for."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("checkpoint")
            CHECKPOINTS[name](made[name])
        return made[name]

    return folder


def ids(tokenizer: Tokenizer, text: str, special_tokens: bool = True) -> list[int]:
    return [token.id for token in tokenizer.tokenize(text, special_tokens=special_tokens)]


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_ids_are_those_of_the_library(name: str, folders: Callable[[str], Path]) -> None:
    folder = folders(name)
    theirs = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    ours = load_tokenizer(folder)
    assert {text: ids(ours, text) for text in TEXTS} == {text: theirs(text)["input_ids"] for text in TEXTS}
    assert ours.vocab_size == len(theirs)
    assert set(theirs.get_vocab().values()) <= set(range(ours.rows))


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_control_tokens_in_a_text_are_plain_text(name: str, folders: Callable[[str], Path]) -> None:
    ours = load_tokenizer(folders(name))
    control = set(ours.special) - {"<unk>", "[UNK]"}  # the text "<unk>" may be unknown
    for text in (*TEXTS, *ours.special, *(f"the {piece} cat" for piece in ours.special)):
        assert not [token for token in ours.tokenize(text) if token.piece in control and token.end > token.start]


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_every_row_is_shown_and_every_span_lies_in_the_text(name: str, folders: Callable[[str], Path]) -> None:
    ours = load_tokenizer(folders(name))
    for row in range(-1, NAMED):
        assert ours.label(row)
        assert "\ufffd" not in ours.label(row)
        assert ours.token(row).bytes == ours.piece_bytes(row)
    assert ours.label(ours.rows) == f"‹row {ours.rows}›"
    assert ours.rows < NAMED
    for text in TEXTS:
        spans = [(token.start, token.end) for token in ours.tokenize(text)]
        assert spans == sorted(spans)
        assert all(0 <= start <= end <= len(text) for start, end in spans)
        assert isinstance(ours.decode(ids(ours, text)), str)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_what_is_read_is_fetched_and_asked_for(name: str, folders: Callable[[str], Path]) -> None:
    names = [file.name for file in folders(name).iterdir()]
    assert not missing([*names, "model.safetensors", "config.json"])
    assert {*names} <= {*SMALL}


@pytest.mark.parametrize("needed", VOCABULARIES)
def test_every_kind_of_vocabulary_is_accepted_and_fetched(needed: tuple[str, ...], tmp_path: Path) -> None:
    names = ["model.safetensors", "config.json", *needed]
    assert not missing(names)
    assert str(missing(names[:-1])[0]).startswith("it has no tokenizer: neither tokenizer.json nor other files")
    assert {*needed} <= {*SMALL}
    for file in needed:
        (tmp_path / file).write_bytes(POINTER)
    with pytest.raises(WeightsError, match="is a Git LFS pointer"):
        load_tokenizer(tmp_path)


def test_a_file_that_is_far_too_large_is_not_given_to_the_library(tmp_path: Path) -> None:
    _good(tmp_path)
    with (tmp_path / "tokenizer.json").open("r+b") as opened:
        opened.truncate(LARGEST_TEXT + 1)
    with pytest.raises(WeightsError, match=r"tokenizer\.json has more than 256 MB"):
        load_tokenizer(tmp_path)


def test_of_a_vocabulary_only_the_beginning_is_read_to_see_its_kind(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.model"
    with file.open("wb") as opened:
        opened.truncate(1 << 27)
    tracemalloc.start()
    assert files._holds_sentence_pieces(file)
    file.write_bytes(b"IQ== 0\nIg== 1\n")
    assert not files._holds_sentence_pieces(file)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_the_tokenizer_that_a_class_builds_anew_is_the_one_that_is_used(tmp_path: Path) -> None:
    settings = {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}
    write(GPT2Config(), byte_level(special=("<|endoftext|>",)), tokenizer_config__json=settings)(tmp_path)
    alone = Tokenizer((tmp_path / "tokenizer.json").read_text("utf-8"))
    assert [token.piece for token in load_tokenizer(tmp_path).tokenize("the")] == ["Ġthe"]
    assert [token.piece for token in alone.tokenize("the")] == ["t", "he"]


def _good(folder: Path) -> None:
    write(GPT2Config(), byte_level(), tokenizer_config__json=FAST)(folder)


def _changed(name: str, **change: object) -> Callable[[Path], None]:
    """The file with other values on top; a name that ends in _ is one of the `model`."""

    def spoil(folder: Path) -> None:
        file = folder / name
        facts = json.loads(file.read_text("utf-8")) if file.exists() else {}
        for key, value in change.items():
            (facts["model"] if key.endswith("_") else facts)[key.removesuffix("_")] = value
        file.write_text(json.dumps(facts), "utf-8")

    return spoil


def _content(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def _cut(name: str, length: int) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:length])


def _pieces(content: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / "tokenizer.json").unlink()
        write(LlamaConfig(), tokenizer__model=content)(folder)

    return spoil


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _own_program(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "own"}', "utf-8")
    settings = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")


JSON = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
CONTENTS = {
    "a Git LFS pointer": (POINTER + b"v1\noid sha256:00\nsize 9\n", "git lfs pull"),
    "a web page": (b"<!DOCTYPE html><html></html>", "is a web page"),
    "empty": (b"", "is empty"),
    "white space": (b" \n", "is empty"),
    "cut off": (b'{"version": "1.0", "add', "no valid JSON"),
    "Latin-1": ('{"é": 1}'.encode("latin-1"), "not in UTF-8"),
    "UTF-16": ("{}".encode("utf-16"), "not in UTF-8"),
    "a list": (b"[]", "no JSON object but array"),
    "null": (b"null", "no JSON object but null"),
    "a number": (b"7", "no JSON object but number"),
    "nested deeply": (b'{"a":' * 100_000, "nested too deeply"),
}
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    **{f"{name} is {what}": (_content(name, raw), said) for name in JSON for what, (raw, said) in CONTENTS.items()},
    "chat_template.jinja is a pointer": (_content("chat_template.jinja", POINTER), "git lfs pull"),
    "chat_template.jinja is Latin-1": (_content("chat_template.jinja", b"caf\xe9"), "not in UTF-8"),
    "tokenizer.json is no tokenizer": (_content("tokenizer.json", b"{}"), "tokenizer.json"),
    "tokenizer.json has no model": (_changed("tokenizer.json", model=None), "tokenizer.json"),
    "a model of an unknown type": (_changed("tokenizer.json", type_="Neural"), "tokenizer.json"),
    "a vocabulary that is a list": (_changed("tokenizer.json", vocab_=[1, 2]), "tokenizer.json"),
    "an empty vocabulary": (_changed("tokenizer.json", vocab_={}, merges_=[]), "no vocabulary"),
    "merges of nothing": (_changed("tokenizer.json", merges_=["a bcd"]), "tokenizer.json"),
    "a row below 0": (_changed("tokenizer.json", vocab_={"a": -1}, merges_=[]), "tokenizer.json"),
    "a row that is text": (_changed("tokenizer.json", vocab_={"a": "b"}, merges_=[]), "tokenizer.json"),
    "half a character": (_changed("tokenizer.json", vocab_={"\ud800": 0}, merges_=[]), "tokenizer.json"),
    "added tokens that are text": (_changed("tokenizer.json", added_tokens="x"), "tokenizer.json"),
    "no added tokens": (_changed("tokenizer.json", added_tokens=None), "tokenizer.json"),
    "an unknown step": (_changed("tokenizer.json", pre_tokenizer={"type": "Magic"}), "tokenizer.json"),
    "settings of an added token that are text": (
        _changed("tokenizer_config.json", added_tokens_decoder={"256": "x"}),
        "tokenizer_config.json",
    ),
    "added tokens that are a list": (_changed("tokenizer_config.json", added_tokens_decoder=[]), "tokenizer_config"),
    "a class that is a number": (_changed("tokenizer_config.json", tokenizer_class=7), "tokenizer_config.json"),
    "a program of its own": (_own_program, "are not run"),
    "a row that is no number": (_content("added_tokens.json", b'{"a": {}}'), "added_tokens.json"),
    "no tokenizer": (_without("tokenizer.json"), "has no tokenizer.json, nor another file"),
    "a sentence piece model that is cut off": (_pieces(sentence_pieces("unigram")[:300]), "tokenizer.model"),
    "a sentence piece model that is none": (_pieces(b"\x00\x01\x02" * 99), "tokenizer.model"),
    "merges.txt alone": (
        lambda folder: ((folder / "tokenizer.json").unlink(), (folder / "merges.txt").write_text("a b\n")),
        "has no tokenizer.json, nor another file",
    ),
    "vocab.json that is cut off": (
        lambda folder: (
            (folder / "tokenizer.json").unlink(),
            (folder / "vocab.json").write_text('{"a": 1'),
            (folder / "merges.txt").write_text("a b\n"),
        ),
        "no valid JSON",
    ),
    "vocab.json without merges.txt": (
        lambda folder: ((folder / "tokenizer.json").unlink(), (folder / "vocab.json").write_text('{"a": 1}')),
        r"has no tokenizer.json, nor another file that a tokenizer can be made of (tokenizer.model, ",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_is_in_a_file_ends_in_a_sentence_that_names_it(damage: str, tmp_path: Path) -> None:
    spoil, said = DAMAGES[damage]
    _good(tmp_path)
    spoil(tmp_path)
    with pytest.raises(WeightsError) as refused:
        load_tokenizer(tmp_path)
    assert said in str(refused.value)
    assert str(tmp_path) in str(refused.value)


@pytest.mark.parametrize("name", JSON)
def test_a_byte_order_mark_is_no_content(name: str, tmp_path: Path) -> None:
    _good(tmp_path)
    file = tmp_path / name
    plain = ids(load_tokenizer(tmp_path), "the cat")
    file.write_bytes(MARK + (file.read_bytes() if file.exists() else b"{}"))
    assert ids(load_tokenizer(tmp_path), "the cat") == plain


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_is_no_error_of_a_file_passes(
    stop: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_args: object, **_named: object) -> None:
        raise stop

    _good(tmp_path)
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", stopped)
    with pytest.raises(stop):
        load_tokenizer(tmp_path)


def test_a_panic_of_the_library_is_an_error_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})

    def panicking(*_args: object, **_named: object) -> None:
        raise panic("index out of bounds")

    _good(tmp_path)
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", panicking)
    with pytest.raises(WeightsError, match="index out of bounds"):
        load_tokenizer(tmp_path)


def test_a_package_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(LlamaConfig(), tokenizer__model=sentence_pieces("unigram"))(tmp_path)
    for name in [name for name in sys.modules if name.startswith("sentencepiece") or name.endswith("slow_tokenizer")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(WeightsError, match="pip install sentencepiece protobuf"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_end_in_a_tokenizer_or_in_a_sentence(seed: int, tmp_path: Path) -> None:
    chance, kinds = random.Random(seed), ("Unigram", "WordPiece", "Llama 2's steps", "byte-level BPE")
    CHECKPOINTS[kinds[seed]](tmp_path)
    files = {file: file.read_bytes() for file in tmp_path.iterdir() if file.name != "config.json"}
    opened = 0
    for _ in range(60):
        for file, content in files.items():
            file.write_bytes(_flipped(content, chance))
        try:
            _look_at_all(load_tokenizer(tmp_path))
        except Refused:
            continue
        opened += 1
    assert 0 < opened < 60


def _flipped(content: bytes, chance: random.Random) -> bytes:
    """The same with a byte changed, or a number or a word of JSON exchanged for another value."""
    changed = bytearray(content)
    if chance.random() < 0.5:
        changed[chance.randrange(len(changed))] = chance.randrange(256)
        return bytes(changed)
    values = list(re.finditer(rb'(?<=: )(\d+|"[^"]*"|true|false|null)', content))
    if not values or chance.random() < 0.3:
        return content
    value = chance.choice(values)
    other = chance.choice(
        [b"null", b"-1", b"7", b"1e9", b'"x"', b'""', b"[]", b"{}", b"true", b"4294967296", b'"\xc4\xa0"']
    )
    return content[: value.start()] + other + content[value.end() :]


def _look_at_all(tokenizer: Tokenizer) -> None:
    for row in range(-1, NAMED):
        assert tokenizer.label(row)
        assert tokenizer.token(row).bytes == tokenizer.piece_bytes(row)
    for text in TEXTS:
        for special_tokens in (True, False):
            tokenizer.decode(ids(tokenizer, text, special_tokens))


def test_a_tokenizer_that_says_no_places_is_refused(tmp_path: Path) -> None:
    vocabulary = {"a</w>": 0, "<unk>": 1}
    settings = {"tokenizer_class": "CTRLTokenizer"}
    write(GPT2Config(), vocab__json=vocabulary, merges__txt="#version\n", tokenizer_config__json=settings)(tmp_path)
    with pytest.raises(WeightsError, match=r"CTRLTokenizer.*old kind"):
        load_tokenizer(tmp_path)


def test_two_backends_give_the_same_ids(folders: Callable[[str], Path]) -> None:
    """A definition alone, and the library's own tokenizer of it."""
    for name in ("Unigram", "WordPiece", "Llama 2's steps", "an added token in tokenizer_config.json"):
        ours = load_tokenizer(folders(name))
        again = Tokenizer(ours._obeying.to_str())
        for text in TEXTS:
            assert ids(ours, text, False) == ids(again, text, False)
            assert ids(ours, text, True) == ids(again, text, True)


def test_the_library_s_tokenizer_is_not_changed_behind_its_back(folders: Callable[[str], Path]) -> None:
    ours = load_tokenizer(folders("WordPiece, cut and filled up"))
    assert len(ids(ours, "the cat " * 20)) == 42
    assert isinstance(ours._obeying, tokenizers.Tokenizer)
    assert ours._obeying.truncation is None
