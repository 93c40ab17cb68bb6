"""The loaded model, or Llama 3.1, on several devices: what each one holds, and what they send one another."""

from collections.abc import Sequence

from anatomy import costs, split
from anatomy.costs import SHORT, Configuration
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
from panels.scale.devices_held import COUNT, WAY, WHOSE, cached, devices_of, given, held, is_large, span, way
from panels.scale.devices_snippet import program
from viz.bars import Bars
from viz.format import BYTE_UNITS, size, thousands
from viz.level import Level
from viz.rows import Bar


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Nothing of the text: all of it follows from a configuration."""
    return ()


def draw(trace: Trace, view: Fitted) -> Bars:
    """One bar per device: bytes of its weights."""
    devices = devices_of(trace.spec, view)
    largest = max(map(held, devices))
    scale, unit = _scale(largest)
    high = max(largest, 1.1 * DEVICE_BYTES) / scale if is_large(largest) else None
    bars = [_bar(i, device, view, scale) for i, device in enumerate(devices)]
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


def _bar(i: int, device: Device, view: Fitted, scale: float) -> Bar:
    held_here = _heads(device) if way(view) == "rows" else _layers(device)
    return Bar(
        str(i),
        held(device) / scale,
        f"{size(held(device))} · {held_here}",
        note=_("{size}: {parts}", size=size(held(device)), parts=held_here),
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


def table(trace: Trace, view: Fitted) -> Table:
    """One row per device: its layers, heads and other pieces, parameters, bytes of weights and of cache."""
    model = given(trace.spec, view)
    columns = (
        _("device"),
        _("layers"),
        _("query heads"),
        _("key/value heads"),
        _("neurons per layer"),
        _("rows of the vocabulary"),
        _("parameters"),
        _("weights in bfloat16 (bytes)"),
        _("cache of {tokens} tokens, bfloat16 (bytes)", tokens=thousands(SHORT)),
    )
    return Table(columns, tuple(_row(model, i, device) for i, device in enumerate(devices_of(trace.spec, view))))


def _row(model: Configuration, i: int, device: Device) -> tuple[str | int | None, ...]:
    held_here = (span(device.layers), span(device.heads), span(device.kv), len(device.neurons), len(device.tokens))
    return (i, *held_here, device.parameters, held(device), cached(model, device))


def formula(trace: Trace, view: Fitted) -> str:
    """Parameters on all devices beside the model's own, and the bytes sent per token."""
    model, devices = given(trace.spec, view), devices_of(trace.spec, view)
    together, own = sum(device.parameters for device in devices), costs.total(model)
    return "\n".join(
        (
            ngettext(
                "together: {together} parameters on {count} device, {own} in the model, {copies} of them held again",
                "together: {together} parameters on {count} devices, {own} in the model, {copies} of them held again",
                len(devices),
                together=thousands(together),
                own=thousands(own),
                copies=thousands(together - own),
            ),
            _traffic(model, len(devices), view),
            _("training keeps gradients and the optimizer's state besides; activations are not counted here"),
            _("all of it computed from the configuration of {model}", model=model.name),
            _("published: an H100, as Llama 3.1 was trained on, has {memory} GB", memory=DEVICE_BYTES // 10**9),
        )
    )


def _traffic(model: Configuration, count: int, view: Fitted) -> str:
    sent = thousands(2 * split.traffic(model, count, way(view)))
    if way(view) == "layers":
        return _(
            "sent per token, forward: (N − 1) × d_model × 2 bytes = {product} = {sent}",
            product=f"{count - 1} × {thousands(model.d_model)} × 2",
            sent=sent,
        )
    return _(
        "sent per token, forward: 2 sums × layers × 2 (N − 1) × d_model × 2 bytes = {product} = {sent} (ring "
        "all-reduce)",
        product=f"2 × {model.layers} × 2 × {count - 1} × {thousands(model.d_model)} × 2",
        sent=sent,
    )


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Parameters on each device, counted in the model's own modules; Llama 3.1 is built without its numbers."""
    published = None if view[WHOSE] == "loaded" else given(spec, view)
    return program(spec, view, devices_of(spec, view), way(view), published)


PANEL = Panel(
    id="devices",
    stage="scale",
    order=1,
    name=N_("Several devices"),
    title=N_("What would each of several devices hold?"),
    needs=needs,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(WHOSE, WAY, COUNT),
    applies=applies,
    wide=True,
)
