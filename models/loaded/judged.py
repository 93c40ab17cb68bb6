"""A checkpoint judged before its weights are read: can its model be opened, and has every tensor its place in it?

The model is built without memory from config.json, by the library's own class. The names and shapes that it has are
compared with those in the headers of the files, under the names that the library itself would give them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForTextEncoding,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.activations import ACT2FN
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.auto import modeling_auto

from anatomy.language import N_, Count
from anatomy.refused import Sentence
from models.checkpoints import headers
from models.checkpoints.configuration import FILE, configuration, has_own_code
from models.checkpoints.errors import WeightsError
from models.checkpoints.folder import check_model
from models.checkpoints.headers import Stored
from models.checkpoints.outside import reading, shown
from models.families import family_of

# (name of a checkpoint, bytes of its weights in float32) -> nothing; Refused where there is no memory for them
CheckMemory = Callable[[object, int], None]
FLOAT = 4  # bytes of a float32
_KNOWN = (
    (AutoModelForCausalLM, modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES),
    (AutoModelForMaskedLM, modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES),
    (AutoModelForTextEncoding, modeling_auto.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES),
)
_WHOLE = ("ForConditionalGeneration", "Model")  # an encoder and a decoder, with what scores the vocabulary or without
# What files hold for other tasks than the one that is opened, by the class that leaves it out.
_FOR_OTHER_TASKS = {
    "BertForMaskedLM": re.compile(r"bert\.pooler\..*|cls\.seq_relationship\..*"),  # does one sentence follow another?
    "T5EncoderModel": re.compile(r"decoder\..*|lm_head\.weight"),  # said on the page by `spec.opened`
}


@dataclass(frozen=True)
class Judged:
    """A checkpoint that can be opened.

    config  as the library has it
    auto    the library's class that loads it
    unused  the names, as the library gives them, of the tensors that are rightly left out
    """

    config: PreTrainedConfig
    auto: Any
    unused: frozenset[str]


def judge(folder: Path, fits: CheckMemory | None = None) -> Judged:
    """The checkpoint of a folder, none of its weights read. fits: is asked whether there is memory for them.

    Refused, with what is wrong and what would work, where its model cannot be opened rightly.
    """
    held = check_model(folder)
    config, auto, model = _configured(folder)
    with reading(folder):
        unused = _Comparison(folder, model, held).unused()
    _ask(folder, model, fits)
    return Judged(config, auto, unused)


def judge_configuration(folder: Path, fits: CheckMemory | None = None) -> None:
    """The same by config.json alone, for a checkpoint whose weights are not here yet."""
    _config, _auto, model = _configured(folder)
    _ask(folder, model, fits)


def names_in_files(folder: Path, model: PreTrainedModel) -> dict[str, str]:
    """Parameter of a model → the tensor in the files of its folder that fills it, of those that are taken as they are.
    WeightsError where the files have become others."""
    comparison = _Comparison(folder, model, headers.tensors(folder))
    return comparison.filled()


def _ask(folder: Path, model: PreTrainedModel, fits: CheckMemory | None) -> None:
    if fits is not None:
        fits(folder, FLOAT * sum(weight.numel() for weight in model.parameters()))


# The library swaps functions of its classes, and of torch, while it builds or loads a model, and puts them back when it
# is done: two at once leave the wrong ones behind, and models that load later lose what ties their weights.
ONE_AT_A_TIME = RLock()


def _configured(folder: Path) -> tuple[PreTrainedConfig, Any, PreTrainedModel]:
    """The library's configuration, the class that loads it, and the model without numbers."""
    file, found = folder / FILE, configuration(folder)
    _check_type(file, found)
    with reading(file):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    auto = _auto_class(config, folder)
    _check_words(file, config)
    with reading(file), ONE_AT_A_TIME:
        _check_heads(file, config)
        _report_nothing(config)
        with torch.device("meta"):
            model = auto.from_config(config, trust_remote_code=False, attn_implementation="eager", dtype=torch.float32)
    return config, auto, model


def _check_type(file: Path, found: Mapping[str, Any]) -> None:
    """Refused for a type that the library does not know, or of which Stagelight does not know where it keeps what."""
    kind = found["model_type"]
    if kind in CONFIG_MAPPING:
        family_of(kind)
        return
    template = _OWN_CODE if has_own_code(found) else _UNKNOWN
    raise WeightsError(template, file=file, kind=shown(kind), version=transformers.__version__)


_OWN_CODE = N_(
    "{file} names the model type “{kind}”, whose Python code comes with the checkpoint. Stagelight does not run code "
    "out of a checkpoint. Use a version that transformers {version} opens by itself."
)
_UNKNOWN = N_(
    "{file} names the model type “{kind}”, which transformers {version} does not know. Check the spelling; if it is "
    "newer than that version, it cannot be opened yet."
)


