"""Grid: a table of coloured cells described as plain values. One description, two pictures: the page's own
component, where cells are chosen by click and key, and a plotly figure for export, notebooks and snapshots."""

from dataclasses import dataclass

import plotly.graph_objects as go

from viz.cells import Cells
from viz.cells import Part as Part
from viz.cells import Setting as Setting
from viz.description import Description
from viz.heatmap import heatmap


@dataclass(frozen=True)
class Grid(Cells, Description):
    """A table of coloured cells; its fields are those of `viz.cells.Cells`."""

    def plotly(self, dark: bool = False) -> go.Figure:
        """A heat map with the numbers in its cells, in the colours of the light or dark theme."""
        return heatmap(self, dark)
