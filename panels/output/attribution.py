"""Who pushed for the predicted token: its logit shared out among embedding, attention, FFN, heads and neurons.

Direct logit attribution (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits").
"""

from collections.abc import Callable, Sequence

import numpy as np

from anatomy.language import N_, _, ngettext
from anatomy.rounding import largest_place, smallest_place
from anatomy.spec import ModelSpec
from anatomy.view import Fitted
from panels.common.logit_decomposition import BY, PARTS, RIVAL, applies, needs
from panels.common.residual_decomposition import entrance
from panels.output import attribution_neurons as neurons
from panels.output.attribution_formula import formula
from panels.output.attribution_snippet import snippet
from panels.output.attributions import Attribution, read
from panels.panel import Movable, Panel, Table
from viz.bars import Bars
from viz.format import number, quoted, rounding
from viz.grid import Grid
from viz.marks import Stands
from viz.pairs import Lead, Pairs
from viz.scale import ceiling


def draw(attribution: Attribution) -> Pairs | Grid | Bars:
    """What each part adds to the logit: two bars per layer, up for what pushes and down for what holds back; or a cell
    for each head; or a bar for each of the strongest neurons."""
    if attribution.movers is not None:
        return neurons.draw(attribution.movers, attribution.decomposition.quantity)
    return _heads(attribution) if attribution.as_heads else _parts(attribution)


