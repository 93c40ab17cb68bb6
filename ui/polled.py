"""Parts of the page that come back by themselves, and the whole page drawn anew by one of its parts."""

from collections.abc import Callable
from functools import wraps
from itertools import count
from typing import NoReturn, ParamSpec

import streamlit as st

from ui import session

Given = ParamSpec("Given")
_NUMBERS = count()


def every(seconds: float, part: Callable[Given, None]) -> Callable[Given, None]:
    """A part of the page that is drawn again every so many seconds, under a name that no other run of the page uses.

    A look that the browser sent while the page was being drawn is meant for the page before. Under the same name
    Streamlit would draw the part at once, and drop what the page's own run has drawn and not sent yet: in a class
    figures were missing. Under a name that is gone it ignores the look. It also ignores a click that comes at that
    moment, so this is for parts in which readers seldom do two things at once.
    """

    @wraps(part)
    def named(*args: Given.args, **kwargs: Given.kwargs) -> None:
        part(*args, **kwargs)

    named.__qualname__ = f"{part.__qualname__}.{next(_NUMBERS)}"
    return st.fragment(named, run_every=seconds)


def anew() -> NoReturn:
    """Draw the whole page anew; where the reader went on meanwhile, what he asked for is drawn in its place."""
    session.give_way()
    st.rerun()
