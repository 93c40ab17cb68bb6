"""The answer in words: what each device holds, whether it fits, and what is sent for a token."""

from collections.abc import Sequence

from anatomy import split
from anatomy.costs import Configuration
from anatomy.language import _, ngettext
from anatomy.published import DEVICE_BYTES
from anatomy.split import Device
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.scale.devices_held import asked, devices_of, given, held, is_large, way
from viz import nouns
from viz.format import size, thousands


def caption(trace: Trace, view: Fitted) -> str:
    """What each device holds, whether it fits, what is sent for a token, and what bounds the number of devices."""
    model, devices = given(trace.spec, view), devices_of(trace.spec, view)
    if len(devices) == 1:
        return _whole(model, devices[0])
    holds = _says_rows(model, devices) if way(view) == "rows" else _says_layers(model, devices)
    return " ".join(
        sentence for sentence in (holds, _fits(devices), _sent(model, devices, view), _bound(model, view)) if sentence
    )


def _whole(model: Configuration, device: Device) -> str:
    return _(
        "One device holds all of {model}: {size} in bfloat16; nothing is sent.",
        model=model.name,
        size=size(held(device)),
    )


def _says_rows(model: Configuration, devices: Sequence[Device]) -> str:
    first = devices[0]
    holds = _(
        "Split by rows over {devices}, the first holds {heads} and {neurons} of every layer of {model}, with "
        "{kv}: {size} in bfloat16.",
        devices=nouns.devices(len(devices)),
        heads=nouns.query_heads(len(first.heads)),
        neurons=nouns.neurons(len(first.neurons)),
        model=model.name,
        kv=nouns.kv_heads(len(first.kv)),
        size=size(held(first)),
    )
    kept = sum(len(device.kv) for device in devices)
    if kept == model.n_kv:
        return holds
    return f"{holds} " + _(
        "Key/value heads that several devices read stand on each of them: {kept} in the place of {kv}.",
        kept=kept,
        kv=model.n_kv,
    )


def _says_layers(model: Configuration, devices: Sequence[Device]) -> str:
    fewest, most = len(devices[-1].layers), len(devices[0].layers)
    values = {
        "fewest": fewest,
        "most": most,
        "layers": model.layers,
        "model": model.name,
        "smallest": size(min(map(held, devices))),
        "largest": size(max(map(held, devices))),
    }
    if fewest == most:
        return ngettext(
            "Split by layers over {count} device, each holds {most} of the {layers} layers of {model}: {smallest} to "
            "{largest} in bfloat16.",
            "Split by layers over {count} devices, each holds {most} of the {layers} layers of {model}: {smallest} to "
            "{largest} in bfloat16.",
            len(devices),
            **values,
        )
    return ngettext(
        "Split by layers over {count} device, each holds {fewest} to {most} of the {layers} layers of {model}: "
        "{smallest} to {largest} in bfloat16.",
        "Split by layers over {count} devices, each holds {fewest} to {most} of the {layers} layers of {model}: "
        "{smallest} to {largest} in bfloat16.",
        len(devices),
        **values,
    )


def _fits(devices: Sequence[Device]) -> str:
    """Whether the weights fit the memory of one device; "" for models that are far from it."""
    most, memory = max(map(held, devices)), DEVICE_BYTES // 10**9
    if not is_large(most):
        return ""
    if most <= DEVICE_BYTES:
        return _("That fits a device of {memory} GB.", memory=memory)
    return _("That does not fit a device of {memory} GB.", memory=memory)


def _sent(model: Configuration, devices: Sequence[Device], view: Fitted) -> str:
    sent = size(2 * split.traffic(model, len(devices), way(view)))
    if way(view) == "layers":
        return ngettext(
            "For every token the stream is handed on {count} time, {sent} in all.",
            "For every token the stream is handed on {count} times, {sent} in all.",
            len(devices) - 1,
            sent=sent,
        )
    return _(
        "For every token the devices add up their parts {times} times, twice in each layer, and send one another "
        "{sent}.",
        times=2 * model.layers,
        sent=sent,
    )


def _bound(model: Configuration, view: Fitted) -> str:
    """Where more devices were asked for than there is something to hold."""
    most = split.most(model, way(view))
    if asked(view) <= most:
        return ""
    if way(view) == "layers":
        return _("More than {most} devices would leave some without a layer.", most=thousands(most))
    return _("More than {most} devices would leave some without a query head.", most=thousands(most))
