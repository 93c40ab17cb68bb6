"""An edited run is what a plain forward pass gives when its modules are changed by other means, site by site."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from anatomy.refused import Refused
from anatomy.request import Intervention, Run, Want
from anatomy.trace import Trace
from anatomy.wire import pack, unpack
from models.families import family_of
from models.loaded.model import LoadedModel
from tests.models.measures.test_derived import NOWHERE
from tests.models.parity import parity
from tests.models.reference import Plain
from tests.models.tiny import new_tiny_engine, tiny_engine, tiny_model

TEXT = "the cat, the hat"
KINDS = ("llama", "gpt2", "bert")
FLOAT32 = 1e-5
ATTENTION, FFN = Intervention("attn_out", "zero", 1), Intervention("ffn_out", "zero", 0)
AT_ZERO, FURTHER = Intervention("positions", "zero"), Intervention("positions", "add", amount=7)
# The linear layers that write into the stream, by kind: attention's and the FFN's.
WRITERS: dict[str, Callable[[PreTrainedModel, int], tuple[torch.nn.Module, torch.nn.Module]]] = {
    "llama": lambda model, n: (model.model.layers[n].self_attn.o_proj, model.model.layers[n].mlp.down_proj),
    "gpt2": lambda model, n: (model.transformer.h[n].attn.c_proj, model.transformer.h[n].mlp.c_proj),
    "bert": lambda model, n: (
        model.bert.encoder.layer[n].attention.output.dense,
        model.bert.encoder.layer[n].output.dense,
    ),
}


def asked(kind: str, interventions: tuple[Intervention, ...], *wants: Want) -> Trace:
    engine = tiny_engine(kind)
    return engine.run(Run(engine.spec.id, TEXT, interventions=interventions), wants)


def silenced(kind: str, layer: int, part: int) -> PreTrainedModel:
    """A plain model in which a linear layer has no weights and no bias."""
    model = tiny_model(kind)
    for weight in WRITERS[kind](model, layer)[part].parameters():
        weight.data.zero_()
    return model


def too_large(kind: str, plain: Plain, *interventions: Intervention) -> list:
    engine = new_tiny_engine(kind)
    gaps = parity(engine, plain, TEXT, 6, interventions)
    return [gap for gap in gaps if gap.site not in UNLIKE and gap.relative > FLOAT32 and gap.site != "head_maps"]


UNLIKE = {"weight_gap"}  # the plain model's own matrices were changed, the engine's are as they are


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("intervention", "part"), [(ATTENTION, 0), (FFN, 1)], ids=["attention", "FFN"])
def test_a_part_left_out_is_a_part_without_weights(kind: str, intervention: Intervention, part: int) -> None:
    plain = Plain(silenced(kind, intervention.layer or 0, part), list(TEXT.encode()))
    assert too_large(kind, plain, intervention) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("intervention", "first", "step"), [(AT_ZERO, 0, 0), (FURTHER, 7, 1)], ids=["zero", "add"])
def test_other_positions_are_those_that_the_library_is_told(
    kind: str, intervention: Intervention, first: int, step: int
) -> None:
    places = [first + step * place for place in range(len(TEXT))]
    plain = Plain(tiny_model(kind), list(TEXT.encode()), places)
    assert too_large(kind, plain, intervention) == []


def test_changes_add_up() -> None:
    plain = Plain(silenced("llama", 1, 0), list(TEXT.encode()), [0] * len(TEXT))
    assert too_large("llama", plain, ATTENTION, FURTHER, AT_ZERO) == []
    assert too_large("llama", plain, ATTENTION) != []


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_left_out_writes_nothing_and_changes_what_follows(kind: str) -> None:
    wants = [Want("attn_out", 1), Want("resid_post", 0), Want("resid_post", 2)]
    intervened, plain = asked(kind, (ATTENTION,), *wants), asked(kind, (), *wants)
    assert not intervened[wants[0]].any()
    assert plain[wants[0]].any()
    np.testing.assert_array_equal(intervened[wants[1]], plain[wants[1]])
    assert np.abs(intervened[wants[2]] - plain[wants[2]]).max() > 0.01


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("intervention", [ATTENTION, FFN, AT_ZERO, FURTHER])
def test_a_layer_run_again_from_the_layer_inputs_of_an_edited_run_is_edited(
    kind: str, intervention: Intervention
) -> None:
    run, engine = Run(tiny_engine(kind).spec.id, TEXT, interventions=(intervention,)), new_tiny_engine(kind)
    wants = [Want(site, layer) for site in ("attn_out", "ffn_out", "pattern", "q") for layer in range(3)]
    at_once = engine.run(run, wants)
    later = new_tiny_engine(kind)
    later.run(run, [Want("resid_post", 2)])
    again = later.run(run, wants)
    for want in wants:
        np.testing.assert_array_equal(again[want], at_once[want], err_msg=str(want))


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2"])
def test_rotary_attention_does_not_depend_on_where_the_text_begins(kind: str) -> None:
    for layer in range(3):
        want = Want("pattern", layer)
        np.testing.assert_allclose(asked(kind, (FURTHER,), want)[want], asked(kind, (), want)[want], atol=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_attention_over_learned_positions_does(kind: str) -> None:
    want = Want("pattern", 0)
    assert np.abs(asked(kind, (FURTHER,), want)[want] - asked(kind, (), want)[want]).max() > 0.01


def test_a_model_whose_tokens_all_stand_at_0_does_not_see_their_order() -> None:
    engine = tiny_engine("bert")
    one, other = (
        engine.run(Run(engine.spec.id, text, interventions=(AT_ZERO,)), [Want("next_logp")]) for text in ("abc", "cba")
    )
    want = Want("next_logp")
    np.testing.assert_allclose(one[want], other[want][::-1], atol=1e-5)


def test_a_text_goes_on_as_the_edited_model_goes_on() -> None:
    engine = new_tiny_engine("llama")
    run = Run(engine.spec.id, TEXT, interventions=(FFN, FURTHER))
    model, ids = silenced("llama", 0, 1), list(TEXT.encode())
    for _step in range(4):
        with torch.inference_mode():
            places = torch.arange(len(ids))[None] + 7
            ids.append(int(model(torch.tensor([ids]), position_ids=places).logits[0, -1].argmax()))
    assert engine.extend(run, 4).tail == tuple(ids[-4:])


def test_two_threads_in_one_model_with_and_without_changes_do_not_disturb_each_other() -> None:
    from models.reading.interventions import Changes, intervening

    loaded = LoadedModel(tiny_model("llama"), family_of("llama"), "llama", "0", NOWHERE)
    ids, start = np.frombuffer(TEXT.encode(), np.uint8).astype(np.int64), Barrier(4)

    def last(interventions: tuple[Intervention, ...]) -> torch.Tensor:
        with intervening(Changes.of(interventions)):
            return loaded.record(ids, {}, lambda layer, sites: None).last

    alone = {interventions: last(interventions) for interventions in ((), (ATTENTION,), (AT_ZERO,), (FFN, FURTHER))}
    assert len({float(stream.sum()) for stream in alone.values()}) == 4

    def together(interventions: tuple[Intervention, ...]) -> list[torch.Tensor]:
        start.wait()
        return [last(interventions) for _time in range(20)]

    with ThreadPoolExecutor(4) as pool:
        for interventions, streams in zip(alone, pool.map(together, alone), strict=True):
            assert all(torch.allclose(stream, alone[interventions], atol=1e-5) for stream in streams)


def test_an_edited_run_leaves_the_model_as_it_was() -> None:
    engine, want = new_tiny_engine("gpt2"), Want("next_logp")
    run = Run(engine.spec.id, TEXT)
    before = engine.run(run, [want])[want]
    assert np.abs(engine.run(run.intervened(ATTENTION, AT_ZERO), [want])[want] - before).max() > 0.01
    np.testing.assert_array_equal(engine.run(run, [want])[want], before)


@pytest.mark.parametrize(
    ("intervention", "told"),
    [
        (Intervention("attn_out", "zero", 3), "tiny-llama has layers 0 to 2, not 3"),
        (Intervention("attn_out", "zero", -1), "has layers 0 to 2, not -1"),
        (Intervention("ffn_out", "zero"), "Say in which layer “ffn_out” is to be changed"),
        (Intervention("positions", "zero", 1), "“positions” is no part of one layer: leave layer 1 out of the change"),
        (Intervention("positions", "add", amount=49), "at positions 49 to 64; tiny-llama has 0 to 63: add less"),
        (Intervention("positions", "add", amount=-1), "at positions −1 to 14"),
        (Intervention("attn_out", "add", 0, amount=2), "Say which direction is added"),
        (
            Intervention("pattern", "add", 0),
            "“add” cannot be done at “pattern”. What can is: zero, mean, average, scale",
        ),
        (Intervention("scores", "zero", 0), "Nothing can be changed at “scores”. Places are: pattern, q, k"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_in_a_sentence(intervention: Intervention, told: str) -> None:
    with pytest.raises(Refused, match=told):
        asked("llama", (intervention,), Want("pattern", 0))


def test_the_largest_shift_that_fits_is_made() -> None:
    want = Want("pattern", 0)
    assert asked("llama", (Intervention("positions", "add", amount=48),), want)[want].shape == (4, 16, 16)
    engine = new_tiny_engine("llama")
    with pytest.raises(Refused, match="at positions 48 to 64"):
        engine.extend(Run(engine.spec.id, TEXT, interventions=(Intervention("positions", "add", amount=48),)))


def test_a_model_without_position_numbers_refuses_to_move_its_tokens() -> None:
    with pytest.raises(Refused, match="gives its tokens no position numbers"):
        asked("t5", (FURTHER,), Want("pattern", 0))


def test_edits_travel_with_their_run() -> None:
    trace = asked("llama", (ATTENTION, FURTHER), Want("pattern", 0))
    again = unpack(pack(trace))
    assert again.run == trace.run
    assert hash(again.run) == hash(trace.run)
