"""Parts of the page that come back by themselves, and the whole page drawn anew by one of its parts.

Each look is a run of the page: it costs the server, and brings the page nearer to forgetting what it was sent (see
`maxCachedMessageAge` in the settings). So who has waited long is looked after less often: the next look comes after a
fourth of the time that it has taken so far, and what has come is seen at most so much too late.
"""

from collections.abc import Callable
from functools import wraps
from itertools import count
from time import monotonic
from typing import NoReturn, ParamSpec

import streamlit as st
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

from ui import session

Given = ParamSpec("Given")
SHARE = 0.25  # of the time waited so far, until the next look
SELDOM = 2.0  # seconds between two looks at most, unless a part says more
_NUMBERS = count()


def every(seconds: float, part: Callable[Given, None]) -> Callable[Given, None]:
    """A part of the page that is drawn again after so many seconds and later on more seldom, under a name that no other
    run of the page uses.

    A look that the browser sent while the page was being drawn is meant for the page before. Under the same name
    Streamlit would draw the part at once, and drop what the page's own run has drawn and not sent yet: in a class
    figures were missing. Under a name that is gone it ignores the look. It also ignores a click that comes at that
    moment, so this is for parts in which readers seldom do two things at once.
    """

    begun = monotonic()

    @wraps(part)
    def named(*args: Given.args, **kwargs: Given.kwargs) -> None:
        part(*args, **kwargs)
        slower(seconds, begun)

    named.__qualname__ = f"{part.__qualname__}.{next(_NUMBERS)}"
    return st.fragment(named, run_every=seconds)


def slower(seconds: float, begun: float) -> None:
    """Have the part that is being drawn come back after at least so many seconds, and the later the longer it has come
    back already. begun: by the clock `monotonic`."""
    context, part = get_script_run_ctx(suppress_warning=True), ThreadState.get().fragment_id
    if context is not None and part is not None:
        message = ForwardMsg()
        message.auto_rerun.fragment_id = part
        message.auto_rerun.interval = pause(seconds, monotonic() - begun)
        context.enqueue(message)


def pause(seconds: float, waited: float) -> float:
    """Seconds until the next look, by the rule above."""
    return max(seconds, min(round(waited * SHARE, 1), SELDOM))


def anew() -> NoReturn:
    """Draw the whole page anew; where the reader went on meanwhile, what he asked for is drawn in its place."""
    session.give_way()
    st.rerun()
