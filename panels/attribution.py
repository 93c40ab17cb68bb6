"""Who pushed for the predicted token: its logit shared out among embedding, attention, FFN and heads.

Direct logit attribution (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits").
"""

import numpy as np
import plotly.graph_objects as go

from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.attribution_snippet import snippet
from panels.shared_out import BY, PARTS, RIVAL, SharedOut, applies, needs, shared_out, summed
from panels.sheet import entrance
from viz.format import many, number, quoted
from viz.grid import Grid
from viz.pairs import Lead, Pairs, paired
from viz.scale import ceiling


def draw(trace: Trace, view: Fitted) -> go.Figure | Grid:
    """Two bars per layer, up for what pushes and down for what holds back; or a cell for each head."""
    found = shared_out(trace, view)
    return _heads(trace, view, found) if view[BY] == "heads" else _parts(trace, view, found)


def _parts(trace: Trace, view: Fitted, found: SharedOut) -> go.Figure:
    name = entrance(trace.spec)
    lead = Lead(name, "in", found.enters, f"{name}: {_added(found.enters)}")
    notes = tuple(
        tuple(f"layer {layer}: {part} {_added(float(value))}" for layer, value in enumerate(found.writes[i]))
        for i, part in enumerate(PARTS)
    )
    return paired(
        Pairs(
            values=found.writes,
            names=PARTS,
            notes=(notes[0], notes[1]),
            x_axis="layer (in: before layer 0)",
            y_axis=f"added to {found.quantity} (logit)",
            focus=view.layer,
            lead=lead,
        )
    )


def _added(value: float) -> str:
    """What a part does, in words."""
    return f"adds {number(value)}" if value >= 0 else f"takes off {number(-value)}"


def _heads(trace: Trace, view: Fitted, found: SharedOut) -> Grid:
    spec = trace.spec
    sharing = spec.n_heads // spec.n_kv
    return Grid(
        z=found.heads,
        rows=tuple(map(str, range(spec.layers))),
        cols=tuple(map(str, range(spec.n_heads))),
        row_axis="layer",
        col_axis="head",
        unit="logit",
        title=f"All heads: added to {found.quantity}",
        high=ceiling(float(np.abs(found.heads).max())),
        signed=True,
        focus=(view.layer, view.head),
        groups=sharing if 1 < sharing < spec.n_heads else 0,
        selects="head",
    )


def says(trace: Trace, view: Fitted) -> str:
    """Who adds most and who takes off most, and that everything adds up."""
    found = shared_out(trace, view)
    told = f"After {quoted(trace.tokens[view.pos].label)} the best token, {quoted(found.best)}, "
    if found.rival is None:
        told += f"has the logit {number(found.told)}"
    else:
        told += f"leads {quoted(found.rival)} by {number(found.told)} logits"
    who = _who_of_heads(view, found) if view[BY] == "heads" else _who_of_parts(trace, found)
    return f"{told}. {who} The final norm's divisor is kept as it was in this run."


def _who_of_parts(trace: Trace, found: SharedOut) -> str:
    most, least = (np.unravel_index(at, found.writes.shape) for at in (found.writes.argmax(), found.writes.argmin()))
    told = f"{_upper(_part(most))} {_added(float(found.writes[most]))}, the most"
    if found.writes[least] < 0:
        told += f"; {_part(least)} takes off most ({number(-float(found.writes[least]))})"
    enters, writes = _upper(entrance(trace.spec)), many(found.writes.size, "write")
    every = f"{enters}, {writes} and constants" if found.constants else f"{enters} and {writes}"
    return f"{told}. {every} add up to {number(found.total)}, {number(found.off, 2)} from the model's own."


def _part(at: tuple) -> str:
    which, layer = at
    return f"{'the FFN' if which else 'attention'} in layer {layer}"


def _upper(words: str) -> str:
    return words[0].upper() + words[1:]


def _who_of_heads(view: Fitted, found: SharedOut) -> str:
    most, least = (np.unravel_index(at, found.heads.shape) for at in (found.heads.argmax(), found.heads.argmin()))
    told = f"Layer {most[0]}, head {most[1]} {_added(float(found.heads[most]))}, the most"
    if found.heads[least] < 0:
        told += f"; layer {least[0]}, head {least[1]} takes off most ({number(-float(found.heads[least]))})"
    own = float(found.heads[view.layer, view.head])
    if (view.layer, view.head) not in (most, least):
        told += f"; the chosen one, layer {view.layer}, head {view.head}, {_added(own)}"
    return f"{told}. All {many(found.heads.size, 'head')} together bring {number(float(found.heads.sum()))} of it."


def table(trace: Trace, view: Fitted) -> Table:
    """Every part with its logits and their sum; or every head."""
    found = shared_out(trace, view)
    if view[BY] == "heads":
        cells = np.ndenumerate(found.heads)
        return Table(("layer", "head", "logits"), tuple((*map(int, at), float(value)) for at, value in cells))
    layers = enumerate(found.writes.T.tolist())
    writes = [(f"{part} {layer}", value) for layer, pair in layers for part, value in zip(PARTS, pair, strict=True)]
    ends = [("constants", found.constants), ("sum", found.total), ("the model's own", found.told)]
    return Table(("part", "logits"), ((entrance(trace.spec), found.enters), *writes, *ends))


def formula(trace: Trace, view: Fitted) -> str:
    """How a write becomes logits, the sum with its error, and the chosen layer's parts."""
    found, layer = shared_out(trace, view), view.layer
    centred, divisor = ("write", "root mean square of the final stream")
    if trace.spec.norm.kind == "layer":
        centred, divisor = "(write − its mean)", "deviation of the final stream"
    row = f"row of {quoted(found.best)}"
    if found.rival is not None:
        row = f"({row} − row of {quoted(found.rival)})"
    attention, ffn = found.writes[:, layer].tolist()
    own, together = float(found.heads[layer, view.head]), float(found.heads[layer].sum())
    lines = [
        f"{found.quantity}, after {quoted(trace.tokens[view.pos].label)}: {number(found.told, 4)}",
        f"part = {centred} · (gain of the final norm × {row} of the output layer) / divisor",
        f"divisor = {divisor} = {number(found.divisor, 4)}, kept as it was in this run: only so do the parts add up",
        summed(found, trace.spec),
        f"layer {layer}: attention {number(attention)}, of which head {view.head} {number(own)}; FFN {number(ffn)}",
        f"Σ over the {many(found.heads.shape[1], 'head')} of layer {layer} = {number(together)}",
    ]
    if abs(attention - together) > 1e-4 * max(1.0, abs(attention)):
        lines.append(f"the output projection's bias, which belongs to no head: {number(attention - together)}")
    return "\n".join(lines)


PANEL = Panel(
    id="attribution",
    stage="output",
    order=1,
    name="Who pushed for it",
    title="Which parts push for the predicted token?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(BY, RIVAL),
    applies=applies,
    places=("layer", "head"),
)
