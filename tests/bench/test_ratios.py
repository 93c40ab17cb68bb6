"""What the page's trace is measured against, at any length; and what is said of a peer that fails or takes too long."""

import sys
from pathlib import Path

import pytest
import torch

from anatomy.request import Run, Want
from bench import peers, ratios
from bench.texts import text_of
from models import memory
from models.local import engine as local
from models.local.packed import Packing
from tests.models.long import long_engine
from tests.models.tiny import new_tiny_engine, tiny_engine, tiny_model
from ui import withheld

SPEC = tiny_engine().spec


def test_the_trace_of_a_long_text_has_lengths_for_streams_and_rows_for_maps():
    short, long = (ratios.traced(SPEC, tuple(tiny_engine().missing), length) for length in (512, 8192))
    assert Want("resid_pre", 2) in short
    assert Want("norm_pre") not in short
    opened = next(want.layer for want in short if want.site == "pattern")
    assert Want("pattern", opened) in short
    assert Want("norm_pre") in long
    assert [want for want in long if want.site == "resid_pre"] == [Want("resid_pre", opened)]
    assert {want for want in long if want.site in ("pattern", "scores", "contribution")} == {
        Want(site, opened, pos=8191) for site in ("pattern", "scores", "contribution")
    }


def test_the_longest_texts_are_measured_once():
    assert [ratios._rounds(length, 7) for length in (8, 512, 2048, 8192)] == [7, 7, 2, 1]
    assert ratios._rounds(2048, 1) == 1


def test_plain_scores_the_last_position_alone_where_memory_is_short(monkeypatch, tmp_path):
    file = tmp_path / "meminfo"
    file.write_text("MemTotal: 9 kB\nMemAvailable:    63 kB\n")
    monkeypatch.setattr(ratios, "_FREE", file)
    assert ratios._room(SPEC, 31)  # of 256 logits of 4 bytes: 31 kB
    assert not ratios._room(SPEC, 32)
    row = ratios.measure(new_tiny_engine(), tiny_model("llama", "sdpa"), [33], rounds=1)[0]
    assert "plain scored the last position alone" in row[-1]
    assert float(row[-1].split(";")[0]) < 1e-4


def test_a_first_page_that_takes_too_long_is_stopped_and_the_rest_is_told(monkeypatch):
    monkeypatch.setattr(ratios, "PAGE_LIMIT", 0.0)
    row = ratios.measure(new_tiny_engine(), tiny_model("llama", "sdpa"), [9], rounds=1)[0]
    told = dict(zip(ratios.COLUMNS, row, strict=True))
    assert (told["first page ms"], told["first page / plain"]) == (None, None)
    assert min(told["plain ms"], told["trace ms"], told["trace / plain"], told["trace / bound"]) > 0
    assert row[-1].endswith("first page stopped after 0 s")


def test_the_logits_of_the_last_position_alone_are_those_of_all():
    plain, ids = tiny_model("llama", "sdpa"), torch.arange(9)[None]
    one, all_of_them = (ratios._logits(plain, ids, everywhere) for everywhere in (False, True))
    assert one.shape == (256,)
    assert torch.from_numpy(all_of_them).untyped_storage().nbytes() == 256 * 4  # the other positions are let go of
    assert abs(one - all_of_them).max() < 1e-5


def test_the_bound_is_the_arithmetic_or_the_reading_whichever_is_longer(monkeypatch):
    weights = 3 * (2 * 32 * (4 + 2) * 8 + 3 * 32 * 48) + 256 * 32
    assert sum(w.numel() for w in tiny_model("llama").parameters() if w.dim() > 1) == weights  # embedding and head: one
    monkeypatch.setattr(ratios, "_speeds", lambda: (1e30, 1.0))
    assert ratios._bound(SPEC, 10) == 4 * weights
    monkeypatch.setattr(ratios, "_speeds", lambda: (1.0, 1e30))
    inside = 2 * (10 * (weights - 256 * 32) + 256 * 32)
    assert ratios._bound(SPEC, 10) == inside + 4 * 3 * 4 * 8 * 50


