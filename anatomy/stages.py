"""The stages of the architecture, in the order in which data meets them. Panels, sites and articles name these ids."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """id (in links), number, title on the map, what happens there, whether it stands inside the repeated block."""

    id: str
    number: int
    title: str
    says: str
    in_block: bool = False


def _stage(number: int, id: str, title: str, says: str, in_block: bool = False) -> Stage:
    return Stage(id, number, title, says, in_block)


_IN_ORDER = (
    _stage(1, "tokens", "Tokens", "The text is cut into pieces of a fixed vocabulary, each with a number."),
    _stage(2, "embedding", "Embedding", "Each number picks a row of a trained table: the vector that enters."),
    _stage(3, "position", "Position", "The model is told where each token stands.", True),
    _stage(4, "attention", "Self-attention", "Each token gathers from those it may see, by how well they match.", True),
    _stage(5, "ffn", "Feed-forward", "Each token alone passes through a wide layer of neurons.", True),
    _stage(6, "residual", "Residual stream", "Every part adds its result to one running vector per token."),
    _stage(7, "stack", "Layer stack", "The same block, many times, each time with its own weights."),
    _stage(8, "output", "Output", "The last vector is scored against the whole vocabulary; softmax follows."),
)

STAGES: dict[str, Stage] = {stage.id: stage for stage in _IN_ORDER}
