"""What several panels ask of a model: each gives None, or a sentence that says why the model has no such part."""

from anatomy.language import _, ngettext
from anatomy.spec import LearnedPositions, ModelSpec, RelativeBias, Rope


def output_layer(spec: ModelSpec) -> str | None:
    """Models without a head give vectors, not predictions."""
    if spec.head is None:
        return _(
            "This model has no output layer over the vocabulary: it gives a vector for each token, not a prediction."
        )
    return None


def cache(spec: ModelSpec) -> str | None:
    """A cache serves models that go on writing token by token."""
    if spec.unmasked_here:
        return _(
            "This run leaves out the causal mask: every token sees those after it, so no keys and values can be kept "
            "for later."
        )
    if not spec.stack().causal:
        return _("This model reads the whole text at once, in both directions: it keeps no keys and values for later.")
    return None


def rotation(spec: ModelSpec) -> str | None:
    """Only rotary models turn anything."""
    match spec.position:
        case Rope():
            return None
        case LearnedPositions(rows=rows):
            return ngettext(
                "This model does not turn queries and keys. It adds a learned row for each of {count} position to the "
                "embedding instead.",
                "This model does not turn queries and keys. It adds a learned row for each of {count} positions to "
                "the embedding instead.",
                rows,
            )
        case RelativeBias():
            return _(
                "This model does not turn queries and keys. It adds a number to their scores for each distance instead."
            )
    return _("This model does not turn queries and keys.")
