"""The figures and the table of a range of variants."""

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _
from panels.panel import Table
from panels.scale.ranged import BROKEN, Ranged
from panels.scale.ranges import every
from viz.bars import Bars
from viz.format import number, size
from viz.level import Level
from viz.lines import Lines
from viz.rows import Bar

_MEGABYTE, _MILLI = 1e6, 1e-3
AXES = {
    "loss": N_("loss per token (nats)"),
    "kl": N_("KL(variant ‖ model) per token (nats, log scale)"),
    "flips": N_("share of predictions that flip (%)"),
    "distance": N_("distance of the last stream (share of its length)"),
    "bytes": N_("weights in a file (MB)"),
    "seconds": N_("time of a pass, per token (ms)"),
}
_OPENS = N_("Choose a dot to open its variant.")
_OPENS_BAR = N_("Choose a bar to open its variant.")
_UNITS = {"flips": 0.01, "bytes": _MEGABYTE, "seconds": _MILLI}


def draw(ranged: Ranged) -> Lines:
    """A line for each way to make the change, a dot for each variant that is there; levels to hold them against."""
    quantity = ranged.quantity
    values = np.array([[_shown(ranged, of) for of in way.of] for way in ranged.ways])
    return Lines(
        values=values,
        names=tuple(_(way.name) for way in ranged.ways),
        places=ranged.kind.places,
        chosen=0,
        x_axis=_(ranged.kind.axis),
        y_axis=_(AXES[quantity]),
        logarithmic=quantity == "kl",
        listed=True,
        levels=_levels(ranged),
        dotted=True,
        beside=_opens(ranged),
        remark=_(_OPENS),
    )


def _shown(ranged: Ranged, of: str | None) -> float:
    """A value in the unit of its axis; NaN for what a logarithmic axis has no place for."""
    if of is None or ranged.too_small(of):
        return math.nan
    return ranged.value(of) / _UNITS.get(ranged.quantity, 1.0)


def _opens(ranged: Ranged) -> dict[tuple[int | None, ...], str]:
    """The variant that each dot stands for."""
    return {(i, place): of for i, way in enumerate(ranged.ways) for place, of in enumerate(way.of) if of is not None}


def _levels(ranged: Ranged) -> tuple[Level, ...]:
    return _LEVELS.get(ranged.shown, _no_levels)(ranged)


def _no_levels(ranged: Ranged) -> tuple[Level, ...]:
    return ()


def _of_loss(ranged: Ranged) -> tuple[Level, ...]:
    as_it_is = Level(ranged.whole, _("the model as it is: {value}", value=number(ranged.whole)))
    blind = Level(ranged.blind, _("a blind guess: {value}", value=number(ranged.blind)))
    return (as_it_is, blind)


def _of_parts(ranged: Ranged) -> tuple[Level, ...]:
    limit = BROKEN[ranged.quantity]
    return (Level(limit, _("above {value} a part counts as broken", value=number(limit))),)


def _of_bytes(ranged: Ranged) -> tuple[Level, ...]:
    own = ranged.spec.weights.file_bytes
    level = Level(own / _MEGABYTE, _("the model's own file: {size}", size=size(own)))
    return (level,) if own and not ranged.spec.alterations else ()


def _of_seconds(ranged: Ranged) -> tuple[Level, ...]:
    own = ranged.own_seconds / _MILLI
    return () if math.isnan(own) else (Level(own, _("the model as it is: {value} ms", value=number(own))),)


_LEVELS: Mapping[str, Callable[[Ranged], tuple[Level, ...]]] = {
    "loss": _of_loss,
    "parts": _of_parts,
    "bytes": _of_bytes,
    "seconds": _of_seconds,
}


def draw_layers(ranged: Ranged) -> Lines:
    """A line for each variant over the layers: how far the stream that leaves each is from the model's own."""
    streams = [_by_layer(ranged, of) for of in ranged.every]
    return Lines(
        values=np.stack(streams),
        names=tuple(map(ranged.at, ranged.every)),
        places=tuple(map(str, range(ranged.spec.layers))),
        chosen=0,
        x_axis=_("after layer"),
        y_axis=_("distance of the stream (share of its length, log scale)"),
        logarithmic=True,
        listed=True,
        dotted=True,
        remark=_(_OPENS),
        beside={(i, layer): of for i, of in enumerate(ranged.every) for layer in range(ranged.spec.layers)},
    )


