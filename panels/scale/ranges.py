"""Kinds of change over their range: which variants a chart has, and what is asked of them.

Each point of a range is a variant, which is made, run on the text and let go of; the page shows what is there and has
the next one worked out. Quantization, pruning and precision are such kinds. What comes is read by `ranged`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from anatomy.control import Choice, Control
from anatomy.language import _
from anatomy.memory import number_bytes
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.view import Fitted

APART = ("variant_kl", "variant_loss", "variant_ids", "variant_distance")
SECONDS = "variant_seconds"
NEEDS_HEAD, NEEDS_NEXT = ("kl", "flips"), ("loss",)


@dataclass(frozen=True)
class Way:
    """One line of a chart: the same kind of change, made in one way, from the least to the most.

    name   of the line, before it is translated
    of     the variant at each place of the range, as a variant's name has it; None where there is none
    named  a variant of it in a sentence: with a place {place}
    """

    name: str
    of: tuple[str | None, ...]
    named: str


@dataclass(frozen=True)
class Range:
    """One kind of change.

    kinds   of `anatomy.variants.KINDS` that belong to it: a variant that has one of them has no range of its own
    axis    what changes along it, before it is translated
    places  what is written at each place
    ways    lines of the whole model changed
    parts   lines of the model changed everywhere, in attention alone, in the FFN alone
    """

    kinds: frozenset[str]
    axis: str
    places: tuple[str, ...]
    ways: tuple[Way, ...]
    parts: tuple[Way, ...]

    def drawn(self, shown: str) -> tuple[Way, ...]:
        """The lines of a chart; those of one way where they would be the same."""
        return self.parts if shown == "parts" else self.ways[:1] if shown == "seconds" else self.ways

    def along(self, shown: str) -> tuple[str, ...]:
        """The variants of a chart, each once: those of one place after those of the place before."""
        places = zip(*(way.of for way in self.drawn(shown)), strict=True)
        return tuple(dict.fromkeys(of for place in places for of in place if of is not None))


def every(kind: Range) -> Iterator[str]:
    """All variants of a range, those of parts among them."""
    yield from dict.fromkeys(of for way in (*kind.ways, *kind.parts) for of in way.of if of is not None)


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """What the model itself makes of the text."""
    losses = (Want("surprisal"),) if spec.head == "causal" else ()
    return (*losses, *((Want("next_ids"),) if spec.head else ()))


def later(kind: Range, control: Choice, spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """What the variants of the chart make of it, from the least changed to the most."""
    shown = chosen(control, spec, view)
    if shown == "bytes":
        return ()
    sites = (SECONDS,) if shown == "seconds" else _given(spec)
    return tuple(Want(site, of=of) for of in kind.along(shown) for site in sites)


def _given(spec: ModelSpec) -> tuple[str, ...]:
    """The sites of APART that such a model has."""
    lacking = {None: APART[:3], "masked": ("variant_loss",), "causal": ()}[spec.head]
    return tuple(site for site in APART if site not in lacking)


def fitting(spec: ModelSpec, view: Fitted, control: Control) -> Control:
    """Of what can be charted, what this model and text have."""
    return _fitted(spec, view, control) if isinstance(control, Choice) else control


def chosen(control: Choice, spec: ModelSpec, view: Fitted) -> str:
    """What is charted."""
    return view[_fitted(spec, view, control)]


def _fitted(spec: ModelSpec, view: Fitted, control: Choice) -> Choice:
    """Without an output layer no predictions are compared, and one token has no loss."""
    lacking = {*(() if spec.head else NEEDS_HEAD), *(() if spec.head == "causal" and view.length > 1 else NEEDS_NEXT)}
    kept = [option for option in control.options if option not in lacking]
    return replace(control, options=tuple(kept), labels=tuple(control.shown(option) for option in kept))


def applies(kind: Range, spec: ModelSpec) -> str | None:
    """None, or why this model has no such range."""
    if any(one.kind in kind.kinds for one in spec.alterations):
        return _("This variant is a point of this range itself. Open the model as it is: its range is there.")
    if number_bytes(spec.dtype) < 4:
        return _(
            "This model computes in half precision, so what else is altered in it is rounded, too. Open the model in "
            "float32, and see there what changes do."
        )
    if len(spec.stacks) != 1:
        return _("This model has an encoder and a decoder: changes of both at once are not charted.")
    return None
