"""How far each layer's lens still is from the final answer: KL divergence over the whole vocabulary.

Kullback and Leibler 1951. The logit lens is nostalgebraist 2020, "interpreting GPT: the logit lens"; how it misreads
early layers: Belrose et al. 2023, "Eliciting Latent Predictions from Transformers with the Tuned Lens".
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rounding import smallest_at
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import requires
from panels.common.snippet import layer_streams, opening, readout
from panels.panel import Panel, Table
from panels.stack.lens import LIMITS, read_stream
from viz.curves import Curve, Curves, Mark
from viz.format import number, quoted, thousands
from viz.level import Level
from viz.scale import thinned

_SETTLED = 1.0  # nat


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
    """The first layer from which on no distance is above the level (both in nats); the last layer's is 0."""
    above = np.flatnonzero(values > level)
    return int(above[-1]) + 1 if above.size else 0


def draw(trace: Trace, view: Fitted) -> Curves:
    """The distance over the layers, held against an even guess's."""
    values, layers = distances(trace, view), trace.spec.layers
    guess = Level(even(trace, view), _("an even guess among all tokens"))
    text = _("layer {layer}: {nats}", layer=view.layer, nats=_nats(values[view.layer]))
    here = Mark(view.layer, float(values[view.layer]), text)
    notes = tuple(
        _("after layer {layer}: {nats}", layer=layer, nats=_nats(value)) for layer, value in enumerate(values.tolist())
    )
    curve = Curve(_("KL divergence"), np.arange(layers, dtype=np.float32), values, notes)
    return Curves(
        [curve],
        _("after layer"),
        _("KL(final ‖ lens) (nats)"),
        [guess],
        [here],
        x_ends=(-0.4, layers - 0.6),
        x_ticks=thinned(layers, 16),
    )


def caption(trace: Trace, view: Fitted) -> str:
    """The distance at both ends and at the chosen layer, where it settles, and what a raw lens cannot say."""
    values, guess = distances(trace, view), even(trace, view)
    worse = int((values > guess).sum())
    sentences = [_at_the_layer(trace, view, float(values[view.layer]), guess), _settles(values)]
    if worse:
        sentences.append(
            ngettext(
                "{count} layer of {layers} lies farther away than an even guess.",
                "{count} layers of {layers} lie farther away than an even guess.",
                worse,
                layers=len(values),
            )
        )
    return " ".join((*sentences, _(LIMITS)))


def _at_the_layer(trace: Trace, view: Fitted, value: float, guess: float) -> str:
    """The chosen layer's distance beside that of an even guess."""
    values = {
        "layer": view.layer,
        "nats": _nats(value),
        "token": quoted(trace.tokens[view.pos].label),
        "guess": _nats(guess),
    }
    if value > guess:
        return _(
            "After layer {layer} the lens is {nats} from the final answer at {token}, farther than an even guess among "
            "all tokens ({guess}).",
            **values,
        )
    return _(
        "After layer {layer} the lens is {nats} from the final answer at {token}, nearer than an even guess among all "
        "tokens ({guess}).",
        **values,
    )


def _settles(values: Float[np.ndarray, " layer"]) -> str:
    """From which layer on the distance stays small."""
    start, level = settled_from(values, _SETTLED), number(_SETTLED, 1)
    if start == len(values) - 1:
        return _("It stays within {level} nat only after the last layer.", level=level)
    return _("It stays within {level} nat from layer {layer} on.", level=level, layer=start)


def _nats(value: float) -> str:
    return _("{number} nats", number=number(float(value)))


def table(trace: Trace, view: Fitted) -> Table:
    """Per layer: the distance, and what the layer took off it."""
    values = distances(trace, view).tolist()
    steps = [None, *(before - after for before, after in pairwise(values))]
    return Table(
        (_("after layer"), _("KL(final ‖ lens) (nats)"), _("nearer by (nats)")),
        tuple((layer, value, step) for layer, (value, step) in enumerate(zip(values, steps, strict=True))),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """The divergence, an even guess's, and the layer that comes nearer by most."""
    values, spec = distances(trace, view), trace.spec
    lines = [
        ngettext(
            "q = softmax(head({stream})), p = the same after layer {layer}; {count} token",
            "q = softmax(head({stream})), p = the same after layer {layer}; {count} tokens",
            spec.vocab,
            stream=read_stream(spec),
            layer=spec.layers - 1,
        ),
        _(
            "KL(p ‖ q) = Σ p · (log p − log q) = {nats} after layer {layer}",
            nats=_nats(values[view.layer]),
            layer=view.layer,
        ),
        _(
            "q even: log {vocabulary} − entropy of p = {logarithm} − {entropy} = {nats}",
            vocabulary=thousands(spec.vocab),
            logarithm=number(math.log(spec.vocab)),
            entropy=number(float(trace[Want("entropy", pos=view.pos)])),
            nats=_nats(even(trace, view)),
        ),
    ]
    if len(values) > 1:
        layer = smallest_at(np.diff(values)) + 1
        before, after = (number(float(value)) for value in values[layer - 1 : layer + 1])
        lines.append(
            _(
                "largest step towards the answer: layer {layer}, {before} → {after} nats",
                layer=layer,
                before=before,
                after=after,
            )
        )
    return "\n".join(lines)


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The KL divergence of the final distribution from every layer's lens, in nats: [layers]."""
    return f"""{opening(spec, view)}
{layer_streams(view.pos)}    logp = {readout(spec)}.log_softmax(dim=-1)  # [layers, vocab]

result = (logp[-1].exp() * (logp[-1] - logp)).sum(dim=-1)  # nats, [layers]
print(result)
"""


PANEL = Panel(
    id="settling",
    stage="stack",
    order=2,
    name=N_("Settling"),
    title=N_("When does the answer settle?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=requires.output_layer,
    places=("layer",),
)
