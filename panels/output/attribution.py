"""Who pushed for the predicted token: its logit shared out among embedding, attention, FFN, heads and neurons.

Direct logit attribution (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits").
"""

from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go

from anatomy.language import N_, _
from anatomy.rounding import largest_place, smallest_place
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.logit_decomposition import BY, PARTS, RIVAL, LogitDecomposition, applies, logit_decomposition, needs
from panels.common.residual_decomposition import entrance
from panels.output import attribution_neurons as neurons
from panels.output.attribution_formula import formula
from panels.output.attribution_snippet import snippet
from panels.panel import Panel, Table
from viz.format import many, number, quoted, rounding
from viz.grid import Grid
from viz.pairs import Lead, Pairs, paired
from viz.scale import ceiling


def draw(trace: Trace, view: Fitted) -> go.Figure | Grid:
    """Two bars per layer, up for what pushes and down for what holds back; or a cell for each head, a bar for each of
    the strongest neurons."""
    found = logit_decomposition(trace, view)
    if view[BY] == "neurons":
        return neurons.draw(trace, view, found)
    return _heads(trace, view, found) if view[BY] == "heads" else _parts(trace, view, found)


def _parts(trace: Trace, view: Fitted, found: LogitDecomposition) -> go.Figure:
    name = entrance(trace.spec)
    lead = Lead(name, _("in"), found.enters, _does(name, found.enters))
    notes = tuple(
        tuple(_does_in_layer(part, layer, float(value)) for layer, value in enumerate(found.writes[i]))
        for i, part in enumerate(PARTS)
    )
    return paired(
        Pairs(
            values=found.writes,
            names=(_(PARTS[0]), _(PARTS[1])),
            notes=(notes[0], notes[1]),
            x_axis=_("layer (in: before layer 0)"),
            y_axis=_("added to {quantity} (logit)", quantity=found.quantity),
            focus=view.layer,
            lead=lead,
        )
    )


def _does(part: str, value: float) -> str:
    """What a part does, in words."""
    if value >= 0:
        return _("{part}: adds {value}", part=part, value=number(value))
    return _("{part}: takes off {value}", part=part, value=number(-value))


def _does_in_layer(part: str, layer: int, value: float) -> str:
    if value >= 0:
        return _("layer {layer}: {part} adds {value}", layer=layer, part=_(part), value=number(value))
    return _("layer {layer}: {part} takes off {value}", layer=layer, part=_(part), value=number(-value))


def _heads(trace: Trace, view: Fitted, found: LogitDecomposition) -> Grid:
    spec = trace.spec
    sharing = spec.n_heads // spec.n_kv
    return Grid(
        z=found.heads,
        rows=tuple(map(str, range(spec.layers))),
        cols=tuple(map(str, range(spec.n_heads))),
        row_axis=_("layer"),
        col_axis=_("head"),
        unit=_("logit"),
        title=_("All heads: added to {quantity}", quantity=found.quantity),
        high=ceiling(float(np.abs(found.heads).max())),
        signed=True,
        focus=(view.layer, view.head),
        groups=sharing if 1 < sharing < spec.n_heads else 0,
        selects="head",
    )


def caption(trace: Trace, view: Fitted) -> str:
    """Who adds most and who takes off most, and what it adds up to."""
    found = logit_decomposition(trace, view)
    label = quoted(trace.tokens[view.pos].label)
    if found.rival is None:
        told = _(
            "After {label} the best token, {best}, has the logit {logit}.",
            label=label,
            best=quoted(found.best),
            logit=number(found.told),
        )
    else:
        told = _(
            "After {label} the best token, {best}, leads {rival} by {logits} logits.",
            label=label,
            best=quoted(found.best),
            rival=quoted(found.rival),
            logits=number(found.told),
        )
    kept = _("The final norm's divisor is kept as it was in this run.")
    return f"{told} {_who(trace, view, found)} {kept}"


def _who(trace: Trace, view: Fitted, found: LogitDecomposition) -> str:
    if view[BY] == "neurons":
        return neurons.caption(trace, view, found)
    return _who_of_heads(view, found) if view[BY] == "heads" else _who_of_parts(trace, found)


def _who_of_parts(trace: Trace, found: LogitDecomposition) -> str:
    told = _extremes(found.writes, _part)
    values = {
        "enters": _upper(entrance(trace.spec)),
        "writes": many(found.writes.size, "write"),
        "total": number(found.total),
        "difference": rounding(found.off, found.terms),
    }
    if found.constants:
        every = _(
            "{enters}, {writes} and constants add up to {total}, the model's own (difference {difference}).", **values
        )
    else:
        every = _("{enters} and {writes} add up to {total}, the model's own (difference {difference}).", **values)
    return f"{told} {every}"


def _extremes(values: np.ndarray, named: Callable[[tuple[int, ...]], str]) -> str:
    """Who adds most and who takes off most, where anybody does."""
    most, least = largest_place(values), smallest_place(values)
    said = {"value": number(float(values[most])), "less": number(-float(values[least]))}
    if values[most] < 0:
        return _("{least} takes off most ({less}).", least=_upper(named(least)), **said)
    if values[least] >= 0:
        return _("{most} adds {value}, the most.", most=_upper(named(most)), **said)
    return _(
        "{most} adds {value}, the most; {least} takes off most ({less}).",
        most=_upper(named(most)),
        least=named(least),
        **said,
    )


def _part(at: tuple[int, ...]) -> str:
    which, layer = at
    return _("the FFN in layer {layer}", layer=layer) if which else _("attention in layer {layer}", layer=layer)


def _head(at: tuple[int, ...]) -> str:
    return _("layer {layer}, head {head}", layer=at[0], head=at[1])


def _upper(words: str) -> str:
    return words[0].upper() + words[1:]


def _who_of_heads(view: Fitted, found: LogitDecomposition) -> str:
    own = float(found.heads[view.layer, view.head])
    places = {"layer": view.layer, "head": view.head, "value": number(abs(own))}
    parts = [_extremes(found.heads, _head)]
    if found.heads.min() < own < found.heads.max():
        if own >= 0:
            parts.append(_("The chosen one, layer {layer}, head {head}, adds {value}.", **places))
        else:
            parts.append(_("The chosen one, layer {layer}, head {head}, takes off {value}.", **places))
    heads, total = many(found.heads.size, "head"), number(float(found.heads.sum()))
    parts.append(_("All {heads} together bring {total} of it.", heads=heads, total=total))
    return " ".join(parts)


def table(trace: Trace, view: Fitted) -> Table:
    """Every part with its logits and their sum; or every head; or the strongest neurons."""
    found = logit_decomposition(trace, view)
    if view[BY] == "neurons":
        return neurons.table(trace, view, found)
    if view[BY] == "heads":
        cells = np.ndenumerate(found.heads)
        rows = tuple((*map(int, at), float(value)) for at, value in cells)
        return Table((_("layer"), _("head"), _("logits")), rows)
    layers, names = enumerate(found.writes.T.tolist()), [_(part) for part in PARTS]
    writes = [(f"{part} {layer}", value) for layer, pair in layers for part, value in zip(names, pair, strict=True)]
    ends = [(_("constants"), found.constants), (_("sum"), found.total), (_("the model's own"), found.told)]
    return Table((_("part"), _("logits")), ((entrance(trace.spec), found.enters), *writes, *ends))


PANEL = Panel(
    id="attribution",
    stage="output",
    order=1,
    name=N_("Who pushed for it"),
    title=N_("Which parts push for the predicted token?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(BY, RIVAL),
    applies=applies,
    places=("layer", "head"),
)
