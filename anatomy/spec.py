"""ModelSpec: what kind of transformer this is, as plain fields. Code asks these facts, never the model's name."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from anatomy.facts import Doubt
from anatomy.refused import Sentence
from anatomy.request import Intervention, Run
from anatomy.variants import Alteration, alike, in_every_run


@dataclass(frozen=True)
class Stack:
    """A stack of equal layers. causal: each token sees only itself and what stands before it."""

    name: Literal["dec", "enc"]
    layers: int
    causal: bool


@dataclass(frozen=True)
class Rope:
    """Rotary positions: pairs of q and k components turn by position × frequency.

    theta        base of the frequencies
    frequencies  [d_head / 2] radians per token, as the model uses them (rescaling applied)
    scaling      name of the rescaling ("llama3", "linear", …) or None
    original     longest text before the rescaling, in tokens; None where the configuration names none
    stretch      factor by which the turn also lengthens a pair (YaRN, Peng et al. 2023, sec. 3.4); 1 for most
    beyond       the frequencies of texts of more than `original` tokens, where these have others (LongRoPE); else ()
    """

    theta: float
    frequencies: tuple[float, ...]
    scaling: str | None = None
    original: int | None = None
    stretch: float = 1.0
    beyond: tuple[float, ...] = ()

    def on(self, tokens: int) -> "Rope":
        """The turns of a text of so many tokens: the last position that it uses, and 1."""
        longer = bool(self.beyond) and self.original is not None and tokens > self.original
        return replace(self, frequencies=self.beyond) if longer else self

    def served(self, longest: int) -> int:
        """Tokens of the longest text that is turned by these angles, of texts of at most so many."""
        if not self.beyond or self.original is None or self.frequencies == self.beyond:
            return longest
        return min(longest, self.original)


@dataclass(frozen=True)
class LearnedPositions:
    """A trained table of one vector per position, added to the embedding."""

    rows: int


@dataclass(frozen=True)
class RelativeBias:
    """A trained number for each head and bucket of distances, added to the scores; the same in every layer (T5).

    buckets        rows of the table
    max_distance   from here on all distances share one bucket
    bidirectional  one half of the buckets is for what stands before, the other for what comes after
    """

    buckets: int
    max_distance: int
    bidirectional: bool


@dataclass(frozen=True)
class Norm:
    """kind "rms" (RMSNorm) or "layer" (LayerNorm); place: before each branch, after the sum, or both."""

    kind: Literal["rms", "layer"]
    place: Literal["pre", "post", "both"]
    eps: float


@dataclass(frozen=True)
class Ffn:
    """gated: act(gate) × up (SwiGLU and its kin) instead of act(up). act: the activation function's name."""

    gated: bool
    act: str


Kept = Literal["", "safetensors", "gguf", "earlier"]


@dataclass(frozen=True)
class Weights:
    """Where the numbers come from: title, licence, source (a page), how they are stored, their count.

    file_bytes  of the files that they were read from, as these were published; 0 where that is not known, or they are
                in no file
    kept        which file they were read from, and whether it is still there to look into: "safetensors"; "gguf", which
                they were converted from; "earlier" for a GGUF that an earlier version threw away; "" where that is not
                known
    """

    title: str
    licence: str
    source: str
    stored: str
    parameters: int
    file_bytes: int = 0
    kept: Kept = ""


