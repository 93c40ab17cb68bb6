"""What a panel shows of one answer, as the page does it: read once, then drawn, said, tabulated or explained."""

import plotly.graph_objects as go

from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.answer import PanelAnswer
from panels.panel import Figure, Panel, Table
from viz.description import Plotted


def described(panel: Panel, trace: Trace, view: Fitted) -> Figure:
    """The description that the panel draws."""
    return PanelAnswer.of(panel, trace, view).description


def figure(panel: Panel, trace: Trace, view: Fitted) -> Figure | go.Figure:
    """The same as the page shows it: plotly's figure, or the description itself where the page has a component."""
    drawn = described(panel, trace, view)
    return drawn.drawn() if isinstance(drawn, Plotted) else drawn


def caption(panel: Panel, trace: Trace, view: Fitted) -> str:
    """Its sentences."""
    return PanelAnswer.of(panel, trace, view).caption


def table(panel: Panel, trace: Trace, view: Fitted) -> Table:
    """Its numbers."""
    return PanelAnswer.of(panel, trace, view).table


def formula(panel: Panel, trace: Trace, view: Fitted) -> str:
    """Its formula."""
    return PanelAnswer.of(panel, trace, view).formula
