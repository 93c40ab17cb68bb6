"""Cases for the checks: tiny models of every family on a text, as they are or with some of their numbers changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from string import ascii_lowercase, digits

import numpy as np
import tokenizers
from tokenizers import normalizers, pre_tokenizers, processors

from anatomy.request import Run, Want
from anatomy.trace import Trace
from anatomy.view import View
from articles.verdict import Case
from models.local.engine import LocalEngine
from models.text.tokenizer import Tokenizer
from tests.models.tiny import tiny_engine, tiny_model
from tests.models.toy import toy_engine

TEXT = "the cat, the café sat on"
Change = Callable[[np.ndarray, Trace], np.ndarray]
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_PIECES = ("the", "cat", "sat", "un", "##belie", "##va", "##bility", "bank", *".,")


@cache
def engine(kind: str) -> LocalEngine:
    """The engine of a tiny model. "worded" and "whole": BERTs with tokenizers of words; "toy": a Llama that chats."""
    if kind == "toy":
        return toy_engine()
    if kind == "worded":
        return LocalEngine(tiny_model("bert"), _word_piece(_PIECES), name="tiny-worded")
    if kind == "whole":
        return LocalEngine(tiny_model("bert"), _word_piece((*_PIECES, "unbelievability")), name="tiny-whole")
    return tiny_engine(kind)


def _word_piece(pieces: Sequence[str]) -> Tokenizer:
    """BERT's kind: lower case, no accents, [CLS] and [SEP] around every text, [UNK] for what has no entry."""
    letters = [*ascii_lowercase, *digits]
    entries = dict.fromkeys((*_SPECIAL, *letters, *(f"##{letter}" for letter in letters), *pieces))
    vocabulary = {entry: row for row, entry in enumerate(entries)}
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.add_special_tokens(list(_SPECIAL))
    ends = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    backend.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return Tokenizer(backend.to_str())


def case(kind: str = "llama", text: str = TEXT) -> Case:
    """A tiny model on a text, as the page would ask."""
    asked = engine(kind)
    view = View(text=text)
    return Case(asked.spec, view.fit(asked.spec, asked.run(view.run(asked.spec)).tokens), asked.run)


def altered(
    kind: str = "llama", changes: Mapping[str, Change] | None = None, text: str = TEXT, **facts: object
) -> Case:
    """The same model with other facts in its spec, and some of its arrays changed: site → (array, trace) → array."""
    whole, given = case(kind, text), changes or {}
    spec = replace(whole.spec, **facts)

    def ask(run: Run, wants: Sequence[Want]) -> Trace:
        trace = whole.ask(replace(run, model=whole.spec.id), wants)
        arrays = {
            want: given[want.site](array, trace) if want.site in given else array
            for want, array in trace.arrays.items()
        }
        return Trace(run, spec, trace.tokens, arrays, trace.names)

    return Case(spec, whole.view, ask)


def constant(value: float) -> Change:
    """The array with this value everywhere."""
    return lambda array, trace: np.full_like(array, value)


def events(*parts: int) -> Change:
    """Every layer with these parts, in this order."""
    return lambda array, trace: np.tile(np.array(parts, array.dtype), (len(array), 1))
