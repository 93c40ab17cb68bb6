"""Where in the text that was written each token stands, also where the tokenizer rewrote the text before cutting it.

The library follows every character through its normalizer, but of several that became one ("e" and an accent composed,
two quotes replaced by one) it names only the first or the last. Here the others belong to it too.
"""

import json
from typing import Any
from unicodedata import combining

import tokenizers

Span = tuple[int, int]  # first character, one past the last
_MOST_MARKS = 30  # in a row that belong together (Unicode Annex 15, "Stream-Safe Text Format")
_MARK = "7"  # stands around what is normalized to be compared; no rule composes, lowers or removes a digit


def keep_spaces(backend: tokenizers.Tokenizer, definition: dict[str, Any]) -> None:
    """Have a tokenizer count the space before a word to its token, in which it is spelled ("Ġthe"). Some leave it out
    of the token's place (trim_offsets of ByteLevel and RobertaProcessing); ids do not depend on it."""
    step = definition.get("post_processor")
    if '"trim_offsets": true' not in json.dumps(step):
        return
    empty = {"type": "BPE", "vocab": {}, "merges": []}
    plain = {"version": "1.0", "added_tokens": [], "post_processor": _untrimmed(step), "model": empty}
    backend.post_processor = tokenizers.Tokenizer.from_str(json.dumps(plain)).post_processor


def _untrimmed(step: Any) -> Any:
    if isinstance(step, dict):
        changed = {name: _untrimmed(value) for name, value in step.items()}
        return changed | {"trim_offsets": False} if "trim_offsets" in step else changed
    return [_untrimmed(one) for one in step] if isinstance(step, list) else step


def whole_spans(text: str, spans: list[Span], normalizer: Any) -> list[Span]:
    """The same places, with the characters that a normalizer (of `tokenizers`, or None) joined to theirs.

    text     as it was written
    spans    of the tokens that have a place in the text, in their order, as the library gives them
    """
    ascending = _ascending(spans)
    if normalizer is None:
        return ascending
    begins, ends = {}, {}
    for first, last in _gaps(len(text), ascending):
        begun, ended = _divided(text, first, last, normalizer)
        begins[last], ends[first] = begun, ended
    return [(begins.get(start, start), ends.get(end, end)) for start, end in ascending]


def _ascending(spans: list[Span]) -> list[Span]:
    """Places that never go back, should a post-processor have given such."""
    found, start, end = [], 0, 0
    for one in spans:
        start, end = max(start, one[0]), max(end, *one)
        found.append((start, end))
    return found


def _gaps(length: int, spans: list[Span]) -> list[Span]:
    """The stretches of a text that no token covers."""
    found, at = [], 0
    for start, end in [*spans, (length, length)]:
        if start > at:
            found.append((at, start))
        at = max(at, end)
    return found


def _divided(text: str, first: int, last: int, normalizer: Any) -> Span:
    """Of an uncovered stretch: where what belongs to the token after it begins, and where what belongs to the token
    before it ends. What was dropped belongs to neither. No more than _MOST_MARKS characters are compared at once."""
    end = first
    for place in range(first, last) if first else ():
        if place - end > _MOST_MARKS:
            break
        if _join(normalizer, text[max(first - 1, place - _MOST_MARKS) : place], text[place : _marks(text, place)]):
            end = place + 1
    begin = last
    while last < len(text) and begin > end:
        if not _join(normalizer, text[begin - 1], text[begin : min(last + 1, begin + _MOST_MARKS)]):
            break
        begin -= 1
    return begin, end


def _marks(text: str, place: int) -> int:
    """Where the marks end that follow a character: what composes with the one before it may stand behind others
    (Unicode Annex 15, "Canonical Composition Algorithm")."""
    end = place + 1
    while end < min(len(text), place + _MOST_MARKS) and combining(text[end]):
        end += 1
    return end


def _join(normalizer: Any, left: str, right: str) -> bool:
    """Whether normalizing two pieces side by side gives anything else than one after the other."""
    before, after = (normalizer.normalize_str(f"{_MARK}{piece}{_MARK}") for piece in (left, right))
    both = normalizer.normalize_str(f"{_MARK}{left}{right}{_MARK}")
    return both != before[: before.rfind(_MARK)] + after[after.find(_MARK) + 1 :]
