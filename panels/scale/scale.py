"""What the loaded model costs beside Llama 3.1: parameters, bytes of weights and cache, arithmetic per token."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from anatomy import costs, facts
from anatomy.control import Choice
from anatomy.costs import LONG, PRECISIONS, SHORT
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.snippet import LAYERS, opening
from panels.panel import Panel, Table
from panels.scale import scale_caption, scale_formula
from panels.scale.compared import GROUPS, Compared, applies, models
from panels.scale.compared import table as all_figures
from viz import nouns
from viz.format import counted, size
from viz.sidebyside import Amounts, Series, Shares, powers

CHARTED = Choice(
    "charted",
    N_("Show"),
    ("parts", "weights", "cache", "arithmetic"),
    (N_("parameters by part"), N_("weights in bytes"), N_("cache in bytes"), N_("arithmetic per token")),
    says=N_(
        "What is compared with Llama 3.1: the parameters in each kind of part, the memory that the weights take, the "
        "memory of the key/value cache, or the operations for one token."
    ),
)


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Nothing of the text: all of it follows from configurations."""
    return ()


@dataclass(frozen=True)
class Comparison:
    """The loaded model beside Llama 3.1.

    charted  which of their quantities is drawn and told: an option of CHARTED
    models   the loaded one, then Llama 3.1 from the smallest to the largest
    """

    charted: str
    models: tuple[Compared, ...]


def read(trace: Trace, view: Fitted) -> Comparison:
    """The models, and what of them is charted."""
    return Comparison(view[CHARTED], models(trace.spec))


def draw(comparison: Comparison) -> Shares | Amounts:
    """Shares of the parts, or amounts on a logarithmic axis, of the loaded model and of Llama 3.1's three sizes."""
    return _DRAWN[comparison.charted](comparison.models)


def _draw_parts(compared: Sequence[Compared]) -> Shares:
    rows = [f"{model.name}\n{counted(model.total)}" for model in compared]
    there = [group for group in GROUPS if any(model.groups[group] for model in compared)]
    series = [
        _series(compared, _(GROUPS[group][0]), lambda model, g=group: model.groups[g], counted) for group in there
    ]
    return Shares(rows, series, _("share of all parameters"))


def _draw_weights(compared: Sequence[Compared]) -> Amounts:
    quantities: dict[str, _Quantity] = {
        name: lambda model, p=name: costs.weight_bytes(model.total, p) for name in PRECISIONS
    }
    if compared[0].alterations:
        quantities[_("as altered, in a file")] = lambda model: model.file
    return _amounts(compared, quantities, _("weights (bytes, log scale)"), size)


def _draw_cache(compared: Sequence[Compared]) -> Amounts:
    quantities = {
        nouns.tokens(SHORT): lambda model: model.cache(SHORT),
        nouns.tokens(LONG): lambda model: model.cache(LONG),
        ngettext(
            "{count} token, one key/value head per query head",
            "{count} tokens, one key/value head per query head",
            LONG,
        ): lambda model: model.cache(LONG, full=True),
    }
    return _amounts(compared, quantities, _("keys and values of all layers (bytes in bfloat16, log scale)"), size)


def _draw_arithmetic(compared: Sequence[Compared]) -> Amounts:
    quantities = {
        _("matrices alone"): lambda model: 2 * costs.matmul_params(model.given),
        ngettext(
            "with attention to {count} token",
            "with attention to {count} tokens",
            SHORT,
        ): lambda model: costs.arithmetic(model.given, SHORT),
        ngettext(
            "with attention to {count} token",
            "with attention to {count} tokens",
            LONG,
        ): lambda model: costs.arithmetic(model.given, LONG),
    }
    return _amounts(compared, quantities, _("operations for one token (log scale)"), counted)


_DRAWN = {"parts": _draw_parts, "weights": _draw_weights, "cache": _draw_cache, "arithmetic": _draw_arithmetic}
_Quantity = Callable[[Compared], int | None]


def _amounts(
    compared: Sequence[Compared], quantities: Mapping[str, _Quantity], axis: str, words: Callable[[float], str]
) -> Amounts:
    """Bars of some quantities of every model, in the words of their unit."""
    series = [_series(compared, name, value, words) for name, value in quantities.items()]
    there = [value for given in series for value in given.values if value]
    ticks = [(power, _whole(words(power))) for power in powers(min(there) / 10, max(there) * 10)]
    rows = [
        model.name if any(given.values[i] for given in series) else _none(model) for i, model in enumerate(compared)
    ]
    return Amounts(rows, series, axis, ticks)


def _none(model: Compared) -> str:
    """The label of a row without bars."""
    return f"{model.name}\n{_('none')}"


def _whole(words: str) -> str:
    """A power of ten without the digits behind its point: 10.0 MB → 10 MB."""
    return re.sub(r"\.0+(?= )", "", words)


def _series(compared: Sequence[Compared], name: str, value: _Quantity, words: Callable[[float], str]) -> Series:
    """One quantity of every model, with its words."""
    values = tuple(value(model) for model in compared)
    return Series(name, values, tuple(_("none") if there is None else words(there) for there in values))


def caption(comparison: Comparison) -> str:
    """The loaded model's figures, and those of the largest Llama 3.1."""
    return scale_caption.SAID[comparison.charted](comparison.models)


def table(comparison: Comparison) -> Table:
    """All figures of all models."""
    return all_figures(comparison.models)


def formula(comparison: Comparison) -> str:
    """The rule of the chosen chart with the numbers of the loaded model and of Llama 3.1."""
    return scale_formula.WRITTEN[comparison.charted](comparison.models)


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Parameters of the loaded model, counted: a dict from each of `compared.GROUPS` that it has to their number."""
    return f"""{opening(spec, view)}
{LAYERS}
POSITIONS = ("wpe.weight", "position_embeddings.weight", "relative_attention_bias.weight")


def ids_of(modules):
    return {{id(weight) for module in modules for weight in module.parameters()}}


body, inside = ids_of([model.base_model]), ids_of(layers)
norms = ids_of(module for module in model.modules() if type(module).__name__.endswith("Norm"))


def part(name, weight):
    if id(weight) not in body:
        return "output"
    if weight is model.get_input_embeddings().weight:
        return "embedding"  # with the output layer, where they are tied
    if name.endswith(POSITIONS):
        return "positions"
    if id(weight) in norms:
        return "norms"
    if id(weight) not in inside:
        return "other"
    return "attention" if "att" in name.lower() else "ffn"


result = {{}}
for name, weight in model.named_parameters():
    group = part(name, weight)
    result[group] = result.get(group, 0) + weight.numel()
print(result, sum(result.values()))
"""


PANEL = Panel(
    id="scale",
    stage="scale",
    order=0,
    name=N_("Beside Llama 3.1"),
    title=N_("What would this cost at Llama 3.1's size?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(CHARTED,),
    applies=applies,
    facts=(facts.WINDOW,),
    wide=True,
)
