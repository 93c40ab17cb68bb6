"""One head's attention as ribbons between the text and itself: who looks at whom, all tokens at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from anatomy import facts
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_first
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from panels.attention.attention_snippet import of_tokens as snippet
from panels.common.attention_change import after_softmax, of_weights
from panels.common.attention_row import Row, level, row_of, wanted, weights
from panels.common.chosen_cell import rule
from panels.common.columns import ROWS, most_note
from panels.common.relation import relation
from panels.common.shared import FIRST
from panels.common.touched import Touched
from panels.panel import Panel, Table
from viz.arcs import Arcs, Ribbon
from viz.format import exact_percent, number, percent, quoted, thousands
from viz.marks import Stands

_MOST_TOKENS, _STRONGEST = 60, 20
_LISTED = 4  # terms that the formula writes out
_LEAST = 0.01  # weights below this would be thinner than a fifth of a pixel


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The layer's scores and weights; of a long text the chosen token's."""
    return (wanted(view, "scores"), wanted(view, "pattern"))


@dataclass(frozen=True)
class Looks:
    """What the tokens of a text give each other in the chosen head; of a long text only what the chosen one gives.

    layer, head  the chosen ones
    tokens       of the text
    rule         what goes into the softmax, in symbols
    with_first   whether the first token is shown; without it weights are shares of the rest
    row          what the chosen token gives
    weights      probability, NaN where masked: of the tokens on the left, to every token
    weighed      changes between scores and weights
    """

    layer: int
    head: int
    tokens: tuple[Token, ...]
    rule: str
    with_first: bool
    row: Row
    weights: Float[np.ndarray, "left src"]
    weighed: Touched

    @property
    def looking(self) -> str:
        """The chosen token, in quotation marks."""
        return quoted(self.tokens[self.row.pos].label)

    @property
    def is_long(self) -> bool:
        """Whether only the chosen token's row is shown: of a text with too many tokens to tell ribbons apart."""
        return len(self.weights) < len(self.tokens)

    @property
    def left(self) -> Sequence[int]:
        """Positions of the tokens on the left."""
        return [self.row.pos] if self.is_long else range(len(self.tokens))

    @cached_property
    def right(self) -> Sequence[int]:
        """Positions of the tokens on the right, in the order of the text."""
        if not self.is_long:
            return range(len(self.tokens))
        return sorted(self.falling[:_STRONGEST].tolist()) or [0]

    @cached_property
    def falling(self) -> Int[np.ndarray, " place"]:
        """Positions of the tokens shown that the chosen one may see, those that get most first."""
        return largest_first(self.row.weights)[: np.count_nonzero(~np.isnan(self.row.weights))]


def read(trace: Trace, view: Fitted) -> Looks:
    """The chosen token's row; of a short text those of all tokens."""
    row = row_of(trace, view)
    shown = row.weights[None] if len(trace.tokens) > _MOST_TOKENS else weights(trace, view)
    return Looks(
        layer=view.layer,
        head=view.head,
        tokens=trace.tokens,
        rule=rule(trace.spec, view.layer),
        with_first=view[FIRST],
        row=row,
        weights=shown,
        weighed=of_weights(trace, view),
    )


def draw(looks: Looks) -> Arcs:
    """Every token on both sides; for long texts the chosen one on the left and those it gives most on the right."""
    row, left, right = looks.row, looks.left, looks.right
    ribbons = tuple(
        Ribbon(place, right.index(src), float(looks.weights[place, src]), pos == row.pos)
        for place, pos in enumerate(left)
        for src in right
        if looks.weights[place, src] >= _LEAST
    )
    return Arcs(
        left=_labels(looks, left),
        right=_labels(looks, right),
        ribbons=ribbons,
        left_title=_("looking (query)"),
        right_title=_("looked at (key)"),
        chosen=left.index(row.pos),
        looked=right.index(row.src) if row.src in right else None,
        least=_LEAST,
        stands=(Stands("pos", tuple(left)), Stands("src", tuple(right))),
    )


def _labels(looks: Looks, places: Sequence[int]) -> tuple[str, ...]:
    """Tokens; with their positions where not all are shown."""
    if looks.is_long:
        return tuple(f"{place} {looks.tokens[place].label}" for place in places)
    return tuple(looks.tokens[place].label for place in places)


