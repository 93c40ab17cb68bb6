"""Claims on what is shared: keys and values by heads, parameters by layers."""

from anatomy.language import _
from anatomy.memory import cache_bytes
from anatomy.request import Want
from anatomy.rounding import smallest_at
from articles.verdict import Case, Verdict
from viz import nouns
from viz.format import number, size, thousands

_GAPS = Want("weight_gap")


def grouped(case: Case) -> Verdict:
    """Query heads per key/value head, as the arrays have them, and what the cache of a token takes."""
    spec, layer = case.spec, case.view.layer
    k = Want("k", layer)
    kept = len(case.trace(k)[k])
    share = spec.n_heads / kept
    sentence = _(
        "{queries} read {kvs} per layer.",
        queries=nouns.query_heads(spec.n_heads),
        kvs=nouns.kv_heads(kept),
    )
    if spec.stack().causal:
        sentence += " " + _(
            "The cache takes {own} per token instead of {full}.",
            own=size(cache_bytes(spec, 1, kept)),
            full=size(cache_bytes(spec, 1, spec.n_heads)),
        )
    if kept == spec.n_heads:
        kind, rest = "not", _("Every query head has keys and values of its own: ordinary multi-head attention.")
    elif kept == 1:
        kind, rest = "part", _("One set of keys and values serves all heads: the extreme case, multi-query attention.")
    else:
        kind = "holds"
        rest = _("That is grouped-query attention: {share} heads share one set.", share=_each(spec.n_heads, kept))
    before = _("Llama 3 was not the first with it: the 70B model of Llama 2 had 8 key/value heads for 64 query heads.")
    return Verdict(
        kind,
        f"{sentence} {rest} {before}",
        how=_("Site k of layer {layer}: its axis kv, against the axis head of q.", layer=layer),
        value=share,
        unit="ratio",
        at={"layer": layer},
    )


def _each(heads: int, sets: int) -> str:
    """How many heads share one set; whole where all share alike."""
    return thousands(heads // sets) if heads % sets == 0 else number(heads / sets)


def shared_parameters(case: Case) -> Verdict:
    """Whether two layers in a row have the same weights, and what else is used more than once."""
    spec = case.spec
    if spec.layers < 2:
        sentence = _("This model has one layer: there is nothing to share it with.")
        return Verdict("not", sentence, how=_("Layers of the model."), value=spec.layers, unit="layers")
    gaps = case.trace(_GAPS)[_GAPS]  # [layer]
    least, same = float(gaps.min()), int((gaps == 0).sum())
    sentence = _(
        "Each layer's weights differ from those of the layer before by {least} to {most} at the largest place: no two "
        "share them.",
        least=number(least),
        most=number(float(gaps.max())),
    )
    if same:
        sentence = _("{same} of {layers} layers have the weights of the layer before.", same=same, layers=len(gaps))
    used = []
    if spec.n_kv < spec.n_heads:
        used.append(_("Keys and values are shared, each by {share} query heads.", share=_each(spec.n_heads, spec.n_kv)))
    if spec.tied:
        used.append(_("Shared is the embedding table, which is the output layer as well."))
    partly = "part" if same or used else "not"
    return Verdict(
        "holds" if same == len(gaps) else partly,
        " ".join((sentence, *used)),
        how=_(
            "Site weight_gap: largest difference of a layer's matrices from those of the one before (first: the last)."
        ),
        value=least,
        unit="weight",
        tolerance=0.0,
        at={"layer": smallest_at(gaps)},
    )
