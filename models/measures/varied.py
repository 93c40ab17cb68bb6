"""What is asked of a variant of the model: the variant is made for it, run on the same text, and let go of.

The numbers are those of `anatomy.parting`, token for token; whoever has the model answers (`RunContext.varied`).
"""

from collections.abc import Sequence

import numpy as np

from anatomy import variants
from anatomy.language import N_
from anatomy.refused import Refused
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.variants import MARK, OTHERWISE, PRECISIONS, Alteration
from models.loaded.readout import CHUNK
from models.loaded.reasons import NO_HEAD
from models.measure import Measure
from models.measures.context import RunContext
from models.reading.precision import HALVES, named

TIMES = 3  # passes of each that are timed, after one that is not
_HALF = N_(
    "This model computes in half precision, so what else is altered in it is rounded, too. Open the model in float32, "
    "and see there what changes do."
)
_WHOLE = N_("“{of}” cannot be tried beside a model: open the model with it.")
_NEXT = N_("This model does not predict the next token, so the tokens of a text have no loss.")
MEASURES = (
    Measure(("variant_distance",), frozenset({"resid_post"}), passes=1, alters=True),
    Measure(
        ("variant_kl", "variant_loss", "variant_ids"),
        frozenset({"resid_post", "logits", "next_ids"}),
        rows=lambda spec, tokens, want: 3 * tokens,
        chunk=CHUNK,
        passes=1,
        alters=True,
    ),
    Measure(("variant_seconds",), passes=2 * (TIMES + 1), alters=True, lengths={"side": 2}),
)


def altered_in(of: str) -> tuple[Alteration, ...]:
    """What is altered in the variant that a want is asked of. Refused for what is no alteration, and for one that is no
    matter of weights or precision alone."""
    made = variants.alterations(f"{MARK}{of}", of)
    if any(one.kind == "lora" or (one.kind in OTHERWISE and one.kind not in PRECISIONS) for one in made):
        raise Refused(_WHOLE, of=of)
    return made


def missing(spec: ModelSpec) -> dict[str, str]:
    """Without an output layer there are no predictions to compare, and only of a model that predicts the next token has
    a text a loss."""
    if spec.dtype in map(named, HALVES):
        return dict.fromkeys((site for measure in MEASURES for site in measure.gives), _HALF)
    if spec.head is None:
        return dict.fromkeys(("variant_kl", "variant_loss", "variant_ids"), NO_HEAD)
    return {} if spec.head == "causal" else {"variant_loss": _NEXT}


def answer(context: RunContext, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    """The wanted arrays among MEASURES, variant after variant."""
    return dict(context.varied(wants)) if wants else {}
