"""Lists of changes that break the architecture: parts left out, swapped, shuffled, averaged, other changes besides."""

from anatomy.interventions import FINAL_NORM, MASK, POSITIONS
from anatomy.request import Intervention
from anatomy.spec import ModelSpec, RelativeBias
from models.local.engine import LocalEngine
from tests.models.reading.against_plain import LAYERS

Chain = tuple[Intervention, ...]


def dropped(part: str, layer: int | None = None) -> Intervention:
    """The part left out, of one layer or of all."""
    return Intervention(part, "drop", layer)


def swapped(layer: int, other: int) -> Intervention:
    """Two layers in each other's place."""
    return Intervention("layer", "swap", layer, other=other)


def shuffled(seed: int) -> Intervention:
    """Each token with the embedding of another."""
    return Intervention("embedding", "shuffle", seed=seed)


OF_A_LAYER = ("attn_norm", "ffn_norm", "attn_skip", "ffn_skip")
CHAINS: dict[str, Chain] = {
    "no mask": (dropped(MASK),),
    "no final norm": (dropped(FINAL_NORM),),
    **{f"no {part} in layer {layer}": (dropped(part, layer),) for part in OF_A_LAYER for layer in (0, 1, 2)},
    **{f"no {part}": (dropped(part),) for part in OF_A_LAYER},
    **{f"no layer {layer}": (dropped("layer", layer),) for layer in range(LAYERS)},
    **{f"layers {a} and {b} swapped": (swapped(a, b),) for a, b in ((0, 1), (2, 1), (0, 2))},
    "embeddings shuffled": (shuffled(5),),
    "heads averaged everywhere": (Intervention("pattern", "average"),),
    "two swaps": (swapped(0, 1), swapped(1, 2)),
    "two swaps that share the last layer": (swapped(0, 2), swapped(1, 2)),
    "shuffled twice": (shuffled(5), shuffled(6)),
    "a layer swapped and a head off there": (swapped(1, 2), Intervention("z", "zero", 1, head=2)),
    "a head off and its layer swapped": (Intervention("z", "zero", 2, head=1), swapped(2, 1)),
    "a layer swapped and its values, neurons and stream changed": (
        swapped(0, 2),
        Intervention("v", "scale", 2, amount=2.0, kv=1),
        Intervention("act", "zero", 0, neuron=7),
        Intervention("resid_mid", "noise", 2, amount=0.4),
        Intervention("pattern", "average", 0),
    ),
    "a layer swapped away and its place left out": (swapped(1, 2), dropped("layer", 1)),
    "norms and skips of swapped layers": (dropped("ffn_norm", 2), swapped(2, 1), dropped("attn_skip", 1)),
    "no mask and weights scaled": (dropped(MASK), Intervention("pattern", "scale", 1, amount=0.5, head=1)),
    "no mask and weights made even": (Intervention("pattern", "mean", 1), dropped(MASK)),
    "no mask and noise on weights": (dropped(MASK), Intervention("pattern", "noise", 0, amount=1.0, seed=3)),
    "averaged, then a head off": (Intervention("pattern", "average"), Intervention("pattern", "zero", 1, head=0)),
    "a head off, then averaged": (Intervention("pattern", "zero", 1, head=0), Intervention("pattern", "average")),
    "no skip and the stream scaled after": (
        dropped("attn_skip", 1),
        Intervention("resid_mid", "scale", 1, amount=1.5),
        Intervention("attn_out", "scale", 1, amount=0.5),
    ),
    "no skips and the stream scaled after": (
        Intervention("resid_post", "scale", 0, amount=1.5),
        dropped("ffn_skip", 0),
        dropped("attn_skip", 0),
        Intervention("ffn_out", "mean", 0),
        Intervention("resid_pre", "scale", 1, amount=0.5, pos=4),
    ),
    "no skip around a layer that is left out": (dropped("layer", 1), dropped("ffn_skip", 1)),
    "a layer left out and noise in its place": (
        dropped("layer", 1),
        Intervention("attn_out", "add", 1, amount=0.6, token=65),
        Intervention("resid_post", "scale", 1, amount=0.5),
    ),
    "no norms and no skip": (dropped("attn_norm", 1), dropped("ffn_norm"), dropped("attn_skip", 2)),
    "shuffled embeddings at other positions": (
        shuffled(1),
        Intervention(POSITIONS, "add", amount=7.0),
        Intervention("resid_pre", "scale", 0, amount=2.0, pos=3),
    ),
    "all at once": (
        dropped(MASK),
        swapped(2, 1),
        shuffled(9),
        dropped("attn_norm", 1),
        dropped("ffn_skip", 2),
        Intervention("pattern", "average", 1, kv=1),
        dropped(FINAL_NORM),
    ),
}


def possible(chain: Chain, spec: ModelSpec) -> Chain:
    """A chain as far as the model has the parts that it is about: a mask, a final norm, layers that can be swapped."""
    return tuple(one for one in chain if _is_possible(one, spec))


def _is_possible(one: Intervention, spec: ModelSpec) -> bool:
    if one.op == "swap" and isinstance(spec.position, RelativeBias):
        return 0 not in (one.layer, one.other)
    if one.site == POSITIONS:
        return not isinstance(spec.position, RelativeBias)
    if one.token is not None:
        return spec.head is not None
    if one.op == "average" and one.kv is not None and spec.n_kv == spec.n_heads:
        return False
    if one.site == FINAL_NORM:
        return bool(spec.paths.final_norm) and spec.head is not None
    return one.site != MASK or spec.stack().causal


def chains(engine: LocalEngine) -> dict[str, Chain]:
    """Those of CHAINS of which the model allows anything."""
    allowed = {name: possible(chain, engine.spec) for name, chain in CHAINS.items()}
    return {name: chain for name, chain in allowed.items() if chain}
