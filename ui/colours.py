"""What the tokens above the figures can be tinted by: a number for each token, its unit, and what it tells."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

import panels
from anatomy.language import N_, _
from anatomy.request import Want, choice
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import COLOURS, Fitted
from panels.common import attention_row, logit_decomposition
from panels.common.shared import FIRST
from ui.components.strip import Tints
from viz.format import number, percent, quoted
from viz.scale import ceiling

_LATER = N_("it is not looked at from the chosen token")


@dataclass(frozen=True)
class Colour:
    """One thing that tokens can be tinted by.

    name    what it is called where there is little room
    whole   what it is called in full
    closed  spec → None, or why this model has no such numbers
    needs   (spec, view) → the wanted arrays
    read    (trace, view) → the numbers of all tokens, and how they are told
    """

    name: str
    whole: str
    closed: Callable[[ModelSpec], str | None]
    needs: Callable[[ModelSpec, Fitted], Sequence[Want]]
    read: Callable[[Trace, Fitted], Tints]


def offered(spec: ModelSpec, view: Fitted) -> tuple[tuple[str, Colour], ...]:
    """(id, colour) of those that the model has, and of the one that the link names."""
    return tuple((name, ALL[name]) for name in COLOURS if name == view.colour or ALL[name].closed(spec) is None)


def _surprisal(trace: Trace, view: Fitted) -> Tints:
    """−log p of each token, in nats; the first has none."""
    nats = trace[Want("surprisal")].astype(np.float64)
    high = _high(nats)
    return Tints(
        values=nats,
        high=high,
        written=tuple(map(number, nats.tolist())),
        none=_("nothing comes before it, so nothing predicts it"),
        value=N_("surprisal {value} nats"),
        ends=("0", _("{value} nats", value=number(high))),
        says=_("Surprisal of each token in nats: how unexpected it was after those before it."),
    )


def _seen(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The chosen head's weights, and its scores, which tell what it may look at."""
    return tuple(attention_row.wanted(view, site) for site in ("scores", "pattern"))


def _attention(trace: Trace, view: Fitted) -> Tints:
    """The chosen token's weights in the chosen head (probability), without the first token where that is left out."""
    weights = attention_row.row_of(trace, view).weights
    high = min(_high(weights), 1.0)
    return Tints(
        values=weights,
        high=high,
        written=tuple(map(percent, weights.tolist())),
        none=_(_LATER),
        first="" if view[FIRST] else _("the first token is left out"),
        value=N_("attention {value}"),
        ends=("0", percent(high)),
        says=_head_says(trace, view, weights),
    )


def _head_says(trace: Trace, view: Fitted, weights: Float[np.ndarray, " pos"]) -> str:
    values = {"head": view.head, "layer": view.layer, "token": quoted(trace.labels[view.pos])}
    if view[FIRST]:
        said = _("What head {head} of layer {layer} looks at from {token}: shares of its attention.", **values)
    else:
        said = _(
            "What head {head} of layer {layer} looks at from {token}, the first token left out: shares of the rest.",
            **values,
        )
    return said if np.isnan(weights).all() else f"{said} {_most(trace, weights)}"


def _most(trace: Trace, weights: Float[np.ndarray, " pos"]) -> str:
    """Where most of it goes: in a long text that token may be far away."""
    pos = int(np.nanargmax(weights))
    share = percent(float(weights[pos]))
    return _("Most goes to {token} at {pos}: {share}.", token=quoted(trace.labels[pos]), pos=pos, share=share)


def _added(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """What each token's values add to the best token's logit at the chosen position, and which token that is."""
    return (_sources(view), Want("next_ids", pos=view.pos))


def _sources(view: Fitted) -> Want:
    return Want("dla_src", pos=view.pos, token=choice(1))


def _contribution(trace: Trace, view: Fitted) -> Tints:
    """What each token's values add to the logit of the best token at the chosen position, through all heads."""
    logits = trace[_sources(view)].astype(np.float64)
    if trace.spec.stack().causal:
        logits[view.pos + 1 :] = np.nan
    high = _high(logits)
    return Tints(
        values=logits,
        high=high,
        written=tuple(map(number, logits.tolist())),
        none=_(_LATER),
        value=N_("contribution {value} (logit)"),
        ends=(number(-high), _("{value} (logit)", value=number(high))),
        says=_contribution_says(trace, view),
        signed=True,
    )


def _contribution_says(trace: Trace, view: Fitted) -> str:
    values = {
        "token": quoted(trace.labels[view.pos]),
        "best": quoted(trace.following(int(trace[Want("next_ids", pos=view.pos)][0]), view.pos)),
    }
    if trace.spec.head == "causal":
        return _(
            "What the values of each token add directly to the logit of {best}, the likeliest after {token}, through "
            "all heads of all layers; below 0 they take off.",
            **values,
        )
    return _(
        "What the values of each token add directly to the logit of {best}, the likeliest at {token}, through all "
        "heads of all layers; below 0 they take off.",
        **values,
    )


def _high(values: Float[np.ndarray, " pos"]) -> float:
    """A round end of the scale that holds the largest size among the numbers."""
    sizes = np.abs(values)
    return ceiling(float(np.nanmax(sizes)) if np.isfinite(sizes).any() else math.nan)


def _closed(panel: str) -> Callable[[ModelSpec], str | None]:
    """As the panel that shows the same numbers is."""
    return lambda spec: panels.load()[panel].closed(spec)


ALL = {
    "surprisal": Colour(
        N_("surprisal"),
        N_("surprisal of each token"),
        _closed("surprisal"),
        lambda spec, view: (Want("surprisal"),),
        _surprisal,
    ),
    "attention": Colour(N_("attention"), N_("attention of the chosen head"), _closed("attention"), _seen, _attention),
    "contribution": Colour(
        N_("contribution"), N_("contribution to the prediction"), logit_decomposition.applies, _added, _contribution
    ),
}
