"""A checkpoint's folder made into the library's own model, ready to run."""

from pathlib import Path

import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForTextEncoding,
    PretrainedConfig,
)
from transformers.models.auto import modeling_auto

from anatomy.language import N_
from models.checkpoints.errors import WeightsError

_KNOWN = (
    (AutoModelForCausalLM, modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES),
    (AutoModelForMaskedLM, modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES),
    (AutoModelForTextEncoding, modeling_auto.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES),
)
_WHOLE = ("ForConditionalGeneration", "Model")  # an encoder and a decoder, with what scores the vocabulary or without


def load_model(folder: Path, *, attn_implementation: str) -> transformers.PreTrainedModel:
    """The model of a folder in float32, for reading only; parameters stay mapped to the file where they are float32.

    The library's own loader is used: it builds the model without memory and maps the weights (0.2 s for SmolLM2-135M),
    and it knows how each model type fills what no file holds, such as the rotation frequencies.

    WeightsError where it cannot load the model, or where files lack parameters.
    """
    config = _config(folder)
    transformers.utils.logging.disable_progress_bar()  # it would draw a bar for a fraction of a second
    try:
        model, report = _auto_class(config, folder).from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            attn_implementation=attn_implementation,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        template = N_("transformers cannot load {folder}: {reason}")
        raise WeightsError(template, folder=folder, reason=_first_line(error)) from error
    _check_complete(folder, report)
    return model.eval().requires_grad_(False)


def _config(folder: Path) -> PretrainedConfig:
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        template = N_("transformers does not know the model in {folder}: {reason}")
        raise WeightsError(template, folder=folder, reason=_first_line(error)) from error


def _auto_class(config: PretrainedConfig, folder: Path) -> type:
    """The Auto class whose table has the architecture that config.json names; AutoModel for a model without a head.

    Of a model with encoder and decoder (T5) the encoder, where the library can load it alone.
    """
    named = (config.architectures or [""])[0]
    if config.is_encoder_decoder and config.model_type in _KNOWN[-1][1] and named.endswith(_WHOLE):
        return AutoModelForTextEncoding
    for auto, names in _KNOWN:
        if (config.model_type, named) in names.items():
            return auto
    if named.endswith("Model"):
        return AutoModel
    raise WeightsError(_OF_ANOTHER_KIND if named else _OF_NO_KIND, folder=folder, named=named)


_OF_ANOTHER_KIND = N_(
    "{folder} holds a {named}. Stagelight loads models that predict the next word (…ForCausalLM), a hidden word "
    "(…ForMaskedLM), or have no head (…Model), and the encoder of T5."
)
_OF_NO_KIND = N_(
    "{folder} holds a model without an architecture in config.json. Stagelight loads models that predict the next word "
    "(…ForCausalLM), a hidden word (…ForMaskedLM), or have no head (…Model), and the encoder of T5."
)


def _check_complete(folder: Path, report: dict) -> None:
    """No parameter may be left to chance: the library fills absent ones with random numbers."""
    absent = sorted(report["missing_keys"])
    if absent:
        template = N_(
            "The weights in {folder} lack {count} parameters of the model ({named} …), which would be random numbers. "
            "The files and config.json do not belong together; fetch the checkpoint again."
        )
        raise WeightsError(template, folder=folder, count=len(absent), named=", ".join(absent[:3]))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
