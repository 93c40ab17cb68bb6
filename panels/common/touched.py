"""Which changes of a run lie between two numbers that are one in a run in which nothing is changed.

Captions and formulas hold what they work out against the model's own numbers. Where a change stands between the two,
they are not one, and the sentence says so in place of claiming it.
"""

from dataclasses import dataclass

import numpy as np

from anatomy.interventions import at
from anatomy.request import Intervention, Op
from anatomy.trace import Trace
from viz.format import within
from viz.what_if import in_short


@dataclass(frozen=True)
class Touched:
    """Changes of a run that reach a place of interest.

    made    which, in order
    tokens  what the vocabulary entries are called that they go towards; "" for none, and where no name is known
    """

    made: tuple[Intervention, ...] = ()
    tokens: tuple[str, ...] = ()

    @classmethod
    def of(cls, trace: Trace, layer: int | None, *sites: str, **where: int) -> "Touched":
        """The changes of the trace's run at these sites of a layer. where: the head, kv or pos of interest: a change of
        another one is left out."""
        found = (one for site in sites for one in at(trace.run.interventions, site, layer))
        made = tuple(
            one for one in found if all(getattr(one, name) in (None, number) for name, number in where.items())
        )
        return cls(made, tuple("" if one.token is None else trace.names.get(one.token, "") for one in made))

    def __add__(self, other: "Touched") -> "Touched":
        more = other.without(self)
        return Touched(self.made + more.made, self.tokens + more.tokens)

    def of_ops(self, *ops: Op) -> "Touched":
        """Those of these operations alone."""
        kept = [(one, token) for one, token in zip(self.made, self.tokens, strict=True) if one.op in ops]
        return Touched(tuple(one for one, _token in kept), tuple(token for _one, token in kept))

    def without(self, other: "Touched") -> "Touched":
        """All but those of another."""
        kept = [(one, token) for one, token in zip(self.made, self.tokens, strict=True) if one not in other.made]
        return Touched(tuple(one for one, _token in kept), tuple(token for _one, token in kept))

    def part(self, difference: float, *compared: float | np.ndarray) -> bool:
        """Whether there is such a change, and the difference is more than rounding: numbers as for `within`."""
        return bool(self.made) and not within(difference, *compared)

    @property
    def says(self) -> str:
        """What is changed, in one line."""
        return in_short(self.made, self.tokens)


NOTHING = Touched()


def of_ffn(trace: Trace, layer: int, pos: int) -> Touched:
    """The changes of what a layer's FFN writes to a token. Where norms stand before the parts, those of the stream
    after it count to its write (`models/reading/interventions.py`)."""
    sites = ("ffn_out", "resid_post") if trace.spec.norm.place == "pre" else ("ffn_out",)
    return Touched.of(trace, layer, *sites, pos=pos)


def of_attention(trace: Trace, layer: int, pos: int) -> Touched:
    """The same of what a layer's attention writes to a token."""
    sites = ("attn_out", "resid_mid") if trace.spec.norm.place == "pre" else ("attn_out",)
    return Touched.of(trace, layer, *sites, pos=pos)
