"""Which model is split, over how many devices, and what each holds in bytes: what the panel's pieces share."""

from anatomy import costs, split
from anatomy.control import Choice, Slider
from anatomy.costs import SHORT, Configuration
from anatomy.language import N_
from anatomy.published import DEVICE_BYTES, LLAMA_31
from anatomy.spec import ModelSpec
from anatomy.split import Device, Way
from anatomy.view import Fitted

_SIZES = {"405b": LLAMA_31[2], "70b": LLAMA_31[1], "8b": LLAMA_31[0]}
WHOSE = Choice(
    "whose",
    N_("Model"),
    ("loaded", *_SIZES),
    (N_("the loaded one"), *(published.configuration.name for published in _SIZES.values())),
)
WAY = Choice("split", N_("Split by"), ("rows", "layers"), (N_("rows of each matrix"), N_("layers")))
COUNT = Slider("devices", N_("Devices: 2ⁿ, n ="), 0, 5, 1, 3)


def given(spec: ModelSpec, view: Fitted) -> Configuration:
    """The configuration that is split, of the loaded model or of a Llama 3.1. ValueError for a loaded model of several
    stacks."""
    return costs.configuration(spec) if view[WHOSE] == "loaded" else _SIZES[view[WHOSE]].configuration


def way(view: Fitted) -> Way:
    """How the chosen model is split."""
    return "layers" if view[WAY] == "layers" else "rows"


def asked(view: Fitted) -> int:
    """How many devices were asked for."""
    return 2 ** int(view[COUNT])


def devices_of(spec: ModelSpec, view: Fitted) -> tuple[Device, ...]:
    """The devices: as many as were asked for, or as many as this model can be split over."""
    model = given(spec, view)
    return split.devices(model, min(asked(view), split.most(model, way(view))), way(view))


def held(device: Device) -> int:
    """Bytes of its weights in bfloat16."""
    return costs.weight_bytes(device.parameters, "bfloat16")


def cached(model: Configuration, device: Device) -> int | None:
    """Bytes of its keys and values of 8,192 tokens in bfloat16; None where the model keeps none."""
    if not model.causal:
        return None
    return costs.cache_bytes(model, SHORT, len(device.kv)) * len(device.layers) // model.layers


def span(places: range) -> str:
    """A range with both its ends, as a reader writes it: 4–7, or 4."""
    return f"{places.start}" if len(places) == 1 else f"{places.start}–{places.stop - 1}"


def is_large(count: int) -> bool:
    """Whether so many bytes are more than a quarter of one device's memory: below, a figure leaves that memory out."""
    return count > DEVICE_BYTES / 4
