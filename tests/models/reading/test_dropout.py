"""Dropout done on purpose: what is dropped is a draw of its own for each layer, site and seed, which a longer text or
another way of reading does not change; the rest is divided by what is left, so that the mean over all seeds stays."""

from functools import cache

import numpy as np
import pytest

from anatomy.interventions import PLACES
from anatomy.request import Intervention, Want
from tests.models.long import long_engine, text_of
from tests.models.reading.against_plain import (
    FLOAT32,
    LAYERS,
    TEXT,
    ends,
    gap,
    gaps_everywhere,
    plain,
    run_of,
    same,
    streams,
    worst,
)
from tests.models.tiny import tiny_engine

SITES = tuple(site for site, place in PLACES.items() if "dropout" in place.ops)
IN_EVERY_LAYER = tuple(site for site in SITES if "dropout" in PLACES[site].of_all)
HALF = 0.5


def dropout(site: str, layer: int | None = 1, amount: float = HALF, **how: int) -> Intervention:
    return Intervention(site, "dropout", layer, amount=amount, **how)


@cache
def passing(site: str, made: Intervention | None, layer: int = 1, kind: str = "llama", text: str = TEXT) -> np.ndarray:
    """What passes a site of a layer."""
    engine, want = tiny_engine(kind).again(), Want(site, layer)
    return engine.run(run_of(engine, *([] if made is None else [made]), text=text), [want])[want]


def dropped(site: str, made: Intervention, layer: int = 1, kind: str = "llama", text: str = TEXT) -> np.ndarray:
    """True where there is 0 that was something else."""
    return (passing(site, made, layer, kind, text) == 0) & (passing(site, None, layer, kind, text) != 0)


