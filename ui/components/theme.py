"""The button that changes between the light and the dark theme, of the whole page and of this browser."""

from anatomy.language import _
from ui.components import register

_MOUNT = register(
    "theme",
    '<button type="button"><span class="dark" aria-hidden="true"></span>'
    '<span class="light" aria-hidden="true"></span></button>',
)


def show() -> None:
    """The button. Nothing runs on the server when it is pressed: the theme is the browser's."""
    _MOUNT(key="theme", data={"label": _("Change between the light and the dark theme")})
