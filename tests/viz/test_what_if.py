"""What is changed, in words: where, what, and by how much, for everything that can be changed."""

import pytest

from anatomy.interventions import PLACES, POSITIONS
from anatomy.request import Intervention, Run
from viz.what_if import told

PAIRS = [(site, op) for site, place in PLACES.items() for op in place.ops]
SAID = {
    "zero": "set to 0",
    "mean": "replaced by the mean over the text",
    "scale": "× 2.5",
    "add": "+ 2.5 × the way to the mean of “other”",
    "noise": "+ noise 2.5 × its size, seed 0",
    "patch": "taken from the other run",
}
OTHER = (Run("m@1/float32", "other"),)


@pytest.mark.parametrize(("site", "op"), PAIRS)
def test_every_change_is_told_by_its_place_and_what_is_done_there(site, op):
    if site == POSITIONS:
        assert told(Intervention(site, op, amount=7)) == (
            "position numbers set to 0" if op == "zero" else "position numbers moved on by 7"
        )
        return
    made = Intervention(site, op, 3, amount=2.5, sources=OTHER if op == "add" else ())
    done = "the same for every token that may be looked at" if (site, op) == ("pattern", "mean") else SAID[op]
    assert told(made) == f"layer 3: {PLACES[site].says} {done}"


def test_no_two_changes_are_told_alike():
    said = [told(Intervention(site, op, None if site == POSITIONS else 3, amount=2.5)) for site, op in PAIRS]
    assert len(set(said)) == len(said) == len(PAIRS)


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
    ],
)
def test_parts_numbers_and_sources_are_named(change, said):
    assert told(change) == said


def test_a_token_is_called_as_the_vocabulary_calls_it():
    change = Intervention("resid_post", "add", 5, amount=4.0, token=260)
    assert told(change, "·Rome") == "layer 5: stream leaving the layer + 4 × the direction of “·Rome”"
