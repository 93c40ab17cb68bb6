"""tokenizer.json and tokenizer_config.json from the metadata of a GGUF file.

transformers' own conversion loses how text is cut before merging (its SmolLM2 takes "2024" for one piece to merge);
here each value of `tokenizer.ggml.pre` has its cutting rule, as in llama.cpp's llm_tokenizer_bpe (src/llama-vocab.cpp),
and an unknown value is an error.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from anatomy.language import N_
from models.checkpoints.errors import WeightsError

_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CONTROL, USER_DEFINED = 3, 4  # values of tokenizer.ggml.token_type
_ROLES = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}


def _gpt2(tokenizer: Tokenizer) -> None:
    """Words with the space before them, runs of digits, runs of signs."""
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def _smollm(tokenizer: Tokenizer) -> None:
    """As GPT-2, but every digit stands alone."""
    digits = pre_tokenizers.Digits(individual_digits=True)
    words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, words])


def _qwen2(tokenizer: Tokenizer) -> None:
    """Qwen2's pattern, after composing accents (NFC)."""
    tokenizer.normalizer = normalizers.NFC()
    words = pre_tokenizers.Split(Regex(_QWEN2), behavior="isolated")
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, letters])


CUTTING: dict[str, Callable[[Tokenizer], None]] = {"gpt-2": _gpt2, "smollm": _smollm, "qwen2": _qwen2}


def write_tokenizer(metadata: dict[str, Any], folder: Path) -> None:
    """Write both files of the tokenizer into a folder; raises what `tokenizer_from` does."""
    tokenizer_from(metadata).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(_settings(metadata), indent=2), "utf-8")


def tokenizer_from(metadata: dict[str, Any]) -> Tokenizer:
    """The tokenizer that the metadata describes. WeightsError for one that is not known here, KeyError for metadata
    that lack a field."""
    facts = {key.removeprefix("tokenizer.ggml."): value for key, value in metadata.items()}
    if facts["model"] != "gpt2":
        template = N_(
            "This GGUF has a tokenizer of the kind {kind}; only byte-level BPE ('gpt2') is converted. Use the model's "
            "own folder with tokenizer.json and safetensors instead."
        )
        raise WeightsError(template, kind=repr(facts["model"]))
    if facts.get("pre") not in CUTTING:
        template = N_(
            "This GGUF cuts text by the rule {rule} (tokenizer.ggml.pre), which is not among those that Stagelight "
            "knows: {known}. A guess would give other tokens than the model was trained on. Use the model's own folder "
            "with tokenizer.json and safetensors instead."
        )
        raise WeightsError(template, rule=repr(facts.get("pre")), known=", ".join(CUTTING))
    vocabulary = {piece: row for row, piece in enumerate(facts["tokens"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[_pair(merge) for merge in facts["merges"]]))
    CUTTING[facts["pre"]](tokenizer)
    tokenizer.decoder = decoders.ByteLevel()
    _add_special(tokenizer, facts)
    return tokenizer


def _pair(merge: str) -> tuple[str, str]:
    left, _, right = merge.partition(" ")
    return left, right


def _add_special(tokenizer: Tokenizer, facts: dict[str, Any]) -> None:
    """Mark the control tokens, and those of them that the model puts around every text."""
    kinds = list(zip(facts["tokens"], facts["token_type"], strict=True))
    tokenizer.add_special_tokens([_added(piece, special=True) for piece, kind in kinds if kind == CONTROL])
    tokenizer.add_tokens([_added(piece, special=False) for piece, kind in kinds if kind == USER_DEFINED])
    before = [facts["tokens"][facts["bos_token_id"]]] if facts.get("add_bos_token") else []
    after = [facts["tokens"][facts["eos_token_id"]]] if facts.get("add_eos_token") else []
    if before or after:
        rows = [(piece, facts["tokens"].index(piece)) for piece in dict.fromkeys([*before, *after])]
        tokenizer.post_processor = processors.TemplateProcessing(single=[*before, "$A", *after], special_tokens=rows)


def _added(piece: str, special: bool) -> AddedToken:
    return AddedToken(piece, special=special, normalized=False)


def _settings(metadata: dict[str, Any]) -> dict[str, Any]:
    """What transformers' AutoTokenizer wants to know beside tokenizer.json."""
    pieces = metadata["tokenizer.ggml.tokens"]
    rows = {role: metadata.get(f"tokenizer.ggml.{key}_token_id") for role, key in _ROLES.items()}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": metadata[f"{metadata['general.architecture']}.context_length"],
        **{role: pieces[row] for role, row in rows.items() if row is not None},
    }
    template = metadata.get("tokenizer.chat_template")
    return settings | ({"chat_template": template} if template else {})
