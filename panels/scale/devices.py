"""The loaded model, or Llama 3.1, on several devices: what each one holds, and what they send one another."""

from collections.abc import Sequence

from anatomy import costs, facts
from anatomy.costs import SHORT
from anatomy.language import N_, _, ngettext
from anatomy.published import DEVICE_BYTES
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.split import Device
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.panel import Panel, Table
from panels.scale.compared import applies
from panels.scale.devices_caption import caption
from panels.scale.devices_held import COUNT, WAY, WHOSE, Split, cached, fitting, is_large, span, split_model
from panels.scale.devices_snippet import program
from viz.bars import Bars
from viz.format import BYTE_UNITS, size, thousands
from viz.level import Level
from viz.rows import Bar


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Nothing of the text: all of it follows from a configuration."""
    return ()


def read(trace: Trace, view: Fitted) -> Split:
    """The chosen model on its devices."""
    return split_model(trace.spec, view)


def draw(split: Split) -> Bars:
    """One bar per device: bytes of its weights."""
    largest = max(split.held)
    scale, unit = _scale(largest)
    high = max(largest, 1.1 * DEVICE_BYTES) / scale if is_large(largest) else None
    bars = [_bar(split, i, scale) for i in range(len(split.devices))]
    memory = Level(DEVICE_BYTES / scale, _("memory: {memory} GB", memory=DEVICE_BYTES // 10**9))
    return Bars(
        bars,
        _("weights in bfloat16 ({unit})", unit=unit),
        _("device"),
        low=0.0,
        high=high,
        level=memory if is_large(largest) else None,
    )


def _scale(most: int) -> tuple[float, str]:
    return next(((scale, _(unit)) for unit, scale in BYTE_UNITS if most >= scale), (1.0, _("B")))


def _bar(split: Split, i: int, scale: float) -> Bar:
    device, held = split.devices[i], split.held[i]
    parts = _heads(device) if split.way == "rows" else _layers(device)
    return Bar(
        str(i),
        held / scale,
        f"{size(held)} · {parts}",
        note=_("{size}: {parts}", size=size(held), parts=parts),
        accent=True,
    )


def _heads(device: Device) -> str:
    if len(device.heads) == 1:
        return _("head {head}", head=device.heads.start)
    return _("heads {heads}", heads=span(device.heads))


def _layers(device: Device) -> str:
    if len(device.layers) == 1:
        return _("layer {layer}", layer=device.layers.start)
    return _("layers {layers}", layers=span(device.layers))


def table(split: Split) -> Table:
    """One row per device: its layers, heads and other pieces, parameters, bytes of weights and of cache."""
    devices = split.devices
    return Table.of(
        (_("device"), range(len(devices))),
        (_("layers"), [span(device.layers) for device in devices]),
        (_("query heads"), [span(device.heads) for device in devices]),
        (_("key/value heads"), [span(device.kv) for device in devices]),
        (_("neurons per layer"), [len(device.neurons) for device in devices]),
        (_("rows of the vocabulary"), [len(device.tokens) for device in devices]),
        (_("parameters"), [device.parameters for device in devices]),
        (_("weights in bfloat16 (bytes)"), split.held),
        (
            _("cache of {tokens} tokens, bfloat16 (bytes)", tokens=thousands(SHORT)),
            [cached(split.model, device) for device in devices],
        ),
    )


def formula(split: Split) -> str:
    """Parameters on all devices beside the model's own, and the bytes sent per token."""
    together, own = sum(device.parameters for device in split.devices), costs.total(split.model)
    return "\n".join(
        (
            ngettext(
                "together: {together} parameters on {count} device, {own} in the model, {copies} of them held again",
                "together: {together} parameters on {count} devices, {own} in the model, {copies} of them held again",
                len(split.devices),
                together=thousands(together),
                own=thousands(own),
                copies=thousands(together - own),
            ),
            _traffic(split),
            _("training keeps gradients and the optimizer's state besides; activations are not counted here"),
            _("all of it computed from the configuration of {model}", model=split.model.name),
            _("published: an H100, as Llama 3.1 was trained on, has {memory} GB", memory=DEVICE_BYTES // 10**9),
        )
    )


def _traffic(split: Split) -> str:
    model, others, sent = split.model, len(split.devices) - 1, thousands(split.sent)
    if split.way == "layers":
        return _(
            "sent per token, forward: (N − 1) × d_model × 2 bytes = {product} = {sent}",
            product=f"{others} × {thousands(model.d_model)} × 2",
            sent=sent,
        )
    return _(
        "sent per token, forward: 2 sums × layers × 2 (N − 1) × d_model × 2 bytes = {product} = {sent} (ring "
        "all-reduce)",
        product=f"2 × {model.layers} × 2 × {others} × {thousands(model.d_model)} × 2",
        sent=sent,
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Parameters on each device, counted in the model's own modules; Llama 3.1 is built without its numbers."""
    split = split_model(spec, view)
    return program(spec, view, split.devices, split.way, None if view[WHOSE] == "loaded" else split.model)


PANEL = Panel(
    id="devices",
    stage="scale",
    order=1,
    name=N_("Several devices"),
    title=N_("What would each of several devices hold?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(WHOSE, WAY, COUNT),
    fitting=fitting,
    applies=applies,
    facts=(facts.WINDOW,),
    wide=True,
)
