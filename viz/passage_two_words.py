"""The passages of two runs in words: what is new, gone, stronger, what comes next, and how to read the figure."""

from collections.abc import Sequence
from math import isnan

from anatomy.language import _, ngettext
from viz.format import listed, percent, quoted
from viz.passage_notes import wide
from viz.passage_two_parts import CHANGES, LEAST, A, ArcOfTwo, B, Change, NextOfTwo, PartsOfTwo, WordOfTwo, from_to

_NAMED = 3  # arcs, and words, that a sentence names


def caption(given: PartsOfTwo) -> str:
    """What is new, gone, most strengthened and weakened, and what comes next in both runs."""
    if given.alike:
        return _("Nothing differs: {a} and {b} have the same arcs, words and predictions, with the same numbers.",
                 a=A, b=B)  # fmt: skip
    said = (_of_next(given), _counts(given), *_of_arcs(given), *_of_words(given))
    return " ".join(filter(None, said))


def _counts(given: PartsOfTwo) -> str:
    """How many arcs became what."""
    if not given.arcs:
        return _("In neither run is there an arc to compare.")
    counts = {change: sum(arc.change == change for arc in given.arcs) for change in CHANGES}
    told = [f"{counts[change]} {_(CHANGES[change])}" for change in CHANGES if counts[change]]
    return _("Arcs of {b} beside those of {a}: {counts}.", a=A, b=B, counts=listed(told))


def _of_arcs(given: PartsOfTwo) -> list[str]:
    """The arcs that changed most, the chosen token's first; a sentence for each kind of change."""
    told = {
        "new": _("New in {b}: {names}.", b=B, names="{names}"),
        "gone": _("Gone, in {a} alone: {names}.", a=A, names="{names}"),
        "stronger": _("Most strengthened: {names}.", names="{names}"),
        "weaker": _("Most weakened: {names}.", names="{names}"),
    }
    found = [(words, ordered(given, change)) for change, words in told.items()]
    few = {"new": 2, "gone": 2}
    return [
        words.replace("{names}", _few([named(given, arc) for arc in arcs], few.get(arcs[0].change, 1)))
        for words, arcs in found
        if arcs
    ]


def ordered(given: PartsOfTwo, change: str) -> list[ArcOfTwo]:
    """The arcs that became this: the chosen token's first, then by how much the weight changed."""
    own = [arc for arc in given.arcs if arc.change == change]
    return sorted(own, key=lambda arc: (arc.looking != given.chosen, -abs(arc.grown)))


def _few(names: Sequence[str], most: int = _NAMED) -> str:
    return "; ".join(names[:most]) + (" …" if len(names) > most else "")


def named(given: PartsOfTwo, arc: ArcOfTwo) -> str:
    """An arc in words, with its weight in both runs, and where the same head looked in A instead."""
    before = instead(given, arc)
    values = {
        "token": given.called(arc.looking),
        "weights": arc.numbers,
        "other": given.called(arc.looked),
        "layer": arc.arc.layer,
        "head": arc.arc.head,
    }
    if before is not None:
        return _(
            "{token} takes {weights} from {other} (layer {layer}, head {head}; in {a} {before} from {gone})",
            a=A,
            before=percent(before.arc.weight),
            gone=given.called(before.looked),
            **values,
        )
    return _(
        "{token} takes {weights} from {other} (layer {layer}, head {head})",
        **values,
    )


def instead(given: PartsOfTwo, arc: ArcOfTwo) -> ArcOfTwo | None:
    """The arc of the same head and token that is gone where this one is new; None for none."""
    if arc.change != "new" or not given.one_model:
        return None
    key = (arc.layer, arc.arc.head, arc.looking)
    found = (old for old in given.arcs if old.change == "gone" and (old.layer, old.arc.head, old.looking) == key)
    return next(found, None)


def _of_words(given: PartsOfTwo) -> list[str]:
    """The words under the chosen line that are new, and those that are gone or have moved."""
    told: list[str] = []
    for change in ("new", "gone", "earlier", "later"):
        names = [named_word(word) for word in given.words if word.change == change]
        if names:
            sentence = {
                "new": _("Words that only {b} has under the chosen line: {names}.", b=B, names=_few(names)),
                "gone": _("Words that only {a} has there: {names}.", a=A, names=_few(names)),
                "earlier": _("Words that come earlier: {names}.", names=_few(names)),
                "later": _("Words that come later: {names}.", names=_few(names)),
            }
            told.append(sentence[change])
    return told


