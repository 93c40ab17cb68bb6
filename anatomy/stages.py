"""The stages of the architecture, in the order in which data meets them. Panels, sites and articles name these ids."""

from dataclasses import dataclass

from anatomy.language import N_


@dataclass(frozen=True)
class Stage:
    """id (in links), number, title on the map, what happens there, whether it stands inside the repeated block.

    Title and sentence are shown through `_`.
    """

    id: str
    number: int
    title: str
    says: str
    in_block: bool = False


def _stage(number: int, id: str, title: str, says: str, in_block: bool = False) -> Stage:
    return Stage(id, number, title, says, in_block)


_IN_ORDER = (
    _stage(1, "tokens", N_("Tokens"), N_("The text is cut into pieces of a fixed vocabulary, each with a number.")),
    _stage(2, "embedding", N_("Embedding"), N_("Each number picks a row of a trained table: the vector that enters.")),
    _stage(3, "position", N_("Position"), N_("The model is told where each token stands."), True),
    _stage(
        4,
        "attention",
        N_("Self-attention"),
        N_("Each token gathers from those it may see, by how well they match."),
        True,
    ),
    _stage(5, "ffn", N_("Feed-forward"), N_("Each token alone passes through a wide layer of neurons."), True),
    _stage(6, "residual", N_("Residual stream"), N_("Every part adds its result to one running vector per token.")),
    _stage(7, "stack", N_("Layer stack"), N_("The same block, many times, each time with its own weights.")),
    _stage(8, "output", N_("Output"), N_("The last vector is scored against the whole vocabulary; softmax follows.")),
    _stage(
        9,
        "scale",
        N_("Training and serving"),
        N_("What this model's weights, arithmetic and cache cost, and what the same parts cost at Llama 3.1's size."),
    ),
)

STAGES: dict[str, Stage] = {stage.id: stage for stage in _IN_ORDER}
