"""The map of the architecture: one link per stage, drawn from the loaded model; what repeats stands in a frame."""

from collections.abc import Callable, Mapping, Sequence

from anatomy.language import _
from panels.stagemap import Block, Box
from ui.components import Chosen, callback, register
from ui.components.edges import EDGES

_MOUNT = register("stagemap", "<nav></nav>", *EDGES)
Around = tuple[list[str], list[str]]


def show(
    boxes: Sequence[Box],
    block: Block,
    current: str,
    layer: int,
    marks: Mapping[str, tuple[int, int, int]],
    href: Callable[[str], str],
    chosen: Chosen,
) -> None:
    """The map.

    current  the stage on view
    marks    per stage: how many of the articles' claims hold, hold in part, do not
    href     the link that opens a panel
    chosen   called with a panel's id
    """
    signs = {box.stage: around(block, [other.stage for other in boxes if other.in_block], box.stage) for box in boxes}
    data = {
        "boxes": [_drawn(box, href) | {"marks": marks.get(box.stage, ())} for box in boxes],
        "before": [signs[box.stage][0] for box in boxes],
        "after": [signs[box.stage][1] for box in boxes],
        "times": block.line,
        "layer": _("layer {layer}", layer=layer),
        "current": current,
        "words": {
            "name": _("Stages of the model"),
            "marks": _("Claims of the articles: {holds} hold, {part} hold in part, {not} do not"),
            "key": _("The articles' claims: {holds} hold · {part} in part · {not} do not"),
        },
    }
    _MOUNT(key="stagemap", data=data, on_panel_change=callback("stagemap", "panel", lambda panel: chosen(str(panel))))


def _drawn(box: Box, href: Callable[[str], str]) -> dict[str, object]:
    return {
        "stage": box.stage,
        "number": box.number,
        "title": box.title,
        "line": box.line,
        "spark": box.spark or (),
        "in_block": box.in_block,
        "panel": box.panel,
        "href": None if box.panel is None else href(box.panel),
    }


def around(block: Block, inside: list[str], stage: str) -> Around:
    """What stands before and after a stage's box inside the block: its norms, and ⊕ where the stream is added to.

    The FFN is a branch of its own; everything before it in the block belongs to attention's.
    """
    if stage not in inside:
        return [], []
    own = [part for part in inside if (part == "ffn") == (stage == "ffn")]
    before = [block.norm_before] if stage == own[0] and block.norm_before else []
    after = ["⊕", block.norm_after] if stage == own[-1] else []
    return before, [name for name in after if name]
