"""Claims on self-attention: what heads look at, how unevenly, and by which steps."""

from dataclasses import replace

import numpy as np

from anatomy import facts
from anatomy.language import _, ngettext
from anatomy.measure import relative_gap
from anatomy.request import Want
from anatomy.rounding import largest_place, smallest_place
from articles.checks.overview import overview
from articles.checks.second_text import own_ids, says_which_part, too_short
from articles.verdict import Case, Verdict, rests_on
from viz.format import number, percent, rounding

_APART, _ENTROPY = Want("head_apart"), Want("head_entropy")
_ALIKE = 0.01  # nats: heads whose rows are less apart than this look at the same
_UNEVEN = 0.95  # of the entropy that even weights would have
_EXACT, _STREAM = 1e-4, 1e-3


def heads_differ(case: Case) -> Verdict:
    """How unlike the heads of a layer are on this text, and which of all is least like its neighbours."""
    short = too_short(len(case.trace().tokens), 2)
    if short:
        return short
    if case.spec.n_heads < 2:
        sentence = _("This model has one head per layer: there are no others to look elsewhere.")
        return Verdict(
            "not", sentence, how=_("Heads of the model's configuration."), value=case.spec.n_heads, unit="heads"
        )
    apart = overview(case, _APART.site)[_APART]  # [layer head]
    mean = float(apart.mean())
    layer, head = largest_place(apart)
    sentence = ngettext(
        "The {count} head of a layer looks at this text {mean} nat apart from each other on average (0: all the same, "
        "0.693: nothing in common); head {head} of layer {layer} is {most} nat from its neighbours.",
        "The {count} heads of a layer look at this text {mean} nat apart from each other on average (0: all the same, "
        "0.693: nothing in common); head {head} of layer {layer} is {most} nat from its neighbours.",
        case.spec.n_heads,
        mean=number(mean),
        layer=layer,
        head=head,
        most=number(float(apart.max())),
    )
    return Verdict(
        "holds" if mean > _ALIKE else "not",
        sentence,
        how=_("Site head_apart, the mean over layers and heads: Jensen–Shannon divergence between two heads' rows."),
        value=mean,
        unit="nat",
        tolerance=_ALIKE,
        at={"layer": layer, "head": head},
    )


def angles(case: Case) -> Verdict:
    """What of “levels of meaning” can be measured: that heads look at different places."""
    verdict = heads_differ(case)
    if verdict.kind != "holds":
        return verdict
    rest = _(
        "That shows different places. Whether these are different levels or sides of a text's meaning, no attention "
        "weight tells; taking single heads out and testing on tasks would show what each is for."
    )
    return replace(verdict, kind="part", says=f"{verdict.says} {rest}")


@rests_on(facts.WINDOW)
def weighs(case: Case) -> Verdict:
    """How uneven the weights are: their entropy against that of equal weights on all that may be seen."""
    short = too_short(len(case.trace().tokens), 2)
    if short:
        return short
    trace = overview(case, _ENTROPY.site)
    entropy, n = trace[_ENTROPY], len(trace.tokens)  # [layer head]
    even = float(np.mean([np.log(visible(case, n, layer)).mean() for layer in range(case.spec.layers)]))
    if even == 0:
        sentence = _("Each token of this model may look at itself alone: there is nothing to share out.")
        return Verdict("unseen", sentence, how=_("Sliding window of the model."), value=1, unit="tokens")
    share = float(entropy.mean()) / even
    layer, head = smallest_place(entropy)
    sentence = _(
        "Attention weights are uneven: their entropy is {mean} nat on average, {share} of the {even} nat that equal "
        "weights would have. The most selective is head {head} of layer {layer}, {least} nat.",
        mean=number(float(entropy.mean())),
        share=percent(share),
        even=number(even),
        layer=layer,
        head=head,
        least=number(float(entropy[layer, head])),
    )
    return Verdict(
        "holds" if share < _UNEVEN else "not",
        sentence,
        how=_("Site head_entropy, the mean over layers and heads, over the mean of log(tokens that may be seen)."),
        value=share,
        unit="share",
        tolerance=_UNEVEN,
        at={"layer": layer, "head": head},
    )


def visible(case: Case, n: int, layer: int) -> np.ndarray:
    """How many tokens each token may look at in a layer: [pos]."""
    if not case.spec.stack().causal:
        return np.full(n, n)
    seen = np.arange(1, n + 1)
    window = case.spec.windows[layer] if case.spec.windows else None
    return seen if window is None else np.minimum(seen, window)


def flow(case: Case) -> Verdict:
    """Weights × values worked out here against what the model's own attention gave, in the layer on view."""
    layer = case.view.layer
    wants = [Want(site, layer) for site in ("scores", "pattern", "v", "z")]
    scores, pattern, v, z = (case.trace(*wants)[want].astype(np.float64) for want in wants)
    values = np.repeat(v, len(pattern) // len(v), axis=0)  # [head src d_head]
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    gap = float(np.abs(weights @ values - z).max())
    sentence = ngettext(
        "Scores, softmax and the weighted sum of values, worked out again for the {count} head of layer {layer}, give "
        "the model's own result (largest difference {gap}).",
        "Scores, softmax and the weighted sum of values, worked out again for the {count} heads of layer {layer}, "
        "give the model's own result (largest difference {gap}).",
        len(pattern),
        layer=layer,
        gap=rounding(gap, v),
    )
    return Verdict(
        "holds" if gap <= _EXACT else "not",
        sentence,
        how=_("softmax(scores) · v − z in layer {layer}: largest difference.", layer=layer),
        value=gap,
        unit="activation",
        tolerance=_EXACT,
        at={"layer": layer},
    )


@says_which_part
def parallel(case: Case) -> Verdict:
    """The first half of the text by itself, against the same tokens in the run on all of it."""
    spec, ids = case.spec, own_ids(case.trace())
    short = too_short(len(ids), 2)
    if short:
        return short
    last = Want("resid_post", spec.layers - 1)
    whole = case.of_tokens(ids, last)
    half = case.of_tokens(ids[: max(1, len(ids) // 2)], last)
    kept = len(half.tokens)
    gap = relative_gap(whole[last][:kept], half[last])
    sentence = ngettext(
        "One pass gave vectors for the {count} token at once.",
        "One pass gave vectors for all {count} tokens at once.",
        len(whole.tokens),
    )
    if not spec.stack().causal:
        kind = "holds"
        rest = ngettext(
            "Each depends on all others: with the first {count} token alone theirs move by {gap}.",
            "Each depends on all others: with the first {count} tokens alone theirs move by {gap}.",
            kept,
            gap=percent(gap),
        )
    elif gap <= _STREAM:
        kind = "holds"
        rest = ngettext(
            "The first {count} token comes out the same without those that follow (difference {gap} of the largest "
            "number), so none has to wait. Only when it writes does the model go token by token.",
            "The first {count} tokens come out the same without those that follow (difference {gap} of the largest "
            "number), so none has to wait. Only when it writes does the model go token by token.",
            kept,
            gap=rounding(gap, 1.0),
        )
    else:
        kind = "not"
        rest = ngettext(
            "But the first {count} token comes out {gap} apart without the rest.",
            "But the first {count} tokens come out {gap} apart without the rest.",
            kept,
            gap=number(gap),
        )
    return Verdict(
        kind,
        f"{sentence} {rest}",
        how=_("Site resid_post of the last layer: largest difference over its largest value, for the tokens in both."),
        value=gap,
        unit="share",
        tolerance=_STREAM,
        second=_("The text's tokens were run again, all of them and the first half."),
    )
