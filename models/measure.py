"""What a computation of sites declares beside itself: the sites, what they rest on, and what they take.

Estimates, refusals and the order of an answer are read off these declarations: nobody keeps a list of sites elsewhere.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field

from anatomy.request import Want
from anatomy.spec import ModelSpec

Rows = Callable[[ModelSpec, int, Want], int]
Sweeps = Callable[[int, Want], int]


def none(*_given: object) -> int:
    """No row, no sweep."""
    return 0


def once(*_given: object) -> int:
    """One row, one sweep."""
    return 1


def each_position(spec: ModelSpec, tokens: int, want: Want) -> int:
    """A row for each position that is asked for."""
    return tokens if want.pos is None else 1


def each_layer(spec: ModelSpec, tokens: int, want: Want) -> int:
    """A row for each position that is asked for, after each layer."""
    return spec.layers * each_position(spec, tokens, want)


@dataclass(frozen=True, eq=False)  # a measure is itself alone
class Measure:
    """Sites that one computation gives.

    gives    their names; those asked for at the same positions are worked out once
    needs    sites whose numbers they are made from: where one of these cannot be trusted, they cannot
    forward  whether they take a forward pass, or the layer inputs that one leaves
    rows     (spec, tokens, want) → rows [d_model] that are multiplied with the whole vocabulary
    chunk    of these rows, how many have all their logits held at a time; 0: one alone
    sweeps   (tokens, want) → how often the streams leaving all layers are gone through
    passes   further forward passes over the text
    texts    texts in the batch of each of these passes
    alters   a variant of the model is made for it
    cached   whether keys and values of the text up to the position are held
    lengths  of the axes whose length neither the model nor the text decides, the largest that there are
    """

    gives: tuple[str, ...]
    needs: frozenset[str] = frozenset()
    _: KW_ONLY
    forward: bool = True
    rows: Rows = none
    chunk: int = 0
    sweeps: Sweeps = none
    passes: int = 0
    texts: int = 1
    alters: bool = False
    cached: bool = False
    lengths: Mapping[str, int] = field(default_factory=dict)


def sites_of(measures: Iterable[Measure]) -> frozenset[str]:
    """The sites that these give."""
    return frozenset(site for measure in measures for site in measure.gives)
