"""Which sites the wants need of which layer, and the arrays that come of visiting those layers once."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from anatomy.request import Want
from anatomy.sites import SITES
from models.parts import at_position
from models.recorder import Sites
from models.reduce import REDUCED, Seen, Text

STREAMS = frozenset({"resid_pre", "resid_post"})  # on the tape for every layer: no need to run the layer again


class Collection:
    """Fills with arrays while layers are visited, by a forward pass or by replays; holds one layer at a time.

    wanted  the sites that each layer has to show, beyond the streams at its ends
    ffn     (layer, rows) → what its FFN makes of them
    """

    def __init__(
        self, wants: Iterable[Want], layers: int, ids: Int[np.ndarray, " pos"], ffn: Callable[[int, Tensor], Tensor]
    ) -> None:
        asked = tuple(wants)
        self._reduced = tuple(want for want in asked if want.site in REDUCED)
        self._reductions = tuple(dict.fromkeys(REDUCED[want.site] for want in self._reduced))
        self._single: dict[int, list[Want]] = {}
        for want in asked:
            if want.layer is not None:
                self._single.setdefault(want.layer, []).append(want)
        self.wanted = self._sites_by_layer(layers)
        self._text = Text(ids)
        self._ffn = ffn
        self._rows: dict[str, dict[int, np.ndarray]] = defaultdict(dict)
        self._arrays: dict[Want, np.ndarray] = {}

    def _sites_by_layer(self, layers: int) -> dict[int, frozenset[str]]:
        """What reductions need, of every layer; what single wants name, of theirs."""
        everywhere = frozenset().union(*(reduction.needs for reduction in self._reductions))
        visited = range(layers) if self._reductions else sorted(self._single)
        named = {layer: frozenset(want.site for want in wants) for layer, wants in self._single.items()}
        return {layer: (everywhere | named.get(layer, frozenset())) - STREAMS for layer in visited}

    def visit(self, layer: int, sites: Sites) -> None:
        """Take from one layer what was wanted of it."""
        for want in self._single.get(layer, ()):
            self._arrays[want] = array_of(sites[want.site], want)
        seen = Seen(sites, self._text, partial(self._ffn, layer))
        for reduction in self._reductions:
            for site, row in zip(reduction.gives, reduction.of(seen), strict=True):
                self._rows[site][layer] = row

    def arrays(self) -> dict[Want, np.ndarray]:
        """Every wanted array, once the layers of `wanted` have been visited."""
        for want in self._reduced:
            rows = self._rows[want.site]
            stacked = np.stack([rows[layer] for layer in sorted(rows)])  # [layer …]
            self._arrays[want] = at_position(stacked, want)
        return self._arrays


def array_of(tensor: Tensor, want: Want) -> np.ndarray:
    """A site's tensor as the array that answers the want: float32 or whole numbers, rows one after the other."""
    if want.pos is not None:
        tensor = tensor.select(SITES[want.site].axes.index("pos"), want.pos).clone()
    if tensor.is_floating_point():
        tensor = tensor.to(torch.float32)
    return tensor.contiguous().numpy()
