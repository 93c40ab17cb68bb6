"""What a run will cost before it is made: memory and seconds, from the sizes of the model and of the text.

Memory is what the process grows by at its peak. Seconds come from three speeds that were measured when the model was
opened, on a machine that may be busier or idler now: an estimate, to be called one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from anatomy.measure import POOLED
from anatomy.request import Want
from anatomy.sites import SITES, axes_of
from anatomy.spec import ModelSpec, RelativeBias

FLOAT = 4  # bytes
CHUNK = 64  # rows whose logits are held at a time
TILE = 1 << 21  # attention weights formed at a time
_SLACK = 64 << 20  # bytes for what is not counted here
_LENGTHS = {"k": 50, "m": 5, "row": POOLED, "col": POOLED, "event": 4, "byte": 1, "chat": 1}
_AT_ONCE = frozenset({"tok_embed", "pos_embed", "attn_gain", "ffn_gain", "attn_norm_bias", "ffn_norm_bias"})
_NO_FORWARD = _AT_ONCE | {"near_ids", "near_cos", "near_rows", "weight_gap"}
_TWICE = frozenset({"half_kl", "batch_gap", "cache_gap"})  # another forward pass
_EVERY_LAYER = frozenset({"lens_ids", "lens_logp", "lens_kl"})
_OUT = frozenset({"next_ids", "next_logp", "entropy", "surprisal", "half_kl"})
_APART = "head_apart"
_BETWEEN = 1.3  # norms, rotation, activation: what a layer takes beside its matrices and attention


@dataclass(frozen=True)
class Speed:
    """What this machine did when the model was opened.

    products  multiplications and additions per second with the model's own matrices
    fused     the same, in the library's fused attention
    weights   attention weights formed and summed up per second
    """

    products: float
    fused: float
    weights: float


@dataclass(frozen=True)
class Estimate:
    """tokens of the text; nbytes that the process grows by, at most; seconds, about."""

    tokens: int
    nbytes: int
    seconds: float


def estimate(
    spec: ModelSpec,
    tokens: int,
    wants: Iterable[Want],
    speed: Speed,
    *,
    recorded: bool = False,
    tape: int | None = None,
) -> Estimate:
    """What these wants cost on a text of so many tokens.

    recorded  the text's tape is there already
    tape      bytes that a tape may take; None: as many as it likes
    """
    asked = tuple(wants)
    if not asked:
        return Estimate(tokens, 0, 0.0)
    return Estimate(
        tokens, _nbytes(spec, tokens, asked, recorded, tape), _seconds(spec, tokens, asked, speed, recorded)
    )


def fitting(spec: ModelSpec, wants: Iterable[Want], room: int, most: int, tape: int | None = None) -> int:
    """How many tokens these wants may be asked of in so many bytes: at most `most`, 0 where not even one fits."""
    asked = tuple(wants)
    fits, over = 0, most + 1
    while over - fits > 1:
        middle = (fits + over) // 2
        fits, over = (middle, over) if _nbytes(spec, middle, asked, False, tape) <= room else (fits, middle)
    return fits


def _runs(wants: Iterable[Want]) -> bool:
    """Is a forward pass needed, or the tape of one?"""
    return any(want.site not in _NO_FORWARD and SITES[want.site].stage != "tokens" for want in wants)


def every(spec: ModelSpec, tokens: int, tape: int | None) -> int:
    """Of how many layers one stream is kept, so that the tape takes no more than that; 1 where all may be."""
    if tape is None:
        return 1
    fit = (number for number in range(1, spec.layers) if tape_bytes(spec, tokens, number) <= tape)
    return next(fit, spec.layers)


def tape_bytes(spec: ModelSpec, tokens: int, every: int) -> int:
    """Bytes of the streams that a tape holds at its fullest: one of so many calls, the last, and one found again."""
    held = -(-spec.layers // every) + (1 if every == 1 else 2)
    return held * tokens * spec.d_model * FLOAT


def _nbytes(spec: ModelSpec, tokens: int, wants: tuple[Want, ...], recorded: bool, tape: int | None) -> int:
    arrays = sum(_array(spec, tokens, want) for want in wants)
    if not _runs(wants):
        return _SLACK + 2 * arrays
    texts = 2 if any(want.site == "batch_gap" for want in wants) else 1
    streams = 0 if recorded else tape_bytes(spec, tokens, every(spec, tokens, tape))
    folded = any(_folds(want) or SITES[want.site].one_head for want in wants)
    tiles = 8 * max(TILE, tokens * spec.n_heads) * FLOAT if folded else 0
    scored = 5 * CHUNK * spec.vocab * FLOAT if any(want.site in _OUT | _EVERY_LAYER for want in wants) else 0
    return _SLACK + 2 * arrays + streams + texts * _layer(spec, tokens) + tiles + scored


def _layer(spec: ModelSpec, tokens: int) -> int:
    """What one layer holds while it runs and is looked at, its mask and bias among it."""
    heads = (spec.n_heads + 2 * spec.n_kv) * spec.d_head
    pairs = tokens * tokens * ((0 if spec.window is None else 1 + FLOAT) + _bias(spec))
    return tokens * FLOAT * (12 * spec.d_model + 6 * spec.d_ff + 3 * heads) + pairs


def _bias(spec: ModelSpec) -> int:
    return 2 * FLOAT * spec.n_heads if isinstance(spec.position, RelativeBias) else 0


def _array(spec: ModelSpec, tokens: int, want: Want) -> int:
    """Bytes of one answer."""
    sizes = _LENGTHS | spec.sizes(want.stack) | {"pos": tokens, "src": tokens}
    return prod(sizes[axis] for axis in axes_of(want)) * (2 if SITES[want.site].unit == "token" else 1) * FLOAT


def _folds(want: Want) -> bool:
    """Is it worked out from all attention weights of every layer?"""
    return want.site.startswith("head_")


def _seconds(spec: ModelSpec, tokens: int, wants: tuple[Want, ...], speed: Speed, recorded: bool) -> float:
    scored = sum(_scored(spec, tokens, want) for want in _distinct(wants))
    seconds = 2.0 * scored * spec.vocab * spec.d_model / speed.products
    if not _runs(wants):
        return seconds
    passes = len({want.site for want in wants} & _TWICE)
    layers = passes * spec.layers + (_visited(spec, wants) if recorded else spec.layers)
    pairs = tokens * tokens * (0.5 if spec.stack().causal else 1.0)
    layer = 2.0 * tokens * _matrices(spec) / speed.products + 4.0 * pairs * spec.n_heads * spec.d_head / speed.fused
    return seconds + layers * layer * _BETWEEN + _formed(spec, wants) * pairs / speed.weights


def _distinct(wants: Iterable[Want]) -> list[Want]:
    """Sites that are read off the same rows counted once."""
    rows = {("lens" if want.site in _EVERY_LAYER else want.site in _OUT, want.pos): want for want in wants}
    return list(rows.values())


def _scored(spec: ModelSpec, tokens: int, want: Want) -> int:
    """Rows that are multiplied with the whole vocabulary for it."""
    places = tokens if want.pos is None else 1
    if want.site in _EVERY_LAYER:
        return places * spec.layers
    return places if want.site in _OUT or want.site.startswith("near") else 1


def _visited(spec: ModelSpec, wants: Iterable[Want]) -> int:
    """Layers that are run again from a tape."""
    asked = tuple(wants)
    every = any(_folds(want) or want.site.startswith(("norm_", "cos_", "act_", "ffn_bend")) for want in asked)
    return spec.layers if every else len({want.layer for want in asked if want.layer is not None})


def _formed(spec: ModelSpec, wants: Iterable[Want]) -> float:
    """How often a map's weights are formed and summed up: twice a head and layer, half as often a pair of heads."""
    asked = tuple(wants)
    single = sum(1 for want in asked if SITES[want.site].one_head)
    if not any(map(_folds, asked)):
        return single
    pairs = (spec.n_heads - 1) / 4 if any(want.site == _APART for want in asked) else 0
    return single + spec.layers * spec.n_heads * (2 + pairs)


def _matrices(spec: ModelSpec) -> int:
    """Numbers in the matrices of one layer."""
    attention = 2 * spec.d_model * (spec.n_heads + spec.n_kv) * spec.d_head
    return attention + (3 if spec.ffn.gated else 2) * spec.d_model * spec.d_ff
