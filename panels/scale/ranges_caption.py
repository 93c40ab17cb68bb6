"""What a range of variants comes to, in sentences: its numbers, the first prediction that flips, what breaks first."""

import math
from collections.abc import Callable, Mapping

from anatomy.language import _, ngettext
from anatomy.parting import KL_ROUNDING
from panels.scale.ranged import BROKEN, Ranged
from panels.scale.ranges import Way
from panels.scale.ranges_drawing import told
from viz import nouns
from viz.format import listed, number, quoted, size, thousands

FEW = 100  # tokens whose mean loss still jumps about: a loss spreads by some 3 nats from token to token


def caption(ranged: Ranged) -> str:
    """The chart's numbers in a line each, then what they mean; how much of the range is still to come."""
    sentences = [*_SAID[ranged.shown](ranged)]
    if ranged.coming:
        sentences.append(
            ngettext(
                "{count} variant of the range is missing so far.",
                "{count} variants of the range are missing so far.",
                ranged.coming,
            )
        )
    return " ".join(filter(None, sentences))


def _points(ranged: Ranged, way: Way) -> str:
    """The numbers of a line that are there, from the least changed to the most: 8 bits: 2.25, 6 bits: 2.22 …"""
    there = [(of, value) for of in way.of if of is not None and not math.isnan(value := ranged.value(of))]
    return listed(f"{ranged.at(of)}: {_number(ranged.quantity, value)}" for of, value in there)


def _line(ranged: Ranged, way: Way) -> str:
    """The numbers of a line, with its name where there are others; "" where none is there."""
    points = _points(ranged, way)
    if not points or len(ranged.ways) == 1:
        return points
    return _("with {way}, {points}", way=_(way.name), points=points)


def _number(quantity: str, value: float) -> str:
    """A value; where its sentence has the unit, without it."""
    return number(value) if quantity in ("loss", "kl") else told(quantity, value)


def _of_loss(ranged: Ranged) -> list[str]:
    own = _("As it is, the model loses {loss} nats per token of this text.", loss=number(ranged.whole))
    points = _line(ranged, ranged.ways[0])
    return [
        own,
        _("Along the range, in nats: {points}.", points=points) if points else "",
        _no_better(ranged),
        _first_flip(ranged),
        _same(ranged),
        _chance(ranged) if points else "",
    ]


def _chance(ranged: Ranged) -> str:
    """That a mean over few tokens says little."""
    count = len(ranged.labels) - 1
    if count >= FEW:
        return ""
    return _("These are means over {tokens}: a small difference may be chance.", tokens=nouns.tokens(count))


def _no_better(ranged: Ranged) -> str:
    """From where on the model knows nothing of the text."""
    worse = next((of for of in ranged.every if ranged.value(of) >= ranged.blind), None)
    if worse is None or ranged.whole >= ranged.blind:
        return ""
    return _(
        "With {variant} it is worse than a blind guess among its {count} tokens ({blind} nats).",
        variant=ranged.at(worse),
        count=thousands(ranged.spec.vocab),
        blind=number(ranged.blind),
    )


def _of_kl(ranged: Ranged) -> list[str]:
    points = _line(ranged, ranged.ways[0])
    said = _(
        "How far the predictions are from the model's own, in nats, on the mean over this text: {points}.",
        points=points,
    )
    return [said if points else "", _undrawn(ranged), _first_flip(ranged), _same(ranged)]


def _undrawn(ranged: Ranged) -> str:
    """That some have no dot, on a chart with a logarithmic axis."""
    if not ranged.kind.parts or not any(map(ranged.too_small, ranged.every)):
        return ""
    return _("What is below {limit} nats has no dot.", limit=number(KL_ROUNDING))


def _of_flips(ranged: Ranged) -> list[str]:
    points = _line(ranged, ranged.ways[0])
    said = ngettext(
        "Of this text's {count} prediction another token leads: {points}.",
        "Of this text's {count} predictions another token leads: {points}.",
        len(ranged.labels),
        points=points,
    )
    return [said if points else "", _first_flip(ranged), _same(ranged)]


def _of_distance(ranged: Ranged) -> list[str]:
    points = _line(ranged, ranged.ways[0])
    said = _(
        "How far the last stream is from the model's own, as a share of its length, on the mean over this text: "
        "{points}.",
        points=points,
    )
    return [said if points else "", _same(ranged)]


def _first_flip(ranged: Ranged) -> str:
    """Where on the way from the least changed to the most a prediction flips for the first time."""
    there = {of: flips for of in ranged.every if (flips := ranged.flipped(of)) is not None}
    first = next(((of, flips[0]) for of, flips in there.items() if flips), None)
    if first is None:
        return _("No prediction has another leader.") if there and not ranged.coming else ""
    of, flip = first
    return _(
        "The first prediction to flip is the one after {after} (position {pos}), with {variant}: {before} led, now "
        "{now} does.",
        after=quoted(flip.after),
        pos=flip.pos,
        variant=ranged.at(of),
        before=quoted(flip.before),
        now=quoted(flip.now),
    )


