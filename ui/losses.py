"""The loss of two runs before and after, token by token: in words, and as bars of both beside each other."""

from html import escape

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _
from anatomy.parting import LOSS_ROUNDING, Losses, Parting, Places, Spread
from ui.pairs import Names, groups, share
from viz.format import change, number


def said(
    parting: Parting, names: Names, at: Places | None, spread: Spread | None = None, unmasked: bool = False
) -> str:
    """The loss of both runs, and the token for which it changes most; "" where neither model predicts what comes next.

    at        the pair that is looked at, or None
    spread    what the runs of the baseline come to
    unmasked  the second run has no causal mask
    """
    means = parting.mean_losses
    if means == (None, None):
        return ""
    return " ".join(filter(None, (_means(*means), _of_baseline(spread), _ahead(unmasked), _most(parting, names, at))))


def _means(a: float | None, b: float | None) -> str:
    if a is None or b is None:
        known, run = (a, "A") if b is None else (b, "B")
        assert known is not None, "one of the two has a loss: the other case has been asked before"
        return _(
            "The mean loss (surprisal per token) of {run} is {loss} nats. The other run has none.",
            run=run,
            loss=number(known),
        )
    return _("The mean loss (surprisal per token) {change} nats.", change=change(a, b))


def _of_baseline(spread: Spread | None) -> str:
    if spread is None or spread.loss is None:
        return ""
    least, most = map(number, spread.loss)
    if least == most:
        return _("In the baseline: {loss}.", loss=least)
    return _("In the baseline: from {least} to {most}.", least=least, most=most)


def _ahead(unmasked: bool) -> str:
    if not unmasked:
        return ""
    return _(
        "B has no causal mask: each token sees those that it is to predict, which the model never did in training."
    )


def _most(parting: Parting, names: Names, at: Places | None) -> str:
    """The pair whose loss changes most, and that of the pair that is looked at."""
    both = of_pairs(parting)
    if both is None:
        return ""
    apart = np.nan_to_num(np.abs(both[1] - both[0]), nan=0.0)
    if apart.max(initial=0.0) <= LOSS_ROUNDING:
        return ""
    most = int(apart.argmax())
    words = [
        _of_pair(N_("It changes most at {token}: there it {change}."), both, most, names.pair(parting.pairs[most]))
    ]
    chosen = parting.pairs.index(at) if at in parting.pairs else most
    if chosen != most and not np.isnan(both[:, chosen]).any():
        words.append(_of_pair(N_("At {token} it {change}."), both, chosen, names.pair(parting.pairs[chosen])))
    return " ".join(words)


def _of_pair(template: str, both: Float[np.ndarray, "side pair"], place: int, token: str) -> str:
    a, b = both[:, place].tolist()
    return _(template, token=token, change=change(a, b))


def of_pairs(parting: Parting) -> Float[np.ndarray, "side pair"] | None:
    """The losses of both tokens of each pair, in nats; NaN for the first of a text. None where one run has none, or
    nothing belongs together."""
    if None in parting.mean_losses or not parting.pairs:
        return None
    places = np.array(parting.pairs)
    return np.stack([_of(losses)[side] for losses, side in zip(parting.losses, places.T, strict=True)])


def _of(losses: Losses) -> Float[np.ndarray, " pos"]:
    assert losses is not None, "a run that has a mean loss has losses"
    return losses


def key(parting: Parting) -> str:
    """Which bar is which run's; "" where there are no bars of both."""
    if of_pairs(parting) is None:
        return ""
    return '<small class="key" aria-hidden="true"><b></b>A <b></b>B</small>'


def bars(parting: Parting, names: Names, at: Places | None) -> str:
    """A bar of each run for every token that both have; "" where there are none. Each pair of bars says its token and
    its numbers."""
    both = of_pairs(parting)
    if both is None or not np.nanmax(both, initial=0.0) > 0:
        return ""
    high = float(np.nanmax(both))
    drawn = "".join(_bar(start, stop, both, parting, names, at, high) for start, stop in groups(both.shape[1]))
    label = _("Loss of each token in A and in B, the highest {value} nats", value=number(high))
    return f'<div class="bars two" role="img" aria-label="{escape(label)}">{drawn}</div>'


def _bar(
    start: int,
    stop: int,
    both: Float[np.ndarray, "side pair"],
    parting: Parting,
    names: Names,
    chosen: Places | None,
    high: float,
) -> str:
    """That of the pair whose loss changes most, of those that share a bar."""
    apart = np.nan_to_num(np.abs(both[1, start:stop] - both[0, start:stop]), nan=-1.0)
    most = start + int(apart.argmax())
    token = names.pair(parting.pairs[most])
    mark = ' class="chosen"' if chosen in parting.pairs[start:stop] else ""
    if np.isnan(both[:, most]).any():
        says = _("{token}: nothing stands before it, so it has no loss", token=token)
        return f'<span title="{escape(says)}"{mark}></span>'
    a, b = (float(loss) for loss in both[:, most])
    says = _("{token}: A {a}, B {b}", token=token, a=number(a), b=number(b))
    drawn = "".join(f'<b style="height: {100 * max(share(loss, high), 0.02):.1f}%"></b>' for loss in (a, b))
    return f'<span title="{escape(says)}"{mark}>{drawn}</span>'
