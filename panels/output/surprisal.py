"""How surprising each token of the text was to the model that had read those before it; perplexity of the whole."""

import math
import sys
from collections.abc import Sequence

import numpy as np

from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.spec import ModelSpec
from anatomy.view import Fitted
from panels.common import joined, requires
from panels.common.columns import table_note, table_rows
from panels.common.joined import note
from panels.common.shared import WORDS
from panels.common.snippet import opening
from panels.output.surprisals import AHEAD, SURPRISAL, Surprisals, read, wants_ahead
from panels.panel import Movable, Panel, Table
from viz.format import number, percent, quoted, thousands
from viz.level import Level
from viz.marks import Stands
from viz.upright import Upright


def applies(spec: ModelSpec) -> str | None:
    """None, or why this model's tokens have no surprisal."""
    if spec.head == "masked":
        return _(
            "This model reads the whole text at once, each token with itself in sight: it gives no probability of a "
            "token before it has read it, so there is no surprisal and no perplexity of a text."
        )
    return requires.output_layer(spec)


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """−log p of every token, in nats; of one token, which has none, what may come next."""
    return (SURPRISAL, *wants_ahead(view))


def idle(spec: ModelSpec, view: Fitted) -> Sequence[Movable]:
    """One token is one word."""
    return (WORDS,) if view.length == 1 else ()


def draw(surprisals: Surprisals) -> Upright:
    """A bar per token or word, the mean as a line, in nats; of a long text those around the chosen, above the whole.

    Where the text is one token, bars of those that may come next.
    """
    if surprisals.ahead:
        return _draw_ahead(surprisals)
    row, average = surprisals.row, surprisals.mean
    near = row.near
    return Upright(
        values=surprisals.values[near.start : near.stop],
        labels=tuple(surprisals.label(place) for place in near),
        notes=tuple(_note(surprisals, place) for place in near),
        x_axis=_("word") if surprisals.as_words else _("token"),
        y_axis=_("surprisal (nats)"),
        focus=surprisals.chosen - near.start,
        level=None if math.isnan(average) else Level(average, _("mean {value}", value=number(average))),
        whole=row.whole(
            surprisals.values,
            _column,
            _("place of the word") if surprisals.as_words else _("position"),
            _("nats"),
        ),
        stands=(Stands("pos", tuple(surprisals.words.starts[place] for place in row.places)),),
    )


def _draw_ahead(surprisals: Surprisals) -> Upright:
    """A bar per token that may come after the only one, the likeliest first."""
    names, nats = zip(*surprisals.ahead, strict=True)
    return Upright(
        values=np.array(nats),
        labels=names,
        notes=tuple(
            _("{token}: −log {share} = {value} nats", token=name, share=_share(value), value=number(value))
            for name, value in surprisals.ahead
        ),
        x_axis=_("token that may come next"),
        y_axis=_("surprisal (nats)"),
        focus=0,
    )


def _column(places: str, value: float) -> str:
    """What the hover box of a column of the whole says."""
    if "–" in places:
        return _("{places}: mean {value} nats", places=places, value=number(value))
    return _("{place}: {value} nats", place=places, value=number(value))


def _note(surprisals: Surprisals, place: int) -> str:
    label, value = surprisals.label(place), float(surprisals.values[place])
    if math.isnan(value):
        return _("{place} {token}: nothing comes before it", place=place, token=label)
    values = {"place": place, "token": label, "share": _share(value), "value": number(value)}
    if surprisals.in_part(place):
        return _("{place} {token}, after its first token: −log {share} = {value} nats", **values)
    return _("{place} {token}: −log {share} = {value} nats", **values)


def caption(surprisals: Surprisals) -> str:
    """The chosen token's probability and surprisal, the most surprising one, the text's perplexity."""
    if not len(surprisals.known):
        only = _(
            "{token} is all of the text: nothing comes before it, so the model gives it no probability. Type more "
            "after it, and every token from the second on has a bar here.",
            token=_name(surprisals),
        )
        return " ".join((only, *_best_ahead(surprisals)))
    if len(surprisals.known) == 1:
        sentences = (_chosen(surprisals), _alone(surprisals), _perplexity(surprisals))
        return " ".join(part for part in (*sentences, _joined(surprisals)) if part)
    place = largest_at(surprisals.values)
    top = float(surprisals.values[place])
    most = _(
        "The most surprising is {token} at {place}: {share}, {value} nats.",
        token=quoted(surprisals.label(place)),
        place=place,
        share=_share(top),
        value=number(top),
    )
    sentences = (_chosen(surprisals), most, _perplexity(surprisals), _joined(surprisals))
    return " ".join(part for part in (*sentences, surprisals.row.caption(surprisals.as_words)) if part)


