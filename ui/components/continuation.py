"""What comes next: the most probable tokens as chips that add themselves to the text, and the way back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anatomy.language import _, ngettext
from ui.components import callback, register
from ui.components.edges import EDGES
from viz.format import percent

_MOUNT = register(
    "continuation",
    """<div class="row" role="group">
<span class="lead"></span>
<span class="chips"></span>
<button type="button" class="more"></button>
<button type="button" class="draw"></button>
<span class="taken"><span class="count" role="status"></span>
<button type="button" class="back"><i aria-hidden="true">←</i> <span></span></button>
<button type="button" class="clear"></button></span>
</div>""",
    *EDGES,
)


@dataclass(frozen=True)
class Next:
    """A token that may come next: its id, its label, its probability."""

    id: int
    label: str
    probability: float


def show(
    tokens: Sequence[Next],
    added: Callable[[int, int], None],
    kept: Callable[[int], None],
    draw: Callable[[], None],
    *,
    tail: int = 0,
    full: str | None = None,
    how: str = "",
    letter: str = "",
) -> None:
    """The row.

    letter  of the run that goes on, where two stand beside each other
    tail   how many tokens follow the text already
    full   why none can be added, or None
    added  called with a place after the text, 0 the first, and the id of the token that the reader puts there
    kept   called with how many of the added tokens the reader keeps
    draw   called when the model is to draw a token; how: by which settings, in words
    """
    data = {
        "chips": [(token.id, token.label, percent(token.probability), token.probability) for token in tokens],
        "tail": tail,
        "count": ngettext("{count} token added", "{count} tokens added", tail) if tail else "",
        "full": full,
        "words": {
            "name": _("How the model goes on after the last token"),
            "lead": _("{run} after the last token", run=letter) if letter else _("after the last token"),
            "add": _("add this token (id {id})"),
            "go": _("Go on with {label} {percent}"),
            "more": _("more"),
            "fewer": _("fewer"),
            "draw": _("Draw one"),
            "how": how,
            "back": _("Back"),
            "clear": _("Clear"),
            "one": _("Take back the last added token"),
            "all": _("Take back all added tokens"),
        },
    }
    _MOUNT(
        key="continuation",
        data=data,
        on_add_change=callback("continuation", "add", lambda sent: added(int(sent[0]), int(sent[1]))),
        on_draw_change=callback("continuation", "draw", lambda _asked: draw()),
        on_keep_change=callback("continuation", "keep", lambda count: kept(int(count))),
    )
