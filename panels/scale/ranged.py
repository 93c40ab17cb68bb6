"""What the same text is to the variants of a range, each a little further from the model: the numbers of the charts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from anatomy import costs, variant_bytes, variants
from anatomy.control import Choice
from anatomy.language import _
from anatomy.parting import KL_ROUNDING
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.variants import MARK, Alteration
from anatomy.view import Fitted
from panels.scale.ranges import APART, SECONDS, Range, Way, chosen, every

# Nats, and share of the stream's length: a part whose change costs more counts as broken. Ours, and told on the figure.
BROKEN = {"kl": 1.0, "distance": 0.5}


@dataclass(frozen=True)
class Measured:
    """What the text is to one variant; None for what the model does not give, or has not been worked out.

    kl        KL(variant ‖ model) after each token, in nats
    losses    −log p of each token, in nats; NaN for the first
    ids       the best token after each token
    distance  of the streams that leave a layer, over the model's own
    seconds   of a pass over the text: the model's, the variant's
    """

    kl: Float[np.ndarray, " pos"] | None = None
    losses: Float[np.ndarray, " pos"] | None = None
    ids: Int[np.ndarray, " pos"] | None = None
    distance: Float[np.ndarray, "layer pos"] | None = None
    seconds: Float[np.ndarray, " side"] | None = None


@dataclass(frozen=True)
class Flip:
    """A prediction that another token leads now.

    pos, after   place and label of the token that it comes after
    before, now  labels of the token that led, and of the one that leads
    """

    pos: int
    after: str
    before: str
    now: str


@dataclass(frozen=True)
class Ranged:
    """A range, as far as it has been worked out.

    kind    of change
    shown   what of it is charted
    spec    the model's
    labels  of the text's tokens
    losses  the model's own, in nats; None where it does not predict the next token
    leaders ids and labels of its best tokens; None without an output layer
    found   by variant, those that are there
    named   labels of the variants' best tokens, by variant
    """

    kind: Range
    shown: str
    spec: ModelSpec
    labels: tuple[str, ...]
    losses: Float[np.ndarray, " pos"] | None
    leaders: tuple[tuple[int, str], ...] | None
    found: Mapping[str, Measured]
    named: Mapping[str, tuple[str, ...]]

    @property
    def ways(self) -> tuple[Way, ...]:
        """The lines of the chart."""
        return self.kind.drawn(self.shown)

    @property
    def quantity(self) -> str:
        """What is charted of each variant. Parts are compared by their predictions, without an output layer by their
        streams."""
        if self.shown in ("parts", "layers"):
            return "distance" if self.spec.head is None or self.shown == "layers" else "kl"
        return self.shown

    @cached_property
    def whole(self) -> float:
        """The model's own loss on the text: the mean over its tokens, in nats; NaN where there is none."""
        return math.nan if self.losses is None or len(self.losses) < 2 else float(np.nanmean(self.losses))

    @property
    def blind(self) -> float:
        """The loss of a guess that gives all tokens of the vocabulary the same probability, in nats."""
        return math.log(self.spec.vocab)

    @cached_property
    def every(self) -> tuple[str, ...]:
        """The variants of the chart, each once, from the least changed to the most."""
        return self.kind.along(self.shown)

    @property
    def coming(self) -> int:
        """How many of them are not there yet."""
        return sum(math.isnan(self.value(of)) for of in self.every)

    def value(self, of: str, quantity: str | None = None) -> float:
        """One number of a variant; NaN where it is not there. loss, kl: mean over the text, in nats. flips: share of
        the predictions. distance: mean over the text after the last layer. bytes: in a file. seconds: per token."""
        found, quantity = self.found.get(of, Measured()), quantity or self.quantity
        match quantity:
            case "loss" if found.losses is not None and len(found.losses) > 1:
                return float(np.nanmean(found.losses, dtype=np.float64))
            case "kl" if found.kl is not None:
                return float(found.kl.mean(dtype=np.float64))
            case "flips" if self.flipped(of) is not None:
                return len(self.flipped(of) or ()) / len(self.labels)
            case "distance" if found.distance is not None:
                return float(found.distance[-1].mean(dtype=np.float64))
            case "bytes":
                return float(self.file_bytes(of))
            case "seconds" if found.seconds is not None:
                return float(found.seconds[1]) / len(self.labels)
        return math.nan

    def flipped(self, of: str) -> tuple[Flip, ...] | None:
        """The predictions that another token leads; None where that is not known."""
        ids = self.found.get(of, Measured()).ids
        if ids is None or self.leaders is None:
            return None
        flips = []
        for pos, (own, (before, label)) in enumerate(zip(ids.tolist(), self.leaders, strict=True)):
            if own != before:
                flips.append(Flip(pos, self.labels[pos], label, self.named[of][pos]))
        return tuple(flips)

    @property
    def own_seconds(self) -> float:
        """Seconds per token of the model as it is, which was timed beside each variant: the median; NaN for none."""
        measured = [one.seconds[0] for one in self.found.values() if one.seconds is not None]
        return float(np.median(measured)) / len(self.labels) if measured else math.nan

    def unchanged(self, of: str) -> bool:
        """Whether nothing at all differs, to the last bit."""
        found = self.found.get(of, Measured())
        return found.distance is not None and not found.distance.any() and (found.kl is None or not found.kl.any())

    def too_small(self, of: str) -> bool:
        """Whether what is charted is a divergence that is rounding alone, or none: a logarithmic axis has no place for
        it."""
        return self.quantity == "kl" and self.value(of) < KL_ROUNDING

    def file_bytes(self, of: str) -> int:
        """Bytes of all weights in a file, as the variant has them."""
        made = (*self.spec.alterations, *alterations(of))
        return variant_bytes.file_bytes(costs.configuration(self.spec), self.spec.weights.parameters, made)

    def held_bytes(self, of: str) -> int:
        """Bytes of all weights in this program's memory."""
        made = (*self.spec.alterations, *alterations(of))
        return variant_bytes.held_bytes(costs.configuration(self.spec), self.spec.weights.parameters, made)

    def at(self, of: str) -> str:
        """A variant in a sentence. KeyError for one that the chart does not have."""
        for way in self.ways:
            if of in way.of:
                return _(way.named, place=self.kind.places[way.of.index(of)])
        raise KeyError(of)

    def broken(self, way: Way) -> str | None:
        """The first variant of a line that costs more than BROKEN; None where none does."""
        values = ((of, self.value(of)) for of in way.of if of is not None)
        return next((of for of, value in values if value > BROKEN[self.quantity]), None)


