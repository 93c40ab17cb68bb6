"""The tokens that lead at some layer, followed through all of them: probability and rank in each layer's lens.

The logit lens (nostalgebraist 2020, "interpreting GPT: the logit lens").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from anatomy.control import Choice
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.output import applies
from panels.snippet import LAYERS, opening, paths
from viz.format import many, number, percent, quoted, thousands
from viz.lines import Lines, lines

MEASURE = Choice("watched", "Show", ("probability", "rank"), ("probability", "rank"))
_ANSWER = 0  # the final answer's column: the engine puts it first
_TOLD = 4  # spells in the lead that the caption names one by one


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every token that leads after some layer at the chosen position, with its probabilities and ranks."""
    return tuple(Want(site, pos=view.pos) for site in ("watch_ids", "watch_logp", "watch_rank"))


def names(trace: Trace, view: Fitted) -> tuple[str, ...]:
    """Label of every watched token, the final answer's first."""
    return tuple(trace.name(row) for row in trace[Want("watch_ids", pos=view.pos)].tolist())


def probabilities(trace: Trace, view: Fitted) -> Float[np.ndarray, "layer k"]:
    """Each watched token's share of every layer's lens."""
    return np.exp(trace[Want("watch_logp", pos=view.pos)].astype(np.float64))


def ranks(trace: Trace, view: Fitted) -> Int[np.ndarray, "layer k"]:
    """Each watched token's place among the whole vocabulary in every layer's lens, 1 the best."""
    return trace[Want("watch_rank", pos=view.pos)].astype(np.int64)


@dataclass(frozen=True)
class Spell:
    """A token's time in the lead: its column (None for a token that is not among the watched), first and last layer."""

    column: int | None
    first: int
    last: int


def spells(places: Int[np.ndarray, "layer k"]) -> tuple[Spell, ...]:
    """Who leads, from the first layer to the last. places: ranks."""
    leaders = [int(row.argmin()) if row.min() == 1 else None for row in places]
    runs = [[layer for layer, _ in run] for _, run in groupby(enumerate(leaders), key=lambda pair: pair[1])]
    return tuple(Spell(leaders[run[0]], run[0], run[-1]) for run in runs)


def _longest_other(found: Sequence[Spell]) -> int | None:
    """The token besides the final answer that leads after most layers."""
    time: dict[int, int] = {}
    for spell in found:
        if spell.column is not None and spell.column != _ANSWER:
            time[spell.column] = time.get(spell.column, 0) + spell.last - spell.first + 1
    return max(time, key=lambda column: time[column], default=None)


def draw(trace: Trace, view: Fitted) -> go.Figure:
    """A line per token over the layers, the final answer in the accent, the longest other leader dashed."""
    places = ranks(trace, view)
    by_rank = view[MEASURE] == "rank"
    return lines(
        Lines(
            values=(places if by_rank else probabilities(trace, view)).T,
            names=names(trace, view),
            places=tuple(map(str, range(len(places)))),
            chosen=_ANSWER,
            marked=_longest_other(spells(places)),
            x_axis="after layer",
            y_axis="rank (1 is the best, log scale)" if by_rank else "probability (log scale)",
            logarithmic=True,
        )
    )


def says(trace: Trace, view: Fitted) -> str:
    """Who leads until when, where the final answer starts, and whether early leaders are left out."""
    found, places, shares = spells(ranks(trace, view)), ranks(trace, view), probabilities(trace, view)
    answer = quoted(names(trace, view)[_ANSWER])
    told = f"{_lead(trace, view, found)}, with {percent(float(shares[-1, _ANSWER]))} in the end."
    if len(found) > 1:
        told += f" After layer 0 {answer} has rank {thousands(int(places[0, _ANSWER]))} of {_vocabulary(trace)}."
    if any(spell.column is None for spell in found):
        told += f" Only the {many(places.shape[1], 'token')} that led last are drawn; earlier leaders are left out."
    return told


def _vocabulary(trace: Trace) -> str:
    return many(trace.spec.vocab, "token")


