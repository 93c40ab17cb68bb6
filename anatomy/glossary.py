"""The glossary: one plain sentence for every stage, term, unit, axis and site, and which terms stand in a sentence."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from anatomy.language import N_, _, get_locale
from anatomy.sites import AXES, SITES
from anatomy.stages import STAGES
from anatomy.terms import TERMS

Kind = Literal["stage", "term", "unit", "axis", "site"]
KINDS: dict[Kind, str] = {
    "stage": N_("Stages"),
    "term": N_("Terms"),
    "unit": N_("Units"),
    "axis": N_("Axes"),
    "site": N_("Arrays"),
}
# Units that are no term of the field; the others (nat, logit, …) are explained by their term.
_UNITS = {
    "share": N_("A part of a whole, from 0 to 1."),
    "ratio": N_("One amount divided by another of the same unit."),
    "tokens": N_("A distance in the text, counted in tokens."),
    "rank": N_("A place in an order: 1 the best."),
    "position": N_("A place in the text, counted from 0."),
    "second": N_("The unit of time. What is timed differs from one time to the next."),
    "1/255": N_("A probability in 256 steps: 255 stands for 1."),
    "rule": N_("A row of the tokenizer's table of merges."),
    "role": N_("Whose part of a conversation a token is: 0 system, 1 user, 2 assistant."),
    "weight": N_("A trained number of the model, as it is stored."),
    "byte": N_("Eight bits, as a number from 0 to 255."),
    "storage": N_(
        "A way to store numbers, by the number that GGML gives it: 0 float32, 1 float16, 3 Q4_1, 8 Q8_0, 30 bfloat16."
    ),
    "part": N_("A kind of part, as a number: 0 norm, 1 attention, 2 feed-forward network."),
}


@dataclass(frozen=True)
class Entry:
    """One row: its kind, its name, other words for it, what it is. All but sites and axes are read through `_`."""

    kind: Kind
    name: str
    says: str
    others: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The name in the language that is spoken."""
        return self.name if self.kind in ("axis", "site") else _(self.name)

    @property
    def explained(self) -> str:
        """The sentence in the language that is spoken."""
        return _(self.says)


@dataclass(frozen=True)
class Place:
    """A term where it stands in a text: text[start:end]."""

    start: int
    end: int
    entry: Entry


@cache
def load() -> tuple[Entry, ...]:
    """Every entry: stages, terms, units, axes, sites, each kind in the order of its table."""
    return (
        *(Entry("stage", stage.title, stage.says) for stage in STAGES.values()),
        *(Entry("term", name, says, others) for name, others, says in TERMS),
        *(Entry("unit", name, says) for name, says in _UNITS.items()),
        *(Entry("axis", name, says) for name, says in AXES.items()),
        *(Entry("site", site.name, site.says) for site in SITES.values()),
    )


def entry(kind: Kind, name: str) -> Entry:
    """One entry; KeyError for a name that the table does not have."""
    return _by_name()[kind, name]


def unit(name: str) -> Entry:
    """What explains a unit of a site: its own entry, or that of the term that it is. KeyError for an unknown unit."""
    return entry("unit" if name in _UNITS else "term", name)


def find(text: str) -> tuple[Entry, ...]:
    """The terms that occur in a text of the page, each once, in their order there."""
    return tuple(dict.fromkeys(place.entry for place in places(text)))


def places(text: str) -> tuple[Place, ...]:
    """Every term where it stands: whole words, the longest of those that begin at one place, none inside another."""
    words, pattern = _searched(get_locale())
    return tuple(Place(*match.span(), words[match[0].casefold()]) for match in pattern.finditer(text))


@cache
def _by_name() -> dict[tuple[str, str], Entry]:
    return {(row.kind, row.name): row for row in load()}


@cache
def _searched(language: str) -> tuple[dict[str, Entry], re.Pattern[str]]:
    """(each word that is looked for, in the language that is spoken, with its entry; the pattern that finds any)."""
    words: dict[str, Entry] = {}
    for row in load():
        if row.kind == "term":
            for word in (row.name, *row.others):
                words |= {form.casefold(): row for form in _forms(_(word)) if form.casefold() not in words}
    return words, re.compile("|".join(_whole(word) for word in _longest_first(words)), re.IGNORECASE)


def _forms(word: str) -> tuple[str, ...]:
    """A word and its plural; Chinese has none."""
    return (word, f"{word}s") if word.isascii() and word[-1].isalpha() and not word.endswith("s") else (word,)


def _longest_first(words: Iterable[str]) -> list[str]:
    return sorted(words, key=lambda word: (-len(word), word))


def _whole(word: str) -> str:
    """The pattern of a word as a whole. Chinese puts no space between words: there any place will do."""
    before, after = (
        ("(?<![A-Za-z0-9_-])" if word[0].isascii() else ""),
        ("(?![A-Za-z0-9_-])" if word[-1].isascii() else ""),
    )
    return f"{before}{re.escape(word)}{after}"
