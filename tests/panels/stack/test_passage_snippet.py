"""The passage's printed program: arcs held to the engine's own contributions, words and prediction to its lens."""

import re
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float, Int

from anatomy.request import Want
from anatomy.rounding import NEAR
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from models.checkpoints.locate import locate
from panels.common.snippet import FOLDER
from panels.stack.lens import PANEL as LENS
from panels.stack.passage_paths import CHOSEN
from panels.stack.passage_snippet import snippet
from tests.models.tiny import HEADLESS, MODELS, tiny_model
from tests.panels import long_texts
from tests.panels.conftest import byte_tokenizer

KINDS = [*MODELS, "qwen2-mixed", "t5-gated"]
WITH_HEAD = [kind for kind in MODELS if kind not in HEADLESS]
NONE = [-1, -1, 0, 0]
ANSWER = (Want("lens_ids"), Want("lens_logp"), Want("next_ids"), Want("next_logp"))
_ARC = re.compile(r"layer (\d+), head (\d+): from (\d+) (.+), weight ([\d.]+), share ([\d.]+)")
_WORD = re.compile(r"(?:after layer \d+: )?(.+), ([\d.]+)")


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every contribution, weight and length, from which the arcs are found again; and what the model answers."""
    layers = [Want(site, layer) for site in ("contribution", "pattern") for layer in range(spec.layers)]
    return (*layers, Want("norm_pre"), *(ANSWER if spec.head else ()))


PROGRAM = replace(LENS, id="passage", needs=needs, snippet=snippet)


def strongest(moved: Float[np.ndarray, "head src"], pos: int) -> tuple[int, int]:
    """(source, head) of the first contribution that is as large as any: each looked at by itself."""
    seen = [(head, src, moved[head, src]) for head in range(len(moved)) for src in range(1, moved.shape[1])]
    others = [(head, src, size) for head, src, size in seen if src != pos and size > 0]
    most = max((size for _, _, size in others), default=0.0)
    return next(((src, head) for head, src, size in others if size >= most * (1 - NEAR)), (-1, -1))


def found(trace: Trace) -> Float[np.ndarray, "layer pos 4"]:
    """What the program is to leave in `result`, from the engine's arrays."""
    rows = np.zeros((trace.spec.layers, len(trace.tokens), 4))
    for layer, pos in np.ndindex(rows.shape[:2]):
        moved = trace[Want("contribution", layer)][:, pos].astype(np.float64)
        src, head = strongest(moved, pos)
        if src < 0:
            rows[layer, pos] = NONE
            continue
        weight, length = trace[Want("pattern", layer)][head, pos, src], trace[Want("norm_pre")][layer, pos]
        rows[layer, pos] = src, head, weight, moved[head, src] / length
    return rows


def assert_same(result: object, trace: Trace) -> None:
    """Sources and heads to the number, weights and shares but for rounding."""
    rows, expected = np.asarray(result), found(trace)
    np.testing.assert_array_equal(rows[..., :2], expected[..., :2])
    np.testing.assert_allclose(rows[..., 2:], expected[..., 2:], rtol=1e-4, atol=1e-6)


def printed(trace: Trace, view: Fitted, kind: str, folder: Path) -> tuple[np.ndarray, list[str]]:
    """`result` of the program, and the lines that it prints."""
    tiny_model(kind).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return ran(snippet(trace.spec, view), folder)


def ran(code: str, folder: Path) -> tuple[np.ndarray, list[str]]:
    """The same of a folder that is there."""
    names: dict = {}
    with redirect_stdout(StringIO()) as out:
        exec(compile(code.replace(FOLDER, folder.as_posix()), "passage.py", "exec"), names)
    return names["result"].numpy(), out.getvalue().splitlines()


def arcs(lines: Sequence[str]) -> list[tuple[str, ...]]:
    """Layer, head, source, token, weight and share of every arc that is printed."""
    return [match.groups() for match in map(_ARC.fullmatch, lines) if match]


def words(lines: Sequence[str]) -> tuple[list[str], list[float]]:
    """Tokens and probabilities of lines that name one each."""
    pairs = [match.groups() for match in map(_WORD.fullmatch, lines) if match]
    return [token for token, _ in pairs], [float(share) for _, share in pairs]


def spelled(ids: Int[np.ndarray, " k"]) -> list[str]:
    """Tokens as the program writes them."""
    return [repr(byte_tokenizer().decode([token])) for token in ids.tolist()]


@pytest.mark.parametrize("kind", KINDS)
def test_the_program_finds_the_largest_contribution_of_every_layer_and_token(kind, answered, program):
    trace, view = answered(PROGRAM, kind)
    assert_same(program(PROGRAM, trace, view, kind), trace)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_generated_tokens_take_and_are_taken_from(kind, answered, program):
    trace, view = answered(PROGRAM, kind, tail=(200, 7))
    result = program(PROGRAM, trace, view, kind)
    assert len(result[0]) == len(trace.tokens)
    assert_same(result, trace)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "mistral", "qwen2"])
def test_the_first_two_tokens_of_a_causal_model_take_from_no_other(kind, answered, program):
    result = np.asarray(program(PROGRAM, *answered(PROGRAM, kind), kind))
    assert (result[:, :2] == NONE).all()
    assert (result[:, 2:, 0] >= 1).all()


