"""Each measurement runs, on a tiny model and for seconds: that it measures the right thing, not how fast it is."""

import json
import sys
from pathlib import Path

import pytest
import torch

from anatomy.request import Want
from bench import peers, quantized, ratios, views
from bench.table import markdown
from bench.texts import text_of
from models.serving.store import Store
from tests.models.tiny import new_tiny_engine, tiny_model


def test_a_table_has_its_numbers_with_three_digits_that_count():
    said = markdown(("a", "b"), [("x|y", 0.12345), (None, 1234.5), (1000, 1.5e-5)])
    assert said.splitlines() == [
        "| a | b |",
        "| --- | --- |",
        "| x\\|y | 0.123 |",
        "| – | 1,234 |",
        "| 1,000 | 1.5e-05 |",
    ]


@pytest.mark.parametrize("length", [1, 2, 8, 100])
def test_a_text_has_the_length_that_was_asked_for_and_depends_on_its_seed(length):
    texts = [text_of(length, seed, lambda text: len(text.split())) for seed in (1, 1, 2)]
    assert [len(text.split()) for text in texts] == [length] * 3
    assert texts[0] == texts[1]
    assert length < 8 or texts[1] != texts[2]


def test_ratios_compare_the_trace_with_the_plain_forward():
    engine = new_tiny_engine()
    ((length, plain, trace, page, *found, apart),) = ratios.measure(engine, tiny_model("llama", "sdpa"), [8], rounds=2)
    assert length == 8
    assert min(plain, trace, page, *found) > 0
    assert 0 <= apart < 1e-4
    wants = ratios.traced(engine.spec, tuple(engine.missing), 8)
    assert {Want("resid_pre", layer) for layer in range(engine.spec.layers)} < set(wants)
    assert "trace / plain" in ratios.table([(length, plain, trace, page, *found, apart)])


def test_ratios_find_another_model_s_logits_apart():
    row = ratios.measure(new_tiny_engine(), tiny_model("llama", "sdpa", seed=1), [8], rounds=1)[0]
    assert row[-1] > 0.1


def test_ratios_say_why_a_length_cannot_be_run():
    row = ratios.measure(new_tiny_engine(max_tokens=16), tiny_model("llama", "sdpa"), [32], rounds=1)[0]
    assert row[0] == 32
    assert "16" in row[-1]


def test_models_in_few_bits_take_turns_with_float32(monkeypatch, tmp_path):
    """With what needs no torchao."""
    tiny_model("llama").save_pretrained(tmp_path)
    monkeypatch.setattr(quantized, "WAYS", {name: quantized.WAYS[name] for name in ("float32", "bfloat16")})
    rows = quantized.measure(tmp_path, [1, 8], rounds=2)
    assert [row[:2] for row in rows] == [(1, "float32"), (1, "bfloat16"), (8, "float32"), (8, "bfloat16")]
    plain, half = rows[2:]
    assert plain[2] > 0
    assert plain[3:] == (1, 4 * tiny_model("llama").num_parameters() / 1e6, 0)
    assert half[4] == plain[4] / 2
    assert 0 < half[5] < 1
    assert "× float32" in quantized.table(rows)


def test_views_count_what_each_change_sends():
    rows = views.measure(Store(new_tiny_engine(), 1 << 22), ["attention", "heads", "output", "tokens"], [12], rounds=1)
    assert [row[2] for row in rows] == ["first", *views.CHANGES] * 4
    assert all(row[3] > 0 and row[4] > 100 for row in rows)


def test_peers_that_cannot_be_had_say_why(monkeypatch, tmp_path):
    monkeypatch.setattr(peers, "python_of", lambda name: Path(sys.executable))
    monkeypatch.setattr(peers, "PROGRAMS", tmp_path)
    (tmp_path / "lens_cache.py").write_text("raise OSError('these weights cannot be read')")
    (tmp_path / "nnsight_trace.py").write_text(
        "print('loading'); print([['way', 8, 2.0, 4.0, 2.0, None]][0:0] or '[]')"
    )
    (tmp_path / "bertviz_page.py").write_text("import json; print(json.dumps([['way', 8, 2.0, 4.0, 2.0, 700]]))")
    rows = peers.measure(tmp_path, list(peers.PEERS), [8], 1, 1)
    assert [row[0] for row in rows] == ["transformer-lens", "bertviz"]
    assert "these weights cannot be read" in rows[0][1]
    assert rows[1][1:] == ("way", 8, 2.0, 4.0, 2.0, 700)


def test_what_the_peers_share_measures_in_turns(monkeypatch, capsys, tmp_path):
    tiny_model("llama").save_pretrained(tmp_path)
    monkeypatch.setattr(sys, "argv", ["program", str(tmp_path), "2", str(torch.get_num_threads()), "4", "6"])
    monkeypatch.syspath_prepend(str(Path(peers.__file__).parent / "peer"))
    sys.modules.pop("common", None)
    import common

    calls = []
    common.compare({"way": lambda ids: calls.append(ids.shape[1])}, 200)
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [row[:2] for row in rows] == [["way", 4], ["way", 6]]
    assert calls == [4] * 3 + [6] * 3
