"""What a sentence about a changed run adds, so that nobody takes the change for the model's own doing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import dropwhile

from anatomy.interventions import ATTENTION_SKIP, EMBEDDING, FFN_SKIP, LAYER, MASK, at, in_every_layer, swapped
from anatomy.language import N_, _
from anatomy.request import Intervention, Want
from anatomy.sites import SITES
from anatomy.spec import ModelSpec
from anatomy.view import Fitted
from viz.format import listed
from viz.what_if import in_short

_WRITES = frozenset({"attn_out", "ffn_out", "dla_parts", "norm_attn", "norm_ffn", "cos_attn", "cos_ffn"})
_WEIGHTS = ("pattern", "pattern_max", "pattern_mean", "head_maps")
_OF_HEADS = frozenset({"contribution", "contribution_max", "contribution_mean", "top_moved"})
_OF_NEURONS = frozenset({"write_norms", "write_up_logits", "write_down_logits"})
_ROWS = frozenset({"tok_embed", "near_ids", "near_cos", "near_rows"})
_AHEAD = frozenset(
    {"next_ids", "logits", "lens_ids", "lens_kl", "watch_ids", "dla_parts", "surprisal"}
)  # what is to come next
_COUNTED_FFN = N_("What the change puts into the stream counts to the FFN's write in layer {layer}.")
_COUNTED_ATTENTION = N_("What the change puts into the stream counts to attention's write in layer {layer}.")
_TAKEN_OFF_FFN = N_(
    "Where the skip connection around the FFN is left out ({change}), what the stream brought is taken off in the "
    "FFN's write."
)
_TAKEN_OFF_ATTENTION = N_(
    "Where the skip connection around attention is left out ({change}), what the stream brought is taken off in "
    "attention's write."
)
_BEFORE_DROPOUT_HEADS = N_(
    "What each head writes is counted as it is before dropout ({change}), which leaves every number on average what it "
    "was."
)
_BEFORE_DROPOUT_NEURONS = N_(
    "What each neuron writes is counted as it is before dropout ({change}), which leaves every number on average what "
    "it was."
)


_DIGITS = {"bfloat16": 2, "float16": 3}  # decimal digits that a half number has: 8 and 11 binary ones
_ADDED = ("attn_out", "ffn_out", "z", "resid_mid", "norm_pre", "cache_gap", "batch_gap", "ffn_sum_gap")


@dataclass(frozen=True)
class _Part:
    """One part of a layer, whose write a change of the stream counts to."""

    layer: int
    ffn: bool


def remark(spec: ModelSpec, view: Fitted, wants: Iterable[Want]) -> str:
    """What is to be known beside a panel's sentence: which write a change of the stream counts to, that a head goes on
    looking where it looked when its output is changed, what is counted before dropout, and where a part of the
    architecture is another one than the sentence takes for granted. "" where nothing is. wants: what the panel
    reads."""
    made, asked = view.run(spec).interventions, tuple(wants)
    rounded = _rounded(spec, asked)
    if not made:
        return rounded
    says = (_counted, _skipping, _dropping), (_looking, _alike, _at_once), (_left_out, _swapped, _shuffled)
    return " ".join(
        (
            *(sentence for each in says[0] for sentence in each(spec, made, asked)),
            *(sentence for each in says[1] for sentence in each(view, made, asked)),
            *(sentence for each in says[2] for sentence in each(made, asked)),
            *([rounded] if rounded else []),
        )
    )


def _rounded(spec: ModelSpec, wants: Iterable[Want]) -> str:
    """That half precision rounds, where numbers are read that panels add up or hold against one another."""
    if spec.dtype not in _DIGITS or not any(want.site in _ADDED or want.site.startswith("dla_") for want in wants):
        return ""
    return _(
        "The model computes in {precision}, which rounds every number to about {digits} digits: what should be equal "
        "or add up does so only as closely as that.",
        precision=spec.dtype,
        digits=_DIGITS[spec.dtype],
    )


def _counted(spec: ModelSpec, made: Iterable[Intervention], wants: tuple[Want, ...]) -> Iterator[str]:
    layers = {want.layer for want in wants if want.site in _WRITES}
    if not layers or spec.norm.place != "pre":
        return
    for part in dict.fromkeys(part for one in made if (part := _part(one)) is not None):
        if None not in layers and part.layer not in layers:
            continue
        says = _COUNTED_FFN if part.ffn else _COUNTED_ATTENTION
        yield _(says, layer=part.layer)


def _part(made: Intervention) -> _Part | None:
    """The part whose write a change of the stream counts to; None for any other change, and for the first stream."""
    layer = made.layer or 0
    if made.site == "resid_mid":
        return _Part(layer, False)
    if made.site == "resid_post":
        return _Part(layer, True)
    return _Part(layer - 1, True) if made.site == "resid_pre" and layer else None


def _looking(view: Fitted, made: Iterable[Intervention], wants: tuple[Want, ...]) -> Iterator[str]:
    shown = any(want.site in _WEIGHTS and want.layer == view.layer for want in wants)
    changes = tuple(made)
    own = [one for one in changes if one.site == "z" and one.layer == view.layer]
    later = [one for one in changes if one.layer is not None and one.layer > view.layer and one.op != "swap"]
    if shown and len(own) + len(later) == len(changes) and any(one.head in (None, view.head) for one in own):
        yield _("The head looks there as before; what it has read there is changed on its way on.")


def _skipping(spec: ModelSpec, made: Iterable[Intervention], wants: tuple[Want, ...]) -> Iterator[str]:
    """Which write a skip connection that is left out counts to, where norms stand before the parts."""
    if spec.norm.place != "pre":
        return
    for skip, says in ((ATTENTION_SKIP, _TAKEN_OFF_ATTENTION), (FFN_SKIP, _TAKEN_OFF_FFN)):
        found = [one for one in made if one.site == skip]
        layers = range(spec.layers) if any(map(in_every_layer, found)) else [one.layer for one in found]
        if any(want.site in _WRITES and (want.layer is None or want.layer in layers) for want in wants) and found:
            yield _(says, change=in_short(found))


def _dropping(spec: ModelSpec, made: Iterable[Intervention], wants: tuple[Want, ...]) -> Iterator[str]:
    """That what heads and neurons write, which is told by their weights, is not what dropout lets through of it
    (`models/measures/arriving.py`). Where writes are shared out among them, the formula says what is no one's."""
    dropped = tuple(one for one in made if one.op == "dropout" and one.amount)
    sums = spec.norm.place == "pre"  # what changes the stream after a part counts to its write
    heads, neurons = ("z", "attn_out", *["resid_mid"] * sums), ("ffn_out", *["resid_post"] * sums)
    for sites, counted, says in (
        (heads, _OF_HEADS, _BEFORE_DROPOUT_HEADS),
        (neurons, _OF_NEURONS, _BEFORE_DROPOUT_NEURONS),
    ):
        asked = {want.layer for want in wants if want.site in counted}
        layers = [layer for layer in range(spec.layers) if not asked.isdisjoint((None, layer))]
        found = tuple(dict.fromkeys(one for layer in layers for site in sites for one in at(dropped, site, layer)))
        if found:
            yield _(says, change=in_short(found))


