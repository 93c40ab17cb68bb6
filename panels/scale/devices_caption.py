"""The answer in words: what each device holds, whether it fits, and what is sent for a token."""

from anatomy.language import _, ngettext
from anatomy.published import DEVICE_BYTES
from panels.scale.devices_held import Split, is_large
from viz import nouns
from viz.format import size


def caption(split: Split) -> str:
    """What each device holds, whether it fits, what is sent for a token, and what bounds the number of devices."""
    if len(split.devices) == 1:
        said = (_whole(split), _fits(split), _bound(split))
    else:
        holds = _says_rows(split) if split.way == "rows" else _says_layers(split)
        said = (holds, _fits(split), _sent(split), _bound(split))
    return " ".join(sentence for sentence in said if sentence)


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
        "size": _between(size(min(split.held)), size(max(split.held))),
    }
    if fewest == most:
        return ngettext(
            "Split by layers over {count} device, each holds {most} of the {layers} layers of {model}: {size} in "
            "bfloat16.",
            "Split by layers over {count} devices, each holds {most} of the {layers} layers of {model}: {size} in "
            "bfloat16.",
            len(devices),
            **values,
        )
    return ngettext(
        "Split by layers over {count} device, each holds {fewest} to {most} of the {layers} layers of {model}: "
        "{size} in bfloat16.",
        "Split by layers over {count} devices, each holds {fewest} to {most} of the {layers} layers of {model}: "
        "{size} in bfloat16.",
        len(devices),
        **values,
    )


def _between(smallest: str, largest: str) -> str:
    """Both ends, or one where they read the same."""
    return largest if smallest == largest else _("{smallest} to {largest}", smallest=smallest, largest=largest)


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
    """Why there are no more devices to choose, where there are none."""
    if split.most >= 2 * len(split.devices):
        return ""
    if split.way == "layers":
        return ngettext(
            "More than {count} device would leave some without a layer.",
            "More than {count} devices would leave some without a layer.",
            split.most,
        )
    return ngettext(
        "More than {count} device would leave some without a query head.",
        "More than {count} devices would leave some without a query head.",
        split.most,
    )