def _parts(attribution: Attribution) -> Pairs:
    name, decomposition = entrance(attribution.spec), attribution.decomposition
    lead = Lead(name, _("in"), decomposition.enters, _does(name, decomposition.enters))
    notes = tuple(
        tuple(_does_in_layer(part, layer, value) for layer, value in enumerate(decomposition.writes[i].tolist()))
        for i, part in enumerate(PARTS)
    )
    return Pairs(
        values=decomposition.writes,
        names=(_(PARTS[0]), _(PARTS[1])),
        notes=(notes[0], notes[1]),
        x_axis=_("layer (in: before layer 0)"),
        y_axis=_("added to {quantity} (logit)", quantity=decomposition.quantity),
        focus=attribution.layer,
        lead=lead,
        about=decomposition.quantity,
        stands=(Stands.each("layer", decomposition.writes.shape[1]),),
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


def _heads(attribution: Attribution) -> Grid:
    spec, decomposition = attribution.spec, attribution.decomposition
    sharing = spec.n_heads // spec.n_kv
    return Grid(
        z=decomposition.heads,
        rows=tuple(map(str, range(spec.layers))),
        cols=tuple(map(str, range(spec.n_heads))),
        row_axis=_("layer"),
        col_axis=_("head"),
        unit=_("logit"),
        title=_("All heads: added to {quantity}", quantity=decomposition.quantity),
        high=ceiling(float(np.abs(decomposition.heads).max())),
        signed=True,
        focus=(attribution.layer, attribution.head),
        groups=sharing if 1 < sharing < spec.n_heads else 0,
        selects="head",
    )


def idle(spec: ModelSpec, view: Fitted) -> Sequence[Movable]:
    """The head, where no heads are shown; and the rival of a model that knows one token alone."""
    rival = (RIVAL,) if spec.vocab == 1 else ()
    return rival if view[BY] == "heads" else ("head", *rival)


def caption(attribution: Attribution) -> str:
    """Who adds most and who takes off most, and what it adds up to."""
    decomposition, label = attribution.decomposition, quoted(attribution.token)
    if decomposition.rival is None:
        best = _(
            "After {label} the best token, {best}, has the logit {logit}.",
            label=label,
            best=quoted(decomposition.best),
            logit=number(decomposition.own),
        )
    elif decomposition.level:
        best = _(
            "After {label} the best tokens, {best} and {rival}, have the same logit.",
            label=label,
            best=quoted(decomposition.best),
            rival=quoted(decomposition.rival),
        )
    else:
        best = _(
            "After {label} the best token, {best}, leads {rival} by {logits} logits.",
            label=label,
            best=quoted(decomposition.best),
            rival=quoted(decomposition.rival),
            logits=number(decomposition.own),
        )
    kept = _("The final norm is left out in this run: the output layer reads the stream itself.")
    if attribution.spec.paths.final_norm:
        kept = _("The final norm's divisor is kept as it was in this run.")
    return f"{best} {_who(attribution)} {kept}"


def _who(attribution: Attribution) -> str:
    if attribution.movers is not None:
        return neurons.caption(attribution.movers)
    return _who_of_heads(attribution) if attribution.as_heads else _who_of_parts(attribution)


def _who_of_parts(attribution: Attribution) -> str:
    decomposition = attribution.decomposition
    enters = entrance(attribution.spec)
    layers = range(attribution.spec.layers)
    names = (enters, *(_part(which, layer) for which in range(len(PARTS)) for layer in layers))
    extremes = _extremes(decomposition.terms[:-1], lambda at: names[at[0]])
    values = {
        "enters": _upper(enters),
        "total": number(decomposition.total),
        "difference": rounding(decomposition.off, decomposition.terms),
    }
    if decomposition.constants:
        every = ngettext(
            "{enters}, {count} write and constants add up to {total}, the model's own (difference {difference}).",
            "{enters}, {count} writes and constants add up to {total}, the model's own (difference {difference}).",
            decomposition.writes.size,
            **values,
        )
    else:
        every = ngettext(
            "{enters} and {count} write add up to {total}, the model's own (difference {difference}).",
            "{enters} and {count} writes add up to {total}, the model's own (difference {difference}).",
            decomposition.writes.size,
            **values,
        )
    return f"{extremes} {every}"


def _extremes(values: np.ndarray, named: Callable[[tuple[int, ...]], str]) -> str:
    """Who adds most and who takes off most, where anybody does."""
    most, least = largest_place(values), smallest_place(values)
    said = {"value": number(float(values[most])), "less": number(-float(values[least]))}
    if not values.any():
        return _("No part adds anything or takes anything off.")
    if values[most] <= 0:
        return _("{least} takes off most ({less}).", least=_upper(named(least)), **said)
    if values[least] >= 0:
        return _("{most} adds {value}, the most.", most=_upper(named(most)), **said)
    return _(
        "{most} adds {value}, the most; {least} takes off most ({less}).",
        most=_upper(named(most)),
        least=named(least),
        **said,
    )


def _part(which: int, layer: int) -> str:
    return _("the FFN in layer {layer}", layer=layer) if which else _("attention in layer {layer}", layer=layer)


def _head(at: tuple[int, ...]) -> str:
    return _("layer {layer}, head {head}", layer=at[0], head=at[1])


def _upper(words: str) -> str:
    return words[0].upper() + words[1:]


def _who_of_heads(attribution: Attribution) -> str:
    heads = attribution.decomposition.heads
    own = float(heads[attribution.layer, attribution.head])
    places = {"layer": attribution.layer, "head": attribution.head, "value": number(abs(own))}
    parts = [_extremes(heads, _head)]
    if heads.min() < own < heads.max():
        if own >= 0:
            parts.append(_("The chosen one, layer {layer}, head {head}, adds {value}.", **places))
        else:
            parts.append(_("The chosen one, layer {layer}, head {head}, takes off {value}.", **places))
    parts.append(
        ngettext(
            "The {count} head brings {total} of it.",
            "All {count} heads together bring {total} of it.",
            heads.size,
            total=number(float(heads.sum())),
        )
    )
    return " ".join(parts)


def table(attribution: Attribution) -> Table:
    """Every part with its logits and their sum; or every head; or the strongest neurons."""
    if attribution.movers is not None:
        return neurons.table(attribution.movers)
    return _table_of_heads(attribution) if attribution.as_heads else _table_of_parts(attribution)


def _table_of_heads(attribution: Attribution) -> Table:
    heads = attribution.decomposition.heads
    layers, numbers = (places.ravel() for places in np.indices(heads.shape))
    return Table.of((_("layer"), layers), (_("head"), numbers), (_("logits"), heads.ravel()))


def _table_of_parts(attribution: Attribution) -> Table:
    decomposition = attribution.decomposition
    layers, names = enumerate(decomposition.writes.T.tolist()), [_(part) for part in PARTS]
    writes = [(f"{part} {layer}", value) for layer, pair in layers for part, value in zip(names, pair, strict=True)]
    ends = [
        (_("constants"), decomposition.constants),
        (_("sum"), decomposition.total),
        (_("the model's own"), decomposition.own),
    ]
    return Table((_("part"), _("logits")), ((entrance(attribution.spec), decomposition.enters), *writes, *ends))


PANEL = Panel(
    id="attribution",
    stage="output",
    order=1,
    name=N_("Who pushed for it"),
    title=N_("Which parts push for the predicted token?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(BY, RIVAL),
    idle=idle,
    applies=applies,
    places=("layer", "head"),
)
