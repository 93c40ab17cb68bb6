"""Which sites the wants need of which layer, and the arrays that come of visiting those layers once."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from anatomy.language import N_
from anatomy.measure import POOLED, edges
from anatomy.positions import at_position
from anatomy.request import Want
from anatomy.sites import SITES
from models.measure import Measure
from models.measures.attention_reducers import Grid, Moved, Text
from models.measures.reductions import ATTENTION_REDUCED, REDUCED, AttentionReduction, Reduction, Seen
from models.progress import report_progress, stop_if_cancelled
from models.reading.arrays import array_of
from models.reading.attended import CELLS, Attended, together
from models.reading.recorder import ATTENDED, Sites

STREAMS = frozenset({"resid_pre", "resid_post"})  # kept of every layer: no need to run it again
_MAPS = frozenset({"scores", "pattern"})  # formed from queries and keys, those rows that are wanted
_MOVED = ("contribution_max", "contribution_mean")
MEASURES = (
    Measure(("resid_pre", "resid_mid", "resid_post", "attn_in", "ffn_in")),
    Measure(("q_unturned", "k_unturned")),
    Measure(("q", "k", "v", "pos_bias", "scores", "pattern", "z", "attn_out")),
    Measure(("gate", "up", "act", "ffn_out")),
    *(
        Measure((f"{site}_max", f"{site}_mean"), frozenset({site}), lengths={"row": POOLED, "col": POOLED})
        for site in ("pattern", "contribution")
    ),
)
Kind = TypeVar("Kind", Reduction, AttentionReduction)
FFN = Callable[[int, Tensor], Tensor]
Lengths = Callable[[int, Tensor], Moved]


class Collection:
    """Fills with arrays while layers are visited, by a forward pass or by replays; holds one layer at a time.

    wanted   the sites that each layer has to show, beyond the streams at its ends
    ffn      (layer, rows) → what its FFN makes of them
    lengths  (layer, values) → length of what each value adds through each head's part of the output projection, and how
             much of it arrives
    """

    def __init__(
        self, wants: Iterable[Want], layers: int, ids: Int[np.ndarray, " pos"], ffn: FFN, lengths: Lengths | None = None
    ) -> None:
        asked = tuple(wants)
        self._reduced = tuple(want for want in asked if want.site in REDUCED or want.site in ATTENTION_REDUCED)
        self._reductions = _once(REDUCED, asked)
        self._of_attention = _once(ATTENTION_REDUCED, asked)
        self._single = _by_layer(asked)
        self.wanted = sites_by_layer(asked, layers)
        self._text = Text(ids)
        self._ffn, self._lengths = ffn, lengths
        self._waiting: dict[int, Attended] = {}  # layers that are not reduced yet
        self._rows: dict[str, dict[int, np.ndarray]] = defaultdict(dict)
        self._arrays: dict[Want, np.ndarray] = {}

    def visit(self, layer: int, sites: Sites) -> None:
        """Take from one layer what was wanted of it."""
        for want in self._single.get(layer, ()):
            if SITES[want.site].one_head:
                self._arrays[want] = self._pooled(want, sites)
            elif want.site in _MAPS:
                self._arrays[want] = _map(sites.attended, want)
            else:
                self._arrays[want] = array_of(sites[want.site], want)
        seen = Seen(sites, partial(self._ffn, layer), layer)
        for reduction in self._reductions:
            self._keep(layer, reduction.gives, reduction.of(seen))
        if self._of_attention:
            self._reduce(layer, sites)

    def _keep(self, layer: int, names: tuple[str, ...], rows: tuple[np.ndarray, ...]) -> None:
        for site, row in zip(names, rows, strict=True):
            self._rows[site][layer] = row

    def _reduce(self, layer: int, sites: Sites) -> None:
        """What is kept of all heads. Layers of a short text wait until their maps are worth a tile: many small steps
        take longer than few large ones."""
        attended = sites.attended
        if any(not attended.like(other) for other in self._waiting.values()):
            self._reduce_waiting()
        self._waiting[layer] = attended
        cells = len(self._waiting) * len(attended.query) * len(self._text.ids) ** 2
        if any(reduction.moves for reduction in self._of_attention):
            self._reduce_waiting(self._moved(layer, sites))
        elif cells >= CELLS or not attended.simple or not all(reduction.by_head for reduction in self._of_attention):
            self._reduce_waiting()

    def _moved(self, layer: int, sites: Sites) -> Moved:
        """Length of what each value adds through each head when its weight is 1."""
        assert self._lengths is not None, "what values add is wanted: give the collection `lengths`"
        return self._lengths(layer, sites["v"])

    def _reduce_waiting(self, moved: Moved | None = None) -> None:
        """The tiles of the layers that wait, formed once for all that is kept of them. moved: of the one layer that
        waits."""
        layers, several = tuple(self._waiting), tuple(self._waiting.values())
        self._waiting.clear()
        attended = several[0] if len(several) == 1 else together(several)
        begun = [reduction.begin(self._text, len(attended.query), moved) for reduction in self._of_attention]
        for tile in attended.tiles():
            stop_if_cancelled()
            for reducer in begun:
                reducer.add(tile)
        for reduction, reducer in zip(self._of_attention, begun, strict=True):
            rows = reducer.done()
            if len(layers) == 1:
                self._keep(layers[0], reduction.gives, rows)
                continue
            shared = [row.reshape(len(layers), -1, *row.shape[1:]) for row in rows]  # [layer head …]
            for number, layer in enumerate(layers):
                self._keep(layer, reduction.gives, tuple(row[number] for row in shared))

    def _pooled(self, want: Want, sites: Sites) -> Float[np.ndarray, "row col"]:
        """One head's map, or a window of it, in cells."""
        assert want.layer is not None, f"{want} has passed axes_of, so it names a layer"
        assert want.head is not None, f"{want} has passed axes_of, so it names a head"
        n = len(self._text.ids)
        top, bottom, left, right = want.window or (0, n, 0, n)
        rows, columns = edges(bottom - top, POOLED, top), edges(right - left, POOLED, left)
        grid = Grid(1, rows, columns, largest=want.site.endswith("_max"))
        moved = self._moved(want.layer, sites) if want.site in _MOVED else None
        for tile in sites.attended.tiles(want.head, top, bottom):
            report_progress(N_("reading the head's map"), tile.first - top, bottom - top)
            brought = tile.weights if moved is None else moved.by(tile.weights, tile.first, want.head)
            grid.add(brought, tile.first)
        return grid.cells[0].numpy()

    def arrays(self) -> dict[Want, np.ndarray]:
        """Every wanted array, once the layers of `wanted` have been visited."""
        if self._waiting:
            self._reduce_waiting()
        for want in self._reduced:
            rows = self._rows[want.site]
            stacked = np.stack([rows[layer] for layer in sorted(rows)])  # [layer …]
            self._arrays[want] = at_position(stacked, want)
        return self._arrays