def _by_layer(ranged: Ranged, of: str) -> Float[np.ndarray, " layer"]:
    """Mean over the text; NaN where it is not there."""
    found = ranged.found.get(of)
    if found is None or found.distance is None:
        return np.full(ranged.spec.layers, np.nan)
    return found.distance.mean(axis=1, dtype=np.float64)


def draw_bars(ranged: Ranged) -> Bars:
    """A bar for the model as it is and for each variant that is there."""
    own = {"bytes": ranged.held_bytes(""), "seconds": ranged.own_seconds}.get(ranged.quantity)
    there = [("", own), *((of, _held(ranged, of)) for of in ranged.every)]
    known = [(of, value) for of, value in there if value is not None and not math.isnan(value)]
    bars = [_bar(ranged, of, value) for of, value in known]
    opens: dict[tuple[int | None, ...], str] = {(i,): of for i, (of, _value) in enumerate(known) if of}
    axis = _("weights in memory (MB)") if ranged.quantity == "bytes" else _(BAR_AXES[ranged.quantity])
    return Bars(bars, axis, _("precision"), low=0.0, ordered=True, beside=opens, remark=_(_OPENS_BAR))


BAR_AXES = {**AXES, "kl": N_("KL(variant ‖ model) per token (nats)")}


def _held(ranged: Ranged, of: str) -> float:
    """In half precision a file and memory hold the same."""
    return float(ranged.held_bytes(of)) if ranged.quantity == "bytes" else ranged.value(of)


def _bar(ranged: Ranged, of: str, value: float) -> Bar:
    label = ranged.at(of) if of else ranged.spec.dtype
    return Bar(label, value / _UNITS.get(ranged.quantity, 1.0), told(ranged.quantity, value), accent=not of)


def told(quantity: str, value: float) -> str:
    """A value with its unit."""
    match quantity:
        case "bytes":
            return size(value)
        case "seconds":
            return _("{value} ms", value=number(value / _MILLI))
        case "flips":
            return _("{value} %", value=number(100 * value))
        case "distance":
            return number(value)
    return _("{value} nats", value=number(value))


def table(ranged: Ranged) -> Table:
    """A row for the model as it is and for each variant of the range, with all that is known of it."""
    variants = [
        of for of in every(ranged.kind) if of in ranged.found or (ranged.quantity == "bytes" and of in ranged.every)
    ]
    rows = ["", *variants]
    columns: list[tuple[str, Iterable]] = [(_("variant"), [_("as it is"), *variants])]
    for name, quantity in _COLUMNS:
        values = [_own(ranged, quantity), *(ranged.value(of, quantity) for of in variants)]
        if any(value is not None and not math.isnan(value) for value in values):
            columns.append((_(name), [None if value is None or math.isnan(value) else value for value in values]))
    columns.append((_("weights in memory (bytes)"), [ranged.held_bytes(of) for of in rows]))
    if any(ranged.flipped(of) is not None for of in variants):
        columns.append((_("first prediction that flips"), [None, *(_first_flip(ranged, of) for of in variants)]))
    return Table.of(*columns, note=_note(ranged))


_COLUMNS = (
    (N_("loss per token (nats)"), "loss"),
    (N_("KL(variant ‖ model) per token (nats)"), "kl"),
    (N_("share of predictions that flip"), "flips"),
    (N_("distance of the last stream (share of its length)"), "distance"),
    (N_("weights in a file (bytes)"), "bytes"),
    (N_("seconds per token"), "seconds"),
)


def _own(ranged: Ranged, quantity: str) -> float | None:
    """The model's own number: it differs from itself by nothing."""
    match quantity:
        case "loss":
            return ranged.whole
        case "bytes":
            return None if ranged.spec.alterations else float(ranged.spec.weights.file_bytes) or None
        case "seconds":
            return ranged.own_seconds
    return None if ranged.spec.head is None and quantity != "distance" else 0.0


def _first_flip(ranged: Ranged, of: str) -> str | None:
    flips = ranged.flipped(of)
    if not flips:
        return None
    first = flips[0]
    return _(
        "after {token} at {place}: {before} → {now}",
        token=first.after,
        place=first.pos,
        before=first.before,
        now=first.now,
    )


def _note(ranged: Ranged) -> str | None:
    if not ranged.coming:
        return None
    return _("Variants that have not been worked out yet are not listed.")
