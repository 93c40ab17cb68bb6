"""Above all panels: how far two runs come apart, in what they predict, in their streams, and for the best tokens.

It is asked for after the page's own question, like the colour of the tokens: no figure waits for it. What would
take long in a long text is asked for by a click, and what was stopped is not asked again without one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from html import escape

import numpy as np
import streamlit as st
from jaxtyping import Float
from streamlit.delta_generator import DeltaGenerator

from anatomy.interventions import MASK
from anatomy.language import N_, _, ngettext
from anatomy.parting import KL_ROUNDING, PARTED, Parting, Places, Spread, WatchedToken
from anatomy.refused import Refused
from anatomy.request import Run
from anatomy.view import Fitted
from models.engine import Cancelled
from ui import baseline, losses, mishap, text
from ui.costly import Costly
from ui.host import HostedModel, Loading
from ui.pairs import Names, groups, share
from ui.sides import Second
from ui.waiting import Line
from ui.withheld import SHORT
from viz.format import number, percent, signed_percent, thousands

_MANY = 10.0  # times as far apart as it is long, from which on that is told so
MOST_ROWS = 6  # of the best tokens: the first of each run, and those that change most
Band = tuple[Float[np.ndarray, " pair"], Float[np.ndarray, " pair"]]
_PARTING = Costly(
    "parted",
    N_("Work it out"),
    N_("How far the two runs part takes about {time} for texts of this length."),
    N_("This was stopped before its end."),
)


@dataclass(frozen=True)
class Beside:
    """What the changed run is held against.

    spread  what its runs come to
    of      what they are, in words
    """

    spread: Spread
    of: str


def draw(place: DeltaGenerator, model: HostedModel, run: Run, side: Second, view: Fitted, line: Line) -> None:
    """The summary, or why it is not there. place: where it stands, which nobody else draws in; run: the first one;
    view: what is chosen in it."""
    with place, mishap.costing("how far two runs part"):
        question = (run, side.run)
        try:
            costs = partial(model.parting_estimate, run, side.model, side.run)
            if not _PARTING.wanted(question, costs(), max(map(len, side.labels)) <= SHORT):
                return
            at = watched_at(side, view.pos)
            with line.about(costs, partial(_PARTING.stop, question)):
                parting = model.parting(run, side.model, side.run, side.alignment, at)
        except Loading:
            text.aside(_("How far the two runs part comes once the model is loaded."))
        except Cancelled:
            _PARTING.offer_again(question)
        except Refused as refused:
            text.aside(str(refused))
        else:
            summary, names = st.empty(), Names(side.labels)
            unmasked = any(made.site == MASK for made in side.run.interventions)
            summary.html(shown(parting, names, at, unmasked=unmasked))
            redraw = partial(_redrawn, summary, parting, names, at, unmasked)
            baseline.draw(model, run, side, parting, at, line, redraw)


def _redrawn(
    summary: DeltaGenerator, parting: Parting, names: Names, at: Places | None, unmasked: bool, spread: Spread, of: str
) -> None:
    """The summary once more, with its baseline."""
    summary.html(shown(parting, names, at, Beside(spread, of), unmasked))


def watched_at(side: Second, pos: int) -> Places | None:
    """The pair whose predictions are looked at: that of the chosen token, or the last one before it whose tokens belong
    together; None where no tokens do."""
    if not side.alignment.both:
        return None
    own = side.alignment.near_b(pos)
    return side.alignment.near_a(own), own


def shown(
    parting: Parting, names: Names, at: Places | None, beside: Beside | None = None, unmasked: bool = False
) -> str:
    """The summary as HTML. at: the pair of the chosen token; beside: its baseline, where there is one; unmasked: the
    second run has no causal mask."""
    says = predictions(parting, names, at)
    says = says if beside is None else f"{says} {against(parting, beside, names, at)}"
    spread = None if beside is None else beside.spread
    loss = losses.said(parting, names, at, spread, unmasked)
    parts = (
        _part("kl", _("Predictions"), says, bars(parting, names, at, spread)),
        _part("loss", _("Loss"), loss, losses.bars(parting, names, at), losses.key(parting)) if loss else "",
        _part("streams", _("Streams"), streams(parting, names, at)),
        _part("watched", _watched_title(parting, names), "", watched(parting, spread)),
    )
    return f'<section class="parted" aria-label="{escape(_("How far the two runs part"))}">{"".join(parts)}</section>'


def _part(name: str, title: str, sentence: str, more: str = "", key: str = "") -> str:
    says = f"<p>{text.marked(sentence)}</p>" if sentence else ""
    return f'<div class="{name}"><h2>{escape(title)}{key}</h2>{more}{says}</div>'


def predictions(parting: Parting, names: Names, at: Places | None) -> str:
    """Where and by how much the two predict something else: the divergence of B from A, in nats."""
    kl = parting.kl
    if kl is None:
        lacking = [run for run, predicts in zip("AB", parting.predicts, strict=True) if not predicts]
        if len(lacking) == 1:
            return _("The model of run {run} predicts no tokens: there is nothing to compare.", run=lacking[0])
        return str(parting.without_kl)
    if not kl.size:
        return _("No two tokens belong together: nothing can be compared place by place.")
    most = int(kl.argmax())
    if kl[most] <= KL_ROUNDING:
        if not kl.any():
            return _("Both predict exactly the same after every token that both have: KL 0.")
        return _(
            "Both predict the same after every token that both have, up to rounding: KL below {bound} nats.",
            bound=_bound(),
        )
    said = _(
        "Most apart after {token}: KL of B from A {value} nats.",
        token=names.pair(parting.pairs[most]),
        value=number(float(kl[most])),
    )
    if at is None or at not in parting.pairs or at == parting.pairs[most]:
        return said
    return f"{said} {_of_chosen(float(kl[parting.pairs.index(at)]), names.pair(at))}"


def against(parting: Parting, beside: Beside, names: Names, at: Places | None) -> str:
    """The baseline in words: what it is, and what it comes to where the run itself is looked at."""
    if beside.spread.kl is None or parting.kl is None or not parting.kl.size:
        return _("Baseline: {runs}.", runs=beside.of)
    where = parting.pairs.index(at) if at in parting.pairs else int(parting.kl.argmax())
    least, most = (_about(float(kl[where])) for kl in beside.spread.kl)
    token = names.pair(parting.pairs[where])
    if least == most:
        return _("In grey the baseline, {runs}: after {token} {value}.", runs=beside.of, token=token, value=most)
    template = N_("In grey the baseline, {runs}: after {token} from {least} to {most}.")
    return _(template, runs=beside.of, token=token, least=least, most=most)


def _about(kl: float) -> str:
    return "0" if kl == 0 else _("below {bound}", bound=_bound()) if kl <= KL_ROUNDING else number(kl)


def _of_chosen(kl: float, token: str) -> str:
    if kl == 0:
        return _("After {token} exactly the same: 0.", token=token)
    if kl <= KL_ROUNDING:
        return _("After {token} the same up to rounding: below {bound}.", token=token, bound=_bound())
    return _("After {token}: {value}.", token=token, value=number(kl))


def _bound() -> str:
    return "10⁻⁸"


def streams(parting: Parting, names: Names, at: Places | None) -> str:
    """Where the streams part first, and how far those of the chosen token are apart in the end."""
    distance, parted = parting.distance, parting.parted_at
    if distance is None or parted is None:
        return str(parting.without_distance)
    if not parting.pairs:
        return _("No two tokens belong together: no two streams can be compared.")
    if parting.first is None:
        if not distance.any():
            return _("The streams of all tokens that both have are exactly the same in every layer.")
        return _(
            "The streams never part: they stay within {bound} of their length, which is rounding.",
            bound=number(PARTED, 1),
        )
    begin = [pair for pair, place in zip(parting.pairs, parted, strict=True) if place == parting.first]
    said = ngettext(
        "First apart {where}, at {token}.",
        "First apart {where}, at {count} tokens, {token} among them.",
        len(begin),
        where=_place(parting.first),
        token=names.pair(begin[0]),
    )
    if at is None or at not in parting.pairs:
        return said
    chosen = parting.pairs.index(at)
    return f"{said} {_chosen_stream(parted[chosen], float(distance[-1, chosen]), names.pair(at), len(distance) - 2)}"


def _chosen_stream(parted: int | None, end: float, token: str, last: int) -> str:
    if parted is None:
        return _("That of {token} never parts.", token=token)
    if end >= _MANY:
        return _(
            "That of {token} parts {where}; after layer {last} the two are {count} times as far apart as A's is long.",
            token=token,
            where=_place(parted),
            last=last,
            count=number(end),
        )
    return _(
        "That of {token} parts {where}; after layer {last} the two are {share} of its length apart.",
        token=token,
        where=_place(parted),
        last=last,
        share=percent(end) if end < 1 else signed_percent(end),
    )


def _place(place: int) -> str:
    """Where in the stack a stream is, as a sentence says it: 0 as it enters the first layer, n after layer n − 1."""
    return _("at the embedding") if place == 0 else _("after layer {layer}", layer=place - 1)


def _watched_title(parting: Parting, names: Names) -> str:
    if parting.at is None or not parting.watched:
        return _("Best tokens")
    return _("Best tokens after {token}", token=names.pair(parting.at))


def watched(parting: Parting, spread: Spread | None = None) -> str:
    """The best tokens of both runs, as a table: probability and rank in A and in B, and where there is a baseline, from
    the least to the most of its runs."""
    if not parting.watched:
        return f"<p>{escape(_('Neither model predicts a token here.'))}</p>"
    first = [token for token in parting.watched if 1 in (token.rank_a, token.rank_b)]
    rest = sorted(parting.watched, key=lambda token: -abs((token.p_b or 0.0) - (token.p_a or 0.0)))
    changing = list(dict.fromkeys((*first, *rest)))[:MOST_ROWS]
    chances = {} if spread is None else spread.chances
    rows = "".join(_row(token, chances) for token in parting.watched if token in changing)
    words = (_("token"), "A", "B", *([_("baseline")] if chances else []))
    head = "".join(f'<th scope="col">{escape(word)}</th>' for word in words)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _row(token: WatchedToken, chances: Mapping[int, tuple[float, float]]) -> str:
    cells = "".join(_cell(p, rank) for p, rank in ((token.p_a, token.rank_a), (token.p_b, token.rank_b)))
    more = (token.p_b or 0.0) > (token.p_a or 0.0)
    level = token.p_a is None or token.p_b is None or percent(token.p_a) == percent(token.p_b)
    sign = "" if level else ("▲" if more else "▼")
    name = f'<th scope="row">{escape(token.label)} <i aria-hidden="true">{sign}</i></th>'
    return f"<tr>{name}{cells}{_range(token, chances)}</tr>"


def _range(token: WatchedToken, chances: Mapping[int, tuple[float, float]]) -> str:
    """The least and the most of a token's probability in the runs of the baseline; "" where there is none."""
    if not chances:
        return ""
    if token.id not in chances:
        return "<td>–</td>"
    least, most = (percent(p) for p in chances[token.id])
    between = (most,) if least == most else (f"{least} –", most)
    return f"<td>{' '.join(f'<span>{escape(each)}</span>' for each in between)}</td>"


