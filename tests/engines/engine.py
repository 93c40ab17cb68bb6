"""What a journey needs of a browser's engine, whichever it is; and what WebDriver says for a mouse and for keys."""

import shutil
from dataclasses import dataclass
from typing import Any, Protocol

WIDTH, HEIGHT = 1280, 1000  # of the window
CONTROL = "\ue009"  # the key, in WebDriver


class Engine(Protocol):
    """One window. Places are in pixels from its upper left corner."""

    def go(self, url: str) -> None:
        """Open a page."""
        ...

    def back(self) -> None: ...

    def run(self, body: str) -> Any:
        """What this body of a function returns in the page, as JSON."""
        ...

    def click(self, x: float, y: float) -> None: ...

    def write(self, text: str) -> None:
        """Press the keys that select all of the box that has the focus, then those of a text."""
        ...

    def picture(self) -> bytes:
        """What it shows, as PNG."""
        ...


@dataclass(frozen=True)
class Program:
    """A program that an engine needs: the names it may have, and Debian's package."""

    names: tuple[str, ...]
    package: str

    @property
    def path(self) -> str | None:
        return next(filter(None, map(shutil.which, self.names)), None)


def lacking(name: str, programs: tuple[Program, ...]) -> str | None:
    """Why an engine is left out, and what would bring it in; None where all is there."""
    packages = [program.package for program in programs if program.path is None]
    if not packages:
        return None
    return f"{name} is left out: apt-get install --no-install-recommends {' '.join(packages)}"


def clicking(x: float, y: float) -> list[dict[str, Any]]:
    """The sources of a WebDriver's actions, for the mouse."""
    moved = {"type": "pointerMove", "x": round(x), "y": round(y)}
    press = [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
    return [{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": [moved, *press]}]


def writing(text: str) -> list[dict[str, Any]]:
    """The sources of a WebDriver's actions, for keys: a text that replaces the one before."""
    select = [("keyDown", CONTROL), ("keyDown", "a"), ("keyUp", "a"), ("keyUp", CONTROL)]
    presses = [(kind, letter) for letter in text for kind in ("keyDown", "keyUp")]
    return [{"type": "key", "id": "keys", "actions": [{"type": kind, "value": key} for kind, key in select + presses]}]
