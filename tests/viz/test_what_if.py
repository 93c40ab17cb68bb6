"""What is changed, in words: where, what, and by how much, for everything that can be changed."""

from dataclasses import replace

import pytest

from anatomy.interventions import LAYER, PLACES, POSITIONS
from anatomy.request import Intervention, Op, Run
from viz.what_if import told

PAIRS = [(site, op) for site, place in PLACES.items() for op in place.ops]
SAID = {
    "zero": "set to 0",
    "mean": "replaced by the mean over the text",
    "scale": "× 2.5",
    "add": "+ 2.5 × the way to the mean of “other”",
    "noise": "+ noise 2.5 × its size, seed 0",
    "dropout": "with dropout 0.25, seed 0",
    "patch": "taken from the other run",
    "drop": "left out",
    "swap": "swapped with layer 5",
    "shuffle": "shuffled, seed 0",
    "average": "averaged over the heads",
}
OTHER = (Run("m@1/float32", "other"),)


def made(site: str, op: Op, *, layered: bool = True) -> Intervention:
    """One change of each kind, in layer 3 where it is one of a layer."""
    layer = 3 if layered and PLACES[site].layered else None
    amount = 2.5 if op in ("scale", "add", "noise") and site != POSITIONS else 0.25 if op == "dropout" else 0.0
    sources = OTHER if op == "add" and site != POSITIONS else ()
    return Intervention(site, op, layer, amount=amount, other=5 if op == "swap" else None, sources=sources)


@pytest.mark.parametrize(("site", "op"), [pair for pair in PAIRS if pair != (POSITIONS, "add")])
def test_every_change_is_told_by_its_place_and_what_is_done_there(site, op):
    done = "the same for every token that may be looked at" if (site, op) == ("pattern", "mean") else SAID[op]
    where = "layer 3: " if PLACES[site].layered else ""
    what = done if site == LAYER else f"{PLACES[site].says} {done}"
    assert told(made(site, op)) == where + what


def test_positions_are_moved_on():
    assert told(Intervention(POSITIONS, "add", amount=7)) == "position numbers moved on by 7"


@pytest.mark.parametrize(("site", "op"), [(site, op) for site, place in PLACES.items() for op in place.of_all])
def test_what_is_done_in_every_layer_says_so(site, op):
    assert told(made(site, op, layered=False)) == f"every layer: {PLACES[site].says} {SAID[op]}"


def test_no_two_changes_are_told_alike():
    every = [made(*pair) for pair in PAIRS]
    every += [made(site, op, layered=False) for site, op in PAIRS if op in PLACES[site].of_all]
    said = [told(one) for one in every]
    assert len(set(said)) == len(said) > len(PAIRS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Intervention("z", "zero", 18, head=6), "layer 18 · head 6: head output (z) set to 0"),
        (Intervention("v", "zero", 0, kv=1, pos=2), "layer 0 · key/value head 1 · position 2: values set to 0"),
        (Intervention("act", "scale", 3, neuron=1234, amount=-1.0), "layer 3 · neuron 1,234: neurons × −1"),
        (
            Intervention("ffn_out", "mean", 0, sources=(Run("m", "a" * 25), Run("m", "b"))),
            f"layer 0: what the FFN writes replaced by the mean over “{'a' * 24}…”, “b”",
        ),
        (Intervention("q", "patch", 1, sources=OTHER), "layer 1: queries taken from “other”"),
        (
            Intervention("resid_mid", "add", 5, amount=0.1, token=260),
            "layer 5: stream between attention and FFN + 0.1 × the direction of “260”",
        ),
        (Intervention("layer", "drop", 1234), "layer 1,234: left out"),
        (Intervention("layer", "swap", 0, other=1234), "layer 0: swapped with layer 1,234"),
        (Intervention("embedding", "shuffle", seed=1234), "rows of the embedding table shuffled, seed 1,234"),
        (Intervention("mask", "drop"), "causal mask left out"),
        (
            Intervention("attn_out", "dropout", amount=0.1, seed=3),
            "every layer: what attention writes with dropout 0.1, seed 3",
        ),
        (
            Intervention("pattern", "average", kv=1),
            "every layer · key/value head 1: attention weights averaged over the heads",
        ),
    ],
)
def test_parts_numbers_and_sources_are_named(change, said):
    assert told(change) == said


def test_a_token_is_called_as_the_vocabulary_calls_it():
    change = Intervention("resid_post", "add", 5, amount=4.0, token=260)
    assert told(replace(change, pos=3), "", "·is").startswith("layer 5 · position 3, “·is”: stream")
    assert told(change, "·Rome") == "layer 5: stream leaving the layer + 4 × the direction of “·Rome”"
