"""What is refused, and what is being done, is said in the language of whoever reads it, whenever that is."""

import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from gettext import NullTranslations
from pathlib import Path

import pytest

from anatomy import language
from anatomy.language import use_locale
from anatomy.refused import Refused, Sentence
from anatomy.request import Intervention, Run, Want
from models.checkpoints import folder
from models.checkpoints.errors import WeightsError
from models.engine import Progress
from models.identities.identity import Identity, broken
from tests.models.tiny import tiny_engine


class Shouting(NullTranslations):
    """A language that has every message in capitals; places keep their names."""

    def gettext(self, message: str) -> str:
        return re.sub(r"\{\w+\}|[^{}]+", lambda found: found[0] if found[0][0] == "{" else found[0].upper(), message)


@contextmanager
def shouting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    plain = language._catalogue
    monkeypatch.setattr(language, "_catalogue", lambda key: Shouting() if key == "zh" else plain(key))
    with use_locale("zh"):
        yield


def refused(run: Run, *wants: Want) -> Refused:
    with pytest.raises(Refused) as told:
        tiny_engine("llama").run(run, wants)
    return told.value


RUN = Run(tiny_engine("llama").spec.id, "some words")
REFUSED = {
    "text": lambda: refused(RUN.on("")),
    "want": lambda: refused(RUN, Want("pattern", 9)),
    "missing": lambda: refused(RUN, Want("pos_embed")),
    "edit": lambda: refused(RUN.intervened(Intervention("attn_out", "zero", 9))),
    "model": lambda: refused(Run("other@1/float32", "some words")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_read_in_the_language_that_is_spoken_then(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = REFUSED[name]()
    english = str(told)
    with shouting(monkeypatch):
        assert str(told) != english
        assert str(told).upper() == english.upper()
        assert str(pickle.loads(pickle.dumps(told))) == str(told)
    assert str(told) == english


def test_a_sentence_within_a_sentence_is_translated_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="cannot be used: there are no files in it") as told:
        folder.check(tmp_path)
    reason = broken([Identity("each row of attention sums to 1", frozenset({"z"}), 0.5, 1e-5)])["z"]
    assert "“each row of attention sums to 1” is off by 0.5" in str(reason)
    with shouting(monkeypatch):
        assert str(told.value) == f"{tmp_path} CANNOT BE USED: {str(told.value).partition(': ')[2].upper()}"
        assert "“EACH ROW OF ATTENTION SUMS TO 1” IS OFF BY 0.5" in str(reason)
        assert str(Refused(reason)) == str(reason)


def test_a_step_says_what_it_works_on(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Progress("fetching {what}", 1, 2, "a wheel")
    assert (step.says, Progress("opening the model").says) == ("fetching a wheel", "opening the model")
    with shouting(monkeypatch):
        assert step.says == "FETCHING a wheel"


def test_a_sentence_with_braces_among_its_values_is_left_as_it_is() -> None:
    assert str(Sentence("“{text}” is not recorded", text="{x} {0}")) == "“{x} {0}” is not recorded"
