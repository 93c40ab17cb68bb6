"""The tokens that lead at some layer, followed through all of them: probability and rank in each layer's lens.

The logit lens (nostalgebraist 2020, "interpreting GPT: the logit lens").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
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
from panels.stack.lens import limits, over_the_vocabulary
from viz.format import listed, number, percent, quoted, thousands
from viz.lines import Lines
from viz.marks import Stands

MEASURE = Choice(
    "watched",
    N_("Show"),
    ("probability", "rank"),
    (N_("probability"), N_("rank")),
    says=N_(
        "Probability: the share that a token would have after each layer. Rank: its place among all tokens of the "
        "vocabulary, 1 the most probable."
    ),
)
_ANSWER = 0  # the final answer's column: the engine puts it first
_NAMED = 4  # spells in the lead that the caption names one by one


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Every token that leads after some layer at the chosen position, with its probabilities and ranks."""
    return tuple(Want(site, pos=view.pos) for site in ("watch_ids", "watch_logp", "watch_rank"))


@dataclass(frozen=True)
class Spell:
    """A token's time in the lead: its column (None for tokens that are not among the watched, one or several), first
    and last layer."""

    column: int | None
    first: int
    last: int


def spells(places: Int[np.ndarray, "layer k"]) -> tuple[Spell, ...]:
    """Who leads, from the first layer to the last. places: ranks of the watched tokens, as in `Watched.rank`."""
    leaders = [smallest_at(row) if row.min() == 1 else None for row in places]
    runs = [[layer for layer, _who in run] for _who, run in groupby(enumerate(leaders), key=lambda pair: pair[1])]
    return tuple(Spell(leaders[run[0]], run[0], run[-1]) for run in runs)


@dataclass(frozen=True)
class Watched:
    """Every token that leads after some layer, followed through all of them; the final answer's column is the first.

    spec         the model's: what the output layer reads, and how many tokens it knows
    pos          the chosen position
    by_rank      whether ranks are drawn instead of probabilities
    ids, labels  of the tokens
    probability  in each layer's lens
    rank         place among the whole vocabulary in each layer's lens, 1 the best
    """

    spec: ModelSpec
    pos: int
    by_rank: bool
    ids: tuple[int, ...]
    labels: tuple[str, ...]
    probability: Float[np.ndarray, "layer k"]
    rank: Int[np.ndarray, "layer k"]

    @cached_property
    def spells(self) -> tuple[Spell, ...]:
        """Who leads, from the first layer to the last."""
        return spells(self.rank)


def read(trace: Trace, view: Fitted) -> Watched:
    """The watched tokens with the engine's probabilities and ranks."""
    ids, logp, rank = (trace[want] for want in needs(trace.spec, view))
    return Watched(
        spec=trace.spec,
        pos=view.pos,
        by_rank=view[MEASURE] == "rank",
        ids=tuple(ids.tolist()),
        labels=tuple(trace.following(row, view.pos) for row in ids.tolist()),
        probability=np.exp(logp.astype(np.float64)),
        rank=rank.astype(np.int64),
    )


def draw(watched: Watched) -> Lines:
    """A line per token over the layers, the final answer in the accent, the longest other leader dashed."""
    by_rank = watched.by_rank
    return Lines(
        values=(watched.rank if by_rank else watched.probability).T,
        names=tuple(map(quoted, watched.labels)),
        places=tuple(map(str, range(len(watched.rank)))),
        chosen=_ANSWER,
        marked=_longest_other(watched.spells),
        x_axis=_("after layer"),
        y_axis=_("rank (1 is the best, log scale)") if by_rank else _("probability (log scale)"),
        logarithmic=True,
        listed=True,
        stands=(None, Stands.each("layer", len(watched.rank))),
    )


def _longest_other(leads: Sequence[Spell]) -> int | None:
    """The token besides the final answer that leads after most layers."""
    time: dict[int, int] = {}
    for spell in leads:
        if spell.column is not None and spell.column != _ANSWER:
            time[spell.column] = time.get(spell.column, 0) + spell.last - spell.first + 1
    return max(time, key=lambda column: time[column], default=None)


def caption(watched: Watched) -> str:
    """Who leads until when, where the final answer starts, and whether early leaders are left out."""
    sentences = [_lead(watched)]
    if len(watched.spells) > 1:
        sentences.append(
            ngettext(
                "After layer 0 {token} has rank {rank} of {count} token.",
                "After layer 0 {token} has rank {rank} of {count} tokens.",
                watched.spec.vocab,
                token=quoted(watched.labels[_ANSWER]),
                rank=thousands(int(watched.rank[0, _ANSWER])),
            )
        )
    if any(spell.column is None for spell in watched.spells):
        sentences.append(
            ngettext(
                "Only the {count} token that led last is drawn; earlier leaders are left out.",
                "Only the {count} tokens that led last are drawn; earlier leaders are left out.",
                len(watched.labels),
            )
        )
    return " ".join(sentences)


