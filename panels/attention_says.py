"""The attention map's caption: what the chosen one gives to the other, and what this head does more than others."""

import numpy as np

from anatomy.language import _
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.attention_map import Map, by_length, map_of
from panels.head_kinds import KINDS, scores, standing
from panels.joined import note
from panels.relation import relation
from panels.shared import FIRST, WORDS
from viz.format import many, number, percent, quoted


def says(trace: Trace, view: Fitted) -> str:
    """What the chosen token gives to the chosen one, and what this head does more than any other; or how the lengths of
    weight × value compare with the weights. How tokens were joined into words."""
    found = map_of(trace, view)
    if by_length(view):
        parts = [_takes(trace, view, found), _first_length(view, found)]
    else:
        parts = [_gives(trace, view, found), _first(view, found), _rank(trace, view)]
    return " ".join(part for part in (*parts, _joined(view, found)) if part)


def _gives(trace: Trace, view: Fitted, found: Map) -> str:
    if found.strongest is None or found.col is None:
        return _nothing(view, found)
    weight, most = float(found.shown[found.row, found.col]), float(found.shown[found.row, found.strongest])
    best = _("Most goes to {best} ({share}).", best=_label(found, found.strongest), share=percent(most))
    if np.isnan(weight):
        return f"{_unseen(trace, view, found, found.col)} {best}"
    told = _gives_words(view, found, weight) if view[WORDS] else _gives_token(trace, view, found, weight)
    return f"{told} {best}" if weight < most else told


def _label(found: Map, place: int) -> str:
    return quoted(found.labels[place])


def _nothing(view: Fitted, found: Map) -> str:
    return _(
        "In layer {layer}, head {head}, {looking} has nothing but the first token to look at, and that one is left "
        "out.",
        **_looking(view, found),
    )


def _looking(view: Fitted, found: Map) -> dict[str, object]:
    """What most sentences begin with."""
    return {"layer": view.layer, "head": view.head, "looking": _label(found, found.row)}


def _gives_token(trace: Trace, view: Fitted, found: Map, weight: float) -> str:
    assert found.col is not None
    return _(
        "In layer {layer}, head {head}, {looking} gives {share} of its attention to {looked}: {relation}.",
        **_looking(view, found),
        share=percent(weight),
        looked=_label(found, found.col),
        relation=relation(trace.tokens, found.row, found.col),
    )


def _gives_words(view: Fitted, found: Map, weight: float) -> str:
    if found.col == found.row:
        return _(
            "In layer {layer}, head {head}, {looking} gives {share} of its attention to itself.",
            **_looking(view, found),
            share=percent(weight),
        )
    return _(
        "In layer {layer}, head {head}, {looking} gives {share} of its attention to {looked}.",
        **_looking(view, found),
        share=percent(weight),
        looked=_label(found, found.col or 0),
    )


def _unseen(trace: Trace, view: Fitted, found: Map, col: int) -> str:
    """Why the chosen cell is empty."""
    if col == 0 and not view[FIRST] and not np.isnan(found.weights[found.row, 0]):
        return _(
            "In layer {layer}, head {head}, what {looking} gives to the first token is left out.",
            **_looking(view, found),
        )
    if col > found.row:
        return _(
            "In layer {layer}, head {head}, {looking} is kept from looking at {looked}, which stands later in the "
            "text.",
            **_looking(view, found),
            looked=_label(found, col),
        )
    return _(
        "In layer {layer}, head {head}, {looking} is kept from looking at {looked}, which lies outside of its window.",
        **_looking(view, found),
        looked=_label(found, col),
    )


def _first(view: Fitted, found: Map) -> str:
    """What is missing when the first token is left out."""
    if view[FIRST] or found.strongest is None:
        return ""
    taken = percent(found.first)
    return _("The first token, left out here, takes {share}; shares are of the rest.", share=taken)


def _rank(trace: Trace, view: Fitted) -> str:
    """The first score in which this head is among the highest of all, if there is one."""
    for kind in KINDS.values():
        values = scores(trace, kind)
        if not kind.is_share or np.isnan(values).all():
            continue
        found = standing(values, view.layer, view.head)
        heads, value = many(found.heads, "head"), number(found.value, 2)
        if found.rank == 1:
            return _("Among all {heads} this one {does} ({value}).", heads=heads, does=_(kind.does), value=value)
        if found.rank <= 1 + found.heads // 100:
            return _(
                "Among all {heads} this one is number {rank} for “{score}” ({value}).",
                heads=heads,
                rank=found.rank,
                score=_(kind.name),
                value=value,
            )
    return ""


def _takes(trace: Trace, view: Fitted, found: Map) -> str:
    """The chosen cell's length and its share, beside the weight's."""
    if found.strongest is None or found.col is None:
        return _nothing(view, found)
    length, most = float(found.shown[found.row, found.col]), float(found.shown[found.row, found.strongest])
    best = _("The longest comes from {best} ({length}).", best=_label(found, found.strongest), length=number(most))
    if np.isnan(length):
        return f"{_unseen(trace, view, found, found.col)} {best}"
    told = _(
        "In layer {layer}, head {head}, weight × value writes a vector of length {length} for {looking} from {looked}: "
        "{share} of all such lengths of its row, for {weight} of the weight.",
        **_looking(view, found),
        looked=_label(found, found.col),
        length=number(length),
        share=percent(found.share(length)),
        weight=percent(found.weight(found.col)),
    )
    return f"{told} {best}" if length < most else told


def _first_length(view: Fitted, found: Map) -> str:
    """The first token's two shares, unless the caption has just told them."""
    if view[FIRST] and (found.col is None or found.words.tokens(found.col) == range(1)):
        return ""
    weight, share = percent(found.first), percent(found.share(found.first_length))
    if view[FIRST]:
        return _("The first token gets {weight} of the weight and {share} of the lengths.", weight=weight, share=share)
    return _(
        "The first token, left out here, gets {weight} of the weight and {share} of the lengths.",
        weight=weight,
        share=share,
    )


def _joined(view: Fitted, found: Map) -> str:
    """How several tokens became one word."""
    if not view[WORDS]:
        return ""
    if by_length(view):
        how = _("Tokens of one word are joined: lengths summed over keys, averaged over queries.")
    else:
        how = _("Tokens of one word are joined: weights summed over keys, averaged over queries.")
    return note(found.words, how)