def _best_ahead(surprisals: Surprisals) -> list[str]:
    """The likeliest of the tokens that may come next; nothing where none is shown."""
    return [
        _(
            "Until then the bars are those of the tokens likeliest to come next: {token} would surprise least, with "
            "{value} nats ({share}).",
            token=quoted(name),
            value=number(value),
            share=_share(value),
        )
        for name, value in surprisals.ahead[:1]
    ]


def _share(nats: float) -> str:
    """The probability of which this is the surprisal: never 0 %, however small."""
    return percent(max(math.exp(-nats), sys.float_info.min))


def _name(surprisals: Surprisals) -> str:
    return quoted(surprisals.label(surprisals.chosen))


def _chosen(surprisals: Surprisals) -> str:
    name, value = _name(surprisals), surprisals.own
    if math.isnan(value):
        return _("{token} is the first token: nothing predicts it.", token=name)
    values = {"token": name, "share": _share(value), "value": number(value)}
    if surprisals.at_once:
        return _(_IN_SIGHT[surprisals.in_part(surprisals.chosen)], **values)
    if surprisals.in_part(surprisals.chosen):
        return _(
            "After its first token was read, which nothing predicts, the rest of {token} had a probability of {share}: "
            "a surprisal of {value} nats.",
            **values,
        )
    return _("Before it was read, {token} had a probability of {share}: a surprisal of {value} nats.", **values)


# Of a run without the causal mask; by whether only a part of the word has a surprisal.
_IN_SIGHT = {
    False: N_("With itself in sight, {token} had a probability of {share}: a surprisal of {value} nats."),
    True: N_(
        "With itself in sight, {token} without its first token had a probability of {share}: a surprisal of {value} "
        "nats."
    ),
}


def _alone(surprisals: Surprisals) -> str:
    """The only one that has a surprisal, where it is not the chosen one."""
    place = int(np.flatnonzero(~np.isnan(surprisals.values))[0])
    if place == surprisals.chosen:
        return ""
    value = float(surprisals.values[place])
    return _(
        "Only {token} at {place} has a surprisal: {share}, {value} nats.",
        token=quoted(surprisals.label(place)),
        place=place,
        share=_share(value),
        value=number(value),
    )


def _perplexity(surprisals: Surprisals) -> str:
    mean, perplexity = number(surprisals.mean), number(surprisals.perplexity)
    if surprisals.as_words:
        return ngettext(
            "Over {count} word the mean is {mean} nats, a perplexity of {perplexity} per word.",
            "Over {count} words the mean is {mean} nats, a perplexity of {perplexity} per word.",
            len(surprisals.known),
            mean=mean,
            perplexity=perplexity,
        )
    if 0 < surprisals.vocab < surprisals.perplexity:
        return ngettext(
            "Over {count} token the mean is {mean} nats, a perplexity of {perplexity}: more than a blind guess among "
            "the {vocab} tokens of the vocabulary would come to.",
            "Over {count} tokens the mean is {mean} nats, a perplexity of {perplexity}: more than a blind guess among "
            "the {vocab} tokens of the vocabulary would come to.",
            len(surprisals.known),
            mean=mean,
            perplexity=perplexity,
            vocab=thousands(surprisals.vocab),
        )
    return ngettext(
        "Over {count} token the mean is {mean} nats, a perplexity of {perplexity}: as uncertain as an even choice "
        "among so many tokens.",
        "Over {count} tokens the mean is {mean} nats, a perplexity of {perplexity}: as uncertain as an even choice "
        "among so many tokens.",
        len(surprisals.known),
        mean=mean,
        perplexity=perplexity,
    )


def _joined(surprisals: Surprisals) -> str:
    """How several tokens became one word."""
    if not surprisals.as_words:
        return ""
    return note(
        surprisals.words, _("Tokens of one word are joined: their nats are added, their probabilities multiplied.")
    )


def table(surprisals: Surprisals) -> Table:
    """One row per token or word; of a text of one token a row per token that may come next."""
    measures = (_("probability"), _("surprisal (nats)"), _("surprisal (bits)"))
    if surprisals.ahead:
        rows = tuple((name, *_numbers(value)) for name, value in surprisals.ahead)
        return Table((_("token that may come next"), *measures), rows)
    names = (_("place"), _("word"), _("tokens")) if surprisals.as_words else (_("position"), _("token"))
    shown = table_rows(len(surprisals.values), surprisals.chosen)
    sizes, values = surprisals.words.sizes.tolist(), surprisals.values.tolist()
    return Table(
        (*names, *measures),
        tuple(
            (place, surprisals.label(place), *([sizes[place]] if surprisals.as_words else []), *_numbers(values[place]))
            for place in shown
        ),
        _unlisted(surprisals, shown),
    )


