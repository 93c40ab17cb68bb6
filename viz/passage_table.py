"""The table of a passage: every number that is drawn or can be read from the picture, a row each."""

from math import isnan

from anatomy.language import _
from viz.passage_parts import Parts
from viz.table import Table, Value

_CELLS = ("layer", "head", "token", "pos", "other", "other_pos", "length", "weight", "share", "says", "probability")


def table(given: Parts) -> Table:
    """A row per prediction, per likely next token, per arc, per word under the chosen line, and per length."""
    rows = (*_predictions(given), *_best(given), *_arcs(given), *_words(given), *_lengths(given))
    return Table(
        (
            _("what"),
            _("layer"),
            _("head"),
            _("token"),
            _("position"),
            _("looks at"),
            _("position of that"),
            _("length of the stream (L2 norm)"),
            _("attention weight"),
            _("contribution / length of the stream"),
            _("says"),
            _("probability"),
        ),
        rows,
    )


def _row(what: str, **cells: Value) -> tuple[Value, ...]:
    """The cells in the order of the columns; one that is no number stays empty."""
    values = (cells.get(cell) for cell in _CELLS)
    return (what, *(None if isinstance(value, float) and isnan(value) else value for value in values))


def _of(given: Parts, line: int) -> dict[str, Value]:
    return {"token": given.lines[line].label, "pos": given.lines[line].place}


def _predictions(given: Parts) -> list[tuple[Value, ...]]:
    return [
        _row(_("prediction"), **_of(given, i), says=line.leads, probability=line.share)
        for i, line in enumerate(given.lines)
        if line.leads
    ]


def _best(given: Parts) -> list[tuple[Value, ...]]:
    chosen = _of(given, given.chosen)
    return [_row(_("likely next token"), **chosen, says=label, probability=share) for label, share in given.best]


def _arcs(given: Parts) -> list[tuple[Value, ...]]:
    return [
        _row(
            _("arc"),
            **_of(given, arc.looking),
            layer=arc.layer,
            head=arc.head,
            other=given.lines[arc.looked].label,
            other_pos=given.lines[arc.looked].place,
            weight=arc.weight,
            share=arc.share,
        )
        for arc in given.arcs
    ]


def _words(given: Parts) -> list[tuple[Value, ...]]:
    chosen = _of(given, given.chosen)
    return [
        _row(_("word after the layer"), **chosen, layer=word.layer, says=word.label, probability=word.probability)
        for word in given.words
    ]


def _lengths(given: Parts) -> list[tuple[Value, ...]]:
    """The stream that enters layer 0 has no layer that it leaves."""
    return [
        _row(
            _("stream after the layer") if stream else _("stream before layer 0"),
            **_of(given, line),
            layer=stream - 1 if stream else None,
            length=length,
        )
        for line, lengths in enumerate(given.lengths.tolist())
        for stream, length in enumerate(lengths)
    ]
