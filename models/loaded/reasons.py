"""Why a model does not have what several measures ask for."""

from anatomy.language import N_
from anatomy.spec import ModelSpec

SUMMED_AFTER = N_(
    "This model normalizes after each sum, so what its parts write does not add up to the final stream: "
    "its logits cannot be shared out among them."
)
NO_HEAD = N_("This model has no output layer: it turns text into vectors and gives no logits.")


def not_shared_out(spec: ModelSpec) -> str | None:
    """Why a model's logits cannot be shared out among its parts; None where they can."""
    return NO_HEAD if spec.head is None else SUMMED_AFTER if spec.norm.place != "pre" else None
