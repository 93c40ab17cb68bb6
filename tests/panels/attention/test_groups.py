"""Shared keys and values: the bytes of the formula are those of the library's own cache."""

import numpy as np
import pytest
import torch

from anatomy.memory import cache_bytes
from panels.attention.groups import LENGTH, PANEL
from tests import once
from tests.models.tiny import tiny_engine, tiny_model
from tests.snapshot import described
from viz.format import size

CAUSAL = ["llama", "mistral", "qwen2", "gpt2"]  # mistral's window is 4 tokens


@pytest.mark.parametrize("kind", CAUSAL)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind)
    told = {
        "says": once.caption(PANEL, trace, view),
        "table": once.table(PANEL, trace, view),
        "formula": once.formula(PANEL, trace, view),
    }
    assert {"figure": described(once.figure(PANEL, trace, view))} | told == picture


@pytest.mark.parametrize("kind", CAUSAL)
def test_the_formula_counts_the_bytes_of_the_librarys_cache(kind):
    ids = torch.tensor([list(b"a text of some length")])
    with torch.no_grad():
        cache = tiny_model(kind)(ids, use_cache=True).past_key_values
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    spec = tiny_engine(kind).spec
    assert cache_bytes(spec, ids.shape[1], spec.n_kv) == held


@pytest.mark.parametrize("kind", CAUSAL)
def test_the_printed_program_finds_the_same_bytes(kind, answered, program):
    trace, view = answered(PANEL, kind, settings=(("length", "17"),))
    assert program(PANEL, trace, view, kind) == cache_bytes(trace.spec, 131_072, trace.spec.n_kv)


def test_a_multi_head_model_has_ratio_one(answered):
    trace, view = answered(PANEL, "gpt2")
    assert "the ratio is 1." in once.caption(PANEL, trace, view)
    assert once.formula(PANEL, trace, view).count("× 1\n") == 1


def test_the_length_moves_the_bars(answered):
    trace, view = answered(PANEL)
    sizes = [np.asarray(once.figure(PANEL, trace, view.with_setting(LENGTH, n)).data[-1].x)[0] for n in (6, 7)]
    assert sizes[1] == pytest.approx(2 * sizes[0])
    assert "beyond this model's longest text of 64 tokens" in once.caption(PANEL, trace, view)
    assert "beyond" not in once.caption(PANEL, trace, view.with_setting(LENGTH, 6))


def test_the_chosen_heads_group_is_named(answered):
    trace, view = answered(PANEL, head=2)
    assert "head 2 shares number 1 with 3." in once.caption(PANEL, trace, view)


def test_a_window_is_said_where_there_is_one(answered):
    trace, view = answered(PANEL, "mistral")
    assert "Only the last 3 tokens are kept" in once.caption(PANEL, trace, view)
    assert {row[1] for row in once.table(PANEL, trace, view).rows[2:]} == {cache_bytes(trace.spec, 3)}
    assert "are kept" not in once.caption(PANEL, *answered(PANEL, "llama"))


@pytest.mark.parametrize("kind", CAUSAL)
def test_this_text_takes_what_the_formula_says(kind, answered):
    trace, view = answered(PANEL, kind)
    assert once.formula(PANEL, trace, view).endswith("difference 0")


def test_a_bidirectional_model_keeps_no_cache():
    assert "keeps no keys and values" in PANEL.applies(tiny_engine("bert").spec)


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "1 byte"), (512, "512 bytes"), (46_080, "46.1 kB"), (377_487_360, "377 MB"), (6.04e9, "6.04 GB")],
)
def test_bytes_in_words(count, words):
    assert size(count) == words