@dataclass(frozen=True)
class Paths:
    """Where the library's module keeps what programs read, as `get_submodule` names it; "" and () where there is none.

    attention, ffn   inside a layer: the projections that write into the stream
    inner            inside a layer: the FFN's projections into its neurons, the gate first where there is one
    norms            inside a layer: attention's norm and the FFN's, before these parts or after the sums with them
    positions        inside the body: a learned position table
    final_norm       inside the body: the norm before the output layer
    head             inside the model: what scores the vocabulary
    bias             inside the body: the attention that makes a relative position bias
    unturned         inside a layer: the projections that give queries and keys, before these are rotated
    loader           the class that loads it, where its head does not decide
    layers           inside the body: the list of layers
    reads            inside a layer: the projections of queries, keys and values; one where a matrix holds all three
    """

    attention: str
    ffn: str
    inner: tuple[str, ...]
    norms: tuple[str, str]
    positions: str = ""
    final_norm: str = ""
    head: str = ""
    bias: str = ""
    loader: str = ""
    unturned: tuple[str, ...] = ()
    layers: str = ""
    reads: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelSpec:
    """One loaded model.

    name       catalog name or address; with revision and dtype it makes `id`, the model part of every cache key
    family     which table of `models/families` reads it
    architecture  what papers call models of that family
    paths      where its parts are, for programs that read them
    head       "causal" (names the next token), "masked" (names a hidden one) or None (no output head)
    max_pos    longest text, in tokens
    tied       the output layer is the embedding table
    embed_scale   factor on the embedding rows (1 for most)
    tokenizer  how text is cut: "byte-level BPE", "BPE", "WordPiece", "Unigram"; "" where that is not known
    special    the control tokens of the vocabulary, in the order of their ids
    chat       the checkpoint says how a conversation is written (a chat template), be it in a way that cannot be used
    windows    of each layer of the last stack, how many tokens it may look at, itself included (sliding window); None:
               all. () where none has a window
    scales     of each of these layers, what q·k is multiplied with to give a score; () where it is 1 / √d_head in all
    opened     where a checkpoint holds more than is opened here, a sentence that says what; else ""
    dropout    largest share of numbers set to 0 while the model was trained, by its configuration
    batch_norms   norms over a batch of texts among its modules
    counts     (part, parameters) for "embedding", "positions", "output", "norms", "attention", "ffn" and "other"; they
               add up to `weights.parameters`. What two parts share counts to the first
    biases     projections of a layer that add a bias: of "q", "k", "v", "o", "gate", "up", "down"
    doubts     facts stated here that the opened model did not bear out (`models.identities`)
    unmasked_here  a run leaves out the causal mask that the model has
    alterations  what is altered in it, where it is a variant of another model (`anatomy.variants`)
    """

    name: str
    revision: str
    dtype: str
    family: str
    architecture: str
    stacks: tuple[Stack, ...]
    d_model: int
    n_heads: int
    n_kv: int
    d_head: int
    d_ff: int
    vocab: int
    max_pos: int
    position: Rope | LearnedPositions | RelativeBias | None
    norm: Norm
    ffn: Ffn
    head: Literal["causal", "masked"] | None
    tied: bool
    weights: Weights
    paths: Paths
    embed_scale: float = 1.0
    tokenizer: str = ""
    special: tuple[str, ...] = ()
    chat: bool = False
    windows: tuple[int | None, ...] = ()
    scales: tuple[float, ...] = ()
    opened: str = ""
    biases: tuple[str, ...] = ()
    dropout: float = 0.0
    batch_norms: int = 0
    counts: tuple[tuple[str, int], ...] = ()
    doubts: tuple[Doubt, ...] = ()
    unmasked_here: bool = False
    alterations: tuple[Alteration, ...] = ()

    @property
    def id(self) -> str:
        """ "name@revision/dtype": what `Run.model` holds."""
        return f"{self.name}@{self.revision}/{self.dtype}"

    @property
    def built(self) -> tuple[Intervention, ...]:
        """What is changed in each of its forward passes: a variant may be built without norms."""
        return in_every_run(self.alterations, final_norm=self.head is not None and bool(self.paths.final_norm))

    def whole(self, run: Run) -> Run:
        """The run with what is changed in each of the model's forward passes before all that is changed in this one;
        and so for the runs that this one takes something out of."""
        built = self.built
        if not built:
            return run
        own = tuple(
            replace(one, sources=tuple(map(self.whole, one.sources))) if one.sources else one
            for one in self.beyond(run)
        )
        return replace(run, interventions=(*built, *own))

    def beyond(self, run: Run) -> tuple[Intervention, ...]:
        """What is changed in this run besides what is in all of the model's."""
        built = self.built
        return run.interventions[len(built) :] if run.interventions[: len(built)] == built else run.interventions

    def alike(self, other: "ModelSpec") -> bool:
        """Whether the two are one model or variants of one: the same layers, heads and tokens."""
        revisions = {spec.revision.partition("+")[0] for spec in (self, other)}  # behind it: of adapters
        return alike(self.name, other.name) and len(revisions) == 1

    def stack(self, name: str | None = None) -> Stack:
        """The stack of that name; the last one when None. KeyError for a stack that the model does not have."""
        if name is None:
            return self.stacks[-1]
        for stack in self.stacks:
            if stack.name == name:
                return stack
        raise KeyError(f"{self.name} has no stack {name!r}, only {[s.name for s in self.stacks]}")

    @property
    def window(self) -> int | None:
        """How many tokens every layer may look at, itself included; None where one may look at all, or they differ."""
        return self.windows[0] if self.windows and not self.windows_differ else None

    @property
    def windows_differ(self) -> bool:
        """Some layers look back farther than others."""
        return len(set(self.windows)) > 1

    def scale(self, layer: int) -> float:
        """What a layer multiplies q·k with: 1 / √d_head (Vaswani et al. 2017, sec. 3.2.1) for most."""
        return self.scales[layer] if self.scales else 1 / math.sqrt(self.d_head)

    def on(self, tokens: int) -> "ModelSpec":
        """The same for one text whose last position is tokens − 1: turns may depend on the length."""
        if not isinstance(self.position, Rope) or (position := self.position.on(tokens)) is self.position:
            return self
        return replace(self, position=position)

    def unmasked(self) -> "ModelSpec":
        """The same where each token looks at the whole text: without the causal mask, and without windows."""
        stacks = (*self.stacks[:-1], replace(self.stacks[-1], causal=False))
        return replace(self, stacks=stacks, windows=(), unmasked_here=True)

    def swapped(self, running: Mapping[int, int]) -> "ModelSpec":
        """The same where some layers run in another's place. running: of each such place the layer that runs there. A
        layer takes its scale along; a window belongs to the place, as the stack decides how far each place looks back.
        """
        if not self.scales:
            return self
        return replace(self, scales=tuple(self.scales[running.get(place, place)] for place in range(self.layers)))

    def without_final_norm(self) -> "ModelSpec":
        """The same where the output layer reads the stream as it leaves the last layer."""
        return replace(self, paths=replace(self.paths, final_norm=""))

    def doubt(self, facts: Iterable[str]) -> Sentence | None:
        """Why what rests on these facts (`anatomy.facts`) is not shown; None where all of them hold."""
        return next((doubt.sentence for doubt in self.doubts if doubt.fact in set(facts)), None)

    @property
    def mask_token(self) -> str | None:
        """The control token that stands for a hidden word ("[MASK]", "<mask>"); None where there is none."""
        return next((token for token in self.special if token.strip("[]<|>").lower() == "mask"), None)

    @property
    def layers(self) -> int:
        """Layers of the last stack."""
        return self.stacks[-1].layers

    def sizes(self, stack: str | None = None) -> dict[str, int]:
        """Length of every axis that the model fixes, by the axis's name; of a stack as in `stack`."""
        return {
            "layer": self.stack(stack).layers,
            "head": self.n_heads,
            "kv": self.n_kv,
            "d_head": self.d_head,
            "d_model": self.d_model,
            "d_ff": self.d_ff,
            "vocab": self.vocab,
            "part": 2 * self.stack(stack).layers + 2,  # as `parts` names them
            **({"bucket": self.position.buckets} if isinstance(self.position, RelativeBias) else {}),
        }

    def parts(self, stack: str | None = None) -> tuple[str, ...]:
        """What the final stream is the sum of, in order: names along the axis `part`. The last is what no part of the
        stream brings: biases of the final norm and of the output layer."""
        layers = range(self.stack(stack).layers)
        return ("embedding", *(f"{name} {layer}" for layer in layers for name in ("attention", "FFN")), "constants")