def _cell(p: float | None, rank: int | None) -> str:
    if p is None or rank is None:
        return "<td>–</td>"
    return f"<td><span>{escape(percent(p))}</span> <small>{escape(_('no. {rank}', rank=thousands(rank)))}</small></td>"


def bars(parting: Parting, names: Names, at: Places | None, spread: Spread | None = None) -> str:
    """The divergence after each pair as bars over the text, the largest number as high as they go; "" where there is
    none. Each says its token and its number. spread: a band for each, from the least to the most of the baseline."""
    kl = parting.kl
    if kl is None or not kl.size:
        return ""
    band = None if spread is None else spread.kl
    high = float(kl.max() if band is None else max(kl.max(), band[1].max()))
    if high <= KL_ROUNDING:
        return ""
    drawn = "".join(_bar(start, stop, parting, names, at, high, band) for start, stop in groups(len(kl)))
    label = _("KL of B from A after each token, the highest {value} nats", value=number(float(kl.max())))
    if band is not None:
        label = _(
            "{bars}; behind it those of the baseline, the highest {value}",
            bars=label,
            value=number(float(band[1].max())),
        )
    return f'<div class="bars" role="img" aria-label="{escape(label)}">{drawn}</div>'


def _bar(
    start: int, stop: int, parting: Parting, names: Names, chosen: Places | None, high: float, band: Band | None
) -> str:
    kl: Float[np.ndarray, " pair"] = parting.kl if parting.kl is not None else np.zeros(0)
    most = start + int(kl[start:stop].argmax())
    own = float(kl[most])
    inside = chosen in parting.pairs[start:stop]
    says = f"{names.pair(parting.pairs[most])}: {number(own)}"
    behind = ""
    if band is not None:
        least, largest = float(band[0][start:stop].min()), float(band[1][start:stop].max())
        says = _("{bar}; baseline {least} to {most}", bar=says, least=_about(least), most=_about(largest))
        bottom, top = (100 * share(value, high) for value in (least, largest))
        behind = f'<i style="bottom: {bottom:.1f}%; height: {max(top - bottom, 2.0):.1f}%"></i>'
    mark = ' class="chosen"' if inside else ""
    height = max(share(own, high), 0.02) if own > KL_ROUNDING else 0.0
    return f'<span title="{escape(says)}"{mark}>{behind}<b style="height: {100 * height:.1f}%"></b></span>'
