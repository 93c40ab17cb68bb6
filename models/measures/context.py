"""What derived sites are worked out from: the loaded model, the run's layer inputs and tokens, arrays of its layers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anatomy.request import Want
from models.loaded.model import LoadedModel
from models.loaded.readout import Readout
from models.reading.layer_inputs import LayerInputs


@dataclass(frozen=True)
class RunContext:
    """One run of one model. arrays: the basis that the derived sites asked for."""

    loaded: LoadedModel
    inputs: LayerInputs
    ids: Int[np.ndarray, " pos"]
    arrays: Mapping[Want, np.ndarray]

    def tensor(self, want: Want) -> Tensor:
        """An array of the basis."""
        return torch.from_numpy(self.arrays[want])

    @property
    def last(self) -> Float[Tensor, "pos d_model"]:
        """The stream that left the last layer."""
        return self.inputs.stream(len(self.inputs.calls))

    @property
    def readout(self) -> Readout:
        """Final norm and head; sites that need them are refused before, where a model has none."""
        assert self.loaded.readout is not None, f"{self.loaded.spec.name} has no head: its sites have to be missing"
        return self.loaded.readout
