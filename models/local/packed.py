"""How a model's matrices lie in memory: as they were loaded, turned, or packed for oneDNN.

The same product takes different times on different processors. The ways to lie are measured on the model's own
matrices when it is opened, and the quickest is kept where it is clearly quicker:

    loaded  a row per output, mapped to the file
    turned  a row per input, in memory of its own: the same numbers in the other order. Whoever reads `weight` finds
            what was there before
    packed  beside `weight` a copy in the blocks of oneDNN's kernels, by which the library's own module then multiplies

Packing takes two operators of torch that are not public. What is public, `torch.utils.mkldnn`, was slower than no
packing: it copies what it is given and puts the weights in order at every call. GPT-2's Conv1D keeps a row per input
from the start and is left as it is.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from time import perf_counter, thread_time
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from anatomy.language import N_
from anatomy.refused import Refused
from models.local.threads import using_threads, usual_threads

VARIABLE = "STAGELIGHT_PACKED"
Way = Literal["loaded", "turned", "packed"]
ENOUGH = 1.25  # times as quick: copies take memory and time, and one thread does not tell all about several
LAYERS, HEAD = (8, 32, 128), (32,)  # rows that are multiplied at a time: tokens of a text, layers that the lens reads
SAMPLE = 24 << 20  # bytes of matrices that are measured: more than a core's own cache holds
TOLERANCE = 1e-5  # of the largest number in a product
_TIMES = 4
_SEED = 0
Product = Callable[[Tensor], Tensor]
Matrix = tuple[Tensor, Tensor | None]  # [output input] and what is added, if anything


@dataclass(frozen=True)
class Packing:
    """How some matrices lie, and what was measured to choose that.

    way      how they lie now
    gains    of each other way that was measured, how many times as quick it was as the way they were loaded
    nbytes   what their copies take
    seconds  what measuring and copying took
    """

    way: Way
    gains: Mapping[Way, float]
    nbytes: int = 0
    seconds: float = 0.0

    @property
    def says(self) -> str:
        """In a line of English, for tables of measurements."""
        gains = ", ".join(f"{way} {gain:.2f} × as quick" for way, gain in self.gains.items()) or "nothing measured"
        return f"{self.way} ({gains}; {self.nbytes / (1 << 20):.0f} MB, {self.seconds:.2f} s)"


AS_LOADED = Packing("loaded", {})


def layers(modules: Iterable[nn.Module], room: int, setting: str | None = None) -> Packing:
    """Let the matrices of a model's layers lie as is quickest on this machine. Refused for a setting that is none.

    room     bytes that copies may take; where they would take more, all stays as it is
    setting  "auto", or the name of a way; None: as STAGELIGHT_PACKED says
    """
    return _settle(_matrices(modules), ("turned", "packed"), LAYERS, room, setting)


def head(module: nn.Module | None, room: int, setting: str | None = None) -> Packing:
    """The same for what scores the vocabulary. It is not turned: it may be the embedding table, too, of which rows are
    read."""
    return _settle(_matrices([module] if module is not None else []), ("packed",), HEAD, room, setting)


def followed(modules: Iterable[nn.Module], others: Iterable[nn.Module]) -> bool:
    """Let Linear modules multiply by the packed copies of others whose weights and biases they share: the copies know
    both. True where all of them share both with one of the others, so that they lie as those do."""
    theirs = {_held(part): part.forward for part in _linears(others)}
    own = _linears(modules)
    for part in own:
        forward = theirs.get(_held(part))
        if isinstance(forward, _InItsPlace):
            part.forward = _InItsPlace(part, forward.product)
    return all(_held(part) in theirs for part in own)


def _linears(modules: Iterable[nn.Module]) -> list[nn.Linear]:
    """The library's Linear modules in these, each once."""
    return list(dict.fromkeys(part for module in modules for part in module.modules() if type(part) is nn.Linear))


def _held(module: nn.Linear) -> tuple[int, int | None]:
    """Where in memory its weight and its bias are."""
    return module.weight.data_ptr(), None if module.bias is None else module.bias.data_ptr()


