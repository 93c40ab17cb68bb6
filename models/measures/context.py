"""What sites are worked out from: the loaded model, the run's tokens, layer inputs and arrays of its layers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anatomy.request import Want
from models.loaded.model import LoadedModel
from models.loaded.readout import Readout
from models.reading.layer_inputs import LayerInputs


def _no_variant(wants: Sequence[Want]) -> Mapping[Want, np.ndarray]:
    raise AssertionError("nobody makes variants here: whoever asks for one has to say who does")


@dataclass(frozen=True)
class RunContext:
    """One run of one model.

    ids     its tokens, rows of the embedding table
    held    how its layers were called; None where nothing has been run
    arrays  what the wanted sites are worked out from (`basis`)
    varied  answers what is asked of variants of the model (`models/measures/varied.py`)
    """

    loaded: LoadedModel
    ids: Int[np.ndarray, " pos"]
    held: LayerInputs | None = None
    arrays: Mapping[Want, np.ndarray] = field(default_factory=dict)
    varied: Callable[[Sequence[Want]], Mapping[Want, np.ndarray]] = _no_variant

    def tensor(self, want: Want) -> Tensor:
        """An array of the basis."""
        return torch.from_numpy(self.arrays[want])

    @property
    def inputs(self) -> LayerInputs:
        """How the layers were called: measures that declare a forward pass are asked after one."""
        assert self.held is not None, "nothing has been run: a measure that reads layer inputs has to declare `forward`"
        return self.held

    @property
    def last(self) -> Float[Tensor, "pos d_model"]:
        """The stream that left the last layer."""
        return self.inputs.stream(len(self.inputs.calls))

    @property
    def readout(self) -> Readout:
        """Final norm and head; sites that need them are refused before, where a model has none."""
        assert self.loaded.readout is not None, f"{self.loaded.spec.name} has no head: its sites have to be missing"
        return self.loaded.readout
