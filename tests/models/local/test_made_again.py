"""A run that is made again gives the same numbers to the last bit, at every site: what differs between two runs is then
what was changed."""

import numpy as np
import pytest

from anatomy.request import Run, Want
from anatomy.sites import SITES, Site
from anatomy.trace import Trace
from models.local.engine import LocalEngine
from tests.models.real import real_engine
from tests.models.tiny import MODELS, TEXT, asked_of, new_tiny_engine, run_of

KINDS = [*MODELS, "qwen2-mixed", "t5-gated"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [TEXT, "a"], ids=["text", "one token"])
def test_a_new_engine_gives_every_site_the_same_bits(kind: str, text: str) -> None:
    one, other = new_tiny_engine(kind), new_tiny_engine(kind)
    run, wants = run_of(one, text), every_want(one, last=len(text) - 1)
    timed = sum(site.unit == "second" for site in SITES.values())
    assert len({want.site for want in wants}) == len(SITES) - len(one.missing) - timed
    _same_bits(one.run(run, wants), other.run(run, wants))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_engine_gives_every_site_the_same_bits_when_nothing_was_kept(kind: str) -> None:
    engine, ran = new_tiny_engine(kind, inputs_bytes=0), []
    engine.model.base_model.register_forward_hook(lambda *call: ran.append(1))
    run, wants = run_of(engine), every_want(engine, last=len(TEXT) - 1)
    first = engine.run(run, wants)
    once = len(ran)
    engine.run(run_of(engine, "something else"), every_want(engine, last=3))
    between = len(ran)
    again = engine.run(run, wants)
    assert len(ran) - between == once > 0
    _same_bits(first, again)


@pytest.mark.parametrize("kind", ["llama", "bert", "t5"])
def test_what_was_asked_before_changes_no_bit(kind: str) -> None:
    one, other = new_tiny_engine(kind), new_tiny_engine(kind)
    run, wants = run_of(one), every_want(one, last=len(TEXT) - 1)
    other.run(run, [Want("norm_pre")])  # its layer inputs are there then, and layers are run again from them
    _same_bits(one.run(run, wants), other.run(run, wants))


@pytest.mark.real
@pytest.mark.parametrize("name", ["smollm2-135m", "minilm-l6"])
def test_a_real_model_gives_every_site_the_same_bits(name: str) -> None:
    engine = real_engine(name)
    run = Run(engine.spec.id, "Paris is the capital of France. Berlin is the capital of")
    wants = every_want(engine, last=len(engine.run(run).tokens) - 1)
    engine._inputs.make_room(engine._inputs.budget)
    first = engine.run(run, wants)
    engine._inputs.make_room(engine._inputs.budget)
    _same_bits(first, engine.run(run, wants))


def every_want(engine: LocalEngine, last: int) -> list[Want]:
    """Every site that the engine answers, of every layer; not how long something took, which is never the same."""
    sites = [site for site in SITES.values() if site.name not in engine.missing and site.unit != "second"]
    return [want for site in sites for want in _of_site(site, engine.spec.layers, last)]


def _of_site(site: Site, layers: int, last: int) -> list[Want]:
    token, pos, head = (5 if site.for_token else None), (last if site.one_pos else None), (0 if site.one_head else None)
    return [
        Want(site.name, layer, pos=pos, token=token, head=head, of=asked_of(site))
        for layer in (range(layers) if site.per_layer else (None,))
    ]


def _same_bits(one: Trace, other: Trace) -> None:
    assert one.arrays.keys() == other.arrays.keys()
    for want, array in one.arrays.items():
        assert array.dtype == other[want].dtype
        if array.tobytes() != other[want].tobytes():
            np.testing.assert_array_equal(array, other[want], err_msg=str(want))
            raise AssertionError(f"{want}: the numbers are equal, their bits are not")
