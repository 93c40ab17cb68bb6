"""Printed programs name the checkpoint that the server opened, where that is nobody's secret."""

import pytest

import panels
from anatomy.view import View
from panels.common.snippet import FOLDER, OTHER
from tests.models.real import real_engine
from tests.models.tiny import tiny_engine
from ui.programs import filled


def program(panel: str, engine: object = None, text: str = "abcabc") -> str | None:
    """The panel's program; None where the model has no such part."""
    engine = engine or tiny_engine("llama")
    shown = panels.load()[panel]
    if shown.closed(engine.spec) is not None:
        return None
    return shown.snippet(
        engine.spec, View(text=text).fit(engine.spec, engine.run(View(text=text).run(engine.spec)).tokens)
    )


@pytest.mark.parametrize("panel", panels.load())
def test_every_program_finds_the_checkpoint_of_the_catalog(panel):
    code = program(panel)
    if code is None or FOLDER not in code:
        return
    known = filled(code, "local:smollm2-135m", ["local:/srv/private/model", "local:minilm-l6"])
    compile(known, panel, "exec")
    assert FOLDER not in known
    assert OTHER not in known
    assert known.count("import locate") == 1
    assert known.index("import locate") < known.index('locate("smollm2-135m").folder')


@pytest.mark.parametrize("address", ["owner/name", "owner/name@v2"])
def test_a_repository_of_the_hub_is_named(address):
    assert f'folder = locate("{address}").folder' in filled(program("attention"), f"local:{address}")


@pytest.mark.parametrize("path", ["/srv/private/model", "./model", "~/model", "secret/model.gguf", "C:\\models\\one"])
def test_a_path_of_the_server_is_told_to_nobody(path):
    code = program("tokenizers")
    assert filled(code, f"local:{path}", [f"local:{path}"]) == code


def test_a_recording_has_no_folder():
    code = program("attention")
    assert filled(code, "recorded:run.npz") == code


@pytest.mark.real
def test_a_filled_in_program_runs_as_it_is_printed(capsys):
    engine = real_engine("smollm2-135m")
    names: dict[str, object] = {}
    code = filled(program("tokenizers", engine, "Paris is"), "local:smollm2-135m", ["local:minilm-l6"])
    exec(compile(code, "tokenizers.py", "exec"), names)
    assert names["result"][0] == [token.piece for token in engine.run(View(text="Paris is").run(engine.spec)).tokens]
    assert "entries" in capsys.readouterr().out