def named_word(word: WordOfTwo) -> str:
    """A word in words, with its layer and its probability in both runs."""
    values = {"token": quoted(word.word.label), "weights": word.numbers}
    if word.a and word.b and word.a.layer != word.b.layer:
        return _("{token} {weights} after layer {layer}, in {a} after layer {other}",
                 layer=word.b.layer, a=A, other=word.a.layer, **values)  # fmt: skip
    return _("{token} {weights} after layer {layer}", layer=word.word.layer, **values)


def _of_next(given: PartsOfTwo) -> str:
    """The likeliest next token of each run."""
    if not given.best:
        return ""
    first = max(given.best, key=lambda each: -1.0 if isnan(each.a) else each.a)
    last = max(given.best, key=lambda each: -1.0 if isnan(each.b) else each.b)
    if first is last:
        return _("The likeliest next token is {token} in both runs: {shares}.",
                 token=quoted(last.label), shares=from_to(last.a, last.b))  # fmt: skip
    return _(
        "The likeliest next token is {first} in {a} ({share}), and {last} in {b} ({other}).",
        a=A,
        b=B,
        first=quoted(first.label),
        share=_shares(first),
        last=quoted(last.label),
        other=_shares(last),
    )


def _shares(given: NextOfTwo) -> str:
    """Its probability in both runs, as far as it is known."""
    if isnan(given.a) or isnan(given.b):
        return percent(given.b if isnan(given.a) else given.a)
    return _("{a} {share}, {b} {other}", a=A, b=B, share=percent(given.a), other=percent(given.b))


def explained(given: PartsOfTwo) -> tuple[str, ...]:
    """How the figure is read: what is compared with what, and what its signs and strokes mean."""
    signs = _(
        "{a} is the first run, {b} the second, whose lines are drawn. + with a solid line: new in {b}. × with a dashed "
        "line: gone, in {a} alone. ▲ with a solid line and ▼ with a dash-dotted one: stronger and weaker, by {least} "
        "of attention or more. Grey with a dot: changed by less. The chosen token's arcs are thick. Numbers with an "
        "arrow go from {a} to {b}.",
        a=A,
        b=B,
        least=_points(),
    )
    partners = (
        _("An arc of both runs has the same head and layer, and goes between tokens that are partners.")
        if given.one_model
        else _(
            "The models are not the same: a head of one is none of the other's. An arc is unchanged where both have "
            "one between the same tokens, in whatever head; what is gone is drawn at the same depth."
        )
    )
    return tuple(
        filter(None, (wide(given.lengths), signs, partners, _of_tokens(given), _of_chosen(given), _of_best(given)))
    )


def _points() -> str:
    return ngettext("{count} percentage point", "{count} percentage points", round(100 * LEAST))


def _of_tokens(given: PartsOfTwo) -> str:
    """Tokens that stand in another's place, and those without a partner."""
    replaced = [f"{quoted(row.was)} → {quoted(row.line.label)}" for row in given.rows if row.was]
    told = []
    if replaced:
        told.append(_("Replaced: {names}.", names=_few(replaced)))
    for run in (A, B):
        lone = [quoted(row.line.label) for row in given.rows if row.lone == run]
        if lone:
            told.append(_("Without a partner, in {run} alone: {names}.", run=run, names=_few(lone)))
    return " ".join(told)


def _of_chosen(given: PartsOfTwo) -> str:
    if given.chosen == given.chosen_a:
        return ""
    return _("The chosen token is {token} in {b} and {other} in {a}: words and next tokens are those of each.",
             a=A, b=B, token=given.called(given.chosen), other=given.called(given.chosen_a))  # fmt: skip


def _of_best(given: PartsOfTwo) -> str:
    if not any(isnan(each.a) or isnan(each.b) for each in given.best):
        return ""
    return _("A next token without a number is not among those of that run which are listed as its likeliest.")


def meaning(change: Change) -> str:
    """What a group of changes is called."""
    return {
        "new": _("New in {b}", b=B),
        "gone": _("Gone: in {a} alone", a=A),
        "stronger": _("Stronger"),
        "weaker": _("Weaker"),
        "earlier": _("Earlier"),
        "later": _("Later"),
        "same": _("Unchanged"),
    }[change]
