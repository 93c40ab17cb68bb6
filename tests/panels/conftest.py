"""Fixtures of the tests of panels: answers of tiny models, and the printed programs run on the same models."""

from collections.abc import Callable
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from anatomy.trace import Trace
from anatomy.view import Fitted, View
from models.local.engine import LocalEngine
from models.text.spelling import BYTE_OF
from panels.common.snippet import FOLDER
from panels.panel import Panel
from tests.models.real import real_engine
from tests.models.tiny import tiny_engine, tiny_model
from tests.snapshot import Pictures

TEXT = "the cat, the café sat"


@pytest.fixture
def picture(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """`assert described(figure) == picture` compares with the reviewed file of this case."""
    return snapshot.use_extension(Pictures)


def _answer(engine: LocalEngine, panel: Panel, **choices) -> tuple[Trace, Fitted]:
    chosen = View(**choices)
    run = chosen.run(engine.spec)
    view = chosen.fit(engine.spec, engine.run(run).tokens)
    return engine.run(run, panel.needs(engine.spec, view)), view


@pytest.fixture
def answered() -> Callable[..., tuple[Trace, Fitted]]:
    """(panel, kind of tiny model, choices of the view) → the trace and the fitted view that the panel is given."""

    def answer(panel: Panel, kind: str = "llama", **choices) -> tuple[Trace, Fitted]:
        return _answer(tiny_engine(kind), panel, **{"text": TEXT} | choices)

    return answer


@pytest.fixture(scope="session")
def really_answered() -> Callable[..., tuple[Trace, Fitted]]:
    """(panel, choices of the view) → the same from the default checkpoint, on the default text; for `real` tests."""
    engine = real_engine("smollm2-135m")

    def answer(panel: Panel, **choices) -> tuple[Trace, Fitted]:
        return _answer(engine, panel, **choices)

    return answer


@pytest.fixture
def program(tmp_path: Path, capsys: pytest.CaptureFixture) -> Callable[..., object]:
    """(panel, trace, view, kind of tiny model) → `result` of the program that the panel prints."""

    def run(panel: Panel, trace: Trace, view: Fitted, kind: str = "llama") -> object:
        tiny_model(kind).save_pretrained(tmp_path)
        byte_tokenizer().save_pretrained(tmp_path)
        code = panel.snippet(trace.spec, view)
        assert code.count(FOLDER) == 1, "the program names its folder once"
        names: dict[str, object] = {}
        exec(compile(code.replace(FOLDER, tmp_path.as_posix()), f"{panel.id}.py", "exec"), names)
        assert capsys.readouterr().out.strip(), "the program prints its numbers"
        return names["result"]

    return run


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token per byte, its id the byte: the library's twin of `tests.models.tiny.ByteTokenizer`."""
    backend = Tokenizer(models.BPE(vocab=BYTE_OF, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend)
