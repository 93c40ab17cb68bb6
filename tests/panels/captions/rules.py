"""Rules of captions: a sentence as a pattern, and what has to be true of the numbers wherever a caption has it.

A file per room names how its cases come about (`answers` of tiny models, or random `readings`), then its rules:

    RULES = Rules(lens=readings("lens", a_lens))

    @RULES.holds("lens", r"has rank (\\d+) \\(")
    def its_rank_is_told(case, said):
        return int(said[1]) == case.reading.here.rank
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from panels.panel import Panel

# What no caption says: a zero below zero, no number, from a number to the same, a step that removes nothing.
NEVER = re.compile(
    r"[-−]0\.0*(?!\d)|−0\b(?!\.)|\bnan\b|from (\S*[1-9]\S*( %)?) to \1[ ,;]|from (\S+ %) to \3|removes 0 %"
)


class Case(Protocol):
    """A panel and what it read. Some cases know more, which a rule may hold a sentence against."""

    @property
    def panel(self) -> Panel: ...

    @property
    def reading(self) -> Any: ...


Source = np.random.Generator
Claim = Callable[[Any, re.Match[str]], bool]


@dataclass(frozen=True)
class Cases:
    """How the cases of a panel come about: so many random ones, and those that random ones hardly meet."""

    panel: str
    random: Callable[[Source], Case]
    count: int
    sought: tuple[Callable[[], Case], ...] = ()


class Rules:
    """The rules of a room's captions, by kind of case: mostly one kind per panel."""

    def __init__(self, **cases: Cases) -> None:
        self.cases = cases
        self.claims: dict[str, dict[str, Claim]] = {kind: {} for kind in cases}

    def holds(self, kind: str, sentence: str) -> Callable[[Claim], Claim]:
        """A rule: where a caption of this kind of case has the sentence, the claim is true of case and match."""

        def add(claim: Claim) -> Claim:
            assert sentence not in self.claims[kind], f"{kind} has a rule of {sentence!r} already"
            self.claims[kind][sentence] = claim
            return claim

        return add

    def check(self, kind: str, times: int = 1) -> None:
        """Every sentence is true wherever a caption has it, and a caption has each at least once. times: of so many
        times as many random cases."""
        assert self.claims[kind], f"{kind} has no rule"
        cases, met = self.cases[kind], set[str]()
        for sought in cases.sought:
            met.update(self.said(kind, sought()))
        for seed in range(times * cases.count):
            try:
                met.update(self.said(kind, cases.random(np.random.default_rng(seed))))
            except AssertionError as error:
                error.add_note(f"in the case of seed {seed} of {kind}")
                raise
        assert met == self.claims[kind].keys(), f"no case of {kind} has {self.claims[kind].keys() - met}"

    def said(self, kind: str, case: Case) -> list[str]:
        """The sentences that the caption of a case has, each found true."""
        told = case.panel.caption(case.reading)
        never = NEVER.search(told)
        assert never is None, f"{never and never[0]!r} is in {told!r}"
        found = []
        for sentence, claim in self.claims[kind].items():
            said = re.search(sentence, told)
            if said is not None:
                assert claim(case, said), f"{said[0]!r} is not true ({claim.__name__}) in {told!r}"
                found.append(sentence)
        return found
