"""The weights that a model has once an adapter (LoRA and its kin) is added to them.

The library peft does it, on a model of its own that shares the other's memory, and nothing of that memory is changed:
what an adapter's file speaks of is copied before peft sees it. That the weights then do what the adapter did is tried
each time, on a short text.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from anatomy.language import N_, Count
from anatomy.refused import Sentence
from models.checkpoints.adapters import Adapter, judged
from models.checkpoints.errors import WeightsError
from models.checkpoints.outside import of_a_file, reading, reason, shown
from models.memory import short_of_memory

if TYPE_CHECKING:
    from peft import PeftModel

_NAME = "default"  # what peft calls the one adapter of a model
_BEFORE = "base_model.model."  # what names in an adapter's file begin with
_TRIED = 8  # tokens of the text on which weights have to do what the adapter does
_APART = 1e-3  # of the largest output: how far the two may be apart, as sums in another order are
# Kinds and beginnings of training in which peft leaves the weights alone until it merges. Any other gets copies of all.
_LEAVE_ALONE = ("LORA", "ADALORA", "IA3", "LOHA", "LOKR", "LN_TUNING", "VERA", "TRAINABLE_TOKENS")
_PLAIN = (None, True, False, "gaussian", "eva", "orthogonal")  # init_lora_weights


@torch.no_grad()  # not in inference mode: weights are read in other modes, too
def merged(model: PreTrainedModel, folder: Path) -> dict[str, Tensor]:
    """The parameters of a model that an adapter changes, as they are with it: name → tensor, by the names of
    `model.named_parameters(remove_duplicate=False)`. The model stays as it is, and so does the memory that it shares.

    A parameter with several names (a tied output layer) stands under all of them or none: under one tensor where the
    adapter changes it alike everywhere, else under several; the one that it left alone is then the model's own. So an
    adapter of the embedding table unties the output layer, as it did while it was trained.

    model   in float32, on the CPU; its parameters may share their memory with another model
    folder  of the adapter (`models.checkpoints.adapters`)

    {} for an adapter that changes nothing: of rank 0, or never trained. WeightsError, with what does not fit, for an
    adapter of another model, one whose file has too much or too little, and one whose effect cannot be written into
    weights.
    """
    adapter = judged(folder)
    if adapter.changes_nothing:
        return {}
    with reading(adapter.weights), _of_a_library(adapter, model), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # some kinds begin with a decomposition that draws random numbers
        wrapped = _wrapped(model, adapter)
        _check_fits(adapter, model, wrapped)
        _load(adapter, model, wrapped)
        before = _outputs(model, wrapped)
        made = wrapped.merge_and_unload(safe_merge=True)
        _check_same(adapter, before, _outputs(model, made))
    return _changed(adapter, model, made)


@contextmanager
def _of_a_library(adapter: Adapter, model: PreTrainedModel) -> Iterator[None]:
    """Inside a `with`, what peft raises becomes a refusal that says which adapter does not fit which model."""
    try:
        yield
    except BaseException as error:
        if not of_a_file(error) or short_of_memory(error):
            raise
        template = N_("The adapter in {folder} cannot be added to {model}: {reason}")
        kind = type(model).__name__
        raise WeightsError(template, folder=adapter.folder, model=kind, reason=reason(error)) from error


def _wrapped(model: PreTrainedModel, adapter: Adapter) -> "PeftModel":
    """A model of the same numbers with the adapter's parts in it, which are still empty."""
    from peft import PeftConfig, PeftModel
    from peft.utils.error import NoMatchingPeftModuleError

    config = PeftConfig.from_pretrained(str(adapter.folder))
    config.inference_mode = True
    began = getattr(config, "init_lora_weights", None)
    own = _own(model, adapter, copied=adapter.kind not in _LEAVE_ALONE or began not in _PLAIN)
    try:
        return PeftModel(own, config, adapter_name=_NAME)
    except NoMatchingPeftModuleError as error:
        targets = adapter.targets if isinstance(adapter.targets, str) else ", ".join(adapter.targets)
        raise _unfit(adapter, model, Sentence(_ABSENT, targets=shown(targets, quoted=True))) from error


_ABSENT = N_("it changes the parts {targets}, and the model has none that are called so")


def _unfit(adapter: Adapter, model: PreTrainedModel, why: Sentence) -> WeightsError:
    """The refusal of an adapter that was made for another model."""
    template = N_("The adapter in {folder} does not fit {model}: {why}. {next}")
    following = Sentence(_TRAINED_ON, base=shown(adapter.base)) if adapter.base else Sentence(_ANOTHER)
    return WeightsError(template, folder=adapter.folder, model=type(model).__name__, why=why, next=following)


_TRAINED_ON = N_("It says that it was trained on {base}: open that model with it.")
_ANOTHER = N_("Open the model that it was trained on with it.")


def _own(model: PreTrainedModel, adapter: Adapter, copied: bool) -> PreTrainedModel:
    """A model like this one on the same memory, in which each name has a parameter of its own. What the adapter's file
    speaks of is a copy, since peft loads some of it in place. copied: so is everything else."""
    kept = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    own = deepcopy(model, kept)  # takes what is in `kept` as it is
    touched = _touched(own, adapter)
    for module in own.modules():
        for leaf, parameter in module._parameters.items():
            if parameter is not None:
                tensor = parameter.clone() if copied or module in touched else parameter.detach()
                module._parameters[leaf] = nn.Parameter(tensor, requires_grad=False)
    return own


