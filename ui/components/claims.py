"""Beside the figure: claims as cards with their verdicts, one stage's or an article's, each a way into the page."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ui.components import Chosen, callback, register
from ui.components.edges import EDGES

_MOUNT = register("claims", '<aside><div class="top"></div><div class="list"></div></aside>', *EDGES)
Counts = tuple[int, int, int]


@dataclass(frozen=True)
class Mark:
    """One model's verdict on one claim, in words.

    model   its name where two stand side by side, else ""
    kind    holds, part, not, unseen, absent; "" while it is worked out
    label   the verdict in a word or two
    says    the sentence with the number
    how     how the number was got
    """

    model: str
    kind: str
    label: str
    says: str = ""
    how: str = ""


@dataclass(frozen=True)
class Place:
    """Where something stands. says: the article in a few words, and the section; title: the article's whole title, for
    the pointer; "" for none."""

    says: str
    title: str = ""


@dataclass(frozen=True)
class Card:
    """A claim. where: the places that make it, () where the heading above says it; href: the view in which one can see
    it."""

    id: str
    where: tuple[Place, ...]
    says: str
    marks: tuple[Mark, ...]
    href: str
    current: bool = False


@dataclass(frozen=True)
class Group:
    """Cards under one heading. lang: language of heading and term; standard: the field's name, and what to know."""

    where: Place
    title: str
    term: str
    lang: str
    standard: str
    cards: tuple[Card, ...] = ()


@dataclass(frozen=True)
class Tab:
    """One thing to read: key "" for the stage on view, or an article's key.

    label   a few words
    title   the whole of it, which the pointer shows and a screen reader says after the label
    counts  claims that hold, in part, do not
    """

    key: str
    label: str
    title: str
    current: bool
    counts: Counts | None = None


def show(
    title: str,
    original: str,
    lang: str,
    note: str,
    tabs: Sequence[Tab],
    groups: Sequence[Group],
    words: dict[str, str],
    others: Sequence[tuple[str, str, bool]],
    beside: Chosen,
    read: Chosen,
    opened: Chosen,
) -> None:
    """The column.

    title     above it, in the reader's language
    original  an article's own title, in the language `lang`, where that is another; "" for none
    note      what the counts beside it are
    words     "how", "waiting", "tabs", "beside" in the reader's language
    others    the other models of the server: name, title, and whether its verdicts stand beside this one's
    beside    called with the name of one of them when the reader presses it
    read      called with a tab's key
    opened    called with a claim's id
    """
    data = {
        "title": title,
        "original": original,
        "lang": lang,
        "note": note,
        "tabs": [asdict(tab) for tab in tabs],
        "groups": [asdict(group) for group in groups],
        "words": words,
        "others": list(others),
    }
    _MOUNT(
        key="claims",
        data=data,
        on_beside_change=callback("claims", "beside", lambda name: beside(str(name))),
        on_read_change=callback("claims", "read", lambda key: read(str(key))),
        on_claim_change=callback("claims", "claim", lambda claim: opened(str(claim))),
    )
