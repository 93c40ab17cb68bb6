"""How far each layer's lens still is from the final answer: KL divergence over the whole vocabulary.

Kullback and Leibler 1951. The logit lens is nostalgebraist 2020, "interpreting GPT: the logit lens"; how it misreads
early layers: Belrose et al. 2023, "Eliciting Latent Predictions from Transformers with the Tuned Lens".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
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
from panels.stack.lens import limits, read_stream
from viz.curves import Curve, Curves, Mark
from viz.format import number, quoted, thousands, within
from viz.level import Level
from viz.marks import Stands
from viz.scale import thinned

_SETTLED = 1.0  # nat


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every lens's distance at the chosen position, and the entropy of the final distribution."""
    return (Want("lens_kl", pos=view.pos), Want("entropy", pos=view.pos))


@dataclass(frozen=True)
class Distances:
    """How far each layer's lens is from the final answer at the chosen position, all in nats.

    spec          the model's: what the output layer reads, and how many tokens it knows
    layer, token  the chosen layer, and the token's label
    kl            KL(final ‖ lens) after every layer; 0 after the last
    entropy       of the final distribution
    """

    spec: ModelSpec
    layer: int
    token: str
    kl: Float[np.ndarray, " layer"]
    entropy: float

    @property
    def even(self) -> float:
        """The distance of an even guess among all tokens: Σ p · (log p − log 1/n) = log n − entropy; 0 where that is
        rounding."""
        most = math.log(self.spec.vocab)
        return 0.0 if within(most - self.entropy, most) else most - self.entropy

    @property
    def here(self) -> float:
        """The chosen layer's."""
        return float(self.kl[self.layer])


def read(trace: Trace, view: Fitted) -> Distances:
    """The engine's divergences and entropy at the chosen position."""
    kl, entropy = (trace[want] for want in needs(trace.spec, view))
    label = trace.tokens[view.pos].label
    return Distances(trace.spec, view.layer, label, kl.astype(np.float64), float(entropy))


def settled_from(kl: Float[np.ndarray, " layer"], level: float) -> int:
    """The first layer from which on no distance is above the level (both in nats); the last layer's is 0."""
    above = np.flatnonzero(kl > level)
    return int(above[-1]) + 1 if above.size else 0


def draw(distances: Distances) -> Curves:
    """The distance over the layers, held against an even guess's."""
    kl, layer, layers = distances.kl, distances.layer, len(distances.kl)
    notes = tuple(_("after layer {layer}: {nats}", layer=i, nats=_nats(value)) for i, value in enumerate(kl.tolist()))
    here = _("layer {layer}: {nats}", layer=layer, nats=_nats(distances.here))
    return Curves(
        [Curve(_("KL divergence"), np.arange(layers, dtype=np.float32), kl, notes)],
        _("after layer"),
        _("KL(final ‖ lens) (nats)"),
        [Level(distances.even, _("an even guess among all tokens"))],
        [Mark(layer, distances.here, here)],
        x_ends=(-0.4, layers - 0.6),
        x_ticks=thinned(layers, 16),
        stands=(Stands.each("layer", layers),),
    )


def caption(distances: Distances) -> str:
    """The distance at both ends and at the chosen layer, where it settles, and what a raw lens cannot say."""
    worse = int((distances.kl > distances.even).sum())
    sentences = [_at_the_layer(distances), *([_settles(distances.kl)] if len(distances.kl) > 1 else [])]
    if worse:
        sentences.append(
            ngettext(
                "{count} layer of {layers} lies farther away than an even guess.",
                "{count} layers of {layers} lie farther away than an even guess.",
                worse,
                layers=len(distances.kl),
            )
        )
    return " ".join((*sentences, limits(distances.spec)))


def _at_the_layer(distances: Distances) -> str:
    """The chosen layer's distance beside that of an even guess."""
    values = {
        "layer": distances.layer,
        "nats": _nats(distances.here),
        "token": quoted(distances.token),
        "guess": _nats(distances.even),
    }
    if values["nats"] == values["guess"]:
        return _(
            "After layer {layer} the lens is {nats} from the final answer at {token}, about as far as an even guess "
            "among all tokens.",
            **values,
        )
    if distances.here > distances.even:
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


def _settles(kl: Float[np.ndarray, " layer"]) -> str:
    """From which layer on the distance stays small."""
    start, level = settled_from(kl, _SETTLED), number(_SETTLED, 1)
    if start == 0:
        return _("It is within {level} nat after every layer.", level=level)
    if start == len(kl) - 1:
        return _("It stays within {level} nat only after the last layer.", level=level)
    return _("It stays within {level} nat from layer {layer} on.", level=level, layer=start)


def _nats(value: float) -> str:
    return _("{number} nats", number=number(value))


def table(distances: Distances) -> Table:
    """Per layer: the distance, and what the layer took off it."""
    kl = distances.kl.tolist()
    return Table.of(
        (_("after layer"), range(len(kl))),
        (_("KL(final ‖ lens) (nats)"), kl),
        (_("nearer by (nats)"), [None, *(before - after for before, after in pairwise(kl))]),
    )


def formula(distances: Distances) -> str:
    """The divergence, an even guess's, and the layer that comes nearer by most."""
    kl, spec = distances.kl, distances.spec
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
            nats=_nats(distances.here),
            layer=distances.layer,
        ),
        _(
            "q even: log {vocabulary} − entropy of p = {logarithm} − {entropy} = {nats}",
            vocabulary=thousands(spec.vocab),
            logarithm=number(math.log(spec.vocab)),
            entropy=number(distances.entropy),
            nats=_nats(distances.even),
        ),
    ]
    if (np.diff(kl) < 0).any():
        layer = smallest_at(np.diff(kl)) + 1
        before, after = map(number, kl[layer - 1 : layer + 1].tolist())
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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=requires.output_layer,
    places=("layer",),
)
