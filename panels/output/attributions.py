"""The predicted token's logit shared out, and which of the shares are shown: those of parts, heads or neurons."""

from dataclasses import dataclass

from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.logit_decomposition import BY, LogitDecomposition, logit_decomposition
from panels.common.touched import Touched, of_attention
from panels.output.attribution_neurons import Movers, movers


@dataclass(frozen=True)
class Attribution:
    """The logit of the best token after the chosen one, or its lead over a rival, and who adds to it.

    spec           the model: its layers, heads, norms and biases
    layer, head    the chosen ones
    token          the chosen token's label
    as_heads       whether heads are shown
    decomposition  what attention, FFN and heads of each layer add, in logits
    movers         the neurons that move it most; None where none are shown
    changed        changes of what the chosen layer's attention writes
    """

    spec: ModelSpec
    layer: int
    head: int
    token: str
    as_heads: bool
    decomposition: LogitDecomposition
    movers: Movers | None
    changed: Touched


def read(trace: Trace, view: Fitted) -> Attribution:
    """The logit of the chosen position's best token shared out, among neurons too where these are shown."""
    decomposition = logit_decomposition(trace, view)
    return Attribution(
        spec=trace.spec,
        layer=view.layer,
        head=view.head,
        token=trace.tokens[view.pos].label,
        as_heads=view[BY] == "heads",
        decomposition=decomposition,
        movers=movers(trace, view, decomposition.writes[1]) if view[BY] == "neurons" else None,
        changed=of_attention(trace, view.layer, view.pos),
    )