def _unlisted(surprisals: Surprisals, shown: range) -> str | None:
    """That the table does not list every token or word; None where it does."""
    count = len(surprisals.values)
    if len(shown) == count or not surprisals.as_words:
        return table_note(count, shown)
    return ngettext(
        "Listed is {shown} of {count} word, those around the chosen one.",
        "Listed are {shown} of {count} words, those around the chosen one.",
        count,
        shown=thousands(len(shown)),
    )


def _numbers(value: float) -> tuple[float | None, float | None, float | None]:
    """Probability, nats, bits."""
    return (None, None, None) if math.isnan(value) else (math.exp(-value), value, value / math.log(2))


def formula(surprisals: Surprisals) -> str:
    """Surprisal of the chosen token or word, the mean, the perplexity, and bits per byte."""
    rule = _("surprisal of a token = −log p(token | those before it), in nats")
    if surprisals.at_once:
        rule = _("surprisal of a token = −log p(token | the whole text, itself among it), in nats")
    lines = [rule, *_sum_lines(surprisals)]
    own = surprisals.own
    if not math.isnan(own):
        lines.append(
            _(
                "{token}: −log {probability} = {nats} nats = {bits} bits",
                token=_name(surprisals),
                probability=number(math.exp(-own)),
                nats=number(own),
                bits=number(own / math.log(2)),
            )
        )
    for name, value in surprisals.ahead[:1]:
        lines.append(
            _(
                "{token}: −log {probability} = {nats} nats = {bits} bits",
                token=quoted(name),
                probability=number(math.exp(-value)),
                nats=number(value),
                bits=number(value / math.log(2)),
            )
        )
    return "\n".join((*lines, *_mean_lines(surprisals)))


def _sum_lines(surprisals: Surprisals) -> list[str]:
    """The chosen word as the sum of its tokens; nothing where tokens are shown."""
    if not surprisals.as_words or surprisals.ahead:
        return []
    own = surprisals.words.tokens(surprisals.chosen)
    parts = [f"{quoted(surprisals.tokens[pos].label)} {number(float(surprisals.of_token[pos]))}" for pos in own]
    return [
        _("surprisal of a word = the sum over its tokens, that of the first token of the text left out"),
        *([f"{' + '.join(parts)} = {number(surprisals.own)}"] if len(parts) > 1 else []),
    ]


def _mean_lines(surprisals: Surprisals) -> list[str]:
    """Mean, perplexity and bits per byte; nothing where nothing is predicted."""
    if math.isnan(surprisals.mean):
        return []
    mean, count, total = number(surprisals.mean), thousands(len(surprisals.known)), float(surprisals.known.sum())
    bits, size = total / math.log(2), sum(len(token.bytes) for token in surprisals.tokens[1:])
    return [
        _("mean = {total} / {count} = {mean}", total=number(total, 4), count=count, mean=mean),
        _("perplexity = e^{mean} = {perplexity}", mean=mean, perplexity=number(surprisals.perplexity)),
        _(
            "bits per byte = {bits} / {bytes} = {rate}, which can be compared between tokenizers",
            bits=number(bits, 4),
            bytes=thousands(size),
            rate=number(bits / size),
        ),
    ]


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The surprisal of every token but the first, or of every word; the perplexity of either. After a text of one token
    the surprisals of what may come next."""
    if view.length == 1:
        return f"""{opening(spec, view)}
with torch.no_grad():
    logits = model(**inputs).logits[0].double()
best = torch.log_softmax(logits[-1], dim=-1).topk({AHEAD})
result = -best.values  # [next]
print(result, tokenizer.convert_ids_to_tokens(best.indices.tolist()))
"""
    return f"""{opening(spec, view)}
with torch.no_grad():
    logits = model(**inputs).logits[0].double()
logp = torch.log_softmax(logits[:-1], dim=-1)
result = -logp[torch.arange(len(ids) - 1), torch.tensor(ids)[1:]]  # [pos - 1]
{_summed(view)}print(result, "perplexity", result.mean().exp().item())
"""


def _summed(view: Fitted) -> str:
    """Python that adds up the tokens of each word; that of the first token, which has none, counts as 0."""
    if not view[WORDS]:
        return ""
    return f"""{joined.program(view)}
nats = torch.cat([torch.zeros(1), result])  # [pos]: nothing predicts the first token
words = [word for word in words if word.stop > 1]
result = torch.tensor([nats[word].sum().item() for word in words])
"""


PANEL = Panel(
    id="surprisal",
    stage="output",
    order=3,
    name=N_("Surprisal"),
    title=N_("How surprising was each token?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
    controls=(WORDS,),
    idle=idle,
)
