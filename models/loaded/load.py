"""A checkpoint's folder made into the library's own model, ready to run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers

from anatomy.language import N_
from models.checkpoints.errors import WeightsError
from models.checkpoints.outside import reading
from models.loaded.judged import ONE_AT_A_TIME, CheckMemory, judge, lacking
from models.memory import short_of_memory

_TRIED = 2  # tokens of the text that a model has to run on when it is loaded: the fewest that attend to one another


def load_model(
    folder: Path, *, attn_implementation: str, fits: CheckMemory | None = None
) -> transformers.PreTrainedModel:
    """The model of a folder in float32, for reading only; parameters stay mapped to the file where they are float32.

    The library's own loader is used: it builds the model without memory and maps the weights (0.2 s for SmolLM2-135M),
    and it knows how each model type fills what no file holds, such as the rotation frequencies.

    fits  is asked, before any weights are read, whether there is memory for them (`models.memory.check_weights`)

    Refused where the checkpoint cannot be opened (`models.loaded.judged`), where the library cannot load its model or
    run it, and where a tensor of the files was left out or a parameter was in none.
    """
    judged = judge(folder, fits)
    transformers.utils.logging.disable_progress_bar()  # it would draw a bar for a fraction of a second
    with reading(folder), _within_memory(folder), ONE_AT_A_TIME:
        model, report = judged.auto.from_pretrained(
            folder,
            config=judged.config,
            dtype=torch.float32,
            attn_implementation=attn_implementation,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        _check_report(folder, report, judged.unused)
        model.eval().requires_grad_(False)
        _check_runs(folder, model)
    return model


@contextmanager
def _within_memory(folder: Path) -> Iterator[None]:
    """Inside a `with`, memory that has run out is told as such."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not short_of_memory(error):
            raise
        template = N_(
            "There is not enough memory on this machine to load {folder}. End other programs, or choose a smaller "
            "checkpoint."
        )
        raise WeightsError(template, folder=folder) from error


def _check_report(folder: Path, report: Mapping[str, Any], unused: frozenset[str]) -> None:
    """What the library says of the load bears out what the headers promised."""
    if absent := sorted(report["missing_keys"]):
        raise lacking(folder, absent)
    if strays := sorted(set(report["unexpected_keys"]) - unused):
        template = N_("The library left tensors out that are in {folder} ({named} …): it cannot be shown rightly.")
        raise WeightsError(template, folder=folder, named=", ".join(strays[:3]))


def _check_runs(folder: Path, model: transformers.PreTrainedModel) -> None:
    """A text goes through the model: what its configuration gets wrong beyond shapes is noticed here at the latest."""
    others = {str(weight.dtype) for weight in model.parameters()} - {"torch.float32"}
    if others:
        template = N_("transformers loads a part of {folder} as {kinds}, not in float32: it cannot be shown rightly.")
        raise WeightsError(template, folder=folder, kinds=", ".join(sorted(others)))
    _check_finite(folder, model)
    positions = min(_TRIED, getattr(model.config, "max_position_embeddings", _TRIED))
    with torch.inference_mode():
        model.base_model(torch.zeros((1, positions), dtype=torch.long), use_cache=False)


def _check_finite(folder: Path, model: transformers.PreTrainedModel) -> None:
    """No weight may be NaN or infinite: one row of a table shows in the texts that hold its token, and in no others."""
    with torch.inference_mode():  # a sum of finite numbers is infinite only where they are far too large all the same
        odd = [name for name, weight in model.named_parameters() if not weight.sum().isfinite()]
    if odd:
        template = N_(
            "{named} in {folder} holds numbers that are none (NaN or ∞ in float32): the weights are damaged, or were "
            "when they were written. Fetch the checkpoint again."
        )
        raise WeightsError(template, named=odd[0], folder=folder)
