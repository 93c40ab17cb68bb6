"""The words in and beside a passage's plotly picture."""

import numpy as np
from jaxtyping import Float

from anatomy.language import _, ngettext
from viz import nouns
from viz.format import escaped, number, percent
from viz.passage_parts import Parts, gaps
from viz.passage_place import MOST, WIDE, WORDS, Place, begin, margin
from viz.scale import clipped, columns
from viz.theme import FOCUS, MONO, NEUTRAL


def annotations(given: Parts, place: Place) -> list[dict]:
    """Tokens and what they end in, the words at arcs, and those under the chosen line."""
    return [*around(given, place), *_told(given, place), *_words(given, place)]


def explained(given: Parts) -> tuple[str, ...]:
    """The sentences beneath a passage: how wide its lines are, how many arcs it has, then its own notes."""
    arcs = ngettext("{count} arc is drawn.", "{count} arcs are drawn.", len(given.arcs))
    return (f"{wide(given.lengths)} {arcs}" if given.arcs else wide(given.lengths), *given.notes)


def wide(lengths: Float[np.ndarray, "line stream"]) -> str:
    """How wide the lines are."""
    lengths = lengths[np.isfinite(lengths)]
    return _(
        "Lines: as wide as the logarithm of the stream's length (L2 norm), from {low} to {high}.",
        low=number(float(lengths.min(initial=np.inf))),
        high=number(float(lengths.max(initial=-np.inf))),
    )


def around(given: Parts, place: Place) -> list[dict]:
    """The labels of lines and bands on the left, what the lines end in on the right."""
    words = []
    end = {"xanchor": "right", "xshift": margin(given)["r"] - 8}
    for i, line in enumerate(given.lines):
        bold = i == given.chosen
        label = escaped(clipped(line.label, MOST))
        words.append(_side(0, place.lines[i], f"<i>{label}</i>" if line.added else label, bold))
        words.append(_side(1, place.lines[i], escaped(clipped(line.leads or given.end, MOST)), bold))
        if line.leads:
            words.append(_side(1, place.lines[i], percent(line.share), bold) | end)
    left_out = (nouns.tokens(last - first + 1) for _line, first, last in gaps(given))
    bands = zip(place.bands, left_out, strict=True)
    return words + [_side(0, y, f"<i>{escaped(count)}</i>", False) for y, count in bands]


def _side(x: int, y: float, text: str, bold: bool) -> dict:
    """Words beside the layers: left of them at x 0, right of them at x 1."""
    return {
        "x": x,
        "xref": "paper",
        "y": y,
        "text": f"<b>{text}</b>" if bold else text,
        "font": {"family": MONO, "size": 12},
        "showarrow": False,
        "xanchor": "left" if x else "right",
        "xshift": 8 if x else -8,
    }


def _told(given: Parts, place: Place) -> list[dict]:
    """The words at arcs: left of where they begin, or right of it where there is no room."""
    words = []
    for arc in given.arcs:
        start = begin(given, arc)
        room = (start + 0.5) * WIDE / given.layers >= 6.2 * columns(arc.told)
        if arc.told:
            words.append(
                {
                    "x": start,
                    "y": place.lines[arc.looked],
                    "text": f"<b>{escaped(arc.told)}</b>",
                    "font": {"size": 11, "color": FOCUS if arc.chosen else NEUTRAL},
                    "showarrow": False,
                    "xanchor": "right" if room else "left",
                    "xshift": -2 if room else 4,
                    "yshift": 11,
                }
            )
    return words


def _words(given: Parts, place: Place) -> list[dict]:
    """What the chosen line would say, in frames under it; the answer in bold."""
    words = []
    for word, row in zip(given.words, place.words, strict=True):
        label = escaped(clipped(word.label, MOST))
        words.append(
            {
                "x": word.layer,
                "y": place.lines[given.chosen] + 0.75 + WORDS * row,
                "text": f"<b>{label}</b>" if word.answer else label,
                "font": {"family": MONO, "size": 11},
                "bordercolor": FOCUS if word.answer else NEUTRAL,
                "borderpad": 3,
                "showarrow": False,
                "hovertext": percent(word.probability),
            }
        )
    return words
