"""What the passage is made of: lengths of the streams, arcs between the tokens, words and predictions.

Arcs: the largest contribution of a head to a token (Kobayashi et al. 2020, "Attention is Not Only a Weight", sec. 3).
Words: the logit lens (nostalgebraist 2020, "interpreting GPT: the logit lens").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
from jaxtyping import Float

from anatomy.interventions import EMBEDDING
from anatomy.language import _
from anatomy.measure import leads_from
from anatomy.request import Want
from anatomy.shuffled import rows
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace
from anatomy.view import Fitted
from panels.stack.passage_paths import Paths, Taken, Tops, paths, told
from viz.format import quoted

SOON = 512  # tokens up to which the arcs take less than a quarter of a forward pass: 0.16 to 0.24 where it was measured
_TOLD = 3  # arcs that have words
_NAMED = 5  # of the likeliest next tokens
_LEAST = 2  # layers that a word has to lead to be named
_TOPS = tuple(Want(site) for site in ("top_src", "top_head", "top_weight", "top_moved"))
_NEXT = ("next_ids", "next_logp")


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """Lengths of all streams; what each layer would say of the chosen token; of a short text, all that it draws."""
    words = [Want(site, pos=view.pos) for site in (("lens_ids", "lens_logp", *_NEXT) if spec.head else ())]
    return (Want("norm_pre"), Want("norm_post"), *words, *(() if view.length > SOON else _slow(spec)))


def later(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The same of a long text, after the first picture."""
    return _slow(spec) if view.length > SOON else ()


def _slow(spec: ModelSpec) -> tuple[Want, ...]:
    """The arcs, and what every token predicts."""
    return (*_TOPS, *(Want(site) for site in (_NEXT if spec.head else ())))


@dataclass(frozen=True)
class Said:
    """A word that leads after some layers in a row: first and last, and its probability after the first."""

    label: str
    first: int
    last: int
    probability: float
    answer: bool


@dataclass(frozen=True)
class Way:
    """The way of a text's tokens through the model.

    spec     the model's
    tokens   of the text; tail: how many of them were generated
    pos      the chosen one
    lengths  of every token's stream (L2 norm), entering layer 0 and leaving each layer
    complete whether arcs and all predictions are there; of a long text they come after the first picture
    tops     what the arcs are chosen from; None where they are not there yet
    paths    which tokens have lines, and the arcs between them
    said     what the chosen token's line would say after each layer, as far as one token leads several in a row
    since    the layer from which on it says what the model answers; None where that is the last alone, or no answer
    leads    (label, probability) of what each token predicts, where that is known
    best     (id, label, probability) of what the chosen one predicts, best first; empty without an output layer
    shuffled whether tokens are given rows of others, as in a run that shuffles the embedding table
    """

    spec: ModelSpec
    tokens: tuple[Token, ...]
    tail: int
    pos: int
    lengths: Float[np.ndarray, "pos stream"]
    complete: bool
    tops: Tops | None
    paths: Paths
    said: tuple[Said, ...]
    since: int | None
    leads: dict[int, tuple[str, float]]
    best: tuple[tuple[int, str, float], ...]
    shuffled: bool = False

    @property
    def chosen(self) -> str:
        """The chosen token, in quotation marks."""
        return self.quoted(self.pos)

    def quoted(self, pos: int) -> str:
        """The token at a position, in quotation marks."""
        return quoted(self.tokens[pos].label)

    def other(self, pos: int) -> str:
        """The same of another token than the chosen one, told from it where both read alike."""
        return _("another {token}", token=self.chosen) if self.quoted(pos) == self.chosen else self.quoted(pos)

    @property
    def earlier(self) -> Said | None:
        """The last word under the line that is not the answer."""
        return next((said for said in reversed(self.said) if not said.answer), None)

    @cached_property
    def told(self) -> tuple[Taken, ...]:
        """The chosen token's arcs that have words."""
        return told(self.paths.taken, self.pos, _TOLD)

    @property
    def goes_on(self) -> bool:
        """Whether what the chosen token predicts can be added to the text."""
        return self.spec.head == "causal" and self.pos == len(self.tokens) - 1


def read(trace: Trace, view: Fitted) -> Way:
    """Lengths, arcs, words and predictions."""
    entering, leaving = trace[Want("norm_pre")], trace[Want("norm_post")]  # [layer pos]
    complete = all(want in trace for want in _slow(trace.spec))
    tops = _tops(trace, entering)
    return Way(
        spec=trace.spec,
        tokens=trace.tokens,
        tail=len(trace.run.tail),
        pos=view.pos,
        lengths=np.concatenate([entering[:1], leaving]).T,
        complete=complete,
        tops=tops,
        paths=paths(tops, len(trace.tokens), view.pos),
        said=_said(trace, view.pos) if trace.spec.head else (),
        since=_since(trace, view.pos) if trace.spec.head else None,
        leads=_leads(trace),
        shuffled=_shuffled(trace),
        best=tuple(_best(trace, view.pos, Want("next_ids", pos=view.pos), Want("next_logp", pos=view.pos))),
    )


def _shuffled(trace: Trace) -> bool:
    if all(one.site != EMBEDDING for one in trace.run.interventions):
        return False
    given = rows(trace.run.interventions, trace.spec.vocab)
    return any(given[token.id] != token.id for token in trace.tokens)


def _tops(trace: Trace, entering: Float[np.ndarray, "layer pos"]) -> Tops | None:
    """The arcs to choose from; None as long as they are not there."""
    if not all(want in trace for want in _TOPS):
        return None
    source, head, weight, moved = (trace[want] for want in _TOPS)
    sizes = entering.astype(np.float64)
    return Tops(source, head, weight, np.divide(moved, sizes, out=np.zeros_like(sizes), where=sizes > 0))


def _said(trace: Trace, pos: int) -> tuple[Said, ...]:
    """Who leads for at least two layers in a row, where that is not who was named last."""
    ids, shares = (trace[Want(site, pos=pos)] for site in ("lens_ids", "lens_logp"))
    answer, least = int(trace[Want("next_ids", pos=pos)][0]), min(_LEAST, len(ids))
    said: list[Said] = []
    for best, layers in groupby(range(len(ids)), key=lambda layer: int(ids[layer, 0])):
        run, label = list(layers), trace.following(best, pos)
        if len(run) >= least and (not said or said[-1].label != label):
            said.append(Said(label, run[0], run[-1], float(np.exp(shares[run[0], 0])), best == answer))
    return tuple(said)


def _since(trace: Trace, pos: int) -> int | None:
    """From which layer on the answer leads without a break; None for the last alone."""
    first = leads_from(trace[Want("lens_ids", pos=pos)])
    return first if first < trace.spec.layers - 1 else None


def _leads(trace: Trace) -> dict[int, tuple[str, float]]:
    if not all(Want(site) in trace for site in _NEXT):
        return {}
    ids, shares = (trace[Want(site)][:, 0].tolist() for site in _NEXT)
    return {
        pos: (trace.following(row, pos), float(np.exp(p))) for pos, (row, p) in enumerate(zip(ids, shares, strict=True))
    }


def _best(trace: Trace, pos: int, ids: Want, shares: Want) -> list[tuple[int, str, float]]:
    if ids not in trace:
        return []
    found = zip(trace[ids][:_NAMED].tolist(), trace[shares][:_NAMED].tolist(), strict=True)
    return [(row, trace.following(row, pos), float(np.exp(p))) for row, p in found]
