"""tokenizer.json and tokenizer_config.json from the metadata of a GGUF file.

transformers' own conversion loses how text is cut before merging (its SmolLM2 takes "2024" for one piece to merge);
here each value of `tokenizer.ggml.pre` has its cutting rule, as in llama.cpp's llm_tokenizer_bpe (src/llama-vocab.cpp),
and an unknown value is an error.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from anatomy.language import N_
from models.checkpoints.errors import WeightsError
from models.checkpoints.gguf_facts import Facts, odd

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


def tokenizer_files(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The text of both files of the tokenizer, by name; raises what `tokenizer_from` does."""
    tokenizer = tokenizer_from(metadata)
    return {
        "tokenizer.json": tokenizer.to_str(pretty=True),
        "tokenizer_config.json": json.dumps(_settings(metadata), indent=2),
    }


def tokenizer_from(metadata: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer that the metadata describe. WeightsError for one that is not known here, and for metadata that lack
    a field or have another kind of value in it; what the library says of odd pieces and merges is its own."""
    facts = Facts(metadata)
    kind, rule = facts.text("tokenizer.ggml.model"), facts.text("tokenizer.ggml.pre", "")
    if kind != "gpt2":
        template = N_(
            "it has a tokenizer of the kind {kind}; only byte-level BPE ('gpt2') is converted. Use the model's own "
            "folder with tokenizer.json and safetensors instead."
        )
        raise WeightsError(template, kind=repr(kind))
    if rule not in CUTTING:
        template = N_(
            "it cuts text by the rule {rule} (tokenizer.ggml.pre), which is not among those that Stagelight knows: "
            "{known}. A guess would give other tokens than the model was trained on. Use the model's own folder with "
            "tokenizer.json and safetensors instead."
        )
        raise WeightsError(template, rule=repr(rule), known=", ".join(CUTTING))
    merges = [_pair(merge) for merge in facts.texts("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab=_vocabulary(facts), merges=merges))
    CUTTING[rule](tokenizer)
    tokenizer.decoder = decoders.ByteLevel()
    _add_special(tokenizer, facts)
    return tokenizer


def _vocabulary(facts: Facts) -> dict[str, int]:
    """Row of each piece. WeightsError where two rows have one piece: only one of them could ever be reached."""
    pieces = facts.texts("tokenizer.ggml.tokens")
    vocabulary = {piece: row for row, piece in enumerate(pieces)}
    if len(vocabulary) < len(pieces):
        twice = next(piece for row, piece in enumerate(pieces) if vocabulary[piece] != row)
        raise odd("tokenizer.ggml.tokens", twice, N_("each piece once"))
    return vocabulary


def _pair(merge: str) -> tuple[str, str]:
    left, _, right = merge.partition(" ")
    if not left or not right:
        raise odd("tokenizer.ggml.merges", merge, N_("two pieces with a space between them"))
    return left, right


def _add_special(tokenizer: Tokenizer, facts: Facts) -> None:
    """Mark the control tokens, and those of them that the model puts around every text."""
    pieces = facts.texts("tokenizer.ggml.tokens")
    kinds = list(zip(pieces, facts.numbers("tokenizer.ggml.token_type", len(pieces)), strict=True))
    tokenizer.add_special_tokens([_added(piece, special=True) for piece, kind in kinds if kind == CONTROL])
    tokenizer.add_tokens([_added(piece, special=False) for piece, kind in kinds if kind == USER_DEFINED])
    before, after = (_around(facts, role, pieces) for role in ("bos", "eos"))
    if before or after:
        rows = [(piece, pieces.index(piece)) for piece in dict.fromkeys([*before, *after])]
        tokenizer.post_processor = processors.TemplateProcessing(single=[*before, "$A", *after], special_tokens=rows)


def _around(facts: Facts, role: str, pieces: list[str]) -> list[str]:
    """The token that the model puts before (bos) or after (eos) every text, if it does."""
    if not facts.flag(f"tokenizer.ggml.add_{role}_token"):
        return []
    row = facts.row(f"tokenizer.ggml.{role}_token_id", len(pieces))
    if row is None:
        raise odd(
            f"tokenizer.ggml.{role}_token_id", row, N_("a row of the vocabulary (0 to {last})"), last=len(pieces) - 1
        )
    return [pieces[row]]


def _added(piece: str, special: bool) -> AddedToken:
    return AddedToken(piece, special=special, normalized=False)


def _settings(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What transformers' AutoTokenizer wants to know beside tokenizer.json."""
    facts = Facts(metadata)
    pieces = facts.texts("tokenizer.ggml.tokens")
    rows = {role: facts.row(f"tokenizer.ggml.{key}_token_id", len(pieces)) for role, key in _ROLES.items()}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": facts.count(f"{facts.text('general.architecture')}.context_length"),
        **{role: pieces[row] for role, row in rows.items() if row is not None},
    }
    template = facts.text("tokenizer.chat_template", "")
    return settings | ({"chat_template": template} if template else {})
