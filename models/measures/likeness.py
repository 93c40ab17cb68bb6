"""How alike the streams of two tokens are, layer by layer: read off the layer inputs; no layer runs again."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from anatomy.language import N_
from anatomy.positions import at_position, positions
from anatomy.request import Want
from models.measure import Measure, once
from models.measures.context import RunContext
from models.progress import report_progress

MEASURES = (Measure(("cos_tokens",), sweeps=once),)


def answer(context: RunContext, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    """The wanted arrays among MEASURES: cosines of the streams leaving each layer, for the positions asked for."""
    if not wants:
        return {}
    inputs = context.inputs
    places = positions(wants, len(context.ids))
    layers = []
    for layer in range(len(inputs.calls)):
        report_progress(N_("comparing the streams after each layer"), layer, len(inputs.calls))
        layers.append(_cosines(inputs.stream(layer + 1), places).numpy())
    cosines = np.stack(layers)  # [layer places src]
    return {want: at_position(cosines, want, places) for want in wants}


def _cosines(stream: Float[Tensor, "pos d_model"], places: list[int]) -> Float[Tensor, "places src"]:
    """0 with a stream of no length."""
    unit = normalize(stream.float(), dim=-1)
    return unit[places] @ unit.T
