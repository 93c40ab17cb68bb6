"""Which model is split, over how many devices, and what each holds in bytes: what the panel's pieces share."""

from dataclasses import dataclass
from functools import cached_property

from anatomy import costs, split
from anatomy.control import Choice, Control, Slider
from anatomy.costs import SHORT, Configuration
from anatomy.language import N_
from anatomy.published import DEVICE_BYTES, LLAMA_31
from anatomy.spec import ModelSpec
from anatomy.split import Device, Way
from anatomy.view import Fitted, View

_SIZES = {"405b": LLAMA_31[2], "70b": LLAMA_31[1], "8b": LLAMA_31[0]}
WHOSE = Choice(
    "whose",
    N_("Model"),
    ("loaded", *_SIZES),
    (N_("the loaded one"), *(published.configuration.name for published in _SIZES.values())),
    says=N_(
        "The weights of which model are split: of the one on this page, or of a Llama 3.1 by its published "
        "configuration."
    ),
)
WAY = Choice(
    "split",
    N_("Split by"),
    ("rows", "layers"),
    (N_("rows of each matrix"), N_("layers")),
    says=N_(
        "Rows of each matrix: every device holds a part of every layer (tensor parallelism). Layers: every device "
        "holds some whole layers (pipeline parallelism)."
    ),
)
COUNT = Slider(
    "devices",
    N_("Devices"),
    0,
    5,
    1,
    3,
    powers=True,
    says=N_("Over how many devices the model is split: each step doubles them."),
)


@dataclass(frozen=True)
class Split:
    """A model on several devices.

    model    its configuration
    way      how it is split
    devices  a power of two, at most as many as this model can be split over
    """

    model: Configuration
    way: Way
    devices: tuple[Device, ...]

    @cached_property
    def held(self) -> tuple[int, ...]:
        """Bytes of each device's weights in bfloat16."""
        return tuple(costs.weight_bytes(device.parameters, "bfloat16") for device in self.devices)

    @property
    def sent(self) -> int:
        """Bytes that all devices together send for one token, in bfloat16."""
        return 2 * split.traffic(self.model, len(self.devices), self.way)

    @property
    def most(self) -> int:
        """Over how many devices this model can be split."""
        return split.most(self.model, self.way)


def fitting(spec: ModelSpec, view: View, control: Control) -> Control:
    """As many devices, in powers of two, as the chosen model can be split over."""
    return _count(_configuration(spec, view), _way(view)) if control == COUNT else control


def _count(model: Configuration, way: Way) -> Slider:
    return COUNT.up_to(split.most(model, way).bit_length() - 1)


def _configuration(spec: ModelSpec, view: View) -> Configuration:
    return costs.configuration(spec) if view[WHOSE] == "loaded" else _SIZES[view[WHOSE]].configuration


def _way(view: View) -> Way:
    return "layers" if view[WAY] == "layers" else "rows"


def split_model(spec: ModelSpec, view: Fitted) -> Split:
    """The loaded model or a Llama 3.1, split as chosen. ValueError for a loaded model of several stacks."""
    model, way = _configuration(spec, view), _way(view)
    return Split(model, way, split.devices(model, 2 ** int(view[_count(model, way)]), way))


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