def _same(ranged: Ranged) -> str:
    """Variants in which no number is another one."""
    same = [of for of in ranged.every if ranged.unchanged(of)]
    if not same:
        return ""
    words = _("With {variants} every number stays the same to the last bit.", variants=listed(map(ranged.at, same)))
    stored = ranged.spec.weights.stored
    if ranged.kind.parts and "prune" not in ranged.kind.kinds and stored and not ranged.spec.alterations:
        return f"{words} {_('The file has the weights as {stored}.', stored=stored)}"
    return words


def _of_parts(ranged: Ranged) -> list[str]:
    attention, ffn = ranged.ways[1:]
    first = {way: ranged.broken(way) for way in (attention, ffn)}
    limit = told(ranged.quantity, BROKEN[ranged.quantity])
    if ranged.quantity == "distance":
        limit = _("{value} of the stream's length", value=limit)
    unit = _("KL in nats") if ranged.quantity == "kl" else _("distance of the last stream")
    of_attention, of_ffn = _points(ranged, attention), _points(ranged, ffn)
    said = [
        _("Attention alone changed, {unit}: {points}.", unit=unit, points=of_attention) if of_attention else "",
        _("The FFN alone changed, {unit}: {points}.", unit=unit, points=of_ffn) if of_ffn else "",
    ]
    said.append(_undrawn(ranged))
    if ranged.coming:
        return said
    return [*said, _breaks(ranged, first[attention], first[ffn], limit)]


def _breaks(ranged: Ranged, attention: str | None, ffn: str | None, limit: str) -> str:
    """Which of the two costs more than the limit first."""
    if attention is None and ffn is None:
        return _("Neither breaks: neither alone costs more than {limit}.", limit=limit)
    places = {"attention": _place(ranged, 1, attention), "ffn": _place(ranged, 2, ffn)}
    if places["attention"] == places["ffn"]:
        of = attention or ""
        return _(
            "Both break at once, with {variant}: each alone costs more than {limit}.",
            variant=ranged.at(of),
            limit=limit,
        )
    if places["attention"] < places["ffn"]:
        return _(
            "Attention breaks first: with {variant} it alone costs more than {limit}.",
            variant=ranged.at(attention or ""),
            limit=limit,
        )
    return _(
        "The FFN breaks first: with {variant} it alone costs more than {limit}.",
        variant=ranged.at(ffn or ""),
        limit=limit,
    )


def _place(ranged: Ranged, way: int, of: str | None) -> int:
    """How far along the range a variant is; past its end for none."""
    places = ranged.ways[way].of
    return len(places) if of is None else places.index(of)


def _of_bytes(ranged: Ranged) -> list[str]:
    if not ranged.kind.parts:
        own = size(ranged.held_bytes(""))
        points = listed(f"{ranged.at(of)} {size(ranged.held_bytes(of))}" for of in ranged.every)
        words = _(
            "Weights in memory: {precision} {own}, {points}; those two take as much in a file.",
            precision=ranged.spec.dtype,
            own=own,
            points=points,
        )
        return [words]
    own = ranged.spec.weights.file_bytes
    file = _("The model's own file has {size}.", size=size(own)) if own and not ranged.spec.alterations else ""
    held = _(
        "This program holds {size} for each of them: it multiplies in {precision}, so what a file is spared is not "
        "spared this memory.",
        size=size(ranged.held_bytes("")),
        precision=ranged.spec.dtype,
    )
    points = _line(ranged, ranged.ways[0])
    return [_("In a file the weights take: {points}.", points=points), _counted(ranged), file, held]


def _counted(ranged: Ranged) -> str:
    """What a file is taken to hold; what is measured is not rounded so."""
    if "prune" in ranged.kind.kinds:
        return _(
            "Counted are 16 bits for each weight that is left and one bit for each place, which says whether it is, "
            "where that is less than 16 bits for all."
        )
    return _(
        "Counted are 16 bits for each scale, each least value and each weight outside of the matrices; what is "
        "measured of a variant has these in float32."
    )


def _of_seconds(ranged: Ranged) -> list[str]:
    points = _points(ranged, ranged.ways[0])
    if not points:
        return [_("Each variant is timed on this machine: the quickest of three passes over this text.")]
    timed = _(
        "Timed on this machine, the quickest of three passes over this text, per token: the model as it is {own}, "
        "{points}.",
        own=told("seconds", ranged.own_seconds),
        points=points,
    )
    if not ranged.kind.parts:
        return [timed]
    why = _(
        "This program multiplies in {precision} whatever the weights are, zeros too: a change of weights alone makes "
        "no pass quicker here. Other programs have kernels for few bits.",
        precision=ranged.spec.dtype,
    )
    return [timed, why]


def _of_layers(ranged: Ranged) -> list[str]:
    """How the distance of the streams grows, for each variant."""
    said = [
        _(
            "In {variant} the stream is off by {first} of its length after layer 0 and by {last} after the last.",
            variant=ranged.at(of),
            first=number(float(found.distance[0].mean())),
            last=number(float(found.distance[-1].mean())),
        )
        for of in ranged.every
        if (found := ranged.found.get(of)) is not None and found.distance is not None
    ]
    return [*said, _first_flip(ranged)]


_SAID: Mapping[str, Callable[[Ranged], list[str]]] = {
    "loss": _of_loss,
    "kl": _of_kl,
    "flips": _of_flips,
    "distance": _of_distance,
    "layers": _of_layers,
    "parts": _of_parts,
    "bytes": _of_bytes,
    "seconds": _of_seconds,
}
