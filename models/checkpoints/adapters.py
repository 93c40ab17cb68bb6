"""Adapters: small files that change a model's weights (LoRA and its kin). Which ones this process was given; whether a
folder holds one. Without torch.

An adapter has a name, which stands in a variant's (`smollm2-135m~lora=poems`), and a folder with adapter_config.json
and adapter_model.safetensors, as the library peft writes them. Whoever starts the program says which there are:

    stagelight run --adapter ./runs/poems --adapter law=/data/adapters/law-v2
    STAGELIGHT_ADAPTERS=./runs/poems,law=/data/adapters/law-v2 streamlit run app.py
"""

import os
import re
import sys
from argparse import ArgumentError, ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anatomy.language import N_
from anatomy.refused import Sentence
from models.checkpoints.address import is_path
from models.checkpoints.configuration import settings
from models.checkpoints.errors import NoSuchName, WeightsError
from models.checkpoints.folder import fingerprint
from models.checkpoints.headers import Stored, header
from models.checkpoints.outside import reading, shown

OPTION = "--adapter"
VARIABLE = "STAGELIGHT_ADAPTERS"
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PICKLE = "adapter_model.bin"
# The kinds of adapter (peft_type) whose effect peft can write into the weights: tests/models/variants/test_adapter.py
# merges one of each. (peft's AdaMSS could, too, with a package that is not among ours; its BOFT sets
# out to compile code for GPUs when it is imported.)
# fmt: off
MERGED = frozenset((
    "LORA", "ADALORA", "BEFT", "C3A", "DEFT", "DELORA", "FOURIERFT", "FROD", "GLORA", "GRALORA",
    "HIRA", "HRA", "IA3", "LN_TUNING", "LOHA", "LOKR", "MISS", "OFT", "OSF", "PEANUT", "PSOFT", "PVERA", "RANDLORA",
    "ROAD", "SHIRA", "SUPERTUNING", "TINYLORA", "TRAINABLE_TOKENS", "UNILORA", "VBLORA", "VERA", "WAVEFT",
))
# fmt: on
PROMPTS = frozenset(("PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CPT", "CARTRIDGE"))
BESIDE = frozenset(("ADAPTION_PROMPT", "LILY", "POLY", "SHADOW", "XLORA"))  # what they add depends on the text
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_NAMED = re.compile(r"(?P<name>[^=/\\]+)=(?P<folder>.+)", re.DOTALL)
_OTHER_WEIGHTS = ("corda", "lora_ga", "loftq")  # beginnings of `init_lora_weights`
_NOT_WEIGHTS = {  # settings that no weights can stand for → what they do
    "layer_replication": N_("it lets layers of the model run several times"),
    "alora_invocation_tokens": N_("it works from certain tokens of the text on, and not before"),
    "arrow_config": N_("it chooses among several adapters at each token"),
    "megatron_config": N_("it was trained on a model of Megatron, which is built otherwise"),
}


@dataclass(frozen=True)
class Adapter:
    """An adapter's folder, as far as its small file and the header of its weights tell.

    kind      peft_type in the words of peft: "LORA", "IA3"
    rank      r of its configuration; None for a kind that has none
    targets   the parts of the model that it changes, by the ends of their names, or as one regular expression;
              () where the configuration names none
    base      what it says that it was trained on; "" where it does not
    held      its tensors by name
    revision  changes whenever one of its two files does
    """

    folder: Path
    kind: str
    rank: int | None
    targets: tuple[str, ...] | str
    base: str
    held: Mapping[str, Stored]
    revision: str

    @property
    def changes_nothing(self) -> bool:
        """Whether it has no numbers at all, as one of rank 0."""
        return not any(tensor.size for tensor in self.held.values())

    @property
    def weights(self) -> Path:
        """The file with its tensors."""
        return self.folder / WEIGHTS


def adapters(arguments: Sequence[str] | None = None) -> dict[str, Path]:
    """The adapters that this process was given (`given`), name → folder. WeightsError where one is not named as it has
    to be. arguments: in place of those on its command line."""
    return given(sys.argv[1:] if arguments is None else arguments, os.environ.get(VARIABLE, ""))


def given(arguments: Sequence[str], variable: str) -> dict[str, Path]:
    """The adapters that a command line gives, `--adapter NAME=FOLDER` or `--adapter FOLDER`, repeated for several; else
    those of the variable (commas between several). Name → the whole path of a folder, in the order given.

    A folder alone is called by the last part of its path. WeightsError for what is no name, for a name that two folders
    have, and for `--adapter` with nothing behind it.
    """
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument(OPTION, action="append", default=[])
    try:
        words = parser.parse_known_args(list(arguments))[0].adapter
    except ArgumentError as error:
        raise WeightsError(_NO_FOLDER) from error
    if not all(map(str.strip, words)):
        raise WeightsError(_NO_FOLDER)
    return named(words or [part.strip() for part in variable.split(",") if part.strip()])


