"""Claims on the output: a probability for every token, the next one or a missing one, and what is done with it."""

import math

import numpy as np

from anatomy.language import _, ngettext
from anatomy.measure import softmax
from anatomy.request import Want
from anatomy.rounding import smallest_at
from anatomy.trace import Trace
from articles.checks.overview import overview
from articles.checks.second_text import backwards, own_ids, says_which_part, too_short
from articles.verdict import Case, Verdict
from viz.format import number, percent, quoted, rounding, thousands

_SURPRISAL, _NEXT, _LOGP = Want("surprisal"), Want("next_ids"), Want("next_logp")
_LATER = Want("head_later")
_EXACT = 1e-4


def softmax_of_all(case: Case) -> Verdict:
    """Softmax over the logits of the whole vocabulary, against the model's own best probabilities."""
    if case.spec.head is None:
        return _no_output()
    pos = case.view.pos
    logits, ids, logp = (Want(site, pos=pos) for site in ("logits", "next_ids", "next_logp"))
    trace = case.trace(logits, ids, logp)
    p = softmax(trace[logits])
    total = float(p.sum())
    gap = float(np.abs(p[trace[ids]] - np.exp(trace[logp].astype(np.float64))).max())
    sentence = ngettext(
        "At {token} {count} token gets a probability, {total} in sum; the largest difference of a recomputed softmax "
        "from the model's own probabilities is {gap}. They are tokens, not words.",
        "At {token} {count} tokens get a probability each, {total} in sum; the largest difference of a recomputed "
        "softmax from the model's own probabilities is {gap}. They are tokens, not words.",
        len(p),
        token=quoted(trace.labels[pos]),
        total=number(total, 6),
        gap=rounding(gap, 1.0),
    )
    return Verdict(
        "holds" if abs(total - 1) <= _EXACT and gap <= _EXACT else "not",
        sentence,
        how=_("softmax of site logits: its sum, and its difference from exp(next_logp) for the best tokens."),
        value=total,
        unit="probability",
        tolerance=_EXACT,
        at={"pos": pos},
    )


def _no_output() -> Verdict:
    sentence = _(
        "This model has no output layer: it gives a vector per token and no probabilities. Models opened with their "
        "output layer have one for each token of the vocabulary."
    )
    return Verdict("absent", sentence, how=_("Output layer of the model's spec."))


def classes(case: Case) -> Verdict:
    """What the output layer has a number for: tokens, not classes."""
    if case.spec.head is None:
        return _no_output()
    pos = case.view.pos
    logits = Want("logits", pos=pos)
    count = len(case.trace(logits)[logits])
    sentence = _(
        "The output layer has {count} outputs, one per token of the vocabulary, and none for classes. Classes take a "
        "layer of their own, trained on labelled texts, or a question that is answered in words.",
        count=thousands(count),
    )
    return Verdict("absent", sentence, how=_("Length of site logits."), value=count, unit="tokens", at={"pos": pos})


def next_word(case: Case) -> Verdict:
    """How well each token of the text is predicted from those before it, against guessing."""
    if case.spec.head != "causal":
        return _predicts_nothing(case)
    short = too_short(len(case.trace().tokens), 2)
    if short:
        return short
    trace = case.trace(_SURPRISAL, _NEXT)
    loss = trace[_SURPRISAL][1:].astype(np.float64)  # [pos − 1]
    ids = np.array([token.id for token in trace.tokens])
    hits = int((trace[_NEXT][:-1, 0] == ids[1:]).sum())
    mean, chance = float(loss.mean()), math.log(case.spec.vocab)
    sentence = _(
        "Each token is predicted from those before it: {mean} nat of surprisal on average (guessing: {chance}); "
        "{hits} of {count} were the model's first choice. It predicts tokens, pieces of words.",
        mean=number(mean),
        chance=number(chance),
        hits=hits,
        count=thousands(len(loss)),
    )
    rest = "" if mean < chance else _("On this text it is no better than guessing.")
    return Verdict(
        "holds" if mean < chance else "part",
        f"{sentence} {rest}".strip(),
        how=_("Site surprisal, mean over the tokens after the first, against log of the vocabulary; site next_ids."),
        value=mean,
        unit="nat",
        tolerance=chance,
        at={"pos": smallest_at(loss)},
    )


