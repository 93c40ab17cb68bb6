"""The lens at many positions at once: what each layer would answer at the chosen token and at those before it.

The logit lens, drawn as nostalgebraist 2020 does in "interpreting GPT: the logit lens". Every position takes the whole
vocabulary once per layer: the chosen one is there at once, the others fill in, the nearest first.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from anatomy.control import Choice
from anatomy.language import N_, _, ngettext
from anatomy.measure import leads_from
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import requires
from panels.common.snippet import layer_streams, opening, readout
from panels.panel import Panel, Table
from panels.stack.lens import LIMITS, read_stream
from viz.format import number, percent, quoted
from viz.grid import Grid

WINDOW = Choice("lens_window", N_("Tokens up to the chosen one"), ("16", "32", "64"))
NONE = -1  # in place of a token's id: this position has not been read yet


def window(view: Fitted) -> range:
    """The positions read: the chosen one and those just before it."""
    return range(max(0, view.pos + 1 - int(view[WINDOW])), view.pos + 1)


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The best tokens after every layer and their log probabilities, at the chosen position."""
    return _wants(view.pos)


def later(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The same at each position of the window, from the chosen one back."""
    return tuple(want for pos in reversed(window(view)) for want in _wants(pos))


def _wants(pos: int) -> tuple[Want, Want]:
    return Want("lens_ids", pos=pos), Want("lens_logp", pos=pos)


def read(trace: Trace, view: Fitted) -> list[int]:
    """The positions of the window whose arrays are in the trace by now, in ascending order."""
    return [pos for pos in window(view) if all(want in trace for want in _wants(pos))]


def best(trace: Trace, view: Fitted) -> Int[np.ndarray, "layer pos"]:
    """The token that each layer would name at each position of the window; NONE where it has not been read yet."""
    ids = np.full((trace.spec.layers, len(window(view))), NONE)
    for pos in read(trace, view):
        ids[:, pos - window(view).start] = trace[Want("lens_ids", pos=pos)][:, 0]
    return ids


def probabilities(trace: Trace, view: Fitted) -> Float[np.ndarray, "layer pos"]:
    """The probability that each layer's lens gives its best token; NaN where it has not been read yet."""
    shares = np.full((trace.spec.layers, len(window(view))), np.nan, np.float32)
    for pos in read(trace, view):
        shares[:, pos - window(view).start] = np.exp(trace[Want("lens_logp", pos=pos)][:, 0])
    return shares


def draw(trace: Trace, view: Fitted) -> Grid:
    """Layers from the top, positions of the window from the left: the best token, coloured by its probability."""
    shares = probabilities(trace, view)
    return Grid(
        z=shares,
        rows=tuple(map(str, range(len(shares)))),
        cols=trace.labels[window(view).start : window(view).stop],
        row_axis=_("after layer"),
        col_axis=_("token"),
        unit=_("probability"),
        title=_("Each layer's best token: probability"),
        percent=True,
        focus=(view.layer, len(window(view)) - 1),
        empty=_("not computed yet"),
        inside=tuple("" if row == NONE else trace.name(row) for row in best(trace, view).ravel().tolist()),
    )


def caption(trace: Trace, view: Fitted) -> str:
    """What the chosen cell names, how many positions name their final token there, and since when they do."""
    ids, share = _columns(trace, view), float(probabilities(trace, view)[view.layer, -1])
    already, count = int((ids[view.layer] == ids[-1]).sum()), ids.shape[1]
    chosen = _(
        "After layer {layer} the lens at {token} names {best} ({probability}).",
        layer=view.layer,
        token=quoted(trace.labels[view.pos]),
        best=quoted(trace.name(int(ids[view.layer, -1]))),
        probability=percent(share),
    )
    sentences = [chosen]
    if count > 1:
        starts = sorted(leads_from(column[:, None]) for column in ids.T)
        since = _("At half of them or more it leads for good from layer {layer} on.", layer=starts[(count - 1) // 2])
        sentences += [_already(already, count), since]
    if count < len(window(view)):
        sentences.append(_so_far(count, len(window(view))))
    elif window(view).start:
        sentences.append(
            ngettext(
                "Only the last {count} token up to the chosen one is read.",
                "Only the last {count} tokens up to the chosen one are read.",
                count,
            )
        )
    return " ".join(sentences)


def _columns(trace: Trace, view: Fitted) -> Int[np.ndarray, "layer pos"]:
    """The tokens named at the positions that are there by now, the chosen one's last."""
    return best(trace, view)[:, [pos - window(view).start for pos in read(trace, view)]]


def _so_far(done: int, of: int) -> str:
    return ngettext(
        "Computed so far: {done} of {count} position.", "Computed so far: {done} of {count} positions.", of, done=done
    )


def _already(count: int, of: int) -> str:
    return ngettext(
        "{count} of {of} positions names its final token there.",
        "{count} of {of} positions name their final token there.",
        count,
        of=of,
    )


def table(trace: Trace, view: Fitted) -> Table:
    """One row per cell: the token that is named there, and its probability."""
    ids, shares = best(trace, view), probabilities(trace, view)
    labels, there, count = trace.labels, read(trace, view), len(window(view))
    note = _so_far(len(there), count)
    return Table(
        (_("after layer"), _("position"), _("token"), _("best token"), _("id"), _("probability")),
        tuple(
            (layer, pos, labels[pos], trace.name(int(row[i])), int(row[i]), float(shares[layer, i]))
            for layer, row in enumerate(ids)
            for i, pos in enumerate(window(view))
            if pos in there
        ),
        note if len(there) < count else None,
    )


def formula(trace: Trace, view: Fitted) -> str:
    """What a cell is, and the chosen column at the chosen and the last layer."""
    ids, shares = best(trace, view)[:, -1], probabilities(trace, view)[:, -1]
    largest = ngettext(
        "cell = largest of softmax(head({stream})) over {count} token",
        "cell = largest of softmax(head({stream})) over {count} tokens",
        trace.spec.vocab,
        stream=read_stream(trace.spec),
    )
    cells = (
        _(
            "after layer {layer}, position {pos}: p({token}) = {probability}",
            layer=layer,
            pos=view.pos,
            token=quoted(trace.name(int(ids[layer]))),
            probability=number(float(shares[layer])),
        )
        for layer in dict.fromkeys((view.layer, len(ids) - 1))
    )
    return "\n".join((largest, *cells, _(LIMITS)))


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Per layer and position of the window the best token's probability: [layers, pos]."""
    return f"""{opening(spec, view)}
{layer_streams(window(view))}    best = {readout(spec)}.softmax(dim=-1).max(dim=-1)

result = best.values  # [layers, pos]
for layer, row in enumerate(best.indices.tolist()):
    print(layer, [tokenizer.decode([token]) for token in row])
"""


PANEL = Panel(
    id="lensgrid",
    stage="stack",
    order=4,
    name=N_("Lens grid"),
    title=N_("What would each layer answer, all along the text?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(WINDOW,),
    applies=requires.output_layer,
    places=("layer",),
    later=later,
)