def _auto_class(config: PreTrainedConfig, folder: Path) -> Any:
    """The Auto class whose table has the architecture that config.json names; AutoModel for a model without a head.

    Of a model with encoder and decoder (T5) the encoder, where the library can load it alone.
    """
    named = (config.architectures or [""])[0]
    if config.is_encoder_decoder and config.model_type in _KNOWN[-1][1] and named.endswith(_WHOLE):
        return AutoModelForTextEncoding
    for auto, names in _KNOWN:
        if (config.model_type, named) in names.items():
            return auto
    of_another_type = any(named == other for _auto, names in _KNOWN for other in names.values())
    if named.endswith("Model") and not of_another_type:
        return AutoModel
    template = _OF_ANOTHER_TYPE if of_another_type else _OF_ANOTHER_KIND if named else _OF_NO_KIND
    raise WeightsError(template, folder=folder, named=shown(named), kind=config.model_type)


_OF_ANOTHER_KIND = N_(
    "{folder} holds a {named}. Stagelight loads models that predict the next word (…ForCausalLM), a hidden word "
    "(…ForMaskedLM), or have no head (…Model), and the encoder of T5."
)
_OF_ANOTHER_TYPE = N_(
    "config.json in {folder} gives the architecture {named} and the model type “{kind}”, which do not belong together. "
    "Fetch config.json again."
)
_OF_NO_KIND = N_(
    "{folder} holds a model without an architecture in config.json. Stagelight loads models that predict the next word "
    "(…ForCausalLM), a hidden word (…ForMaskedLM), or have no head (…Model), and the encoder of T5."
)


def _check_words(file: Path, config: PreTrainedConfig) -> None:
    """The activation and the kind of rotation are ones that the library has."""
    rope = getattr(config, "rope_parameters", None)
    given = {
        "activation": next((value for name in _ACTIVATIONS if (value := getattr(config, name, None))), None),
        "rope_type": rope.get("rope_type") if isinstance(rope, dict) else None,
    }
    known = {"activation": ACT2FN.keys(), "rope_type": {"default", *ROPE_INIT_FUNCTIONS}}
    for name, value in given.items():
        if value is not None and not (isinstance(value, str) and value in known[name]):
            template = N_(
                "{file} asks for the {what} {value}, which transformers {version} does not have. It has: {known}."
            )
            raise WeightsError(
                template,
                file=file,
                what=name,
                value=shown(value),
                version=transformers.__version__,
                known=", ".join(sorted(known[name])),
            )


_ACTIVATIONS = ("hidden_act", "activation_function", "dense_act_fn")


def _check_heads(file: Path, config: PreTrainedConfig) -> None:
    """Settings that fit together: BERT's kind of head, T5's buckets, query heads that share keys evenly. The library
    looks itself whether the width is cut into heads without a rest, and whether what is rotated has pairs."""
    if config.model_type == "bert" and config.is_decoder and config.architectures == ["BertForMaskedLM"]:
        template = N_(
            "{file} makes a model of hidden words (BertForMaskedLM) one that sees no later ones (is_decoder), which "
            "the library cannot go on with. Take is_decoder out, or name BertLMHeadModel where it was trained so."
        )
        raise WeightsError(template, file=file)
    if config.model_type == "t5":
        most, buckets = config.relative_attention_max_distance, config.relative_attention_num_buckets
        if most <= buckets // 4:
            template = N_(
                "{file} gives {buckets} buckets for distances up to {most} tokens (relative_attention_max_distance): "
                "there are too few distances for so many. One of the two is wrong."
            )
            raise WeightsError(template, file=file, buckets=buckets, most=most)
    heads = config.num_attention_heads
    shared = getattr(config, "num_key_value_heads", None) or heads
    if heads % shared:
        template = N_("{file} lets {heads} query heads share {shared} key heads unevenly: one of them is wrong.")
        raise WeightsError(template, file=file, heads=heads, shared=shared)


def _report_nothing(config: PreTrainedConfig) -> None:
    """Settings of what a call returns beside its result, which no number depends on, as the library has them unless a
    configuration says otherwise."""
    config.output_attentions = config.output_hidden_states = False
    if hasattr(config, "chunk_size_feed_forward"):
        config.chunk_size_feed_forward = 0  # rows at a time: the same numbers
    config.return_dict = True


