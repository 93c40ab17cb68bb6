"""Stored bits: what the panel shows is in the file, and the printed program finds it there."""

import re
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType

from anatomy.costs import configuration
from anatomy.storage import BLOCK, STORAGES
from anatomy.trace import Trace
from anatomy.view import Fitted, View
from models.local.engine import LocalEngine
from models.local.load import load
from panels.answer import PanelAnswer
from panels.common.snippet import FOLDER
from panels.scale.stored import PANEL
from panels.scale.stored_block import MATRIX, NUMBER, ROW, Block, chosen, fitting, read
from tests import once
from tests.models.checkpoints.tiny_checkpoints import write_gguf
from tests.models.loaded.test_stored import saved
from tests.models.real import real_engine
from tests.models.tiny import MODELS, tiny_engine
from tests.panels.scale.blocks import block
from tests.panels.test_every_panel import assert_differs_by_nothing_from_itself
from tests.snapshot import described, plain

SHOWN = (0, 1, 2, 3, 6, 7, 8, 12, 30)


def settings(matrix: str = "up", row: int = 3, number: int = 0) -> tuple[tuple[str, str], ...]:
    return (("block", str(number)), ("matrix", matrix), ("output", str(row)))


def answer(engine: LocalEngine, layer: int = 1, **places) -> tuple[Trace, Fitted]:
    view = View(text="the", layer=layer, settings=settings(**places))
    run = view.run(engine.spec)
    fitted = view.fit(engine.spec, engine.run(run).tokens)
    return engine.run(run, PANEL.needs(engine.spec, fitted)), fitted


def result(trace: Trace, view: Fitted, folder: Path) -> tuple[str, list[float]]:
    """Of the printed program, run on the folder."""
    code = PANEL.snippet(trace.spec, view)
    assert code.count(FOLDER) == 1, "the program names its folder once"
    names: dict[str, tuple[str, list[float]]] = {}
    exec(compile(code.replace(FOLDER, folder.as_posix()), "stored.py", "exec"), names)
    return names["result"]


def told(given: Block) -> tuple[str, list[float]]:
    return given.raw.tobytes().hex(), given.weights.astype(float).tolist()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGELIGHT_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("number", SHOWN, ids=lambda number: STORAGES[number].name)
def test_the_picture_caption_table_and_formula_of_every_kind_of_storage(number, picture):
    made = block(STORAGES[number], np.random.default_rng(number))
    drawn = PANEL.draw(made)
    says = {"says": PANEL.caption(made), "table": plain(PANEL.table(made)), "formula": PANEL.formula(made)}
    assert {"figure": described(drawn)} | says == picture
    assert_differs_by_nothing_from_itself(drawn)
    assert drawn.alternative().startswith(drawn.kind)


@pytest.mark.parametrize("number", [0, 1, 28, 30])
def test_the_formula_of_a_floating_point_number_gives_its_weight(number):
    made = block(STORAGES[number], np.random.default_rng(number))
    line = PANEL.formula(made).splitlines()[2].replace("−", "-").replace("×", "*").replace("^", "**")
    worked_out, shown = line.split(" = ")
    assert eval(worked_out.replace(",", "")) == pytest.approx(
        float(made.weights[made.largest])
    )  # its own line, printed
    assert float(shown) == pytest.approx(float(made.weights[made.largest]), rel=1e-4)


def test_the_least_numbers_go_on_without_the_leading_1():
    small = np.array([2.0**-24, *[0.0] * 31], "<f2")
    made = block(STORAGES[1], np.random.default_rng(0))
    made = type(made)(**{**vars_of(made), "raw": small.view(np.uint8), "weights": small.astype(np.float32)})
    assert "1 × 2^(−14) × (0 + 1 / 1024) = 5.96046·10⁻⁸" in PANEL.formula(made)


def vars_of(made: Block) -> dict[str, object]:
    return {name: getattr(made, name) for name in made.__dataclass_fields__}