def test_the_speeds_of_this_machine_are_above_nothing():
    assert min(ratios._speeds()) > 1e6


def test_a_refused_length_says_why(monkeypatch):
    monkeypatch.setattr(memory, "resident", lambda: 1 << 50)
    monkeypatch.setattr(local, "LEAST_ROOM", 1)
    row = ratios.measure(new_tiny_engine(), tiny_model("llama", "sdpa"), [8], rounds=1)[0]
    assert len(row) == len(ratios.COLUMNS)
    assert row[:2] == (8, None)
    assert "not run: " in row[-1]
    assert "8 tokens" in row[-1]


def test_the_table_says_how_the_matrices_lie():
    packing = {"layers": Packing("turned", {"turned": 1.2, "packed": 0.9}, 3 << 20, 0.5)}
    said = ratios.table([(8, 1.0, 2.0, 3.0, 2.0, 3.0, 4.0, 1e-5)], packing)
    assert "matrices of the layers: turned (turned 1.20 × as quick, packed 0.90 × as quick; 3 MB, 0.50 s)" in said
    assert "bound:" in said


def test_short_texts_differ_too():
    texts = {text_of(8, seed, lambda text: len(text.split())) for seed in range(40)}
    assert len(texts) == 40
    assert text_of(3, 1, len) != text_of(3, 1, lambda text: len(text.split()))


# peers

SLOW = "import json, time; print(json.dumps([['quick', 8, 2.0, 4.0, 2.0, None]]), flush=True); time.sleep(60)"
FAILING = "import json; print(json.dumps([['quick', 8, 2.0, 4.0, 2.0, 7]]), flush=True); raise MemoryError('too large')"


@pytest.fixture
def program(monkeypatch, tmp_path) -> Path:
    """The file of the program that is run for BertViz, in this environment."""
    monkeypatch.setattr(peers, "python_of", lambda name: Path(sys.executable))
    monkeypatch.setattr(peers, "PROGRAMS", tmp_path)
    return tmp_path / "bertviz_page.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "why"), [(SLOW, "the rest took longer than 6 s"), (FAILING, "failed: MemoryError: too large")]
)
def test_what_a_peer_did_not_finish_is_said_and_longer_texts_are_left_out(program, source, why):
    program.write_text(source)
    rows = peers.measure(program.parent, ["bertviz"], [32, 8], 1, 1, limit=6.0)
    assert [row[1] for row in rows] == ["quick", why]
    assert rows[1][2] == 8
    assert all(len(row) == len(peers.COLUMNS) for row in rows)


def test_a_peer_is_asked_for_each_length_by_itself(program):
    program.write_text("import json, sys; print(json.dumps([['way', int(sys.argv[4]), 1.0, 2.0, 2.0, None]]))")
    rows = peers.measure(program.parent, ["bertviz"], [32, 8], 1, 1)
    assert [row[2] for row in rows] == [8, 32]


@pytest.mark.parametrize(
    ("version", "cuda", "pin"),
    [
        ("2.13.0+cpu", None, "torch==2.13.0+cpu"),
        ("2.13.0", None, "torch==2.13.0"),
        ("2.13.0+cu130", "13.0", "torch==2.13.0+cpu"),
    ],
)
def test_a_peer_never_gets_a_build_for_a_gpu(monkeypatch, version, cuda, pin):
    monkeypatch.setattr(torch, "__version__", version)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    assert peers.torch_pin() == pin


@pytest.mark.parametrize(("slow", "asked"), [(1e9, True), (-1.0, False)])
def test_the_first_page_asks_for_the_overview_of_heads_where_the_page_does_unasked(slow, asked, monkeypatch):
    monkeypatch.setattr(withheld, "SLOW", slow)
    engine = long_engine("llama")
    sites = {want.site for want in ratios.first_page(engine, Run(engine.spec.id, "x" * 4_000))}
    assert {"norm_pre", "logits", "pattern_max"} <= sites
    assert ("head_induction" in sites) == asked
