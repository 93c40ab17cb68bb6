"""How long each token's vector in the residual stream is, from the embedding through every layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.control import Control
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_at, largest_place
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from anatomy.words import Words, averaged
from panels.common import joined
from panels.common.joined import note, words_of
from panels.common.shared import FIRST, NORM_SCALE, WORDS
from panels.common.snippet import LAYERS, opening
from panels.panel import Panel, Table
from viz import nouns
from viz.format import number, quoted
from viz.lines import Lines, banded
from viz.marks import Stands

_PRE, _POST = Want("norm_pre"), Want("norm_post")
_LISTED = 4  # terms of a mean that the formula writes out


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Lengths entering and leaving every layer."""
    return (_PRE, _POST)


def idle(spec: ModelSpec, view: Fitted) -> Sequence[Control]:
    """The first token is always drawn where it is chosen."""
    return (FIRST,) if view.pos == 0 else ()


@dataclass(frozen=True)
class Longest:
    """The longest stream of the text.

    label   of its token or word; None for the text's first token
    place   where it is so long: 0 before layer 0, then after each layer
    norm    its length there (L2 norm)
    median  of the others' lengths there
    """

    label: str | None
    place: int
    norm: float
    median: float

    @classmethod
    def of(cls, norm: Float[np.ndarray, "word place"], words: Words, tokens: tuple[Token, ...]) -> "Longest | None":
        """The longest of a whole text's words; None for a word alone."""
        if len(norm) < 2:
            return None
        word, place = largest_place(norm)
        label = None if words.ends[word] == 1 else words.label(tokens, word)
        return cls(label, place, float(norm[word, place]), float(np.median(np.delete(norm[:, place], word))))


@dataclass(frozen=True)
class Streams:
    """Lengths of streams: a line per token, or per word, which is then the mean of its tokens.

    norm         L2 norm as each line enters layer 0, then as it leaves each layer
    labels       one per line
    begins       the token of the text that each line begins with; of the chosen line the chosen token
    chosen       the line of the chosen token
    parts        the same of each token of the chosen line
    first        whether the text's first token is on line 0
    longest      of the whole text, what is not drawn too; None for a token or word alone
    words        which tokens of the whole text are one word; None where lines are tokens
    logarithmic  whether lengths are drawn on a log scale
    d_model      how many numbers a length is of
    """

    norm: Float[np.ndarray, "line place"]
    labels: tuple[str, ...]
    begins: tuple[int, ...]
    chosen: int
    parts: Float[np.ndarray, "token place"]
    first: bool
    longest: Longest | None
    words: Words | None
    logarithmic: bool
    d_model: int

    @property
    def own(self) -> Float[np.ndarray, " place"]:
        """The chosen line."""
        return self.norm[self.chosen]

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return self.norm.shape[1] - 1

    @property
    def marked(self) -> int | None:
        """The first token's line, where it is not the chosen one's own; None for none."""
        return 0 if self.first and self.chosen != 0 else None


def read(trace: Trace, view: Fitted) -> Streams:
    """A line per token or word; none for the first token where the reader leaves it out, unless it is chosen."""
    norm = np.concatenate([trace[_PRE][:1], trace[_POST]]).T  # [pos place]
    words = words_of(trace, view)
    lines = averaged(norm, words)
    start = 0 if view[FIRST] or view.pos == 0 else 1
    drawn = words_of(trace, view, start) if start else words
    chosen, labels = drawn.of(view.pos - start), drawn.labels(trace.tokens[start:])
    return Streams(
        norm=averaged(norm[start:], drawn) if start else lines,
        labels=labels,
        begins=tuple(view.pos if i == chosen else start + first for i, first in enumerate(drawn.starts)),
        chosen=chosen,
        parts=norm[start:][list(drawn.tokens(chosen))],
        first=start == 0,
        longest=Longest.of(lines, words, trace.tokens),
        words=words if view[WORDS] else None,
        logarithmic=view[NORM_SCALE] == "log",
        d_model=trace.spec.d_model,
    )


def draw(streams: Streams) -> Lines:
    """A line per token or word over the layers; for long texts the range and median of the others."""
    logarithmic = streams.logarithmic
    return Lines(
        values=streams.norm,
        names=streams.labels,
        places=(_("in"), *map(str, range(streams.layers))),
        chosen=streams.chosen,
        marked=streams.marked,
        x_axis=_("after layer (in: before layer 0)"),
        y_axis=_("length of the stream (L2 norm, log scale)") if logarithmic else _("length of the stream (L2 norm)"),
        lead=True,
        logarithmic=logarithmic,
        stands=(Stands("pos", streams.begins), Stands.each("layer", streams.layers, before=1)),
    )


def caption(streams: Streams) -> str:
    """The chosen token's length at both ends, the longest stream of the text, and what is drawn."""
    ends = _(
        "{token} enters with length {start} and leaves layer {layer} with {end}.",
        token=quoted(streams.labels[streams.chosen]),
        start=number(float(streams.own[0])),
        layer=streams.layers - 1,
        end=number(float(streams.own[-1])),
    )
    return " ".join(part for part in (ends, _longest(streams.longest), _band(streams), _joined(streams.words)) if part)


