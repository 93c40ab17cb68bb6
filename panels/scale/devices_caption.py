"""The answer in words: what each device holds, whether it fits, and what is sent for a token."""

from anatomy.language import _, ngettext
from anatomy.published import DEVICE_BYTES
from panels.scale.devices_held import Split, is_large
from viz import nouns
from viz.format import size, thousands


def caption(split: Split) -> str:
    """What each device holds, whether it fits, what is sent for a token, and what bounds the number of devices."""
    if len(split.devices) == 1:
        return _whole(split)
    holds = _says_rows(split) if split.way == "rows" else _says_layers(split)
    return " ".join(sentence for sentence in (holds, _fits(split), _sent(split), _bound(split)) if sentence)


def _whole(split: Split) -> str:
    return _(
        "One device holds all of {model}: {size} in bfloat16; nothing is sent.",
        model=split.model.name,
        size=size(split.held[0]),
    )


def _says_rows(split: Split) -> str:
    model, devices, first = split.model, split.devices, split.devices[0]
    holds = _(
        "Split by rows over {devices}, the first holds {heads} and {neurons} of every layer of {model}, with "
        "{kv}: {size} in bfloat16.",
        devices=nouns.devices(len(devices)),
        heads=nouns.query_heads(len(first.heads)),
        neurons=nouns.neurons(len(first.neurons)),
        model=model.name,
        kv=nouns.kv_heads(len(first.kv)),
        size=size(split.held[0]),
    )
    kept = sum(len(device.kv) for device in devices)
    if kept == model.n_kv:
        return holds
    return f"{holds} " + _(
        "Key/value heads that several devices read stand on each of them: {kept} in the place of {kv}.",
        kept=kept,
        kv=model.n_kv,
    )


def _says_layers(split: Split) -> str:
    devices = split.devices
    fewest, most = len(devices[-1].layers), len(devices[0].layers)
    values = {
        "fewest": fewest,
        "most": most,
        "layers": split.model.layers,
        "model": split.model.name,
        "smallest": size(min(split.held)),
        "largest": size(max(split.held)),
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


def _fits(split: Split) -> str:
    """Whether the weights fit the memory of one device; "" for models that are far from it."""
    most, memory = max(split.held), DEVICE_BYTES // 10**9
    if not is_large(most):
        return ""
    if most <= DEVICE_BYTES:
        return _("That fits a device of {memory} GB.", memory=memory)
    return _("That does not fit a device of {memory} GB.", memory=memory)


def _sent(split: Split) -> str:
    sent = size(split.sent)
    if split.way == "layers":
        return ngettext(
            "For every token the stream is handed on {count} time, {sent} in all.",
            "For every token the stream is handed on {count} times, {sent} in all.",
            len(split.devices) - 1,
            sent=sent,
        )
    return _(
        "For every token the devices add up their parts {times} times, twice in each layer, and send one another "
        "{sent}.",
        times=2 * split.model.layers,
        sent=sent,
    )


def _bound(split: Split) -> str:
    """Where more devices were asked for than there is something to hold."""
    if split.asked <= split.most:
        return ""
    most = thousands(split.most)
    if split.way == "layers":
        return _("More than {most} devices would leave some without a layer.", most=most)
    return _("More than {most} devices would leave some without a query head.", most=most)
