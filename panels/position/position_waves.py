"""Rotary positions: how far each pair of components is turned, and in how many tokens it comes full circle."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.interventions import place
from anatomy.language import _, ngettext
from anatomy.spec import ModelSpec, Rope
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.snippet import opening
from panels.panel import Table
from viz import nouns
from viz.dots import Dots
from viz.format import number, thousands
from viz.level import Level


def rope_of(spec: ModelSpec) -> Rope:
    """The model's rotary positions. Raises TypeError for a model without them."""
    if not isinstance(spec.position, Rope):
        raise TypeError(f"{spec.name} has no rotary positions: ask applies() first")
    return spec.position


def wavelengths(rope: Rope) -> Float[np.ndarray, " pair"]:
    """Tokens until a pair has turned once: 2π / frequency (RoFormer, Su et al. 2021, sec. 3.2.2); ∞ for a pair that
    does not turn."""
    frequencies = np.array(rope.frequencies, np.float64)
    return np.divide(2 * math.pi, frequencies, out=np.full(frequencies.shape, np.inf), where=frequencies > 0)


@dataclass(frozen=True)
class Turning:
    """How the pairs of a rotary model turn.

    pos      the chosen token's position number
    tokens   how many the text has
    longest  how many the longest text has
    rope     the model's rotary positions
    waves    tokens until a pair has turned once; ∞ for one that does not turn
    angles   by which each pair is turned at the chosen position, whole turns included, in degrees
    """

    pos: int
    tokens: int
    longest: int
    rope: Rope
    waves: Float[np.ndarray, " pair"]
    angles: Float[np.ndarray, " pair"]


def read(trace: Trace, view: Fitted) -> Turning:
    """Wavelengths of the model's own frequencies, and their angles at the chosen position."""
    rope, pos = rope_of(trace.spec), place(trace.run.interventions, view.pos)
    angles = np.degrees(pos * np.array(rope.frequencies, np.float64))
    return Turning(pos, len(trace.tokens), trace.spec.max_pos, rope, wavelengths(rope), angles)


def draw(turning: Turning) -> Dots:
    """The wavelength of each pair that turns, beside the text and the longest text."""
    pairs = np.flatnonzero(np.isfinite(turning.waves))
    waves, longest, tokens = turning.waves[pairs], turning.longest, turning.tokens
    return Dots(
        x=pairs.astype(np.float32),
        y=waves.astype(np.float32),
        notes=tuple(
            _(
                "pair {pair}: one turn in {wave} tokens; at position {pos} turned by {angle}",
                pair=pair,
                wave=number(wave),
                pos=turning.pos,
                angle=_angle(turning, pair),
            )
            for pair, wave in zip(pairs.tolist(), waves.tolist(), strict=True)
        ),
        accent=tuple((waves <= longest).tolist()),
        x_axis=_("pair of query and key components"),
        y_axis=_("tokens per turn (log scale)"),
        levels=(
            Level(longest, ngettext("longest text: {count} token", "longest text: {count} tokens", longest)),
            Level(tokens, ngettext("this text: {count} token", "this text: {count} tokens", tokens)),
        ),
    )


def _angle(turning: Turning, pair: int) -> str:
    return f"{number(float(turning.angles[pair]))}°"


def caption(turning: Turning) -> str:
    """How the rotation tells the order, the fastest and the slowest pair, and how many come full circle."""
    how = _(
        "Queries and keys are rotated, each pair of their components by an angle that grows with the position: so the "
        "score of two tokens depends on how far apart they stand."
    )
    return f"{how} {_speeds(turning)} {_full_circles(turning)}{_changing(turning.rope)}"


def _speeds(turning: Turning) -> str:
    """The fastest and the slowest pair, and how many do not turn."""
    waves = turning.waves[np.isfinite(turning.waves)]
    speeds = ngettext(
        "The fastest of {count} pair turns once in {fastest} tokens, the slowest once in {slowest} (base θ = {theta}).",
        "The fastest of {count} pairs turns once in {fastest} tokens, the slowest once in {slowest} (base θ = "
        "{theta}).",
        len(waves),
        theta=thousands(round(turning.rope.theta)),
        fastest=number(float(waves.min())),
        slowest=number(float(waves.max())),
    )
    still = len(turning.waves) - len(waves)
    if not still:
        return speeds
    others = ngettext("{count} more does not turn at all.", "{count} more do not turn at all.", still)
    return f"{speeds} {others}"


