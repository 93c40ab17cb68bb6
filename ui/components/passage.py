"""The passage on the page: `viz.passage.Passage` packed for passage.js, and what the reader opens or chooses in it."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args
from zlib import crc32

import numpy as np

from anatomy.language import _, spaced
from ui.components import callback, register
from viz import nouns
from viz.format import number, percent, quoted, signed_percent, thousands
from viz.passage import Arc, Passage, explained, gaps, widths

# What the reader did. "line": chose a token. The others ask for something to be opened, or for a token to be added.
What = Literal["line", "stream", "arc", "word", "next", "best", "link", "step"]
_WHATS: dict[str, What] = {what: what for what in get_args(What)}
_OF_LINES = ("line", "stream", "next")  # mean the same as long as the lines stay the same
_OPENED = ("stream", "arc", "word", "next")
BEST = 5  # of the likeliest next tokens, at most
SCRIPTS = ("passage_place.js", "passage_draw.js")
HTML = """<figure>
<div class="stage"><div class="overs" role="group"></div><div class="tokens" role="listbox"></div>
<svg tabindex="0" role="application"></svg><div class="marks" aria-hidden="true"></div>
<div class="best" role="group"><p></p><div></div></div></div>
<p class="readout"></p><p class="live hidden" aria-live="polite"></p>
<ol class="cards"></ol><details class="notes"><summary></summary><div></div></details></figure>"""
_MOUNT = register("passage", HTML, *SCRIPTS)


def show(passage: Passage, alt: str, key: str, chosen: Callable[[str, int, str], None]) -> None:
    """The passage, as wide as its place; it stands upright where that is narrow.

    chosen  called with what the reader did, to which one, and where to:

    "line"    number of a line: its token is to be chosen
    "stream"  number of a line, and a layer: its residual stream there is to be opened
    "arc"     number of an arc, and its layer
    "word"    number of a word, and its layer
    "next"    number of a line: what is predicted there is to be opened
    "best"    number of one of `passage.best`: it is to be added to the text
    "link"    number of a step, and the id of a panel
    "step"    number of a step, and the id of the panel of its first link

    A layer comes in digits; where there is nothing to say where to, it is "".
    """

    def call(sent: Mapping[str, Any]) -> None:
        meant = action_on(passage, sent)
        if meant is not None:
            chosen(*meant)

    _MOUNT(key=key, data=pack(passage, alt), on_act_change=callback(key, "act", call))


def action_on(passage: Passage, sent: Mapping[str, Any]) -> tuple[What, int, str] | None:
    """What the reader did to this passage, as `show` hands it on. None where it was done to another one, and was on its
    way when the picture changed, or where this one has no such thing."""
    what, at, to = _WHATS.get(str(sent.get("what"))), int(sent.get("at", -1)), str(sent.get("to", ""))
    of = of_lines(passage) if what in _OF_LINES else identity(passage)
    if what is None or sent.get("of") != of or not 0 <= at < _count(passage, what):
        return None
    if (what in _OPENED and what not in passage.opens) or (what == "best" and not passage.goes_on):
        return None
    if what == "stream":
        return what, at, str(min(int(to) if to.isdecimal() else 0, passage.layers - 1))
    if what in ("arc", "word"):
        return what, at, str((passage.arcs if what == "arc" else passage.words)[at].layer)
    if what in ("link", "step"):
        panels = [panel for _words, panel in passage.steps[at].links]
        panel = to if what == "link" else next(iter(panels), "")
        return (what, at, panel) if panel in panels else None
    return what, at, ""


def _count(passage: Passage, what: What) -> int:
    """How many there are of what the reader can act on."""
    if what in ("link", "step"):
        return len(passage.steps)
    if what == "best":
        return len(passage.best[:BEST])
    return len({"arc": passage.arcs, "word": passage.words}.get(what, passage.lines))


def of_lines(passage: Passage) -> int:
    """A number that is another one where the numbers of lines mean other tokens."""
    return crc32(repr((passage.tokens, passage.layers, [(line.place, line.label) for line in passage.lines])).encode())


def identity(passage: Passage) -> int:
    """A number that is another one where an arc, a word, a next token or a step means something else."""
    arcs = [(arc.layer, arc.head, arc.looking, arc.looked) for arc in passage.arcs]
    words = [(word.layer, word.label) for word in passage.words]
    best = list(zip(passage.best[:BEST], passage.best_ids or passage.best, strict=False))
    links = [step.links for step in passage.steps]
    whole = (
        of_lines(passage),
        passage.chosen,
        arcs,
        words,
        best,
        passage.goes_on,
        links,
        sorted(passage.opens.items()),
    )
    return crc32(repr(whole).encode())


def pack(passage: Passage, alt: str) -> dict[str, Any]:
    """What passage.js draws, without objects; numbers that are read are words already."""
    return {
        "of": identity(passage),
        "same": of_lines(passage),
        "alt": alt,
        "layers": passage.layers,
        "chosen": passage.chosen,
        "lines": [
            (line.label, line.place, line.leads, percent(line.share) if line.leads else "", int(line.added))
            for line in passage.lines
        ],
        "called": [passage.called(line, quoted) for line in range(len(passage.lines))],
        "sizes": np.rint(100 * widths(passage)).astype(int).tolist(),
        "lengths": [[number(float(length)) for length in row] for row in passage.lengths],
        "arcs": [_arc(arc) for arc in passage.arcs],
        "words": [(word.layer, word.label, percent(word.probability), int(word.answer)) for word in passage.words],
        "best": [
            (label, percent(probability), 0.0 if math.isnan(probability) else round(probability, 4))
            for label, probability in passage.best[:BEST]
        ],
        "gaps": [gap_words(*gap) for gap in gaps(passage)],
        "after": passage.after,
        "end": passage.end,
        "goes_on": passage.goes_on,
        "opens": sorted(passage.opens),
        "steps": [
            (step.over, step.title, pieces(spaced(step.says), step.strong), step.links) for step in passage.steps
        ],
        "notes": [spaced(note) for note in explained(passage)],
        "last": thousands(passage.tokens - 1),
        "say": _sentences(passage.tokens),
    }


def _arc(arc: Arc) -> tuple[object, ...]:
    weight, share = percent(arc.weight), signed_percent(arc.share)
    wide = round(min(1.0, float(np.nan_to_num(arc.share))), 3)
    return arc.layer, arc.head, arc.looking, arc.looked, weight, share, wide, int(arc.chosen), arc.told


def gap_words(before: int, first: int, last: int) -> tuple[int, str, str]:
    """Positions that no line stands for: number of the line before which they stand, how many, which."""
    many = "… " + nouns.tokens(last - first + 1)
    if first == last:
        return before, many, _("Position {place} is not drawn.", place=thousands(first))
    return before, many, _("Positions {first} to {last} are not drawn.", first=thousands(first), last=thousands(last))


def pieces(says: str, strong: tuple[str, ...]) -> list[tuple[str, int]]:
    """A sentence in pieces, each with 1 where it stands out (the strong parts and what is quoted), 0 elsewhere."""
    left, right = (re.escape(mark) for mark in quoted("\0").split("\0"))
    parts = [re.escape(part) for part in sorted(filter(None, strong), key=len, reverse=True)]
    out = re.compile("|".join([*parts, f"{left}.[^{left}{right}]*{right}"]), flags=re.DOTALL)
    found, at = [], 0
    for match in out.finditer(says):
        found += [(says[at : match.start()], 0), (match.group(), 1)]
        at = match.end()
    return [piece for piece in [*found, (says[at:], 0)] if piece[0]]


def _sentences(tokens: int) -> dict[str, str]:
    """What passage.js says of a text of so many tokens, with places that it fills."""
    return {
        "kind": _("picture with marks"),
        "hint": _(
            "A line is a token on its way through the layers, an arc what it takes from another one, a word under it "
            "what it would say so far. Point at any to read it (or tap it), click to open it (or tap again); with the "
            "keyboard: arrows, Page Up and Page Down by layers, Enter."
        ),
        "notes": _("What is drawn, and what is left out"),
        "layer": _("layer"),
        "tokens": _("Tokens of the text"),
        "token": _("{label}, position {at}") if tokens == 1 else _("{label}, position {at} of 0 to {last}"),
        "stream": _("The line of {token} leaves layer {layer} with a length of {length}."),
        "arc": _(
            "Layer {layer}, head {head}: {token} gives {weight} of its attention to {other}; what it takes from there "
            "is {share} of its line's length."
        ),
        "word": _("If the model stopped after layer {layer}, the line of {token} would say “{label}” ({percent})."),
        "answer": _(
            "If the model stopped after layer {layer}, the line of {token} would say “{label}” ({percent}), as it does "
            "in the end."
        ),
        "next": _("At {token} the model predicts “{label}” ({percent})."),
        "end": _("The line of {token} ends in {end}."),
        "add": _("Add “{label}” to the text ({percent})."),
        "steps": _("The steps"),
        "adds": _("click to add it to the text"),
        "shows": _("click to see all of them"),
    }
