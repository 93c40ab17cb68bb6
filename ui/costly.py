"""What takes long in a long text: worked out by a click, stopped by another, and not asked again without one."""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial

import streamlit as st

from anatomy.language import _
from models.engine import Estimate
from ui import text
from ui.withheld import SLOW
from viz.format import lasting


@dataclass(frozen=True)
class Costly:
    """One thing of the kind. The sentences are marked with `N_` where they stand.

    name     of its button and of what the session keeps of it
    label    what its button says
    slow     that it takes about {time}
    stopped  that it was stopped
    """

    name: str
    label: str
    slow: str
    stopped: str

    def wanted(self, question: Hashable, cost: Estimate | None, short: bool) -> bool:
        """Whether it is to be worked out now; else a button stands there. short: a text that is not asked about; cost:
        what it would take, where that is known."""
        if st.session_state.get(f"{self.name}.stopped") == question:
            self.offer_again(question)
            return False
        slow = not short and cost is not None and cost.seconds > SLOW
        if slow and cost is not None and st.session_state.get(f"{self.name}.asked") != question:
            self._offer(_(self.slow, time=lasting(cost.seconds)), question)
            return False
        return True

    def offer_again(self, question: Hashable) -> None:
        """The button of what was stopped."""
        self._offer(_(self.stopped), question)

    def stop(self, question: Hashable) -> None:
        """It is stopped, and stays so until it is asked for."""
        st.session_state[f"{self.name}.stopped"] = question

    def _offer(self, says: str, question: Hashable) -> None:
        with st.container(horizontal=True, vertical_alignment="center", key=f"{self.name}_offer"):
            text.aside(says)
            st.button(_(self.label), key=f"{self.name}.ask", on_click=partial(self._ask, question))

    def _ask(self, question: Hashable) -> None:
        st.session_state[f"{self.name}.asked"] = question
        st.session_state.pop(f"{self.name}.stopped", None)
