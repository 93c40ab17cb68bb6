"""Whatever a file from outside holds, or a library raises over it, becomes a sentence that names the file."""

from pathlib import Path

import pytest

from anatomy.language import N_
from anatomy.refused import Refused
from models.checkpoints import outside
from models.checkpoints.errors import WeightsError
from models.checkpoints.outside import POINTER, check_size, read_object, read_text, reading, seen_in, shown


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.json"


class PanicException(BaseException):
    """As Rust libraries raise it: no Exception."""

    __module__ = "pyo3_runtime"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("model"), "(KeyError: 'model')"),
        (ValueError("bad\n  value"), "(bad value)"),
        (RecursionError(), "(RecursionError)"),
        (PanicException("out of bounds"), "(PanicException: out of bounds)"),
        (PermissionError(13, "Permission denied"), "cannot be read: Permission denied."),
        (RuntimeError("x" * 500), "…)"),
    ],
)
def test_errors_become_sentences_that_name_the_file(error: BaseException, said: str, file: Path) -> None:
    file.write_bytes(b"{}")
    with pytest.raises(WeightsError) as refused, reading(file):
        raise error
    assert str(file) in str(refused.value)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 500
    assert refused.value.__cause__ is error


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, MemoryError, GeneratorExit])
def test_what_is_no_error_of_a_file_passes(stop: type[BaseException], file: Path) -> None:
    with pytest.raises(stop), reading(file):
        raise stop


def test_a_refusal_stays_as_it_is(file: Path) -> None:
    with pytest.raises(Refused, match=r"^as it is$"), reading(file):
        raise Refused(N_("as it is"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (POINTER + b"v1\n", "git lfs pull"),
        (b"\xef\xbb\xbf" + POINTER, "git lfs pull"),
        (b"  <!doctype HTML>", "is a web page"),
        (b"<HTML>", "is a web page"),
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
    ],
)
def test_what_a_file_is_in_place_of_itself_is_seen(content: bytes, said: str, file: Path) -> None:
    file.write_bytes(content)
    assert said in str(seen_in(file))
    with pytest.raises(WeightsError, match=said):
        read_object(file)
    with pytest.raises(WeightsError, match=said), reading(file):
        raise ValueError("anything")


def test_other_files_are_not_judged(file: Path) -> None:
    assert seen_in(file) is None
    file.write_bytes(b'{"a": "<html>"}')
    assert seen_in(file) is None


@pytest.mark.parametrize("content", [b'{"a": 1}', b'\xef\xbb\xbf{"a": 1}'])
def test_an_object_is_read_with_and_without_a_byte_order_mark(content: bytes, file: Path) -> None:
    file.write_bytes(content)
    assert read_object(file) == {"a": 1}
    assert read_text(file) == '{"a": 1}'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "no valid JSON"),
        (b"[1]", "no JSON object but array"),
        (b"true", "no JSON object but true/false"),
        (b'"x"', "no JSON object but string"),
        (b"\xff\xfe{\0}\0", "not in UTF-8 (byte 1 of it)"),
        (b'{"caf\xe9": 1}', "not in UTF-8 (byte 6 of it)"),
        (b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_object_is_said(content: bytes, said: str, file: Path) -> None:
    file.write_bytes(content)
    with pytest.raises(WeightsError) as refused:
        read_object(file)
    assert said in str(refused.value)
    assert str(file) in str(refused.value)


def test_a_file_that_is_far_too_large_is_not_read_to_its_end(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(b"{}")
    with file.open("r+b") as opened:
        opened.truncate(outside.LARGEST_TEXT + 1)  # a hole, which takes no room on the disk
    for read in (check_size, read_text, read_object):
        with pytest.raises(
            WeightsError, match=r"some\.json has more than 256 MB, as no such file of a model has: fetch"
        ):
            read(file)
    monkeypatch.setattr(outside, "LARGEST_TEXT", 2)
    file.write_bytes(b"{}")
    check_size(file)
    assert read_object(file) == {}


def test_of_a_folder_the_file_in_it_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"inner\.json cannot be read: Permission denied"), reading(tmp_path):
        raise PermissionError(13, "Permission denied", str(tmp_path / "inner.json"))


@pytest.mark.parametrize(
    ("value", "quoted", "said"),
    [
        ("plain", False, "plain"),
        ("plain", True, "'plain'"),
        ("é\n", False, r"'\xe9\n'"),
        ("é\n", True, r"'é\n'"),
        ("32", True, "'32'"),
        (32, True, "32"),
        (None, False, "None"),
        ([1, "a"], False, "[1, 'a']"),
    ],
)
def test_a_value_is_shown_as_a_sentence_can_hold_it(value: object, quoted: bool, said: str) -> None:
    assert shown(value, quoted=quoted) == said


@pytest.mark.parametrize(
    "value", ["x" * 10**6, "\n" * 10**6, list(range(10**6)), {"a": "x" * 10**6}, [[[["x" * 10**6]]]], 10**4000]
)
def test_a_value_without_end_is_cut(value: object) -> None:
    for quoted in (True, False):
        assert len(shown(value, quoted=quoted)) <= 81
        assert shown(value, quoted=quoted).isprintable()


def test_a_file_that_is_not_there_is_said(file: Path) -> None:
    with pytest.raises(WeightsError, match=r"some\.json cannot be read: No such file"):
        read_object(file)