def _predicts_nothing(case: Case) -> Verdict:
    """Models that look ahead cannot predict what they see."""
    mean = float(overview(case, _LATER.site)[_LATER].mean())
    sentence = _(
        "This model sees the whole text: {share} of its attention goes to what comes after, so no token is predicted "
        "from those before it. GPT and Llama predict the next token.",
        share=percent(mean),
    )
    how = _("Output layer of the model's spec; site head_later.")
    return Verdict("not", sentence, how=how, value=mean, unit="probability")


def missing_word(case: Case) -> Verdict:
    """What naming a hidden word takes: a token that hides it, sight of both sides, and a layer that names it."""
    spec = case.spec
    masks = [token for token in spec.special if "mask" in token.lower()]
    mean = float(overview(case, _LATER.site)[_LATER].mean())
    token = (
        _("The vocabulary has a token that hides a word, {token}.", token=masks[0])
        if masks
        else _("The vocabulary names no token that hides a word.")
    )
    how = _("Output layer and control tokens of the model's spec; site head_later, the mean over layers and heads.")
    if spec.head == "masked":
        kind = "holds"
        sentence = _(
            "This model looks at both sides of a gap ({share} of its attention goes to what comes after), and its "
            "output layer names the token that belongs there.",
            share=percent(mean),
        )
    elif spec.head == "causal":
        kind = "not"
        sentence = _(
            "Nothing of what stands after a gap is seen ({share} of the attention), so this model names the token that "
            "comes next. BERT names hidden ones.",
            share=percent(mean),
        )
    else:
        kind = "unseen"
        sentence = _(
            "This model looks at both sides of a gap ({share} of its attention goes to what comes after), but it was "
            "opened without a layer that names tokens. A checkpoint with that layer would show it.",
            share=percent(mean),
        )
    return Verdict(kind, f"{sentence} {token}", how=how, value=mean, unit="probability")


def generates(case: Case) -> Verdict:
    """Whether the model goes on with the text, and how it would."""
    if case.spec.head != "causal":
        return _predicts_nothing(case)
    pos = len(case.trace().tokens) - 1
    ids, logp = Want("next_ids", pos=pos), Want("next_logp", pos=pos)
    trace = case.trace(ids, logp)
    p = float(np.exp(trace[logp][0]))
    sentence = _(
        "It goes on with your text: {token} is the most probable next token ({share}). It is put at the end and the "
        "next one is asked for. How human the result reads and how well it hangs together no forward pass tells; "
        "readers of longer texts would.",
        token=quoted(trace.following(int(trace[ids][0]), pos)),
        share=percent(p),
    )
    how = _("Sites next_ids and next_logp at the last token of the text.")
    return Verdict("part", sentence, how=how, value=p, unit="probability", at={"pos": pos})


@says_which_part
def knows_language(case: Case) -> Verdict:
    """The text against the same tokens in reverse order, and against guessing: which is less surprising?"""
    if case.spec.head != "causal":
        sentence = _(
            "What a model knows of language shows here in how it predicts the next token, and this one predicts none. "
            "Words that are hidden, and a layer that names them, would show it."
        )
        return Verdict("unseen", sentence, how=_("Output layer of the model's spec."))
    ids = own_ids(case.trace())
    short = too_short(len(ids), 4)
    if short:
        return short
    own, mixed = (_loss(case.of_tokens(order, _SURPRISAL), len(ids)) for order in (ids, backwards(ids)))
    chance = math.log(case.spec.vocab)
    sentence = _(
        "Your text surprises it by {own} nat per token, the same tokens in reverse order by {mixed}; a model that "
        "knows nothing would stand at {chance}.",
        own=number(own),
        mixed=number(mixed),
        chance=number(chance),
    )
    if own < min(mixed, chance):
        kind = "part"
        rest = _(
            "It knows which orders are usual. How much of that is grammar, how much facts or common sense, one number "
            "does not tell; tests of each would."
        )
    elif own < max(mixed, chance):
        kind, rest = "part", _("It beats one of the two.")
    else:
        kind, rest = "not", _("On this text it knows no better.")
    return Verdict(
        kind,
        f"{sentence} {rest}",
        how=_("Site surprisal, the mean over the tokens after the first; log of the vocabulary for a model of chance."),
        value=mixed - own,
        unit="nat",
        tolerance=0.0,
        second=_("The text's tokens were run again, in order and in reverse."),
    )


def _loss(trace: Trace, count: int) -> float:
    """Mean surprisal of the given tokens, the first of the text left out."""
    return float(np.nanmean(trace[_SURPRISAL][-count:].astype(np.float64)))