def _settle(
    modules: Sequence[nn.Linear], ways: Sequence[Way], rows: Sequence[int], room: int, setting: str | None
) -> Packing:
    asked, start = _setting(setting), perf_counter()
    nbytes = sum(module.weight.nbytes for module in modules)
    if not modules or nbytes > room or asked not in ("auto", *ways):
        return AS_LOADED
    gains = measured(_sample(modules), ways, rows) if asked == "auto" else {}
    way = chosen(gains) if asked == "auto" else asked
    lies = way != "loaded" and _LAY[way](modules)
    return Packing(way if lies else "loaded", gains, nbytes if lies else 0, perf_counter() - start)


def _setting(given: str | None) -> Way | Literal["auto"]:
    said = (os.environ.get(VARIABLE, "") if given is None else given).strip().lower() or "auto"
    known = ("auto", *get_args(Way))
    for setting in known:
        if said == setting:
            return setting
    template = N_("{variable} is “{given}”: write one of {known}.")
    raise Refused(template, variable=VARIABLE, given=said, known=", ".join(known))


def _matrices(modules: Iterable[nn.Module]) -> list[nn.Linear]:
    """The library's Linear modules in these whose weights are float32 with a row per output, each once."""
    return [part for part in _linears(modules) if part.weight.dtype == torch.float32 and part.weight.is_contiguous()]


def chosen(gains: Mapping[Way, float]) -> Way:
    """The quickest way that is quick enough; "loaded" where none is."""
    enough: dict[Way, float] = {way: gain for way, gain in gains.items() if gain >= ENOUGH}
    return max(enough, key=enough.__getitem__) if enough else "loaded"


def measured(sample: Sequence[Matrix], ways: Sequence[Way], rows: Sequence[int]) -> dict[Way, float]:
    """Of each way that this machine has and that gives the same products: how many times as quick it is.

    The matrices take turns, so that a core's own cache holds none of them when it is needed again. One thread is
    measured, in its own time, so that others on a busy machine matter little; but they share its caches and memory, and
    two starts may choose differently where the ways are close. Then the last digits of all numbers differ: who needs
    the same ones names a way (STAGELIGHT_PACKED).
    """
    source = torch.Generator().manual_seed(_SEED)
    seconds: dict[Way, list[float]] = {}
    with using_threads(1), torch.inference_mode():
        every: tuple[Way, ...] = ("loaded", *ways)
        products: dict[Way, list[Product]] = {}
        for way in every:
            if (made := _products(way, sample)) is not None:
                products[way] = made
        for count in rows:
            inputs = _inputs(sample, count, source)
            products = {way: made for way, made in products.items() if _agree(made, products["loaded"], inputs)}
            for way, quickest in _quickest(products, inputs).items():
                seconds.setdefault(way, []).append(quickest)
    return {way: _gain(seconds["loaded"], seconds[way]) for way in products if way != "loaded"}


def _gain(plain: list[float], spent: list[float]) -> float:
    """The geometric mean of how many times as quick it was."""
    return prod(a / b for a, b in zip(plain, spent, strict=True)) ** (1 / len(plain))


