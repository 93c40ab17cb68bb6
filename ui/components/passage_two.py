"""The passages of two runs on the page: `viz.passage_two.PassageOfTwo` packed for passage_two.js."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from anatomy.language import _, ngettext, spaced
from ui.components import register
from ui.components.passage import gap_words
from viz import nouns
from viz.format import listed, percent
from viz.passage_parts import Line, gaps, widths
from viz.passage_two import PassageOfTwo
from viz.passage_two_parts import CHANGES, SIGNS, A, B, Change, TokenOfTwo, from_to
from viz.passage_two_picture import foremost
from viz.passage_two_words import explained, meaning, named, named_word, ordered

LISTED = 6  # changes of a kind that stand in its list
HTML = """<figure>
<p class="says"></p>
<div class="stage"><svg role="img"></svg><div class="marks" aria-hidden="true"></div></div>
<p class="readout"></p><div class="lists"></div>
<div class="best"><p></p><ul></ul></div>
<details class="notes"><summary></summary><div></div></details></figure>"""
_MOUNT = register("passage_two", HTML)


def show(two: PassageOfTwo, alt: str, key: str) -> None:
    """The figure, as wide as its place; tokens stand above their lines where that is narrow. Nothing can be chosen in
    it: what is pointed at, or reached in a list by the keyboard, is read out."""
    _MOUNT(key=key, data=pack(two, alt))


def pack(two: PassageOfTwo, alt: str) -> dict[str, Any]:
    """What passage_two.js draws, without objects; numbers that are read are words already."""
    merged, told = two.merged, set(foremost(two))
    return {
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
        "best": [(each.label, [_share(A, each.a), _share(B, each.b)]) for each in two.best],
        "after": two.after,
        "gaps": [gap_words(*each) for each in gaps(merged)],
        "groups": [group for change in CHANGES if (group := _group(two, change))],
        "notes": [spaced(note) for note in explained(two)],
        "say": {
            "hint": _(
                "Point at an arc or a word to read it (or tap it); with the keyboard: the lists below, and arrows."
            ),
            "notes": _("What is drawn, and how to read it"),
            "layer": _("layer"),
        },
    }  # fmt: skip


def _row(row: TokenOfTwo) -> tuple[str, ...]:
    """A token: its label, what it was, the run that alone has it, both in words; then what is predicted there in B,
    its probability in A and B, and what A predicts where that is another token."""
    was = _("was {token}", token=row.was) if row.was else ""
    alone = _("only in {run}", run=row.lone) if row.lone else ""
    title = " ".join(filter(None, (row.line.label, was, alone)))
    one, other = (line if line and line.leads else None for line in (row.a, row.b))
    if one and other and one.leads == other.leads:
        return row.line.label, was, row.lone, title, other.leads, from_to(one.share, other.share), ""
    leads = other or one
    before = f"{A} {one.leads} {percent(one.share)}" if one and other else ""
    return row.line.label, was, row.lone, title, *_leads(leads), before


def _leads(line: Line | None) -> tuple[str, str]:
    return (line.leads, percent(line.share)) if line else ("", "")


def _share(run: str, share: float) -> tuple[str, str, float]:
    """A likely next token's probability in one run, in words and as a number."""
    return run, percent(share), 0.0 if math.isnan(share) else round(share, 4)


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
