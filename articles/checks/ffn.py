"""Claims on the feed-forward network: its matrices and activation, what it reads, whether it is linear."""

import numpy as np

from anatomy.language import _
from anatomy.request import Want
from anatomy.rounding import largest_at, largest_place
from articles.checks.overview import overview
from articles.verdict import Case, Verdict
from viz import nouns
from viz.format import number, percent

_BEND, _ZERO, _ORDER = Want("ffn_bend"), Want("act_zero"), Want("layer_order")
_STRAIGHT = 1e-3
_ALL_OF_IT, _NOTHING = 0.99, 0.01
FFN = 2  # how the site layer_order writes a feed-forward network


def nonlinear(case: Case) -> Verdict:
    """How far the FFN of two tokens' inputs together is from the two FFNs added."""
    bend = overview(case, _BEND.site)[_BEND]  # [layer pos]
    mean = float(bend.mean())
    layer, pos = largest_place(bend)
    sentence = _(
        "The FFN of two inputs added is not the two FFNs added: they differ by {mean} of the former's length on "
        "average, most in layer {layer} ({most}).",
        mean=percent(mean),
        layer=layer,
        most=percent(float(bend.max())),
    )
    if mean <= _STRAIGHT:
        sentence = _(
            "The FFN of two inputs added is the two FFNs added, to within {mean}: linear here.", mean=percent(mean)
        )
    return Verdict(
        "holds" if mean > _STRAIGHT else "not",
        sentence,
        how=_("Site ffn_bend: ‖F(x+y) − F(x) − F(y) + F(0)‖ / ‖F(x+y)‖ on a token's own input and its neighbour's."),
        value=mean,
        unit="ratio",
        tolerance=_STRAIGHT,
        at={"layer": layer, "pos": pos},
    )


def two_matrices(case: Case) -> Verdict:
    """Matrices and activation function of the FFN, and the neurons that are exactly 0, as ReLU leaves them."""
    ffn, zero = case.spec.ffn, overview(case, _ZERO.site)[_ZERO]  # [layer pos]
    share, layer = float(zero.mean()), largest_at(zero.mean(axis=1))
    rest = _("{share} of the neurons are exactly 0 on this text; ReLU leaves many so.", share=percent(share))
    if ffn.gated:
        kind = "not"
        sentence = _(
            "Three matrices: {act} of a gate, times a second projection, then the one that writes (SwiGLU where the "
            "function is SiLU). Two with GELU stand in BERT and GPT-2, two with ReLU in the first T5.",
            act=_function(ffn.act),
        )
    elif ffn.act == "relu":
        kind, sentence = "holds", _("Two matrices with ReLU between them.")
    else:
        kind = "part"
        sentence = _("Two matrices, as said; the function between them is {act} and not ReLU.", act=_function(ffn.act))
    how = _(
        "Gate and activation function of the model's configuration; site act_zero, the mean over layers and tokens."
    )
    return Verdict(kind, f"{sentence} {rest}", how=how, value=share, unit="share", at={"layer": layer})


def _function(act: str) -> str:
    """An activation function as it is called in the field."""
    known = {"silu": "SiLU", "swish": "SiLU", "relu": "ReLU"}
    return known.get(act, "GELU" if act.startswith("gelu") else act)


def reads_attention(case: Case) -> Verdict:
    """How much of what the FFN reads is attention's write, and how much the stream that it was added to."""
    wants = [Want("norm_pre"), Want("norm_attn"), Want("cos_attn")]
    trace = overview(case, *(want.site for want in wants))
    stream, write, cosine = (trace[want].astype(np.float64) for want in wants)  # [layer pos]
    together = stream**2 + write**2 + 2 * cosine * stream * write
    share = (write**2 + cosine * stream * write) / np.maximum(together, 1e-30)
    mean, by_layer = float(share.mean()), share.mean(axis=1)
    layer = largest_at(by_layer)
    sentence = _(
        "The FFN reads the sum of the stream and attention's write, normalized. Attention's write makes {mean} of that "
        "sum on average, from {least} to {most} by layer (most in layer {layer}); the stream that skips attention "
        "makes the rest.",
        mean=percent(mean) if mean >= 0 else number(mean),
        least=number(float(by_layer.min()), 2),
        most=number(float(by_layer.max()), 2),
        layer=layer,
    )
    kind = "part" if _NOTHING < mean < _ALL_OF_IT else "holds" if mean >= _ALL_OF_IT else "not"
    return Verdict(
        kind,
        sentence,
        how=_(
            "attention · sum / ‖sum‖², sum = stream entering + attention's write, from sites norm_pre, norm_attn and "
            "cos_attn; the mean over tokens and layers."
        ),
        value=mean,
        unit="share",
        at={"layer": layer},
    )


def several(case: Case) -> Verdict:
    """How many feed-forward networks ran in each layer."""
    order = overview(case, _ORDER.site)[_ORDER]  # [layer event]
    counts = (order == FFN).sum(axis=1)
    total, most = int(counts.sum()), int(counts.max())
    sentence = _(
        "{total} ran in all, {each} in each of {layers}: attention and feed-forward take turns.",
        total=nouns.ffns(total),
        each=most,
        layers=nouns.layers(case.spec.layers),
    )
    if most == 0:
        kind, sentence = "absent", _("No feed-forward network ran in this model.")
    elif most > 1:
        kind = "holds"
    else:
        kind = "part" if total > 1 else "not"
    how = _("Site layer_order: feed-forward networks as they were called in each layer.")
    return Verdict(kind, sentence, how=how, value=total, unit="networks")