class _Comparison:
    """The names and shapes of a model beside those of the files.

    folder  holds them
    model   without numbers
    held    the tensors in the files, by the names that these give them
    """

    def __init__(self, folder: Path, model: PreTrainedModel, held: Mapping[str, Stored]) -> None:
        self.folder, self.model, self.held = folder, model, held
        self.expected: dict[str, Tensor] = model.state_dict()
        mapping = get_model_conversion_mapping(model)
        self.renamings = [entry for entry in mapping if isinstance(entry, WeightRenaming)]
        self.converters = [entry for entry in mapping if isinstance(entry, WeightConverter)]

    def unused(self) -> frozenset[str]:
        """The tensors that are rightly left out, by the library's names. WeightsError where one has no place or another
        shape than the model's parameter, and where a parameter has no tensor."""
        homes = {name: self._home(name) for name in self.held}
        filled = self._filled(homes)
        strays = {name: home for name, (home, _) in homes.items() if home not in self.expected}
        self._check_strays([name for name in strays if not self._is_harmless(name, strays[name])])
        self._check_shapes(filled)
        self._check_absent(filled.keys() | {home for home, converted in homes.values() if converted})
        return frozenset(strays.values())

    def filled(self) -> dict[str, str]:
        """Parameter → the tensor that fills it, of those that are taken as they are."""
        return self._filled({name: self._home(name) for name in self.held})

    def _home(self, name: str) -> tuple[str, bool]:
        """The name that the library gives a tensor, and whether it is put together with others on the way: what
        `convert_and_load_state_dict_in_model` does (transformers, core_model_loading.py)."""
        prefix = self.model.base_model_prefix
        home, pattern = rename_source_key(name, self.renamings, self.converters, prefix, self.expected)
        if home not in self.expected and name in self.expected:
            home, pattern = rename_source_key(name, [], [], prefix, self.expected)
        return home, pattern is not None

    def _filled(self, homes: Mapping[str, tuple[str, bool]]) -> dict[str, str]:
        """Parameter → the tensor that fills it, of those that are taken as they are."""
        filled: dict[str, str] = {}
        for name, (home, converted) in homes.items():
            if converted or home not in self.expected:
                continue
            if home in filled:
                template = N_(
                    "{folder} holds two tensors for one parameter of the model, {name} and {other}: only one of them "
                    "could be used. Take out the files of the wrong one."
                )
                raise WeightsError(template, folder=self.folder, name=shown(name), other=shown(filled[home]))
            filled[home] = name
        return filled

    def _is_harmless(self, name: str, home: str) -> bool:
        other = _FOR_OTHER_TASKS.get(type(self.model).__name__)
        task = other is not None and any(other.fullmatch(either) for either in (name, home))
        return task or headers.worked_out(name, self.held[name].shape)

    def _check_strays(self, names: Iterable[str]) -> None:
        strays = sorted(names)
        if strays:
            template = N_(
                "The weights in {folder} hold {count} tensors that {model}, as config.json describes it, has no place "
                "for ({named} …): leaving them out would give wrong numbers. The files and config.json do not belong "
                "together; fetch the checkpoint again."
            )
            count, model = Count(len(strays)), type(self.model).__name__
            raise WeightsError(template, folder=self.folder, count=count, model=model, named=_named(strays))

    def _check_shapes(self, filled: Mapping[str, str]) -> None:
        for home, name in filled.items():
            stored, wanted = self.held[name], tuple(self.expected[home].shape)
            if stored.shape != wanted:
                template = N_(
                    "{name} in {file} has the shape {stored}; config.json makes it {wanted}. The files and config.json "
                    "do not belong together; fetch the checkpoint again."
                )
                shapes = {"stored": _by(stored.shape), "wanted": _by(wanted)}
                raise WeightsError(template, name=shown(name), file=stored.file, **shapes)

    def _check_absent(self, filled: Iterable[str]) -> None:
        """No parameter may be left to chance. One that is tied to another needs no tensor of its own."""
        tied: Mapping[str, str] = self.model.all_tied_weights_keys
        have = set(filled)
        given = have | {tied[name] for name in have if name in tied}
        absent = sorted(name for name in self.expected if name not in have and tied.get(name, name) not in given)
        if absent:
            raise lacking(self.folder, absent)


def lacking(folder: Path, absent: list[str]) -> WeightsError:
    """The refusal where files lack these parameters: the library would fill them with random numbers."""
    template = N_(
        "The weights in {folder} lack parameters of the model ({count}: {named} …), which would be random numbers. "
        "The files and config.json do not belong together; fetch the checkpoint again."
    )
    return WeightsError(template, folder=folder, count=Count(len(absent)), named=_named(absent))


def _named(names: list[str]) -> str:
    return ", ".join(shown(name) for name in names[:3])


def _by(shape: tuple[int, ...]) -> str | Sentence:
    return " × ".join(str(size) for size in shape) or Sentence(N_("of a single number"))