def test_values_and_weights_can_be_dropped_and_no_part_of_the_architecture():
    assert [*SITES] == [site for site, place in PLACES.items() if not place.whole]
    assert {*IN_EVERY_LAYER} == {"pattern", "act", "attn_out", "ffn_out"}


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "t5"])
@pytest.mark.parametrize("site", SITES)
def test_what_is_not_dropped_is_divided_by_the_share_that_is_left(kind: str, site: str) -> None:
    before = passing(site, None, kind=kind)
    for amount in (0.1, 0.75):
        made = dropout(site, amount=amount, seed=3)
        after, off = passing(site, made, kind=kind), dropped(site, made, kind=kind)
        assert 0 < off.sum() < (before != 0).sum()
        if site in ("attn_out", "ffn_out"):  # as differences of streams, they have the streams' rounding
            np.testing.assert_allclose(after, np.where(off, 0, before / (1 - amount)), atol=1e-5)
        else:
            np.testing.assert_allclose(after[~off], before[~off] / (1 - amount), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("site", SITES)
def test_as_many_are_dropped_as_the_amount_says(site: str) -> None:
    """Within six standard deviations of a binomial distribution, over several seeds."""
    count = int((passing(site, None) != 0).sum())
    for amount in (0.1, 0.5, 0.9):
        shares = [dropped(site, dropout(site, amount=amount, seed=seed)).sum() / count for seed in range(8)]
        assert abs(np.mean(shares) - amount) < 6 * np.sqrt(amount * (1 - amount) / (8 * count))


@pytest.mark.parametrize("site", SITES)
def test_a_larger_amount_drops_by_the_same_seed_what_a_smaller_one_drops_and_more(site: str) -> None:
    few, many = (dropped(site, dropout(site, amount=amount, seed=2)) for amount in (0.2, 0.6))
    assert not (few & ~many).any()
    assert few.sum() < many.sum()


@pytest.mark.parametrize("site", SITES)
def test_another_seed_drops_others_and_the_same_seed_the_same(site: str) -> None:
    one, again, other = (dropped(site, dropout(site, seed=seed)) for seed in (0, 0, 1))
    assert (one == again).all()
    assert _agree(one, other, passing(site, None) != 0)


def test_what_is_dropped_has_nothing_to_do_with_noise_of_the_same_seed() -> None:
    """The first numbers that NumPy draws uniformly and normally out of one seed go with each other."""
    before, seeds = passing("act", None), range(4)
    sizes = np.sqrt((before**2).mean(-1, keepdims=True))
    kept, lost = [], []
    for seed in seeds:
        noise = (passing("act", Intervention("act", "noise", 1, amount=1.0, seed=seed)) - before) / sizes
        off = dropped("act", dropout("act", seed=seed))
        kept.append(np.abs(noise[~off]))
        lost.append(np.abs(noise[off]))
    (kept, lost) = (np.concatenate(some) for some in (kept, lost))
    spread = np.sqrt(1 - 2 / np.pi) * np.sqrt(1 / len(kept) + 1 / len(lost))
    assert abs(kept.mean() - lost.mean()) < 6 * spread


@pytest.mark.parametrize("site", IN_EVERY_LAYER)
def test_without_a_layer_each_layer_drops_what_it_drops_alone_and_no_two_the_same(site: str) -> None:
    """In every layer the mask is that of a change of this layer alone."""
    every = [dropped(site, dropout(site, None, seed=5), layer) for layer in range(LAYERS)]
    there = [passing(site, None, layer) != 0 for layer in range(LAYERS)]
    for layer, off in enumerate(every):
        alone = dropped(site, dropout(site, layer, seed=5), layer)
        assert (off == alone)[there[layer]].all()
    for a, b in ((0, 1), (1, 2), (0, 2)):
        assert _agree(every[a], every[b], there[a] & there[b])


def _agree(one: np.ndarray, other: np.ndarray, there: np.ndarray) -> bool:
    """Whether two draws of a half each agree by chance alone: in about half of the places, six standard deviations."""
    return bool(abs((one == other)[there].mean() - 0.5) < 6 * 0.5 / np.sqrt(there.sum()))


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
@pytest.mark.parametrize("site", SITES)
def test_a_longer_text_drops_the_same_of_its_beginning(kind: str, site: str) -> None:
    """So that what is generated goes on from what was read, and two texts can be compared token by token."""
    made, longer = dropout(site, seed=1), f"{TEXT} sat"
    short, long = dropped(site, made, kind=kind), dropped(site, made, kind=kind, text=longer)
    there = (passing(site, None, kind=kind) != 0) & (_cut(passing(site, None, kind=kind, text=longer), short) != 0)
    assert there.any()
    assert (short == _cut(long, short))[there].all()


def _cut(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The beginning of each axis, as long as those of the other array."""
    return values[tuple(slice(0, size) for size in like.shape)]


@pytest.mark.parametrize("kind", ["llama", "mistral", "gpt2", "bert", "t5"])
@pytest.mark.parametrize("sites", [*((site,) for site in IN_EVERY_LAYER), IN_EVERY_LAYER], ids="-".join)
def test_dropout_in_every_layer_is_what_a_plain_model_changed_by_hooks_gives(kind: str, sites: tuple[str, ...]) -> None:
    engine = tiny_engine(kind).again()
    made = [dropout(site, None, amount=0.3, seed=7) for site in sites]
    assert worst(gaps_everywhere(engine, plain(kind), run_of(engine, *made))) == {}


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("swap", [(0, 1), (2, 0)])
def test_swapped_layers_drop_what_their_places_say(kind: str, swap: tuple[int, int]) -> None:
    engine = tiny_engine(kind).again()
    made = [dropout(site, None, amount=0.3, seed=7) for site in IN_EVERY_LAYER]
    swapped = Intervention("layer", "swap", swap[0], other=swap[1])
    assert worst(gaps_everywhere(engine, plain(kind), run_of(engine, swapped, *made))) == {}


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "t5"])
def test_nothing_is_dropped_with_the_amount_0_in_every_layer(kind: str) -> None:
    engine = tiny_engine(kind).again()
    wants = [*streams(), *ends(engine), *(Want(name, 1) for name in IN_EVERY_LAYER)]
    none = run_of(engine, *(dropout(name, None, amount=0.0, seed=7) for name in IN_EVERY_LAYER))
    same(engine.run(none, wants), engine.run(run_of(engine), wants), wants)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("site", IN_EVERY_LAYER)
def test_layers_run_again_drop_the_same(kind: str, site: str) -> None:
    at_once, later = tiny_engine(kind).again(), tiny_engine(kind).again()
    run = run_of(at_once, dropout(site, None, amount=0.3, seed=7))
    wants = [*streams(), *(Want(name, layer) for name in IN_EVERY_LAYER for layer in range(LAYERS))]
    expected = at_once.run(run, wants)
    later.run(run, ends(later))
    same(later.run(run, wants), expected, wants)


def test_the_weights_of_a_long_text_are_dropped_alike_all_at_once_and_of_one_row() -> None:
    """200 tokens are four blocks of rows; dropout of weights needs no map of all pairs, so that no text is too long."""
    engine, length = long_engine("llama").again(), 200
    run = run_of(engine, dropout("pattern", None, seed=7), text=text_of(length)[: 3 * length])
    pattern = engine.run(run, [Want("pattern", 1)])[Want("pattern", 1)]
    assert pattern.shape[1:] == (length, length)
    rows = engine.again().run(run, [Want("pattern", 1, pos=pos) for pos in (0, 63, 64, 150)])
    for want, row in rows.arrays.items():
        assert gap(row, pattern[:, want.pos]) < FLOAT32
    off = pattern == 0
    second, third = off[:, 64:128, :64], off[:, 128:192, :64]  # blocks, each of which has its own dropped
    assert _agree(second, third, np.ones_like(second))
    lower = np.tri(pattern.shape[1], dtype=bool)
    assert abs((pattern[:, lower] == 0).mean() - HALF) < 0.02
    assert not pattern[:, ~lower].any()
