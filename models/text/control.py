"""Control tokens that a reader types: read as the characters that they are, and not as the token.

The library can be told not to look for control tokens in a text. But a vocabulary may hold "</s>" among its pieces, and
then a model that looks whole words up, or weighs every piece (Unigram), finds it there all the same.
"""

import json
from collections.abc import Iterable
from typing import Any

import tokenizers

_HIDDEN = "\U0010ffff"  # a code point that is no character (Unicode 23.7): no text has it


def plain_backend(definition: str, facts: dict[str, Any], obeying: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """A tokenizer that gives no control token for anything that stands in a text, with the same ids otherwise.

    definition  text of a tokenizer.json
    facts       the same, read; it is not changed
    obeying     the tokenizer of that definition
    """
    control = {row["content"] for row in facts["added_tokens"] if row["special"]}
    found = {piece for piece in control if _finds(obeying.model, piece)}
    backend = tokenizers.Tokenizer.from_str(json.dumps(_hiding(facts, found)) if found else definition)
    backend.encode_special_tokens = True
    return backend


def _finds(model: Any, piece: str) -> bool:
    """Whether a model of `tokenizers` comes upon a piece of its vocabulary in a text. One that is not found where it
    stands alone is not found among other letters either."""
    try:
        return [token.value for token in model.tokenize(piece)] == [piece]
    except Exception:  # the vocabulary lacks a letter of it, and an entry for what it lacks
        return False


def _pairs(model: dict[str, Any]) -> Iterable[list[str]]:
    return (pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"])


def _hiding(facts: dict[str, Any], control: set[str]) -> dict[str, Any]:
    """The same definition with these pieces under names that stand in no text; rows stay as they are."""

    def named(piece: str) -> str:
        return _HIDDEN + piece if piece in control else piece

    model, changed = facts["model"], {}
    if isinstance(model["vocab"], dict):
        changed["vocab"] = {named(piece): row for piece, row in model["vocab"].items()}
    else:
        changed["vocab"] = [[named(piece), score] for piece, score in model["vocab"]]
    if model.get("unk_token"):
        changed["unk_token"] = named(model["unk_token"])
    if "merges" in model:
        changed["merges"] = [pair for pair in _pairs(model) if not control & {*pair, "".join(pair)}]
    added = [row | {"content": named(row["content"])} for row in facts["added_tokens"]]
    return facts | {"model": model | changed, "added_tokens": added}
