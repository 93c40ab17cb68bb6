"""The attention map's caption: what the chosen one gives to the other, what this head does more than others, and what
the cells of a long text's map are."""

import numpy as np

from anatomy.language import _, ngettext
from anatomy.spec import ModelSpec
from anatomy.view import Fitted
from panels.attention import attention_long as far
from panels.attention.attention_map import AttentionMap, most_joined
from panels.attention.attention_shown import ShownRow, by_length
from panels.common.attention_row import level
from panels.common.columns import span
from panels.common.joined import note
from panels.common.relation import relation
from panels.common.shared import FIRST, WORDS
from viz.format import number, percent, thousands


def caption(attention: AttentionMap) -> str:
    """What the chosen token gives to the chosen one, and what this head does more than any other; or how the lengths of
    weight × value compare with the weights. How tokens were joined into words; where the link asks for words of too
    long a text, that there are none."""
    if by_length(attention.view):
        parts = [_takes(attention), _first_length(attention.row)]
    else:
        parts = [_gives(attention), _first(attention.row), _rank(attention)]
    parts += [_joined(attention), *_on_view(attention), unjoined(attention.spec) if attention.unjoined else ""]
    return " ".join(part for part in parts if part)


def _gives(attention: AttentionMap) -> str:
    row = attention.row
    if row.strongest is None or row.looked is None:
        return _nothing(attention)
    weight, most = float(row.shown[row.looked]), float(row.shown[row.strongest])
    best = _("Most goes to {best} ({share}).", best=row.named(row.strongest), share=percent(most))
    if np.isnan(weight):
        return f"{_unseen(attention, row.looked)} {best}"
    if not np.nan_to_num(row.shown).any():
        return _("In layer {layer}, head {head}, {looking} gives no token any weight.", **_looking(attention))
    if (count := level(row.shown)) and not (attention.view[WORDS] or row.left_out):
        return _(
            "In layer {layer}, head {head}, {looking} spreads its attention about evenly: {share} to each of the "
            "{count} tokens that it sees.",
            **_looking(attention),
            share=percent(float(row.shown[row.strongest])),
            count=thousands(count),
        )
    chosen = _gives_chosen(attention, row.looked, weight)
    if row.is_level(row.looked):
        return chosen
    if percent(weight) == percent(most):
        best = _("{best} gets slightly more.", best=row.named(row.strongest))
    return f"{chosen} {best}"


def _nothing(attention: AttentionMap) -> str:
    return _(
        "In layer {layer}, head {head}, {looking} has nothing but the first token to look at, and that one is left "
        "out.",
        **_looking(attention),
    )


def _looking(attention: AttentionMap) -> dict[str, object]:
    """What most sentences begin with."""
    view, row = attention.view, attention.row
    return {"layer": view.layer, "head": view.head, "looking": row.named(row.looking)}


def _gives_chosen(attention: AttentionMap, looked: int, weight: float) -> str:
    """What the chosen one gives to this one; of tokens also how they stand to each other."""
    row, values = attention.row, {**_looking(attention), "share": percent(weight)}
    if not attention.view[WORDS]:
        return _(
            "In layer {layer}, head {head}, {looking} gives {share} of its attention to {looked}: {relation}.",
            **values,
            looked=row.named(looked),
            relation=relation(row.tokens, row.looking, looked),
        )
    if looked == row.looking:
        return _("In layer {layer}, head {head}, {looking} gives {share} of its attention to itself.", **values)
    return _(
        "In layer {layer}, head {head}, {looking} gives {share} of its attention to {looked}.",
        **values,
        looked=row.named(looked),
    )


def _unseen(attention: AttentionMap, looked: int) -> str:
    """Why the chosen cell is empty."""
    row = attention.row
    if looked == 0 and row.left_out and not np.isnan(row.weights[0]):
        return _(
            "In layer {layer}, head {head}, what {looking} gives to the first token is left out.",
            **_looking(attention),
        )
    if looked > row.looking:
        return _(
            "In layer {layer}, head {head}, {looking} is kept from looking at {looked}, which stands later in the "
            "text.",
            **_looking(attention),
            looked=row.named(looked),
        )
    return _(
        "In layer {layer}, head {head}, {looking} is kept from looking at {looked}, which lies outside of its window.",
        **_looking(attention),
        looked=row.named(looked),
    )


def _first(row: ShownRow) -> str:
    """What is missing when the first token is left out."""
    if not row.left_out or row.strongest is None:
        return ""
    taken = percent(row.first)
    return _("The first token, left out here, takes {share}; shares are of the rest.", share=taken)


