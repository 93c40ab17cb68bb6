"""A family: the table that says where a kind of model keeps what. Each module here with a FAMILY is found by itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from anatomy.language import N_
from anatomy.refused import Refused
from anatomy.spec import ModelSpec, Paths, Weights

_UNTURNED = N_("This model does not rotate its queries and keys: they are as the projections give them.")
NOT_ROTATED: Mapping[str, str] = {
    "q_unturned": _UNTURNED,
    "k_unturned": _UNTURNED,
}  # of families without rotary positions


@dataclass(frozen=True)
class Tap:
    """A place inside a layer: the first input or the (first) output of one of its modules.

    head  components of a head, where what passes is to be cut into heads: [head pos d_head]; 0: it is kept as it is
    """

    module: str
    side: Literal["in", "out"]
    head: int = 0


@dataclass(frozen=True)
class Family:
    """Where models of one kind keep their parts. Paths are those of `get_submodule`.

    name            of the file here, and in links
    title           what papers call it
    model_types     `config.model_type` of the models it fits
    layers          the list of layers, inside the model's body (`model.base_model`)
    attention       the module that calls the attention function, inside a layer
    taps            the sites of a layer that modules show; q, k, v, scores, pattern, z are from the attention interface
    tokens          the embedding table, inside the body
    positions       a learned position table, inside the body; None where positions are rotated in
    rotary          what turns position numbers into rotations, inside the body; None where nothing is rotated
    segments        a table whose first row is added to every token of a text, inside the body (BERT); None elsewhere
    first_norm      what normalizes the sum of all that is added before the first layer, inside the body; None elsewhere
    final_norm      inside the body; None where the last layer ends with its own norm
    head            what scores the vocabulary, inside the model; a model without it has no predictions
    norms           attention's norm and the FFN's, inside a layer; `spec.norm.place` says whether they stand before
                    these parts or after the sums with them
    reads           the projections of queries, keys and values, inside a layer; one where a matrix holds all three, one
                    beside the other
    writes          the projections into the stream, inside a layer: attention's, then the FFN's
    ffn             the modules that make what the FFN writes of what it reads, one after the other, inside a layer
    missing         sites that these models do not have, each with a sentence that says why
    facts           (config, body) → the fields of ModelSpec that the configuration decides
    tiny            a configuration of a few thousand parameters, for tests
    fit             (this table, config) → the table for models of one type that are built differently
    bias            the table of a relative position bias, inside the body, with the attention that holds it before
                    the last dot; None where nothing is added to scores
    loader          the library's class that loads them, where the head does not decide
    """

    name: str
    title: str
    model_types: tuple[str, ...]
    layers: str
    attention: str
    taps: Mapping[str, Tap]
    tokens: str
    positions: str | None
    final_norm: str | None
    head: str
    norms: tuple[str, str]
    reads: tuple[str, ...]
    writes: tuple[str, str]
    ffn: tuple[str, ...]
    missing: Mapping[str, str]
    facts: Callable[[Any, nn.Module], dict[str, Any]]
    tiny: Callable[[], PreTrainedConfig]
    fit: Callable[["Family", Any], "Family"] = lambda family, config: family
    bias: str | None = None
    rotary: str | None = None
    segments: str | None = None
    first_norm: str | None = None
    loader: str = ""

    def spec(self, model: PreTrainedModel, name: str, revision: str, weights: Weights) -> ModelSpec:
        """What kind of transformer this model is."""
        body = model.base_model
        table = self.token_table(model)
        head = model.get_output_embeddings() if self.has_head(model) else None
        facts = self.facts(model.config, body)
        return ModelSpec(
            name=name,
            revision=revision,
            dtype=str(table.dtype).removeprefix("torch."),
            family=self.name,
            architecture=self.title,
            vocab=table.shape[0],
            head=None if head is None else "causal" if facts["stacks"][-1].causal else "masked",
            tied=head is not None and head.weight.data_ptr() == table.data_ptr(),
            weights=weights,
            paths=self._paths(model),
            dropout=_dropout(model.config),
            **facts,
        )

    def _paths(self, model: PreTrainedModel) -> Paths:
        """What printed programs read of these tables."""
        inner = (self.taps[site].module for site in ("gate", "up") if site in self.taps)
        return Paths(
            attention=self.writes[0],
            ffn=self.writes[1],
            inner=tuple(inner),
            norms=self.norms,
            positions=self.positions or "",
            final_norm=self.final_norm or "",
            head=self.head if self.has_head(model) else "",
            bias="" if self.bias is None else self.bias.rpartition(".")[0],
            unturned=tuple(self.taps[site].module for site in ("q_unturned", "k_unturned") if site in self.taps),
            loader=self.loader,
            layers=self.layers,
            reads=self.reads,
        )

    def layers_of(self, model: PreTrainedModel) -> tuple[nn.Module, ...]:
        """The model's layers, first to last."""
        return tuple(model.base_model.get_submodule(self.layers).children())

    def token_table(self, model: PreTrainedModel) -> Tensor:
        """The embedding table: [vocab d_model]."""
        return model.base_model.get_submodule(self.tokens).get_parameter("weight")

    def position_table(self, model: PreTrainedModel) -> Tensor | None:
        """The learned position table: [max_pos d_model]; None where there is none."""
        if self.positions is None:
            return None
        return model.base_model.get_submodule(self.positions).get_parameter("weight")

    def bias_table(self, model: PreTrainedModel) -> Tensor | None:
        """The table of the relative position bias: [bucket head]; None where nothing is added to scores."""
        if self.bias is None:
            return None
        return model.base_model.get_submodule(self.bias).get_parameter("weight")

    def entering(
        self,
        model: PreTrainedModel,
        tokens: Float[Tensor, "pos d_model"],
        positions: Float[Tensor, "pos d_model"] | None,
    ) -> Float[Tensor, "pos d_model"]:
        """What enters the first layer, from the rows of the tokens, scaled, and of their positions: added up with what
        else the model adds, and normalized where it does that."""
        total = tokens if positions is None else tokens + positions
        body = model.base_model
        if self.segments is not None:
            total = total + body.get_submodule(self.segments).get_parameter("weight")[0]
        return total if self.first_norm is None else body.get_submodule(self.first_norm)(total)

    def has_head(self, model: PreTrainedModel) -> bool:
        """Was this model loaded with what scores the vocabulary?"""
        return hasattr(model, self.head)


def _dropout(config: Any) -> float:
    """The largest dropout probability that the configuration names, but for those of heads that are not opened here."""
    named = {name: value for name, value in config.to_dict().items() if "drop" in name}
    used = (value for name, value in named.items() if not name.startswith(("classifier", "summary")))
    return max((float(value) for value in used if isinstance(value, int | float)), default=0.0)


@cache
def load() -> dict[str, Family]:
    """Every family by name."""
    modules = [import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__)]
    return {module.FAMILY.name: module.FAMILY for module in modules if hasattr(module, "FAMILY")}


def family_of(model_type: str) -> Family:
    """The family that fits a `config.model_type`; Refused, with the types there are, when none does."""
    for family in load().values():
        if model_type in family.model_types:
            return family
    known = ", ".join(sorted(kind for family in load().values() for kind in family.model_types))
    raise Refused(N_("Models of type “{kind}” cannot be opened yet. These can: {known}."), kind=model_type, known=known)
