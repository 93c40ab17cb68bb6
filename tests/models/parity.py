"""How far the engine is from a plain eager forward pass, site by site. `python -m tests.models.parity` prints it."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from anatomy.request import Intervention, Run, Want
from models.local.engine import LocalEngine
from tests.models import reference_again
from tests.models.real import plain_model, real_engine
from tests.models.reference import Layer, Plain, expected, lens_logp, near_cosines, next_logp
from tests.models.reference_derived import IDS_OF, Derived, Pair

# What is counted or put in steps may fall to either side: a weight on the edge between two of 256 steps, a neuron
# whose activation is rounded to 0 in one order of adding and to 10⁻³⁸ in the other.
ROUNDED = {"head_maps": 1.0, "act_zero": 0.002}


@dataclass(frozen=True)
class Gap:
    """Of one site, over all layers and positions: the largest difference and the largest size of what is expected."""

    site: str
    largest: float
    size: float

    @property
    def relative(self) -> float:
        """The difference as a share of the size, where that is above 1."""
        return self.largest / max(1.0, self.size)


def too_large(gaps: list[Gap], tolerance: float) -> list[Gap]:
    """Those beyond a tolerance, a share of the largest number of the site, where that is above 1."""
    return [
        gap
        for gap in gaps
        if not (gap.largest <= ROUNDED[gap.site] if gap.site in ROUNDED else gap.relative <= tolerance)
    ]


def parity(
    engine: LocalEngine, plain: Plain, text: str, pos: int, interventions: tuple[Intervention, ...] = ()
) -> list[Gap]:
    """One gap per site that the engine answers. pos: where the lens is read; edits: as `plain` was changed."""
    run = Run(engine.spec.id, text, interventions=interventions)
    wanted = expected(plain, pos) | reference_again.expected(plain, layers_of(plain))
    ids = _id_wants(engine, pos)
    trace = engine.run(run, [*wanted, *ids])
    pairs = defaultdict(list)
    for want, array in wanted.items():
        pairs[want.site].append((trace[want], array))
    for want in ids:
        pairs[want.site].append(_best(plain, want, trace[want]))
    for site, pair in _derived(engine, plain, run, pos):
        pairs[site].append(pair)
    return [_gap(site, found) for site, found in pairs.items()]


def _derived(engine: LocalEngine, plain: Plain, run: Run, pos: int) -> Iterator[tuple[str, Pair]]:
    """Each derived site that the engine answers, with what it gave and what the slow way gives."""
    slow = Derived(plain, pos)
    wants = [want for want in slow.wants if want.site not in engine.missing]
    trace = engine.run(run, wants)
    for want in wants:
        ids = trace[replace(want, site=IDS_OF[want.site])] if want.site in IDS_OF else None
        yield want.site, slow.pairs(want, trace[want], ids)


def layers_of(plain: Plain) -> list[Layer]:
    """Every site of every layer, first to last."""
    return [plain.layer(number) for number in range(plain.model.config.num_hidden_layers)]


def _id_wants(engine: LocalEngine, pos: int) -> list[Want]:
    out = [Want("next_ids"), Want("lens_ids", pos=pos)] if engine.spec.head else []
    return [Want("near_ids"), *out]


def _best(plain: Plain, want: Want, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the reference gives the ids that the engine names, and the best that it gives to any: equal up to ties."""
    layers = layers_of(plain)
    values = {
        "near_ids": lambda: near_cosines(plain),
        "next_ids": lambda: next_logp(plain),
        "lens_ids": lambda: lens_logp(plain, layers, want.pos or 0),
    }[want.site]()
    return np.take_along_axis(values, ids, axis=1), -np.sort(-values, axis=1)[:, : ids.shape[1]]


def _gap(site: str, pairs: list[tuple[np.ndarray, np.ndarray]]) -> Gap:
    """−inf has to stand where −inf stands; elsewhere the numbers are compared."""
    largest, size = 0.0, 0.0
    for found, wanted in pairs:
        if found.shape != wanted.shape or not np.array_equal(np.isfinite(found), np.isfinite(wanted)):
            return Gap(site, float("inf"), size)
        real = np.isfinite(wanted)
        expected_here = wanted[real].astype(np.float64)
        if expected_here.size:
            largest = max(largest, float(np.abs(found[real] - expected_here).max()))
            size = max(size, float(np.abs(expected_here).max()))
    return Gap(site, largest, size)


def table(gaps: list[Gap]) -> str:
    """The gaps as lines of plain text."""
    lines = [f"{'site':<16}{'max |Δ|':>10}{'max |x|':>12}"]
    return "\n".join([*lines, *(f"{gap.site:<16}{gap.largest:>10.1e}{gap.size:>12.4g}" for gap in gaps)])


def real(address: str, text: str) -> list[Gap]:
    """The gaps of a real checkpoint, loaded twice: once for the engine, once plain."""
    engine = real_engine(address)
    tokens = engine.run(Run(engine.spec.id, text)).tokens
    plain = Plain(plain_model(address), [token.id for token in tokens])
    return parity(engine, plain, text, len(tokens) - 1)


if __name__ == "__main__":
    for name in ("smollm2-135m", "minilm-l6"):
        print(name, table(real(name, "Paris is the capital of France. Berlin is the capital of")), "", sep="\n")
