"""What a run will cost before it is made: memory and seconds, from the sizes of the model and of the text.

Memory is what the process grows by at its peak. Seconds come from three speeds that were measured when the model was
opened, on a machine that may be busier or idler now: an estimate, to be called one.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from math import prod

from anatomy.measure import POOLED
from anatomy.memory import cache_bytes, number_bytes
from anatomy.request import Want
from anatomy.sites import SITES, WHOLE_NUMBERS, axes_of
from anatomy.spec import ModelSpec, RelativeBias, Rope
from anatomy.variants import new_bytes
from models.engine import Estimate
from models.measure import Measure
from models.measures.attention_reducers import MAP_SIDE
from models.measures.collect import sites_by_layer
from models.measures.lens import SPAN
from models.measures.reductions import ATTENTION_REDUCED, FORMING, AttentionReduction
from models.measures.registry import MEASURES, basis
from models.measures.varied import altered_in
from models.reading.attended import CELLS, ROWS
from models.reading.precision import ROWS as WIDENED

FLOAT = 4  # bytes of what is worked out, of whatever precision the model is
_SLACK = 64 << 20  # bytes for what is not counted here
_POSITION = 8  # bytes of the number of a token's position
_BUCKETS = 48  # bytes per pair of tokens while the library sorts distances into the buckets of a relative bias
_WRITTEN = {"byte": 1, "chat": 1}  # lengths of what a tokenizer answers: small beside _SLACK
_LOGIT = 0.7  # a logit put in order
_ALTERED = 1.5  # a weight that is rounded, or looked at whether it is to stay
_DIVERGENCE = 6.0  # a logit of two runs made a probability of each, and compared, in float64
PAIRS, STREAMS = 32, 1024  # pairs of tokens whose predictions, and whose streams, are compared at a time
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


@dataclass(frozen=True)
class Half:
    """One of two runs that are compared: how many tokens of which model, and how fast that one is.

    recorded  its layer inputs are there already
    """

    spec: ModelSpec
    tokens: int
    speed: Speed
    recorded: bool = False


def parting(a: Half, b: Half, inputs: int | None = None) -> Estimate:
    """What it costs to compare two runs, token for token (`models/local/parting.py`). The layer inputs of B count as
    not there yet in bytes: what makes room for this may let go of them."""
    nbytes = _parting_bytes(a, b, inputs)
    seconds = sum(_run_and_swept(half, inputs) for half in (a, b))
    both = min(a.tokens, b.tokens) if a.spec.vocab == b.spec.vocab and a.spec.head == b.spec.head is not None else 0
    seconds += sum(_scored(half, half.tokens if half.spec.head == "causal" else both) for half in (a, b))
    seconds += _DIVERGENCE * both * a.spec.vocab / a.speed.weights
    return Estimate(max(a.tokens, b.tokens), nbytes, seconds)


def parting_fits(a: Half, b: Half, room: int, inputs: int | None = None) -> int:
    """Up to how many tokens two texts may have so that they can be compared in so many bytes; see `fitting`."""

    def fits(tokens: int) -> bool:
        ours, theirs = (replace(half, tokens=min(tokens, half.tokens)) for half in (a, b))
        return _parting_bytes(ours, theirs, inputs) <= room

    return _largest(fits, max(a.tokens, b.tokens))


def _parting_bytes(a: Half, b: Half, inputs: int | None) -> int:
    held = sum(
        inputs_bytes(half.spec, half.tokens, thinning(half.spec, half.tokens, inputs))
        for half in (replace(b, recorded=False), a)
        if not half.recorded
    )
    compared = 6 * 2 * PAIRS * max(a.spec.vocab, b.spec.vocab) * FLOAT  # float64
    streams = 6 * 2 * min(STREAMS, min(a.tokens, b.tokens)) * max(a.spec.d_model, b.spec.d_model) * FLOAT
    given = 2 * min(a.tokens, b.tokens) * (a.spec.layers + 3) * 2 * FLOAT
    return _SLACK + held + max(_layer(half.spec, half.tokens) for half in (a, b)) + compared + streams + given


def _scored(half: Half, rows: int) -> float:
    """Seconds for so many predictions: a model that predicts the next token is scored after every token, for its
    loss."""
    return 2.0 * rows * half.spec.vocab * half.spec.d_model / half.speed.products


def _run_and_swept(half: Half, inputs: int | None) -> float:
    """Seconds of a forward pass, where there has been none, and of a way through all its streams."""
    through = (Want("norm_pre"),)
    run = 0.0 if half.recorded else _seconds(half.spec, half.tokens, through, half.speed, False, inputs)
    return run + _seconds(half.spec, half.tokens, through, half.speed, True, inputs)


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number up to `most` that fits, where all below it do; 0 where none does."""
    under, over = 0, most + 1
    while over - under > 1:
        middle = (under + over) // 2
        under, over = (middle, over) if fits(middle) else (under, middle)
    return under


