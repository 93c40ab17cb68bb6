"""Claims on residual connections and normalization: what is added, which norm stands where, what it steadies."""

import numpy as np

from anatomy.language import _, ngettext
from anatomy.measure import layer_normalized, norms, relative_gap
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.trace import Trace
from articles.checks.overview import overview
from articles.verdict import Case, Verdict
from viz.format import cosine, number, rounding

_EXACT = 1e-4  # of the largest number in the stream
_CENTRED = 1e-3  # mean of a vector over its dimensions, where the mean was taken out
_BATCH = Want("batch_gap")
_LENGTHS = tuple(Want(f"norm_{place}") for place in ("pre", "mid", "post", "attn", "ffn"))
_COSINES = (Want("cos_attn"), Want("cos_ffn"))


def added(case: Case) -> Verdict:
    """Stream entering + attention + FFN − stream leaving, in the layer on view; with the norm where it comes after."""
    layer = case.view.layer
    gap = max(sum_gap(case, layer, "attn"), sum_gap(case, layer, "ffn"))
    if gap > _EXACT:
        sentence = _(
            "Stream and writes added miss the next stream of layer {layer} by {gap}.", layer=layer, gap=number(gap)
        )
    elif case.spec.norm.place == "post":
        sentence = _(
            "The input of layer {layer} skips attention and the FFN and is added to what they write: difference {gap} "
            "of the largest number. Here each sum is normalized before it goes on.",
            layer=layer,
            gap=rounding(gap, 1.0),
        )
    else:
        sentence = _(
            "The input of layer {layer} skips attention and the FFN and is added to what they write: difference {gap} "
            "of the largest number.",
            layer=layer,
            gap=rounding(gap, 1.0),
        )
    return Verdict(
        "holds" if gap <= _EXACT else "not",
        sentence,
        how=_(
            "Sites resid_pre + attn_out − resid_mid and resid_mid + ffn_out − resid_post of layer {layer}, as a share "
            "of the largest number; where the norm comes after the sum, it is worked out first.",
            layer=layer,
        ),
        value=gap,
        unit="share",
        tolerance=_EXACT,
        at={"layer": layer},
    )


_SUMS = {"attn": ("resid_pre", "attn_out", "resid_mid"), "ffn": ("resid_mid", "ffn_out", "resid_post")}


def sum_gap(case: Case, layer: int, part: str) -> float:
    """How far stream + write are from the next stream, as a share of its largest number; `part`: "attn" or "ffn"."""
    before, write, after = (Want(site, layer) for site in _SUMS[part])
    gain, bias = Want(f"{part}_gain", layer), Want(f"{part}_norm_bias", layer)
    normed = case.spec.norm.place == "post"
    trace = case.trace(before, write, after, *((gain, bias) if normed else ()))
    total = trace[before].astype(np.float64) + trace[write]
    if normed:
        total = layer_normalized(total, case.spec.norm.eps) * trace[gain] + trace[bias]
    return relative_gap(total, trace[after])


def layer_norm(case: Case) -> Verdict:
    """Which norm is found, by the mean and the size of what it gives before its gain; and where it stands."""
    spec, layer = case.spec, case.view.layer
    mean, size = _normalized(case, layer)
    after = spec.norm.place == "post"
    if mean <= _CENTRED:
        norm = _(
            "The norm takes out the mean (largest left: {mean}) and brings the root mean square to {size}: LayerNorm.",
            mean=rounding(mean, size),
            size=number(size),
        )
        kind = "holds" if after else "part"
    else:
        norm = _(
            "The norm leaves the mean in (up to {mean}) and brings the root mean square to {size}: RMSNorm, not "
            "LayerNorm.",
            mean=number(mean),
            size=number(size),
        )
        kind = "not"
    place = (
        _("It stands after each sum, on what a layer gives.")
        if after
        else _("It stands before attention and the FFN, on what they read; what a layer gives is not normalized.")
    )
    where = _("LayerNorm of the output is BERT's way.") if kind != "holds" else ""
    return Verdict(
        kind,
        " ".join(sentence for sentence in (norm, place, where) if sentence),
        how=_(
            "Layer {layer}: what its first norm gave, less its bias and divided by its gain; the largest mean over the "
            "dimensions, and the root mean square over all tokens.",
            layer=layer,
        ),
        value=mean,
        unit="activation",
        tolerance=_CENTRED,
        at={"layer": layer},
    )


def _normalized(case: Case, layer: int) -> tuple[float, float]:
    """(largest mean, root mean square) of what attention's norm gave, before its gain and bias."""
    spec = case.spec
    gave, gain, bias = (Want(site, layer) for site in ("attn_in", "attn_gain", "attn_norm_bias"))
    gave = Want("resid_mid", layer) if spec.norm.place == "post" else gave
    has_bias = spec.norm.kind == "layer"
    trace = case.trace(gave, gain, *((bias,) if has_bias else ()))
    values = trace[gave].astype(np.float64) - (trace[bias] if has_bias else 0.0)
    open_ = np.abs(trace[gain]) > 1e-3  # a gain of 0 hides its dimension
    values = values[:, open_] / trace[gain][open_]  # [pos d_model]
    return float(np.abs(values.mean(axis=1)).max()), float(np.sqrt((values**2).mean()))