@pytest.mark.parametrize("kind", ["bert", "bert-headless", "t5"])
def test_tokens_of_an_encoder_take_from_both_sides(kind, answered, program):
    sources = np.asarray(program(PROGRAM, *answered(PROGRAM, kind), kind))[..., 0]
    places = np.arange(sources.shape[1])
    assert (sources[:, 0] > 0).all()
    assert (sources > places).any()
    assert ((sources > 0) & (sources < places)).any()


@pytest.mark.parametrize("kind", MODELS)
def test_a_single_token_has_no_other_to_take_from(kind, answered, tmp_path):
    trace, view = answered(PROGRAM, kind, text="a")
    result, lines = printed(trace, view, kind, tmp_path)
    assert result.tolist() == [[NONE]] * trace.spec.layers
    assert lines[0] == "arcs to 0 'a'"
    assert not arcs(lines)


def test_of_equal_contributions_the_first_source_is_taken(answered, program):
    trace, view = answered(PROGRAM, "t5", text=40 * "a")  # far tokens share a bucket of distances
    result = np.asarray(program(PROGRAM, trace, view, "t5"))[0]
    source, head = result[1, :2].astype(int)
    others = np.delete(trace[Want("contribution", 0)][head, 1], [0, 1])
    first, *more = 2 + np.flatnonzero(others >= others.max() * (1 - NEAR))
    assert source == first
    assert more
    np.testing.assert_array_equal(result[:, :2], found(trace)[0, :, :2])


@pytest.mark.parametrize("kind", MODELS)
def test_arcs_of_the_chosen_token_are_printed_where_most_of_a_heads_attention_is_theirs(kind, answered, tmp_path):
    trace, view = answered(PROGRAM, kind, pos=9)
    result, lines = printed(trace, view, kind, tmp_path)
    row = result[:, 9]
    drawn = [layer for layer in range(trace.spec.layers) if row[layer, 2] > CHOSEN]
    named = [(int(layer), int(head), int(src)) for layer, head, src, *_ in arcs(lines)]
    assert named == [(layer, int(row[layer, 1]), int(row[layer, 0])) for layer in drawn]
    given = np.array([[float(weight), float(share)] for *_, weight, share in arcs(lines)]).reshape(-1, 2)
    np.testing.assert_allclose(given, row[drawn, 2:], atol=1e-4)
    ids = np.array([token.id for token in trace.tokens])
    assert [token for *_, token, _, _ in arcs(lines)] == spelled(ids[[src for *_, src in named]])


def test_some_arcs_are_printed_and_some_left_out(answered, tmp_path):
    trace, view = answered(PROGRAM, "gpt2", pos=9)
    _, lines = printed(trace, view, "gpt2", tmp_path)
    assert 0 < len(arcs(lines)) < trace.spec.layers


@pytest.mark.parametrize("kind", WITH_HEAD)
def test_leaders_after_every_layer_and_the_prediction_are_the_engines(kind, answered, tmp_path):
    trace, view = answered(PROGRAM, kind)
    _, lines = printed(trace, view, kind, tmp_path)
    end = lines.index("prediction:")
    tokens, shares = words(lines[end - trace.spec.layers : end])
    assert tokens == spelled(trace[ANSWER[0]][:, view.pos, 0])
    np.testing.assert_allclose(shares, np.exp(trace[ANSWER[1]][:, view.pos, 0]), atol=1e-4)
    tokens, shares = words(lines[end + 1 :])
    assert tokens == spelled(trace[ANSWER[2]][view.pos, :5])
    np.testing.assert_allclose(shares, np.exp(trace[ANSWER[3]][view.pos, :5]), atol=1e-4)


@pytest.mark.parametrize("kind", HEADLESS)
def test_without_an_output_layer_it_ends_in_a_vector(kind, answered, tmp_path):
    trace, view = answered(PROGRAM, kind)
    _, lines = printed(trace, view, kind, tmp_path)
    assert lines[-1] == f"it ends in a vector of {trace.spec.d_model} numbers"
    assert "prediction:" not in lines


def test_of_a_long_text_it_says_what_the_weights_take(tmp_path):
    trace, view = long_texts.asked(PROGRAM)
    assert "# The weights of all layers and heads are held at once: 4 MB.\n" in snippet(trace.spec, view)
    assert_same(long_texts.result(PROGRAM, "llama", trace, view, tmp_path), trace)


def test_of_a_short_text_nothing_is_said_of_memory(answered):
    trace, view = answered(PROGRAM)
    assert "held at once" not in snippet(trace.spec, view)


@pytest.mark.real
def test_the_last_word_of_the_real_model_takes_from_france_and_berlin(really_answered):
    trace, view = really_answered(PROGRAM, text="Paris is the capital of France. Berlin is the capital of")
    result, lines = ran(snippet(trace.spec, view), locate("smollm2-135m").folder)
    assert_same(result, trace)
    taken = {(int(layer), int(head)): token for layer, head, _, token, *_ in arcs(lines)}
    assert taken[20, 0] == "' France'"
    assert taken[23, 4] == "' Berlin'"
    assert words(lines[lines.index("prediction:") + 1 :])[0][0] == "' Germany'"
