"""A model that has been opened: its hooks in place, its parts found, its facts known."""

from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from anatomy.language import N_
from anatomy.spec import ModelSpec, Weights
from anatomy.variants import Alteration
from models.families import Family
from models.loaded import counts, readout, relative, sharing
from models.loaded.norms import Norms
from models.loaded.readout import Readout
from models.loaded.source import Source
from models.loaded.vocabulary import Vocabulary
from models.reading import interventions
from models.reading import layer_inputs as kept
from models.reading.layer_inputs import LayerInputs
from models.reading.precision import as_read_by, widened
from models.reading.recorder import Sites, Visit, unseen
from models.reading.taps import install

_NO_HEAD = N_("This model has no output layer: it turns text into vectors and names no tokens.")


class LoadedModel:
    """One model and everything needed to look inside it.

    model       the library's own, hooks in place
    family      the table of where it keeps what, fitted to its configuration
    spec        what kind of transformer it is
    layers      its layers, first to last
    norms       the parameters of their norms
    readout     its final norm and head; None for a model without a head
    vocabulary  its embedding table
    missing     sites that it does not have, each with a sentence that says why
    source      the file that its weights were read from; None where that is not known
    """

    def __init__(
        self,
        model: PreTrainedModel,
        family: Family,
        name: str,
        revision: str,
        weights: Weights,
        alterations: tuple[Alteration, ...] = (),
        source: Source | None = None,
    ) -> None:
        model.eval()
        self.model, self.source = model, source
        self.family = family = family.fit(family, model.config)
        by_part, norms = counts.parameters(model, family), counts.batch_norms(model)
        parameters = sum(count for _part, count in by_part)
        spec = family.spec(model, name, revision, replace(weights, parameters=parameters))
        self.spec: ModelSpec = replace(spec, counts=by_part, batch_norms=norms, alterations=alterations)
        self.layers: tuple[nn.Module, ...] = install(model, family)
        self.norms = Norms(self.layers, family.norms, self.spec.norm)
        self.readout = Readout(model, family) if family.has_head(model) else None
        without_head = {} if self.readout else dict.fromkeys(readout.SITES, _NO_HEAD)
        self.missing = {**family.missing, **relative.missing(self.spec), **without_head}
        self.vocabulary = Vocabulary(family.token_table(model).detach(), _detached(family.position_table(model)))

    def layer(self, place: int) -> nn.Module:
        """The layer that runs at a place: in a run in which layers are swapped, another one than stands there."""
        return self.layers[interventions.layer_at(place)]

    def weight_gaps(self) -> Float[np.ndarray, " layer"]:
        """How far each layer's matrices are from those of the layer before it; worked out once for the layers in their
        own order."""
        running = tuple(map(self.layer, range(len(self.layers))))
        return self._own_gaps if running == self.layers else sharing.gaps(running)

    @cached_property
    def _own_gaps(self) -> Float[np.ndarray, " layer"]:
        return sharing.gaps(self.layers)

    def ffn(self, layer: int, rows: Float[Tensor, "row d_model"]) -> Float[Tensor, "row d_model"]:
        """What the FFN of a layer makes of these rows, run by itself and shown to no recorder; changes that hold for
        every row among it. A model in half precision computes in that, and rounds rows which that does not hold."""
        rows = rows[None]  # one text
        with unseen(), interventions.of_function():
            for path in self.family.ffn:
                module = self.layer(layer).get_submodule(path)
                rows = module(as_read_by(module, rows))
        return widened(rows[0])

    def final_stream(self, ids: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        """The stream leaving the last layer, of several texts in one forward pass."""
        return kept.final_stream(self.model.base_model, ids, len(self.layers))

    def record(
        self, ids: Int[np.ndarray, " pos"], wanted: dict[int, frozenset[str]], visit: Visit, every: int = 1
    ) -> LayerInputs:
        """One forward pass, the wanted sites visited layer by layer on the way; one stream in `every` is kept."""
        return kept.record(self.model.base_model, self.layers, torch.from_numpy(ids), wanted, visit, every)

    def replay(self, inputs: LayerInputs, wanted: dict[int, frozenset[str]], visit: Visit) -> None:
        """Visit the wanted sites from layer inputs; a layer of which only the streams are wanted is not run again."""
        for layer, sites in wanted.items():
            if sites:
                kept.replay(self.layers, inputs, layer, sites, visit)
            else:
                visit(
                    layer,
                    Sites(
                        {"resid_pre": widened(inputs.stream(layer)), "resid_post": widened(inputs.stream(layer + 1))}
                    ),
                )


def _detached(table: torch.Tensor | None) -> torch.Tensor | None:
    return None if table is None else table.detach()
