"""Printed programs name the checkpoint that the server opened, where that is nobody's secret."""

from dataclasses import replace

import pytest

import panels
from anatomy.interventions import Change
from anatomy.request import Intervention, Run
from anatomy.view import View
from panels.answer import PanelAnswer
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


CHANGED = View(
    text="abc", tail=(100,), text2="abd", layer=1, settings=(("scale", "log"), ("temp", "0.5"))
).with_changes(
    [
        Change(Intervention("attn_out", "zero", 1)),
        Change(Intervention("ffn_out", "zero", 0), on=False),
        Change(Intervention("resid_mid", "patch", 1, pos=2)),
    ]
)


def answered(view: View, panel: str = "attention") -> PanelAnswer:
    """The panel's answer of which only the program is asked for: nothing is computed."""
    spec, shown = tiny_engine("llama").spec, panels.load()[panel]
    tokens = tiny_engine("llama").run(Run(spec.id, view.text)).tokens
    return PanelAnswer(shown, spec, view.fit(spec, tokens), None)


def test_the_second_runs_program_makes_its_changes_and_the_first_ones_is_as_ever():
    first, second = answered(CHANGED.alone).python, answered(CHANGED.second).python
    assert "import stagelight" not in first
    assert "transformers" not in second
    tail = "model(ids=[*(token.id for token in model('abc').tokens), 100])"
    assert second.splitlines()[2:-2] == [
        f'model = stagelight.open("{FOLDER}")',
        "run = model('abd')",
        'run = run.change("attn_out", "zero", layer=1)',
        f'run = run.change("resid_mid", "patch", layer=1, pos=2, source={tail})',
        "",
        "answer = run.panel(\"attention\", layer=1, head=3, pos=2, scale='log')",
    ]


def test_the_program_of_a_changed_run_names_the_chosen_neuron():
    code = answered(replace(CHANGED, neuron=5, settings=()).second, "neurons").python
    assert 'run.panel("neurons", layer=1, head=3, neuron=5, pos=2)' in code


@pytest.mark.parametrize("panel", [id for id, each in panels.load().items() if each.stage != "tokens"])
def test_the_program_of_a_changed_run_opens_the_servers_model_by_its_public_name(panel):
    code = answered(CHANGED.second, panel).python
    for address in ("smollm2-135m", "owner/name@v2"):
        known = filled(code, f"local:{address}", ["local:minilm-l6"])
        compile(known, panel, "exec")
        assert f'model = stagelight.open("{address}")\n' in known
        assert FOLDER not in known
        assert "locate" not in known
    for secret in ("local:/srv/private/model", "recorded:run.npz"):
        assert filled(code, secret, [secret]) == code


def test_a_text_that_looks_like_a_program_stays_a_text():
    view = View(text=f'model = stagelight.open("{FOLDER}")\n')
    known = filled(answered(view).python, "local:smollm2-135m")
    assert 'locate("smollm2-135m").folder' in known
    assert 'stagelight.open("smollm2-135m")' not in known


@pytest.mark.real
def test_a_filled_in_program_runs_as_it_is_printed(capsys):
    engine = real_engine("smollm2-135m")
    names: dict[str, object] = {}
    code = filled(program("tokenizers", engine, "Paris is"), "local:smollm2-135m", ["local:minilm-l6"])
    exec(compile(code, "tokenizers.py", "exec"), names)
    assert names["result"][0] == [token.piece for token in engine.run(View(text="Paris is").run(engine.spec)).tokens]
    assert "entries" in capsys.readouterr().out
