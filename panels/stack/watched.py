"""The tokens that lead at some layer, followed through all of them: probability and rank in each layer's lens.

The logit lens (nostalgebraist 2020, "interpreting GPT: the logit lens").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Float, Int

from anatomy.control import Choice
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rounding import smallest_at
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import requires
from panels.common.snippet import layer_streams, opening, readout
from panels.panel import Panel, Table
from panels.stack.lens import LIMITS, over_the_vocabulary
from viz.format import listed, number, percent, quoted, thousands
from viz.lines import Lines

MEASURE = Choice("watched", N_("Show"), ("probability", "rank"), (N_("probability"), N_("rank")))
_ANSWER = 0  # the final answer's column: the engine puts it first
_NAMED = 4  # spells in the lead that the caption names one by one


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every token that leads after some layer at the chosen position, with its probabilities and ranks."""
    return tuple(Want(site, pos=view.pos) for site in ("watch_ids", "watch_logp", "watch_rank"))


def names(trace: Trace, view: Fitted) -> tuple[str, ...]:
    """Label of every watched token, the final answer's first."""
    return tuple(trace.name(row) for row in trace[Want("watch_ids", pos=view.pos)].tolist())


def probabilities(trace: Trace, view: Fitted) -> Float[np.ndarray, "layer k"]:
    """Each watched token's probability in every layer's lens."""
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
    """Who leads, from the first layer to the last. places: ranks of the watched tokens, as `ranks` gives them."""
    leaders = [smallest_at(row) if row.min() == 1 else None for row in places]
    runs = [[layer for layer, _who in run] for _who, run in groupby(enumerate(leaders), key=lambda pair: pair[1])]
    return tuple(Spell(leaders[run[0]], run[0], run[-1]) for run in runs)


def _longest_other(leads: Sequence[Spell]) -> int | None:
    """The token besides the final answer that leads after most layers."""
    time: dict[int, int] = {}
    for spell in leads:
        if spell.column is not None and spell.column != _ANSWER:
            time[spell.column] = time.get(spell.column, 0) + spell.last - spell.first + 1
    return max(time, key=lambda column: time[column], default=None)


def draw(trace: Trace, view: Fitted) -> Lines:
    """A line per token over the layers, the final answer in the accent, the longest other leader dashed."""
    places = ranks(trace, view)
    by_rank = view[MEASURE] == "rank"
    return Lines(
        values=(places if by_rank else probabilities(trace, view)).T,
        names=tuple(quoted(label) for label in names(trace, view)),
        places=tuple(map(str, range(len(places)))),
        chosen=_ANSWER,
        marked=_longest_other(spells(places)),
        x_axis=_("after layer"),
        y_axis=_("rank (1 is the best, log scale)") if by_rank else _("probability (log scale)"),
        logarithmic=True,
        listed=True,
    )


def caption(trace: Trace, view: Fitted) -> str:
    """Who leads until when, where the final answer starts, and whether early leaders are left out."""
    places = ranks(trace, view)
    leads = spells(places)
    sentences = [_lead(trace, view, leads)]
    if len(leads) > 1:
        sentences.append(
            ngettext(
                "After layer 0 {token} has rank {rank} of {count} token.",
                "After layer 0 {token} has rank {rank} of {count} tokens.",
                trace.spec.vocab,
                token=quoted(names(trace, view)[_ANSWER]),
                rank=thousands(int(places[0, _ANSWER])),
            )
        )
    if any(spell.column is None for spell in leads):
        sentences.append(
            ngettext(
                "Only the {count} token that led last is drawn; earlier leaders are left out.",
                "Only the {count} tokens that led last are drawn; earlier leaders are left out.",
                places.shape[1],
            )
        )
    return " ".join(sentences)


def _lead(trace: Trace, view: Fitted, leads: Sequence[Spell]) -> str:
    """The spells as a sentence; the middle ones only counted where there are many."""
    first, *rest = leads
    share = percent(float(probabilities(trace, view)[-1, _ANSWER]))
    if not rest:
        name = quoted(names(trace, view)[_ANSWER])
        return _("{token} leads after every layer, with {probability} in the end.", token=name, probability=share)
    *between, last = rest
    clauses = [_first(trace, view, first)]
    if len(leads) <= _NAMED:
        clauses += [_then(trace, view, spell) for spell in between]
    else:
        clauses.append(_changes(trace, view, between))
    return listed((*clauses, _last(trace, view, last, share)))


