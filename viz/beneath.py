"""Sentences beneath a plotly figure, broken into lines where it ends."""

import plotly.graph_objects as go

from viz.format import escaped
from viz.scale import columns

_LINE, _LETTER, _USUAL = 18, 6.6, 640  # pixels of a remark's line, of a letter, of a usual figure


def beneath(figure: go.Figure, words: str, title: str = "") -> None:
    """Sentences at the lower edge of a figure, which grows by as much, broken between words where it ends; title:
    above it, where it has none of its own."""
    layout = figure.to_dict()["layout"]
    margin = layout.get("margin", {})
    wide = max(layout.get("width", _USUAL) - margin.get("l", 0), 320)
    lines = wrapped(words, int(wide / _LETTER))
    room, below = _LINE * len(lines) + 8, margin.get("b", 0)
    figure.add_annotation(
        text="<br>".join(map(escaped, lines)),
        x=0,
        xref="paper",
        xanchor="left",
        y=0,
        yref="paper",
        yanchor="top",
        yshift=-below,
        align="left",
        showarrow=False,
    )
    above = _LINE * 2 if title and "title" not in layout else 0
    if above:
        figure.update_layout(
            title={"text": escaped(title), "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 8}}
        )
    figure.update_layout(
        height=layout.get("height", 380) + room + above,
        margin_b=below + room,
        margin_t=margin.get("t", 0) + above,
    )


def wrapped(words: str, most: int) -> list[str]:
    """Words in lines of at most so many character cells; one that is longer has a line of its own. Text that is
    written without spaces is broken anywhere."""
    lines = [""]
    for word in words.split(" "):
        pieces = [word] if columns(word) <= most else list(word)
        for i, piece in enumerate(pieces):
            gap = " " if lines[-1] and not i else ""
            if columns(lines[-1] + gap + piece) > most:
                lines.append(piece)
            else:
                lines[-1] += gap + piece
    return lines
