"""The lens at many positions at once: what each layer would answer at the chosen token and at those before it.

The logit lens, drawn as nostalgebraist 2020 does in "interpreting GPT: the logit lens". Every position takes the whole
vocabulary once per layer: the chosen one is there at once, the others fill in, the nearest first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from jaxtyping import Float, Int

from anatomy.control import Choice, Control
from anatomy.language import N_, _, ngettext
from anatomy.measure import leads_from
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import requires
from panels.common.snippet import layer_streams, opening, readout
from panels.panel import Panel, Table
from panels.stack.lens import limits, read_stream
from viz.format import number, percent, quoted
from viz.grid import Grid

WINDOW = Choice(
    "lens_window",
    N_("Tokens up to the chosen one"),
    ("16", "32", "64"),
    says=N_(
        "How many tokens have a column: the chosen one is the last of them. The more there are, the longer it takes to "
        "work them out, one after the other."
    ),
)
NONE = -1  # in place of a token's id: this position has not come yet


def window(view: Fitted) -> range:
    """The positions shown: the chosen one and those just before it."""
    return range(max(0, view.pos + 1 - int(view[WINDOW])), view.pos + 1)


def idle(spec: ModelSpec, view: Fitted) -> Sequence[Control]:
    """How many tokens are shown, where no more come before the chosen one than the smallest window holds."""
    return (WINDOW,) if view.pos < int(WINDOW.options[0]) else ()


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The best tokens after every layer and their log probabilities, at the chosen position."""
    return _wants(view.pos)


def later(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The same at each position of the window, from the chosen one back."""
    return tuple(want for pos in reversed(window(view)) for want in _wants(pos))


def _wants(pos: int) -> tuple[Want, Want]:
    return Want("lens_ids", pos=pos), Want("lens_logp", pos=pos)


@dataclass(frozen=True)
class Lenses:
    """The lens after every layer at each position of a window that ends with the chosen one, as far as it has come.

    spec         the model's: what the output layer reads, and how many tokens it knows
    layer        the chosen one
    window       the positions in the text
    labels       of the tokens that stand there
    best         id of the token that each layer would name; NONE where the position has not come yet
    probability  that each layer's lens gives it; NaN where the position has not come yet
    names        [layer][pos] what each of `best` is called there; "" for NONE
    """

    spec: ModelSpec
    layer: int
    window: range
    labels: tuple[str, ...]
    best: Int[np.ndarray, "layer pos"]
    probability: Float[np.ndarray, "layer pos"]
    names: tuple[tuple[str, ...], ...]

    @cached_property
    def there(self) -> Int[np.ndarray, " there"]:
        """The columns that have come by now, the chosen position's last."""
        return np.flatnonzero(self.best[-1] != NONE)

    @property
    def so_far(self) -> str | None:
        """A sentence on how many positions have come; None where all have."""
        count = len(self.window)
        if len(self.there) == count:
            return None
        return ngettext(
            "Computed so far: {done} of {count} position.",
            "Computed so far: {done} of {count} positions.",
            count,
            done=len(self.there),
        )

    def chosen(self, layer: int) -> tuple[str, float]:
        """(what a layer would name at the chosen position, its probability)."""
        return self.names[layer][-1], float(self.probability[layer, -1])


def read(trace: Trace, view: Fitted) -> Lenses:
    """The best token of every layer at those positions of the window that are in the trace by now."""
    shown = window(view)
    best = np.full((trace.spec.layers, len(shown)), NONE)
    probability = np.full(best.shape, np.nan, np.float32)
    for column, pos in enumerate(shown):
        ids, logp = _wants(pos)
        if ids in trace and logp in trace:
            best[:, column], probability[:, column] = trace[ids][:, 0], np.exp(trace[logp][:, 0])
    names = tuple(
        tuple("" if row == NONE else trace.following(row, pos) for pos, row in zip(shown, of_layer, strict=True))
        for of_layer in best.tolist()
    )
    labels = trace.labels[shown.start : shown.stop]
    return Lenses(trace.spec, view.layer, shown, labels, best, probability, names)


def draw(lenses: Lenses) -> Grid:
    """Layers from the top, positions of the window from the left: the best token, coloured by its probability."""
    return Grid(
        z=lenses.probability,
        rows=tuple(map(str, range(len(lenses.best)))),
        cols=lenses.labels,
        row_axis=_("after layer"),
        col_axis=_("token"),
        unit=_("probability"),
        title=_("Each layer's best token: probability"),
        percent=True,
        focus=(lenses.layer, len(lenses.window) - 1),
        empty=_("not computed yet"),
        tokens=(None, tuple(lenses.window)),
        inside=tuple(chain.from_iterable(lenses.names)),
    )


def caption(lenses: Lenses) -> str:
    """What the chosen cell names, how many positions name their final token there, and since when they do."""
    best, share = lenses.chosen(lenses.layer)
    sentences = [
        _(
            "After layer {layer} the lens at {token} names {best} ({probability}).",
            layer=lenses.layer,
            token=quoted(lenses.labels[-1]),
            best=quoted(best),
            probability=percent(share),
        )
    ]
    ids = lenses.best[:, lenses.there]  # [layer there]
    count, so_far = ids.shape[1], lenses.so_far
    if count > 1:
        starts = sorted(leads_from(column[:, None]) for column in ids.T)
        sentences += [_already(int((ids[lenses.layer] == ids[-1]).sum()), count)]
        sentences += [_since(starts[(count - 1) // 2], len(ids) - 1)]
    if so_far is not None:
        sentences.append(so_far)
    elif lenses.window.start:
        sentences.append(
            ngettext(
                "Only the last {count} token up to the chosen one is read.",
                "Only the last {count} tokens up to the chosen one are read.",
                count,
            )
        )
    return " ".join(sentences)


def _since(layer: int, last: int) -> str:
    """From which layer on half of the final tokens lead."""
    if layer == last:
        return _("At more than half of them it leads for good only after the last layer.")
    return _("At half of them or more it leads for good from layer {layer} on.", layer=layer)


def _already(count: int, of: int) -> str:
    return ngettext(
        "{count} of {of} positions names its final token there.",
        "{count} of {of} positions name their final token there.",
        count,
        of=of,
    )


def table(lenses: Lenses) -> Table:
    """One row per cell: the token that is named there, and its probability."""
    columns = lenses.there.tolist()
    return Table(
        (_("after layer"), _("position"), _("token"), _("best token"), _("id"), _("probability")),
        tuple(
            (layer, lenses.window[i], lenses.labels[i], lenses.names[layer][i], ids[i], shares[i])
            for layer, (ids, shares) in enumerate(zip(lenses.best.tolist(), lenses.probability.tolist(), strict=True))
            for i in columns
        ),
        lenses.so_far,
    )


def formula(lenses: Lenses) -> str:
    """What a cell is, and the chosen column at the chosen and the last layer."""
    largest = ngettext(
        "cell = largest of softmax(head({stream})) over {count} token",
        "cell = largest of softmax(head({stream})) over {count} tokens",
        lenses.spec.vocab,
        stream=read_stream(lenses.spec),
    )
    cells = []
    for layer in dict.fromkeys((lenses.layer, len(lenses.best) - 1)):
        best, share = lenses.chosen(layer)
        cells.append(
            _(
                "after layer {layer}, position {pos}: p({token}) = {probability}",
                layer=layer,
                pos=lenses.window[-1],
                token=quoted(best),
                probability=number(share),
            )
        )
    return "\n".join((largest, *cells, limits(lenses.spec)))


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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(WINDOW,),
    idle=idle,
    applies=requires.output_layer,
    places=("layer",),
    later=later,
)
