"""Claims on cost and efficiency: precision, memory, compression, arithmetic, work that follows the length."""

import re

import numpy as np

from anatomy import facts
from anatomy.costs import arithmetic, configuration, weight_bytes
from anatomy.language import _, ngettext
from anatomy.measure import relative_gap
from anatomy.memory import number_bytes
from anatomy.request import Want
from anatomy.rounding import largest_at
from articles.checks.cost import operations
from articles.checks.residual import sum_gap
from articles.checks.second_text import own_ids, says_which_part, too_short
from articles.verdict import Case, Verdict, rests_on
from viz import nouns
from viz.format import number, percent, quoted, rounding, size

_HALF, _ROWS, _ORDER = Want("half_kl"), Want("tok_embed"), Want("layer_order")
_SLIGHT = 0.05  # nats
_EXACT = 1e-4  # of the largest number in the stream


def mixed_precision(case: Case) -> Verdict:
    """The forward half: the same text with matrices in bfloat16, against the model's own precision."""
    count = case.spec.weights.parameters
    saved = _(
        "Weights take {half} in 16 bits instead of {full} in 32.",
        half=size(weight_bytes(count, "bfloat16")),
        full=size(weight_bytes(count, "float32")),
    )
    rest = _("Time was not measured; the backward pass and the updates in 32 bits are training and not seen here.")
    if case.spec.head is None:
        sentence = _("This model has no output whose change could be measured.")
        how = _("Output layer of the model's spec; parameters × bytes.")
        return Verdict(
            "unseen", f"{sentence} {saved} {rest}", how=how, value=weight_bytes(count, "bfloat16"), unit="bytes"
        )
    divergence = case.trace(_HALF)[_HALF].astype(np.float64)  # [pos]
    mean, pos = float(divergence.mean()), largest_at(divergence)
    sentence = _(
        "With its matrices in bfloat16 the model's prediction moves by {mean} nat on average, at most {most}.",
        mean=number(mean),
        most=number(float(divergence.max())),
    )
    return Verdict(
        "part" if mean <= _SLIGHT else "not",
        f"{sentence} {saved} {rest}",
        how=_("Site half_kl: KL divergence from the output in the model's own precision; mean over the tokens."),
        value=mean,
        unit="nat",
        tolerance=_SLIGHT,
        at={"pos": pos},
        second=_("The same text was run a second time with matrices multiplied in bfloat16."),
    )


def checkpointing(case: Case) -> Verdict:
    """Bytes of activations that a backward pass would need, all of them or each layer's input alone."""
    spec, n = case.spec, len(case.trace().tokens)
    inside = 7 * spec.d_model + 2 * spec.n_heads * spec.d_head + 2 * spec.n_kv * spec.d_head
    inside += (4 if spec.ffn.gated else 2) * spec.d_ff + 2 * spec.n_heads * n
    whole = spec.layers * n * inside * number_bytes(spec.dtype)
    kept = spec.layers * n * spec.d_model * number_bytes(spec.dtype)
    gap = max(sum_gap(case, case.view.layer, part) for part in ("attn", "ffn"))
    sentence = _(
        "It spares memory in the backward pass, which is not run here. For your text the activations of all layers are "
        "about {whole}, each layer's input alone {kept}: {share}. That a layer can be computed again from its input is "
        "how this page reads it: layer {layer} comes out the same, difference {gap} of its largest number.",
        whole=size(whole),
        kept=size(kept),
        share=percent(kept / whole),
        layer=case.view.layer,
        gap=rounding(gap, 1.0),
    )
    return Verdict(
        "unseen",
        sentence,
        how=_(
            "Layers × tokens × numbers that a layer makes, from the model's configuration; a layer run again from its "
            "input, against the stream that it had left."
        ),
        value=kept / whole,
        unit="share",
        at={"layer": case.view.layer},
    )