def sites_by_layer(wants: Iterable[Want], layers: int) -> dict[int, frozenset[str]]:
    """What each layer has to show: what reductions need, of every layer; what single wants name, of theirs. Empty for a
    layer that is visited for the streams at its ends alone: it need not run again."""
    asked = tuple(wants)
    reductions, tiles, single = _once(REDUCED, asked), _once(ATTENTION_REDUCED, asked), _by_layer(asked)
    everywhere = frozenset({ATTENDED} if tiles else ()).union(*(reduction.needs for reduction in reductions))
    everywhere |= {"v"} if any(reduction.moves for reduction in tiles) else frozenset()
    visited = range(layers) if reductions or tiles else sorted(single)
    named = {layer: frozenset().union(*map(_needs, mine)) for layer, mine in single.items()}
    return {layer: (everywhere | named.get(layer, frozenset())) - STREAMS for layer in visited}


def _once(table: Mapping[str, Kind], wants: Iterable[Want]) -> tuple[Kind, ...]:
    """The reductions of a table that these wants ask for."""
    return tuple(dict.fromkeys(table[want.site] for want in wants if want.site in table))


def _by_layer(wants: Iterable[Want]) -> dict[int, list[Want]]:
    """Those that name a layer."""
    by_layer: dict[int, list[Want]] = {}
    for want in wants:
        if want.layer is not None:
            by_layer.setdefault(want.layer, []).append(want)
    return by_layer


def _needs(want: Want) -> frozenset[str]:
    """What a layer has to show for one of its sites."""
    if want.site in _MOVED:
        return frozenset({ATTENDED, "v"})
    return frozenset({ATTENDED} if SITES[want.site].one_head or want.site in _MAPS else {want.site})


def _map(attended: Attended, want: Want) -> np.ndarray:
    """Scores or weights of all heads: of one row, or of all."""
    if want.pos is not None:
        form = attended.scores if want.site == "scores" else attended.weights
        return form(want.pos, want.pos + 1)[:, 0].numpy()
    return (attended.whole if want.site == "pattern" else attended.scored).numpy()