def _measured(wants: Iterable[Want]) -> list[tuple[Measure, Want]]:
    """The measures that answer these, each once for a position; what the tokenizer answers costs next to nothing."""
    by_measure = {(MEASURES[want.site], want.pos, want.of): want for want in wants if want.site in MEASURES}
    return [(measure, want) for (measure, _pos, _of), want in by_measure.items()]


def runs(wants: Iterable[Want]) -> bool:
    """Is a forward pass needed, or the layer inputs of one?"""
    return any(measure.forward for measure, _want in _measured(wants))


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
    return (
        held * tokens * spec.d_model * _stream_bytes(spec)
        + tokens * _per_token(spec)
        + tokens * tokens * _per_pair(spec)
    )


def _stream_bytes(spec: ModelSpec) -> int:
    """Of a number of the stream. Where positions are biases (T5) the library keeps the matrix that writes last in
    float32 when a model is loaded in float16, and the stream with it."""
    kept = spec.dtype == "float16" and isinstance(spec.position, RelativeBias)
    return FLOAT if kept else number_bytes(spec.dtype)


def _per_token(spec: ModelSpec) -> int:
    """Of what every layer is given beside its stream, bytes per token: its position, cosine and sine of its turns."""
    return _POSITION + (
        4 * len(spec.position.frequencies) * number_bytes(spec.dtype) if isinstance(spec.position, Rope) else 0
    )


def _per_pair(spec: ModelSpec) -> int:
    """The same per pair of tokens: the mask of a sliding window, the bias that is added to the scores of each head."""
    biased = spec.n_heads * number_bytes(spec.dtype) if isinstance(spec.position, RelativeBias) else 0
    return biased + (1 if spec.windows else 0)


def _nbytes(spec: ModelSpec, tokens: int, wants: tuple[Want, ...], recorded: bool, inputs: int | None) -> int:
    asked = _measured(wants)
    arrays = sum(_array(spec, tokens, want) for want in wants)
    compared = 6 * max((measure.chunk for measure, _want in asked), default=0) * spec.vocab * FLOAT
    if not runs(wants):
        return _SLACK + 2 * arrays + compared
    texts = max(measure.texts for measure, _want in asked)
    held = 0 if recorded else inputs_bytes(spec, tokens, thinning(spec, tokens, inputs))
    if held and not any(measure.passes for measure, _want in asked):  # a further pass has a mask and a bias of its own
        held -= tokens * tokens * _per_pair(spec)  # counted with the layer
    cached = max((1 + min(want.pos or 0, tokens - 1) for measure, want in asked if measure.cached), default=0)
    tiles = _tiles(spec, tokens) if _reduced(wants) or any(SITES[want.site].one_head for want in wants) else 0
    swept = any(measure.sweeps(tokens, want) for measure, want in asked)
    read = spec.layers * min(tokens, SPAN) * spec.d_model * FLOAT if swept else 0
    layer = _layer(spec, tokens, texts) + _cache(spec, cached)
    altered = _altered_bytes(spec, tokens, asked, inputs)
    return (
        _SLACK + 2 * arrays + held + layer + tiles + compared + read + _factors(spec, asked) + _widened(spec) + altered
    )


def _altered_bytes(spec: ModelSpec, tokens: int, asked: Iterable[tuple[Measure, Want]], inputs: int | None) -> int:
    """The weights of the largest variant that is made, for one after the other is, and the layer inputs of its run,
    which never are there already."""
    weights = [new_bytes(dict(spec.counts), altered_in(of)) for of in _variants(asked)]
    return max(weights) + inputs_bytes(spec, tokens, thinning(spec, tokens, inputs)) if weights else 0


def _variants(asked: Iterable[tuple[Measure, Want]]) -> set[str]:
    """The variants that are made, each once."""
    return {want.of for measure, want in asked if measure.alters and want.of is not None}


def _widened(spec: ModelSpec) -> int:
    """Of a model in half precision a matrix of a layer and a part of the output layer, which are read in float32."""
    if number_bytes(spec.dtype) >= FLOAT:
        return 0
    return FLOAT * spec.d_model * (max(spec.d_ff, spec.n_heads * spec.d_head) + min(spec.vocab, WIDENED))


def _factors(spec: ModelSpec, asked: Iterable[tuple[Measure, Want]]) -> int:
    """What tells how long values become through each head's part of the output projection: made once, then held."""
    moved = any("contribution" in measure.gives or "contribution" in measure.needs for measure, _want in asked)
    return spec.layers * spec.n_heads * spec.d_head**2 * FLOAT if moved else 0


def _cache(spec: ModelSpec, tokens: int) -> int:
    """Bytes of the keys and values of so many tokens. Of a sliding window too all are held: what the library keeps is
    a view of all that it was given."""
    return cache_bytes(replace(spec, windows=()), tokens)


