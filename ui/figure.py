"""A panel's figure on the page: a grid or chips through the page's own components, anything else through plotly."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import plotly.graph_objects as go
import streamlit as st

from anatomy.variants import MARK
from anatomy.view import OPENING, Fitted, View
from panels.panel import Figure
from ui import links
from ui.components import chips, grid, marks, passage_two
from ui.components import passage as drawn_passage
from ui.continuation import going_on
from ui.host import models
from viz.chips import Chips
from viz.description import Plotted
from viz.export import to_frame
from viz.format import separators
from viz.grid import Grid, Setting
from viz.heads import Heads
from viz.passage import Arc, Passage
from viz.passage_two import PassageOfTwo

CLEAR = "rgba(0,0,0,0)"
_FOLLOW = (Path(__file__).parent / "frame_theme.js").read_text("utf-8")


def show(figure: Figure, says: str, key: str, view: Fitted, go: Callable[[links.Change], None] = links.go) -> None:
    """The figure, with its sentence as the alternative text. view: what is chosen; go: carries out what a click in it
    changes."""
    if isinstance(figure, Grid):
        grid.show(figure, says, key, lambda *act: go(lambda view: at_cell(view, figure, *act)))
    elif isinstance(figure, Chips):
        chips.show(figure, says, key, lambda chip: go(lambda view: at_chip(view, figure, chip)))
    elif isinstance(figure, Passage):
        drawn_passage.show(figure, says, key, lambda *act: go(lambda view: at_passage(view, figure, *act)))
    elif isinstance(figure, Heads):
        page = to_frame(figure, st.context.theme.type == "dark", (_FOLLOW,), driven=True)
        st.iframe(page, height=figure.height, alt=says)
    elif isinstance(figure, PassageOfTwo):
        passage_two.show(figure, says, key, lambda *act: go(lambda view: at_passage_of_two(view, figure, *act)))
    elif isinstance(figure, Plotted):
        _show_plotted(figure, says, key, view, go)


def _show_plotted(figure: Plotted, says: str, key: str, view: Fitted, go: Callable[[links.Change], None]) -> None:
    """A figure by plotly, and what makes its marks answer to mouse, touch and keys alike."""
    on_card = figure.drawn().update_layout(separators(), paper_bgcolor=CLEAR, plot_bgcolor=CLEAR, dragmode=False)
    with st.container(gap=None):
        st.plotly_chart(on_card, key=key, theme="streamlit", config={"displayModeBar": False}, alt=says)
        first = begins(figure, on_card, view)
        marks.show(figure, key, first, lambda *mark: go(lambda now: at_mark(now, figure, *mark)))


def at_cell(view: View, figure: Grid, cell: tuple[int, int], how: grid.Action = "choose", level: int = 0) -> View:
    """The view after a cell of a grid was chosen, and opened perhaps; or after its window was left, or moved.

    cell   (row, column); of a move the tokens of the whole text that are to be in the middle
    level  how near, as in `viz.sight.Sight`: of a move alone
    """
    match how:
        case "leave":
            return view if figure.leaves is None else _followed(view.with_setting(*figure.leaves), figure)
        case "move":
            return _with(view, *figure.sight.moved(cell, level)) if figure.sight else view
        case "open" if figure.opens is not None:
            return _opened(_chosen(_followed(view.with_setting(*figure.opens), figure), figure, cell), figure, cell)
    return _held(_chosen(view, figure, cell), figure)


def _with(view: View, *settings: Setting) -> View:
    for setting in settings:
        view = view.with_setting(*setting)
    return view


def _followed(view: View, figure: Grid) -> View:
    """A window that was moved follows the chosen tokens again."""
    return view if figure.sight is None else view.with_setting(figure.sight.place, figure.sight.place.default)


def _opened(view: View, figure: Grid, cell: tuple[int, int]) -> View:
    """The window lies around the cell, also where that is no choice of two tokens."""
    place = figure.place(cell)
    if figure.sight is None or place is None or view.pos is None or figure.selects != "token":
        return view
    return view.with_setting(figure.sight.place, figure.sight.place.at(*place, view.pos))


def _held(view: View, figure: Grid) -> View:
    """A window that was moved stays where it is while tokens are chosen in it."""
    sight, part = figure.sight, figure.part
    if sight is None or part is None or view.pos is None or not view[sight.place]:
        return view
    return view.with_setting(sight.place, sight.place.at(*part.middle, view.pos))


def _chosen(view: View, figure: Grid, cell: tuple[int, int]) -> View:
    place = figure.place(cell)
    if place is None:
        return view
    row, column = place
    match figure.selects:
        case "cell":
            return replace(view, pos=row, src=column)
        case "head":
            return view.at(layer=row, head=column)
        case "token":
            return at_token(view, row)
    return view


def begins(figure: Plotted, drawn: go.Figure, view: Fitted) -> tuple[int, int] | None:
    """(trace, point) at which a walk over the marks begins: the one that stands for most of what is chosen; None where
    none does. drawn: the figure as plotly has it."""
    best, most = None, 0
    whole = len({each.choice for along in figure.stands if along is not None for each in along.choices})
    for i, trace in enumerate(drawn.data if figure.stands else ()):
        points = getattr(trace, "x", None)
        for point in range(0 if points is None else len(points)):
            meant = figure.meant(i, point)
            if len(meant) > most and all(getattr(view, choice) == number for choice, number in meant.items()):
                best, most = (i, point), len(meant)
                if most == whole:
                    return best
    return best


def at_mark(view: View, figure: Plotted, trace: int, point: int) -> View:
    """The view after a point of a trace was chosen, as plotly counts them: another token's looks at nothing yet. One
    that stands for a variant opens that beside the run, on the same text, in place of what stood there: both are seen
    at once."""
    opened = figure.opened(trace, point)
    if opened is not None:
        return replace(view.alone, model2=f"{models().shown(view.model)}{MARK}{opened}", panel=OPENING)
    meant = figure.meant(trace, point)
    if meant.get("pos", view.pos) != view.pos:
        view = replace(view, src=None)
    return view.at(**meant)


def at_chip(view: View, figure: Chips, chip: int) -> View:
    """The view after a chip was chosen."""
    place = figure.place(chip)
    return view if place is None else at_token(view, place)


def at_passage(view: View, figure: Passage, what: str, at: int, to: str) -> View:
    """The view after something in a passage was chosen or opened; see `ui.components.passage.show`."""
    chosen = figure.lines[figure.chosen].place
    match what:
        case "line":
            return at_token(view, figure.lines[at].place)
        case "stream" | "next":
            opened = replace(at_token(view, figure.lines[at].place), panel=figure.opens[what])
            return opened.at(layer=int(to)) if what == "stream" else opened
        case "arc":
            return _at_arc(view, figure, figure.arcs[at])
        case "word":
            return replace(at_token(view, chosen), panel=figure.opens[what]).at(layer=int(to))
        case "best":
            return going_on(view, figure.added, figure.best_ids[at])
    return _at_panel(view, figure, to)


def _at_arc(view: View, figure: Passage, arc: Arc) -> View:
    pos, src = (figure.lines[line].place for line in (arc.looking, arc.looked))
    return replace(view, panel=figure.opens["arc"]).at(layer=arc.layer, head=arc.head, pos=pos, src=src)


def at_passage_of_two(view: View, figure: PassageOfTwo, what: passage_two.Act, at: int) -> View:
    """The view after a row's token was chosen or an arc opened in the passage of two runs; its places are A's. What A
    does not have chooses nothing."""
    if what == "line":
        place = figure.place(at)
        return view if place is None else at_token(view, place)
    seen = figure.seen(at)
    if seen is None:
        return view
    layer, head, pos, src = seen
    return replace(view, panel=figure.opens["arc"]).at(layer=layer, head=head, pos=pos, src=src)


def _at_panel(view: View, figure: Passage, panel: str) -> View:
    """A panel that a step names: where attention is seen, at the largest arc with words; where words are, at the last
    of them."""
    told = [arc for arc in figure.arcs if arc.told]
    if panel == figure.opens.get("arc") and told:
        return _at_arc(view, figure, max(told, key=lambda arc: arc.share))
    if panel == figure.opens.get("word") and figure.words:
        return replace(view, panel=panel).at(layer=figure.words[-1].layer)
    return replace(view, panel=panel)


def at_token(view: View, pos: int) -> View:
    """The view after a token was chosen: what the old one looked at goes."""
    return replace(view, pos=pos, src=None)
