"""What a model costs, from its configuration alone: parameters, arithmetic per token, bytes of weights and cache.

Nothing is measured here. Tests hold every formula against what tiny models of each family have and do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from anatomy.memory import cached_numbers
from anatomy.spec import LearnedPositions, ModelSpec, RelativeBias

# Bits per number. int8 and 4 bit without the scales that a quantized format keeps beside them.
PRECISIONS: Mapping[str, int] = {"float32": 32, "bfloat16": 16, "int8": 8, "4 bit": 4}
SHORT, LONG = 8_192, 131_072  # tokens: the context of Llama 3 and of Llama 3.1


@dataclass(frozen=True)
class Configuration:
    """What of a configuration decides costs; the names are those of `ModelSpec`.

    norm, place    kind of norm ("rms": a gain; "layer": a gain and a bias) and where it stands in a layer
    positions      rows of a learned position table (GPT-2, BERT), 0 where there is none
    distances      numbers in a table of biases by distance (T5), 0 where there is none
    biases         projections that add a bias: of "q", "k", "v", "o", "gate", "up", "down"
    windows        of each layer, how many tokens it may look at, itself included; None: all. () where none has a window
    """

    name: str
    layers: int
    d_model: int
    n_heads: int
    n_kv: int
    d_head: int
    d_ff: int
    vocab: int
    max_pos: int
    gated: bool
    causal: bool
    norm: Literal["rms", "layer"]
    place: Literal["pre", "post", "both"]
    head: Literal["causal", "masked"] | None
    tied: bool
    positions: int = 0
    distances: int = 0
    biases: tuple[str, ...] = ()
    windows: tuple[int | None, ...] = ()

    @property
    def widths(self) -> dict[str, tuple[int, int]]:
        """(in, out) of each projection of a layer: attention's four, then the FFN's."""
        query, shared = self.n_heads * self.d_head, self.n_kv * self.d_head
        attention = {"q": query, "k": shared, "v": shared}
        inner = ("gate", "up") if self.gated else ("up",)
        return (
            {part: (self.d_model, written) for part, written in attention.items()}
            | {"o": (query, self.d_model)}
            | dict.fromkeys(inner, (self.d_model, self.d_ff))
            | {"down": (self.d_ff, self.d_model)}
        )


def configuration(spec: ModelSpec) -> Configuration:
    """The configuration of a loaded model; ValueError for one of several stacks, whose sizes add up otherwise."""
    if len(spec.stacks) != 1:
        raise ValueError(f"{spec.name} has {len(spec.stacks)} stacks, the formulas are those of one")
    return Configuration(
        name=spec.weights.title or spec.name,
        layers=spec.layers,
        d_model=spec.d_model,
        n_heads=spec.n_heads,
        n_kv=spec.n_kv,
        d_head=spec.d_head,
        d_ff=spec.d_ff,
        vocab=spec.vocab,
        max_pos=spec.max_pos,
        gated=spec.ffn.gated,
        causal=spec.stack().causal,
        norm=spec.norm.kind,
        place=spec.norm.place,
        head=spec.head,
        tied=spec.tied,
        positions=spec.position.rows if isinstance(spec.position, LearnedPositions) else 0,
        distances=spec.position.buckets * spec.n_heads if isinstance(spec.position, RelativeBias) else 0,
        biases=spec.biases,
        windows=spec.windows,
    )


def parameters(given: Configuration) -> dict[str, int]:
    """Parameters by part: "embedding", "positions", each projection of `widths`, "norms", "output".

    They add up to `total`. Biases count to the projection that adds them; a tied output layer has none of its own.
    """
    layers = {
        part: given.layers * (read * written + (written if part in given.biases else 0))
        for part, (read, written) in given.widths.items()
    }
    return {
        "embedding": given.vocab * given.d_model,
        "positions": given.positions * given.d_model + given.distances,
        **layers,
        "norms": norms(given) * norm_size(given),
        "output": _output(given),
    }


def norms(given: Configuration) -> int:
    """How many norms there are: of every layer, and one outside (after the last layer, or on the embedding)."""
    return given.layers * (4 if given.place == "both" else 2) + 1


def norm_size(given: Configuration) -> int:
    """Parameters of one norm."""
    return given.d_model * (2 if given.norm == "layer" else 1)


def _output(given: Configuration) -> int:
    """The output layer's own table; a masked head has a dense layer, a norm and a bias per token besides (BERT)."""
    if given.head is None:
        return 0
    own = 0 if given.tied else given.vocab * given.d_model
    if given.head == "causal":
        return own
    return own + given.d_model * (given.d_model + 1) + norm_size(given) + given.vocab


def total(given: Configuration) -> int:
    """All parameters that the configuration describes."""
    return sum(parameters(given).values())


def matmul_params(given: Configuration) -> int:
    """Entries of the matrices that one token is multiplied with: all but looked-up rows, norms and biases."""
    scored = {None: 0, "causal": given.vocab, "masked": given.vocab + given.d_model}[given.head] * given.d_model
    return given.layers * sum(read * written for read, written in given.widths.values()) + scored


def attention_macs(given: Configuration, context: int) -> int:
    """Multiply-adds in which one token scores `context` tokens and sums up their values, over all layers."""
    return 2 * given.n_heads * given.d_head * looked_at(given, context)


def looked_at(given: Configuration, context: int) -> int:
    """Of so many tokens, those that one token looks at, added up over all layers."""
    if not given.windows:
        return given.layers * context
    return sum(context if window is None else min(context, window) for window in given.windows)


def arithmetic(given: Configuration, context: int) -> int:
    """Operations for one token that sees `context` tokens, itself among them: 2 for each multiply-add.

    Matrices and attention only; norms, rotation, softmax and activation function are some ten operations per number of
    the stream, not per entry of a matrix (Kaplan et al. 2020, table 1, counts the same way).
    """
    return 2 * (matmul_params(given) + attention_macs(given, context))


def training(count: int, tokens: float) -> float:
    """Operations of training `count` parameters on `tokens`: 2 forward, 4 backward each (Kaplan et al. 2020, 2.1)."""
    return 6.0 * count * tokens


def weight_bytes(count: int, precision: str) -> int:
    """Bytes of `count` weights in one of PRECISIONS, rounded up. KeyError for another precision."""
    return -(-count * PRECISIONS[precision] // 8)


def cache_bytes(given: Configuration, tokens: int, n_kv: int | None = None, precision: str = "bfloat16") -> int:
    """Bytes of keys and values of all layers for so many tokens; n_kv: with so many heads of them instead.

    precision: one of PRECISIONS. A sliding window of w keeps those of the last w − 1 tokens.
    """
    return weight_bytes(cached_numbers(given, tokens, n_kv), precision)
