"""The passage in words: its sentence, what the figure means and leaves out, and its arithmetic."""

import numpy as np

from anatomy.language import _, ngettext
from panels.stack.lens import read_stream
from panels.stack.passage_paths import CHOSEN, MOST, OTHERS, Taken
from panels.stack.passage_reading import Way
from viz.format import exact_percent, listed, number, percent, quoted, thousands


def caption(way: Way) -> str:
    """From whom the chosen token takes most, and what its line says in the end."""
    return " ".join(filter(None, (_takes(way), _ends(way))))


def _takes(way: Way) -> str:
    """The largest of its arcs that have words."""
    if not way.complete:
        return _("What the tokens take from each other is not drawn yet.")
    if len(way.tokens) == 1:
        return _("There is one token: there is no other that it could take anything from.")
    if way.pos == 0 and way.spec.stack().causal:
        return _("{token} stands first: there is nothing before it that it could take anything from.", token=way.chosen)
    if way.pos == 1 and way.spec.stack().causal:
        return _("Before {token} stands only the first token, whose contributions are left out.", token=way.chosen)
    if not way.told:
        return _beside(way)
    sources = listed(dict.fromkeys(way.other(arc.src) for arc in way.told))
    return _("On its way through the layers {token} takes something from {sources}.", token=way.chosen, sources=sources)


def _beside(way: Way) -> str:
    """Where none of its arcs comes from further away than a token beside it."""
    count = sum(arc.pos == way.pos for arc in way.paths.taken)  # one per layer at most
    if not count:
        return _(
            "In no layer does the largest contribution to {token}, the first token's and its own left out, come with "
            "over {least} of its head's attention.",
            token=way.chosen,
            least=exact_percent(CHOSEN),
        )
    if way.spec.stack().causal:
        return ngettext(
            "{token} takes something from the token before it, in {count} layer.",
            "{token} takes something from the token before it, in {count} layers.",
            count,
            token=way.chosen,
        )
    return ngettext(
        "{token} takes something from a token beside it, in {count} layer.",
        "{token} takes something from a token beside it, in {count} layers.",
        count,
        token=way.chosen,
    )


def _ends(way: Way) -> str:
    """What the chosen line says in the end, and from which layer on."""
    if not way.best:
        return ""
    _id, label, share = way.best[0]
    values = {"answer": quoted(label), "share": percent(share)}
    since = way.since
    if since is None:
        return _("In the end its line says {answer}, with {share}.", **values)
    if since == 0:
        return _("Its line says {answer} after every layer, with {share} in the end.", **values)
    return _("From layer {layer} on its line says {answer}, with {share} in the end.", layer=since, **values)


def after(way: Way) -> str:
    """What the likeliest next tokens are headed with."""
    if way.spec.head == "masked":
        return _("In the place of {token}", token=way.chosen)
    return _("After {token}", token=way.chosen) if way.best else ""


def notes(way: Way) -> tuple[str, ...]:
    """What arcs and words mean, and what they leave out."""
    return tuple(filter(None, (_of_arcs(way), _of_lines(way), _of_words(way))))


def _of_arcs(way: Way) -> str:
    if not way.complete or len(way.tokens) == 1:
        return ""
    rule = _(
        "Arcs: for each layer and token the largest contribution of one head (attention weight × length of the value "
        "through the output projection), drawn where that weight is over {own} for {token} and over {others} for the "
        "other tokens; the thicker, the larger beside the stream.",
        own=exact_percent(CHOSEN),
        others=exact_percent(OTHERS),
        token=way.chosen,
    )
    left = _(
        "Left out: what comes from the first token, on which many heads rest, and from the token itself, smaller "
        "contributions, and what a head gathers from many tokens at once."
    )
    return f"{rule} {left}"


def _of_lines(way: Way) -> str:
    """Which tokens have lines, where not all have."""
    if len(way.paths.lines) == len(way.tokens):
        return ""
    if not way.complete:
        return ngettext("Of {count} token one has a line so far; the others are a band.",
                        "Of {count} tokens one has a line so far; the others are a band.",
                        len(way.tokens))  # fmt: skip
    return ngettext(
        "Of {count} token those have lines on which {token} rests by way of such arcs, {most} at most, and only these "
        "arcs are drawn; the others are a band.",
        "Of {count} tokens those have lines on which {token} rests by way of such arcs, {most} at most, and only these "
        "arcs are drawn; the others are a band.",
        len(way.tokens),
        token=way.chosen,
        most=thousands(MOST),
    )


def _of_words(way: Way) -> str:
    if not way.spec.head:
        return ""
    if way.spec.paths.final_norm:
        says = _(
            "Words under the line: the best token where the final norm and the output layer read the stream after "
            "that layer (logit lens). They were trained for the last layer alone: a word early on is a hint, not a "
            "thought of the model."
        )
    else:
        says = _(
            "Words under the line: the best token where the output layer reads the stream after that layer (logit "
            "lens). It was trained for the last layer alone: a word early on is a hint, not a thought of the model."
        )
    if way.spec.layers > 1:
        says += " " + _("One that leads for a single layer is left out.")
    return says


def formula(way: Way) -> str:
    """The width of the chosen line, and the share of its largest arc."""
    ends = [float(way.lengths[way.pos, end]) for end in (0, -1)]
    lines = [
        _(
            "width of a line ~ log₁₀ ‖stream‖: of {token} from log₁₀ {first} = {low} to log₁₀ {last} = {high}",
            token=way.chosen,
            first=number(ends[0]),
            low=number(float(np.log10(ends[0]))) if ends[0] > 0 else "–",
            last=number(ends[1]),
            high=number(float(np.log10(ends[1]))) if ends[1] > 0 else "–",
        )
    ]
    own = [arc for arc in way.paths.taken if arc.pos == way.pos and way.lengths[arc.pos, arc.layer] > 0]
    if own:
        lines += _of_arc(way, max(own, key=lambda arc: arc.share))
    lines += (
        _(
            "after layer {layer}: softmax(head({stream})) is largest for {token}: {probability}",
            layer=said.first,
            stream=read_stream(way.spec),
            token=quoted(said.label),
            probability=percent(said.probability),
        )
        for said in way.said
    )
    return "\n".join(lines)


def _of_arc(way: Way, arc: Taken) -> list[str]:
    """Weight × value over the stream, with the numbers of one arc."""
    size = float(way.lengths[way.pos, arc.layer])
    value = arc.share * size / arc.weight
    return [
        _("thickness of an arc ~ weight × ‖value W_O‖ / ‖stream entering the layer‖"),
        _(
            "{source} → {token}, layer {layer}, head {head}: {weight} × {value} / {size} = {share}",
            source=way.quoted(arc.src),
            token=way.chosen,
            layer=arc.layer,
            head=arc.head,
            weight=number(arc.weight),
            value=number(value),
            size=number(size),
            share=number(arc.share),
        ),
    ]
