"""The chosen query and key of a rotary model before the turn and after it, both as the model has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from anatomy.interventions import place
from anatomy.language import _
from anatomy.request import Want
from anatomy.spec import ModelSpec, Rope
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common import chosen_cell
from panels.common.attention_row import at, wanted
from panels.common.chosen_cell import Cell, Factor, cell_of
from panels.common.snippet import LAYERS
from panels.common.touched import Touched
from panels.position.position_waves import rope_of
from viz.format import quoted


@dataclass(frozen=True)
class Unturned:
    """The chosen cell of a rotary model, its query and key before the turn and after it; in float64.

    layer, head      of the cell
    looking, looked  labels of the token that looks and of the one looked at
    cell             query and key as the model turned them, and its own score (logit)
    rope             how the model turns them on this text
    factor           what q·k is multiplied with to give a score
    q, k             before the turn, as the projections give them
    places           position numbers of the two
    changed          changes of query or key after the turn
    """

    layer: int
    head: int
    looking: str
    looked: str
    cell: Cell
    rope: Rope
    factor: Factor
    q: Float[np.ndarray, " d_head"]
    k: Float[np.ndarray, " d_head"]
    places: tuple[int, int]
    changed: Touched

    @property
    def distance(self) -> int:
        """How many positions the key stands before the query; negative where it stands later."""
        return self.places[0] - self.places[1]

    @property
    def moved(self) -> bool:
        """Whether the positions of this run are other numbers than the tokens' places in the text."""
        return self.places != (self.cell.pos, self.cell.src)

    @cached_property
    def frequencies(self) -> Float[np.ndarray, " pair"]:
        """Radians per token of each pair."""
        return np.array(self.rope.frequencies, np.float64)

    @property
    def masked(self) -> bool:
        """Whether the model's mask forbids this cell: then it has no score to compare with."""
        return not np.isfinite(self.cell.score)

    @cached_property
    def products(self) -> Float[np.ndarray, " d_head"]:
        """One per component: what adds up to the model's q·k."""
        return self.cell.q * self.cell.k

    @property
    def title(self) -> str:
        """Which cell it is, as the first line of a formula: layer 17, head 5: “·of” → “·France”."""
        return _(
            "layer {layer}, head {head}: {looking} → {looked}",
            layer=self.layer,
            head=self.head,
            looking=quoted(self.looking),
            looked=quoted(self.looked),
        )


def wants(view: Fitted) -> Sequence[Want]:
    """What `unturned` reads."""
    return (*chosen_cell.wants(view), wanted(view, "q_unturned"), Want("k_unturned", view.layer))


def unturned(trace: Trace, view: Fitted) -> Unturned:
    """The chosen query and key. Raises TypeError for a model without rotary positions."""
    rope, cell, asked = rope_of(trace.spec), cell_of(trace, view), trace.run.interventions
    query = Touched.of(trace, view.layer, "q", head=view.head, kv=cell.group, pos=cell.pos)
    return Unturned(
        layer=view.layer,
        head=view.head,
        looking=trace.labels[cell.pos],
        looked=trace.labels[cell.src],
        cell=cell,
        rope=rope,
        factor=Factor.of(trace.spec, view.layer),
        q=at(trace, view, "q_unturned")[view.head].astype(np.float64),
        k=trace[Want("k_unturned", view.layer)][cell.group, cell.src].astype(np.float64),
        places=(place(asked, cell.pos), place(asked, cell.src)),
        changed=query + Touched.of(trace, view.layer, "k", kv=cell.group, pos=cell.src),
    )


def before_turn(spec: ModelSpec, view: Fitted) -> str:
    """Python after `opening`: leaves `query` and `key` of the cell as the projections give them, in float64, `pos` and
    `src`, and how this text's positions turn them: `frequency` [pairs], `stretch`."""
    path_q, path_k = spec.paths.unturned
    return f"""{LAYERS}
before = {{}}
for path in ("{path_q}", "{path_k}"):  # what the projections give, before the turn
    module = layers[{view.layer}].get_submodule(path)
    module.register_forward_hook(lambda module, given, out, path=path: before.update({{path: out[0]}}))
{chosen_cell.snippet(view)}query = before["{path_q}"][pos].view(-1, {spec.d_head})[{view.head}].double()
key = before["{path_k}"][src].view(-1, {spec.d_head})[group].double()
rotary = next(module for module in model.modules() if hasattr(module, "inv_freq"))
pairs, frequency, stretch = len(rotary.inv_freq), rotary.inv_freq.double(), rotary.attention_scaling
"""
