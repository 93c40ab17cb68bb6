"""What has to hold if the facts that are stated of a model are the model's own (`anatomy.facts`).

Panels compute with these facts: they take angles, factors and windows from the description of the model and put them
into formulas. Here each is held against what the opened model does, on one short text; windows and the cache with a
window that is narrower than this text, turns at places up to the end of the longest.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anatomy import facts
from anatomy.language import N_
from anatomy.spec import RelativeBias, Rope
from models.identities.identity import TOLERANCE, Identity, Sides, tolerances, worst
from models.identities.law import Law
from models.loaded.generate import new_cache, step
from models.loaded.model import LoadedModel
from models.reading.layer_inputs import LayerInputs
from models.reading.precision import widened
from models.reading.recorder import ATTENDED, Sites

NARROW = 4  # tokens in the window that is tried: less than the text has
_STEPS = 2  # tokens computed one by one over the cache


def apart(
    loaded: LoadedModel, ids: Int[np.ndarray, " pos"], logits: Float[Tensor, "pos vocab"] | None
) -> list[Identity]:
    """The facts that take passes of their own, on one short text. logits: of a plain pass over it."""
    found = [_windows(loaded, ids)] if _naming_a_window(loaded) else []
    if isinstance(loaded.spec.position, Rope):
        found.append(_angles(loaded, loaded.spec.position))
    if logits is not None and loaded.spec.head == "causal":
        found.append(_cached(loaded, ids, logits))
    return found


def laws(loaded: LoadedModel) -> tuple[Law, ...]:
    """The facts that hold, or not, within each layer of one plain pass."""
    position = loaded.spec.position
    return (
        _BIASED if isinstance(position, RelativeBias) else _SCORES,
        *((_TURNS,) if isinstance(position, Rope) else ()),
        *(() if _naming_a_window(loaded) else (_SEEN,)),
    )


_ROWS = frozenset({"tok_embed", "pos_embed", "near_ids", "near_cos", "near_rows"})  # what the tables alone give


def entering(loaded: LoadedModel, ids: Int[np.ndarray, " pos"], inputs: LayerInputs) -> Identity:
    """What enters layer 0 is what the tables hold, added up as the family says."""
    family, model = loaded.family, loaded.model
    rows, table = family.token_table(model)[ids] * loaded.spec.embed_scale, family.position_table(model)
    places = None if table is None else table[: len(ids)]
    size = rows if places is None else torch.stack([rows, places]).abs().amax(0)
    made = family.entering(model, rows, places)
    sides = Sides(made, inputs.stream(0), size if family.first_norm is None else None)
    name = (
        N_("embedding row = stream entering the first layer")
        if places is None
        else N_("embedding row + position row = stream entering the first layer")
    )
    return Identity(name, _ROWS, sides.off, tolerances(loaded.spec).part, frozenset({facts.EMBEDDING}))


def _score_sides(loaded: LoadedModel, layer: int, sites: Sites) -> Sides:
    scores, q, k = sites.attended.scored, sites["q"], sites["k"]
    stated = q @ k.repeat_interleave(len(q) // len(k), 0).transpose(1, 2) * loaded.spec.scale(layer)  # [head pos src]
    if "pos_bias" in sites:
        stated = stated + sites["pos_bias"]
    seen = torch.isfinite(scores)
    return Sides(stated.where(seen, 0.0), scores.where(seen, 0.0), sites.attended.sizes)


_SCORES = Law(
    N_("q·k × the stated factor = score"),
    reads=frozenset({"q", "k", ATTENDED}),
    vouches=frozenset(),
    sides=_score_sides,
    facts=frozenset({facts.SCALE}),
    ours=True,
)
_BIASED = replace(_SCORES, name=N_("q·k × the stated factor + bias = score"), reads=_SCORES.reads | {"pos_bias"})


def _seen_sides(loaded: LoadedModel, layer: int, sites: Sites) -> Sides:
    """Which pairs of tokens a layer lets look, 1, and which not, 0: by its scores, and by the stated windows."""
    seen = torch.isfinite(sites.attended.scored).float()  # [head pos src]
    window = loaded.spec.windows[layer] if loaded.spec.windows else None
    if window is not None and _naming_a_window(loaded):
        window = min(window, NARROW)  # as `_narrowed` has it
    stated = _visible(seen.shape[-1], loaded.spec.stack().causal, window).float().expand_as(seen)
    return Sides(seen, stated, torch.ones_like(seen))


_SEEN = Law(
    N_("pairs of tokens that a layer sees = those within the stated windows"),
    reads=frozenset({ATTENDED}),
    vouches=frozenset(),
    sides=_seen_sides,
    facts=frozenset({facts.WINDOW}),
    ours=True,
)


def _windows(loaded: LoadedModel, ids: Int[np.ndarray, " pos"]) -> Identity:
    """The same law under a window that the text does not fit in."""
    errors: list[float] = []
    wanted = dict.fromkeys(range(loaded.spec.layers), _SEEN.reads)
    with _narrowed(loaded):
        loaded.record(ids, wanted, lambda layer, sites: errors.append(_seen_sides(loaded, layer, sites).off))
    return Identity(_SEEN.name, _SEEN.vouches, worst(errors), TOLERANCE, _SEEN.facts)


def _visible(n: int, causal: bool, window: int | None) -> Tensor:
    """True where the token of a row may look: [pos src]."""
    back = torch.arange(n)[:, None] - torch.arange(n)[None, :]  # tokens from key to query
    seen = back >= 0 if causal else torch.ones_like(back, dtype=torch.bool)
    return seen if window is None else seen & (back < window)


@contextmanager
def _narrowed(loaded: LoadedModel) -> Iterator[None]:
    """While this is open, the window that the configuration names is NARROW at most: a short text passes its edge."""
    named = _naming_a_window(loaded)
    before = [config["sliding_window"] for config in named]
    try:
        for config in named:
            config["sliding_window"] = min(config["sliding_window"], NARROW)
        yield
    finally:
        for config, window in zip(named, before, strict=True):
            config["sliding_window"] = window


def _naming_a_window(loaded: LoadedModel) -> list[dict[str, Any]]:
    """The fields of those of the model's configurations that name a window, be it one that its class does not apply."""
    configs = {id(config): config for config in (loaded.model.config, loaded.model.base_model.config)}.values()
    return [vars(config) for config in configs if getattr(config, "sliding_window", None) is not None]


