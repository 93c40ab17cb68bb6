"""What a passage is made of: lines, arcs, words and steps, checked against each other, and how wide each line is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from anatomy.language import _

STEPS = 5
WHOLE = 24  # tokens of a text up to which each has a line


@dataclass(frozen=True)
class Line:
    """One token's line.

    place  position in the text
    label  the token
    leads  what the model predicts there, "" where it predicts nothing
    share  its probability; NaN where it predicts nothing
    added  the token was generated, not typed
    """

    place: int
    label: str
    leads: str = ""
    share: float = float("nan")
    added: bool = False


@dataclass(frozen=True)
class Arc:
    """What one token takes from another in one head. looking and looked are numbers of lines.

    weight  attention weight (probability)
    share   length of weight × value, through the output projection, over the length of the stream that it is added to
    chosen  the looking line is the chosen one
    told    words that stand at it in the picture; "" for none
    """

    layer: int
    head: int
    looking: int
    looked: int
    weight: float
    share: float
    chosen: bool
    told: str = ""


@dataclass(frozen=True)
class Word:
    """What the chosen line would say if the model stopped after this layer. answer: it is what the model predicts in
    the end."""

    layer: int
    label: str
    probability: float
    answer: bool


@dataclass(frozen=True)
class Step:
    """One of the steps that the figure is told in.

    over    its words above the figure
    title   heading of its card
    says    one or two sentences, computed for this text; strong: parts of them that stand out
    links   (words, id of a panel) of the stages where it can be seen in full
    """

    over: str
    title: str
    says: str
    strong: tuple[str, ...]
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Parts:
    """lines in the order of the text; lengths: L2 norm of each line's stream, entering layer 0 and leaving each layer.

    arcs     in the order of the layers; those of one layer in the order of the lines
    words    under the chosen line, in the order of the layers
    chosen   number of the chosen line
    tokens   of the whole text: where lines leave positions out, those between are drawn as a band
    best     (label, probability) of the likeliest next tokens after the chosen one, best first; empty without an output
    after    heading of `best`
    end      what a line ends in where the model predicts nothing: "384 numbers"; "" else
    goes_on  one of `best` can be added to the text
    steps    five
    notes    sentences beneath the figure: what widths, arcs and words mean, and what is left out
    best_ids rows of the vocabulary of `best`
    added    how many of the tokens were generated
    opens    id of the panel in which an "arc", a "stream", a "word" or a prediction ("next") is seen in full

    ValueError where there is no line or no layer, lengths do not fit the lines, lines, arcs or words are out of order
    or outside of the text, the lines or the layers, an arc is wrongly said to be the chosen line's, or steps are not
    five.
    """

    lines: tuple[Line, ...]
    lengths: Float[np.ndarray, "line stream"]
    arcs: tuple[Arc, ...]
    words: tuple[Word, ...]
    chosen: int
    tokens: int
    best: tuple[tuple[str, float], ...]
    after: str
    end: str
    goes_on: bool
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    opens: Mapping[str, str] = field(default_factory=dict)
    best_ids: tuple[int, ...] = ()
    added: int = 0

    def __post_init__(self) -> None:
        if self.lengths.ndim != 2 or len(self.lengths) != len(self.lines) or self.layers < 1:
            shape = (len(self.lines), "layers + 1")
            raise ValueError(f"lengths are {self.lengths.shape}, the lines say {shape}")
        if not 0 <= self.chosen < len(self.lines):
            raise ValueError(f"the chosen line {self.chosen} is outside of {len(self.lines)} lines")
        if len(self.steps) != STEPS:
            raise ValueError(f"there are {len(self.steps)} steps, the passage is told in {STEPS}")
        if self.goes_on and len(self.best_ids) != len(self.best):
            raise ValueError(f"{len(self.best)} tokens can be added, and {len(self.best_ids)} ids are given")
        _check_lines(self)
        _check_arcs(self)
        _check_words(self)

    @property
    def layers(self) -> int:
        """How many the lines pass."""
        return self.lengths.shape[1] - 1

    def called(self, line: int, written: Callable[[str], str] = str) -> str:
        """A line's token, with its position where other lines have the same. written: how the token is."""
        own = self.lines[line]
        if sum(each.label == own.label for each in self.lines) == 1:
            return written(own.label)
        return _("{token} at position {pos}", token=written(own.label), pos=own.place)


def _check_lines(given: Parts) -> None:
    places = [line.place for line in given.lines]
    outside = next((place for place in places if not 0 <= place < given.tokens), None)
    if outside is not None:
        raise ValueError(f"a line stands at position {outside} of {given.tokens} tokens")
    odd = next((two for one, two in pairwise(places) if two <= one), None)
    if odd is not None:
        raise ValueError(f"the line at position {odd} is not in the order of the text")


def _check_arcs(given: Parts) -> None:
    for arc in given.arcs:
        lines = (arc.looking, arc.looked)
        if not 0 <= arc.layer < given.layers or not all(0 <= line < len(given.lines) for line in lines):
            raise ValueError(f"{arc} is outside of {given.layers} layers and {len(given.lines)} lines")
        if arc.chosen != (arc.looking == given.chosen):
            raise ValueError(f"{arc} is {'' if arc.chosen else 'not '}said to be the chosen line's, {given.chosen}")
    for one, two in pairwise(given.arcs):
        if (two.layer, two.looking) < (one.layer, one.looking):
            raise ValueError(f"{two} is not in the order of the layers and lines")


def _check_words(given: Parts) -> None:
    outside = next((word for word in given.words if not 0 <= word.layer < given.layers), None)
    if outside is not None:
        raise ValueError(f"{outside} is outside of {given.layers} layers")
    odd = next((two for one, two in pairwise(given.words) if two.layer < one.layer), None)
    if odd is not None:
        raise ValueError(f"{odd} is not in the order of the layers")


def widths(given: Parts) -> Float[np.ndarray, "line stream"]:
    """How wide each line is drawn, from 0 to 1: its place on the logarithmic scale from the smallest to the largest
    length of the figure. Lengths that are 0 or no number are 0, endless ones 1; 0.5 where all are equally long."""
    lengths = np.nan_to_num(given.lengths.astype(np.float64), nan=0.0, posinf=np.inf)
    there = (lengths > 0) & np.isfinite(lengths)
    logs = np.log10(lengths, out=np.zeros_like(lengths), where=there)  # [line stream]
    low, high = (float(end(logs[there])) for end in (np.min, np.max)) if there.any() else (0.0, 0.0)
    scaled = np.full_like(logs, 0.5) if high == low else (logs - low) / (high - low)
    return np.select([there, lengths > 0], [scaled, np.ones_like(logs)], 0.0)


def gaps(given: Parts) -> tuple[tuple[int, int, int], ...]:
    """The runs of positions that no line stands for, as (number of the line before which it stands, first position,
    last position); the number after the last line is that of all lines."""
    ends = (-1, *(line.place for line in given.lines), given.tokens)
    return tuple((i, one + 1, other - 1) for i, (one, other) in enumerate(pairwise(ends)) if other - one > 1)