@pytest.mark.parametrize("number", [2, 3, 6, 7])
def test_every_weight_stands_on_the_level_of_its_code(number):
    made = block(STORAGES[number], np.random.default_rng(number))
    drawn = PANEL.draw(made)
    assert drawn.z.shape == (2 ** STORAGES[number].bits, BLOCK)
    there = np.isfinite(drawn.z)
    assert (there.sum(0) == 1).all()
    assert np.array_equal(np.where(there, drawn.z, 0).sum(0), made.weights)
    for place, code in enumerate(made.quantized.codes.tolist()):
        assert drawn.rows[int(np.flatnonzero(there[:, place])[0])].startswith(f"{code:0{STORAGES[number].bits}b}: ")


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize(
    "kind",
    [getattr(GGMLQuantizationType, name) for name in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "F16", "BF16", "F32")],
    ids=lambda kind: kind.name,
)
@pytest.mark.parametrize(("matrix", "row", "number"), [("q", 5, 0), ("k", 9, 0), ("down", 3, 1)])
def test_the_printed_program_reads_the_same_bytes_out_of_the_gguf(tmp_path, kind, matrix, row, number):
    file = write_gguf(tmp_path / "tiny.gguf", kind=kind)
    trace, view = answer(load(str(file)), matrix=matrix, row=row, number=number)
    assert result(trace, view, tmp_path) == told(read(trace, view))


@pytest.mark.usefixtures("own_cache")
def test_the_printed_program_takes_rows_of_qwen2_as_they_are(tmp_path):
    file = write_gguf(tmp_path / "tiny.gguf", "qwen2", "qwen2")
    trace, view = answer(load(str(file)), matrix="q", row=5)
    assert result(trace, view, tmp_path) == told(read(trace, view))


@pytest.mark.parametrize("kind", [*MODELS, "t5-gated"])
def test_of_every_family_the_printed_program_reads_the_same_bytes(tmp_path, kind):
    engine = load(str(saved(tmp_path, kind)))
    for matrix in configuration(engine.spec).widths:
        trace, view = answer(engine, layer=2, matrix=matrix, row=4)
        shown = read(trace, view)
        assert result(trace, view, tmp_path) == told(shown)
        assert shown.weights.size == min(BLOCK, shown.row_weights)
        assert once.caption(PANEL, trace, view).endswith(".")
        assert once.table(PANEL, trace, view).rows


def test_the_last_block_of_a_row_may_be_shorter(tmp_path):
    engine = load(str(saved(tmp_path, "llama")))
    trace, view = answer(engine, matrix="down", row=0, number=1)
    shown = read(trace, view)
    assert (shown.first, shown.last) == (32, engine.spec.d_ff - 1)
    assert len(once.table(PANEL, trace, view).rows) == engine.spec.d_ff - 32
    assert result(trace, view, tmp_path) == told(shown)


def test_a_model_offers_its_own_matrices_rows_and_blocks(tmp_path):
    engine = load(str(saved(tmp_path, "gpt2")))
    _trace, view = answer(engine, matrix="gate", row=10**6, number=9)
    matrices, rows, blocks = (fitting(engine.spec, view, control) for control in (MATRIX, ROW, NUMBER))
    assert matrices.options == ("q", "k", "v", "o", "up", "down")
    assert (rows.high, blocks.high) == (engine.spec.d_ff - 1, 0)
    assert chosen(engine.spec, view) == ("up", engine.spec.d_ff - 1, 0)


@pytest.mark.usefixtures("own_cache")
def test_a_variant_shows_the_numbers_that_it_computes_with_and_says_so(tmp_path):
    engine = load(f"{write_gguf(tmp_path / 'tiny.gguf')}~bf16")
    trace, view = answer(engine)
    said = once.caption(PANEL, trace, view)
    assert "16 bits each (bfloat16)" in said
    assert said.endswith("the bits are those of the numbers that the program computes with.")
    assert 'model = stagelight.open("path/to/model~bf16")' in PanelAnswer.of(PANEL, trace, view).python


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize(
    ("alterations", "matrix", "altered"),
    [("~3bit=ffn", "q", False), ("~3bit=ffn", "gate", True), ("~prune=0", "gate", False), ("~prune=0.5", "q", True)],
)
def test_weights_are_called_changed_where_the_variant_changes_that_matrix(tmp_path, alterations, matrix, altered):
    engine = load(f"{write_gguf(tmp_path / 'tiny.gguf')}{alterations}")
    trace, view = answer(engine, matrix=matrix)
    said = once.caption(PANEL, trace, view)
    assert ("were changed for this variant" in said) == altered
    assert ("(float32)" in said) == altered


def test_a_model_of_which_no_file_is_known_says_so():
    reason = PANEL.applies(tiny_engine("llama").spec)
    assert reason is not None
    assert re.match("Which file the weights of this model were read from is not known here", reason)


@pytest.mark.real
def test_the_default_model_keeps_five_bits_a_weight(really_answered):
    if real_engine("smollm2-135m").spec.weights.kept == "earlier":
        pytest.skip("this machine's folder was made by an earlier version: python -m models fetch smollm2-135m")
    trace, view = really_answered(PANEL)
    assert "576 weights take 360 bytes, 5 bits each (Q4_1)" in once.caption(PANEL, trace, view)
