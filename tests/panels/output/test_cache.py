"""The growing cache: its bytes after each token are those of the library's own cache."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModel, DynamicCache

from anatomy.memory import cache_bytes
from anatomy.request import Want
from anatomy.view import Fitted
from models.local.engine import LocalEngine
from panels.common.snippet import FOLDER
from panels.output.cache import PANEL, read
from tests import once
from tests.alike import assert_rounding
from tests.anatomy.spec import SPEC
from tests.models.tiny import ByteTokenizer, tiny_config, tiny_engine, tiny_model
from tests.panels.conftest import byte_tokenizer
from tests.panels.made import made
from tests.snapshot import described
from viz.format import number

CAUSAL = ["llama", "mistral", "qwen2", "gpt2"]  # mistral's window is 4 tokens
TAIL = (100, 101, 102)


def long(pos: int, model=SPEC):
    """A text of 3,000 tokens, with what the panel asks for where the token at `pos` is chosen: all of it 1, and a gap
    of 10⁻⁶."""
    arrays = {Want(site, 0): np.ones((model.n_kv, 3_000, model.d_head)) for site in ("k", "v")}
    arrays |= {Want("logits", pos=pos): np.ones(model.vocab), Want("cache_gap", pos=pos): np.array(1e-6)}
    return made(" ".join(["w"] * 3_000), arrays, model)


def bytes_after(trace, view) -> list[int]:
    """The table's bytes after each token."""
    return [row[3] for row in once.table(PANEL, trace, view).rows]


@pytest.mark.parametrize("kind", CAUSAL)
def test_the_picture_caption_and_table_of_every_family(kind, answered, picture):
    trace, view = answered(PANEL, kind, text="the cat", tail=TAIL)
    trace = trace.plus({Want("cache_gap", pos=view.pos): np.array(2.5e-6, np.float32)})  # its digits are chance
    told = {
        "says": once.caption(PANEL, trace, view),
        "table": once.table(PANEL, trace, view),
        "formula": once.formula(PANEL, trace, view),
    }
    assert {"figure": described(once.figure(PANEL, trace, view))} | told == picture


@pytest.mark.parametrize("kind", CAUSAL)
def test_each_step_of_the_librarys_cache_takes_the_bytes_of_the_table(kind, answered):
    trace, view = answered(PANEL, kind, tail=TAIL)
    model = tiny_model(kind)
    cache, held = DynamicCache(config=model.config), []
    with torch.no_grad():
        for token in trace.tokens:
            model(input_ids=torch.tensor([[token.id]]), past_key_values=cache, use_cache=True)
            held.append(sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers))
    assert bytes_after(trace, view) == held


@pytest.mark.parametrize("kind", CAUSAL)
def test_the_printed_program_finds_the_same_bytes_and_the_same_logits_without_the_cache(kind, answered, program):
    trace, view = answered(PANEL, kind, tail=TAIL)
    held, off = program(PANEL, trace, view, kind)
    assert held == bytes_after(trace, view)
    assert off < 1e-4


def test_the_curve_grows_by_the_same_amount_with_every_token(answered):
    trace, view = answered(PANEL)
    curve = once.figure(PANEL, trace, view).data[0]
    n = len(trace.tokens)
    assert list(curve.x) == list(range(1, n + 1))
    np.testing.assert_allclose(np.diff(curve.y), curve.y[0], rtol=1e-5)
    assert curve.y[-1] == pytest.approx(bytes_after(trace, view)[-1] / 1e3)


def test_what_was_added_is_told_from_the_text(answered):
    trace, view = answered(PANEL, tail=TAIL)
    assert [row[2] for row in once.table(PANEL, trace, view).rows] == ["text"] * (len(trace.tokens) - 3) + ["added"] * 3
    assert "the 3 tokens added to it" in once.caption(PANEL, trace, view)
    (ground,) = once.figure(PANEL, trace, view).layout.shapes
    assert (ground.x0, ground.x1) == (len(trace.tokens) - 2.5, len(trace.tokens) + 0.5)
    plain, same = answered(PANEL)
    assert "added" not in once.caption(PANEL, plain, same)
    assert not once.figure(PANEL, plain, same).layout.shapes


