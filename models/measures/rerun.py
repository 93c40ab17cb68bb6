"""What changes when the same text is run a second time: in half precision, or in a batch with another text."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.language import N_
from anatomy.positions import at_position
from anatomy.request import Want
from anatomy.spec import ModelSpec
from models.loaded.readout import CHUNK
from models.loaded.reasons import NO_HEAD
from models.measure import Measure
from models.measures.context import RunContext
from models.progress import report_progress
from models.reading.precision import HALVES, named, widened

_HALF = N_(
    "This model computes in half precision already: a second run in half precision would tell nothing of what that "
    "changes. Compare it with the same model in float32."
)
MEASURES = (
    Measure(
        ("half_kl",),
        frozenset({"resid_post", "logits"}),
        rows=lambda spec, tokens, want: 2 * tokens,
        chunk=CHUNK,
        passes=1,
    ),
    Measure(("batch_gap",), frozenset({"resid_post"}), passes=1, texts=2),
)


def basis(want: Want, spec: ModelSpec) -> list[Want]:
    """Nothing but the last stream of the first run, which its layer inputs hold."""
    return []


def missing(spec: ModelSpec) -> dict[str, str]:
    """Without an output layer there are no two distributions to compare; a model in half precision is the second run
    already."""
    if spec.head is None:
        return {"half_kl": NO_HEAD}
    return {"half_kl": _HALF} if spec.dtype in map(named, HALVES) else {}


def answer(context: RunContext, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
    """The wanted arrays among MEASURES; each second run is made once."""
    whole = {site: _SITES[site](context).numpy() for site in {want.site for want in wants}}
    return {want: at_position(whole[want.site], want) for want in wants}


def _half_kl(context: RunContext) -> Float[Tensor, " pos"]:
    """Σ p · (log p − log q) over the vocabulary, in nats: p the run's distribution, q that of the library's mixed
    precision, where matrices are multiplied in bfloat16 (`torch.autocast`)."""
    with torch.autocast("cpu", torch.bfloat16):
        stream = context.loaded.final_stream(torch.from_numpy(context.ids)[None])[0]  # [pos d_model]
    divergences = []
    for number, rows in enumerate(zip(context.last.split(CHUNK), stream.split(CHUNK), strict=True)):
        report_progress(N_("comparing the predictions"), number * CHUNK, len(stream))
        divergences.append(_divergence(context, *rows))
    return torch.cat(divergences)


def _divergence(
    context: RunContext, exact: Float[Tensor, "row d_model"], half: Float[Tensor, "row d_model"]
) -> Float[Tensor, " row"]:
    p = context.readout.logits(exact).float().log_softmax(dim=-1)  # [row vocab]
    with torch.autocast("cpu", torch.bfloat16):
        logits = context.readout.logits(half)
    return (p.exp() * (p - logits.float().log_softmax(dim=-1))).sum(-1).clamp(min=0.0)


def _batch_gap(context: RunContext) -> Float[Tensor, " pos"]:
    """Largest change over d_model of the last stream. The other text of the batch is the same tokens from last to
    first: as long, so that nothing is filled up."""
    ids = torch.from_numpy(context.ids)
    together = context.loaded.final_stream(torch.stack([ids, ids.flip(0)]))[0]  # [pos d_model]
    return (widened(together) - widened(context.last)).abs().amax(-1)


_SITES = {"half_kl": _half_kl, "batch_gap": _batch_gap}
