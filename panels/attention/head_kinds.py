"""What a head can be seen doing on a text: the scores by which heads are compared, and how sentences name them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from anatomy.control import Choice
from anatomy.language import N_, _
from anatomy.measure import LOCAL, as_shares, entropy
from anatomy.request import Want
from anatomy.rounding import largest_place, nearness
from anatomy.sites import SITES
from anatomy.trace import Trace
from anatomy.view import Fitted


@dataclass(frozen=True)
class HeadKind:
    """One score. slug: in links and in the site `head_…`; name: on buttons and in tables; does: what the head does that
    has most of it; goes: where the weight goes that a share counts. All but the slug through `_` where shown."""

    slug: str
    name: str
    does: str
    goes: str = ""

    @property
    def want(self) -> Want:
        """The site that holds the score of every head: [layer head]."""
        return Want(f"head_{self.slug}")

    @property
    def whither(self) -> str:
        """Where the weight goes that a share counts, in the language spoken."""
        return _(self.goes, away=LOCAL)

    @property
    def unit(self) -> str:
        """Unit of the score: probability, nat or tokens."""
        return SITES[self.want.site].unit

    @property
    def is_share(self) -> bool:
        """Whether it is a share of the head's attention."""
        return self.unit == "probability"


KINDS = {
    kind.slug: kind
    for kind in (
        HeadKind("induction", N_("copying"), N_("copies most"), N_("to what followed an earlier copy of the token")),
        HeadKind(
            "previous", N_("previous token"), N_("looks most at the token just before"), N_("to the token just before")
        ),
        HeadKind("first", N_("first token"), N_("looks most at the first token"), N_("to the first token")),
        HeadKind(
            "duplicate",
            N_("same token"),
            N_("looks most at other copies of a token"),
            N_("to other copies of the same token"),
        ),
        HeadKind("local", N_("local"), N_("looks most at what is close by"), N_("to tokens at most {away} away")),
        HeadKind("entropy", N_("entropy"), N_("spreads its attention most")),
        HeadKind("distance", N_("distance"), N_("looks most at what is far away")),
    )
}


MAPS = "maps"
# What the overview of all heads shows: one of the scores, or a small map per head.
SHOW = Choice(
    "show",
    N_("Show"),
    (*KINDS, MAPS),
    (*(kind.name for kind in KINDS.values()), N_("maps")),
    says=N_(
        "What the colour of a head means. Copying: attention to what followed an earlier copy of the token; local: to "
        "what is close by; entropy: how widely it is spread, in nats; distance: how far back it goes. Maps: the "
        "attention of each head as a small picture."
    ),
)


def opening_show(view: Fitted) -> Choice:
    """What is shown, which opens with something that this text has: copying, else the token just before; the maps where
    there is no other token."""
    if view.length == 1:
        return SHOW.opening(MAPS)
    return SHOW if view.again else SHOW.opening("previous")


def shown(view: Fitted) -> str:
    """The slug of the score that is shown, or MAPS."""
    return view[opening_show(view)]


@dataclass(frozen=True)
class Standing:
    """A head's score, and its place among all heads: 1 is higher than any other; equal ones share the lower place."""

    value: float
    rank: int
    heads: int


def standing(values: Float[np.ndarray, "layer head"], layer: int, head: int) -> Standing:
    """Where one head stands among all; scores that differ by no more than rounding count as equal."""
    value = float(values[layer, head])
    near, share = nearness(values)
    return Standing(value, int((values >= value - max(near, share * value)).sum()), values.size)


def outstanding(trace: Trace, layer: int, head: int) -> tuple[HeadKind, Standing] | None:
    """The first share in which this head is among the highest of all, and its place there, if there is one; only of
    those that the trace has."""
    for kind in KINDS.values():
        if kind.is_share and kind.want in trace and not np.isnan(trace[kind.want]).all():
            place = standing(trace[kind.want], layer, head)
            if place.rank <= 1 + place.heads // 100:
                return kind, place
    return None


def top(values: Float[np.ndarray, "layer head"]) -> tuple[int, int]:
    """(layer, head) of the highest score; at least one has to be a number. Of equal ones the first."""
    layer, head = largest_place(values)
    return int(layer), int(head)


def missing(kind: HeadKind, ids: Int[np.ndarray, " pos"]) -> str:
    """Why the text offers no case for a score that no head has. ids: of the tokens."""
    alike = len(set(ids.tolist())) < len(ids)
    if len(ids) == 1:
        return _("The text is one token, which has no other to look at")
    if kind.slug == "local":
        return _("No token has more than {most} before it, so all that it sees is close by", most=LOCAL)
    if not alike and kind.slug == "induction":
        return _("No token occurs twice, so nothing can be copied")
    if not alike:
        return _("No token occurs twice")
    return _("Equal tokens stand only side by side, so nothing can be copied")


def rows(
    kind: HeadKind, pattern: Float[np.ndarray, "pos src"], ids: Int[np.ndarray, " pos"]
) -> tuple[np.ndarray, Float[np.ndarray, " row"]]:
    """(positions, value at each) whose mean is the score of a head with this pattern. ids: of the tokens [pos]."""
    terms = {pos: own(kind, row, pos, ids) for pos, row in enumerate(pattern)}
    cases = {pos: term for pos, term in terms.items() if term is not None}
    return np.array(list(cases), dtype=int), np.array(list(cases.values()))


def own(kind: HeadKind, row: Float[np.ndarray, " src"], pos: int, ids: np.ndarray) -> float | None:
    """What the weights of the token at pos add to a head's score: a term of the mean, in the score's unit. None where
    the token offers no case. ids: of the tokens [src]."""
    weights, place = row.astype(np.float64), np.arange(len(ids))
    if kind.slug == "entropy":
        return float(entropy(as_shares(weights)))
    if kind.slug == "distance":
        return float((as_shares(weights) * np.abs(place - pos)).sum()) if pos else None
    where = _looked_for(kind, pos, ids)
    if kind.slug in ("previous", "first"):
        return float(weights[where].sum()) if pos else None
    return float(weights[where].sum()) if where.any() else None


def _looked_for(kind: HeadKind, pos: int, ids: np.ndarray) -> np.ndarray:
    """[src] True where the weight of this token's row counts for a score."""
    place = np.arange(len(ids))
    if kind.slug == "previous":
        return place == pos - 1
    if kind.slug == "first":
        return place == 0
    if kind.slug == "local":
        return (np.abs(place - pos) <= LOCAL) & (pos > LOCAL)
    copies = (ids == ids[pos]) & (place != pos)
    if kind.slug == "duplicate":
        return copies
    return np.roll(copies & (place < pos), 1) & (ids != ids[pos])
