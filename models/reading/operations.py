"""What an intervention does to the values that pass a site, and to attention's weights.

Values are changed for one text at a time: means, spreads and partners are of that text.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anatomy.interventions import PLACES, in_every_layer
from anatomy.request import Intervention, Op
from models.reading.attended import Attended

_SITES = tuple(PLACES)
REPLACED: frozenset[Op] = frozenset({"zero", "mean", "patch", "drop"})  # nothing of what stood there goes on
_DROPPED = 1  # a word of the seed of dropout: what it drops has nothing to do with noise of the same seed


@dataclass(frozen=True, eq=False)
class Made:
    """An intervention, with all that it takes from elsewhere.

    intervention  which
    heads         those that it is about, along the head axis of what passes; None: all, or there is no such axis
    sources       what stands at its site in each of its sources: [(head) pos width]; of weights [head pos src]
    partners      of a patch, for each position of this text that of the source; −1 for none
    direction     that of its token, of length 1
    idle          it puts what stood there in its own place, so that all of it goes on
    """

    intervention: Intervention
    heads: slice | None = None
    sources: tuple[Float[Tensor, "..."], ...] = ()
    partners: Int[Tensor, " pos"] | None = None
    direction: Float[Tensor, " d_model"] | None = None
    idle: bool = False

    def __call__(self, values: Float[Tensor, "*head pos width"]) -> Float[Tensor, "*head pos width"]:
        """The values of one text as they are after the change; those that it is not about are as they were."""
        if self.idle:
            return values
        changed = _OPS[self.intervention.op](self, values)
        return torch.where(self.there(values.shape), changed.to(values.dtype), values)

    def in_layer(self, layer: int | None) -> "Made":
        """The same as it is done in one layer, where it is done in every layer."""
        if not in_every_layer(self.intervention):
            return self
        return replace(self, intervention=replace(self.intervention, layer=layer))

    def there(self, shape: torch.Size) -> Bool[Tensor, "*head pos width"]:
        """True where the change applies, of values [(head) pos width]."""
        there = torch.zeros(shape, dtype=torch.bool)
        neuron, pos = self.intervention.neuron, self.intervention.pos
        places = slice(None) if pos is None else slice(pos, pos + 1)
        width = slice(None) if neuron is None else slice(neuron, neuron + 1)
        there[(*self._leading(len(shape)), places, width)] = True
        if self.intervention.op == "patch":
            there &= (self.taken(shape[-2]) >= 0)[:, None]
        return there

    def taken(self, positions: int) -> Int[Tensor, " pos"]:
        """For each of so many positions the one of the source that a patch takes; −1 for none."""
        assert self.partners is not None, "a patch is made with the partners of its positions"
        some = self.partners[:positions]
        return torch.cat([some, some.new_full((positions - len(some),), -1)])

    def _leading(self, axes: int) -> tuple[slice, ...]:
        return () if axes < 3 else (slice(None) if self.heads is None else self.heads,)

    def share(self, heads: int, positions: int) -> Float[Tensor, "head pos"]:
        """How much of what stood there goes on, by head and position: 1 where all of it does, 0 where nothing does."""
        op, there = self.intervention.op, self.there(torch.Size((heads, positions, 1)))[..., 0]
        left = 1.0 if self.idle else 0.0 if op in REPLACED else self.intervention.amount if op == "scale" else 1.0
        return torch.where(there, left, 1.0)


def _zero(made: Made, values: Tensor) -> Tensor:
    return torch.zeros_like(values)


def _mean(made: Made, values: Tensor) -> Tensor:
    """Over the text's positions, or over those of all the sources."""
    return _average(torch.cat([*made.sources], dim=-2) if made.sources else values).expand_as(values)


def _scale(made: Made, values: Tensor) -> Tensor:
    return values * made.intervention.amount


def _add(made: Made, values: Tensor) -> Tensor:
    """Along a token's direction as far as the values of most tokens are long, or the way to the source's mean."""
    if made.direction is not None:
        way = torch.linalg.vector_norm(values.float(), dim=-1).median() * made.direction.expand(1, -1)  # [1 width]
    else:
        way = _average(made.sources[0]) - _average(values)  # [(head) 1 width]
    if made.intervention.random is not None:
        way = _turned(way, made.intervention)
    return values + made.intervention.amount * way


