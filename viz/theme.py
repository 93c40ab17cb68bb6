"""Every colour of the product, for light and dark, and the plotly template that exported figures wear."""

from dataclasses import dataclass

import plotly.graph_objects as go

from viz.format import separators

FONT = 'InterV, Inter, "Source Sans 3", system-ui, sans-serif'
MONO = 'ui-monospace, "DejaVu Sans Mono", monospace'
# For figures whose theme the page decides: read on both backgrounds (contrast above 3 on each).
FOCUS = "#d55e00"
NEUTRAL = "#7d858d"
CALM = 0.6  # opacity of what stands back
LEGEND = {"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom", "traceorder": "normal"}


@dataclass(frozen=True)
class Palette:
    """The colours of one theme.

    background, soft, text, muted, border   page, quiet areas, writing, secondary writing, lines
    accent       the choice
    focus        the cell in focus
    empty        cells that hold nothing, told apart from the low end of the scale
    categorical  10 colours for kinds, after Okabe and Ito (2008), told apart by colour-blind readers
    sequential   10 steps for amounts; the low end is close to the page
    diverging    10 steps for signed numbers: 5 below zero, 5 above; zero itself is the page
    """

    background: str
    soft: str
    text: str
    muted: str
    border: str
    accent: str
    focus: str
    empty: str
    categorical: tuple[str, ...]
    sequential: tuple[str, ...]
    diverging: tuple[str, ...]


def _row(colours: str) -> tuple[str, ...]:
    return tuple(colours.split())


LIGHT = Palette(
    background="#fbfbf9",
    soft="#f0f1ec",
    text="#12161a",
    muted="#59616a",
    border="#d9dbd3",
    accent="#0b5cad",
    focus="#d55e00",
    empty="#e9eae5",
    categorical=_row("#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #332288 #882255 #117733 #666666"),
    sequential=_row("#fafaf6 #e4eedb #c3dcc9 #9cc7bd #74b0b4 #4f97ab #337c9f #22608f #174577 #0f2a55"),
    diverging=_row("#0b3c6f #22679f #5b94bf #9dc0d8 #d8e6ec #f6e4d6 #edbd97 #d98d55 #b5591c #7a3300"),
)
DARK = Palette(
    background="#12161b",
    soft="#1b2128",
    text="#e8eaed",
    muted="#a3abb4",
    border="#303943",
    accent="#4a9be8",
    focus="#f2a154",
    empty="#232a31",
    categorical=_row("#56B4E9 #E69F00 #2fc59a #CC79A7 #F0E442 #D55E00 #88CCEE #DDCC77 #AA4499 #DDDDDD"),
    sequential=_row("#12202e #16324a #184666 #1a5c82 #21749b #358dae #55a6bb #80bfc7 #b1d8d4 #e6f1e6"),
    diverging=_row("#b9dcf5 #7fbae6 #4a94cc #2b6899 #1a3a55 #4a2c17 #86491c #c26d2d #e89a5b #f8cfa5"),
)


def palette(dark: bool) -> Palette:
    """The colours of the dark or the light theme."""
    return DARK if dark else LIGHT


def colorscale(dark: bool, signed: bool) -> list[tuple[float, str]]:
    """Stops from 0 to 1 for plotly. Signed: the page's own colour stands at 0.5, where zero is."""
    colours = palette(dark)
    steps = colours.sequential
    if signed:
        half = len(colours.diverging) // 2
        steps = (*colours.diverging[:half], colours.background, *colours.diverging[half:])
    return [(i / (len(steps) - 1), step) for i, step in enumerate(steps)]


def dress(figure: go.Figure, dark: bool) -> go.Figure:
    """A copy of the figure in our own template, for use outside the page; on the page the page's theme dresses it."""
    return go.Figure(figure).update_layout(separators(), template=_template(dark))


def _template(dark: bool) -> go.layout.Template:
    colours = palette(dark)
    axis = {
        "gridcolor": colours.border,
        "linecolor": colours.border,
        "zerolinecolor": colours.border,
        "tickcolor": colours.border,
        "title": {"font": {"color": colours.muted, "size": 12}},
        "automargin": True,
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 12, "color": colours.text},
            "title": {"x": 0, "xref": "paper", "xanchor": "left", "font": {"size": 15}},
            "paper_bgcolor": colours.background,
            "plot_bgcolor": colours.background,
            "colorway": colours.categorical,
            "colorscale": {
                "sequential": colorscale(dark, signed=False),
                "sequentialminus": colorscale(dark, signed=False),
                "diverging": colorscale(dark, signed=True),
            },
            "hoverlabel": {
                "bgcolor": colours.soft,
                "bordercolor": colours.border,
                "font": {"family": FONT, "size": 12, "color": colours.text},
            },
            "xaxis": axis,
            "yaxis": axis,
        }
    )
