"""A folder that holds a checkpoint: whether it can be used, and what can be said of it."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from anatomy.language import N_
from anatomy.refused import Sentence
from models.checkpoints.errors import WeightsError

COMPUTED = "float32"
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


@dataclass(frozen=True)
class Located:
    """A checkpoint that is here, ready to be loaded, with what a reader should know of it.

    folder     config.json, *.safetensors and tokenizer.json are in it
    name       its address without the revision
    revision   changes whenever the weights do
    stored     how the numbers were stored where they came from
    computed   the precision that they are computed in
    """

    folder: Path
    name: str
    revision: str
    title: str
    licence: str
    source: str
    stored: str
    computed: str = COMPUTED


def check(folder: Path) -> None:
    """WeightsError, with what is missing, unless the folder holds a checkpoint that can be loaded."""
    names = [file.name for file in folder.iterdir()]
    lacks = missing(names)
    if lacks:
        raise WeightsError(N_("{folder} cannot be used: {reason}"), folder=folder, reason=lacks[0])
    _check_shards(folder)


def missing(names: list[str]) -> list[Sentence]:
    """What a folder with these files lacks, one sentence each, the worst first."""
    lacks = []
    if not {"model.safetensors", "model.safetensors.index.json"} & set(names):
        lacks.append(_no_weights(names))
    if "config.json" not in names:
        lacks.append(
            Sentence(N_("it has no config.json, which says what kind of model it is; copy it next to the weights."))
        )
    if "tokenizer.json" not in names:
        template = N_("it has no tokenizer.json. Where the library knows its tokenizer, this writes one: {program}")
        lacks.append(Sentence(template, program=_WRITE_TOKENIZER))
    return lacks


_WRITE_TOKENIZER = "transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"


def described(folder: Path, *, name: str, title: str, source: str, revision: str | None = None) -> Located:
    """A usable folder with what its own files say of it. WeightsError where a weight file is damaged."""
    return Located(
        folder=folder,
        name=name,
        revision=revision or fingerprint([*folder.glob("*.safetensors"), folder / "config.json"]),
        title=title,
        licence=_licence(folder),
        source=source,
        stored=_stored(folder),
    )


def fingerprint(files: list[Path]) -> str:
    """Twelve hex digits that change when one of the files does: from names, sizes and times, not by reading them."""
    facts = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(files)]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]


def _no_weights(names: list[str]) -> Sentence:
    pickles = sorted(name for name in names if name.endswith(PICKLES))
    if pickles:
        template = N_(
            "its weights are only there as a pickle ({file}), and opening a pickle can run any program hidden in it. "
            "Stagelight reads safetensors only: {page} makes them."
        )
        return Sentence(template, file=pickles[0], page="https://huggingface.co/spaces/safetensors/convert")
    if "adapter_model.safetensors" in names:
        return Sentence(
            N_("it is an adapter (LoRA), not a whole model; merge it into its base model first (peft: {step})."),
            step="merge_and_unload",
        )
    return Sentence(
        N_("it has no model.safetensors and no model.safetensors.index.json, so there are no weights to read.")
    )


def _check_shards(folder: Path) -> None:
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").exists() or not index.exists():
        return
    shards = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
    absent = sorted(shard for shard in shards if not (folder / shard).exists())
    if absent:
        template = N_("{folder} cannot be used: {absent} of {count} weight files are missing ({first}).")
        raise WeightsError(template, folder=folder, absent=len(absent), count=len(shards), first=absent[0])


def _licence(folder: Path) -> str:
    """The licence that the model card states at its top."""
    card = folder / "README.md"
    head = card.read_text("utf-8", errors="replace")[:4000] if card.exists() else ""
    stated = re.search(r"^licen[sc]e:\s*[\"']?([^\s\"'#]+)", head, flags=re.MULTILINE)
    return stated.group(1) if stated else "not stated"


def _stored(folder: Path) -> str:
    """The number formats in the weight files, from their headers."""
    try:
        formats = {dtype for file in folder.glob("*.safetensors") for dtype in _dtypes(file)}
    except SafetensorError as error:
        template = N_("{folder} cannot be used: a weight file is damaged ({reason}); fetch it again.")
        raise WeightsError(template, folder=folder, reason=str(error)) from error
    return "safetensors, " + " and ".join(sorted(_DTYPES.get(dtype, dtype) for dtype in formats))


def _dtypes(file: Path) -> set[str]:
    with safe_open(file, framework="numpy") as tensors:
        names = tensors.keys()
        return {tensors.get_slice(name).get_dtype() for name in names}