def _alike(view: Fitted, made: Iterable[Intervention], wants: tuple[Want, ...]) -> Iterator[str]:
    """That heads weigh tokens as all of them do on average."""
    asked = tuple(made)
    heads = any({"layer", "head"} <= {*SITES[want.site].axes} and want.site.startswith("head_") for want in wants)
    shown = any(want.site in _WEIGHTS and want.layer == view.layer for want in wants)
    weighed = [one for one in asked if one.site == "pattern"]
    found = weighed if heads else at(weighed, "pattern", view.layer) if shown else []
    found = list(dropwhile(lambda one: one.op != "average", found))
    if found and all(one.op == "average" for one in found):  # no later change tells one from another again
        yield _("What the averaged heads look at is the same for each of them ({change}).", change=in_short(found))


def _at_once(view: Fitted, made: Iterable[Intervention], wants: tuple[Want, ...]) -> Iterator[str]:
    """That a token which has another after it is predicted with that one in sight."""
    ahead = (want for want in wants if want.site in _AHEAD)
    if any(one.site == MASK for one in made) and any(_within(want, view.length) for want in ahead):
        yield _("In this run every token sees the whole text: what follows one is in sight where it is predicted.")


def _within(want: Want, tokens: int) -> bool:
    """Whether it is of a token that has another after it."""
    return tokens > 1 and (want.pos is None or want.pos < tokens - 1)


def _left_out(made: Iterable[Intervention], wants: tuple[Want, ...]) -> Iterator[str]:
    """That the parts of a layer that is left out are computed for nothing."""
    layers = dict.fromkeys(
        one.layer for one in made if one.site == LAYER and one.op == "drop" and one.layer is not None
    )
    for layer in layers:
        if any(_reads(want, layer) and _of_part(want) for want in wants):
            yield _("Layer {layer} is left out in this run: what its parts compute is not written.", layer=layer)


def _swapped(made: Iterable[Intervention], wants: tuple[Want, ...]) -> Iterator[str]:
    """Which layers stand where others did, in what is counted by layers."""
    running = {place: layer for place, layer in sorted(swapped(made).items()) if place != layer}
    if any(want.layer in running for want in wants):
        moved = (_("layer {layer} runs as layer {place}", layer=layer, place=place) for place, layer in running.items())
        yield _("Layers are counted in the order in which they run: in this run {moved}.", moved=listed(moved))


def _reads(want: Want, layer: int) -> bool:
    """Whether an array is of that layer, alone or among others."""
    return want.layer == layer or bool({"layer", "part"} & {*SITES[want.site].axes})


def _of_part(want: Want) -> bool:
    """Whether it is of what attention or an FFN computes or writes."""
    return want.site in _WRITES or SITES[want.site].stage in ("position", "attention", "ffn")


def _shuffled(made: Iterable[Intervention], wants: tuple[Want, ...]) -> Iterator[str]:
    """That what is called a token's row is that of another one."""
    found = [one for one in made if one.site == EMBEDDING]
    if found and any(want.site in _ROWS for want in wants):
        yield _(
            "In this run the rows of the embedding table are shuffled ({change}): what is called a token's row here is "
            "the one that it is given.",
            change=in_short(found),
        )
