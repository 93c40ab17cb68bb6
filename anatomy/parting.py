"""Parting: how far apart two runs come, in numbers: their predictions, their streams, the tokens that they favour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from anatomy.alignment import Alignment
from anatomy.measure import softmax
from anatomy.refused import Sentence
from anatomy.request import Want
from anatomy.rounding import nearness
from anatomy.trace import Trace

# Share of a stream's length from which on two streams count as parted: 512 times the spacing of float32. The same
# token, given to SmolLM2 in texts of 1 to 1,400 tokens, came to 5 · 10⁻⁶ by rounding alone, and to 7 · 10⁻⁶ with its
# matrices laid out otherwise.
PARTED = 512 * 2.0**-23
KL_ROUNDING = 1e-8  # nats: what the divergence of equal predictions may come to; the same trials came to 10⁻¹⁰
# Nats: what the loss of one token may differ by rounding alone. Those of SmolLM2 for a text's tokens, given in texts of
# 2 to 630 tokens, came to 3 · 10⁻⁵.
LOSS_ROUNDING = 1e-4
WATCHED = 5  # best tokens of either run that are watched
Places = tuple[int, int]  # of a token: in A, in B
Losses = Float[np.ndarray, " pos"] | None


@dataclass(frozen=True)
class WatchedToken:
    """A token that is among the best of either run at one place.

    label         as it is read after the text of the run that has it among its best, A's first
    p_a, p_b      its probability in each run; None where that run's model has not this token, or predicts none
    rank_a, rank_b  its rank there, 1 the best; what differs by rounding alone counts as equal
    """

    id: int
    label: str
    p_a: float | None
    p_b: float | None
    rank_a: int | None
    rank_b: int | None


@dataclass(frozen=True, eq=False)
class Parting:
    """What run B differs by from run A, token for token. The arrays are read-only.

    pairs        the places of the tokens that belong together, in A and in B
    kl           KL(B ‖ A) of the output distribution after each pair, in nats, over the whole vocabulary: what it costs
                 to expect A where B is (Kullback and Leibler 1951, eq. 2.4); None: see `without_kl`
    kl_back      KL(A ‖ B), the same the other way round
    distance     ‖b − a‖ / ‖a‖ of the streams of each pair (Euclidean), as they enter the first layer and after each
                 layer; None: see `without_distance`
    predicts     whether A's model, and B's, give a prediction at all
    losses       of A and of B, for each token −log p of it after those before it, in nats (the loss that models are
                 trained on); NaN for the first. None where the model does not predict the next token
    without_kl, without_distance  why there is none, as a sentence for readers
    at           the places in A and in B that `watched` is about
    watched      the best tokens of both runs there: A's, then those that B adds, each in its order. With one vocabulary
                 each has numbers of both runs, else only of its own
    """

    pairs: tuple[Places, ...]
    kl: Float[np.ndarray, " pair"] | None
    kl_back: Float[np.ndarray, " pair"] | None
    distance: Float[np.ndarray, "place pair"] | None
    predicts: tuple[bool, bool]
    without_kl: Sentence | None = None
    without_distance: Sentence | None = None
    at: Places | None = None
    watched: tuple[WatchedToken, ...] = ()
    losses: tuple[Losses, Losses] = (None, None)

    def __post_init__(self) -> None:
        for array in (self.kl, self.kl_back, self.distance, *self.losses):
            if array is not None:
                array.flags.writeable = False

    @cached_property
    def parted_at(self) -> tuple[int | None, ...] | None:
        """Of each pair, where its streams first count as parted: 0 as they enter the first layer, n after layer n − 1;
        None where they never do. None in all where they have no distance."""
        if self.distance is None:
            return None
        apart = self.distance > PARTED  # [place pair]
        return tuple(int(column.argmax()) if column.any() else None for column in apart.T)

    @property
    def first(self) -> int | None:
        """The first place, counted so, at which the streams of any pair have parted; None where none do."""
        return min((place for place in self.parted_at or () if place is not None), default=None)

    @property
    def mean_losses(self) -> tuple[float | None, float | None]:
        """The mean of each run's losses; None where it has none, as a text of one token."""
        ours, theirs = (mean_loss(losses) for losses in self.losses)
        return ours, theirs

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays and the pairs, about."""
        held = (self.kl, self.kl_back, self.distance, *self.losses)
        return 64 * len(self.pairs) + sum(array.nbytes for array in held if array is not None)

    def watching(self, a: Trace, b: Trace, at: Places) -> "Parting":
        """The same with the tokens that are watched at these places. a, b: traces with `watched_wants`, of those runs
        that predict."""
        return replace(self, at=at, watched=_watched(self, a, b, at))


def mean_loss(losses: Losses) -> float | None:
    """The mean over the tokens that have a loss; None where none has."""
    known = np.zeros(0) if losses is None else losses[~np.isnan(losses)]
    return float(known.mean()) if known.size else None


@dataclass(frozen=True, eq=False)
class Spread:
    """What the runs of a baseline come to, from the least to the most of them.

    runs     how many
    kl       (least, most) KL from A after each pair, in nats; None where they have none
    chances  token → (least, most) of its probability at the place that is looked at
    loss     (least, most) mean loss of their texts, in nats; None where they have none
    """

    runs: int
    kl: tuple[Float[np.ndarray, " pair"], Float[np.ndarray, " pair"]] | None
    chances: Mapping[int, tuple[float, float]]
    loss: tuple[float, float] | None = None


def spread(partings: Sequence[Parting], chances: Mapping[int, Sequence[float]]) -> Spread:
    """That of some runs, all compared with the same one. chances: token → its probability in each run."""
    known = [parted.kl for parted in partings if parted.kl is not None]
    kl = (np.min(known, axis=0), np.max(known, axis=0)) if known and len(known) == len(partings) else None
    losses = [loss for parted in partings if (loss := parted.mean_losses[1]) is not None]
    between = (min(losses), max(losses)) if losses and len(losses) == len(partings) else None
    return Spread(len(partings), kl, {token: (min(every), max(every)) for token, every in chances.items()}, between)


def watched_wants(pos: int) -> tuple[Want, Want]:
    """What a trace has to hold so that its best tokens at a place can be watched."""
    return Want("logits", pos=pos), Want("next_ids", pos=pos)


def last_pair(alignment: Alignment, a: Trace, b: Trace) -> Places:
    """The last two tokens that belong together; the last of each run where none do."""
    return alignment.both[-1] if alignment.both else (len(a.tokens) - 1, len(b.tokens) - 1)


@dataclass(frozen=True)
class _Predicted:
    """What one run predicts at one place. name: the labels of its best, as they go on with its text."""

    p: Float[np.ndarray, " vocab"]
    logits: Float[np.ndarray, " vocab"]
    best: Int[np.ndarray, " k"]
    names: Mapping[int, str]

    def rank(self, token: int) -> int:
        """1 is the best. Of its best ones the place in their order; else what is surely larger is counted."""
        among = np.flatnonzero(self.best == token)
        if among.size:
            return int(among[0]) + 1
        return 1 + max(len(self.best), int((self.logits > self.logits[token] + nearness(self.logits)[0]).sum()))


def _predicted(trace: Trace, pos: int) -> _Predicted:
    logits, best = (trace[want] for want in watched_wants(pos))
    names = {row: trace.following(row, pos) for row in best[:WATCHED].tolist()}
    return _Predicted(softmax(logits), logits, best, names)


def _watched(parting: Parting, a: Trace, b: Trace, at: Places) -> tuple[WatchedToken, ...]:
    in_a, in_b = (
        _predicted(trace, pos) if predicts else None
        for trace, pos, predicts in zip((a, b), at, parting.predicts, strict=True)
    )
    names_a, names_b = ({} if run is None else run.names for run in (in_a, in_b))
    if parting.kl is None:
        alone = [_row(token, name, in_a, None) for token, name in names_a.items()]
        return (*alone, *(_row(token, name, None, in_b) for token, name in names_b.items()))
    return tuple(_row(token, name, in_a, in_b) for token, name in {**names_a, **names_b, **names_a}.items())


def _row(token: int, name: str, a: _Predicted | None, b: _Predicted | None) -> WatchedToken:
    p_a, p_b = (None if run is None else float(run.p[token]) for run in (a, b))
    rank_a, rank_b = (None if run is None else run.rank(token) for run in (a, b))
    return WatchedToken(token, name, p_a, p_b, rank_a, rank_b)
