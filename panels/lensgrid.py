"""The lens at many positions at once: what each layer would answer at the chosen token and at those before it.

The logit lens, drawn as nostalgebraist 2020 does in "interpreting GPT: the logit lens".
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.lens import leads_from
from panels.output import applies
from panels.snippet import LAYERS, opening, paths
from viz.format import many, number, percent, quoted
from viz.grid import Grid

WINDOW = 16  # positions at most: the work grows with layers × positions × vocabulary


def window(view: Fitted) -> range:
    """The positions read: the chosen one and those just before it."""
    return range(max(0, view.pos + 1 - WINDOW), view.pos + 1)


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The best tokens after every layer, at each position of the window."""
    return tuple(Want(site, pos=pos) for pos in window(view) for site in ("lens_ids", "lens_logp"))


def best(trace: Trace, view: Fitted) -> Int[np.ndarray, "layer pos"]:
    """The token that each layer would name at each position of the window."""
    return np.stack([trace[Want("lens_ids", pos=pos)][:, 0] for pos in window(view)], axis=1)


def probabilities(trace: Trace, view: Fitted) -> Float[np.ndarray, "layer pos"]:
    """The probability that each layer's lens gives its best token."""
    logp = [trace[Want("lens_logp", pos=pos)][:, 0] for pos in window(view)]
    return np.exp(np.stack(logp, axis=1))


def draw(trace: Trace, view: Fitted) -> Grid:
    """Layers from the top, positions of the window from the left; the colour is the best token's probability."""
    shares = probabilities(trace, view)
    return Grid(
        z=shares,
        rows=tuple(map(str, range(len(shares)))),
        cols=tuple(trace.labels[pos] for pos in window(view)),
        row_axis="after layer",
        col_axis="token",
        unit="probability",
        title="Each layer's best token: probability",
        percent=True,
        focus=(view.layer, len(window(view)) - 1),
    )


def says(trace: Trace, view: Fitted) -> str:
    """What the chosen cell names, how many positions name their final token there, and since when they do."""
    ids, share = best(trace, view), float(probabilities(trace, view)[view.layer, -1])
    already, count = int((ids[view.layer] == ids[-1]).sum()), len(window(view))
    told = (
        f"After layer {view.layer} the lens at {quoted(trace.tokens[view.pos].label)} names "
        f"{quoted(trace.name(int(ids[view.layer, -1])))} ({percent(share)})."
    )
    if count > 1:
        starts = sorted(leads_from(column[:, None]) for column in ids.T)
        since = starts[(count - 1) // 2]
        told += f" {_already(already, count)} there. At half of them or more it leads for good from layer {since} on."
    if view.pos >= WINDOW:
        told += f" Only the last {WINDOW} tokens up to the chosen one are read."
    return told


def _already(count: int, of: int) -> str:
    name = "names its final token" if count == 1 else "name their final token"
    return f"{count} of {of} positions {name}"


def table(trace: Trace, view: Fitted) -> Table:
    """One row per cell: the token that is named there, and its probability."""
    ids, shares = best(trace, view), probabilities(trace, view)
    return Table(
        ("after layer", "position", "token", "best token", "id", "probability"),
        tuple(
            (layer, pos, trace.labels[pos], trace.name(int(row[i])), int(row[i]), float(shares[layer, i]))
            for layer, row in enumerate(ids)
            for i, pos in enumerate(window(view))
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """What a cell is, and the chosen column at the chosen and the last layer."""
    norm = "final norm(stream)" if trace.spec.norm.place == "pre" else "stream"
    ids, shares = best(trace, view)[:, -1], probabilities(trace, view)[:, -1]
    lines = [f"cell = largest of softmax(head({norm})) over {many(trace.spec.vocab, 'token')}"]
    for layer in dict.fromkeys((view.layer, len(ids) - 1)):
        name = quoted(trace.name(int(ids[layer])))
        lines.append(f"after layer {layer}, position {view.pos}: p({name}) = {number(float(shares[layer]))}")
    return "\n".join(lines)


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Per layer and position of the window: the best token's probability."""
    read = window(view)
    return f"""{opening(spec, view)}
{LAYERS}
streams = []
for layer in layers:
    layer.register_forward_hook(lambda layer, given, out: streams.append(out[0] if isinstance(out, tuple) else out))
with torch.no_grad():
    model(**inputs)
    stream = torch.stack([stream[0, {read.start}:{read.stop}] for stream in streams])  # [layers, pos, d_model]
    best = {paths(spec).readout}.softmax(dim=-1).max(dim=-1)

result = best.values  # [layers, pos]
for layer, row in enumerate(best.indices.tolist()):
    print(layer, [tokenizer.decode([token]) for token in row])
"""


PANEL = Panel(
    id="lensgrid",
    stage="stack",
    order=4,
    name="Lens grid",
    title="What would each layer answer, all along the text?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
    places=("layer",),
)
