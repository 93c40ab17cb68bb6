"""The passages of two runs in words: what comes next, what has changed, and how to read the figure."""

from collections.abc import Sequence
from math import isnan

from anatomy.language import _, ngettext
from viz.format import listed, percent, quoted
from viz.passage_notes import wide
from viz.passage_two_parts import CHANGES, LEAST, A, ArcOfTwo, B, Change, NextOfTwo, PartsOfTwo, WordOfTwo, from_to

_NAMED = 3  # tokens that a sentence names


def caption(given: PartsOfTwo) -> str:
    """What comes next in both runs, how many arcs became what, and the foremost change; the rest is in the lists."""
    if given.alike:
        return _("Nothing differs: {a} and {b} have the same arcs, words and predictions, with the same numbers.",
                 a=A, b=B)  # fmt: skip
    return " ".join(filter(None, (_of_next(given), _counts(given), _foremost(given), _of_depth(given))))


def _counts(given: PartsOfTwo) -> str:
    """How many arcs became what."""
    if not given.arcs:
        return _("In neither run is there an arc to compare.")
    counts = {change: sum(arc.change == change for arc in given.arcs) for change in CHANGES}
    told = [f"{counts[change]} {_(CHANGES[change])}" for change in CHANGES if counts[change]]
    return _("Arcs of {b} beside those of {a}: {counts}.", a=A, b=B, counts=listed(told))


def _foremost(given: PartsOfTwo) -> str:
    """The first of all changed arcs; "" where none has changed."""
    arcs = ordered(given, *(change for change in CHANGES if change != "same"))
    if not arcs:
        return ""
    return _("The foremost change ({change}): {name}.", change=_(CHANGES[arcs[0].change]), name=named(given, arcs[0]))


def _of_depth(given: PartsOfTwo) -> str:
    """Where the arcs and words of another model are drawn; "" for one model."""
    if given.one_model:
        return ""
    return _("The models differ: what {a} has is drawn on the layers of {b}, at the same relative depth.", a=A, b=B)


def ordered(given: PartsOfTwo, *changes: str) -> list[ArcOfTwo]:
    """The arcs that became one of these: the chosen token's first, then by how much the weight changed."""
    own = [arc for arc in given.arcs if arc.change in changes]
    return sorted(own, key=lambda arc: (arc.looking != given.chosen, -abs(arc.grown)))


def _few(names: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(names) - _NAMED
    rest = [ngettext("{count} more", "{count} more", more)] if more > 0 else []
    return listed([*names[:_NAMED], *rest])


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


def named_word(word: WordOfTwo) -> str:
    """A word in words, with its layer and its probability in both runs."""
    values = {"token": quoted(word.word.label), "weights": word.numbers}
    if word.a and word.b and word.a.layer != word.b.layer:
        return _("{token} {weights} after layer {layer}, in {a} after layer {other}",
                 layer=word.b.layer, a=A, other=word.a.layer, **values)  # fmt: skip
    return _("{token} {weights} after layer {layer}", layer=word.word.layer, **values)


def _of_next(given: PartsOfTwo) -> str:
    """The likeliest next token of each run."""
    predicting = [run for run in (A, B) if given.known(run)]
    if len(predicting) < 2:
        return _of_one_next(given, *predicting)
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


def _of_one_next(given: PartsOfTwo, run: str = "") -> str:
    """The likeliest next token where only one run predicts any; "" where neither does."""
    if not run:
        return ""
    found = given.best[0]  # it is in the order of the one that predicts
    return _(
        "The likeliest next token in {run} is {token} ({share}); {other} predicts no token.",
        run=run,
        token=quoted(found.label),
        share=percent(found.a if run == A else found.b),
        other=B if run == A else A,
    )


def _shares(given: NextOfTwo) -> str:
    """Its probability in both runs, as far as it is known."""
    if isnan(given.a) or isnan(given.b):
        return percent(given.b if isnan(given.a) else given.a)
    return _("{a} {share}, {b} {other}", a=A, b=B, share=percent(given.a), other=percent(given.b))


def explained(given: PartsOfTwo) -> tuple[str, ...]:
    """How the figure is read: what is compared with what, and what its signs and strokes mean."""
    signs = _(
        "{a} is the first run, {b} the second, whose lines are drawn. + with a solid line: new, {a} has no such arc "
        "among its strongest. × with a dashed line: gone, {b} has none such. ▲ with a solid line and ▼ with a "
        "dash-dotted one: stronger and weaker, by {least} of attention or more. Grey with a dot: changed by less. The "
        "chosen token's arcs are thick. Numbers with an arrow go from {a} to {b}. Changes are in the order of their "
        "size, the chosen token's first; a weight that is not known counts as 0 there.",
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
    if not (given.known(A) and given.known(B)) or not any(isnan(each.a) or isnan(each.b) for each in given.best):
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