def _lead(watched: Watched) -> str:
    """The spells as a sentence; the middle ones only counted where there are many."""
    first, *rest = watched.spells
    share = percent(float(watched.probability[-1, _ANSWER]))
    if not rest:
        name = quoted(watched.labels[_ANSWER])
        return _("{token} leads after every layer, with {probability} in the end.", token=name, probability=share)
    *between, last = rest
    clauses = [_first(watched, first)]
    if len(watched.spells) <= _NAMED:
        clauses += [_then(watched, spell) for spell in between]
    else:
        clauses.append(_changes(watched, between))
    return listed((*clauses, _last(watched, last, share)))


def _first(watched: Watched, spell: Spell) -> str:
    """Who leads at first, as the beginning of a sentence."""
    if spell.column is None and spell.first < spell.last:
        return _("Tokens that are not drawn lead up to layer {layer}", layer=spell.last)
    who = _("A token that is not drawn") if spell.column is None else _who(watched, spell)
    if spell.first == spell.last:
        return _("{token} leads after layer {layer}", token=who, layer=spell.first)
    return _("{token} leads up to layer {layer}", token=who, layer=spell.last)


def _then(watched: Watched, spell: Spell) -> str:
    """Who leads after that."""
    if spell.column is None and spell.first < spell.last:
        return _("then tokens that are not drawn up to layer {layer}", layer=spell.last)
    if spell.first == spell.last:
        return _("then {token} after layer {layer}", token=_who(watched, spell), layer=spell.first)
    return _("then {token} up to layer {layer}", token=_who(watched, spell), layer=spell.last)


def _changes(watched: Watched, between: Sequence[Spell]) -> str:
    """How often the lead changes before the final answer takes it, and who has it last. Among tokens that are not drawn
    it may change more often than is seen."""
    spell, token = between[-1], _who(watched, between[-1])
    if any(each.column is None and each.first < each.last for each in between):
        return ngettext(
            "then the lead changes {count} time or more (the last time to {token}, up to layer {layer})",
            "then the lead changes {count} times or more (the last time to {token}, up to layer {layer})",
            len(between),
            layer=spell.last,
            token=token,
        )
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


def _last(watched: Watched, spell: Spell, share: str) -> str:
    """Since when the final answer leads, as the end of a sentence."""
    who = _who(watched, spell)
    if spell.first == spell.last:
        return _("then {token} after the last layer, with {probability} in the end.", token=who, probability=share)
    return _(
        "then {token} from layer {layer} on, with {probability} in the end.",
        token=who,
        layer=spell.first,
        probability=share,
    )


def _who(watched: Watched, spell: Spell) -> str:
    return _("a token that is not drawn") if spell.column is None else quoted(watched.labels[spell.column])


def table(watched: Watched) -> Table:
    """Per layer and watched token: probability and rank."""
    return Table(
        (_("after layer"), _("token"), _("id"), _("probability"), _("rank")),
        tuple(
            (layer, *row)
            for layer, (shares, places) in enumerate(
                zip(watched.probability.tolist(), watched.rank.tolist(), strict=True)
            )
            for row in zip(watched.labels, watched.ids, shares, places, strict=True)
        ),
    )


def formula(watched: Watched) -> str:
    """What probability and rank are, with the numbers around the layer from which the final answer leads for good."""
    start = watched.spells[-1].first
    written = [over_the_vocabulary(watched.spec, watched.pos), _("rank = 1 + the number of tokens with a larger p")]
    for layer in range(max(0, start - 1), start + 1):
        two_best = ";  ".join(_two_best(watched, layer))
        written.append(_("after layer {layer}: {tokens}", layer=layer, tokens=two_best))
    return "\n".join((*written, limits(watched.spec)))


def _two_best(watched: Watched, layer: int) -> Iterator[str]:
    """The two watched tokens that stand highest after one layer."""
    shares, places = watched.probability[layer].tolist(), watched.rank[layer].tolist()
    for column in sorted(range(len(places)), key=lambda column: places[column])[:2]:
        yield _(
            "p({token}) = {probability}, rank {rank}",
            token=quoted(watched.labels[column]),
            probability=number(shares[column]),
            rank=thousands(places[column]),
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
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(MEASURE,),
    applies=requires.output_layer,
)