def _changing(rope: Rope) -> str:
    """That long texts are turned by other angles, where they are."""
    if not rope.beyond or rope.original is None:
        return ""
    sentence = ngettext(
        "Texts of more than {count} token are turned by other angles than shorter ones (LongRoPE).",
        "Texts of more than {count} tokens are turned by other angles than shorter ones (LongRoPE).",
        rope.original,
    )
    return f" {sentence}"


def _full_circles(turning: Turning) -> str:
    """How many pairs turn once within the text, and how many not once within the longest."""
    at_most = wavelengths(turning.rope.on(turning.longest))
    inside, beyond = int((turning.waves <= turning.tokens).sum()), int((at_most > turning.longest).sum())
    places = {"inside": inside, "tokens": nouns.tokens(turning.tokens), "longest": thousands(turning.longest)}
    if inside == 0:
        return ngettext(
            "None of them comes full circle within this text of {tokens}; {count} pair turns less than once within "
            "the longest text of {longest}.",
            "None of them comes full circle within this text of {tokens}; {count} pairs turn less than once within "
            "the longest text of {longest}.",
            beyond,
            **places,
        )
    if inside == 1:
        return ngettext(
            "One of them comes full circle within this text of {tokens}; {count} pair turns less than once within "
            "the longest text of {longest}.",
            "One of them comes full circle within this text of {tokens}; {count} pairs turn less than once within "
            "the longest text of {longest}.",
            beyond,
            **places,
        )
    return ngettext(
        "{inside} of them come full circle within this text of {tokens}; {count} pair turns less than once within "
        "the longest text of {longest}.",
        "{inside} of them come full circle within this text of {tokens}; {count} pairs turn less than once within "
        "the longest text of {longest}.",
        beyond,
        **places,
    )


def table(turning: Turning) -> Table:
    """Each pair's frequency, wavelength and angle at the chosen position."""
    return Table.of(
        (_("pair"), range(len(turning.waves))),
        (_("frequency (radians per token)"), turning.rope.frequencies),
        (_("tokens per turn"), turning.waves),
        (_("angle at position {pos} (degrees)", pos=turning.pos), turning.angles),
    )


def formula(turning: Turning) -> str:
    """The turn, the frequencies, and the angle of three pairs at the chosen position."""
    rope, count = turning.rope, len(turning.waves)
    places = {"width": 2 * count, "theta": thousands(round(rope.theta)), "scaling": rope.scaling}
    frequency = (
        _("frequency of pair i = θ^(−2i/{width}), θ = {theta}, rescaled ({scaling})", **places)
        if rope.scaling
        else _("frequency of pair i = θ^(−2i/{width}), θ = {theta}, not rescaled", **places)
    )
    angles = (
        _(
            "pair {pair}: α = {pos} × {frequency} = {angle}",
            pair=pair,
            pos=turning.pos,
            frequency=number(rope.frequencies[pair]),
            angle=_angle(turning, pair),
        )
        for pair in dict.fromkeys((0, count // 2, count - 1))
    )
    turn = _("q and k: each pair (a, b) → (a cos α − b sin α, a sin α + b cos α),   α = position × frequency")
    stretch = () if rope.stretch == 1 else (_("both numbers × {stretch} as well", stretch=number(rope.stretch)),)
    return "\n".join((turn, *stretch, frequency, *angles))


def frequencies(spec: ModelSpec, longest: bool = False) -> str:
    """Python after `opening`: leaves in `rotary` what turns this text, or the longest, with its frequencies in
    `inv_freq`."""
    found = 'rotary = next(module for module in model.modules() if hasattr(module, "inv_freq"))\n'
    if not rope_of(spec).beyond:
        return found
    last = f"{spec.max_pos - 1}" if longest else "len(ids) - 1"
    return f"{found}rotary(torch.zeros(1), torch.tensor([[{last}]]))  # longer texts are turned by other angles\n"


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Tokens per turn of every pair."""
    return f"""{opening(spec, view)}
{frequencies(spec)}result = 2 * torch.pi / rotary.inv_freq  # tokens per turn, one number per pair
print({view.pos} * rotary.inv_freq)  # angles at the chosen position, in radians
"""
