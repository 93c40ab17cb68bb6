"""A logit shared out among the parts of the model that wrote to the final stream: what both views of it show."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anatomy.control import Choice
from anatomy.language import N_, _
from anatomy.request import Want, choice
from anatomy.rounding import bound
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.residual_decomposition import entrance
from viz.format import bracketed, number, quoted, rounding

RIVAL = Choice(
    "rival",
    N_("Against"),
    ("none", "second", "third"),
    (N_("no other token"), N_("the second best"), N_("the third best")),
    says=N_(
        "No other token: what each part adds to the logit of the best token. Else what each part adds to its lead: to "
        "its logit less that of the second or third best."
    ),
)
_RANKS = {"second": 2, "third": 3}
BY = Choice(
    "by",
    N_("Show"),
    ("parts", "heads", "neurons"),
    (N_("attention and FFN"), N_("heads"), N_("neurons")),
    says=N_(
        "Into what the logit is taken apart: the two parts of every layer, every single head, or the neurons that add "
        "most."
    ),
)
PARTS = (N_("attention"), N_("FFN"))
NEURON_SITES = ("dla_neuron_ids", "dla_neuron_logits")


@dataclass(frozen=True)
class LogitDecomposition:
    """The logit of the best token, or its lead over a rival, in logits.

    best, rival  what the tokens are called; rival is None where there is none
    enters       what the embedding adds
    writes       [2 layer] what attention and FFN add
    constants    what no part brings: biases of the final norm and the output layer
    heads        [layer head] what each head adds, the output projection's bias apart
    own          the model's own logit, or difference of two
    divisor      what the final norm divided the stream by; 1 where a run leaves it out
    """

    best: str
    rival: str | None
    enters: float
    writes: Float[np.ndarray, "2 layer"]
    constants: float
    heads: Float[np.ndarray, "layer head"]
    own: float
    divisor: float

    @property
    def total(self) -> float:
        """Everything that is added."""
        return float(self.terms.sum())

    @property
    def off(self) -> float:
        """How far the sum is from the model's own number."""
        return abs(self.total - self.own)

    @property
    def terms(self) -> Float[np.ndarray, " term"]:
        """Everything that is added, one after the other."""
        return np.array([self.enters, *self.writes.ravel(), self.constants])

    @property
    def level(self) -> bool:
        """Whether the rival's logit is the best token's, but for rounding."""
        return self.rival is not None and abs(self.own) <= bound(float(np.abs(self.terms).max()))

    @property
    def quantity(self) -> str:
        """What is shared out, in words."""
        if self.rival is None:
            return _("the logit of {token}", token=quoted(self.best))
        return _("the lead of {token} over {rival}", token=quoted(self.best), rival=quoted(self.rival))


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The parts and heads, neurons where they are shown, and what the parts have to add up to."""
    sites = ("dla_parts", "dla_heads", *(NEURON_SITES if view[BY] == "neurons" else ()))
    here = (Want(site, pos=view.pos) for site in ("logits", "next_ids"))
    return (*(wanted(site, spec, view) for site in sites), *here, Want("resid_post", spec.layers - 1, pos=view.pos))


def rank(spec: ModelSpec, view: Fitted) -> int | None:
    """The rival's place among all tokens: the last where there are fewer; None where there is no rival."""
    named = _RANKS.get(view[RIVAL])
    return None if named is None or spec.vocab == 1 else min(named, spec.vocab)


def wanted(site: str, spec: ModelSpec, view: Fitted) -> Want:
    """One of these sites for the best token at the chosen position, or for its lead over the rival."""
    against = rank(spec, view)
    return Want(site, pos=view.pos, token=choice(1), against=None if against is None else choice(against))


def logit_decomposition(trace: Trace, view: Fitted) -> LogitDecomposition:
    """The logit of the chosen position's best token, or its lead over the chosen rival, part by part.

    Direct logit attribution (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits").
    """
    parts, heads = (trace[wanted(site, trace.spec, view)].astype(np.float64) for site in ("dla_parts", "dla_heads"))
    ranked, logits = trace[Want("next_ids", pos=view.pos)], trace[Want("logits", pos=view.pos)].astype(np.float64)
    best, against = int(ranked[0]), rank(trace.spec, view)
    rival = None if against is None else int(ranked[against - 1])
    return LogitDecomposition(
        best=trace.following(best, view.pos),
        rival=None if rival is None else trace.following(rival, view.pos),
        enters=float(parts[0]),
        writes=parts[1:-1].reshape(-1, 2).T,  # [2 layer]
        constants=float(parts[-1]),
        heads=heads,
        own=float(logits[best] - (0.0 if rival is None else logits[rival])),
        divisor=_divisor(trace, view),
    )


def _divisor(trace: Trace, view: Fitted) -> float:
    """Root mean square of the final stream, or its deviation where the norm takes the mean off first; 1 where the norm
    is left out."""
    if not trace.spec.paths.final_norm:
        return 1.0
    stream = trace[Want("resid_post", trace.spec.layers - 1, pos=view.pos)].astype(np.float64)
    centre = stream.mean() if trace.spec.norm.kind == "layer" else 0.0
    return float(np.sqrt(((stream - centre) ** 2).mean() + trace.spec.norm.eps))


def applies(spec: ModelSpec) -> str | None:
    """None where parts write into one stream that ends in an output layer; else why logits cannot be shared out."""
    if spec.head is None:
        return _("This model has no output layer over the vocabulary: it gives a vector for each token and no logits.")
    if spec.norm.place != "pre":
        return _(
            "This model normalizes after each sum, so what attention and FFN write does not add up to its final "
            "vector: its logits cannot be shared out among them."
        )
    return None


def summed(decomposition: LogitDecomposition, spec: ModelSpec) -> str:
    """The sum written out, and how far it is from the model's own number."""
    attention, ffn = decomposition.writes.sum(axis=1).tolist()
    terms = [(entrance(spec), decomposition.enters), (_("Σ attention"), attention), (_("Σ FFN"), ffn)]
    terms += [(_("constants"), decomposition.constants)] if decomposition.constants else []
    return _(
        "{terms} = {total}; the model's own: {own}, difference {off}",
        terms=" + ".join(f"{name} {bracketed(value)}" for name, value in terms),
        total=number(decomposition.total, 4),
        own=number(decomposition.own, 4),
        off=rounding(decomposition.off, decomposition.terms),
    )
