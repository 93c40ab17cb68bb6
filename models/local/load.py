"""An engine for the address of a checkpoint, or of a variant of one: which shares with its base all that it can."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

from torch import Tensor, nn
from transformers import PreTrainedModel

from anatomy import variants
from anatomy.language import N_
from anatomy.refused import Refused
from anatomy.spec import Weights
from anatomy.variants import Alteration
from models import memory
from models.checkpoints.adapters import folder_of, judged
from models.checkpoints.address import is_path
from models.checkpoints.folder import Located
from models.checkpoints.locate import locate
from models.engine import Progress, Report, silent
from models.families import Family, family_of
from models.loaded.judged import judge_configuration
from models.loaded.load import load_model
from models.loaded.source import Source
from models.local import packed
from models.local.engine import INPUTS, LocalEngine
from models.local.input_cache import of_the_process
from models.local.packed import Packing
from models.local.threads import usual_threads
from models.progress import listening, report_progress
from models.reading import attention_interface
from models.text.tokenizer import load_tokenizer
from models.variants.adapter import merged
from models.variants.altered import altered

_OF_THE_REST = 2  # of the memory that is left when a model is loaded, one in so many is for copies of its matrices
_CHECKING = N_("checking that what is shown is what the model computes")
_open: WeakValueDictionary[tuple[Path, str], LocalEngine] = WeakValueDictionary()


def load(address: str, report: Report | None = None, cancelled: Callable[[], bool] | None = None) -> LocalEngine:
    """The engine for a catalog name, a folder, a hub name, or a variant of one of these, whose base is opened first
    where it is not open in this process. Refused, with a sentence, when it cannot be had; cancelled: see `variant`."""
    report = report or silent
    base, alterations = _read(address)
    located = locate(base, progress=report, judge=partial(judge_configuration, fits=memory.check_weights))
    engine = _open.get(_key(located)) if alterations else None
    engine = engine or _opened(located, report)
    return variant(engine, alterations, report, cancelled) if alterations else engine


def _read(address: str) -> tuple[str, tuple[Alteration, ...]]:
    """A model's address, and what is altered in it. A path that is there is a path, marks and all, the longest."""
    marks = [len(address), *(found.start() for found in reversed([*re.finditer(variants.MARK, address)]))]
    there = next((mark for mark in marks if _is_there(address[:mark])), None)
    if there is None:
        return variants.read(address)
    return address[:there], variants.alterations(address[there:], address)


def _is_there(address: str) -> bool:
    """Whether it is the path of something that is there."""
    try:
        return is_path(address) and Path(address).expanduser().exists()
    except (OSError, RuntimeError):
        return False


def _key(located: Located) -> tuple[Path, str]:
    return located.folder, located.revision


def _opened(located: Located, report: Report) -> LocalEngine:
    report(Progress(N_("opening the model")))
    model = load_model(located.folder, attn_implementation=attention_interface.NAME, fits=memory.check_weights)
    tokenizer = load_tokenizer(located.folder)
    layers, head = _parts(model, family_of(model.config.model_type))
    room = (memory.limit() - memory.resident()) // _OF_THE_REST
    packing = {"layers": packed.layers(layers, room), "head": packed.head(head, room // _OF_THE_REST)}
    report(Progress(_CHECKING))
    weights = Weights(
        located.title,
        located.licence,
        located.source,
        located.stored,
        parameters=0,
        file_bytes=located.file_bytes,
        kept=located.kept,
    )
    engine = LocalEngine(
        model,
        tokenizer,
        name=located.name,
        revision=located.revision,
        weights=weights,
        kept=of_the_process(memory.limit() // INPUTS),
        packing=packing,
        threads=usual_threads(),
        source=None if located.kept == "earlier" else Source(located.folder, located.original),
    )
    _open[_key(located)] = engine
    return engine


def _parts(model: PreTrainedModel, family: Family) -> tuple[tuple[nn.Module, ...], nn.Module | None]:
    """The layers of a model, and what scores the vocabulary."""
    return family.fit(family, model.config).layers_of(model), model.get_output_embeddings()


def variant(
    base: LocalEngine,
    alterations: tuple[Alteration, ...],
    report: Report | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> LocalEngine:
    """The base's model, altered. Weights that come out as they were are the base's own, and so are the copies that it
    multiplies by: there is no memory for others to have some.

    cancelled  is asked on the way whether to stop: then Cancelled is raised. While random weights are drawn it is not

    Refused, with a sentence, where an alteration does not fit the model, and where there is no memory for the weights
    that it changes.
    """
    report = report or silent
    name = variants.written(base.spec.name, alterations)
    memory.check_weights(name, variants.new_bytes(dict(base.spec.counts), alterations), variant=True)
    revision = _revision(base, alterations)
    with listening(report, cancelled):
        model = altered(base.model, base.family, alterations, _with_adapter)
        report_progress(_CHECKING, 0, 0)
    if _revision(base, alterations) != revision:
        raise Refused(N_("The files of the adapter were changed while it was added to the model: open it again."))
    drawn = {}
    if any(one.kind == "untrained" for one in alterations):
        drawn = {"stored": "", "file_bytes": 0}  # in no file
    title = variants.written(base.spec.weights.title or base.spec.name, alterations)
    with listening(None, cancelled):  # its checks ask between layers whether anybody wants it still
        return LocalEngine(
            model,
            base.tokenizer,
            name=name,
            revision=revision,
            weights=replace(base.spec.weights, title=title, **drawn),
            family=base.family,
            kept=of_the_process(memory.limit() // INPUTS),
            packing=_shared_packing(base, model),
            threads=base.threads,
            alterations=(*base.spec.alterations, *alterations),
            source=base.source,
        )


def _shared_packing(base: LocalEngine, model: PreTrainedModel) -> dict[str, Packing]:
    """Let what has the base's weights multiply by the base's copies of them. Of the rest there are none; matrices that
    are turned in the base are turned in its variant, the changed ones too."""
    layers, head = _parts(model, base.family)
    base_layers, base_head = _parts(base.model, base.family)
    alike = {
        "layers": packed.followed(layers, base_layers),
        "head": packed.followed([] if head is None else [head], [] if base_head is None else [base_head]),
    }
    return {
        part: packing if alike[part] or packing.way == "turned" else packed.AS_LOADED
        for part, packing in base.packing.items()
    }


def _with_adapter(model: PreTrainedModel, name: str) -> dict[str, Tensor]:
    return merged(model, folder_of(name, paths=True))


def _revision(base: LocalEngine, alterations: tuple[Alteration, ...]) -> str:
    """It changes whenever a number of the variant does: an adapter's files are part of it."""
    names = (one.value for one in alterations if one.kind == "lora")
    adapters = (judged(folder_of(name, paths=True)).revision for name in names)
    return "+".join([base.spec.revision, *adapters])