@rests_on(facts.WINDOW)
@says_which_part
def dynamic(case: Case) -> Verdict:
    """The first half of the text and all of it: how many vectors, and which parts run?"""
    ids = own_ids(case.trace())
    short = too_short(len(ids), 4)
    if short:
        return short
    whole, half = (case.of_tokens(some, _ORDER) for some in (ids, ids[: len(ids) // 2]))
    given = configuration(case.spec)
    work = [sum(arithmetic(given, seen) for seen in _seen(case, len(trace.tokens))) for trace in (half, whole)]
    same = whole[_ORDER].shape == half[_ORDER].shape and bool((whole[_ORDER] == half[_ORDER]).all())
    sentence = _(
        "{half} take {less} operations, {whole} take {more}: work follows the length, and nothing is filled up.",
        half=nouns.tokens(len(half.tokens)),
        less=operations(work[0]),
        whole=nouns.tokens(len(whole.tokens)),
        more=operations(work[1]),
    )
    rest = (
        _("The parts that run are the same for both: length adapts, structure does not.")
        if same
        else _("Other parts run for the shorter text: the structure adapts too.")
    )
    return Verdict(
        "part" if same else "holds",
        f"{sentence} {rest}",
        how=_(
            "Site layer_order of both runs; operations by the formula for one token, summed over each text's tokens."
        ),
        value=work[1] / work[0],
        unit="ratio",
        second=_("The text's tokens were run again, all of them and the first half."),
    )


def _seen(case: Case, n: int) -> list[int]:
    """How many tokens each of n sees."""
    return list(range(1, n + 1)) if case.spec.stack().causal else [n] * n


def memory_efficient(case: Case) -> Verdict:
    """Attention by the plain formula against the fused kernel of the forward pass; bytes of the maps it spares."""
    spec, layer = case.spec, case.view.layer
    wants = [Want(site, layer) for site in ("scores", "v", "z")]
    scores, v, z = (case.trace(*wants)[want].astype(np.float64) for want in wants)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    plain = relative_gap(weights @ np.repeat(v, len(scores) // len(v), axis=0), z)
    gap = max(plain, sum_gap(case, layer, "attn"), sum_gap(case, layer, "ffn"))
    n = len(case.trace().tokens)
    bytes_ = [spec.n_heads * length**2 * number_bytes(spec.dtype) for length in (n, spec.max_pos)]
    sentence = _(
        "Judged is the model that is loaded. Its forward pass used fused attention, which never holds a whole map; the "
        "plain formula gives layer {layer} the same result, difference {gap} of its largest number. A layer's maps "
        "take {now} for your text and {most} for the longest.",
        layer=layer,
        gap=rounding(gap, 1.0),
        now=size(bytes_[0]),
        most=size(bytes_[1]),
    )
    return Verdict(
        "holds" if gap <= _EXACT else "not",
        sentence,
        how=_(
            "softmax(scores) · v − z, and the streams around them in the layer as it was run again, against the stream "
            "that fused attention left; heads × tokens² × bytes for the maps."
        ),
        value=gap,
        unit="share",
        tolerance=_EXACT,
        at={"layer": layer},
    )


def less_regularized(case: Case) -> Verdict:
    """Dropout in the configuration: what was used in training to keep the model from learning texts by heart."""
    rate = case.spec.dropout
    if rate == 0:
        sentence = _("The configuration asks for no dropout, as that of Llama does.")
    else:
        sentence = _(
            "The configuration asks for a dropout of {rate}, as those of BERT and GPT-2 do.", rate=percent(rate)
        )
    rest = _("Whether the amount of data was the reason cannot be seen; it is switched off in every forward pass here.")
    how = _("Largest dropout rate in the model's configuration.")
    return Verdict(
        "holds" if rate == 0 else "not", f"{sentence} {rest}", how=how, value=rate, unit="share", tolerance=0.0
    )


def regularized(case: Case) -> Verdict:
    """The other way round: does the configuration ask for dropout, the regularization that it would name?"""
    rate = case.spec.dropout
    if rate > 0:
        sentence = _("The configuration asks for a dropout of {rate} in training.", rate=percent(rate))
    else:
        sentence = _("The configuration asks for no dropout; BERT's and GPT-2's do.")
    rest = _("Other ways, weight decay among them, are settings of the training and leave no mark in the model.")
    how = _("Largest dropout rate in the model's configuration.")
    kind = "part" if rate > 0 else "unseen"
    return Verdict(kind, f"{sentence} {rest}", how=how, value=rate, unit="share", tolerance=0.0)


def quantized(case: Case) -> Verdict:
    """Bits per weight in which the loaded checkpoint is stored, as its catalogue entry says; what fewer would save."""
    spec = case.spec
    stored = spec.weights.stored
    widths = [int(bits) for bits in re.findall(r"(\d+)-bit", stored)]
    named = {"float32": 32, "bfloat16": 16, "float16": 16}
    bits = min(
        widths, default=min((b for name, b in named.items() if name in stored), default=8 * number_bytes(spec.dtype))
    )
    count = spec.weights.parameters
    sizes = ngettext(
        "Its {count} parameter takes {full} in 32 bits, {half} in 16, {small} in 4.",
        "Its {count} parameters take {full} in 32 bits, {half} in 16, {small} in 4.",
        count,
        full=size(weight_bytes(count, "float32")),
        half=size(weight_bytes(count, "bfloat16")),
        small=size(weight_bytes(count, "4 bit")),
    )
    if bits < 16:
        kind, sentence = "holds", _("This checkpoint is stored quantized: {stored}.", stored=quoted(stored))
    else:
        kind, sentence = "not", _("This checkpoint is not quantized: it is stored in {bits} bits.", bits=bits)
    rest = _(
        "It is computed in {precision} here; what fewer bits cost in accuracy shows beside the weights as they were "
        "before.",
        precision=spec.dtype,
    )
    return Verdict(
        kind,
        f"{sentence} {sizes} {rest}",
        how=_(
            "Storage format in the catalogue; parameters × bits, without the scales that a format keeps beside them."
        ),
        value=bits,
        unit="bits",
        tolerance=16,
    )


def pruned(case: Case) -> Verdict:
    """Share of weights that are exactly 0 in the text's embedding rows, the only weights that this looks into."""
    rows = case.trace(_ROWS)[_ROWS]
    share = float((rows == 0).mean())
    sentence = _(
        "This was looked for in the embedding alone: {share} of the weights that this text looks up are exactly 0; "
        "pruning leaves many so.",
        share=percent(share),
    )
    rest = _(
        "The matrices of the layers were not looked into, and rows or heads that were cut out whole leave no trace: "
        "the model before it would show them. The three sizes of Llama 3.1 are not pruned; smaller models were pruned "
        "from it later (Llama 3.2 1B and 3B)."
    )
    kind = "part" if share > 0.1 else "unseen"
    how = _("Site tok_embed: weights that are exactly 0.")
    return Verdict(kind, f"{sentence} {rest}", how=how, value=share, unit="share", tolerance=0.1)
