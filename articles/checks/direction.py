"""Claims on the direction of attention: who sees what comes after, and what hides it."""

import numpy as np

from anatomy import facts
from anatomy.language import _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_place
from articles.checks.attention import visible
from articles.checks.overview import overview
from articles.checks.second_text import too_short
from articles.verdict import Case, Verdict, rests_on
from viz.format import percent, thousands

_LATER = Want("head_later")
_NONE = 1e-6  # of the attention: as good as no weight


@rests_on(facts.WINDOW)
def all_words(case: Case) -> Verdict:
    """Weight on tokens that come after the one that looks: the upper half of the map."""
    short = too_short(len(case.trace().tokens), 2)
    if short:
        return short
    trace = overview(case, _LATER.site)
    later, n = trace[_LATER], len(trace.tokens)
    mean, layer, head = _most(later)
    if mean > _NONE:
        sentence = ngettext(
            "{share} of all attention goes to tokens that come after the one that looks: each token sees the {count} "
            "token.",
            "{share} of all attention goes to tokens that come after the one that looks: each token sees all {count} "
            "tokens.",
            n,
            share=percent(mean),
        )
        kind = "holds"
    else:
        sentence, kind = _seen(case, n), "part"
    return Verdict(kind, sentence, _how_later(), mean, "probability", _NONE, {"layer": layer, "head": head})


def _seen(case: Case, n: int) -> str:
    """The same of the layer that sees most."""
    pairs = [int(visible(case, n, layer).sum()) for layer in range(case.spec.layers)]
    most = max(range(case.spec.layers), key=lambda layer: pairs[layer])
    return _says_before(pairs[most], n, most, case.spec.windows_differ and min(pairs) < pairs[most])


def _says_before(seen: int, n: int, layer: int, differ: bool) -> str:
    """What each of n tokens sees. seen: pairs of tokens; a window keeps the far ones out. differ: in other layers than
    this one, more or fewer."""
    counts = {"seen": thousands(seen), "pairs": thousands(n * n)}
    if differ:
        return _(
            "No weight goes to what comes after: each token sees itself and those before it, in layer {layer} {seen} "
            "of {pairs} pairs; some layers have a window and see fewer. Every word sees every other in BERT.",
            layer=layer,
            **counts,
        )
    if seen < n * (n + 1) // 2:
        return _(
            "No weight goes to what comes after: each token sees itself and the nearest before it, {seen} of {pairs} "
            "pairs. Every word sees every other in BERT.",
            **counts,
        )
    return _(
        "No weight goes to what comes after: each token sees itself and those before it, {seen} of {pairs} pairs. "
        "The last token alone sees all. Every word sees every other in BERT.",
        **counts,
    )


def _most(later: np.ndarray) -> tuple[float, int, int]:
    """(mean, layer, head): the mean of [layer head], and where it is largest."""
    layer, head = largest_place(later)
    return float(later.mean()), int(layer), int(head)


def _how_later() -> str:
    return _("Site head_later, the mean over layers and heads: weight above the diagonal of the attention map.")


def directions(case: Case) -> Verdict:
    """Models that go on with a text look one way, those that do not look both ways: does this one fit?"""
    short = too_short(len(case.trace().tokens), 2)
    if short:
        return short
    mean, layer, head = _most(overview(case, _LATER.site)[_LATER])
    both, writes = mean > _NONE, case.spec.head == "causal"
    if both:
        sentence = _(
            "This model reads both ways: {share} of its attention goes to what comes after, as in BERT.",
            share=percent(mean),
        )
    else:
        sentence = _("This model reads one way: no weight goes to what comes after, as in GPT and Llama.")
    rest = _("Its output layer names the next token.") if writes else _("No output layer of it names the next token.")
    return Verdict(
        "holds" if both != writes else "not",
        f"{sentence} {rest}",
        how=_how_later(),
        value=mean,
        unit="probability",
        tolerance=_NONE,
        at={"layer": layer, "head": head},
    )


def one_way_writes(case: Case) -> Verdict:
    """Whether reading one way and writing go together here, by the mask and the output layer."""
    short = too_short(len(case.trace().tokens), 2)
    if short:
        return short
    mean, layer, head = _most(overview(case, _LATER.site)[_LATER])
    one_way, writes = mean <= _NONE, case.spec.head == "causal"
    if one_way and writes:
        kind = "holds"
        sentence = _(
            "This model reads one way and names the next token: what it has read stays as it is while the text grows."
        )
    elif one_way or writes:
        kind = "not"
        sentence = (
            _("This model reads one way and names no next token.")
            if one_way
            else _("This model names the next token, and {share} of its attention looks ahead.", share=percent(mean))
        )
    else:
        kind = "part"
        sentence = _(
            "This model reads both ways ({share} of its attention looks ahead) and names no next token: that half of "
            "it fits. A model that reads one way shows the other.",
            share=percent(mean),
        )
    return Verdict(kind, sentence, _how_later(), mean, "probability", _NONE, {"layer": layer, "head": head})


def encoder(case: Case) -> Verdict:
    """Whether what was opened reads like an encoder: with weight on what comes after, and no next-token output."""
    short = too_short(len(case.trace().tokens), 2)
    if short:
        return short
    mean, layer, head = _most(overview(case, _LATER.site)[_LATER])
    if mean > _NONE:
        kind = "holds" if case.spec.head != "causal" else "part"
        sentence = _(
            "What runs here is an encoder: {share} of the attention goes to later tokens, and none is predicted from "
            "those before it.",
            share=percent(mean),
        )
    else:
        kind = "not"
        sentence = _(
            "What runs here is a decoder: no weight goes to what comes after, so each token can be predicted from "
            "those before it. BERT is an encoder, and half of T5."
        )
    return Verdict(kind, sentence, _how_later(), mean, "probability", _NONE, {"layer": layer, "head": head})


def dynamic_mask(case: Case) -> Verdict:
    """Whether words could be masked at all: a mask token in the vocabulary, and no causal mask in the run."""
    masks = [token for token in case.spec.special if "mask" in token.lower()]
    _mean, layer, head = _most(overview(case, _LATER.site)[_LATER])
    how = _("Control tokens of the vocabulary with “mask” in their name; site head_later.")
    at = {"layer": layer, "head": head}
    if case.spec.stack().causal and not masks:
        sentence = ngettext(
            "There is no mask token among the {count} control token of this vocabulary, and the mask of attention is "
            "the same for every text: nothing that comes after is seen. Masking words anew at each step is how "
            "RoBERTa was trained.",
            "There is no mask token among the {count} control tokens of this vocabulary, and the mask of attention is "
            "the same for every text: nothing that comes after is seen. Masking words anew at each step is how "
            "RoBERTa was trained.",
            len(case.spec.special),
        )
        return Verdict("not", sentence, how, len(masks), "tokens", None, at)
    sentence = _(
        "This model sees the whole text at once, which is what training with masked words takes; how they were chosen "
        "in training cannot be seen. The training code would show it."
    )
    if masks:
        sentence = _("The vocabulary has a token for masked words, {token}.", token=masks[0]) + " " + sentence
    return Verdict("unseen", sentence, how, len(masks), "tokens", None, at)
