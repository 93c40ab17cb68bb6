"""A reader's hand and eye: finds what is on the page, through shadow roots too, and uses the mouse where it is."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from tests.browsing import CALM, LIMIT
from tests.engines.engine import Engine

# Elements by a path of selectors, `a >> b`: each b below an a, whatever shadow root lies between them.
_FOUND = """
    const inside = (e) => (e.shadowRoot ? [e, ...below(e.shadowRoot)] : [e]);
    const below = (root) => [...root.querySelectorAll("*")].flatMap(inside);
    const step = (roots, css) => roots.flatMap((e) => below(e.shadowRoot ?? e)).filter((e) => e.matches(css));
    const found = (path) => [...new Set(path.split(" >> ").reduce(step, [document]))];
"""
# The middle of an element, or a place in it, where a click on it would hit that element; null where it would not.
_PLACE = """
    const at = found(PATH)[NUMBER];
    at?.scrollIntoView({ block: "center", behavior: "instant" });
    const box = at?.getBoundingClientRect();
    if (!box?.width) return null;
    const x = box.left + box.width * RIGHT, y = box.top + box.height * DOWN;
    let hit = document.elementFromPoint(x, y);
    while (hit?.shadowRoot?.elementFromPoint(x, y)) hit = hit.shadowRoot.elementFromPoint(x, y);
    for (let e = hit; e; e = e.parentElement ?? e.getRootNode().host) if (e === at) return [x, y];
    return null;
"""


@dataclass(frozen=True)
class Hand:
    """At a page that one engine shows. What it opens or clicks is followed by a wait until the page has settled."""

    engine: Engine
    home: str

    def open(self, query: str) -> None:
        self.engine.go(self.home + query)
        self._settled()

    def back(self) -> None:
        self.engine.back()
        self._settled()

    def click(self, path: str, number: int = 0, right: float = 0.5, down: float = 0.5) -> None:
        """Click on one of what is found, at shares of its width and height: the first of them is 0."""
        script = _PLACE.replace("PATH", json.dumps(path)).replace("NUMBER", str(number))
        script = script.replace("RIGHT", str(right)).replace("DOWN", str(down))
        x, y = self._seen(lambda: self.engine.run(_FOUND + script), bool, f"{path} to be clicked")
        self.engine.click(x, y)
        self._settled()

    def write(self, text: str) -> None:
        """Put a text in the place of the one that stands in the box that was clicked."""
        self.engine.write(text)

    def sees(self, path: str, text: str) -> None:
        """Wait until the first that is found says this somewhere; a space that no line ends at counts as any other."""
        script = f'return found({json.dumps(path)})[0]?.innerText.replaceAll("\\u00a0", " ")'
        self._seen(lambda: self.engine.run(_FOUND + script), lambda said: text in (said or ""), f"{path}: {text}")

    def counts(self, path: str, count: int) -> None:
        """Wait until so many are found."""
        script = f"return found({json.dumps(path)}).length"
        self._seen(lambda: self.engine.run(_FOUND + script), lambda number: number == count, f"{count} × {path}")

    def has_style(self, path: str, style: str, value: str) -> None:
        """Wait until the first that is found has this value of a style."""
        script = f"const [e] = found({json.dumps(path)}); return e && getComputedStyle(e)[{json.dumps(style)}]"
        self._seen(lambda: self.engine.run(_FOUND + script), lambda now: now == value, f"{path}: {style} {value}")

    def is_at(self, part: str) -> None:
        """Wait until the address holds this."""
        self._seen(lambda: self.engine.run("return location.href"), lambda url: part in url, f"an address with {part}")

    def _settled(self) -> None:
        self._seen(lambda: self.engine.run(f"return ({CALM})([2])"), bool, "a page that has settled")

    def _seen(self, look: Callable[[], Any], right: Callable[[Any], bool], awaited: str) -> Any:
        """What a look finds as soon as it is right."""
        end = monotonic() + LIMIT / 1000
        while not right(found := look()):
            assert monotonic() < end, f"awaited {awaited}; found {found!r}"
            sleep(0.05)
        return found
