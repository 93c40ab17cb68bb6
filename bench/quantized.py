"""What int8 and bfloat16 gain on this processor: a plain forward in float32 beside the same model in bfloat16 and, by
torchao, with the layers' matrices in int8. All take turns, so that a busy machine slows all of them.

int8 weights     matrices kept in 8 bits, multiplied in float32
int8 dynamic     numbers that enter a matrix rounded to 8 bits as well, a scale for each token, multiplied as integers
"""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from statistics import median
from types import ModuleType

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from bench.ratios import timed
from bench.table import markdown
from models.checkpoints import cache
from models.families import family_of
from models.loaded.halves import in_half
from models.loaded.load import load_model

Row = tuple[str | int | float | None, ...]
COLUMNS = ("tokens", "way", "ms", "× float32", "weights MB", "logits max |Δ|")
PLAIN = "float32"
TORCHAO = "torchao==0.18.0"


def measure(folder: Path, lengths: Sequence[int], rounds: int) -> list[Row]:
    """A row for each length and way, of COLUMNS. Times are medians; what is set against float32 is the median of the
    ratios of each round."""
    models = {name: change(load_model(folder, attn_implementation="sdpa")) for name, change in WAYS.items()}
    return [row for length in lengths for row in _at(models, length, rounds)]


def _at(models: Mapping[str, PreTrainedModel], length: int, rounds: int) -> list[Row]:
    seconds: dict[str, list[float]] = {name: [] for name in models}
    apart = dict.fromkeys(models, 0.0)
    for turn in range(1 + rounds):  # the first one warms up
        ids = _ids(models[PLAIN], length, turn)
        given = {name: timed(lambda model=model, ids=ids: _logits(model, ids)) for name, model in models.items()}
        for name, (spent, logits) in given.items():
            if turn:
                seconds[name].append(spent)
            apart[name] = max(apart[name], float((logits - given[PLAIN][1]).abs().max()))
    return [
        (
            length,
            name,
            1000 * median(seconds[name]),
            median(own / plain for own, plain in zip(seconds[name], seconds[PLAIN], strict=True)),
            weight_bytes(model) / 1e6,
            apart[name],
        )
        for name, model in models.items()
    ]


def _ids(model: PreTrainedModel, length: int, turn: int) -> Tensor:
    """Tokens drawn at random, others in each turn: [1 pos]."""
    vocab = len(model.get_input_embeddings().get_parameter("weight"))
    return torch.randint(vocab, (1, length), generator=torch.Generator().manual_seed(turn))


@torch.inference_mode()
def _logits(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """At the last position: [vocab]."""
    return model(input_ids=ids, logits_to_keep=1).logits[0, -1].float()


def weight_bytes(model: nn.Module) -> int:
    """Bytes of all tensors that the parameters are made of, each once: of a matrix in int8, levels and scales."""
    tensors = (part for parameter in model.parameters() for part in _parts(parameter.data))
    return sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors if tensor.numel()}.values())


def _parts(tensor: Tensor) -> Iterator[Tensor]:
    """The tensors inside of one that is made of several (a subclass of torch's), or itself."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        yield tensor
        return
    names, _how = flatten()
    for name in names:
        yield from _parts(getattr(tensor, name))


def weights_in_int8(model: PreTrainedModel) -> PreTrainedModel:
    """The matrices of its layers in 8 bits, in place."""
    ao = quantization()
    return _quantized(model, ao, ao.Int8WeightOnlyConfig(set_inductor_config=False))


def all_in_int8(model: PreTrainedModel) -> PreTrainedModel:
    """What enters them as well, token by token, in place."""
    ao = quantization()
    return _quantized(model, ao, ao.Int8DynamicActivationInt8WeightConfig(set_inductor_config=False))


def _quantized(model: PreTrainedModel, ao: ModuleType, way: object) -> PreTrainedModel:
    for layer in _layers(model):
        ao.quantize_(layer, way)
    return model


def _layers(model: PreTrainedModel) -> tuple[nn.Module, ...]:
    family = family_of(model.config.model_type)
    return family.fit(family, model.config).layers_of(model)


def quantization() -> ModuleType:
    """torchao.quantization, from a folder of its own under the cache folder, filled where it is absent.
    CalledProcessError where pip cannot.

    It is in no list of packages: transformers imports torchao wherever it finds it, as every program here starts, which
    takes most of a second, and it prints on standard error which of its kernels this machine cannot load.
    """
    folder = cache.root() / "bench" / TORCHAO
    if not (folder / "torchao").exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), TORCHAO]
        subprocess.run(command, check=True)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    with _quiet():
        return import_module("torchao.quantization")


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside a `with`, what libraries log below an error goes nowhere."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


WAYS: Mapping[str, Callable[[PreTrainedModel], PreTrainedModel]] = {
    PLAIN: lambda model: model,
    "bfloat16": lambda model: in_half(model, torch.bfloat16),
    "int8 weights": weights_in_int8,
    "int8 dynamic": all_in_int8,
}


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    return markdown(COLUMNS, rows)
