"""The attention map's caption: what the chosen one gives to the other, what this head does more than others, and what
the cells of a long text's map are."""

import numpy as np

from anatomy.language import _, ngettext
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.attention import attention_long as far
from panels.attention.attention_map import ShownRow, by_length, most_joined, shown_row
from panels.attention.head_kinds import KINDS, scores, standing
from panels.common.columns import columns_of, span
from panels.common.joined import note
from panels.common.relation import relation
from panels.common.shared import FIRST, WORDS
from viz.format import number, percent, thousands


def caption(trace: Trace, view: Fitted) -> str:
    """What the chosen token gives to the chosen one, and what this head does more than any other; or how the lengths of
    weight × value compare with the weights. How tokens were joined into words."""
    shown = shown_row(trace, view)
    if by_length(view):
        parts = [_takes(trace, view, shown), _first_length(view, shown)]
    else:
        parts = [_gives(trace, view, shown), _first(view, shown), _rank(trace, view)]
    return " ".join(part for part in (*parts, _joined(view, shown), *_on_view(trace, view, shown)) if part)


def _gives(trace: Trace, view: Fitted, shown: ShownRow) -> str:
    if shown.strongest is None or shown.col is None:
        return _nothing(view, shown)
    weight, most = float(shown.shown[shown.col]), float(shown.shown[shown.strongest])
    best = _("Most goes to {best} ({share}).", best=shown.named(shown.strongest), share=percent(most))
    if np.isnan(weight):
        return f"{_unseen(trace, view, shown, shown.col)} {best}"
    chosen = _gives_words(view, shown, weight) if view[WORDS] else _gives_token(trace, view, shown, weight)
    return f"{chosen} {best}" if weight < most else chosen


def _nothing(view: Fitted, shown: ShownRow) -> str:
    return _(
        "In layer {layer}, head {head}, {looking} has nothing but the first token to look at, and that one is left "
        "out.",
        **_looking(view, shown),
    )


def _looking(view: Fitted, shown: ShownRow) -> dict[str, object]:
    """What most sentences begin with."""
    return {"layer": view.layer, "head": view.head, "looking": shown.named(shown.row)}


def _gives_token(trace: Trace, view: Fitted, shown: ShownRow, weight: float) -> str:
    assert shown.col is not None
    return _(
        "In layer {layer}, head {head}, {looking} gives {share} of its attention to {looked}: {relation}.",
        **_looking(view, shown),
        share=percent(weight),
        looked=shown.named(shown.col),
        relation=relation(trace.tokens, shown.row, shown.col),
    )


def _gives_words(view: Fitted, shown: ShownRow, weight: float) -> str:
    if shown.col == shown.row:
        return _(
            "In layer {layer}, head {head}, {looking} gives {share} of its attention to itself.",
            **_looking(view, shown),
            share=percent(weight),
        )
    return _(
        "In layer {layer}, head {head}, {looking} gives {share} of its attention to {looked}.",
        **_looking(view, shown),
        share=percent(weight),
        looked=shown.named(shown.col or 0),
    )


def _unseen(trace: Trace, view: Fitted, shown: ShownRow, col: int) -> str:
    """Why the chosen cell is empty."""
    if col == 0 and not view[FIRST] and not np.isnan(shown.weights[0]):
        return _(
            "In layer {layer}, head {head}, what {looking} gives to the first token is left out.",
            **_looking(view, shown),
        )
    if col > shown.row:
        return _(
            "In layer {layer}, head {head}, {looking} is kept from looking at {looked}, which stands later in the "
            "text.",
            **_looking(view, shown),
            looked=shown.named(col),
        )
    return _(
        "In layer {layer}, head {head}, {looking} is kept from looking at {looked}, which lies outside of its window.",
        **_looking(view, shown),
        looked=shown.named(col),
    )


def _first(view: Fitted, shown: ShownRow) -> str:
    """What is missing when the first token is left out."""
    if view[FIRST] or shown.strongest is None:
        return ""
    taken = percent(shown.first)
    return _("The first token, left out here, takes {share}; shares are of the rest.", share=taken)


def _rank(trace: Trace, view: Fitted) -> str:
    """The first score in which this head is among the highest of all, if there is one; of a long text only where all
    heads are on the page, too."""
    for kind in KINDS.values():
        if not kind.is_share or kind.want not in trace or np.isnan(scores(trace, kind)).all():
            continue
        values = scores(trace, kind)
        place = standing(values, view.layer, view.head)
        value = number(place.value, 2)
        if place.rank == 1:
            return ngettext(
                "Of {count} head this one {does} ({value}).",
                "Among all {count} heads this one {does} ({value}).",
                place.heads,
                does=_(kind.does),
                value=value,
            )
        if place.rank <= 1 + place.heads // 100:
            return ngettext(
                "Of {count} head this one is number {rank} for “{score}” ({value}).",
                "Among all {count} heads this one is number {rank} for “{score}” ({value}).",
                place.heads,
                rank=place.rank,
                score=_(kind.name),
                value=value,
            )
    return ""


