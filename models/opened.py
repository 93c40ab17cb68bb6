"""A model that has been opened: its hooks in place, its parts found, its facts known."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int
from torch import nn
from transformers import PreTrainedModel

from anatomy.spec import ModelSpec, Weights
from models import readout
from models import tape as tapes
from models.families import Family
from models.norms import Norms
from models.readout import Readout
from models.recorder import Visit
from models.tape import Tape
from models.taps import install
from models.vocabulary import Vocabulary

_NO_HEAD = "This model has no output layer: it turns text into vectors and names no tokens."


class Opened:
    """One model and everything needed to look inside it.

    layers      its layers, first to last
    norms       the parameters of their norms
    readout     its final norm and head; None for a model without a head
    vocabulary  its embedding table
    missing     sites that it does not have, each with a sentence that says why
    """

    def __init__(self, model: PreTrainedModel, family: Family, name: str, revision: str, weights: Weights) -> None:
        model.eval()
        self.model = model
        self.family = family
        parameters = sum(weight.numel() for weight in model.parameters())
        self.spec: ModelSpec = family.spec(model, name, revision, replace(weights, parameters=parameters))
        self.layers: tuple[nn.Module, ...] = install(model, family)
        self.norms = Norms(self.layers, family.norms, self.spec.norm)
        self.readout = Readout(model, family) if family.has_head(model) else None
        self.missing = {**family.missing, **({} if self.readout else dict.fromkeys(readout.SITES, _NO_HEAD))}
        self.vocabulary = Vocabulary(family.token_table(model).detach(), _detached(family.position_table(model)))

    def record(self, ids: Int[np.ndarray, " pos"], wanted: dict[int, frozenset[str]], visit: Visit) -> Tape:
        """One forward pass, the wanted sites visited layer by layer on the way."""
        return tapes.record(self.model.base_model, torch.from_numpy(ids), wanted, visit)

    def replay(self, tape: Tape, wanted: dict[int, frozenset[str]], visit: Visit) -> None:
        """Visit the wanted sites from a tape; a layer of which only the streams are wanted is not run again."""
        for layer, sites in wanted.items():
            if sites:
                tapes.replay(self.layers, tape, layer, sites, visit)
            else:
                visit(layer, {"resid_pre": tape.stream(layer), "resid_post": tape.stream(layer + 1)})


def _detached(table: torch.Tensor | None) -> torch.Tensor | None:
    return None if table is None else table.detach()
