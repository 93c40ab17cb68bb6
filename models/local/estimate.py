"""What a run will cost before it is made: memory and seconds, from the sizes of the model and of the text.

Memory is what the process grows by at its peak. Seconds come from three speeds that were measured when the model was
opened, on a machine that may be busier or idler now: an estimate, to be called one.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import prod

from anatomy.measure import POOLED
from anatomy.memory import cache_bytes
from anatomy.request import Want
from anatomy.sites import SITES, axes_of
from anatomy.spec import ModelSpec, RelativeBias, Rope
from models.engine import Estimate

FLOAT = 4  # bytes
CHUNK = 64  # rows whose logits are held at a time
TILE = 1 << 19  # attention weights in a tile
ROWS = 64  # rows of attention whose scores are formed at a time
SPAN = 512  # positions whose streams of all layers are held at a time
MAP_SIDE = 32  # cells on a side of a thumbnail of attention
NEAR_K = 8  # nearest tokens kept of each
_SLACK = 64 << 20  # bytes for what is not counted here
_POSITION = 8  # bytes of the number of a token's position
_BUCKETS = 48  # bytes per pair of tokens while the library sorts distances into the buckets of a relative bias
_LENGTHS = {"k": 50, "m": 5, "row": POOLED, "col": POOLED, "event": 4, "byte": 1, "chat": 1}
_WHOLE_NUMBERS = frozenset({"token", "neuron", "rank", "part", "merge", "rule", "role"})  # units: 8 bytes each
_AT_ONCE = frozenset({"tok_embed", "pos_embed", "attn_gain", "ffn_gain", "attn_norm_bias", "ffn_norm_bias"})
_NEAR = frozenset({"near_ids", "near_cos", "near_rows"})
_NO_FORWARD = _AT_ONCE | _NEAR | {"weight_gap"}
_WATCH = frozenset({"watch_ids", "watch_logp", "watch_rank"})
EVERY_LAYER = frozenset({"lens_ids", "lens_logp", "lens_kl"})
_OUT = frozenset({"next_ids", "next_logp", "entropy"})
_SCORED = EVERY_LAYER | _NEAR | _WATCH | _OUT | {"surprisal", "half_kl"}
_AGAIN = {"half_kl": 1.0, "batch_gap": 2.0, "cache_gap": 1.0}  # further forward passes
_WHOLE = ("norm_", "cos_attn", "cos_ffn", "act_", "ffn_bend", "layer_order", "dla_")  # worked out in every layer
STREAMS = frozenset(
    {"resid_pre", "resid_post", "norm_pre", "norm_post"}
)  # read off the layer inputs, no layer runs for them
# Read off the same rows or streams: counted once.
_TOGETHER = (_NEAR, _WATCH, _OUT, frozenset({"lens_ids", "lens_logp"}))
_SWEEPS = EVERY_LAYER | _WATCH | {"cos_tokens"}  # read off every layer's stream
# What is worked out from attention weights, beside the kinds of heads, which are 1.
_TILES = 0.5  # the weights formed, and next to nothing made of them
_FOLDED = {"head_maps": 0.25, "head_reach": 0.25}
_APART, _PAIR = "head_apart", 0.3  # two heads held against each other
_LOGIT = 0.7  # a logit put in order
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


def estimate(
    spec: ModelSpec,
    tokens: int,
    wants: Iterable[Want],
    speed: Speed,
    *,
    recorded: bool = False,
    inputs: int | None = None,
) -> Estimate:
    """What these wants cost on a text of so many tokens.

    recorded  the text's layer inputs are there already
    inputs    bytes that layer inputs may take; None: as many as they like
    """
    asked = tuple(wants)
    if not asked:
        return Estimate(tokens, 0, 0.0)
    return Estimate(
        tokens, _nbytes(spec, tokens, asked, recorded, inputs), _seconds(spec, tokens, asked, speed, recorded, inputs)
    )


def fitting(spec: ModelSpec, wants: Iterable[Want], room: int, most: int, inputs: int | None = None) -> int:
    """How many tokens these wants may be asked of in so many bytes: at most `most`, 0 where not even one fits."""
    asked = tuple(wants)
    return _largest(lambda tokens: _nbytes(spec, tokens, asked, False, inputs) <= room, most)


def extending(spec: ModelSpec, tokens: int, speed: Speed) -> Estimate:
    """What it costs to go on with a text until it has so many tokens: the cache of all of them, of one layer twice
    while it grows, and as much as one layer takes that reads the text."""
    nbytes = _SLACK + _cache(spec, tokens) * (spec.layers + 1) // spec.layers + _layer(spec, tokens)
    return Estimate(tokens, nbytes, _seconds(spec, tokens, (Want("norm_pre"),), speed, False, None))


def extending_fits(spec: ModelSpec, room: int, most: int, speed: Speed) -> int:
    """Up to how many tokens a text may go on in so many bytes; see `fitting`."""
    return _largest(lambda tokens: extending(spec, tokens, speed).nbytes <= room, most)


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number up to `most` that fits, where all below it do; 0 where none does."""
    found, over = 0, most + 1
    while over - found > 1:
        middle = (found + over) // 2
        found, over = (middle, over) if fits(middle) else (found, middle)
    return found