def test_one_token_and_the_longest_text_are_said_as_they_are(answered):
    trace, view = answered(PANEL, text="x")
    assert "the next token alone and reads this one" in once.caption(PANEL, trace, view)
    assert once.figure(PANEL, trace, view).data[0].mode == "markers"
    trace, view = answered(PANEL, text="x" * trace.spec.max_pos)
    assert "That is the longest text of this model." in once.caption(PANEL, trace, view)


@pytest.mark.parametrize("kind", CAUSAL)
def test_the_layers_own_arrays_are_what_the_rule_says(kind, answered):
    trace, view = answered(PANEL, kind, tail=TAIL)
    assert "difference 0\n" in once.formula(PANEL, trace, view)


def test_a_window_is_said_and_the_cache_stops_growing(answered):
    trace, view = answered(PANEL, "mistral")
    assert "Only the last 3 tokens are kept: no layer looks farther back." in once.caption(PANEL, trace, view)
    assert "tokens = at most 3: a window of 4 is a token and those it looks back at" in once.formula(PANEL, trace, view)
    assert bytes_after(trace, view)[2] == bytes_after(trace, view)[-1]
    assert "for your text" not in once.caption(PANEL, *answered(PANEL, "mistral", tail=TAIL))


@pytest.mark.parametrize("kind", CAUSAL)
def test_the_difference_that_the_cache_makes_stands_in_caption_table_and_formula(kind, answered):
    trace, view = answered(PANEL, kind, pos=7)
    gap = read(trace, view).gap
    assert 0 <= gap < 1e-4
    told = [row[5] for row in once.table(PANEL, trace, view).rows]
    assert_rounding(told.pop(7))
    assert told == [None] * (len(trace.tokens) - 1)
    assert_rounding(once.caption(PANEL, trace, view).rsplit("(difference ", 1)[1].removesuffix(")."))
    assert_rounding(once.formula(PANEL, trace, view).rsplit(" of 256 tokens: ", 1)[1])


def test_a_cache_that_forgets_shows_its_difference(monkeypatch, answered):
    plain = DynamicCache.update
    monkeypatch.setattr(DynamicCache, "update", lambda self, key, *more: plain(self, 0.9 * key, *more))
    trace, view = answered(PANEL)
    gap = read(trace, view).gap
    assert gap > 1e-3
    assert once.caption(PANEL, trace, view).endswith(
        f"gets other logits than without it: they differ by up to {number(gap, 2)}."
    )


def test_a_multi_head_model_has_one_curve(answered):
    trace, view = answered(PANEL, "gpt2")
    assert sum(trace_.mode == "lines" for trace_ in once.figure(PANEL, trace, view).data) == 1


@pytest.mark.parametrize("windows", [(), (700, 700, 700), (None, 700, 90)])
def test_a_long_texts_curve_is_that_of_all_its_tokens(windows):
    model = replace(SPEC, windows=windows, max_pos=8_192)
    curve = once.figure(PANEL, long(900, model), Fitted(pos=900, length=3_000)).data[0]
    assert len(curve.x) < 300
    every = np.arange(1, 3_001)
    exact = np.array([cache_bytes(model, int(n)) for n in every])
    drawn = np.interp(every, curve.x, curve.y)
    np.testing.assert_allclose(drawn / drawn[-1], exact / exact[-1], rtol=1e-5)


def test_the_table_of_a_long_text_lists_those_around_the_chosen_token():
    table = once.table(PANEL, long(2_500), Fitted(pos=2_500))
    assert table.note == "Listed are 2,000 of 3,000 tokens, those around the chosen one."
    assert [row[0] for row in table.rows] == [*range(1_001, 3_001)]
    assert [row[0] for row in table.rows if row[-1] is not None] == [2_501]


def test_a_bidirectional_model_keeps_no_cache():
    assert "keeps no keys and values" in PANEL.applies(tiny_engine("bert").spec)


def test_the_program_of_a_model_without_an_output_layer_compares_its_vectors(tmp_path):
    """A Llama without its head, as the library's AutoModel opens it."""
    model = AutoModel.from_config(tiny_config("llama"))
    engine = LocalEngine(model.eval(), ByteTokenizer(), name="tiny-llama-headless")
    view = Fitted(text="the cat", pos=6, length=7)
    trace = engine.run(view.run(engine.spec), PANEL.needs(engine.spec, view))
    model.save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    names: dict = {}
    exec(PANEL.snippet(trace.spec, view).replace(FOLDER, tmp_path.as_posix()), names)
    held, off = names["result"]
    assert held == bytes_after(trace, view)
    assert off < 1e-5
