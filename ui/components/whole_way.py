"""The button that opens the passage and closes it again; the key “?” does the same wherever nobody writes.

While the passage is open, a box beside it switches that key off.
"""

from collections.abc import Callable

from anatomy.language import _
from ui.components import callback, register

_MOUNT = register(
    "whole_way",
    '<label><input type="checkbox"><span></span></label>'
    '<button type="button"><kbd aria-hidden="true">?</kbd><span></span></button>',
)


def show(opened: bool, turn: Callable[[bool], None]) -> None:
    """The button. opened: the passage is on the page; turn: called with whether it is to be open."""
    data = {
        "open": opened,
        "label": _("Close") if opened else _("How it works"),
        "title": _("Close") if opened else _("What does a transformer do with your text?"),
        "keyed": _("Close; show again with ?") if opened else _("What does a transformer do with your text? (key ?)"),
        "switch": _("the key ? opens and closes this"),
    }
    _MOUNT(key="whole_way", data=data, on_turn_change=callback("whole_way", "turn", lambda how: turn(how == "open")))
