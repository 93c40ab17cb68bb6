"""What one head's attention map shows: weights, or the lengths of weight × value, between tokens or between words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy.control import Choice, Switch
from anatomy.request import Want
from anatomy.spec import ModelSpec, RelativeBias
from anatomy.trace import Trace
from anatomy.view import Fitted
from anatomy.words import Words, attention
from panels.attention import attention_long as far
from panels.attention.attention_shown import ShownRow, by_length, shown_as, shown_row
from panels.attention.head_kinds import HeadKind, Standing, outstanding
from panels.common import zoomed
from panels.common.attention_change import of_weights
from panels.common.attention_row import at, seen
from panels.common.chosen_cell import Factor, group_of
from panels.common.columns import Columns, columns_of
from panels.common.shared import WORDS
from panels.common.touched import Touched
from viz.scale import ceiling

MOST_JOINED = 1024  # tokens of a text whose words are shown: every pair of its tokens is needed for that
_MAPS = 128 << 20  # bytes of a layer's maps that are asked for at once


def most_joined(spec: ModelSpec) -> int:
    """Tokens of the longest text whose words are shown."""
    return min(MOST_JOINED, math.isqrt(_MAPS // (4 * spec.n_heads)))


def settled(spec: ModelSpec, view: Fitted) -> Fitted:
    """The view without the settings that its length rules out."""
    ruled_out = {control.name for control in idle(spec, view)}
    return replace(view, settings=tuple(setting for setting in view.settings if setting[0] not in ruled_out))


def idle(spec: ModelSpec, view: Fitted) -> Sequence[Choice | Switch]:
    """The controls that change nothing: words in a long text; zoom and cells in a short one, or where words are shown;
    what a cell shows of its pairs where it is a pair."""
    if view.length > most_joined(spec):
        return (WORDS, far.CELLS) if view[zoomed.ZOOM] != zoomed.WHOLE else (WORDS,)
    if not far.is_far(view):
        return (zoomed.ZOOM, far.CELLS)
    return (far.CELLS,) if far.is_near(view) else ()


@dataclass(frozen=True)
class Products:
    """What the chosen token's weights are made of, and what becomes of them: the model's own numbers.

    scores  before the softmax (logit); −∞ where masked
    q       of the token that looks, after rotation, in float64
    k       of the token looked at, or of the one that looks where there is none; likewise
    factor  what q·k is multiplied with to give a score
    bias    what is added to this pair's score for the distance (logit); None where nothing is
    v       of every token
    z       the weighted sum of the values
    weighed changes between the scores and the weights
    summed  changes between the weighted sum and z
    """

    scores: Float[np.ndarray, " src"]
    q: Float[np.ndarray, " d_head"]
    k: Float[np.ndarray, " d_head"]
    factor: Factor
    bias: float | None
    v: Float[np.ndarray, "src d_head"]
    z: Float[np.ndarray, " d_head"]
    weighed: Touched
    summed: Touched


@dataclass(frozen=True)
class AttentionMap:
    """One head's map, its chosen row, and what that is made of.

    spec         facts of the model
    view         without the settings that the text's length rules out
    row          the chosen row
    cells        what is drawn, as probability or L2 norm of weight × value: a row and a column per token or word; of
                 more than a map has room for a cell for several, or a window
    whole        beside a window the cells of the whole text; None else
    high         the end of the scale: 1 for weights, else the next round number above all numbers that share the scale
    products     None where words are shown, which have no such numbers
    outstanding  the first score in which this head is among the highest of all, and its place there; None without one
    unjoined     words are asked for, and the text is too long for them
    """

    spec: ModelSpec
    view: Fitted
    row: ShownRow
    cells: far.Cells
    whole: far.Cells | None
    high: float
    products: Products | None
    outstanding: tuple[HeadKind, Standing] | None
    unjoined: bool

    @cached_property
    def columns(self) -> Columns:
        """The words, or tokens, in as many columns as a map of all of them has."""
        return columns_of(len(self.row.words))

    @property
    def focus(self) -> tuple[int, int] | None:
        """The cell of the chosen pair; None where there is no such pair, or no cell covers it."""
        if self.row.looked is None:
            return None
        return self.cells.at(self.view.pos, self.row.words.starts[self.row.looked])


def read(trace: Trace, view: Fitted) -> AttentionMap:
    """The map of the chosen head with its chosen row."""
    asked, view = view, settled(trace.spec, view)
    row = shown_row(trace, view)
    cells = far.cells_of(trace, view, by_length(view)) if far.is_far(view) else _cells(trace, view, row.words)
    return AttentionMap(
        spec=trace.spec,
        view=view,
        row=row,
        cells=cells,
        whole=far.whole_of(trace, view, by_length(view)),
        high=_high(trace, view, row.words, cells),
        products=None if view[WORDS] else _products(trace, view, row),
        outstanding=outstanding(trace, view.layer, view.head),
        unjoined=asked[WORDS] and not view[WORDS],
    )


def _cells(trace: Trace, view: Fitted, words: Words) -> far.Cells:
    """A row and a column per word, or per token; of very many the largest of several. NaN where masked or left out;
    without the first token a row's weights are shares of the rest."""
    site = "contribution" if by_length(view) else "pattern"
    values = shown_as(view, seen(trace, view, trace[Want(site, view.layer)][view.head]), words, attention)
    columns = columns_of(len(words))
    starts = np.array((*(words.starts[word] for word in columns.edges[:-1]), words.count))
    return far.Cells(columns.largest(columns.largest(values).T).T, starts, starts)


def _high(trace: Trace, view: Fitted, words: Words, cells: far.Cells) -> float:
    """The end of the scale. Means have one for the head, lengths one for the layer, of a long text for the head."""
    if far.is_mean(view):
        return ceiling(float(np.nan_to_num(cells.values).max()))
    if not by_length(view):
        return 1.0
    return ceiling(far.most(trace, view) if far.is_far(view) else _longest(trace, view, words))


def _longest(trace: Trace, view: Fitted, words: Words) -> float:
    """The largest length (L2 norm) that any head of this layer shows."""
    heads = (
        shown_as(view, lengths.astype(np.float64), words, attention)
        for lengths in trace[Want("contribution", view.layer)]
    )
    return max(float(np.nan_to_num(lengths).max()) for lengths in heads)


def _products(trace: Trace, view: Fitted, row: ShownRow) -> Products:
    """What the weights of a row of tokens are made of."""
    group = group_of(trace.spec, view)
    biased = isinstance(trace.spec.position, RelativeBias)
    here = {"head": view.head, "kv": group, "pos": view.pos}
    return Products(
        scores=at(trace, view, "scores")[view.head],
        q=at(trace, view, "q")[view.head].astype(np.float64),
        k=trace[Want("k", view.layer)][group, row.key].astype(np.float64),
        factor=Factor.of(trace.spec, view.layer),
        bias=float(at(trace, view, "pos_bias")[view.head, row.key]) if biased else None,
        v=trace[Want("v", view.layer)][group],
        z=at(trace, view, "z")[view.head],
        weighed=of_weights(trace, view),
        summed=Touched.of(trace, view.layer, "z", **here),
    )