def _longest(longest: Longest | None) -> str:
    """Whose stream is the longest anywhere, against the median of the others at that place."""
    if longest is None:
        return ""
    place, median = longest.place, longest.median
    values = {
        "name": _("the first token") if longest.label is None else quoted(longest.label),
        "top": number(longest.norm),
        "where": _("before layer 0") if place == 0 else _("after layer {layer}", layer=place - 1),
    }
    if median <= 0:
        return _("The longest is {name} with {top} {where}.", **values)
    times = number(longest.norm / median, 2)
    if times == number(1.0, 2):
        return _("The longest is {name} with {top} {where}, hardly longer than the median of the others.", **values)
    return _("The longest is {name} with {top} {where}, {times} × the median of the others.", **values, times=times)


def _band(streams: Streams) -> str:
    """What became of the lines that are not drawn one by one."""
    if not banded(len(streams.labels)):
        return ""
    count = len(streams.labels) - 1 - (streams.marked is not None)
    if streams.words is not None:
        return ngettext(
            "The {count} other word is drawn as its range and median.",
            "The {count} other words are drawn as their range and median.",
            count,
        )
    return ngettext(
        "The {count} other token is drawn as its range and median.",
        "The {count} other tokens are drawn as their range and median.",
        count,
    )


def _joined(words: Words | None) -> str:
    """How several tokens became one word."""
    if words is None:
        return ""
    return note(words, _("Tokens of one word are joined: their lengths are averaged."))


def table(streams: Streams) -> Table:
    """One row per place: the chosen token or word, and the smallest, middle and largest of all that are drawn."""
    return Table.of(
        (_("after layer"), (_("in"), *range(streams.layers))),
        (_("chosen token (L2 norm)") if streams.words is None else _("chosen word (mean L2 norm)"), streams.own),
        (_("smallest"), streams.norm.min(axis=0)),
        (_("median"), np.median(streams.norm, axis=0)),
        (_("largest"), streams.norm.max(axis=0)),
    )


def formula(streams: Streams) -> str:
    """What a length is, the mean that a word's is, and the step that changes the chosen one's most."""
    own = streams.own
    layer = largest_at(np.abs(np.diff(np.log(np.maximum(own, 1e-30)))))
    ends = _(
        "{token} enters with ‖x‖ = {start} and leaves layer {layer} with {end}",
        token=quoted(streams.labels[streams.chosen]),
        start=number(float(own[0])),
        layer=streams.layers - 1,
        end=number(float(own[-1])),
    )
    size = f"‖x‖ = √(x₁² + x₂² + …), {nouns.numbers(streams.d_model)}"
    return "\n".join((size, *_mean_lines(streams.parts), ends, _step(layer, float(own[layer]), float(own[layer + 1]))))


def _mean_lines(parts: Float[np.ndarray, "token place"]) -> list[str]:
    """The mean over the tokens of the chosen word, at both ends; nothing for a token alone."""
    count = len(parts)
    if count == 1:
        return []
    start, end = (_mean(parts[:, place]) for place in (0, -1))
    return [
        ngettext(
            "mean over its {count} token: {start}; {end}",
            "mean over its {count} tokens: {start}; {end}",
            count,
            start=start,
            end=end,
        )
    ]


def _mean(values: Float[np.ndarray, " token"]) -> str:
    """(a + b + …) / n = mean, the first few written out."""
    listed = " + ".join(number(float(value)) for value in values[:_LISTED])
    more = " + …" if len(values) > _LISTED else ""
    return f"({listed}{more}) / {len(values)} = {number(float(values.mean()))}"


def _step(layer: int, before: float, after: float) -> str:
    values = {"layer": layer, "before": number(before), "after": number(after)}
    if before <= 0:
        return _("largest step: layer {layer}, {before} → {after}", **values)
    return _("largest step: layer {layer}, {before} → {after}, × {times}", **values, times=number(after / before))


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The lengths of every token's, or word's, stream: entering the first layer, then leaving each."""
    return f"""{opening(spec, view)}
{LAYERS}
streams = []
layers[0].register_forward_pre_hook(
    lambda layer, given, named: streams.append(given[0] if given else named["hidden_states"]), with_kwargs=True
)
for layer in layers:
    layer.register_forward_hook(lambda layer, given, out: streams.append(out[0] if isinstance(out, tuple) else out))
with torch.no_grad():
    model(**inputs)

result = torch.stack([stream[0].norm(dim=-1) for stream in streams], dim=1)  # [pos, layers + 1]
{_merged(view)}"""


def _merged(view: Fitted) -> str:
    """The program's end: the means of words where words are shown."""
    if not view[WORDS]:
        return f"print(result[{view.pos}])\n"
    whole = view[FIRST] or view.pos == 0
    rest = "" if whole else "words = [slice(max(word.start, 1), word.stop) for word in words if word.stop > 1]\n"
    means = "result = torch.stack([result[word].mean(dim=0) for word in words])  # [word, layers + 1]\nprint(result)\n"
    return f"{joined.program(view)}{rest}{means}"


PANEL = Panel(
    id="residual",
    stage="residual",
    order=0,
    name=N_("Length"),
    title=N_("How does the stream grow?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(FIRST, NORM_SCALE, WORDS),
    idle=idle,
)
