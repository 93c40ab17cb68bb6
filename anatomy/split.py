"""A model on several devices: which layers, heads, neurons and rows each one holds, and what they send one another.

Two ways, from the configuration alone. By layers (pipeline parallelism; Huang et al. 2019, GPipe): each device holds
consecutive layers, the first the embedding too, the last the final norm and the output layer. By rows (tensor
parallelism; Shoeybi et al. 2019, Megatron-LM, section 3): each device holds some heads and neurons of every layer and
some of the vocabulary; norms and biases that are added after a sum are held by all.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from anatomy import costs
from anatomy.costs import Configuration

Way = Literal["layers", "rows"]


@dataclass(frozen=True)
class Device:
    """What one device holds; ranges count from 0.

    layers      all of them where rows are split
    heads       query heads; kv: the key/value heads that these read, some perhaps held elsewhere too
    neurons     of the FFN; tokens: rows of the vocabulary, empty where it holds none
    parameters  numbers that it holds
    """

    layers: range
    heads: range
    kv: range
    neurons: range
    tokens: range
    parameters: int


def devices(given: Configuration, count: int, way: Way) -> tuple[Device, ...]:
    """What each of `count` devices holds, the larger shares first where it does not come out even."""
    return _by_layers(given, count) if way == "layers" else _by_rows(given, count)


def most(given: Configuration, way: Way) -> int:
    """Over how many devices this model can be split so that each holds something of every split thing."""
    return given.layers if way == "layers" else min(given.n_heads, given.d_ff, given.vocab)


def shares(whole: int, count: int) -> list[range]:
    """0 … whole − 1 in consecutive ranges, as even as can be."""
    each, more = divmod(whole, count)
    starts = [i * each + min(i, more) for i in range(count + 1)]
    return [range(start, end) for start, end in pairwise(starts)]


def _by_layers(given: Configuration, count: int) -> tuple[Device, ...]:
    inside, first, last = _pieces(given)
    copy = costs.parameters(given)["embedding"] if given.tied and count > 1 else 0  # a tied table stands on both ends
    devices = []
    for i, layers in enumerate(shares(given.layers, count)):
        held = inside * len(layers) + (first if i == 0 else 0) + (last + copy if i == count - 1 else 0)
        ends = i == 0 or (i == count - 1 and given.head is not None)
        tokens = range(given.vocab if ends else 0)
        devices.append(Device(layers, range(given.n_heads), range(given.n_kv), range(given.d_ff), tokens, held))
    return tuple(devices)


def _pieces(given: Configuration) -> tuple[int, int, int]:
    """Parameters of one layer, of what stands before the first, and of what stands after the last."""
    parts, norm = costs.parameters(given), costs.norm_size(given)
    before, after = parts["embedding"] + parts["positions"], parts["output"]
    if given.place == "post":
        before += norm
    else:
        after += norm
    return (costs.total(given) - before - after) // given.layers, before, after


def _by_rows(given: Configuration, count: int) -> tuple[Device, ...]:
    split = zip(*(shares(whole, count) for whole in (given.n_heads, given.d_ff, given.vocab)), strict=True)
    return tuple(_rows(given, heads, neurons, tokens) for heads, neurons, tokens in split)


def _rows(given: Configuration, heads: range, neurons: range, tokens: range) -> Device:
    """One device's rows. It holds the key/value heads that its query heads read: with more devices than key/value heads
    some hold the same one."""
    share = given.n_heads // given.n_kv
    kv = range(heads.start // share, (heads.stop - 1) // share + 1)
    parts = costs.parameters(given)
    held = (
        given.layers * _layer(given, len(heads), len(kv), len(neurons)) + parts["norms"] + _output(given, len(tokens))
    )
    held += (
        len(tokens) * given.d_model + given.positions * given.d_model + given.distances * len(heads) // given.n_heads
    )
    return Device(range(given.layers), heads, kv, neurons, tokens, held)


def _layer(given: Configuration, heads: int, kv: int, neurons: int) -> int:
    """Numbers of one layer's projections with so many heads and neurons. A bias behind a sum is held whole."""
    kept = {"q": heads * given.d_head, "k": kv * given.d_head, "v": kv * given.d_head, "gate": neurons, "up": neurons}
    read = {"o": heads * given.d_head, "down": neurons}
    numbers = 0
    for part, (wide, tall) in given.widths.items():
        rows = kept.get(part, tall)
        numbers += rows * (read.get(part, wide) + (1 if part in given.biases else 0))
    return numbers


def _output(given: Configuration, tokens: int) -> int:
    """Numbers of the output layer for so many tokens. What a masked head has beside its table is held whole (BERT)."""
    own = 0 if given.tied or given.head is None else tokens * given.d_model
    if given.head != "masked":
        return own
    return own + given.d_model * (given.d_model + 1) + costs.norm_size(given) + tokens


def traffic(given: Configuration, count: int, way: Way) -> int:
    """Numbers that all devices together send for one token of a forward pass.

    By layers: the stream, from each device to the next. By rows: two sums over all devices in each layer, after
    attention and after the FFN, each by a ring in which every device sends 2 (N − 1) / N of the stream (Patarasuk and
    Yuan 2009), 2 (N − 1) together. Looking up the embedding and choosing the token are left out.
    """
    if way == "layers":
        return (count - 1) * given.d_model
    return 2 * given.layers * 2 * (count - 1) * given.d_model
