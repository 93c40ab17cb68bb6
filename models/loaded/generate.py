"""A text going on: one token after the other, with the library's own cache of keys and values.

The token is the best one, or drawn from the distribution that `anatomy.sampling` leaves: that of the sampling panel.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache

from anatomy import facts
from anatomy.language import N_, Count
from anatomy.refused import Refused
from anatomy.sampling import Settings, steps
from anatomy.spec import ModelSpec
from models.loaded.model import LoadedModel
from models.loaded.ranked import largest_at
from models.loaded.readout import readable
from models.progress import report_progress
from models.reading import interventions
from models.reading.layer_inputs import LayerInputs
from models.reading.precision import held_logits
from models.reading.recorder import recording, silent

_OVERFLOWN = N_(
    "With these changes the numbers of the run become too large for {precision}, so no token follows: "
    "change less, or at fewer places."
)


@dataclass(frozen=True)
class Choosing:
    """How the next token is chosen: drawn as the settings say, or the best where there are none.

    seed  same seed, text and settings: same tokens, in one go or one by one. ValueError below 0.
    """

    how: Settings | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"the seed is {self.seed}: it has to be 0 or more")

    def token(self, logits: Float[Tensor, " vocab"], ids: Int[Tensor, " pos"]) -> int:
        """The id of the token that follows these."""
        if self.how is None:
            return int(largest_at(logits[None]))
        running = np.cumsum(distribution(logits, ids, self.how))
        drawn = np.random.default_rng((self.seed, len(ids))).random()  # a place of its own for every step
        return int(np.searchsorted(running, drawn * running[-1], side="right"))


def distribution(
    logits: Float[Tensor, " vocab"], ids: Int[Tensor, " pos"], how: Settings
) -> Float[np.ndarray, " vocab"]:
    """What the token after these is drawn from: the last of the steps that the sampling panel shows, each of which
    gives what the library's own logits processor does."""
    return steps(logits.float().numpy(), ids.tolist(), how)[-1].probabilities


def fit(spec: ModelSpec, tokens: int, count: int, limit: int) -> None:
    """Refused where the model does not go on with a text, or where it would become too long: more than `limit` tokens.
    ValueError for a count below 1."""
    if count < 1:
        raise ValueError(f"{count} tokens cannot be added: ask for 1 or more")
    if spec.head != "causal":
        raise Refused(N_("This model does not go on with a text: it reads all of it at once, in both directions."))
    doubt = spec.doubt((facts.CACHE,))
    if doubt is not None:
        raise Refused(doubt)
    if tokens + count > limit:
        template = N_("The text has {tokens} tokens and the limit is {limit}: {room} can be added, not {count}.")
        counts = {"tokens": tokens, "limit": limit, "room": max(0, limit - tokens), "count": count}
        raise Refused(template, **{name: Count(value) for name, value in counts.items()})


def extend(
    loaded: LoadedModel, ids: Int[np.ndarray, " pos"], count: int, chosen: Choosing, inputs: LayerInputs | None = None
) -> tuple[int, ...]:
    """The ids of the next tokens; fewer than `count` where the model ends its text. A single one is read off the run's
    layer inputs, where these are held, without another pass. Cancelled where nobody waits for them any more."""
    if count == 1 and inputs is not None and loaded.readout is not None:
        last = inputs.stream(len(inputs.calls))[-1:]
        return (_next(loaded, loaded.readout.logits(last)[0].float(), torch.from_numpy(ids), chosen),)
    ends, added = end_tokens(loaded), []
    given = torch.from_numpy(ids)
    cache = new_cache(loaded)
    with recording(silent(len(loaded.layers))):  # the text takes as long as a run
        logits = step(loaded, given, cache)
    while True:
        token = _next(loaded, logits[-1], given, chosen)
        added.append(token)
        if token in ends or len(added) == count:
            break
        report_progress(N_("going on with the text"), len(added), count)
        fresh = torch.tensor([token])
        if loaded.spec.on(len(given)).position != loaded.spec.on(len(given) + 1).position:
            fresh, cache = torch.cat([given, fresh]), new_cache(loaded)  # longer texts are turned by other angles
        given = torch.cat([given, torch.tensor([token])])
        logits = step(loaded, fresh, cache)
    return tuple(added)


def _next(loaded: LoadedModel, logits: Float[Tensor, " vocab"], given: Int[Tensor, " pos"], chosen: Choosing) -> int:
    """The id of the token that follows these. Refused where the changes of a run leave logits that are no numbers."""
    if interventions.holding().made and not readable(logits):
        raise Refused(_OVERFLOWN, precision=loaded.spec.dtype)
    return chosen.token(logits, given)


def end_tokens(loaded: LoadedModel) -> frozenset[int]:
    """The ids of the tokens with which the checkpoint says that its text has ended; none where it names none."""
    config = loaded.model.generation_config
    named = None if config is None else config.eos_token_id
    return frozenset([] if named is None else [named] if isinstance(named, int) else named)


def new_cache(loaded: LoadedModel) -> DynamicCache:
    """An empty cache that keeps what the model's layers look at: a layer with a sliding window drops what has left it.
    Where none has one, a configuration that names one all the same (Llama's class ignores it) is not asked. A window
    belongs to the place at which a layer runs; the library's layers find their part of a cache by their own number."""
    if not loaded.spec.windows:
        return DynamicCache()
    cache = DynamicCache(config=loaded.model.config)
    cache.layers = [cache.layers[interventions.place_of(layer)] for layer in range(len(cache.layers))]
    return cache


def step(loaded: LoadedModel, fresh: Int[Tensor, " pos"], cache: DynamicCache) -> Float[Tensor, "1 vocab"]:
    """The logits after the last of these tokens, whose keys and values join the cache: in float32. Refused where
    float16 does not hold them."""
    out = loaded.model(input_ids=fresh[None], past_key_values=cache, use_cache=True, logits_to_keep=1)
    return held_logits(out.logits[0]).float()
