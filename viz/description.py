"""Description: a figure as plain values. Each kind knows its pictures, its table, its alternative text, and its
difference from another of its kind."""

from abc import ABC, abstractmethod

import plotly.graph_objects as go

from viz.theme import dress


class Description(ABC):
    """A figure as plain values, without a model, a page or a theme."""

    @abstractmethod
    def plotly(self, dark: bool = False) -> go.Figure:
        """The picture in our own colours of the light or dark theme, ready to stand outside the page."""


class Plotted(Description):
    """A kind that the page too shows through plotly, in the theme that the page has."""

    @abstractmethod
    def drawn(self) -> go.Figure:
        """The picture without a theme: its own colours can be read on light and dark."""

    def plotly(self, dark: bool = False) -> go.Figure:
        """The picture in our own colours of the light or dark theme, ready to stand outside the page."""
        return dress(self.drawn(), dark)
