"""A run in which parts of the architecture are left out, swapped, shuffled or averaged is what a plain model gives that
is built so (`plain_parts.py`, `plain_changes.py`)."""

from functools import partial

import pytest

from anatomy.interventions import FINAL_NORM, MASK, swapped
from anatomy.request import Intervention
from anatomy.spec import ModelSpec, RelativeBias
from models.local.engine import LocalEngine
from tests.models.reading.against_plain import (
    LAYERS,
    gaps_everywhere,
    plain,
    run_of,
    worst,
)
from tests.models.tiny import MODELS, tiny_engine

AT_LENGTH = ("llama", "gpt2", "bert", "t5", "qwen2-mixed")
KINDS = tuple(
    kind if kind in AT_LENGTH else pytest.param(kind, marks=pytest.mark.wide)
    for kind in (*MODELS, "qwen2-mixed", "t5-gated")
)
Chain = tuple[Intervention, ...]


def _dropped(part: str, layer: int | None = None) -> Intervention:
    return Intervention(part, "drop", layer)


def _swapped(layer: int, other: int) -> Intervention:
    return Intervention("layer", "swap", layer, other=other)


def _shuffled(seed: int) -> Intervention:
    return Intervention("embedding", "shuffle", seed=seed)


OF_A_LAYER = ("attn_norm", "ffn_norm", "attn_skip", "ffn_skip")
CHAINS: dict[str, Chain] = {
    "no mask": (_dropped(MASK),),
    "no final norm": (_dropped(FINAL_NORM),),
    **{f"no {part} in layer {layer}": (_dropped(part, layer),) for part in OF_A_LAYER for layer in (0, 1, 2)},
    **{f"no {part}": (_dropped(part),) for part in OF_A_LAYER},
    **{f"no layer {layer}": (_dropped("layer", layer),) for layer in range(LAYERS)},
    **{f"layers {a} and {b} swapped": (_swapped(a, b),) for a, b in ((0, 1), (2, 1), (0, 2))},
    "embeddings shuffled": (_shuffled(5),),
    "heads averaged everywhere": (Intervention("pattern", "average"),),
    "two swaps": (_swapped(0, 1), _swapped(1, 2)),
    "two swaps that share the last layer": (_swapped(0, 2), _swapped(1, 2)),
    "shuffled twice": (_shuffled(5), _shuffled(6)),
    "a layer swapped and a head off there": (_swapped(1, 2), Intervention("z", "zero", 1, head=2)),
    "a head off and its layer swapped": (Intervention("z", "zero", 2, head=1), _swapped(2, 1)),
    "a layer swapped and its values, neurons and stream changed": (
        _swapped(0, 2),
        Intervention("v", "scale", 2, amount=2.0, kv=1),
        Intervention("act", "zero", 0, neuron=7),
        Intervention("resid_mid", "noise", 2, amount=0.4),
        Intervention("pattern", "average", 0),
    ),
    "a layer swapped away and its place left out": (_swapped(1, 2), _dropped("layer", 1)),
    "norms and skips of swapped layers": (_dropped("ffn_norm", 2), _swapped(2, 1), _dropped("attn_skip", 1)),
    "no mask and weights scaled": (_dropped(MASK), Intervention("pattern", "scale", 1, amount=0.5, head=1)),
    "no mask and weights made even": (Intervention("pattern", "mean", 1), _dropped(MASK)),
    "no mask and noise on weights": (_dropped(MASK), Intervention("pattern", "noise", 0, amount=1.0, seed=3)),
    "averaged, then a head off": (Intervention("pattern", "average"), Intervention("pattern", "zero", 1, head=0)),
    "a head off, then averaged": (Intervention("pattern", "zero", 1, head=0), Intervention("pattern", "average")),
    "no skip and the stream scaled after": (
        _dropped("attn_skip", 1),
        Intervention("resid_mid", "scale", 1, amount=1.5),
        Intervention("attn_out", "scale", 1, amount=0.5),
    ),
    "no skips and the stream scaled after": (
        Intervention("resid_post", "scale", 0, amount=1.5),
        _dropped("ffn_skip", 0),
        _dropped("attn_skip", 0),
        Intervention("ffn_out", "mean", 0),
        Intervention("resid_pre", "scale", 1, amount=0.5, pos=4),
    ),
    "no skip around a layer that is left out": (_dropped("layer", 1), _dropped("ffn_skip", 1)),
    "a layer left out and noise in its place": (
        _dropped("layer", 1),
        Intervention("attn_out", "add", 1, amount=0.6, token=65),
        Intervention("resid_post", "scale", 1, amount=0.5),
    ),
    "no norms and no skip": (_dropped("attn_norm", 1), _dropped("ffn_norm"), _dropped("attn_skip", 2)),
    "shuffled embeddings at other positions": (
        _shuffled(1),
        Intervention("positions", "add", amount=7.0),
        Intervention("resid_pre", "scale", 0, amount=2.0, pos=3),
    ),
    "all at once": (
        _dropped(MASK),
        _swapped(2, 1),
        _shuffled(9),
        _dropped("attn_norm", 1),
        _dropped("ffn_skip", 2),
        Intervention("pattern", "average", 1, kv=1),
        _dropped(FINAL_NORM),
    ),
}
WITHOUT_END = ("no final norm",)  # of it a model without a head shows nothing


def possible(chain: Chain, spec: ModelSpec) -> Chain:
    """A chain as far as the model has the parts that it is about: a mask, a final norm, layers that can be swapped."""
    return tuple(one for one in chain if _is_possible(one, spec))


def _is_possible(one: Intervention, spec: ModelSpec) -> bool:
    if one.op == "swap" and isinstance(spec.position, RelativeBias):
        return 0 not in (one.layer, one.other)
    if one.site == "positions":
        return not isinstance(spec.position, RelativeBias)
    if one.token is not None:
        return spec.head is not None
    return spec.stack().causal if one.site == MASK else one.site != FINAL_NORM or spec.paths.final_norm


def chains(engine: LocalEngine) -> dict[str, Chain]:
    """Those of CHAINS of which the model allows anything."""
    allowed = {name: possible(chain, engine.spec) for name, chain in CHAINS.items()}
    return {name: chain for name, chain in allowed.items() if chain}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_broken_by_changes_is_a_plain_model_that_is_built_so(kind: str, name: str) -> None:
    engine = tiny_engine(kind).again()
    run = run_of(engine, *possible(CHAINS[name], engine.spec))
    assert worst(gaps_everywhere(engine, plain(kind), run)) == {}