def _takes(trace: Trace, view: Fitted, shown: ShownRow) -> str:
    """The chosen cell's length and its share, beside the weight's."""
    if shown.strongest is None or shown.col is None:
        return _nothing(view, shown)
    length, most = float(shown.shown[shown.col]), float(shown.shown[shown.strongest])
    best = _("The longest comes from {best} ({length}).", best=shown.named(shown.strongest), length=number(most))
    if np.isnan(length):
        return f"{_unseen(trace, view, shown, shown.col)} {best}"
    chosen = _(
        "In layer {layer}, head {head}, weight × value writes a vector of length {length} for {looking} from {looked}: "
        "{share} of all such lengths of its row, for {weight} of the weight.",
        **_looking(view, shown),
        looked=shown.named(shown.col),
        length=number(length),
        share=percent(shown.share(length)),
        weight=percent(shown.weight(shown.col)),
    )
    return f"{chosen} {best}" if length < most else chosen


def _first_length(view: Fitted, shown: ShownRow) -> str:
    """The first token's two shares, unless the caption has just told them."""
    if view[FIRST] and (shown.col is None or shown.words.tokens(shown.col) == range(1)):
        return ""
    weight, share = percent(shown.first), percent(shown.share(shown.first_length))
    if view[FIRST]:
        return _("The first token gets {weight} of the weight and {share} of the lengths.", weight=weight, share=share)
    return _(
        "The first token, left out here, gets {weight} of the weight and {share} of the lengths.",
        weight=weight,
        share=share,
    )


def _joined(view: Fitted, shown: ShownRow) -> str:
    """How several tokens became one word."""
    if not view[WORDS]:
        return ""
    if by_length(view):
        how = _("Tokens of one word are joined: lengths summed over keys, averaged over queries.")
    else:
        how = _("Tokens of one word are joined: weights summed over keys, averaged over queries.")
    return note(shown.words, how)


def _on_view(trace: Trace, view: Fitted, shown: ShownRow) -> list[str]:
    """What the map of a long text shows of it, and how; nothing of a short one."""
    if far.in_cells(view):
        return [_cells(view), _diluted(trace, view), _kept(view)]
    return [_window(view)] if far.is_near(view) else _word_cells(shown)


def _window(view: Fitted) -> str:
    top, bottom, left, right = far.window(view)
    return _(
        "Shown pair by pair: positions {looking} looking at {looked}, of {tokens} tokens; the window follows the "
        "chosen cell.",
        looking=span(top, bottom),
        looked=span(left, right),
        tokens=thousands(view.length),
    )


def _cells(view: Fitted) -> str:
    """How many pairs a cell covers, and what it shows of them."""
    rows, cols = far.borders(view)
    values = {
        "tokens": thousands(view.length),
        "cells": thousands(len(rows) - 1),
        "side": thousands(int(np.diff(rows).max())),
        "other": thousands(int(np.diff(cols).max())),
    }
    if view[far.CELLS] == far.MEAN:
        return _(
            "The map of {tokens} tokens has {cells} cells a side: each shows the mean of the up to {side} × {other} "
            "pairs of tokens that it covers.",
            **values,
        )
    return _(
        "The map of {tokens} tokens has {cells} cells a side: each shows the largest of the up to {side} × {other} "
        "pairs of tokens that it covers.",
        **values,
    )


def _word_cells(shown: ShownRow) -> list[str]:
    """What a cell of very many words shows."""
    columns = columns_of(len(shown.words))
    if not columns.pooled:
        return []
    return [
        _(
            "The map of {words} words has {cells} cells a side: each shows the largest of the up to {side} × {side} "
            "pairs of words that it covers.",
            words=thousands(len(shown.words)),
            cells=len(columns),
            side=thousands(int(columns.sizes.max())),
        )
    ]


def _diluted(trace: Trace, view: Fitted) -> str:
    """What masked pairs do to a mean."""
    if view[far.CELLS] != far.MEAN or not (trace.spec.stack().causal or trace.spec.window):
        return ""
    return _("Masked pairs count as 0 in it, so cells at the mask's edge, as on the diagonal, are paler.")


def _kept(view: Fitted) -> str:
    """That cells without the first token are no shares of the rest."""
    if view[FIRST] or by_length(view):
        return ""
    return _("Its cells, without the first token, keep the model's own weights.")


def unjoined(spec: ModelSpec) -> str:
    """Why a text is too long for words."""
    return ngettext(
        "Words are shown in texts of up to {count} token, as every pair of tokens is needed for them.",
        "Words are shown in texts of up to {count} tokens, as every pair of tokens is needed for them.",
        most_joined(spec),
    )
