"""Claims on how far attention reaches: windows, and words far apart."""

import numpy as np

from anatomy import facts
from anatomy.language import _, ngettext
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.spec import ModelSpec, RelativeBias
from anatomy.trace import Trace
from articles.checks.overview import overview
from articles.checks.second_text import own_ids, too_short
from articles.verdict import Case, Verdict, rests_on
from viz import nouns
from viz.format import listed, percent

_REACH = Want("head_reach")
_FAR = (10, 50, 100)  # tokens away
_SOME = 0.01  # of the attention
_LONG_ENOUGH = 24  # tokens: half of them have one beyond the first of _FAR
_MAPPED = 256  # tokens of which every layer's maps are read


@rests_on(facts.WINDOW)
def no_window(case: Case) -> Verdict:
    """How far back any weight goes on this text, and the limits that the configuration sets."""
    short = too_short(len(case.trace().tokens), 2)
    if short:
        return short
    spec, trace = case.spec, overview(case, _REACH.site)
    reach = trace[_REACH]  # [layer src]
    furthest = int(np.flatnonzero(reach.max(axis=0) > 0).max())
    sentences = [
        _(
            "On this text of {tokens} weight reaches {far} away.",
            tokens=nouns.tokens(len(trace.tokens)),
            far=nouns.tokens(furthest),
        ),
    ]
    sentences += _of_windows(spec)
    free = spec.window is None and (spec.position is None or isinstance(spec.position, RelativeBias))
    if free:
        sentences.append(
            ngettext(
                "No part of this model fixes a length: far distances are all treated alike. It was made for texts of "
                "{count} token.",
                "No part of this model fixes a length: far distances are all treated alike. It was made for texts of "
                "{count} tokens.",
                spec.max_pos,
            )
        )
    else:
        sentences.append(
            ngettext(
                "The longest text of this model is {count} token.",
                "The longest text of this model is {count} tokens.",
                spec.max_pos,
            )
        )
    if not spec.windows and not free:
        sentences.append(_("Up to there nothing but the mask limits what is seen; that length is itself a fixed one."))
    return Verdict(
        "holds" if free else "not",
        " ".join(sentences),
        how=_("Site head_reach, the largest distance with any weight; sliding window and longest text of the model."),
        value=spec.max_pos if spec.window is None else spec.window,
        unit="tokens",
        at={"layer": largest_at(reach[:, furthest])},
    )


def _of_windows(spec: ModelSpec) -> list[str]:
    """How far layers may look, where not all of them look at all that stands before."""
    if not spec.windows:
        return []
    bounded = [window for window in spec.windows if window is not None]
    if len(bounded) == spec.layers:
        return [
            ngettext(
                "Layers look at a window of {count} token and no further.",
                "Layers look at a window of {count} tokens and no further.",
                max(bounded),
            )
        ]
    return [
        ngettext(
            "{count} of {layers} layers looks at a sliding window, the others at all that stands before.",
            "{count} of {layers} layers look at a sliding window, the others at all that stands before.",
            len(bounded),
            layers=spec.layers,
        )
    ]


def long_range(case: Case) -> Verdict:
    """Share of the attention on tokens far away, the first token and what the tokenizer adds left out: many heads rest
    there when they look for nothing."""
    short = too_short(len(case.trace().tokens), _LONG_ENOUGH)
    if short:
        return short
    wants = [Want("pattern", layer) for layer in range(case.spec.layers)]
    whole = len(case.trace().tokens) <= _MAPPED
    trace = case.trace(*wants) if whole else case.of_tokens(own_ids(case.trace(), _MAPPED), *wants)
    shares = np.array([_beyond(trace, trace[want]) for want in wants])  # [layer far]
    far = {far: share for far, share in zip(_FAR, shares.mean(axis=0), strict=True) if not np.isnan(share)}
    listed_ = listed(
        ngettext("{share} beyond {count} token", "{share} beyond {count} tokens", f, share=percent(s))
        for f, s in far.items()
    )
    first, layer = float(far[_FAR[0]]), largest_at(shares[:, 0])
    sentence = ngettext(
        "Of the attention on {count} token, that on the first token left out, goes: {shares}.",
        "Of the attention on {count} tokens, that on the first token left out, goes: {shares}.",
        len(trace.tokens),
        shares=listed_,
    )
    if first <= _SOME:
        sentence = _("Next to no attention goes far, that on the first token left out: {shares}.", shares=listed_)
    return Verdict(
        "holds" if first > _SOME else "not",
        sentence,
        how=ngettext(
            "Site pattern of every layer: weight at more than that many tokens over all weight, in both without the "
            "first token and those that the tokenizer adds; the mean over layers. Of a text of more than {count} "
            "token, the first {count} token.",
            "Site pattern of every layer: weight at more than that many tokens over all weight, in both without the "
            "first token and those that the tokenizer adds; the mean over layers. Of a text of more than {count} "
            "tokens, the first {count} tokens.",
            _MAPPED,
        ),
        value=first,
        unit="probability",
        tolerance=_SOME,
        at={"layer": layer},
    )


def _beyond(trace: Trace, pattern: np.ndarray) -> list[float]:
    """Share of one layer's weights [head pos src] beyond each of _FAR; NaN where the text is too short for it."""
    n = len(trace.tokens)
    kept = np.array([pos > 0 and not token.special for pos, token in enumerate(trace.tokens)])
    weights = pattern.sum(axis=0, dtype=np.float64)[:, kept]  # [pos src]
    apart = np.abs(np.arange(n)[:, None] - np.flatnonzero(kept))
    total = max(float(weights.sum()), 1e-30)
    return [float(weights[apart > far].sum()) / total if n > 2 * far else np.nan for far in _FAR]
