"""Second texts that checks run: the reader's own tokens in another order or in part, and the limits of short texts."""

from collections.abc import Sequence
from dataclasses import replace
from functools import wraps

from anatomy.language import _
from anatomy.trace import Trace
from articles.verdict import Case, Check, Verdict
from viz import nouns
from viz.format import thousands

MOST = 64  # tokens of a second text: what it shows needs no more, and a longer one would keep the page waiting


def own_ids(trace: Trace, most: int = MOST) -> tuple[int, ...]:
    """Ids of the text's own tokens, without those that the tokenizer adds; so many at most."""
    return tuple(token.id for token in trace.tokens if not token.special)[:most]


def says_which_part(check: Check) -> Check:
    """Marks a check that runs `own_ids` again: of a longer text its verdict says on which part it was measured."""

    @wraps(check)
    def said(case: Case) -> Verdict:
        verdict, every = check(case), sum(not token.special for token in case.trace().tokens)
        if every <= MOST or not verdict.second:
            return verdict
        part = _("Measured on the first {most} of its {count} tokens.", most=MOST, count=thousands(every))
        return replace(verdict, says=f"{verdict.says} {part}")

    return said


def backwards(ids: Sequence[int]) -> tuple[int, ...]:
    """The same tokens in reverse order; the last one keeps its place, so that it can be compared with itself."""
    return (*reversed(ids[:-1]), *ids[-1:])


def too_short(tokens: int, least: int) -> Verdict | None:
    """What to say where the text has fewer tokens than a measurement takes; None where it has enough."""
    if tokens >= least:
        return None
    sentence = _(
        "This text has {found}; the measurement takes at least {least}. A longer text shows it.",
        found=nouns.tokens(tokens),
        least=nouns.tokens(least),
    )
    return Verdict("unseen", sentence, how=_("Counted on the text's tokens."), value=tokens, unit="tokens")
