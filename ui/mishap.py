"""Errors of the program on the page: each costs one part of it, in whose place a sentence stands; the log has the rest.

There is one boundary around each part, not one in each function. What Streamlit raises to end a run or to begin another
is no `Exception`, and passes.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

import streamlit as st

from anatomy.language import N_
from anatomy.refused import Refused
from models.serving.boundary import write_down
from ui import polled, session, text
from ui.host import Loading

Given = ParamSpec("Given")
PART = N_(
    "This part of the page could not be drawn, because of an error of the program ({kind}). The rest of the page "
    "works, and so may another panel, text or place. What a report of the error needs stands in the server's log."
)
PAGE = N_(
    "The page could not be drawn to its end, because of an error of the program ({kind}). Load it again, or begin with "
    "the first view: a click on the title. What a report of the error needs stands in the server's log."
)
ACTION = N_(
    "What you did last had no effect, because of an error of the program ({kind}). Load the page again and try it once "
    "more. What a report of the error needs stands in the server's log."
)
_SAID = "mishap"
_LOG = logging.getLogger(__name__)


@contextmanager
def costing(part: str, template: str = PART) -> Iterator[None]:
    """While this is open, an error costs what is drawn here: the sentence stands in its place. part: its name, for the
    log. Refusals are sentences already. Loading: passes, for the page to wait; a part that has come back by itself has
    the page drawn anew for that."""
    try:
        yield
    except Loading:
        if session.in_part():
            polled.anew()
        raise
    except Refused as refused:
        text.notice(str(refused), "refused")
    except Exception as error:
        text.notice(str(said(part, error, template)), "refused")


def said(part: str, error: Exception, template: str = PART) -> Refused:
    """The sentence for an error, which is written to the log with its traceback. part: what it costs."""
    write_down(_LOG, f"an error of the program cost {part}", error)
    return Refused(template, kind=type(error).__name__)


def harmless(action: Callable[Given, None]) -> Callable[Given, None]:
    """What a widget calls when it is used: an error in it is said on the page that is drawn next, see `tell`."""

    @wraps(action)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> None:
        try:
            action(*args, **kwargs)
        except Refused as refused:
            st.session_state[_SAID] = refused
        except Exception as error:
            st.session_state[_SAID] = said("an action", error, ACTION)

    return call


def tell() -> None:
    """Say once what became of the reader's last action, where it had no effect."""
    refused = st.session_state.pop(_SAID, None)
    if refused is not None:
        text.notice(str(refused), "refused")
