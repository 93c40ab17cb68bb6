"""The articles that readers come from: the stages each one names, and what it claims, held against the loaded model.

One module per article, found by itself through its ARTICLE. Titles, headings and terms are the articles' own;
every other word here is ours. What a claim rests on is computed by a check (`articles.checks`), never written down.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import panels
from anatomy.language import _
from anatomy.spec import ModelSpec
from articles.verdict import Check


@dataclass(frozen=True)
class Heading:
    """A place in an article that names a stage.

    stage     key of anatomy.stages.STAGES
    section   the article's own numbering ("§2a"), or what the passage is about where it has no headings
    title     the heading in the article's language; "" where there is none
    term      what the article calls the thing
    standard  what the field calls it, and what to know when the two differ
    """

    stage: str
    section: str
    title: str
    term: str
    standard: str = ""


@dataclass(frozen=True)
class Claim:
    """One thing that an article says, in our words, and how it is held against a model.

    id       in links: "c-added-position"; two articles may make the same claim
    section  where it stands: the `section` of one of the article's headings, or a place that names no stage
    stage    key of anatomy.stages.STAGES
    says     one sentence, a paraphrase; its Chinese is in the catalogue
    panels   ids of the panels in which one can see it, the best first; the others are for models that it refuses
    check    (case) → the verdict
    sets     settings of the first panel as they stand in a link, for the view in which one can see it; the other
             panels have no controls of these names
    about    the model or family that the article says it of; "" for models in general
    """

    id: str
    section: str
    stage: str
    says: str
    panels: tuple[str, ...]
    check: Check
    sets: Mapping[str, str] = field(default_factory=dict)
    about: str = ""

    @property
    def panel(self) -> str:
        """Id of the panel in which one sees it best."""
        return self.panels[0]

    def panel_for(self, spec: ModelSpec) -> str:
        """Id of the first panel that has something to show for this model; the last one where none has."""
        known = panels.load()
        return next((id for id in self.panels if known[id].closed(spec) is None), self.panels[-1])

    def judged(self) -> str:
        """A sentence on whom the article speaks of and what was judged; "" where it speaks of models in general."""
        if not self.about:
            return ""
        return _("The article says this of {model}; judged is the model that is loaded.", model=self.about)


@dataclass(frozen=True)
class Article:
    """key: name in links (A1 … A5); language: "en" or "zh"; year: of publication, None if not known.

    title     in the article's own language
    named     the same title in English, before it is translated into the page's language
    short     a few words of it, for places that are narrow; likewise
    sections  the places that claims stand at and no heading names: (section, title), in the article's language
    claims    in the order in which the article makes them
    """

    key: str
    title: str
    named: str
    short: str
    language: str
    year: int | None
    headings: tuple[Heading, ...]
    claims: tuple[Claim, ...] = ()
    sections: tuple[tuple[str, str], ...] = ()

    def title_of(self, section: str) -> str:
        """The heading over a section, in the article's language; "" for none. KeyError for an unknown section."""
        titles = dict(self.sections) | {place.section: place.title for place in self.headings}
        return titles[section]


@cache
def load() -> tuple[Article, ...]:
    """Every article, in the order of their keys."""
    modules = (import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__))
    articles = [module.ARTICLE for module in modules if hasattr(module, "ARTICLE")]
    return tuple(sorted(articles, key=lambda article: article.key))


def headings(stage: str) -> tuple[tuple[Article, Heading], ...]:
    """Every place in every article that names a stage, in the articles' order."""
    return tuple((article, place) for article in load() for place in article.headings if place.stage == stage)


@cache
def claims(stage: str | None = None) -> tuple[tuple[Article, Claim], ...]:
    """Every claim on a stage, or on all of them, in the articles' order."""
    return tuple((article, claim) for article in load() for claim in article.claims if stage in (None, claim.stage))


def checks_of(pairs: Sequence[tuple[Article, Claim]]) -> dict[str, Check]:
    """The checks of these claims by the claims' ids, each once."""
    return {claim.id: claim.check for _article, claim in pairs}
