"""Claims on the input embedding: dense rows of a table, where they come from, what they know of the context."""

import math

import numpy as np

from anatomy.language import _, ngettext
from anatomy.measure import cosines
from anatomy.request import Want
from anatomy.rounding import largest_at, smallest_at
from anatomy.trace import Trace
from articles.checks.second_text import backwards, own_ids, says_which_part, too_short
from articles.verdict import Case, Verdict
from viz import nouns
from viz.format import cosine, number, percent, quoted, thousands

_ROWS, _NEAR, _NEAR_IDS = Want("tok_embed"), Want("near_cos"), Want("near_ids")
_LONG_WORD = "unbelievability"
# One word in two senses.
_WORD, _RIVER, _MONEY = "bank", "They sat down on the grassy bank of the river", "She put all of her money in the bank"
_SAME = 0.999  # cosine from which two vectors count as one


def dense(case: Case) -> Verdict:
    """Share of the numbers in the text's embedding rows that are not 0."""
    rows = case.trace(_ROWS)[_ROWS]  # [pos d_model]
    share = float((rows != 0).mean())
    sentence = _(
        "Each token becomes {width} numbers, of which {share} are not 0: a row of a table of {rows} rows.",
        width=thousands(rows.shape[1]),
        share=percent(share),
        rows=thousands(case.spec.vocab),
    )
    how = _("Site tok_embed: numbers that are not 0, over all tokens of the text.")
    return Verdict("holds" if share > 0.5 else "not", sentence, how=how, value=share, unit="share")


def word2vec(case: Case) -> Verdict:
    """What speaks against vectors made elsewhere: the table is the output layer too, or has rows for parts of words."""
    spec, probe = case.spec, case.other(_LONG_WORD)
    pieces = [token for token in probe.tokens if token.start < token.end]
    share = spec.vocab * spec.d_model / spec.weights.parameters if spec.weights.parameters else math.nan
    table = ngettext(
        "The table has {count} row of {width} numbers and holds {share} of the model's own parameters.",
        "The table has {count} rows of {width} numbers and holds {share} of the model's own parameters.",
        spec.vocab,
        width=thousands(spec.d_model),
        share=percent(share),
    )
    tied = _("The output layer is this same table, so it was trained with the model.") if spec.tied else ""
    cut = (
        ngettext(
            "Word2Vec and GloVe have a vector per word; here {word} is looked up in {count} piece.",
            "Word2Vec and GloVe have a vector per word; here {word} is looked up in {count} pieces.",
            len(pieces),
            word=quoted(_LONG_WORD),
        )
        if len(pieces) > 1
        else ""
    )
    against = " ".join(sentence for sentence in (tied, cut) if sentence)
    rest = against or _("Whether its rows were once taken from somewhere else cannot be seen in a forward pass.")
    return Verdict(
        "not" if against else "unseen",
        f"{table} {rest}",
        how=_("Shape of the embedding table, whether the output layer is tied to it, and the pieces of a long word."),
        value=share,
        unit="share",
        second=_("A second text, {text}, was cut by the same tokenizer.", text=quoted(_LONG_WORD)),
    )


def related(case: Case) -> Verdict:
    """Cosine of each token's row with the nearest that is spelled otherwise, against what chance would give."""
    trace, spec = case.trace(_NEAR, _NEAR_IDS), case.spec
    ranks = {pos: rank for pos in range(len(trace.tokens)) if (rank := _otherwise(trace, pos)) is not None}
    how = _(
        "Sites near_ids and near_cos: the best neighbour that differs in more than capitals, spaces and marks; mean "
        "over the text's tokens, against √(2 ln V / d), the largest cosine that V random directions in d dimensions "
        "are expected to have with a given one; 1.2 times that is asked."
    )
    if not ranks:
        sentence = _(
            "All rows near to those of your text are other spellings of the same words: another text shows more."
        )
        return Verdict("unseen", sentence, how=how, value=0, unit="tokens")
    chance = min(1.0, math.sqrt(2 * math.log(max(2, spec.vocab)) / spec.d_model))
    cosines_ = {pos: float(trace[_NEAR][pos, rank]) for pos, rank in ranks.items()}
    mean, best = sum(cosines_.values()) / len(cosines_), list(cosines_)[largest_at(np.array([*cosines_.values()]))]
    sentence = _(
        "The nearest row that is not the same word in other letters has a cosine of {mean} on average; among {rows} "
        "random vectors of {width} numbers it would be about {chance}. For {token} it is {name}.",
        mean=cosine(mean),
        rows=thousands(spec.vocab),
        width=thousands(spec.d_model),
        chance=cosine(chance),
        token=quoted(trace.labels[best]),
        name=quoted(trace.name(int(trace[_NEAR_IDS][best, ranks[best]]))),
    )
    near = mean > 1.2 * chance
    rest = (
        _("Nearness is there; whether it is one of meaning, of spelling or of use, this number does not tell.")
        if near
        else _("That is no nearer than chance would have it.")
    )
    return Verdict("part" if near else "not", f"{sentence} {rest}", how, mean, "cosine", 1.2 * chance, {"pos": best})