def _rank(attention: AttentionMap) -> str:
    """The first score in which this head is among the highest of all, if there is one; of a long text only where all
    heads are on the page, too."""
    if attention.outstanding is None or attention.outstanding[1].value <= 0:
        return ""
    kind, place = attention.outstanding
    value = number(place.value, 2)
    if place.rank == 1:
        return ngettext(
            "Of {count} head this one {does} ({value}).",
            "Among all {count} heads this one {does} ({value}).",
            place.heads,
            does=_(kind.does),
            value=value,
        )
    return ngettext(
        "Of {count} head this one is number {rank} for “{score}” ({value}).",
        "Among all {count} heads this one is number {rank} for “{score}” ({value}).",
        place.heads,
        rank=place.rank,
        score=_(kind.name),
        value=value,
    )


def _takes(attention: AttentionMap) -> str:
    """The chosen cell's length and its share, beside the weight's."""
    row = attention.row
    if row.strongest is None or row.looked is None:
        return _nothing(attention)
    length, most = float(row.shown[row.looked]), float(row.shown[row.strongest])
    best = _("The longest comes from {best} ({length}).", best=row.named(row.strongest), length=number(most))
    if np.isnan(length):
        return f"{_unseen(attention, row.looked)} {best}"
    chosen = _(
        "In layer {layer}, head {head}, weight × value writes a vector of length {length} for {looking} from {looked}: "
        "{share} of all such lengths of its row, for {weight} of the weight.",
        **_looking(attention),
        looked=row.named(row.looked),
        length=number(length),
        share=percent(row.share(length)),
        weight=percent(row.weight(row.looked)),
    )
    if row.is_level(row.looked):
        return chosen
    if number(length) == number(most):
        best = _("{best} gets slightly more.", best=row.named(row.strongest))
    return f"{chosen} {best}"


def _first_length(row: ShownRow) -> str:
    """The first token's two shares, unless the caption has just told them."""
    if not row.left_out and (row.looked is None or row.words.tokens(row.looked) == range(1)):
        return ""
    weight, share = percent(row.first), percent(row.share(row.first_length))
    if not row.left_out:
        return _("The first token gets {weight} of the weight and {share} of the lengths.", weight=weight, share=share)
    return _(
        "The first token, left out here, gets {weight} of the weight and {share} of the lengths.",
        weight=weight,
        share=share,
    )


def _joined(attention: AttentionMap) -> str:
    """How several tokens became one word."""
    if not attention.view[WORDS]:
        return ""
    if by_length(attention.view):
        how = _("Tokens of one word are joined: lengths summed over keys, averaged over queries.")
    else:
        how = _("Tokens of one word are joined: weights summed over keys, averaged over queries.")
    return note(attention.row.words, how)


def _on_view(attention: AttentionMap) -> list[str]:
    """What the map of a long text shows of it, and how; nothing of a short one."""
    if far.in_cells(attention.view):
        return [_cells(attention), _diluted(attention), _kept(attention.view)]
    if far.is_near(attention.view):
        return [_window(attention.view)]
    return [_word_cells(attention)] if attention.columns.pooled else []


def _window(view: Fitted) -> str:
    """Where the window lies."""
    top, bottom, left, right = far.window(view)
    return _(
        "Shown pair by pair: positions {looking} looking at {looked}, of {tokens} tokens.",
        looking=span(top, bottom),
        looked=span(left, right),
        tokens=thousands(view.length),
    )


def _cells(attention: AttentionMap) -> str:
    """How many pairs a cell covers, and what it shows of them."""
    view, cells = attention.view, attention.cells
    values = {
        "tokens": thousands(view.length),
        "cells": thousands(len(cells.rows) - 1),
        "side": thousands(int(np.diff(cells.rows).max())),
        "other": thousands(int(np.diff(cells.cols).max())),
    }
    if far.is_mean(view):
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


def _word_cells(attention: AttentionMap) -> str:
    """What a cell of very many words shows."""
    return _(
        "The map of {words} words has {cells} cells a side: each shows the largest of the up to {side} × {side} "
        "pairs of words that it covers.",
        words=thousands(attention.columns.count),
        cells=len(attention.columns),
        side=thousands(int(attention.columns.sizes.max())),
    )


def _diluted(attention: AttentionMap) -> str:
    """What masked pairs do to a mean."""
    if not far.is_mean(attention.view) or not (attention.spec.stack().causal or attention.spec.window):
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