def _turned(way: Tensor, of: Intervention) -> Tensor:
    """As long, along a direction drawn at random: uniformly among all."""
    numbers = drawn(of, way.shape)
    lengths = torch.linalg.vector_norm(torch.stack([way, numbers]), dim=-1, keepdim=True)
    return numbers * (lengths[0] / lengths[1])


def _average(values: Tensor) -> Tensor:
    return values.float().mean(-2, keepdim=True)


def _noise(made: Made, values: Tensor) -> Tensor:
    """At each token as large as what stands there, as a root mean square over its width; of one neuron as itself."""
    neuron = made.intervention.neuron
    own = values if neuron is None else values[..., neuron : neuron + 1]
    size = own.float().square().mean(-1, keepdim=True).sqrt()  # [(head) pos 1]
    return values + made.intervention.amount * size * drawn(made.intervention, values.shape)


def drawn(of: Intervention, shape: torch.Size) -> Float[Tensor, "*head pos width"]:
    """Normally distributed numbers for values [(head) pos width]: others for another seed, layer or site. Those of a
    position depend on none that comes after it, nor on the processor."""
    *heads, pos, width = shape
    drawing = _drawing(of, of.seed if of.random is None else of.random)
    numbers = torch.from_numpy(drawing.standard_normal((pos, *heads, width)))
    return numbers.movedim(0, -2).float()


def _dropout(made: Made, values: Tensor) -> Tensor:
    return _dropped(values, _kept(made.intervention, values.shape), made.intervention.amount)


def _dropped(
    values: Float[Tensor, "*head pos width"], kept: Bool[Tensor, "*head pos width"], amount: float
) -> Float[Tensor, "*head pos width"]:
    """0 in place of what is not kept, the rest divided by 1 − amount, so that each number is on average over all seeds
    what it was (Srivastava et al. 2014, sec. 10)."""
    return torch.where(kept, values / (1 - amount), 0.0)


def _kept(of: Intervention, shape: torch.Size) -> Bool[Tensor, "*head pos width"]:
    """Which of values [(head) pos width] dropout keeps: others for another seed, layer or site, and by one seed the
    fewer, the larger the amount. Those of a position depend on none that comes after it, nor on the processor."""
    *heads, pos, width = shape
    numbers = _drawing(of, of.seed, _DROPPED).random((pos, *heads, width))
    return torch.from_numpy(numbers >= of.amount).movedim(0, -2)


def _kept_weights(of: Intervention, rows: Iterable[int], shape: tuple[int, int]) -> Bool[Tensor, "head row src"]:
    """The same of some rows of attention weights. Each row is drawn by itself, column by column: it is the same in a
    longer text, and in whichever rows are read at a time. shape: heads, columns."""
    heads, src = shape
    kept = [_drawing(of, of.seed, _DROPPED, row).random((src, heads)) >= of.amount for row in rows]
    return torch.from_numpy(np.stack(kept)).permute(2, 0, 1)  # [head row src]


def _drawing(of: Intervention, seed: int, *more: int) -> np.random.Generator:
    """NumPy's own generator (PCG64), another one for another seed, layer or site, or where more tells it apart."""
    return np.random.default_rng((seed, of.layer or 0, _SITES.index(of.site), *more))


def _patch(made: Made, values: Tensor) -> Tensor:
    return made.sources[0][..., made.taken(values.shape[-2]).clamp(min=0), :].to(values.dtype)


_OPS: dict[Op, Callable[[Made, Tensor], Tensor]] = {
    "zero": _zero,
    "mean": _mean,
    "scale": _scale,
    "add": _add,
    "noise": _noise,
    "dropout": _dropout,
    "patch": _patch,
    "drop": _zero,  # of what a layer writes that is left out
}