def _sample(modules: Sequence[nn.Linear]) -> list[Matrix]:
    """The first of them, until they take SAMPLE; of one that is larger, its first rows."""
    matrices: list[Matrix] = []
    taken = 0
    for module in modules:
        most = max(1, SAMPLE // module.weight[0].nbytes)
        matrices.append((module.weight.detach()[:most], None if module.bias is None else module.bias.detach()[:most]))
        taken += matrices[-1][0].nbytes
        if taken >= SAMPLE:
            break
    return matrices


def _products(way: Way, matrices: Sequence[Matrix]) -> list[Product] | None:
    """Each product with a matrix that lies this way; None where this machine has no such way."""
    products = [_PRODUCTS[way](*matrix) for matrix in matrices]
    there = [product for product in products if product is not None]
    return there if len(there) == len(products) else None


def _loaded(weight: Float[Tensor, "output input"], bias: Float[Tensor, " output"] | None) -> Product:
    return lambda rows: linear(rows, weight, bias)


def _turned(weight: Float[Tensor, "output input"], bias: Float[Tensor, " output"] | None) -> Product:
    return _loaded(_turn(weight), bias)


def _packed(weight: Float[Tensor, "output input"], bias: Float[Tensor, " output"] | None) -> Product | None:
    """None where this build of torch, or this processor, cannot pack."""
    if not torch.backends.mkldnn.is_available():
        return None
    try:
        blocks = torch.ops.mkldnn._reorder_linear_weight(weight, None)
        multiply = torch.ops.mkldnn._linear_pointwise
    except (AttributeError, RuntimeError):
        return None
    return lambda rows: multiply(rows, blocks, bias, "none", [], "")


_PRODUCTS: Mapping[Way, Callable[[Tensor, Tensor | None], Product | None]] = {
    "loaded": _loaded,
    "turned": _turned,
    "packed": _packed,
}


def _inputs(matrices: Sequence[Matrix], rows: int, source: torch.Generator) -> list[Tensor]:
    """Something to multiply with each of these; those that are as wide read the same."""
    widths = {weight.shape[1]: torch.randn(rows, weight.shape[1], generator=source) for weight, _bias in matrices}
    return [widths[weight.shape[1]] for weight, _bias in matrices]


def _agree(products: Sequence[Product], plain: Sequence[Product], inputs: Sequence[Tensor]) -> bool:
    """Do they give the same but for the last digits? It also warms up."""
    pairs = ((one(rows), other(rows)) for one, other, rows in zip(products, plain, inputs, strict=True))
    return all((product - expected).abs().max() <= TOLERANCE * expected.abs().max() for product, expected in pairs)


def _quickest(products: Mapping[Way, Sequence[Product]], inputs: Sequence[Tensor]) -> dict[Way, float]:
    """This thread's seconds, of the quickest of a few times, the ways in turns."""
    seconds = dict.fromkeys(products, float("inf"))
    for _again in range(_TIMES):
        for way, made in products.items():
            start = thread_time()
            for product, rows in zip(made, inputs, strict=True):
                product(rows)
            seconds[way] = min(seconds[way], thread_time() - start)
    return seconds


def _turn(weight: Float[Tensor, "output input"]) -> Float[Tensor, "output input"]:
    """The same matrix, with a row per input in memory."""
    return weight.detach().t().contiguous().t()


def _lay_turned(modules: Sequence[nn.Linear]) -> bool:
    """Turn every matrix, several at once; one that modules share is turned once."""

    def lay(weight: nn.Parameter) -> None:
        weight.data = _turn(weight)

    with ThreadPoolExecutor(usual_threads()) as pool:
        list(pool.map(lay, dict.fromkeys(module.weight for module in modules)))
    return True


@torch.inference_mode()
def _lay_packed(modules: Sequence[nn.Linear]) -> bool:
    """Pack every matrix and let its module multiply by it; False, and nothing done, where one does not agree."""
    matrices = [(module.weight, module.bias) for module in modules]
    inputs = _inputs(matrices, 2, torch.Generator().manual_seed(_SEED))
    products, plain = _products("packed", matrices), [_loaded(*matrix) for matrix in matrices]
    if products is None or not _agree(products, plain, inputs):
        return False
    for module, product in zip(modules, products, strict=True):
        module.forward = _InItsPlace(module, product)
    return True


class _InItsPlace:
    """What a Linear does where that is the same as its own product: on float32, and not in half precision
    (`models/measures/rerun.py`), which the packed numbers know nothing of."""

    def __init__(self, module: nn.Linear, product: Product) -> None:
        self._module, self.product = module, product

    def __call__(self, input: Float[Tensor, "... input"]) -> Float[Tensor, "... output"]:
        if input.dtype != torch.float32 or torch.is_autocast_enabled("cpu") or torch.is_grad_enabled():
            return linear(input, self._module.weight, self._module.bias)
        return self.product(input)


_LAY: Mapping[Way, Callable[[Sequence[nn.Linear]], bool]] = {"turned": _lay_turned, "packed": _lay_packed}
