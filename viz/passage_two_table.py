"""The table of two runs' passages: every number that is drawn, a row each, of both runs side by side."""

from math import isnan
from typing import Any, TypedDict

from anatomy.language import _
from viz.passage_two_parts import CHANGES, A, B, PartsOfTwo
from viz.table import Table, Value


class _Token(TypedDict):
    """A token and its position."""

    token: str
    pos: int


_CELLS = ("change", "layer", "head", "token", "pos", "other", "other_pos", "says", "a", "b", "minus")


def table(given: PartsOfTwo) -> Table:
    """A row per token, per likely next token, per arc, per word under the chosen line, and per length."""
    return Table(
        (
            _("what"),
            _("change"),
            _("layer"),
            _("head"),
            _("token"),
            _("position"),
            _("looks at"),
            _("position of that"),
            _("says"),
            A,
            B,
            f"{B} − {A}",
        ),
        (*_tokens(given), *_best(given), *_arcs(given), *_words(given), *_lengths(given)),
    )


def _row(what: str, a: float | None = None, b: float | None = None, **cells: Any) -> tuple[Value, ...]:
    """The cells in the order of the columns, with both numbers and their difference where both are there."""
    one, other = (None if value is None or isnan(value) else value for value in (a, b))
    cells |= {"a": one, "b": other, "minus": None if one is None or other is None else other - one}
    return (what, *(cells.get(cell) for cell in _CELLS))


def _of(given: PartsOfTwo, row: int) -> _Token:
    return {"token": given.rows[row].marked, "pos": given.rows[row].line.place}


def _tokens(given: PartsOfTwo) -> list[tuple[Value, ...]]:
    """Each row's token, what it was, and what is predicted there with its probability in each run."""
    found = []
    for i, row in enumerate(given.rows):
        change = _("only in {run}", run=row.lone) if row.lone else _("was {token}", token=row.was) if row.was else None
        one, other = (line if line and line.leads else None for line in (row.a, row.b))
        if one and other and one.leads == other.leads:
            found.append(
                _row(_("prediction"), one.share, other.share, **_of(given, i), says=other.leads, change=change)
            )
            continue
        if one:
            found.append(_row(_("prediction"), one.share, None, **_of(given, i), says=one.leads, change=change))
        if other:
            found.append(_row(_("prediction"), None, other.share, **_of(given, i), says=other.leads, change=change))
        if not one and not other:
            found.append(_row(_("token"), **_of(given, i), change=change))
    return found


def _best(given: PartsOfTwo) -> list[tuple[Value, ...]]:
    chosen = _of(given, given.chosen)
    return [_row(_("likely next token"), each.a, each.b, **chosen, says=each.label) for each in given.best]


def _arcs(given: PartsOfTwo) -> list[tuple[Value, ...]]:
    """Weights of both runs; then, for what each takes in, the share of the stream's length that thickness shows."""
    found = []
    for own in given.arcs:
        cells: dict[str, Any] = {
            "change": _(CHANGES[own.change]),
            "layer": own.arc.layer,
            "head": own.arc.head,
            **_of(given, own.looking),
            "other": given.rows[own.looked].marked,
            "other_pos": given.rows[own.looked].line.place,
        }
        weights = (arc.weight if arc else None for arc in (own.a, own.b))
        shares = (arc.share if arc else None for arc in (own.a, own.b))
        found.append(_row(_("arc: attention weight"), *weights, **cells))
        found.append(_row(_("arc: contribution / length of the stream"), *shares, **cells))
    return found


def _words(given: PartsOfTwo) -> list[tuple[Value, ...]]:
    """Probability after the layer from which on the word leads; that of A may be another layer."""
    chosen = _of(given, given.chosen)
    found = []
    for own in given.words:
        cells: dict[str, Any] = {**chosen, "says": own.word.label, "change": _(CHANGES[own.change])}
        if own.a and own.b and own.a.layer == own.b.layer:
            found.append(
                _row(_("word after the layer"), own.a.probability, own.b.probability, **cells, layer=own.b.layer)
            )
            continue
        if own.a:
            found.append(_row(_("word after the layer"), own.a.probability, **cells, layer=own.a.layer))
        if own.b:
            found.append(_row(_("word after the layer"), None, own.b.probability, **cells, layer=own.b.layer))
    return found


def _lengths(given: PartsOfTwo) -> list[tuple[Value, ...]]:
    """The lengths that widths show: B's, or A's in rows that B does not have."""
    found = []
    for row, lengths in enumerate(given.lengths.tolist()):
        for stream, length in enumerate(lengths):
            what = _("stream after the layer") if stream else _("stream before layer 0")
            of_b = given.rows[row].b is not None
            values = (None, length) if of_b else (length, None)
            found.append(_row(what, *values, **_of(given, row), layer=stream - 1 if stream else None))
    return found
