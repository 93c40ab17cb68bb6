"""Buttons that save a figure as a picture: the browser makes it, with a script that it fetches when it is asked to."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from anatomy.language import _
from ui.components import Chosen, callback, register
from ui.plotly_script import NAME

_MOUNT = register(
    "take",
    '<div class="row" role="group"></div><p class="told"><span role="status"></span> <a class="again" hidden></a></p>',
)


@dataclass(frozen=True)
class Asked:
    """What the reader has asked for: a kind ("png" or "svg"), in the dark theme or the light one, and a number by which
    the browser knows its own question again."""

    kind: str
    dark: bool
    number: int


@dataclass(frozen=True)
class Picture:
    """What a picture is made of: plotly's JSON, and what stands above the figure in the file."""

    asked: Asked
    figure: str
    title: str
    caption: str


def show(
    key: str,
    kinds: Sequence[str],
    file: str,
    asked: Chosen,
    had: Chosen,
    picture: Picture | None = None,
    last: int = 0,
) -> None:
    """The buttons.

    kinds    of files, one button each: "png", "svg"
    file     the name of what is saved, without its ending
    asked    called with an `Asked` when the reader presses one
    had      called with the number of a question once the browser has its answer
    picture  what a picture that was asked for is made of
    last     number of the last question that was heard: without a picture it gets no answer any more
    """
    data = {
        "kinds": list(kinds),
        "file": file,
        "script": NAME,
        "last": last,
        "picture": None if picture is None else asdict(picture),
        "words": {
            "name": _("Save the figure as a picture"),
            "making": _("The picture is being made …"),
            "made": _("Made:"),
            "large": _("This figure is too large for a PNG file. Take the SVG file."),
            "absent": _("The script that draws pictures could not be fetched from the server. Try again."),
            "failed": _("The picture could not be made ({error}). Take the page (HTML) instead."),
        },
    }
    _MOUNT(
        key=key,
        data=data,
        on_ask_change=callback(key, "ask", lambda sent: asked(_read(sent))),
        on_had_change=callback(key, "had", lambda number: had(int(number))),
    )


def _read(sent: Sequence[object]) -> Asked:
    """What the browser sent. ValueError for a kind that there is none of."""
    kind, dark, number = sent
    if kind not in ("png", "svg"):
        raise ValueError(f"no picture is of the kind {kind!r}: png or svg")
    return Asked(str(kind), bool(dark), int(str(number)))
