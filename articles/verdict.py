"""Verdict: whether a claim holds for the loaded model, by a number. Case: what a check may ask about."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Literal

from anatomy.language import _
from anatomy.refused import Refused
from anatomy.request import Intervention, Run, Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.variants import OTHERWISE
from anatomy.view import Fitted

_PRECISION = "float32"  # in which a model is judged
Kind = Literal["holds", "part", "not", "unseen", "absent"]


@dataclass(frozen=True)
class Verdict:
    """What came out of a check.

    kind       holds · part: holds in part · not: does not hold for this model · unseen: not visible in a forward pass
               · absent: no such part in this model
    says       one or two sentences with the numbers: which part holds, where the claim does hold, what would show it
    how        how the number was got: site, layers, formula; for a fact of the model, where it is written
    value      the number it rests on; None where there is none
    unit       of the value: "nat", "probability", "tokens", …
    tolerance  the bound that decides: what still counts as 0, or what chance would give; None where there is none
    at         where one can see it: fields of a View (layer, head, pos, src)
    second     what else had to be run for it, as a sentence; "" where the page's own run was enough
    """

    kind: Kind
    says: str
    how: str = ""
    value: float | None = None
    unit: str = ""
    tolerance: float | None = None
    at: Mapping[str, int] = field(default_factory=dict)
    second: str = ""


@dataclass(frozen=True)
class Case:
    """One model and the reader's text.

    view  what is chosen on the page, fitted to the model and the text
    ask   (run, wants) → trace; Refused as the engine refuses
    """

    spec: ModelSpec
    view: Fitted
    ask: Callable[[Run, Sequence[Want]], Trace]

    @property
    def run(self) -> Run:
        """The page's own run."""
        return self.view.run(self.spec)

    def trace(self, *wants: Want) -> Trace:
        """The page's own run with these arrays."""
        return self.ask(self.run, wants)

    def intervened(self, interventions: Sequence[Intervention], *wants: Want) -> Trace:
        """The same text run a second time with changes to the forward pass."""
        return self.ask(self.run.intervened(*interventions), wants)

    def other(self, text: str, *wants: Want) -> Trace:
        """Another text under the same model, with these arrays."""
        return self.ask(self.run.on(text), wants)

    def of_tokens(self, ids: Sequence[int], *wants: Want, interventions: Sequence[Intervention] = ()) -> Trace:
        """A text of these tokens; what the tokenizer adds to every text stands before them. The page's own run where
        it is of the same tokens."""
        own = tuple(token.id for token in self.trace().tokens)
        run = self.run if own == tuple(ids) else replace(self.run, text="", tail=tuple(ids))
        return self.ask(run.intervened(*interventions), wants)


Check = Callable[[Case], Verdict]


def rests_on(*facts: str) -> Callable[[Check], Check]:
    """Marks a check that computes with facts of the model (`anatomy.facts`): where one of them did not hold when the
    model was opened, the check is refused."""

    def marked(check: Check) -> Check:
        @wraps(check)
        def held(case: Case) -> Verdict:
            doubt = case.spec.doubt(facts)
            if doubt is not None:
                raise Refused(doubt)
            return check(case)

        return held

    return marked


def judge(check: Check, case: Case) -> Verdict:
    """The verdict of a check. Where the engine refuses what it asks for, its sentence is the verdict: nothing was seen.

    On a variant that leaves something out of every run, or computes in half precision, nothing is judged: checks hold
    numbers against each other that agree in the whole architecture, and in float32. Any other exception is a mistake in
    the check and goes on.
    """
    if case.spec.built or case.spec.dtype != _PRECISION:
        what = ", ".join(one.short for one in case.spec.alterations if one.kind in OTHERWISE) or case.spec.dtype
        how = _("Claims are judged on models with all of their parts, in float32. Open this one as it is for verdicts.")
        return Verdict("unseen", _("Not judged on this variant ({what}).", what=what), how=how)
    try:
        return check(case)
    except Refused as refusal:
        return Verdict("unseen", str(refusal), how=_("The engine refused what this check asks it for."))
