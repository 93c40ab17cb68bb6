"""How Llama 3.1 was stretched from 8,192 tokens to 131,072: its rescaled wavelengths beside the plain ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy import facts
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rotary import (
    LLAMA_31_CONTEXT,
    LLAMA_31_RESCALING,
    LLAMA_31_THETA,
    LLAMA_31_WIDTH,
    plain_frequencies,
    rescaled,
)
from anatomy.spec import ModelSpec, Rope
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import requires
from panels.common.snippet import opening
from panels.panel import Panel, Table
from panels.position.position_waves import frequencies, rope_of, wavelengths
from viz.curves import Curve, Curves
from viz.format import exact, number, thousands
from viz.level import Level

_RULE = LLAMA_31_RESCALING


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Nothing of the text: frequencies are facts of the models."""
    return ()


@dataclass(frozen=True)
class Stretch:
    """Llama 3.1's pairs, row 0 as θ alone would give them, row 1 as they are published; beside the loaded model's.

    frequencies  radians per token
    waves        tokens until a pair has turned once
    rope         the loaded model's rotary positions
    own          tokens until one of its pairs has turned once in its longest texts; ∞ for one that does not turn
    longest      its longest text, in tokens
    """

    frequencies: Float[np.ndarray, "2 pair"]
    waves: Float[np.ndarray, "2 pair"]
    rope: Rope
    own: Float[np.ndarray, " own_pair"]
    longest: int

    @cached_property
    def slower(self) -> Float[np.ndarray, " pair"]:
        """How many times slower each of Llama 3.1's pairs turns after the stretch."""
        return self.frequencies[0] / self.frequencies[1]


def read(trace: Trace, view: Fitted) -> Stretch:
    """Llama 3.1's pairs, and the loaded model's. Raises TypeError for a model without rotary positions."""
    plain, rope = plain_frequencies(LLAMA_31_THETA, LLAMA_31_WIDTH), rope_of(trace.spec)
    frequencies = np.stack([plain, rescaled(plain, _RULE)])
    own = wavelengths(rope.on(trace.spec.max_pos))
    return Stretch(frequencies, 2 * np.pi / frequencies, rope, own, trace.spec.max_pos)


def draw(stretch: Stretch) -> Curves:
    """Wavelengths over the exponent of θ, so that models of different head widths can be laid on each other."""
    return Curves(
        curves=[
            _curve(_("Llama 3.1, rescaled"), stretch.waves[1]),
            _curve(_("Llama 3.1, plain"), stretch.waves[0]),
            _curve(_("this model"), stretch.own),
        ],
        x_axis=_("pair / number of pairs"),
        y_axis=_("tokens per turn (log scale)"),
        levels=[
            Level(LLAMA_31_CONTEXT, _("Llama 3.1: {tokens}", tokens=thousands(LLAMA_31_CONTEXT))),
            Level(_RULE.original, _("Llama 3: {tokens}", tokens=thousands(_RULE.original))),
        ],
        logarithmic=True,
    )


def _curve(name: str, waves: Float[np.ndarray, " pair"]) -> Curve:
    turning = np.flatnonzero(np.isfinite(waves))
    notes = tuple(
        _(
            "{name}, pair {pair} of {pairs}: one turn in {wave} tokens",
            name=name,
            pair=pair,
            pairs=len(waves),
            wave=number(float(waves[pair])),
        )
        for pair in turning
    )
    return Curve(name, turning / len(waves), waves[turning], notes)


def caption(stretch: Stretch) -> str:
    """How many pairs were left, blended and stretched; how many still turn once; and what the loaded model does."""
    plain, stretched = stretch.waves
    left, full = (int(np.isclose(stretch.slower, times).sum()) for times in (1, _RULE.factor))
    llama = _(
        "Llama 3.1 leaves {left} of its {pairs} pairs as they were, turns {full} of them {factor} × more slowly and "
        "blends the {blended} between: the slowest turns once in {slowest} tokens instead of {plain_slowest}. Within "
        "{context} tokens {inside} pairs come full circle instead of {plain_inside}.",
        left=left,
        pairs=len(plain),
        full=full,
        factor=exact(_RULE.factor),
        blended=len(plain) - left - full,
        slowest=number(float(stretched[-1])),
        plain_slowest=number(float(plain[-1])),
        context=thousands(LLAMA_31_CONTEXT),
        inside=int((stretched <= LLAMA_31_CONTEXT).sum()),
        plain_inside=int((plain <= LLAMA_31_CONTEXT).sum()),
    )
    return f"{llama} {_says_own(stretch)}"