def alterations(of: str) -> tuple[Alteration, ...]:
    """What is altered in a variant of a range; nothing in ""."""
    return () if not of else variants.alterations(f"{MARK}{of}", of)


def read(kind: Range, control: Choice, trace: Trace, view: Fitted) -> Ranged:
    """The range as far as the trace has it."""
    spec = trace.spec
    found = {of: measured for of in every(kind) if (measured := _measured(trace, of)) is not None}
    return Ranged(
        kind=kind,
        shown=chosen(control, spec, view),
        spec=spec,
        labels=trace.labels,
        losses=trace[Want("surprisal")] if spec.head == "causal" else None,
        leaders=_leaders(trace, trace[Want("next_ids")][:, 0]) if spec.head else None,
        found=found,
        named={
            of: tuple(name for _id, name in _leaders(trace, one.ids))
            for of, one in found.items()
            if one.ids is not None
        },
    )


def _leaders(trace: Trace, ids: Int[np.ndarray, " pos"]) -> tuple[tuple[int, str], ...]:
    """The best token of each place, with its label there."""
    return tuple((row, trace.following(row, pos)) for pos, row in enumerate(ids.tolist()))


def _measured(trace: Trace, of: str) -> Measured | None:
    """What the trace has of a variant; None for nothing."""
    arrays = [trace[want] if (want := Want(site, of=of)) in trace else None for site in (*APART, SECONDS)]
    return None if all(array is None for array in arrays) else Measured(*arrays)