def _first(trace: Trace, view: Fitted, spell: Spell) -> str:
    """Who leads at first, as the beginning of a sentence."""
    who = _("A token that is not drawn") if spell.column is None else _who(trace, view, spell)
    if spell.first == spell.last:
        return _("{token} leads after layer {layer}", token=who, layer=spell.first)
    return _("{token} leads up to layer {layer}", token=who, layer=spell.last)


def _then(trace: Trace, view: Fitted, spell: Spell) -> str:
    """Who leads after that."""
    if spell.first == spell.last:
        return _("then {token} after layer {layer}", token=_who(trace, view, spell), layer=spell.first)
    return _("then {token} up to layer {layer}", token=_who(trace, view, spell), layer=spell.last)


def _changes(trace: Trace, view: Fitted, between: Sequence[Spell]) -> str:
    """How often the lead changes before the final answer takes it, and who has it last."""
    spell, token = between[-1], _who(trace, view, between[-1])
    if spell.first == spell.last:
        return ngettext(
            "then the lead changes {count} time (the last time to {token}, after layer {layer})",
            "then the lead changes {count} times (the last time to {token}, after layer {layer})",
            len(between),
            layer=spell.first,
            token=token,
        )
    return ngettext(
        "then the lead changes {count} time (the last time to {token}, up to layer {layer})",
        "then the lead changes {count} times (the last time to {token}, up to layer {layer})",
        len(between),
        layer=spell.last,
        token=token,
    )


def _last(trace: Trace, view: Fitted, spell: Spell, share: str) -> str:
    """Since when the final answer leads, as the end of a sentence."""
    who = _who(trace, view, spell)
    if spell.first == spell.last:
        return _("then {token} after the last layer, with {probability} in the end.", token=who, probability=share)
    return _(
        "then {token} from layer {layer} on, with {probability} in the end.",
        token=who,
        layer=spell.first,
        probability=share,
    )


def _who(trace: Trace, view: Fitted, spell: Spell) -> str:
    return _("a token that is not drawn") if spell.column is None else quoted(names(trace, view)[spell.column])


def table(trace: Trace, view: Fitted) -> Table:
    """Per layer and watched token: probability and rank."""
    ids, labels = trace[Want("watch_ids", pos=view.pos)].tolist(), names(trace, view)
    shares, places = probabilities(trace, view).tolist(), ranks(trace, view).tolist()
    return Table(
        (_("after layer"), _("token"), _("id"), _("probability"), _("rank")),
        tuple(
            (layer, *row)
            for layer, (own, order) in enumerate(zip(shares, places, strict=True))
            for row in zip(labels, ids, own, order, strict=True)
        ),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """What probability and rank are, with the numbers around the layer from which the final answer leads for good."""
    start = spells(ranks(trace, view))[-1].first
    written = [over_the_vocabulary(trace.spec, view), _("rank = 1 + the number of tokens with a larger p")]
    for layer in range(max(0, start - 1), start + 1):
        two_best = ";  ".join(_two_best(trace, view, layer))
        written.append(_("after layer {layer}: {tokens}", layer=layer, tokens=two_best))
    return "\n".join((*written, _(LIMITS)))


def _two_best(trace: Trace, view: Fitted, layer: int) -> Iterator[str]:
    """The two watched tokens that stand highest after one layer."""
    labels, shares, places = names(trace, view), probabilities(trace, view)[layer], ranks(trace, view)[layer]
    for column in sorted(range(len(labels)), key=lambda column: places[column])[:2]:
        yield _(
            "p({token}) = {probability}, rank {rank}",
            token=quoted(labels[column]),
            probability=number(float(shares[column])),
            rank=thousands(int(places[column])),
        )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Per layer and watched token its probability and rank: [layers, tokens, 2]."""
    return f"""{opening(spec, view)}
{layer_streams(view.pos)}    probabilities = {readout(spec)}.softmax(dim=-1)  # [layers, vocab]

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
    name=N_("Watched tokens"),
    title=N_("Which tokens lead on the way?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(MEASURE,),
    applies=requires.output_layer,
)