def _says_own(stretch: Stretch) -> str:
    rope, waves = stretch.rope, stretch.own
    places = {
        "theta": thousands(round(rope.theta)),
        "scaling": rope.scaling,
        "inside": int((waves <= stretch.longest).sum()),
        "longest": thousands(stretch.longest),
    }
    if rope.scaling:
        return ngettext(
            "This model (θ = {theta}, rescaled ({scaling})): {inside} of {count} pair within {longest}.",
            "This model (θ = {theta}, rescaled ({scaling})): {inside} of {count} pairs within {longest}.",
            len(waves),
            **places,
        )
    return ngettext(
        "This model (θ = {theta}, not rescaled): {inside} of {count} pair within {longest}.",
        "This model (θ = {theta}, not rescaled): {inside} of {count} pairs within {longest}.",
        len(waves),
        **places,
    )


def table(stretch: Stretch) -> Table:
    """Llama 3.1's pairs: plain and rescaled frequency and wavelength, and how many times slower each turns."""
    return Table.of(
        (_("pair of Llama 3.1"), range(len(stretch.slower))),
        (_("plain frequency (radians per token)"), stretch.frequencies[0]),
        (_("rescaled frequency"), stretch.frequencies[1]),
        (_("plain wavelength (tokens per turn)"), stretch.waves[0]),
        (_("rescaled wavelength"), stretch.waves[1]),
        (_("times slower"), stretch.slower),
    )


def formula(stretch: Stretch) -> str:
    """The rescaling rule (`rope_type: llama3`; Grattafiori et al. 2024, sec. 3.2), with one pair of each kind."""
    turns = _RULE.original * stretch.frequencies[0] / (2 * np.pi)
    slow = int(np.flatnonzero(turns < _RULE.low)[0])
    between = int(np.flatnonzero(turns < _RULE.high)[0])
    return "\n".join(
        (
            _(
                "frequency of pair i = θ^(−2i/{width}), θ = {theta}; turns = {tokens} × frequency / 2π",
                width=LLAMA_31_WIDTH,
                theta=thousands(round(LLAMA_31_THETA)),
                tokens=thousands(_RULE.original),
            ),
            _(
                "more than {high} turns: kept;  less than {low}: divided by {factor};  between: s × frequency + "
                "(1 − s) × frequency / {factor},  s = (turns − {low}) / {span}",
                high=exact(_RULE.high),
                low=exact(_RULE.low),
                factor=exact(_RULE.factor),
                span=exact(_RULE.high - _RULE.low),
            ),
            *(_pair_line(stretch, pair, float(turns[pair])) for pair in (0, between, slow, len(turns) - 1)),
        )
    )


def _pair_line(stretch: Stretch, pair: int, turns: float) -> str:
    plain, stretched = stretch.frequencies[:, pair].tolist()
    return _(
        "pair {pair}: {turns} turns, {plain} → {stretched}, {times} × slower",
        pair=pair,
        turns=number(turns),
        plain=number(plain),
        stretched=number(stretched),
        times=number(float(stretch.slower[pair])),
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Wavelengths by pair: Llama 3.1's rescaled by the library's own function, its plain ones, this model's."""
    return f"""{opening(spec, view)}
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

theta = {LLAMA_31_THETA:g}
config = LlamaConfig(
    head_dim={LLAMA_31_WIDTH},
    max_position_embeddings={LLAMA_31_CONTEXT},
    rope_parameters={{
        "rope_type": "llama3",
        "rope_theta": theta,
        "factor": {_RULE.factor},
        "low_freq_factor": {_RULE.low},
        "high_freq_factor": {_RULE.high},
        "original_max_position_embeddings": {_RULE.original},
    }},
)
rescaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, device="cpu")
plain = theta ** (-torch.arange(0, {LLAMA_31_WIDTH}, 2).double() / {LLAMA_31_WIDTH})
{frequencies(spec, longest=True)}frequencies = (rescaled, plain, rotary.inv_freq)
result = [2 * torch.pi / frequency for frequency in frequencies]  # tokens per turn
print(result)
"""


PANEL = Panel(
    id="wavelengths",
    stage="position",
    order=3,
    name=N_("Llama 3.1"),
    title=N_("How was Llama stretched to 131,072 tokens?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=requires.rotation,
    facts=(facts.ROTATION,),
)
