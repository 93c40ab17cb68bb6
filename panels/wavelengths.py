"""How Llama 3.1 was stretched from 8,192 tokens to 131,072: its rescaled wavelengths beside the plain ones."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

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
from panels import Panel, Table
from panels.position import wavelengths
from panels.rotation import applies
from panels.snippet import opening
from viz.curves import Curve, Curves, curves
from viz.dots import Level
from viz.format import many, number, thousands

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


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """Wavelengths over the exponent of θ, so that models of different head widths can be laid on each other."""
    plain, stretched = llama31()
    return curves(
        Curves(
            curves=[
                _curve("Llama 3.1, rescaled", stretched),
                _curve("Llama 3.1, plain", plain),
                _curve("this model", _own(trace)),
            ],
            x_axis="pair / number of pairs",
            y_axis="tokens per turn (log scale)",
            levels=[
                Level(LLAMA_31_CONTEXT, f"Llama 3.1's longest text: {thousands(LLAMA_31_CONTEXT)}"),
                Level(_RULE.original, f"Llama 3's: {thousands(_RULE.original)}{_same(trace)}"),
            ],
            logarithmic=True,
        )
    )


def _same(trace: Trace) -> str:
    return ", as this model's" if trace.spec.max_pos == _RULE.original else ""


def _curve(name: str, rope: Rope) -> Curve:
    waves = wavelengths(rope)
    turning = np.flatnonzero(np.isfinite(waves))
    notes = tuple(
        f"{name}, pair {pair} of {len(waves)}: one turn in {number(float(waves[pair]))} tokens" for pair in turning
    )
    return Curve(name, turning / len(waves), waves[turning], notes)


def says(trace: Trace, view: Fitted) -> str:
    """How many pairs were left, blended and stretched; how many still turn once; and what the loaded model does."""
    plain, stretched = map(wavelengths, llama31())
    ratio = stretched / plain
    left, full = int(np.isclose(ratio, 1).sum()), int(np.isclose(ratio, _RULE.factor).sum())
    inside = [int((waves <= LLAMA_31_CONTEXT).sum()) for waves in (plain, stretched)]
    return (
        f"Llama 3.1 leaves {left} of its {len(plain)} pairs as they were, turns {full} of them {_RULE.factor:g} × more "
        f"slowly and blends the {len(plain) - left - full} between: the slowest turns once in "
        f"{number(float(stretched[-1]))} tokens instead of {number(float(plain[-1]))}. Within "
        f"{thousands(LLAMA_31_CONTEXT)} tokens {inside[1]} pairs come full circle instead of {inside[0]}. "
        f"{_says_own(trace)}"
    )


def _says_own(trace: Trace) -> str:
    rope, waves = _own(trace), wavelengths(_own(trace))
    inside = int((waves <= trace.spec.max_pos).sum())
    kind = f"rescaled ({rope.scaling})" if rope.scaling else "not rescaled"
    return (
        f"This model (θ = {thousands(round(rope.theta))}, {kind}): {inside} of {many(len(waves), 'pair')} within "
        f"{thousands(trace.spec.max_pos)}."
    )


def table(trace: Trace, view: Fitted) -> Table:
    """Llama 3.1's pairs: plain and rescaled frequency and wavelength, and how many times slower each turns."""
    plain, stretched = llama31()
    rows = zip(plain.frequencies, stretched.frequencies, wavelengths(plain), wavelengths(stretched), strict=True)
    return Table(
        (
            "pair of Llama 3.1",
            "plain frequency (radians per token)",
            "rescaled frequency",
            "plain wavelength (tokens per turn)",
            "rescaled wavelength",
            "times slower",
        ),
        tuple((pair, *map(float, row), float(row[0] / row[1])) for pair, row in enumerate(rows)),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The rule, with one pair of each kind."""
    plain, stretched = (np.array(rope.frequencies) for rope in llama31())
    turns = _RULE.original * plain / (2 * np.pi)
    slow = int(np.flatnonzero(turns < _RULE.low)[0])
    between = int(np.flatnonzero(turns < _RULE.high)[0])
    return "\n".join(
        (
            f"frequency of pair i = θ^(−2i/{LLAMA_31_WIDTH}), θ = {thousands(round(LLAMA_31_THETA))}; "
            f"turns = {thousands(_RULE.original)} × frequency / 2π",
            f"more than {_RULE.high:g} turns: kept;  less than {_RULE.low:g}: divided by {_RULE.factor:g};  between: "
            f"s × frequency + (1 − s) × frequency / {_RULE.factor:g},  s = (turns − {_RULE.low:g}) / "
            f"{_RULE.high - _RULE.low:g}",
            *(_pair_line(pair, plain, stretched, turns) for pair in (0, between, slow, len(plain) - 1)),
        )
    )


def _pair_line(
    pair: int,
    plain: Float[np.ndarray, " pair"],
    stretched: Float[np.ndarray, " pair"],
    turns: Float[np.ndarray, " pair"],
) -> str:
    return (
        f"pair {pair}: {number(float(turns[pair]))} turns, {number(float(plain[pair]))} → "
        f"{number(float(stretched[pair]))}, {number(float(plain[pair] / stretched[pair]))} × slower"
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
    name="Llama 3.1",
    title="How was Llama stretched to 131,072 tokens?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
)
