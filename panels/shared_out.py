"""A logit shared out among the parts of the model that wrote to the final stream: what both views of it show."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.control import Choice
from anatomy.request import Want, choice
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.sheet import entrance
from viz.format import number, quoted

RIVAL = Choice("rival", "Against", ("none", "second", "third"), ("no other token", "the second best", "the third best"))
_RANKS = {"second": 2, "third": 3}
BY = Choice("by", "Show", ("parts", "heads"), ("attention and FFN", "heads"))
PARTS = ("attention", "FFN")


@dataclass(frozen=True)
class SharedOut:
    """The logit of the best token, or its lead over a rival, in logits.

    best, rival  what the tokens are called
    enters       what the embedding adds
    writes       [2 layer] what attention and FFN add
    constants    what no part brings: biases of the final norm and the output layer
    heads        [layer head] what each head adds, the output projection's bias apart
    told         the model's own logit, or difference of two
    divisor      what the final norm divided the stream by
    """

    best: str
    rival: str | None
    enters: float
    writes: Float[np.ndarray, "2 layer"]
    constants: float
    heads: Float[np.ndarray, "layer head"]
    told: float
    divisor: float

    @property
    def total(self) -> float:
        """Everything that is added."""
        return self.enters + float(self.writes.sum()) + self.constants

    @property
    def off(self) -> float:
        """How far the sum is from the model's own number."""
        return abs(self.total - self.told)

    @property
    def quantity(self) -> str:
        """What is shared out, in words."""
        if self.rival is None:
            return f"the logit of {quoted(self.best)}"
        return f"the lead of {quoted(self.best)} over {quoted(self.rival)}"


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The parts, and what they have to add up to."""
    here = (Want(site, pos=view.pos) for site in ("logits", "next_ids"))
    return (*_wants(view), *here, Want("resid_post", spec.layers - 1, pos=view.pos))


def _wants(view: Fitted) -> tuple[Want, Want]:
    rank = _RANKS.get(view[RIVAL])
    against = None if rank is None else choice(rank)
    parts, heads = (Want(site, pos=view.pos, token=choice(1), against=against) for site in ("dla_parts", "dla_heads"))
    return parts, heads


def shared_out(trace: Trace, view: Fitted) -> SharedOut:
    """The chosen position's."""
    parts, heads = (trace[want].astype(np.float64) for want in _wants(view))
    ranked, logits = trace[Want("next_ids", pos=view.pos)], trace[Want("logits", pos=view.pos)].astype(np.float64)
    best, rank = int(ranked[0]), _RANKS.get(view[RIVAL])
    rival = None if rank is None else int(ranked[rank - 1])
    return SharedOut(
        best=trace.name(best),
        rival=None if rival is None else trace.name(rival),
        enters=float(parts[0]),
        writes=parts[1:-1].reshape(-1, 2).T,  # [2 layer]
        constants=float(parts[-1]),
        heads=heads,
        told=float(logits[best] - (0.0 if rival is None else logits[rival])),
        divisor=_divisor(trace, view),
    )


def _divisor(trace: Trace, view: Fitted) -> float:
    """Root mean square of the final stream, or its deviation where the norm takes the mean off first."""
    stream = trace[Want("resid_post", trace.spec.layers - 1, pos=view.pos)].astype(np.float64)
    centre = stream.mean() if trace.spec.norm.kind == "layer" else 0.0
    return float(np.sqrt(((stream - centre) ** 2).mean() + trace.spec.norm.eps))


def applies(spec: ModelSpec) -> str | None:
    """Only where parts write into one stream that ends in an output layer."""
    if spec.head is None:
        return "This model has no output layer over the vocabulary: it gives a vector for each token and no logits."
    if spec.norm.place != "pre":
        return (
            "This model normalizes after each sum, so what attention and FFN write does not add up to its final "
            "vector: its logits cannot be shared out among them."
        )
    return None


def summed(found: SharedOut, spec: ModelSpec) -> str:
    """The sum written out, with its error."""
    attention, ffn = found.writes.sum(axis=1).tolist()
    terms = [(entrance(spec), found.enters), ("Σ attention", attention), ("Σ FFN", ffn)]
    terms += [("constants", found.constants)] if found.constants else []
    words = " + ".join(f"{name} {_bracketed(value)}" for name, value in terms)
    own = f"the model's own: {number(found.told, 4)}, difference {number(found.off, 2)}"
    return f"{words} = {number(found.total, 4)}; {own}"


def _bracketed(value: float) -> str:
    return f"({number(value)})" if value < 0 else number(value)
