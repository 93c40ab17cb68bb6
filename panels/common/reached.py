"""What a sentence about a changed run adds, so that nobody takes the change for the model's own doing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from anatomy.language import N_, _
from anatomy.request import Intervention, Want
from anatomy.spec import ModelSpec
from anatomy.view import Fitted

_WRITES = frozenset({"attn_out", "ffn_out", "dla_parts", "norm_attn", "norm_ffn", "cos_attn", "cos_ffn"})
_WEIGHTS = ("pattern", "pattern_max", "pattern_mean")
_COUNTED_FFN = N_("What the change puts into the stream counts to the FFN's write in layer {layer}.")
_COUNTED_ATTENTION = N_("What the change puts into the stream counts to attention's write in layer {layer}.")


@dataclass(frozen=True)
class _Part:
    """One part of a layer, whose write a change of the stream counts to."""

    layer: int
    ffn: bool


def remark(spec: ModelSpec, view: Fitted, wants: Iterable[Want]) -> str:
    """What is to be known beside a panel's sentence: which write a change of the stream counts to, and that a head goes
    on looking where it looked when its output is changed. "" where nothing is. wants: what the panel reads."""
    if view.changed is None:
        return ""
    asked = tuple(wants)
    made = view.changed.interventions
    return " ".join((*_counted(spec, made, asked), *_looking(view, made, asked)))


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
    if shown and any(one.site == "z" and one.layer == view.layer and one.head in (None, view.head) for one in made):
        yield _("The head looks there as before; what it has read there is changed on its way on.")
