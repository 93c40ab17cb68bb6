"""The passages of two runs on the page: `viz.passage_two.PassageOfTwo` packed for passage_two.js."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args
from zlib import crc32

import numpy as np

from anatomy.language import _, ngettext, spaced
from ui.components import callback, register
from ui.components.passage import gap_words
from viz import nouns
from viz.format import listed, percent
from viz.passage_parts import Line, gaps, widths
from viz.passage_two import PassageOfTwo
from viz.passage_two_parts import CHANGES, SIGNS, A, B, Change, NextOfTwo, TokenOfTwo, from_to
from viz.passage_two_picture import foremost
from viz.passage_two_words import explained, meaning, named, named_word, ordered

# What the reader did. "line": chose a token. "arc": asked for an arc to be opened.
Act = Literal["line", "arc"]
_ACTS: dict[str, Act] = {what: what for what in get_args(Act)}
LISTED = 6  # changes of a kind that stand in its list
HTML = """<figure>
<p class="says"></p>
<div class="stage"><div class="tokens" role="listbox"></div>
<svg role="img"></svg><div class="marks" aria-hidden="true"></div></div>
<p class="readout"></p><div class="lists"></div>
<div class="best"><p></p><ul></ul></div>
<details class="notes"><summary></summary><div></div></details></figure>"""
_MOUNT = register("passage_two", HTML)


def show(two: PassageOfTwo, alt: str, key: str, chosen: Callable[[Act, int], None]) -> None:
    """The figure, as wide as its place; tokens stand above their lines where that is narrow.

    chosen  called with what the reader did, and to which row or arc: "line" for a token that is to be chosen, "arc" for
            an arc that is to be opened
    """

    def call(sent: Mapping[str, Any]) -> None:
        meant = action_on(two, sent)
        if meant is not None:
            chosen(*meant)

    _MOUNT(key=key, data=pack(two, alt), on_act_change=callback(key, "act", call))


def action_on(two: PassageOfTwo, sent: Mapping[str, Any]) -> tuple[Act, int] | None:
    """What the reader did to this figure, as `show` hands it on. None where it was done to another one, or to what A
    does not have."""
    what, at = _ACTS.get(str(sent.get("what"))), int(sent.get("at", -1))
    if what is None or sent.get("of") != identity(two):
        return None
    reached = _reached(two)[what]
    return (what, at) if 0 <= at < len(reached) and reached[at] else None


def identity(two: PassageOfTwo) -> int:
    """A number that is another one where the number of a row or an arc means something else."""
    rows = [(two.place(row), each.line.place, each.marked) for row, each in enumerate(two.rows)]
    arcs = [(arc.layer, arc.looking, arc.looked, two.seen(at)) for at, arc in enumerate(two.arcs)]
    return crc32(repr((two.tokens, two.chosen, rows, arcs)).encode())


def _reached(two: PassageOfTwo) -> dict[Act, list[int]]:
    """Of each row and arc 1 where A has it, so that it can be chosen or opened; else 0."""
    return {
        "line": [int(two.place(row) is not None) for row in range(len(two.rows))],
        "arc": [int(two.seen(at) is not None) for at in range(len(two.arcs))],
    }


def pack(two: PassageOfTwo, alt: str) -> dict[str, Any]:
    """What passage_two.js draws, without objects; numbers that are read are words already."""
    merged, told = two.merged, set(foremost(two))
    return {
        "of": identity(two),
        "can": _reached(two),
        "alt": alt,
        "caption": spaced(two.caption),
        "layers": two.layers,
        "chosen": two.chosen,
        "rows": [_row(row) for row in two.rows],
        "sizes": np.rint(100 * widths(merged)).astype(int).tolist(),
        "arcs": [
            (
                arc.layer,
                arc.looking,
                arc.looked,
                arc.change,
                SIGNS[arc.change],
                f"{_(CHANGES[arc.change])}: {named(two, arc)}",
                arc.numbers if at in told else "",
            )
            for at, arc in enumerate(two.arcs)
        ],
        "words": [
            (
                word.layer,
                word.word.label,
                word.change,
                SIGNS[word.change],
                f"{_(CHANGES[word.change])}: {named_word(word)}",
            )
            for word in two.words
        ],
        "best": [(each.label, _shares(two, each)) for each in two.best],
        "after": two.after,
        "gaps": [gap_words(*each) for each in gaps(merged)],
        "groups": [group for change in CHANGES if (group := _group(two, change))],
        "notes": [spaced(note) for note in explained(two)],
        "say": {
            "hint": _(
                "Point at an arc or a word to read it (or tap it); click an arc to open it (or tap again), and a token "
                "to choose it; with the keyboard: the tokens and the lists below, arrows and Enter."
            ),
            "notes": _("What is drawn, and how to read it"),
            "layer": _("layer"),
            "tokens": _("Tokens of the text"),
        },
    }  # fmt: skip


def _row(row: TokenOfTwo) -> tuple[str, ...]:
    """A token: its label, what it was, the run that alone has it, both in words; then what is predicted there in B,
    its probability in A and B, and what A predicts where that is another token. What A alone predicts has its mark."""
    was = _("was {token}", token=row.was) if row.was else ""
    alone = _("only in {run}", run=row.lone) if row.lone else ""
    title = " ".join(filter(None, (row.line.label, was, alone)))
    one, other = (line if line and line.leads else None for line in (row.a, row.b))
    if one and other and one.leads == other.leads:
        return row.line.label, was, row.lone, title, other.leads, from_to(one.share, other.share), ""
    leads = (other.leads, percent(other.share)) if other else ("", "")
    return row.line.label, was, row.lone, title, *leads, _of_a(one)


def _of_a(line: Line | None) -> str:
    return f"{A} {line.leads} {percent(line.share)}" if line else ""


def _shares(two: PassageOfTwo, each: NextOfTwo) -> list[tuple[str, str, float | None]]:
    """A likely next token's probability in each run that predicts any, in words and as a number; None where it is not
    among those that are known."""
    found = []
    for run, share in ((A, each.a), (B, each.b)):
        known = two.known(run)
        if math.isnan(share) and known:
            out = ngettext("not among its first {count}", "not among its first {count}", known)
            found.append((run, out, None))
        elif known:
            found.append((run, percent(share), round(share, 4)))
    return found


def _group(two: PassageOfTwo, change: Change) -> tuple[str, str, str, list[tuple[str, int, str]], str] | None:
    """A kind of change, its sign, its heading with how many there are, the foremost of them, and how many more; None
    where there is nothing of it."""
    places = {id(arc): at for at, arc in enumerate(two.arcs)}
    items = [("arc", places[id(arc)], named(two, arc)) for arc in ordered(two, change)]
    items += [("word", at, named_word(word)) for at, word in enumerate(two.words) if word.change == change]
    if not items:
        return None
    heading = _("{meaning}: {counts}", meaning=meaning(change), counts=_counted(items))
    if change == "same":
        return change, SIGNS[change], heading, [], ""
    more = len(items) - LISTED
    rest = ngettext("and {count} more, in the table", "and {count} more, in the table", more) if more > 0 else ""
    return change, SIGNS[change], heading, items[:LISTED], rest


def _counted(items: Sequence[tuple[str, int, str]]) -> str:
    """How many arcs and how many words there are."""
    arcs = sum(what == "arc" for what, _at, _words in items)
    words = len(items) - arcs
    return listed([nouns.arcs(arcs)] * bool(arcs) + [nouns.words(words)] * bool(words))