def named(words: Iterable[str]) -> dict[str, Path]:
    """Adapters by name, each given as NAME=FOLDER or as FOLDER. WeightsError as `given` has it."""
    found: dict[str, Path] = {}
    for word in words:
        name, folder = _read(word)
        if found.setdefault(name, folder) != folder:
            raise WeightsError(_TWICE, name=name, folder=found[name], other=folder)
    return found


def folder_of(name: str, *, paths: bool, known: Mapping[str, Path] | None = None) -> Path:
    """The folder of the adapter that is called so in a variant's name; whether one is there is for `judged`.

    paths  the name may be the path of a folder (`is_path`), as in Python; in a link it may not
    known  the adapters by name; those of this process where none are given

    NoSuchName for a name that none of them has, WeightsError for a path where none may stand.
    """
    if is_path(name):
        if not paths:
            raise WeightsError(_NO_PATHS, path=shown(name))
        return _whole(name)
    known = adapters() if known is None else known
    if name not in known:
        template = _NOT_AMONG if known else _NONE_GIVEN
        raise NoSuchName(template, name=shown(name), known=", ".join(known))
    return known[name]


def judged(folder: Path) -> Adapter:
    """The adapter of a folder. WeightsError, with what is wrong and what would work, where it is none that can be added
    to a model's weights, as far as its configuration and the header of its weights tell."""
    _check_files(folder)
    file = folder / CONFIG
    config = settings(file)
    kind = _kind(file, config)
    _check_settings(file, config)
    rank = _rank(file, config, kind)
    held = _held(folder, kind, rank)
    with reading(folder):
        revision = fingerprint([file, folder / WEIGHTS])
    base = config.get("base_model_name_or_path")
    return Adapter(
        folder=folder,
        kind=kind,
        rank=rank,
        targets=_targets(file, config),
        base=base if isinstance(base, str) else "",
        held=held,
        revision=revision,
    )


_NO_FOLDER = N_(
    "“--adapter” stands without a folder behind it. Write --adapter FOLDER or --adapter NAME=FOLDER; the folder holds "
    "adapter_config.json and adapter_model.safetensors."
)
_NO_NAME = N_(
    "“{name}” cannot be the name of an adapter: it has to be made of the letters A to Z, digits, “-”, “_” and “.”, "
    "without a “.” at its beginning and “.gguf” at its end. Give it another one: --adapter NAME={folder}"
)
_TWICE = N_("Two adapters are called “{name}”: {folder} and {other}. Give one another name: --adapter NAME={other}")
_NO_PATHS = N_(
    "“{path}” is a path, and in a link an adapter stands by its name. Start the server with --adapter NAME=FOLDER and "
    "write the name."
)
_NOT_AMONG = N_(
    "There is no adapter “{name}”. This program was started with: {known}. For another one start it with --adapter "
    "NAME=FOLDER; in Python, give the path of its folder (./folder)."
)
_NONE_GIVEN = N_(
    "There is no adapter “{name}”: this program was started without any. Start it with --adapter NAME=FOLDER; in "
    "Python, give the path of its folder (./folder)."
)


def _read(word: str) -> tuple[str, Path]:
    """(name, folder) of an adapter as it was given."""
    found = _NAMED.fullmatch(word.strip())
    written = (found["folder"] if found else word).strip()
    folder = _whole(written)
    name = found["name"].strip() if found else _last(folder)
    if not _NAME.fullmatch(name) or is_path(name):
        raise WeightsError(_NO_NAME, name=shown(name), folder=shown(written))
    return name, folder


def _whole(written: str) -> Path:
    """A path that holds from any folder, ~ spelled out."""
    try:
        return Path(written).expanduser().absolute()
    except RuntimeError as error:  # ~name of somebody whom this machine does not know
        template = N_("{path} names the folder of a user whom this machine does not know. Write the whole path.")
        raise WeightsError(template, path=shown(written)) from error


def _last(folder: Path) -> str:
    """The last part of a path; what it stands for where it is a step back."""
    return folder.resolve().name if folder.name == ".." else folder.name