def _lead(trace: Trace, view: Fitted, found: Sequence[Spell]) -> str:
    """The spells as a sentence without its end; the middle ones only counted where there are many."""
    first, *rest = found
    if not rest:
        return f"{_upper(_who(trace, view, first))} leads after every layer"
    *between, last = rest
    told = [f"{_upper(_who(trace, view, first))} leads {_until(first)}"]
    if len(found) <= _TOLD:
        told += [f"then {_who(trace, view, spell)} {_until(spell)}" for spell in between]
    else:
        before = f"the last time to {_who(trace, view, between[-1])}, {_until(between[-1])}"
        told.append(f"then the lead changes {many(len(between), 'time')} ({before})")
    only = last.first == last.last
    told.append(f"then {_who(trace, view, last)} {'after the last layer' if only else f'from layer {last.first} on'}")
    return ", ".join(told)


def _who(trace: Trace, view: Fitted, spell: Spell) -> str:
    return "a token that is not drawn" if spell.column is None else quoted(names(trace, view)[spell.column])


def _upper(words: str) -> str:
    return words[0].upper() + words[1:]


def _until(spell: Spell) -> str:
    return f"after layer {spell.first}" if spell.first == spell.last else f"up to layer {spell.last}"


def table(trace: Trace, view: Fitted) -> Table:
    """Per layer and watched token: probability and rank."""
    ids, labels = trace[Want("watch_ids", pos=view.pos)].tolist(), names(trace, view)
    shares, places = probabilities(trace, view).tolist(), ranks(trace, view).tolist()
    return Table(
        ("after layer", "token", "id", "probability", "rank"),
        tuple(
            (layer, *row)
            for layer, (own, order) in enumerate(zip(shares, places, strict=True))
            for row in zip(labels, ids, own, order, strict=True)
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """What probability and rank are, with the numbers around the layer from which the final answer leads for good."""
    norm = "final norm(stream)" if trace.spec.norm.place == "pre" else "stream"
    shares, places = probabilities(trace, view), ranks(trace, view)
    start = spells(places)[-1].first
    told = [
        f"p = softmax(head({norm}))   over {_vocabulary(trace)}, at position {view.pos}",
        "rank = 1 + the number of tokens with a larger p",
    ]
    labels = names(trace, view)
    for layer in range(max(0, start - 1), start + 1):
        shown = sorted(range(len(labels)), key=lambda column: places[layer, column])[:2]
        parts = (
            f"p({quoted(labels[k])}) = {number(float(shares[layer, k]))}, {_rank(places[layer, k])}" for k in shown
        )
        told.append(f"after layer {layer}: {';  '.join(parts)}")
    return "\n".join(told)


def _rank(place: int) -> str:
    return f"rank {thousands(int(place))}"


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Per layer and watched token: probability and rank."""
    return f"""{opening(spec, view)}
{LAYERS}
streams = []
for layer in layers:
    layer.register_forward_hook(lambda layer, given, out: streams.append(out[0] if isinstance(out, tuple) else out))
with torch.no_grad():
    model(**inputs)
    stream = torch.stack([stream[0, {view.pos}] for stream in streams])  # [layers, d_model]
    probabilities = {paths(spec).readout}.softmax(dim=-1)  # [layers, vocab]

leaders = list(dict.fromkeys(reversed(probabilities.argmax(dim=-1).tolist())))[:8]  # the final answer first
ranks = torch.stack([(probabilities > probabilities[:, [token]]).sum(dim=-1) + 1 for token in leaders], dim=-1)
result = torch.stack([probabilities[:, leaders], ranks], dim=-1)  # [layers, tokens, 2]
for place, token in enumerate(leaders):
    print(repr(tokenizer.decode([token])), result[:, place].tolist())
"""


PANEL = Panel(
    id="watched",
    stage="stack",
    order=1,
    name="Watched tokens",
    title="Which tokens lead on the way?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(MEASURE,),
    applies=applies,
)
