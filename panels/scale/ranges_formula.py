"""The rules of a range with the real numbers put in, for what is charted."""

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from anatomy import costs, variant_bytes
from anatomy.language import _
from anatomy.variants import BLOCK
from panels.scale.ranged import Measured, Ranged, alterations
from panels.scale.ranges_drawing import told
from viz.format import exact, number, thousands

_TERMS = 4  # of a sum that are written out


def formula(ranged: Ranged) -> str:
    """How the weights are changed, how the charted number is made, and that of each variant."""
    return "\n".join((*_change(ranged), *_MADE[ranged.quantity](ranged)))


def _change(ranged: Ranged) -> list[str]:
    """What a variant's weights are."""
    if "prune" in ranged.kind.kinds:
        return [
            _(
                "in each matrix of the layers: of its N weights the round(share × N) nearest to 0 are set to 0; all "
                "others stay"
            )
        ]
    if not ranged.kind.parts:
        return [_("bfloat16 keeps 8 binary digits of a number, float16 keeps 11, float32 keeps 24")]
    between = _(
        "{block} weights w of a row at a time: scale = (largest − least) / (2^bits − 1), code = round((w − least) "
        "/ scale), w becomes least + code × scale",
        block=BLOCK,
    )
    around = _(
        "around 0: scale = largest |w| / (2^(bits − 1) − 1), w becomes scale × round(w / scale); int8: so with 8 bits, "
        "the whole row at a time"
    )
    return [between] if ranged.shown in ("parts", "seconds") else [between, around]


def _of_loss(ranged: Ranged) -> list[str]:
    own = _("as it is: {mean}", mean=_mean(ranged.losses, ranged.whole))
    return [
        _("loss = mean of −log p over the tokens after the first, in nats"),
        own,
        *_each(ranged, lambda one: one.losses),
    ]


def _of_kl(ranged: Ranged) -> list[str]:
    rule = _(
        "KL(variant ‖ model) = Σ p_variant × (log p_variant − log p_model) over the vocabulary, after each token; the "
        "mean of these, in nats"
    )
    return [rule, *_each(ranged, lambda one: one.kl)]


def _of_flips(ranged: Ranged) -> list[str]:
    count = len(ranged.labels)
    return [
        _("predictions whose most probable token is another one / all predictions"),
        *(
            f"{of}: {len(flips)} / {count} = {told('flips', ranged.value(of))}"
            for of in ranged.every
            if (flips := ranged.flipped(of)) is not None
        ),
    ]


def _of_distance(ranged: Ranged) -> list[str]:
    rule = _("‖x_variant − x_model‖ / ‖x_model‖ of the stream x that leaves a layer; the mean over the tokens")
    return [
        rule,
        _("after the last layer:"),
        *_each(ranged, lambda one: None if one.distance is None else one.distance[-1]),
    ]


def _each(ranged: Ranged, of_one: Callable[[Measured], np.ndarray | None]) -> list[str]:
    """A mean for each variant that is there, with its first terms."""
    there = ((of, ranged.found.get(of)) for of in ranged.every)
    return [
        f"{of}: {_mean(values, ranged.value(of))}"
        for of, one in there
        if one is not None and (values := of_one(one)) is not None
    ]


def _mean(values: np.ndarray | None, mean: float) -> str:
    """(2.1 + 0.3 + … + 1.9) / 12 = 1.4"""
    known = [] if values is None else [float(value) for value in values if not math.isnan(value)]
    if not known:
        return _("nothing to take the mean of")
    shown = [number(value) for value in known]
    terms = shown if len(shown) <= _TERMS else [*shown[: _TERMS - 1], "…", shown[-1]]
    return f"({' + '.join(terms)}) / {thousands(len(known))} = {number(mean)}"


def _of_bytes(ranged: Ranged) -> list[str]:
    count = thousands(ranged.spec.weights.parameters)
    if not ranged.kind.parts:
        return [_("{count} weights, 16 bits each, in memory and in a file", count=count), *_bytes(ranged)]
    rule = _(
        "bytes = Σ weights × bits of each / 8: matrices of the layers, then, with 16 bits, all that is outside of them"
    )
    return [rule, *_bytes(ranged)]


def _bytes(ranged: Ranged) -> Iterable[str]:
    return (f"{of}: ({_terms(ranged, of)}) / 8 = {thousands(ranged.file_bytes(of))} B" for of in ranged.every)


def _terms(ranged: Ranged, of: str) -> str:
    """Weights × bits of each, of all that takes equally many bits together."""
    made = (*ranged.spec.alterations, *alterations(of))
    given = variant_bytes.written(costs.configuration(ranged.spec), ranged.spec.weights.parameters, made)
    return " + ".join(f"{thousands(count)} × {exact(float(bits))}" for count, bits in given)


def _of_seconds(ranged: Ranged) -> list[str]:
    count = len(ranged.labels)
    return [
        _("quickest of three passes / tokens of the text; measured, so it differs from one time to the next"),
        *(
            f"{of}: {number(float(one.seconds[1]) * 1000)} ms / {count} = {told('seconds', ranged.value(of))}"
            for of in ranged.every
            if (one := ranged.found.get(of)) is not None and one.seconds is not None
        ),
    ]


_MADE: Mapping[str, Callable[[Ranged], list[str]]] = {
    "loss": _of_loss,
    "kl": _of_kl,
    "flips": _of_flips,
    "distance": _of_distance,
    "bytes": _of_bytes,
    "seconds": _of_seconds,
}
