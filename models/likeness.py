"""How alike the streams of two tokens are, layer by layer: read off the tape, no layer runs again."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from anatomy.language import N_
from anatomy.request import Want
from models import pulse
from models.parts import at_position, positions
from models.tape import Tape

SITES = frozenset({"cos_tokens"})


def answer(tape: Tape, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    """The wanted arrays among SITES: cosines of the streams leaving each layer, for the positions asked for."""
    if not wants:
        return {}
    places = positions(wants, len(tape.stream(0)))
    layers = []
    for layer in range(len(tape.calls)):
        pulse.beat(N_("comparing the streams after each layer"), layer, len(tape.calls))
        layers.append(_cosines(tape.stream(layer + 1), places).numpy())
    found = np.stack(layers)  # [layer places src]
    return {want: at_position(found, want, places) for want in wants}


def _cosines(stream: Float[Tensor, "pos d_model"], places: list[int]) -> Float[Tensor, "places src"]:
    """0 with a stream of no length."""
    unit = normalize(stream.float(), dim=-1)
    return unit[places] @ unit.T
