"""How long each token's vector in the residual stream is, from the embedding through every layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_at, largest_place
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from anatomy.words import averaged
from panels.common import joined
from panels.common.joined import note, words_of
from panels.common.shared import FIRST, NORM_SCALE, WORDS
from panels.common.snippet import LAYERS, opening
from panels.panel import Panel, Table
from viz import nouns
from viz.description import Description
from viz.format import number, quoted
from viz.lines import Lines, banded

_PRE, _POST = Want("norm_pre"), Want("norm_post")
_LISTED = 4  # terms of a mean that the formula writes out


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Lengths entering and leaving every layer."""
    return (_PRE, _POST)


def lengths(trace: Trace) -> Float[np.ndarray, "pos place"]:
    """L2 norm of each token's stream: as it enters layer 0, then as it leaves each layer."""
    return np.concatenate([trace[_PRE][:1], trace[_POST]]).T


@dataclass(frozen=True)
class Streams:
    """What is drawn: a line per token, or per word, which is then the mean of its tokens.

    values   [line place] L2 norm; places as in `lengths`
    labels   one per line
    chosen   the line of the chosen token
    parts    [token place] the lengths of the tokens of the chosen line
    first    whether the text's first token is on line 0
    """

    values: Float[np.ndarray, "line place"]
    labels: tuple[str, ...]
    chosen: int
    parts: Float[np.ndarray, "token place"]
    first: bool


def streams(trace: Trace, view: Fitted) -> Streams:
    """A line per token or word; none for the first token where the reader leaves it out, unless it is chosen."""
    start = 0 if view[FIRST] or view.pos == 0 else 1
    words = words_of(trace, view, start)
    drawn, chosen = lengths(trace)[start:], words.of(view.pos - start)
    parts = drawn[list(words.tokens(chosen))]
    return Streams(averaged(drawn, words), words.labels(trace.tokens[start:]), chosen, parts, start == 0)


def _lines(trace: Trace, view: Fitted, drawn: Streams) -> Lines:
    logarithmic = view[NORM_SCALE] == "log"
    return Lines(
        values=drawn.values,
        names=drawn.labels,
        places=(_("in"), *(str(layer) for layer in range(trace.spec.layers))),
        chosen=drawn.chosen,
        marked=0 if drawn.first and drawn.chosen != 0 else None,
        x_axis=_("after layer (in: before layer 0)"),
        y_axis=_("length of the stream (L2 norm, log scale)") if logarithmic else _("length of the stream (L2 norm)"),
        lead=True,
        logarithmic=logarithmic,
    )


def draw(trace: Trace, view: Fitted) -> Description:
    """A line per token or word over the layers; for long texts the range and median of the others."""
    return _lines(trace, view, streams(trace, view))


def caption(trace: Trace, view: Fitted) -> str:
    """The chosen token's length at both ends, the longest stream of the text, and what is drawn."""
    drawn = streams(trace, view)
    start, end = (number(float(drawn.values[drawn.chosen, place])) for place in (0, -1))
    ends = _(
        "{token} enters with length {start} and leaves layer {layer} with {end}.",
        token=quoted(drawn.labels[drawn.chosen]),
        start=start,
        layer=trace.spec.layers - 1,
        end=end,
    )
    more = (_longest(trace, view), _band(_lines(trace, view, drawn), view), _joined(trace, view))
    return " ".join(part for part in (ends, *more) if part)


def _band(given: Lines, view: Fitted) -> str:
    """What became of the lines that are not drawn one by one."""
    if not banded(given) or not given.others:
        return ""
    count = len(given.others)
    if view[WORDS]:
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


def _joined(trace: Trace, view: Fitted) -> str:
    """How several tokens became one word."""
    if not view[WORDS]:
        return ""
    return note(words_of(trace, view), _("Tokens of one word are joined: their lengths are averaged."))


def _longest(trace: Trace, view: Fitted) -> str:
    """Whose stream is the longest anywhere, against the median of the others at that place."""
    words = words_of(trace, view)
    averages = averaged(lengths(trace), words)
    if len(averages) < 2:
        return ""
    line, place = largest_place(averages)
    median = float(np.median(np.delete(averages[:, place], line)))
    top = float(averages[line, place])
    values = {
        "name": _("the first token") if words.ends[line] == 1 else quoted(words.label(trace.tokens, line)),
        "top": number(top),
        "where": _("before layer 0") if place == 0 else _("after layer {layer}", layer=place - 1),
    }
    if median <= 0:
        return _("The longest is {name} with {top} {where}.", **values)
    times = number(top / median, 2)
    return _("The longest is {name} with {top} {where}, {times} × the median of the others.", **values, times=times)


def table(trace: Trace, view: Fitted) -> Table:
    """One row per place: the chosen token or word, and the smallest, middle and largest of all that are drawn."""
    drawn = streams(trace, view)
    places = (_("in"), *range(trace.spec.layers))
    own = _("chosen word (mean L2 norm)") if view[WORDS] else _("chosen token (L2 norm)")
    return Table(
        (_("after layer"), own, _("smallest"), _("median"), _("largest")),
        tuple(
            (place, float(row[drawn.chosen]), float(row.min()), float(np.median(row)), float(row.max()))
            for place, row in zip(places, drawn.values.T, strict=True)
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """What a length is, the mean that a word's is, and the step that changes the chosen one's most."""
    drawn = streams(trace, view)
    values = drawn.values[drawn.chosen]
    steps = np.abs(np.diff(np.log(np.maximum(values, 1e-30))))
    layer = largest_at(steps)
    ends = _(
        "{token} enters with ‖x‖ = {start} and leaves layer {layer} with {end}",
        token=quoted(drawn.labels[drawn.chosen]),
        start=number(float(values[0])),
        layer=trace.spec.layers - 1,
        end=number(float(values[-1])),
    )
    size = f"‖x‖ = √(x₁² + x₂² + …), {nouns.numbers(trace.spec.d_model)}"
    return "\n".join((size, *_mean_lines(drawn), ends, _step(layer, float(values[layer]), float(values[layer + 1]))))


def _mean_lines(drawn: Streams) -> list[str]:
    """The mean over the tokens of the chosen word, at both ends; nothing for a token alone."""
    count = len(drawn.parts)
    if count == 1:
        return []
    start, end = (_mean(drawn.parts[:, place]) for place in (0, -1))
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
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(FIRST, NORM_SCALE, WORDS),
)