def batch_norm(case: Case) -> Verdict:
    """Norms of batches among the model's modules, and what another text in the batch changes."""
    change, lengths = case.trace(_BATCH)[_BATCH], overview(case, "norm_post")[Want("norm_post")][-1]  # [pos]
    gap, share = float(change.max()), float((change / np.maximum(lengths, 1e-12)).max())
    pos = largest_at(change) if share > _EXACT else case.view.pos  # what is all rounding has no largest
    sentence = _(
        "Run in a batch with another text, this one gives the same last stream (difference {gap} of its length).",
        gap=rounding(share, 1.0),
    )
    if case.spec.batch_norms or share > _EXACT:
        kind = "holds" if case.spec.batch_norms else "part"
        sentence = _(
            "Run in a batch with another text, this one's last stream changes by up to {gap}.", gap=number(gap)
        )
        rest = ngettext(
            "The model has {count} batch normalization.",
            "The model has {count} batch normalizations.",
            case.spec.batch_norms,
        )
    else:
        kind = "absent"
        rest = _("The model has no batch normalization: each token's vector is normalized by itself.")
    return Verdict(
        kind,
        f"{sentence} {rest}",
        how=_("Modules of the model; site batch_gap: the largest change of a token's last stream, over its length."),
        value=share,
        unit="share",
        tolerance=_EXACT,
        at={"pos": pos},
        second=_("The same text was run a second time in a batch with its tokens in reverse order."),
    )


def gradients(case: Case) -> Verdict:
    """Gradients flow in training alone; what a forward pass shows is the path that they would take back."""
    trace = overview(case, *(want.site for want in (*_LENGTHS, *_COSINES)))
    passed = [_passed(trace, *names) for names in (("pre", "attn"), ("mid", "ffn"))]
    share = float(np.mean(passed))
    sentence = _(
        "Gradients flow in training alone. What can be seen is the path they take: across one part of a layer the "
        "stream keeps its direction with a cosine of {share} on average, because its input is added unchanged. "
        "Training with and without the skip, and the gradient of each layer, would show the rest.",
        share=cosine(share),
    )
    return Verdict(
        "unseen",
        sentence,
        how=_("Cosine between a stream and its sum with a write, from sites norm_ and cos_; mean over tokens, layers."),
        value=share,
        unit="cosine",
    )


def stability(case: Case) -> Verdict:
    """Stability shows in training; what can be seen is how evenly the stream goes from layer to layer."""
    trace = overview(case, *(want.site for want in _LENGTHS))
    start, end = (trace[Want(f"norm_{place}")].astype(np.float64) for place in ("pre", "post"))  # [layer pos]
    growth = (end / np.maximum(start, 1e-12)).mean(axis=1)
    layer = largest_at(np.abs(np.log(np.maximum(growth, 1e-12))))
    typical = float(np.median(growth))
    sentence = _(
        "To tell whether residual connections make a network more stable takes one without them, trained alike. What "
        "can be seen here: across a layer the stream's length changes by a factor of {typical} as "
        "a rule, most in layer {layer}, by {most}.",
        typical=number(typical),
        layer=layer,
        most=number(float(growth[layer])),
    )
    how = _("Sites norm_post over norm_pre: the mean over tokens in each layer; the median over layers.")
    return Verdict("unseen", sentence, how=how, value=typical, unit="ratio", at={"layer": layer})


def _passed(trace: Trace, stream: str, write: str) -> np.ndarray:
    """Cosine between a stream and that stream + what a part adds: [layer pos]."""
    x, y = (trace[Want(f"norm_{name}")].astype(np.float64) for name in (stream, write))
    dot = trace[Want(f"cos_{write}")].astype(np.float64) * x * y
    total = np.sqrt(np.maximum(x**2 + y**2 + 2 * dot, 1e-30))
    return (x**2 + dot) / np.maximum(x * total, 1e-30)


def steadies(case: Case) -> Verdict:
    """How far the lengths of tokens' streams are apart before the norm, and after it."""
    layer = case.view.layer
    before, after = Want("resid_pre", layer), Want("attn_in", layer)
    if case.spec.norm.place == "post":
        before, after = Want("attn_out", layer), Want("resid_mid", layer)
    trace = case.trace(before, after)
    wide, narrow = (_spread(trace[want]) for want in (before, after))
    sentence = _(
        "How training went cannot be seen; what the norm does can. In layer {layer} the longest vector before it is "
        "{before} times as long as the shortest, after it {after} times. Training without it would show the rest.",
        layer=layer,
        before=number(wide),
        after=number(narrow),
    )
    return Verdict(
        "unseen",
        sentence,
        how=_(
            "Layer {layer}: longest over shortest of the tokens' vectors, before and after its first norm.", layer=layer
        ),
        value=narrow,
        unit="ratio",
        at={"layer": layer},
    )


def _spread(vectors: np.ndarray) -> float:
    """Longest over shortest of some vectors [pos d_model]."""
    lengths = norms(vectors)
    return float(lengths.max() / max(float(lengths.min()), 1e-12))
