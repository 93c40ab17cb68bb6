"""How Llama 3.1 was stretched from 8,192 tokens to 131,072: its rescaled wavelengths beside the plain ones."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Float

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
from panels.position.position import wavelengths
from viz.curves import Curve, Curves
from viz.format import exact, number, thousands
from viz.level import Level

_RULE = LLAMA_31_RESCALING


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Nothing of the text: frequencies are facts of the models."""
    return ()


@cache
def llama31() -> tuple[Rope, Rope]:
    """Llama 3.1's rotary positions: as θ alone would give them, and rescaled as it is published."""
    plain = plain_frequencies(LLAMA_31_THETA, LLAMA_31_WIDTH)
    return (
        Rope(LLAMA_31_THETA, tuple(plain.tolist())),
        Rope(LLAMA_31_THETA, tuple(rescaled(plain, _RULE).tolist()), "llama3"),
    )


def _own(trace: Trace) -> Rope:
    if not isinstance(trace.spec.position, Rope):
        raise TypeError(f"{trace.spec.name} has no rotary positions: ask applies() first")
    return trace.spec.position


def draw(trace: Trace, view: Fitted) -> Curves:
    """Wavelengths over the exponent of θ, so that models of different head widths can be laid on each other."""
    plain, stretched = llama31()
    return Curves(
        curves=[
            _curve(_("Llama 3.1, rescaled"), stretched),
            _curve(_("Llama 3.1, plain"), plain),
            _curve(_("this model"), _own(trace)),
        ],
        x_axis=_("pair / number of pairs"),
        y_axis=_("tokens per turn (log scale)"),
        levels=[
            Level(LLAMA_31_CONTEXT, _("Llama 3.1's longest text: {tokens}", tokens=thousands(LLAMA_31_CONTEXT))),
            Level(_RULE.original, _original(trace)),
        ],
        logarithmic=True,
    )


def _original(trace: Trace) -> str:
    """What the level of Llama 3's longest text is called."""
    tokens = thousands(_RULE.original)
    if trace.spec.max_pos == _RULE.original:
        return _("Llama 3's: {tokens}, as this model's", tokens=tokens)
    return _("Llama 3's: {tokens}", tokens=tokens)


def _curve(name: str, rope: Rope) -> Curve:
    waves = wavelengths(rope)
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


def caption(trace: Trace, view: Fitted) -> str:
    """How many pairs were left, blended and stretched; how many still turn once; and what the loaded model does."""
    plain, stretched = map(wavelengths, llama31())
    ratio = stretched / plain
    left, full = int(np.isclose(ratio, 1).sum()), int(np.isclose(ratio, _RULE.factor).sum())
    inside = [int((waves <= LLAMA_31_CONTEXT).sum()) for waves in (plain, stretched)]
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
        inside=inside[1],
        plain_inside=inside[0],
    )
    return f"{llama} {_says_own(trace)}"


def _says_own(trace: Trace) -> str:
    rope, waves = _own(trace), wavelengths(_own(trace))
    places = {
        "theta": thousands(round(rope.theta)),
        "scaling": rope.scaling,
        "inside": int((waves <= trace.spec.max_pos).sum()),
        "longest": thousands(trace.spec.max_pos),
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


def table(trace: Trace, view: Fitted) -> Table:
    """Llama 3.1's pairs: plain and rescaled frequency and wavelength, and how many times slower each turns."""
    plain, stretched = llama31()
    rows = zip(plain.frequencies, stretched.frequencies, wavelengths(plain), wavelengths(stretched), strict=True)
    return Table(
        (
            _("pair of Llama 3.1"),
            _("plain frequency (radians per token)"),
            _("rescaled frequency"),
            _("plain wavelength (tokens per turn)"),
            _("rescaled wavelength"),
            _("times slower"),
        ),
        tuple((pair, *map(float, row), float(row[0] / row[1])) for pair, row in enumerate(rows)),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The rescaling rule (`rope_type: llama3`; Grattafiori et al. 2024, sec. 3.2), with one pair of each kind."""
    plain, stretched = (np.array(rope.frequencies) for rope in llama31())
    turns = _RULE.original * plain / (2 * np.pi)
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
            *(_pair_line(pair, plain, stretched, turns) for pair in (0, between, slow, len(plain) - 1)),
        )
    )


def _pair_line(
    pair: int,
    plain: Float[np.ndarray, " pair"],
    stretched: Float[np.ndarray, " pair"],
    turns: Float[np.ndarray, " pair"],
) -> str:
    return _(
        "pair {pair}: {turns} turns, {plain} → {stretched}, {times} × slower",
        pair=pair,
        turns=number(float(turns[pair])),
        plain=number(float(plain[pair])),
        stretched=number(float(stretched[pair])),
        times=number(float(plain[pair] / stretched[pair])),
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
own = next(module for module in model.modules() if hasattr(module, "inv_freq")).inv_freq
result = [2 * torch.pi / frequency for frequency in (rescaled, plain, own)]  # tokens per turn
print(result)
"""


PANEL = Panel(
    id="wavelengths",
    stage="position",
    order=3,
    name=N_("Llama 3.1"),
    title=N_("How was Llama stretched to 131,072 tokens?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=requires.rotation,
)