def _check_files(folder: Path) -> None:
    """The two files are there, the weights as safetensors."""
    with reading(folder):
        names = {file.name for file in folder.iterdir()} if folder.is_dir() else None
    if names is None:
        template = N_("There is no folder {folder}: give the one that holds {config} and {weights} of the adapter.")
        raise WeightsError(template, folder=folder, config=CONFIG, weights=WEIGHTS)
    if CONFIG not in names:
        template = N_(
            "{folder} holds no adapter: it has no {config}. Give the folder that peft's save_pretrained wrote; a whole "
            "model is opened by itself."
        )
        raise WeightsError(template, folder=folder, config=CONFIG)
    if WEIGHTS not in names:
        raise WeightsError(_PICKLED if PICKLE in names else _NO_WEIGHTS, folder=folder, weights=WEIGHTS, pickle=PICKLE)


_PICKLED = N_(
    "{folder} has its weights in {pickle}, a pickle, and opening one can run any program. Save the adapter again with "
    "peft's save_pretrained, which writes {weights}, and use that."
)
_NO_WEIGHTS = N_("{folder} has no {weights}, which holds the adapter's numbers: copy it there from where it came.")


def _kind(file: Path, config: Mapping[str, Any]) -> str:
    """peft_type, where it is one whose effect can be written into weights."""
    stated = config.get("peft_type")
    kind = stated if isinstance(stated, str) else ""
    if kind in PROMPTS or kind in BESIDE:
        template = _A_PROMPT if kind in PROMPTS else _BY_TEXT
        raise WeightsError(template, file=file, kind=kind)
    if kind not in MERGED:
        template = N_(
            "{file} gives “peft_type” as {kind}, which is no kind of adapter that can be added to weights here. These "
            "can: {known}."
        )
        raise WeightsError(template, file=file, kind=shown(stated, quoted=True), known=", ".join(sorted(MERGED)))
    return kind


_A_PROMPT = N_(
    "{file} is of the kind {kind}: it puts learned vectors before the text and changes no weights, so that there is no "
    "model to show. Use an adapter that changes weights, such as LoRA."
)
_BY_TEXT = N_(
    "{file} is of the kind {kind}: what it adds depends on the text and cannot be written into the weights. Use an "
    "adapter that changes weights, such as LoRA."
)


def _check_settings(file: Path, config: Mapping[str, Any]) -> None:
    """Nothing is asked for that weights alone cannot do, or that begins from other weights than the model's."""
    for name, does in _NOT_WEIGHTS.items():
        if config.get(name):
            template = N_(
                "{file} has the setting “{name}”: {does}. Such an adapter cannot be written into the weights."
            )
            raise WeightsError(template, file=file, name=name, does=Sentence(does))
    began = config.get("init_lora_weights")
    if isinstance(began, str) and began.lower().startswith(_OTHER_WEIGHTS):
        template = N_(
            "{file} says that the adapter was trained on weights that had been changed first (“init_lora_weights” is "
            "{began}), and these cannot be made again here. Save it with "
            "path_initial_model_for_weight_conversion, as peft describes, and use that."
        )
        raise WeightsError(template, file=file, began=shown(began, quoted=True))


def _rank(file: Path, config: Mapping[str, Any], kind: str) -> int | None:
    """r, a whole number that is not below 0; LoRA has one always."""
    rank = config.get("r")
    if rank is None and kind != "LORA":
        return None
    if type(rank) is not int or rank < 0:
        template = N_("{file} gives the rank “r” as {rank}: it has to be a whole number. Fetch the adapter again.")
        raise WeightsError(template, file=file, rank=shown(rank, quoted=True))
    return rank


def _targets(file: Path, config: Mapping[str, Any]) -> tuple[str, ...] | str:
    targets = config.get("target_modules")
    if targets is None or isinstance(targets, str):
        return targets or ()
    if not (isinstance(targets, list) and all(isinstance(target, str) and target for target in targets)):
        template = N_(
            "{file} gives “target_modules” as {targets}: it has to be a list of names of parts of the model, or one "
            "regular expression. Fetch the adapter again."
        )
        raise WeightsError(template, file=file, targets=shown(targets))
    return tuple(sorted(targets))


def _held(folder: Path, kind: str, rank: int | None) -> dict[str, Stored]:
    """The tensors of the weights' file. WeightsError where there are none in an adapter that should have some, and the
    other way round. (In kinds other than LoRA an r of 0 may mean that something else says how large they are.)"""
    held = header(folder / WEIGHTS)
    filled = [name for name, tensor in held.items() if tensor.size]
    if kind == "LORA" and rank == 0 and filled:
        template = N_(
            "{file} holds {name}, and {config} gives the rank “r” as 0: the two files do not belong together. Fetch "
            "the adapter again."
        )
        raise WeightsError(template, file=folder / WEIGHTS, name=shown(filled[0]), config=CONFIG)
    if rank != 0 and not filled:
        template = N_("{file} holds no numbers: the adapter was saved without its weights. Save or fetch it again.")
        raise WeightsError(template, file=folder / WEIGHTS)
    return held