def _angles(loaded: LoadedModel, rope: Rope) -> Identity:
    """At places all over the longest text, the cosines and sines that the model multiplies with are those of position ×
    stated frequency, times the stated stretch."""
    assert loaded.family.rotary is not None, f"family {loaded.family.name!r} names nothing that turns: fill in `rotary`"
    module = loaded.model.base_model.get_submodule(loaded.family.rotary)
    errors = []
    for place in _places(rope, loaded.spec.max_pos):
        cosines, sines = (table[0, 0] for table in module(torch.zeros(1), torch.tensor([[place]])))  # [d_head]
        stated = rope.on(place + 1)
        angles = place * torch.tensor(stated.frequencies, dtype=torch.float64)  # [pair]
        given = torch.stack([cosines, sines]).double()[:, : len(angles)]
        expected = stated.stretch * torch.stack([angles.cos(), angles.sin()])
        size = stated.stretch * angles.clamp(min=1.0).expand_as(expected)  # a float32 angle is off by its own size
        errors.append(Sides(given[..., None], expected[..., None], size[..., None]).off)
    name = N_("position × stated frequency = angle of the turn")
    return Identity(name, frozenset(), worst(errors), TOLERANCE, frozenset({facts.ROTATION}))


def _places(rope: Rope, longest: int) -> list[int]:
    """0, 1, 3, 7 … to the last place of the longest text, and those around the length at which the turns change."""
    doubling = {2**power - 1 for power in range((longest - 1).bit_length() + 1)}
    around = set() if rope.original is None else {rope.original - 1, rope.original}
    return sorted(place for place in doubling | around | {longest - 1} if 0 <= place < longest)


def _turn_sides(loaded: LoadedModel, layer: int, sites: Sites) -> Sides:
    rope, n = loaded.spec.position, sites["q"].shape[1]
    assert isinstance(rope, Rope), f"{loaded.spec.name} rotates nothing: the law is not for it"
    before, after = (torch.cat([sites[f"q{kind}"], sites[f"k{kind}"]]).double() for kind in ("_unturned", ""))
    stated = rope.on(n)
    angles = torch.arange(n)[:, None] * torch.tensor(stated.frequencies, dtype=torch.float64)  # [pos pair]
    return Sides(_turned(before, angles, stated.stretch), after, before * stated.stretch)


_TURNS = Law(
    N_("queries and keys before the turn, turned by the stated angles = those of attention"),
    reads=frozenset({"q_unturned", "k_unturned", "q", "k"}),
    vouches=frozenset({"q_unturned", "k_unturned"}),
    sides=_turn_sides,
    facts=frozenset({facts.ROTATION}),
)


def _turned(
    vectors: Float[Tensor, "head pos d_head"], angles: Float[Tensor, "pos pair"], stretch: float
) -> Float[Tensor, "head pos d_head"]:
    """As `anatomy.rotary.turned`, every position by its own angles."""
    count = angles.shape[-1]
    a, b, rest = vectors[..., :count], vectors[..., count : 2 * count], vectors[..., 2 * count :]
    cosines, sines = stretch * angles.cos(), stretch * angles.sin()
    return torch.cat([a * cosines - b * sines, a * sines + b * cosines, rest], -1)


def _cached(loaded: LoadedModel, ids: Int[np.ndarray, " pos"], logits: Float[Tensor, "pos vocab"]) -> Identity:
    """Logits of tokens computed one by one over kept keys and values are those of a pass over all tokens."""
    whole = len(ids)
    # Where the turns change with the text's length, no cache goes on over that length (`generate.extend`).
    alike = (n for n in range(whole, _STEPS, -1) if loaded.spec.on(n) == loaded.spec.on(n - _STEPS))
    ids = ids[: next(alike, whole)]
    given, first = torch.from_numpy(ids), max(0, len(ids) - _STEPS)
    with _narrowed(loaded):
        if _naming_a_window(loaded) or len(ids) < whole:
            logits = loaded.model(input_ids=given[None], use_cache=False).logits[0]
        cache = new_cache(loaded)
        if first:
            step(loaded, given[:first], cache)
        cached = torch.cat([step(loaded, given[at, None], cache) for at in range(first, len(ids))])
    error = Sides(cached, widened(logits[first:])).off
    name = N_("logits over kept keys and values = logits without them")
    return Identity(name, frozenset({"cache_gap"}), error, tolerances(loaded.spec).logits, frozenset({facts.CACHE}))
