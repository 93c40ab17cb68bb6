"""Which files a tokenizer is read from: the same ones are fetched, asked for and read."""

from collections.abc import Iterable
from pathlib import Path

from models.checkpoints.errors import WeightsError
from models.checkpoints.outside import check_size, seen_in

# What a tokenizer is made of, by `vocab_files_names` of the library's classes: the files of any one line are enough.
VOCABULARIES = (
    ("tokenizer.json",),
    ("tokenizer.model",),
    ("sentencepiece.bpe.model",),
    ("sentencepiece.model",),
    ("spiece.model",),
    ("spm.model",),
    ("tekken.json",),
    ("tiktoken.model",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
)
# What else the library reads beside them. Each of these is a JSON object, or a text in UTF-8.
OBJECTS = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json")
TEXTS = ("chat_template.jinja", "merges.txt", "vocab.txt")
FILES = tuple(dict.fromkeys([*(name for names in VOCABULARIES for name in names), *OBJECTS, *TEXTS]))


def are_enough(names: Iterable[str]) -> bool:
    """Whether a tokenizer can be made of files of these names."""
    there = set(names)
    return any(there.issuperset(needed) for needed in VOCABULARIES)


def other_vocabularies() -> str:
    """What a tokenizer can be made of beside tokenizer.json, for a sentence."""
    return ", ".join(" + ".join(names) for names in VOCABULARIES[1:])


def check_kinds(files: Iterable[Path]) -> None:
    """WeightsError for the first file that is something else than its name says (`seen_in`), or far too large."""
    for file in files:
        if seen := seen_in(file):
            raise WeightsError(seen)
        check_size(file)