def _otherwise(trace: Trace, pos: int) -> int | None:
    """Rank of the nearest row whose letters are not those of the token at `pos`; None where all that are known are."""
    own = _letters(trace.name(trace.tokens[pos].id))
    names = (trace.name(int(row)) for row in trace[_NEAR_IDS][pos])
    return next((rank for rank, name in enumerate(names) if _letters(name) != own), None)


def _letters(label: str) -> str:
    """A label without capitals, spaces and the marks of where a word begins or goes on."""
    return label.strip("·▁Ġ# ").casefold()


@says_which_part
def sentences(case: Case) -> Verdict:
    """Whether a token's embedding row depends on what stands around it: the same tokens in reverse order."""
    ids = own_ids(case.trace())
    short = too_short(len(ids), 2)
    if short:
        return short
    rows, again = (_own_rows(case.of_tokens(order, _ROWS), len(ids)) for order in (ids, backwards(ids)))
    moved = (*range(len(ids) - 2, -1, -1), len(ids) - 1)
    gap = float(np.abs(rows[list(moved)] - again).max())
    sentence = (
        _(
            "In reverse order every token of your text keeps its row exactly, and {count} give {count_rows}: none for "
            "the sentence. What surrounds a token enters in the layers above.",
            count=nouns.tokens(len(ids)),
            count_rows=nouns.vectors(len(ids)),
        )
        if gap == 0
        else _("In reverse order the embedding rows change by up to {gap}.", gap=number(gap))
    )
    return Verdict(
        "not" if gap == 0 else "holds",
        sentence,
        how=_("Site tok_embed of the same tokens in two orders: largest difference between the rows of one token."),
        value=gap,
        unit="activation",
        tolerance=0.0,
        second=_("The text's tokens were looked up a second time, in reverse order."),
    )


def _own_rows(trace: Trace, count: int) -> np.ndarray:
    """[pos d_model] of the last tokens, which are those that were given."""
    return trace[_ROWS][len(trace.tokens) - count :]


def contextual(case: Case) -> Verdict:
    """Cosine between one word in two sentences, at the embedding and after each layer."""
    last = case.spec.layers
    streams = [Want("resid_post", layer) for layer in range(last)]
    river, money = (case.other(text, _ROWS, *streams) for text in (_RIVER, _MONEY))
    here, there = _place(river), _place(money)
    row = float(cosines(river[_ROWS][here], money[_ROWS][there]))
    path = [float(cosines(river[want][here], money[want][there])) for want in streams]
    lowest = smallest_at(np.array(path))
    sentence = (
        _(
            "“{word}” of a river and “{word}” for money: cosine {row} at the embedding, {low} after the last layer, "
            "where it is lowest.",
            word=_WORD,
            row=cosine(row),
            low=cosine(path[lowest]),
        )
        if lowest == last - 1
        else _(
            "“{word}” of a river and “{word}” for money: cosine {row} at the embedding, {low} after layer {layer}, "
            "{end} after the last.",
            word=_WORD,
            row=cosine(row),
            low=cosine(path[lowest]),
            layer=lowest,
            end=cosine(path[-1]),
        )
    )
    return Verdict(
        "holds" if row > _SAME > path[lowest] else "not",
        sentence,
        how=_(
            "Sites tok_embed and resid_post of every layer: cosine between the two vectors of the word's last token."
        ),
        value=path[lowest],
        unit="cosine",
        tolerance=_SAME,
        at={"layer": lowest},
        second=_("Two other texts were run: {first} and {second}.", first=quoted(_RIVER), second=quoted(_MONEY)),
    )


def _place(trace: Trace) -> int:
    """The token in which the word ends."""
    end = trace.text.index(_WORD) + len(_WORD)
    return next(place for place, token in enumerate(trace.tokens) if token.start < end <= token.end)
