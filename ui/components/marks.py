"""What makes the bars, lines and dots of a figure answer: a click or tap chooses, arrow keys walk from one to the next.

Plotly's own selection, which Streamlit offers, is not used: it never selects a point of a line without markers, it
sends nothing where the same mark is chosen again after another choice elsewhere, and it fades all other marks. What
plotly says of a click is told to the page by this component, and the keys end in the same message.
"""

from collections.abc import Callable
from zlib import crc32

from anatomy.language import _
from ui.components import callback, register
from ui.components.edges import EDGES
from viz.description import Plotted

HTML = """<div class="walk" tabindex="0" role="application"></div>
<p class="told" aria-live="polite"></p><i class="ring" hidden></i>"""
_MOUNT = register("marks", HTML, *EDGES)


def show(figure: Plotted, key: str, first: tuple[int, int] | None, chosen: Callable[[int, int], None]) -> None:
    """Belongs to the figure that plotly draws under this key.

    first   the trace and its point at which a walk begins; None for the first mark
    chosen  called with the trace and its point
    """
    of = identity(figure)
    data = {"figure": key, "of": of, "chooses": figure.chooses, "name": _name(figure), "first": first}
    data["moves"] = _("A figure wider than its card: arrow keys move it sideways")

    def call(mark: dict) -> None:
        if mark.get("of") == of:
            chosen(int(mark["trace"]), int(mark["point"]))

    _MOUNT(key=f"{key}.marks", data=data, on_mark_change=callback(f"{key}.marks", "mark", call))


def _name(figure: Plotted) -> str:
    if figure.chooses:
        return _("Marks of the figure: arrow keys walk, Enter chooses")
    return _("Marks of the figure: arrow keys walk")


def identity(figure: Plotted) -> int:
    """A number that is another one where the marks mean something else: a click may have been on its way meanwhile."""
    return crc32(repr((type(figure).__name__, figure.stands, *sorted(figure.beside.items()))).encode())
