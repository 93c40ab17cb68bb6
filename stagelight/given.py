"""What a program hands over: token ids, the names of panels and languages, numbers. Each is taken as it is, or refused
with what could be given."""

from collections.abc import Iterable
from difflib import get_close_matches
from operator import index
from typing import Any

import numpy as np

import panels
from anatomy.language import LANGUAGES, get_locale
from panels.choices import shown
from panels.panel import Panel


def token_ids(ids: Iterable[int]) -> tuple[int, ...]:
    """Token ids as a program gives them: numbers of Python, numpy or PyTorch, in one row."""
    wrong = "ids are whole numbers, one for each token and without a batch axis"
    if not isinstance(ids, Iterable):
        raise TypeError(f"{wrong}, not {shown(ids)}")
    found = []
    for number, one in enumerate(ids):
        whole = whole_number(one)
        if whole is None:
            raise TypeError(f"{wrong}: the one at place {number} is {shown(one)}")
        found.append(whole)
    return tuple(found)


def whole_number(value: Any) -> int | None:
    """A whole number of Python, numpy or PyTorch as one of Python; None for anything else, True and False too."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return index(value)
    except TypeError:
        return None


def panel_named(id: str) -> Panel:
    """The panel of that name. ValueError where there is none, with the one that was probably meant."""
    known = panels.load()
    if id not in known:
        raise ValueError(f"there is no panel {id!r}{near(id, known)}: stagelight.panels() lists all")
    return known[id]


def near(name: object, known: Iterable[str]) -> str:
    """Words that name what was probably meant; "" where nothing is near."""
    found = get_close_matches(str(name), list(known), 1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def language(lang: str | None) -> str:
    """A language by its key; None for the one that is set."""
    if lang is None:
        return get_locale()
    if lang not in LANGUAGES:
        raise ValueError(f"there is no language {lang!r}: give one of {', '.join(LANGUAGES)}")
    return lang