@dataclass(frozen=True, eq=False)
class ChangedWeights:
    """What becomes of the weights of one layer's attention, some rows at a time, under some changes in order.

    attended  how the attention was called, unchanged
    """

    attended: Attended
    changes: tuple[Made, ...]

    def __call__(
        self, weights: Float[Tensor, "head row src"], first: int, head: int | None = None
    ) -> Float[Tensor, "head row src"]:
        """The weights of the rows from `first` on after the changes, of one head or of all."""
        if head is not None and any(made.intervention.op == "average" for made in self.changes):
            every = self.attended.weights(first, first + weights.shape[1])  # an average is over others, too
            return self(every, first)[head, None]
        for number, made in enumerate(self.changes):
            weights = self._after(number, made, weights, first, head, self._spreads)
        return weights

    def _after(
        self, number: int, made: Made, weights: Tensor, first: int, head: int | None, spreads: Mapping[int, float]
    ) -> Tensor:
        rows = torch.arange(first, first + weights.shape[1])
        heads = range(len(self.attended.query))[made.heads or slice(None)]
        of_head = torch.tensor([h in heads for h in range(len(self.attended.query))])
        pos = made.intervention.pos
        of_row = torch.ones(len(rows), dtype=torch.bool) if pos is None else rows == pos
        if made.intervention.op == "patch":
            of_row &= made.taken(int(rows[-1]) + 1)[rows] >= 0
        there = of_head[:, None, None] & of_row[:, None]
        changed = self._changed(number, made, weights, rows, head, spreads)
        return torch.where(there if head is None else there[head, None], changed, weights)

    def _changed(
        self, number: int, made: Made, weights: Tensor, rows: Tensor, head: int | None, spreads: Mapping[int, float]
    ) -> Tensor:
        op, amount = made.intervention.op, made.intervention.amount
        if op == "zero":
            return torch.zeros_like(weights)
        if op == "scale":
            return weights * amount
        if op == "average":
            return weights[made.heads or slice(None)].mean(0, keepdim=True).expand_as(weights)
        if op == "patch":
            return _patched(made, weights, rows, head)
        if op == "dropout":
            shape = len(self.attended.query), weights.shape[2]
            kept = _kept_weights(made.intervention, rows.tolist(), shape)
            return _dropped(weights, kept if head is None else kept[head, None], amount)
        allowed = self.attended.allowed(int(rows[0]), int(rows[-1]) + 1, head).to(weights.dtype)
        if op == "mean":
            return (allowed / allowed.sum(-1, keepdim=True)).expand_as(weights)
        numbers = self._drawn[number][:, rows]
        return weights + amount * spreads[number] * (numbers if head is None else numbers[head, None]) * allowed

    @cached_property
    def _drawn(self) -> dict[int, Float[Tensor, "head pos src"]]:
        """The numbers of each noise; drawn once, whole."""
        shape = torch.Size((len(self.attended.query), self.attended.query.shape[1], self.attended.key.shape[1]))
        noises = ((number, made.intervention) for number, made in enumerate(self.changes))
        return {number: drawn(noise, shape) for number, noise in noises if noise.op == "noise"}

    @cached_property
    def _spreads(self) -> dict[int, float]:
        """Of each noise the standard deviation of the weights that its heads may give, after the changes before it."""
        spreads: dict[int, float] = {}
        if all(made.intervention.op != "noise" for made in self.changes):
            return spreads
        weights = self.attended.weights(0, self.attended.query.shape[1])
        allowed = self.attended.allowed(0, weights.shape[1]).expand_as(weights)
        for number, made in enumerate(self.changes):
            if made.intervention.op == "noise":
                heads = made.heads or slice(None)
                spreads[number] = float(weights[heads][allowed[heads]].std(correction=0))
            weights = self._after(number, made, weights, 0, None, spreads)
        return spreads


def _patched(made: Made, weights: Tensor, rows: Tensor, head: int | None) -> Tensor:
    """The source's weights of the partners, from row to column; 0 for a column that has none."""
    source = made.sources[0]  # [head pos src]
    own = source if head is None else source[head, None]
    columns = made.taken(weights.shape[2])
    of_rows = made.taken(int(rows[-1]) + 1)[rows].clamp(min=0)
    taken = own[:, of_rows][:, :, columns.clamp(min=0)]
    return torch.where(columns >= 0, taken, 0.0).to(weights.dtype)
