"""What derived sites are worked out from: the opened model, the tape of the run, its tokens, arrays of its layers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anatomy.request import Want
from models.opened import Opened
from models.readout import Readout
from models.tape import Tape


@dataclass(frozen=True)
class Ground:
    """One run of one model. arrays: the basis that the derived sites asked for."""

    opened: Opened
    tape: Tape
    ids: Int[np.ndarray, " pos"]
    arrays: Mapping[Want, np.ndarray]

    def tensor(self, want: Want) -> Tensor:
        """An array of the basis."""
        return torch.from_numpy(self.arrays[want])

    @property
    def last(self) -> Float[Tensor, "pos d_model"]:
        """The stream that left the last layer."""
        return self.tape.stream(len(self.tape.calls))

    @property
    def readout(self) -> Readout:
        """Final norm and head; sites that need them are refused before, where a model has none."""
        assert self.opened.readout is not None, f"{self.opened.spec.name} has no head: its sites have to be missing"
        return self.opened.readout
