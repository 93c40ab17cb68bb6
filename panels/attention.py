"""One head's attention map: how much of its attention each token gives to each other."""

from collections.abc import Sequence

import numpy as np

from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels import Panel, Table
from panels.attention_row import Row, row_of, weights
from panels.head_kinds import KINDS, scores, standing
from panels.heads_snippet import PATTERNS
from panels.relation import relation
from panels.shared import FIRST, SCALE
from panels.snippet import opening
from viz.format import many, number, percent, quoted
from viz.grid import Grid

_PER_LAYER = ("q", "k", "v", "scores", "pattern", "z")
_LOWEST = 1e-4  # where a logarithmic scale begins: a hundredth of a percent


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The layer's queries, keys, values, scores, weights and results; every head's scores for the comparison."""
    return (*(Want(site, view.layer) for site in _PER_LAYER), *(kind.want for kind in KINDS.values()))


def draw(trace: Trace, view: Fitted) -> Grid:
    """Tokens that look by tokens looked at, on the same scale for every head: 0 to 100 %."""
    row = row_of(trace, view)
    logarithmic = view[SCALE] == "log"
    return Grid(
        z=weights(trace, view).astype(np.float32),
        rows=trace.labels,
        cols=trace.labels,
        row_axis="looking (query)",
        col_axis="looked at (key)",
        unit="probability",
        title=f"Layer {view.layer}, head {view.head}",
        low=_LOWEST if logarithmic else 0.0,
        high=1.0,
        logarithmic=logarithmic,
        percent=True,
        focus=None if row.src is None else (row.pos, row.src),
        empty=_empty(trace, view),
        selects="cell",
    )


def _empty(trace: Trace, view: Fitted) -> str:
    """What a cell without a number means."""
    named = ["masked"] if trace.spec.stack().causal else []
    return " or ".join([*named, *([] if view[FIRST] else ["left out"])]) or "masked"


def says(trace: Trace, view: Fitted) -> str:
    """What the chosen token gives to the chosen one, and what this head does more than any other."""
    row = row_of(trace, view)
    return " ".join(part for part in (_gives(trace, view, row), _first(view, row), _rank(trace, view)) if part)


def _gives(trace: Trace, view: Fitted, row: Row) -> str:
    where = f"In layer {view.layer}, head {view.head},"
    looking = quoted(trace.labels[row.pos])
    if row.strongest is None or row.src is None:
        return f"{where} {looking} has nothing but the first token to look at, and that one is left out."
    best = quoted(trace.labels[row.strongest])
    if np.isnan(row.weights[row.src]):
        return f"{where} {_unseen(trace, view, row)} Most goes to {best} ({percent(row.weights[row.strongest])})."
    told = (
        f"{where} {looking} gives {percent(row.weights[row.src])} of its attention to "
        f"{quoted(trace.labels[row.src])}: {relation(trace.tokens, row.pos, row.src)}."
    )
    if row.weights[row.src] < row.weights[row.strongest]:
        told += f" Most goes to {best} ({percent(row.weights[row.strongest])})."
    return told


def _unseen(trace: Trace, view: Fitted, row: Row) -> str:
    """Why the chosen cell is empty."""
    looking, looked = quoted(trace.labels[row.pos]), quoted(trace.labels[row.src or 0])
    if row.src == 0 and not view[FIRST]:
        return f"what {looking} gives to the first token is left out."
    why = "which stands later in the text" if (row.src or 0) > row.pos else "which lies outside of its window"
    return f"{looking} is kept from looking at {looked}, {why}."


def _first(view: Fitted, row: Row) -> str:
    """What is missing when the first token is left out."""
    if view[FIRST] or row.strongest is None:
        return ""
    return f"The first token, left out here, takes {percent(row.first)}; shares are of the rest."


def _rank(trace: Trace, view: Fitted) -> str:
    """The first score in which this head is among the highest of all, if there is one."""
    for kind in KINDS.values():
        values = scores(trace, kind)
        if not kind.is_share or np.isnan(values).all():
            continue
        found = standing(values, view.layer, view.head)
        shown = f"({number(found.value, 2)})"
        if found.rank == 1:
            return f"Among all {many(found.heads, 'head')} this one {kind.does.format('most')} {shown}."
        if found.rank <= 1 + found.heads // 100:
            return f"Among all {many(found.heads, 'head')} this one is number {found.rank} for “{kind.name}” {shown}."
    return ""


def table(trace: Trace, view: Fitted) -> Table:
    """The chosen token's row: what it gives to every token it may see."""
    row = row_of(trace, view)
    seen = np.flatnonzero(np.isfinite(row.scores))
    running = np.cumsum(row.pattern[seen], dtype=np.float64)
    labels = trace.labels
    columns = ("position", "token", "score (logit)", "weight (probability)", "running sum (probability)")
    rows = [
        (int(i), labels[i], float(row.scores[i]), float(row.pattern[i]), float(total))
        for i, total in zip(seen, running, strict=True)
    ]
    if view[FIRST]:
        return Table(columns, tuple(rows))
    left = [None if np.isnan(row.weights[i]) else float(row.weights[i]) for i in seen]
    return Table(
        (*columns, "weight without the first token (probability)"),
        tuple((*cells, share) for cells, share in zip(rows, left, strict=True)),
    )


