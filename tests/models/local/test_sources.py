"""What a changed run takes out of others: found in one pass each, held for a while, refused where it does not fit."""

import numpy as np
import pytest

from anatomy.alignment import identity
from anatomy.refused import Refused, TooLong
from anatomy.request import Intervention, Run, Want
from models.local import changes
from models.local.engine import LocalEngine
from tests.models.tiny import ByteTokenizer, new_tiny_engine, tiny_config, tiny_model

TEXT, OTHER = "the cat, the hat", "a dog, the cat ate"
ENDS = Want("resid_post", 2)


def patched(engine: LocalEngine, *sites: str, other: str = OTHER, text: str = TEXT) -> Run:
    """A run that takes something out of another one at the first layer."""
    source = Run(engine.spec.id, other)
    made = (Intervention(site, "patch", 0, sources=(source,)) for site in sites)
    return Run(engine.spec.id, text, interventions=tuple(made))


def passes(engine: LocalEngine) -> list[int]:
    """How many tokens each forward pass read from now on: its first layer was not run again."""
    counted: list[int] = []
    plain = engine._loaded.record

    def record(ids, *asked):
        counted.append(len(ids))
        return plain(ids, *asked)

    engine._loaded.record = record
    return counted


def test_all_that_is_taken_out_of_a_run_is_found_in_one_pass_and_held() -> None:
    engine = new_tiny_engine("llama")
    counted = passes(engine)
    run = patched(engine, "q", "k", "v", "z", "attn_out")
    engine.run(run, [ENDS])
    assert counted == [len(OTHER), len(TEXT)]
    engine.run(run.plus(65), [ENDS])
    assert counted == [len(OTHER), len(TEXT), len(TEXT) + 1]


def test_a_text_goes_on_with_one_pass_for_its_source_whatever_is_held() -> None:
    engine = new_tiny_engine("llama")
    engine._took.budget = 0
    counted = passes(engine)
    engine.extend(patched(engine, "z"), 3)
    assert counted == [len(OTHER)]


def test_what_the_text_alone_decides_takes_nothing_out_of_another_run() -> None:
    engine = new_tiny_engine("llama")
    counted = passes(engine)
    engine.run(patched(engine, "z"), [Want("tok_embed")])
    assert counted == []


def test_a_run_computed_again_finds_its_sources_again() -> None:
    engine = new_tiny_engine("llama")
    run = patched(engine, "z")
    first = engine.run(run, [ENDS])[ENDS]
    fresh = engine.again()
    counted = passes(fresh)
    np.testing.assert_array_equal(fresh.run(run, [ENDS])[ENDS], first)
    assert counted == [len(OTHER), len(TEXT)]


def test_seconds_of_the_sources_count_until_they_are_held() -> None:
    engine = new_tiny_engine("llama")
    run, plain = patched(engine, "z"), Run(engine.spec.id, TEXT)
    before = engine.estimate(run, [ENDS]).seconds
    assert before > engine.estimate(plain, [ENDS]).seconds
    apart = engine.parting_estimate(plain, engine, run).seconds
    engine.run(run, [Want("norm_pre")])
    assert engine.estimate(run, [ENDS]).seconds < before
    assert engine.parting_estimate(plain, engine, run).seconds < apart


@pytest.fixture(scope="module")
def narrow() -> LocalEngine:
    """An engine for long texts that has next to no memory."""
    config = tiny_config("llama")
    config.max_position_embeddings = 8192
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    return LocalEngine(model, ByteTokenizer(), name="tiny-long", memory_bytes=1)


def test_a_source_that_does_not_fit_is_refused_wherever_it_is_needed(narrow: LocalEngine) -> None:
    """Each way of asking refuses, for the source's length and not for the run's own."""
    source = Run(narrow.spec.id, "ab " * 2000)
    run = Run(narrow.spec.id, TEXT, interventions=(Intervention("pattern", "patch", 0, sources=(source,)),))
    plain = Run(narrow.spec.id, TEXT)
    asked = (
        lambda: narrow.run(run, [ENDS]),
        lambda: narrow.extend(run, 1),
        lambda: narrow.parting(plain, narrow, run, identity(len(TEXT))),
    )
    for ask in asked:
        with pytest.raises(TooLong) as refused:
            ask()
        assert refused.value.longest < 6000


def test_weights_with_noise_do_not_go_on_past_the_longest_text_that_may_have_it(narrow: LocalEngine) -> None:
    text = "a" * (changes.LONGEST_MAP - 2)
    run = Run(narrow.spec.id, text, interventions=(Intervention("pattern", "noise", 0, amount=0.1),))
    with pytest.raises(TooLong, match="at most 1,024 tokens"):
        narrow.extend(run, 8)


def test_numbers_that_overflow_are_refused_with_what_to_do() -> None:
    engine = new_tiny_engine("llama")
    grown = [Intervention("resid_post", "scale", layer, amount=9e8) for layer in range(3) for _time in range(3)]
    with pytest.raises(Refused, match="too large for float32, in layer 1: change less"):
        engine.run(Run(engine.spec.id, TEXT, interventions=tuple(grown)), [ENDS])


def test_a_source_of_a_site_that_the_model_lacks_is_refused() -> None:
    engine = LocalEngine(tiny_model("llama"), ByteTokenizer(), name="tiny-llama")
    engine.missing = {**engine.missing, "z": "No z here."}
    with pytest.raises(Refused, match="No z here"):
        engine.run(patched(engine, "z"), [ENDS])
