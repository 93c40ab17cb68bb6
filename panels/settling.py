"""How far each layer's lens still is from the final answer: KL divergence over the whole vocabulary.

Kullback and Leibler 1951. The logit lens is nostalgebraist 2020, "interpreting GPT: the logit lens"; how it misreads
early layers: Belrose et al. 2023, "Eliciting Latent Predictions from Transformers with the Tuned Lens".
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.output import applies
from panels.snippet import LAYERS, opening, paths
from viz.curves import Curve, Curves, Mark, curves
from viz.dots import Level
from viz.format import many, number, quoted
from viz.scale import thinned

_SETTLED = 1.0  # nat
_LIMITS = (
    "A raw lens reads every stream with the final norm and head, which were trained for the last one: a small distance "
    "shows that the answer can be read off already, a large one does not show that nothing is known, only that this "
    "reader does not find it."
)


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every lens's distance at the chosen position, and the entropy of the final distribution."""
    return (Want("lens_kl", pos=view.pos), Want("entropy", pos=view.pos))


def distances(trace: Trace, view: Fitted) -> Float[np.ndarray, " layer"]:
    """KL(final ‖ lens) after every layer, in nats; 0 after the last."""
    return trace[Want("lens_kl", pos=view.pos)].astype(np.float64)


def even(trace: Trace, view: Fitted) -> float:
    """The distance of an even guess among all tokens, in nats: Σ p · (log p − log 1/n) = log n − entropy."""
    return math.log(trace.spec.vocab) - float(trace[Want("entropy", pos=view.pos)])


def settled_from(values: Float[np.ndarray, " layer"], level: float) -> int:
    """The first layer from which on no distance is above the level; the last one's is 0."""
    above = np.flatnonzero(values > level)
    return int(above[-1]) + 1 if above.size else 0


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """The distance over the layers, held against an even guess's."""
    values, layers = distances(trace, view), trace.spec.layers
    guess = Level(even(trace, view), "an even guess among all tokens")
    here = Mark(view.layer, float(values[view.layer]), f"layer {view.layer}: {number(float(values[view.layer]))} nats")
    notes = tuple(f"after layer {layer}: {number(value)} nats" for layer, value in enumerate(values.tolist()))
    curve = Curve("KL divergence", np.arange(layers, dtype=np.float32), values, notes)
    figure = curves(Curves([curve], "after layer", "KL(final ‖ lens) (nats)", [guess], [here]))
    return figure.update_xaxes(range=[-0.4, layers - 0.6], tickvals=thinned(layers, 16))


def says(trace: Trace, view: Fitted) -> str:
    """The distance at both ends and at the chosen layer, where it settles, and what a raw lens cannot say."""
    values, guess = distances(trace, view), even(trace, view)
    told = (
        f"After layer {view.layer} the lens is {_nats(values[view.layer])} from the final answer at "
        f"{quoted(trace.tokens[view.pos].label)}, {_against(float(values[view.layer]), guess)}."
    )
    start = settled_from(values, _SETTLED)
    since = "only after the last layer" if start == len(values) - 1 else f"from layer {start} on"
    told += f" It stays within {number(_SETTLED, 1)} nat {since}."
    worse = int((values > guess).sum())
    if worse:
        lie = "lies" if worse == 1 else "lie"
        told += f" {many(worse, 'layer')} of {len(values)} {lie} farther away than an even guess."
    return f"{told} {_LIMITS}"


def _nats(value: float) -> str:
    return f"{number(float(value))} nats"


def _against(value: float, guess: float) -> str:
    """A distance beside that of an even guess."""
    side = "farther than" if value > guess else "nearer than"
    return f"{side} an even guess among all tokens ({_nats(guess)})"


def table(trace: Trace, view: Fitted) -> Table:
    """Per layer: the distance, and what the layer took off it."""
    values = distances(trace, view).tolist()
    steps = [None, *(before - after for before, after in pairwise(values))]
    return Table(
        ("after layer", "KL(final ‖ lens) (nats)", "nearer by (nats)"),
        tuple((layer, value, step) for layer, (value, step) in enumerate(zip(values, steps, strict=True))),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The divergence, an even guess's, and the layer that comes nearer by most."""
    values, spec = distances(trace, view), trace.spec
    norm = "final norm(stream)" if spec.norm.place == "pre" else "stream"
    entropy = float(trace[Want("entropy", pos=view.pos)])
    lines = [
        f"q = softmax(head({norm})), p = the same after layer {spec.layers - 1}; {many(spec.vocab, 'token')}",
        f"KL(p ‖ q) = Σ p · (log p − log q) = {_nats(values[view.layer])} after layer {view.layer}",
        f"q even: log {spec.vocab:,} − entropy of p = {number(math.log(spec.vocab))} − {number(entropy)} = "
        f"{_nats(even(trace, view))}",
    ]
    if len(values) > 1:
        layer = int(np.diff(values).argmin()) + 1
        before, after = (number(float(value)) for value in values[layer - 1 : layer + 1])
        lines.append(f"largest step towards the answer: layer {layer}, {before} → {after} nats")
    return "\n".join(lines)


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The divergence of the final distribution from every layer's lens."""
    return f"""{opening(spec, view)}
{LAYERS}
streams = []
for layer in layers:
    layer.register_forward_hook(lambda layer, given, out: streams.append(out[0] if isinstance(out, tuple) else out))
with torch.no_grad():
    model(**inputs)
    stream = torch.stack([stream[0, {view.pos}] for stream in streams])  # [layers, d_model]
    logp = {paths(spec).readout}.log_softmax(dim=-1)  # [layers, vocab]

result = (logp[-1].exp() * (logp[-1] - logp)).sum(dim=-1)  # nats, [layers]
print(result)
"""


PANEL = Panel(
    id="settling",
    stage="stack",
    order=2,
    name="Settling",
    title="When does the answer settle?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
    places=("layer",),
)
