"""The five steps that the passage is told in, each with the numbers of this text."""

from anatomy.language import N_, _, ngettext
from anatomy.spec import LearnedPositions
from anatomy.stages import STAGES
from panels.stack.passage_reading import Way
from viz import nouns
from viz.format import listed, number, percent, quoted
from viz.passage import Step


def steps(way: Way) -> tuple[Step, ...]:
    """Five: cut, look up, look back, rewrite, predict."""
    return (_cut(way), _look_up(way), _look_back(way), _rewrite(way), _predict(way))


def _links(*panels: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """(title of a stage, id of a panel) from (stage, panel)."""
    return tuple((_(STAGES[stage].title), panel) for stage, panel in panels)


def _cut(way: Way) -> Step:
    count = len(way.tokens)
    says = ngettext(
        "Your text becomes {count} token, a piece that the model has a number for.",
        "Your text becomes {count} tokens, pieces that the model has a number for.",
        count,
    )
    typed = way.tokens[: count - way.tail]
    marks = sum(token.special and token.start == token.end for token in typed)
    if marks:
        says += " " + ngettext("{count} of them is a mark that the model adds.",
                               "{count} of them are marks that the model adds.", marks)  # fmt: skip
    if way.tail:
        says += " " + ngettext("{count} of them was generated.", "{count} of them were generated.", way.tail)
    return Step(_("cut"), _("Cut"), says, (nouns.tokens(count),), _links(("tokens", "tokens")))


def _look_up(way: Way) -> Step:
    count = way.spec.d_model
    says = ngettext(
        "Each token fetches its row of {count} number from a table. From there on it is a line through the layers.",
        "Each token fetches its row of {count} numbers from a table. From there on it is a line through the layers.",
        count,
    )
    if way.shuffled:
        says += " " + _("In this run the rows are shuffled: it is that of another token.")
    if isinstance(way.spec.position, LearnedPositions):
        says += " " + _("A row for its place is added.")
    return Step(_("look up"), _("Look up"), says, (nouns.numbers(count),), _links(("embedding", "embedding")))


def _look_back(way: Way) -> Step:
    causal, one = way.spec.stack().causal, way.spec.layers == 1
    layers, heads = nouns.layers(way.spec.layers), nouns.heads(way.spec.n_heads)
    says = f"{_(_ATTENTION[causal, one], layers=layers, heads=heads)} {_looks(way)}"
    over = ngettext("{count} layer: look back, rewrite", "{count} layers: look back, rewrite", way.spec.layers)
    if not causal:
        over = ngettext("{count} layer: look around, rewrite", "{count} layers: look around, rewrite", way.spec.layers)
    title = _("Look back") if causal else _("Look around")
    return Step(over, title, says.strip(), (heads,) if one else (layers, heads), _links(("attention", "attention")))


# By whether a token looks only at those before it, and whether there is one layer.
_ATTENTION = {
    (True, False): N_("In each of {layers} every token takes something from those before it, through {heads}."),
    (True, True): N_("In its one layer every token takes something from those before it, through {heads}."),
    (False, False): N_("In each of {layers} every token takes something from all others, through {heads}."),
    (False, True): N_("In its one layer every token takes something from all others, through {heads}."),
}


def _looks(way: Way) -> str:
    """From whom the chosen token takes something, of the arcs that have words."""
    if len(way.tokens) == 1:
        return _("Here there is no other.")
    sources = [_("from {source} in layer {layer}", source=way.other(arc.src), layer=arc.layer) for arc in way.told]
    return _("{token} takes {arcs}.", token=way.chosen, arcs=listed(sources)) if sources else ""


def _rewrite(way: Way) -> Step:
    count = way.spec.d_ff
    says = ngettext(
        "Then a network of {count} neuron adds to each line alone.",
        "Then a network of {count} neurons adds to each line alone.",
        count,
    )
    stack = "lens" if way.spec.head else "likeness"
    over = _("read the answer as it forms") if way.spec.head else _("layer by layer")
    links = _links(("stack", stack), ("ffn", "neurons"))
    return Step(over, _("Rewrite"), f"{says} {_readings(way)}".strip(), (nouns.neurons(count),), links)


def _readings(way: Way) -> str:
    """What the chosen line would have said before, and from where on it says what the model answers."""
    if way.spec.head is None:
        before, behind = (number(float(way.lengths[way.pos, end])) for end in (0, -1))
        return _(
            "The line of {token} is {first} long where it enters and {last} in the end.",
            token=way.chosen,
            first=before,
            last=behind,
        )
    since, earlier = way.since, way.earlier
    if earlier is None:
        return ""
    said = _(
        "Read out after layer {layer}, the line of {token} would say {word}.",
        layer=earlier.last,
        token=way.chosen,
        word=quoted(earlier.label),
    )
    if since is None:
        return f"{said} {_('After the last layer it says {word}.', word=quoted(way.best[0][1]))}"
    return f"{said} {_('From layer {layer} on it says {word}.', layer=since, word=quoted(way.best[0][1]))}"


def _predict(way: Way) -> Step:
    over, title = (_("predict"), _("Predict")) if way.spec.head else (_("end"), _("End"))
    if not way.best:
        count = way.spec.d_model
        says = ngettext(
            "At the end each line is a vector of {count} number. This model has no output layer: it predicts nothing.",
            "At the end each line is a vector of {count} numbers. This model has no output layer: it predicts nothing.",
            count,
        )
        return Step(over, title, says, (nouns.numbers(count),), _links(("output", "pooled")))
    _id, label, share = way.best[0]
    best = f"{quoted(label)} {percent(share)}"
    says = ngettext(
        "At the end the line of {token} is compared with {count} token of the vocabulary: {best}.",
        "At the end the line of {token} is compared with all {count} tokens of the vocabulary: {best}.",
        way.spec.vocab,
        token=way.chosen,
        best=best,
    )
    more = _("Choose one, and the text goes on.") if way.goes_on else ""
    strong = (nouns.tokens(way.spec.vocab), best)
    return Step(over, title, f"{says} {more}".strip(), strong, _links(("output", "output")))