def caption(looks: Looks) -> str:
    """Where the chosen token's attention goes, how many ribbons it takes, and what is left out."""
    row = looks.row
    if row.strongest is None:
        return _(
            "In layer {layer}, head {head}, {looking} has nothing but the first token to look at, and that one is left "
            "out.",
            layer=looks.layer,
            head=looks.head,
            looking=looks.looking,
        )
    if float(row.weights[row.strongest]) <= 0:
        return _ribbonless(looks)
    if float(row.weights[row.strongest]) < _LEAST:
        return _joined(_all_thin(looks, row.strongest), _half(row.weights))
    if count := level(row.weights):
        return _joined(_all_alike(looks, count), _half(row.weights), _drawn(looks))
    thickest = _(
        "In layer {layer}, head {head}, the thickest ribbon of {looking} goes to {looked}: {weight}, {relation}.",
        layer=looks.layer,
        head=looks.head,
        looking=looks.looking,
        looked=quoted(looks.tokens[row.strongest].label),
        weight=percent(float(row.weights[row.strongest])),
        relation=relation(looks.tokens, row.pos, row.strongest),
    )
    return _joined(thickest, _half(row.weights), _drawn(looks))


def _joined(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


def _ribbonless(looks: Looks) -> str:
    """That nothing is drawn for the chosen token, in a run whose changes leave it no weight above 0."""
    return _(
        "In layer {layer}, head {head}, {looking} has no ribbon: no token gets a weight above 0.",
        layer=looks.layer,
        head=looks.head,
        looking=looks.looking,
    )


def _all_alike(looks: Looks, count: int) -> str:
    """That the chosen token gives as much to each."""
    return _(
        "In layer {layer}, head {head}, {looking} spreads its attention about evenly: its {count} ribbons are equally "
        "thick, {weight} each.",
        layer=looks.layer,
        head=looks.head,
        looking=looks.looking,
        count=thousands(count),
        weight=percent(float(np.nanmax(looks.row.weights))),
    )


def _all_thin(looks: Looks, strongest: int) -> str:
    """That nothing is drawn for the chosen token, as no weight is large enough."""
    return _(
        "In layer {layer}, head {head}, {looking} spreads its attention so thinly that it has no ribbon: none of its "
        "weights reaches {least}. {looked} gets most ({weight}).",
        layer=looks.layer,
        head=looks.head,
        looking=looks.looking,
        least=exact_percent(_LEAST),
        looked=quoted(looks.tokens[strongest].label),
        weight=percent(float(looks.row.weights[strongest])),
    )


def _half(row: Float[np.ndarray, " src"]) -> str:
    """How many tokens hold half of the row; "" where some weight is below 0, so that there is no half."""
    best = -np.sort(-row[~np.isnan(row)])
    if best[-1] < 0:
        return ""
    count = int(np.searchsorted(np.cumsum(best), 0.5 * best.sum() - 1e-12) + 1)
    return ngettext(
        "{count} token holds half of its attention.",
        "{count} tokens hold half of its attention.",
        count,
    )


def _drawn(looks: Looks) -> str:
    if looks.is_long:
        shown = looks.row.weights[looks.right]
        drawn = ngettext(
            "With {count} token only the chosen one's strongest {shown} are drawn, {share} of its attention; those "
            "below {least} have no ribbon.",
            "With {count} tokens only the chosen one's strongest {shown} are drawn, {share} of its attention; those "
            "below {least} have no ribbon.",
            len(looks.tokens),
            shown=len(shown),
            share=percent(float(np.nansum(shown))),
            least=exact_percent(_LEAST),
        )
    else:
        drawn = _("Weights below {least} are not drawn.", least=exact_percent(_LEAST))
    return drawn if looks.with_first else f"{drawn} {_('The first token is left out; shares are of the rest.')}"


def table(looks: Looks) -> Table:
    """What the chosen token gives, most first."""
    order = looks.falling[:ROWS]
    return Table.of(
        (_("position"), order),
        (_("token"), (looks.tokens[src].label for src in order)),
        (_("weight (probability)"), looks.row.weights[order]),
        note=most_note(len(order), len(looks.falling)),
    )


def formula(looks: Looks) -> str:
    """What a ribbon's thickness is, and that the chosen token's add up."""
    shown = looks.row.weights
    seen, best = shown[~np.isnan(shown)], looks.falling[:_LISTED]
    listed = " + ".join(f"{number(float(shown[src]))} {quoted(looks.tokens[src].label)}" for src in best)
    return "\n".join(
        (
            _(
                "thickness of a ribbon = softmax({rule}) of its two tokens, the same scale for every head",
                rule=looks.rule,
            ),
            *after_softmax(looks.weighed),
            f"{looks.looking}: {listed}{' + …' if len(seen) > len(best) else ''} = {number(float(seen.sum()))}",
        )
    )


PANEL = Panel(
    id="arcs",
    stage="attention",
    order=3,
    name=N_("Ribbons"),
    title=N_("Who looks at whom?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    facts=(facts.SCALE,),
    controls=(FIRST,),
    chooser="heads",
    places=("layer", "head"),
)
