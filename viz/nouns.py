"""Counted nouns: a number with what it counts, as labels show it alone and as sentences with two counts take it in.

Each is a message of its own, in every form that a language has for numbers, and stands here alone: to a translator it
comes with a remark. A language with cases says which one a sentence wants, by a name of its own (`anatomy.language`):
once a translation has `{layers:locative}`, `python -m anatomy.languages` adds an entry under `msgctxt "locative"` for
every noun of this file. A sentence with one count takes none of these: it is an `ngettext` itself.
"""

from anatomy.language import ngettext


def tokens(count: int) -> str:
    return ngettext("{count} token", "{count} tokens", count)


def other_tokens(count: int) -> str:
    return ngettext("{count} other token", "{count} other tokens", count)


def arcs(count: int) -> str:
    return ngettext("{count} arc", "{count} arcs", count)


def words(count: int) -> str:
    return ngettext("{count} word", "{count} words", count)


def words_or_characters(count: int) -> str:
    return ngettext("{count} word or character", "{count} words and characters", count)


def characters(count: int) -> str:
    return ngettext("{count} character", "{count} characters", count)


def bytes(count: int) -> str:
    return ngettext("{count} byte", "{count} bytes", count)


def more_steps(count: int) -> str:
    return ngettext("{count} more step", "{count} more steps", count)


def tokenizers(count: int) -> str:
    return ngettext("{count} tokenizer", "{count} tokenizers", count)


def neighbours(count: int) -> str:
    return ngettext("{count} neighbour", "{count} neighbours", count)


def layers(count: int) -> str:
    return ngettext("{count} layer", "{count} layers", count)


def heads(count: int) -> str:
    return ngettext("{count} head", "{count} heads", count)


def query_heads(count: int) -> str:
    return ngettext("{count} query head", "{count} query heads", count)


def kv_heads(count: int) -> str:
    return ngettext("{count} key/value head", "{count} key/value heads", count)


def ffns(count: int) -> str:
    return ngettext("{count} feed-forward network", "{count} feed-forward networks", count)


def neurons(count: int) -> str:
    return ngettext("{count} neuron", "{count} neurons", count)


def parameters(count: int) -> str:
    return ngettext("{count} parameter", "{count} parameters", count)


def vectors(count: int) -> str:
    return ngettext("{count} vector", "{count} vectors", count)


def numbers(count: int) -> str:
    return ngettext("{count} number", "{count} numbers", count)


def writes(count: int) -> str:
    return ngettext("{count} write", "{count} writes", count)


def devices(count: int) -> str:
    return ngettext("{count} device", "{count} devices", count)