def _runs(wants: Iterable[Want]) -> bool:
    """Is a forward pass needed, or the layer inputs of one?"""
    return any(want.site not in _NO_FORWARD and SITES[want.site].stage != "tokens" for want in wants)


def thinning(spec: ModelSpec, tokens: int, inputs: int | None) -> int:
    """Of how many layers one stream is kept, so that the layer inputs take no more than that; 1 where all may be."""
    if inputs is None:
        return 1
    fit = (number for number in range(1, spec.layers) if inputs_bytes(spec, tokens, number) <= inputs)
    return next(fit, spec.layers)


def inputs_bytes(spec: ModelSpec, tokens: int, every: int) -> int:
    """Bytes of layer inputs at their fullest: the stream of one in so many calls, the last, one found again, and what
    the calls share."""
    held = -(-spec.layers // every) + (1 if every == 1 else 2)
    return held * tokens * spec.d_model * FLOAT + tokens * _per_token(spec) + tokens * tokens * _per_pair(spec)


def _per_token(spec: ModelSpec) -> int:
    """Of what every layer is given beside its stream, bytes per token: its position, cosine and sine of its turns."""
    return _POSITION + (4 * len(spec.position.frequencies) * FLOAT if isinstance(spec.position, Rope) else 0)


def _per_pair(spec: ModelSpec) -> int:
    """The same per pair of tokens: the mask of a sliding window, the bias that is added to the scores of each head."""
    biased = spec.n_heads * FLOAT if isinstance(spec.position, RelativeBias) else 0
    return biased + (0 if spec.window is None else 1)


def _nbytes(spec: ModelSpec, tokens: int, wants: tuple[Want, ...], recorded: bool, inputs: int | None) -> int:
    arrays = sum(_array(spec, tokens, want) for want in wants)
    compared = 6 * CHUNK * spec.vocab * FLOAT if any(want.site in _SCORED for want in wants) else 0
    if not _runs(wants):
        return _SLACK + 2 * arrays + compared
    sites = {want.site for want in wants}
    texts = 2 if "batch_gap" in sites else 1
    held = 0 if recorded else inputs_bytes(spec, tokens, thinning(spec, tokens, inputs))
    if held and not sites & _AGAIN.keys():  # else a further pass makes a mask and a bias of its own
        held -= tokens * tokens * _per_pair(spec)  # counted with the layer
    cached = max((1 + min(want.pos or 0, tokens - 1) for want in wants if want.site == "cache_gap"), default=0)
    folded = _tiles(spec, tokens) if any(_folds(want) or SITES[want.site].one_head for want in wants) else 0
    read = spec.layers * min(tokens, SPAN) * spec.d_model * FLOAT if any(w.site in _SWEEPS for w in wants) else 0
    layer = _layer(spec, tokens, texts) + _cache(spec, cached)
    return _SLACK + 2 * arrays + held + layer + folded + compared + read


def _cache(spec: ModelSpec, tokens: int) -> int:
    """Bytes of the keys and values of so many tokens. Of a sliding window too all are held: what the library keeps is
    a view of all that it was given."""
    return cache_bytes(replace(spec, window=None), tokens)


def _tiles(spec: ModelSpec, tokens: int) -> int:
    """What statistics of attention hold: a block of scores, some tiles, maps whose columns are not pooled yet."""
    strips = max(3 * spec.n_heads * MAP_SIDE, 3 * POOLED) * tokens
    return FLOAT * (spec.n_heads * ROWS * tokens + 8 * TILE + strips)


def _layer(spec: ModelSpec, tokens: int, texts: int = 1) -> int:
    """What one layer holds while it runs on so many texts and is looked at, its mask and bias among it."""
    heads = (spec.n_heads + 2 * spec.n_kv) * spec.d_head
    masks = tokens * tokens * (0 if spec.window is None else 1 + FLOAT)
    each = tokens * FLOAT * (12 * spec.d_model + 6 * spec.d_ff + 3 * heads) + masks
    return texts * each + tokens * tokens * _bias(spec)


def _bias(spec: ModelSpec) -> int:
    """Bytes per pair of tokens of a relative bias and the copy that a layer reads, or of what it is made from: all
    texts of a batch share it."""
    return max(2 * FLOAT * spec.n_heads, _BUCKETS) if isinstance(spec.position, RelativeBias) else 0


def _array(spec: ModelSpec, tokens: int, want: Want) -> int:
    """Bytes of one answer."""
    sizes = _LENGTHS | spec.sizes(want.stack) | {"pos": tokens, "src": tokens}
    if want.site == "head_maps":
        sizes |= {"row": MAP_SIDE, "col": MAP_SIDE}
    if want.site in _NEAR:
        sizes |= {"k": NEAR_K}
    return prod(sizes[axis] for axis in axes_of(want)) * (2 if SITES[want.site].unit in _WHOLE_NUMBERS else 1) * FLOAT


def _folds(want: Want) -> bool:
    """Is it worked out from all attention weights of every layer?"""
    return want.site.startswith("head_")


def _seconds(
    spec: ModelSpec, tokens: int, wants: tuple[Want, ...], speed: Speed, recorded: bool, inputs: int | None
) -> float:
    logits = sum(_scored(spec, tokens, want) for want in _distinct(wants)) * spec.vocab
    seconds = 2.0 * logits * spec.d_model / speed.products + _LOGIT * logits / speed.weights
    if not _runs(wants):
        return seconds
    pairs = tokens * tokens * (0.5 if spec.stack().causal else 1.0)
    layer = 2.0 * tokens * _matrices(spec) / speed.products + 4.0 * pairs * spec.n_heads * spec.d_head / speed.fused
    layers = _layers(spec, tokens, wants, recorded, inputs)
    return seconds + layers * layer * _BETWEEN + _formed(spec, wants) * pairs / speed.weights


def _layers(spec: ModelSpec, tokens: int, wants: tuple[Want, ...], recorded: bool, inputs: int | None) -> float:
    """How many layers run: those of the forward pass or of replays, those of further passes, and those that find
    again the streams that thinned layer inputs have left out."""
    sites = {want.site for want in wants}
    passes = sum(_AGAIN.get(site, 0.0) for site in sites) * spec.layers
    visited = _visited(spec, wants) if recorded else spec.layers
    number = thinning(spec, tokens, inputs)
    sweeps = len({_kin(site) for site in sites & _SWEEPS}) + (recorded and visited == spec.layers)
    if any(want.site == "lens_kl" and want.pos is None for want in wants):
        sweeps += tokens // SPAN
    left_out = spec.layers * (1 - 1 / number)
    alone = visited * (number - 1) / 2 if recorded and visited < spec.layers else 0.0
    return visited + passes + sweeps * left_out + min(alone, left_out)


def _distinct(wants: Iterable[Want]) -> list[Want]:
    """Sites that are read off the same rows counted once."""
    return list({(_kin(want.site), want.pos): want for want in wants}.values())


def _kin(site: str) -> frozenset[str]:
    """The sites that are read off together with this one, itself among them."""
    return next((sites for sites in _TOGETHER if site in sites), frozenset({site}))


def _scored(spec: ModelSpec, tokens: int, want: Want) -> int:
    """Rows that are multiplied with the whole vocabulary for it."""
    places = tokens if want.pos is None else 1
    if want.site in EVERY_LAYER | _WATCH:
        return places * spec.layers
    if want.site == "half_kl":
        return 2 * tokens
    return places if want.site in _SCORED else 1 if SITES[want.site].stage == "output" else 0


def _visited(spec: ModelSpec, wants: Iterable[Want]) -> int:
    """Layers that are run again from layer inputs."""
    asked = [want for want in wants if want.site not in STREAMS | _NO_FORWARD]
    if any(_folds(want) or want.site.startswith(_WHOLE) for want in asked):
        return spec.layers
    return len({want.layer for want in asked if want.layer is not None})


def _formed(spec: ModelSpec, wants: Iterable[Want]) -> float:
    """How often a head's map is formed and summed up, as often as its kinds would be."""
    asked = tuple(wants)
    folded, single = {want.site for want in asked if _folds(want)}, [w for w in asked if SITES[w.site].one_head]
    each = _TILES if folded else 0.0
    each += sum(_FOLDED.get(site, 0.0) for site in folded)
    each += _PAIR * (spec.n_heads - 1) / 2 if _APART in folded else 0.0
    each += 1 - _TILES if folded - _FOLDED.keys() - {_APART} else 0.0
    return spec.layers * spec.n_heads * each + len(single)


def _matrices(spec: ModelSpec) -> int:
    """Numbers in the matrices of one layer."""
    attention = 2 * spec.d_model * (spec.n_heads + spec.n_kv) * spec.d_head
    return attention + (3 if spec.ffn.gated else 2) * spec.d_model * spec.d_ff
