"""Takes the keyboard into what has just been opened: the focus goes to the first thing in it that can be pressed."""

from ui.components import register

_MOUNT = register("step_in", "")


def show(key: str) -> None:
    """Once each time it appears. It shows nothing itself."""
    _MOUNT(key=key, data={})