def _tiles(spec: ModelSpec, tokens: int) -> int:
    """What statistics of attention hold: a block of scores, some tiles, maps whose columns are not pooled yet."""
    strips = max(3 * spec.n_heads * MAP_SIDE, 3 * POOLED) * tokens
    return FLOAT * (spec.n_heads * ROWS * tokens + 8 * CELLS + strips)


def _layer(spec: ModelSpec, tokens: int, texts: int = 1) -> int:
    """What one layer holds while it runs on so many texts and is looked at, its mask and bias among it. In half
    precision it is looked at in float32: as much as that is counted for both."""
    heads = (spec.n_heads + 2 * spec.n_kv) * spec.d_head
    masks = tokens * tokens * (1 + FLOAT if spec.windows else 0)
    each = tokens * FLOAT * (12 * spec.d_model + 6 * spec.d_ff + 3 * heads) + masks
    return texts * each + tokens * tokens * _bias(spec)


def _bias(spec: ModelSpec) -> int:
    """Bytes per pair of tokens of a relative bias and the copy that a layer reads, or of what it is made from: all
    texts of a batch share it."""
    return max(2 * FLOAT * spec.n_heads, _BUCKETS) if isinstance(spec.position, RelativeBias) else 0


def _array(spec: ModelSpec, tokens: int, want: Want) -> int:
    """Bytes of one answer."""
    declared = MEASURES[want.site].lengths if want.site in MEASURES else _WRITTEN
    sizes = {**spec.sizes(want.stack), "pos": tokens, "src": tokens, **declared}
    return prod(sizes[axis] for axis in axes_of(want)) * (2 if SITES[want.site].unit in WHOLE_NUMBERS else 1) * FLOAT


def _reduced(wants: Iterable[Want]) -> list[AttentionReduction]:
    """What is made of all attention weights of every layer for these, each once."""
    return list(dict.fromkeys(ATTENTION_REDUCED[want.site] for want in wants if want.site in ATTENTION_REDUCED))


def _seconds(
    spec: ModelSpec, tokens: int, wants: tuple[Want, ...], speed: Speed, recorded: bool, inputs: int | None
) -> float:
    logits = sum(measure.rows(spec, tokens, want) for measure, want in _measured(wants)) * spec.vocab
    seconds = 2.0 * logits * spec.d_model / speed.products + _LOGIT * logits / speed.weights
    altered = sum(new_bytes(dict(spec.counts), altered_in(of)) for of in _variants(_measured(wants))) / FLOAT
    seconds += _ALTERED * altered / speed.weights
    if not runs(wants):
        return seconds
    pairs = tokens * tokens * (0.5 if spec.stack().causal else 1.0)
    layer = 2.0 * tokens * _matrices(spec) / speed.products + 4.0 * pairs * spec.n_heads * spec.d_head / speed.fused
    layers = _layers(spec, tokens, wants, recorded, inputs)
    return seconds + layers * layer * _BETWEEN + _formed(spec, wants) * pairs / speed.weights


def _layers(spec: ModelSpec, tokens: int, wants: tuple[Want, ...], recorded: bool, inputs: int | None) -> float:
    """How many layers run: those of the forward pass or of replays, those of further passes, and those that find
    again the streams that thinned layer inputs have left out."""
    asked = _measured(wants)
    passes = {_pass(measure, want): measure.passes * measure.texts for measure, want in asked}
    again = sum(passes.values()) * spec.layers
    shown = sites_by_layer(basis(wants, spec), spec.layers)
    visited = sum(map(bool, shown.values())) if recorded else spec.layers
    number = thinning(spec, tokens, inputs)
    sweeps = sum({measure: measure.sweeps(tokens, want) for measure, want in asked}.values())
    sweeps += recorded and visited == spec.layers
    left_out = spec.layers * (1 - 1 / number)
    alone = visited * (number - 1) / 2 if recorded and visited < spec.layers else 0.0
    return visited + again + sweeps * left_out + min(alone, left_out)


def _pass(measure: Measure, want: Want) -> Hashable:
    """What further passes are made for: measures of one variant share theirs, but for those that time them."""
    return (want.of, measure.passes) if measure.alters else measure


def _formed(spec: ModelSpec, wants: Iterable[Want]) -> float:
    """How often a head's map is formed and summed up, as often as its kinds would be."""
    asked = tuple(wants)
    reduced, single = _reduced(asked), [want for want in asked if SITES[want.site].one_head]
    each = (FORMING if reduced else 0.0) + sum(reduction.share(spec) for reduction in reduced)
    return spec.layers * spec.n_heads * each + len(single)


def _matrices(spec: ModelSpec) -> int:
    """Numbers in the matrices of one layer."""
    attention = 2 * spec.d_model * (spec.n_heads + spec.n_kv) * spec.d_head
    return attention + (3 if spec.ffn.gated else 2) * spec.d_model * spec.d_ff
