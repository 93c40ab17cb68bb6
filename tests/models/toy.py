"""A byte-level BPE small enough to follow by hand, with a chat template, for a tiny model of 256 rows."""

import json
from functools import cache
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from models.local.engine import LocalEngine
from models.text import tokenizer
from models.text.chat import Chat
from models.text.spelling import BYTE_OF
from tests.models.tiny import tiny_model

SPECIAL = ("<|start|>", "<|end|>")
_WRITTEN = {ord(" "), ord("\n"), *range(0x21, 0x7F)}
LETTERS = (*sorted(letter for letter, byte in BYTE_OF.items() if byte in _WRITTEN), "Ã", "©")
RULES = (
    ("Ġ", "t"),
    ("h", "e"),
    ("Ġt", "he"),
    ("l", "l"),
    ("a", "b"),
    ("le", "s"),
    ("ab", "le"),
    ("l", "e"),
    ("u", "n"),
    ("Ã", "©"),
    ("a", "t"),
    ("a", "a"),
    ("aa", "aa"),
)
TEMPLATE = (
    "{% for message in messages %}{{ '<|start|>' + message['role'] + '\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant\n' }}{% endif %}"
)


def backend(rules: tuple[tuple[str, str], ...] = RULES) -> Tokenizer:
    """The library's tokenizer, with the table of merges cut to those given."""
    pieces = [*SPECIAL, *LETTERS, *("".join(pair) for pair in RULES)]
    found = Tokenizer(models.BPE(vocab={piece: row for row, piece in enumerate(pieces)}, merges=list(rules)))
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = decoders.ByteLevel()
    found.add_special_tokens([AddedToken(piece, special=True, normalized=False) for piece in SPECIAL])
    return found


def toy_tokenizer(template: str = TEMPLATE) -> tokenizer.Tokenizer:
    """Ours of the same definition."""
    return tokenizer.Tokenizer(backend().to_str(), Chat(template, {}))


@cache
def toy_engine(kind: str = "llama") -> LocalEngine:
    """A tiny model that reads text through it."""
    return LocalEngine(tiny_model(kind), toy_tokenizer(), name="toy")


def save(folder: Path, template: str = TEMPLATE) -> None:
    """The tokenizer's files, as transformers writes them."""
    PreTrainedTokenizerFast(tokenizer_object=backend()).save_pretrained(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": template}), "utf-8")
