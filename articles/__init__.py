"""The articles that readers come from: which stages each one names, and under which heading.

One module per article, found by itself through its ARTICLE. Titles, headings and terms are the articles' own;
every other word here is ours.
"""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules


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
class Article:
    """key: short name on the page (A1 … A5); language: "en" or "zh"; year: of publication, None if not known."""

    key: str
    title: str
    language: str
    year: int | None
    headings: tuple[Heading, ...]


@cache
def load() -> tuple[Article, ...]:
    """Every article, by key."""
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    return tuple(sorted((module.ARTICLE for module in modules), key=lambda article: article.key))


def headings(stage: str) -> tuple[tuple[Article, Heading], ...]:
    """Every place in every article that names a stage, in the articles' order."""
    return tuple((article, place) for article in load() for place in article.headings if place.stage == stage)