def formula(trace: Trace, view: Fitted) -> str:
    """From query and key to the weight of the chosen cell; then all weights times values against the model's own z."""
    row = row_of(trace, view)
    src = row.pos if row.src is None else row.src
    labels = quoted(trace.labels[row.pos]), quoted(trace.labels[src])
    spec = trace.spec
    group = view.head // (spec.n_heads // spec.n_kv)
    head = f"layer {view.layer}, query head {view.head}, key/value head {group}: {labels[0]} → {labels[1]}"
    return "\n".join((head, *_score_lines(trace, view, row, src, group), *_sum_lines(trace, view, row, src, group)))


def _score_lines(trace: Trace, view: Fitted, row: Row, src: int, group: int) -> list[str]:
    """q·k / √d = score → weight."""
    q = trace[Want("q", view.layer)][view.head, row.pos].astype(np.float64)  # [d_head]
    k = trace[Want("k", view.layer)][group, src].astype(np.float64)  # [d_head]
    width = trace.spec.d_head
    dot = float(q @ k)
    plain = dot / np.sqrt(width)
    lines = [f"q·k / √{width} = {number(dot)} / {number(np.sqrt(width))} = {number(plain)}"]
    score = float(row.scores[src])
    if not np.isfinite(score):
        return [*lines, "masked: the score becomes −∞, the weight e^−∞ = 0"]
    lines[0] += f" (the model's own score: {number(score)}, difference {number(abs(plain - score), 2)})"
    seen = row.scores[np.isfinite(row.scores)].astype(np.float64)
    total = float(seen.max() + np.log(np.exp(seen - seen.max()).sum()))  # ln Σ e^score, safe for large scores
    lines.append(
        f"e^{number(score)} / Σ = {number(float(np.exp(score - total)))}, where Σ = e^{number(total)} is the sum over "
        f"the {many(len(seen), 'token')} it may see"
    )
    if not view[FIRST] and np.isfinite(row.weights[src]):
        lines.append(
            f"without the first token: {number(float(row.pattern[src]))} / (1 − {number(row.first)}) = "
            f"{number(float(row.weights[src]))}"
        )
    return lines


def _sum_lines(trace: Trace, view: Fitted, row: Row, src: int, group: int) -> list[str]:
    """Weight × value, added up, against what the model computed."""
    v = trace[Want("v", view.layer)][group].astype(np.float64)  # [src d_head]
    z = trace[Want("z", view.layer)][view.head, row.pos]  # [d_head]
    off = float(np.abs(row.pattern.astype(np.float64) @ v - z).max())
    return [
        f"→ {number(float(row.pattern[src]))} × v({quoted(trace.labels[src])})",
        f"such products, summed over {many(len(v), 'token')} = the model's own z, largest difference {number(off, 2)}",
    ]


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """The map's numbers: [pos, src]."""
    without = (
        ""
        if view[FIRST]
        else "result[:, 0] = 0  # the first token left out\nresult = result / result.sum(dim=-1, keepdim=True)\n"
    )
    return f"""{opening(spec, view)}
{PATTERNS}result = attentions[{view.layer}][0, {view.head}].clone()  # [pos, src]
{without}print(result)
"""


PANEL = Panel(
    id="attention",
    stage="attention",
    order=0,
    name="Attention map",
    title="Where does each token look?",
    needs=needs,
    draw=draw,
    says=says,
    table=table,
    formula=formula,
    snippet=snippet,
    controls=(FIRST, SCALE),
    chooser="heads",
    places=("layer", "head"),
)
