"""The passage: one line per token through all layers, what it takes from others, and what it predicts in the end."""

from anatomy.language import N_
from panels.panel import Panel
from panels.stack.passage_drawing import draw, table
from panels.stack.passage_reading import later, needs, read
from panels.stack.passage_snippet import snippet
from panels.stack.passage_two import beside
from panels.stack.passage_words import caption, formula

PANEL = Panel(
    id="passage",
    stage="stack",
    order=5,
    name=N_("Passage"),
    title=N_("What does a transformer do with your text?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    later=later,
    whole=True,
    both=beside,
)