def _touched(model: nn.Module, adapter: Adapter) -> set[nn.Module]:
    """The modules that the names in the adapter's file begin with."""
    modules = dict(model.named_modules())
    found = set()
    for name in adapter.held:
        paths = accumulate(name.removeprefix(_BEFORE).split("."), "{}.{}".format)
        found |= {modules[path] for path in [path for path in paths if path in modules][-1:]}
    return found


def _check_fits(adapter: Adapter, model: PreTrainedModel, wrapped: "PeftModel") -> None:
    """Every tensor of the file has a place of its shape, and every place of the adapter has a tensor."""
    from peft import get_peft_model_state_dict

    written = get_peft_model_state_dict(wrapped, adapter_name=_NAME, save_embedding_layers=False)
    places = {**_shapes(wrapped.state_dict()), **_shapes(written)}  # of the model itself, too: tables, biases
    if lacks := sorted(written.keys() - adapter.held.keys()):
        raise _unfit(adapter, model, Sentence(_LACKS, count=Count(len(lacks)), named=_named(lacks)))
    _check_strays(adapter, model, adapter.held.keys() - places.keys())
    for name, stored in adapter.held.items():
        if stored.shape != places[name]:
            shapes = {"stored": _by(stored.shape), "wanted": _by(places[name])}
            raise _unfit(adapter, model, Sentence(_SHAPE, name=shown(name), **shapes))


_LACKS = N_("its file lacks tensors that the adapter would have in this model ({count}: {named} …)")
_STRAYS = N_("its file holds tensors that have no place in this model ({count}: {named} …)")
_SHAPE = N_("{name} has the shape {stored}, and in this model it would be {wanted}")


def _check_strays(adapter: Adapter, model: PreTrainedModel, names: Iterable[str]) -> None:
    if strays := sorted(names):
        raise _unfit(adapter, model, Sentence(_STRAYS, count=Count(len(strays)), named=_named(strays)))


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _named(names: list[str]) -> str:
    return ", ".join(shown(name) for name in names[:3])


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "1"


def _load(adapter: Adapter, model: PreTrainedModel, wrapped: "PeftModel") -> None:
    """The numbers of the file go where they belong, all of them."""
    loaded = wrapped.load_adapter(str(adapter.folder), _NAME, torch_device="cpu")
    _check_strays(adapter, model, loaded.unexpected_keys)
    wrapped.eval()


def _outputs(model: PreTrainedModel, runs: Callable[..., Any]) -> Tensor:
    """What a model of this one's kind gives for a short text: [1 pos vocab], or [1 pos d_model] without a head."""
    table: Any = model.get_input_embeddings()
    positions = min(_TRIED, getattr(model.config, "max_position_embeddings", _TRIED))
    ids = torch.arange(positions)[None] * 7919 % len(table.weight)  # a prime: tokens from all over the table
    return runs(input_ids=ids)[0]


def _check_same(adapter: Adapter, before: Tensor, after: Tensor) -> None:
    """The weights do what the adapter did beside them."""
    apart, largest = (after - before).abs().max(), before.abs().max()
    if not apart <= _APART * largest:  # NaN is not, either
        template = N_(
            "The adapter in {folder} cannot be written into the weights: they put the model's output off by "
            "{apart} where its largest number is {largest}. Use an adapter of another kind, such as plain LoRA."
        )
        raise WeightsError(template, folder=adapter.folder, apart=f"{apart:.3g}", largest=f"{largest:.3g}")


def _changed(adapter: Adapter, model: PreTrainedModel, made: nn.Module) -> dict[str, Tensor]:
    """The parameters that came out as others, those of one name with all its names."""
    own, found = (dict(each.named_parameters(remove_duplicate=False)) for each in (model, made))
    if strays := sorted(own.keys() ^ found.keys()):
        raise WeightsError(_OTHER_PARTS, folder=adapter.folder, name=shown(strays[0]))
    different = {name for name, tensor in found.items() if not _same(tensor, own[name])}
    _check_finite(adapter, found, different)
    changed: dict[str, Tensor] = {}
    for names in _by_parameter(own):
        if different & set(names):
            changed |= _as_one({name: (found if name in different else own)[name].detach() for name in names})
    return changed


_OTHER_PARTS = N_(
    "The adapter in {folder} gives the model other parameters than it has ({name}): that is another architecture, not "
    "other weights."
)


def _same(tensor: Tensor, other: Tensor) -> bool:
    return tensor.data_ptr() == other.data_ptr() or torch.equal(tensor, other)


def _check_finite(adapter: Adapter, found: Mapping[str, Tensor], names: Iterable[str]) -> None:
    for name in sorted(names):
        if not found[name].isfinite().all():
            template = N_(
                "With the adapter in {folder}, {name} holds numbers that are none (NaN or ∞): it is damaged, or its "
                "training failed. Fetch it again, or use one that was saved earlier."
            )
            raise WeightsError(template, folder=adapter.folder, name=name)


def _by_parameter(own: Mapping[str, Tensor]) -> list[list[str]]:
    """The names of a model's parameters, those of one parameter together."""
    found: dict[int, list[str]] = {}
    for name, parameter in own.items():
        found.setdefault(id(parameter), []).append(name)
    return list(found.values())


def _as_one(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensor under all names, where all are equal."""
    first = next(iter(tensors.values()))
    equal = all(torch.equal(first, other) for other in tensors.values())
    return dict.fromkeys(tensors, first) if equal else tensors
