"""Tiny models that read 8,192 tokens, and texts of as many: words of two letters, one token each."""

from functools import cache
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoModelForTextEncoding, PreTrainedTokenizerFast

from models.local.engine import LocalEngine
from models.text import tokenizer
from models.text.chat import Chat
from tests.models.tiny import MOST_PARAMETERS, randomize, tiny_config
from tests.models.toy import LETTERS, TEMPLATE

LONGEST = 8_192
HEADS = ("head_previous", "head_induction", "head_entropy", "head_apart", "head_reach", "head_maps")
_LONG = {"llama": "max_position_embeddings", "gpt2": "n_positions", "t5": "n_positions"}
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_VOCABULARY = 2_048


def text_of(tokens: int) -> str:
    """So many words; every one is a token. Hundreds of different ones, in an order without pattern."""
    return "".join(f" {_ALPHABET[i * i % 97 % 26]}{_ALPHABET[i * 31 % 89 % 26]}" for i in range(tokens))


@cache
def long_engine(kind: str) -> LocalEngine:
    """A tiny model of one of three families with room for long texts, shared by all tests."""
    config = tiny_config(kind)
    config.vocab_size = _VOCABULARY
    setattr(config, _LONG[kind], LONGEST)
    auto = AutoModelForTextEncoding if kind == "t5" else AutoModelForCausalLM
    model = auto.from_config(config, attn_implementation="eager").eval()
    randomize(model)
    assert sum(weight.numel() for weight in model.parameters()) < 2 * MOST_PARAMETERS + LONGEST * 32
    return LocalEngine(model, tokenizer.Tokenizer(_backend().to_str(), Chat(TEMPLATE, {})), name=f"long-{kind}")


def save(kind: str, folder: Path) -> None:
    """The same model and tokenizer as plain transformers loads them."""
    long_engine(kind).model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=_backend()).save_pretrained(folder)


def _backend() -> Tokenizer:
    """Byte-level BPE that joins a space and two letters."""
    pairs = [(a, b) for a in _ALPHABET for b in _ALPHABET]
    rules = [*(("Ġ", a) for a in _ALPHABET), *((f"Ġ{a}", b) for a, b in pairs), *pairs]
    pieces = dict.fromkeys((*LETTERS, *("".join(rule) for rule in rules)))
    found = Tokenizer(models.BPE(vocab={piece: row for row, piece in enumerate(pieces)}, merges=rules))
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = decoders.ByteLevel()
    return found
