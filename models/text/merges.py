"""How byte-level BPE builds the tokens of a word: neighbours joined one pair at a time, by the rules of a table.

Sennrich, Haddow and Birch 2016, "Neural Machine Translation of Rare Words with Subword Units", sec. 3.2; over bytes as
in Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", sec. 2.2.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from jaxtyping import Int

SITES = frozenset({"merge_step", "merge_rule"})
NEW_WORD, APART, WHOLE = -2, -1, 0  # beside the steps, which count from 1
_SETTINGS = ("dropout", "continuing_subword_prefix", "end_of_word_suffix")


@dataclass(frozen=True)
class Joined:
    """For every byte, how it was joined to the byte before it.

    step  1, 2, 3 … within the word; WHOLE where the two were one piece from the start; APART where two tokens of one
          word meet; NEW_WORD where a word begins
    rule  row of the table of merges, 0 first; APART or NEW_WORD as in step, and APART where no rule was needed
    """

    step: Int[np.ndarray, " byte"]
    rule: Int[np.ndarray, " byte"]


def followed(model: dict[str, Any]) -> bool:
    """Whether this module follows the merges of the `model` of a tokenizer.json: BPE without further settings."""
    return model["type"] == "BPE" and not any(model.get(name) for name in _SETTINGS)


class Merges:
    """The table of merges of one tokenizer, ready to be followed.

    rules  the pairs of the table, first rule first
    whole  words that are taken as they stand before any merging (Llama 3: every entry of the vocabulary)
    """

    def __init__(self, rules: Iterable[Sequence[str]], whole: Collection[str] = frozenset()) -> None:
        self._rank = {(pair[0], pair[1]): rank for rank, pair in enumerate(rules)}
        self._whole = whole

    @classmethod
    def of(cls, model: dict[str, Any]) -> "Merges":
        """The merges of the `model` of a tokenizer.json, one that is `followed` here."""
        rules = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
        return cls(rules, model["vocab"].keys() if model.get("ignore_merges") else frozenset())

    def joined(self, words: Iterable[str | int]) -> Joined:
        """Words one after another: letters of the byte-level alphabet, or how many bytes a token has that is no word
        (a special one, or one that the model generated)."""
        steps: list[int] = []
        rules: list[int] = []
        for word in words:
            step, rule = _untouched(word) if isinstance(word, int) else self._word(word)
            steps += [NEW_WORD, *step[1:]] if step else []
            rules += [NEW_WORD, *rule[1:]] if rule else []
        return Joined(np.array(steps, np.int32), np.array(rules, np.int32))

    def _word(self, letters: str) -> tuple[list[int], list[int]]:
        """Step and rule of each letter. The first rule of the table that fits anywhere goes first, leftmost first."""
        if letters in self._whole:
            return _untouched(len(letters))
        count = len(letters)
        end = list(range(1, count + 1))  # of the piece that begins here; 0 once it was taken up by another
        begin = list(range(-1, count))  # begin[i]: first letter of the piece that ends before i
        step, rule = [APART] * count, [APART] * count
        waiting = [
            (rank, i) for i in range(count - 1) if (rank := self._rank.get((letters[i], letters[i + 1]))) is not None
        ]
        heapify(waiting)
        done = 0
        while waiting:
            rank, first = heappop(waiting)
            middle = end[first]
            if middle in (0, count) or self._rank.get(self._pair(letters, first, end)) != rank:
                continue  # one of the two has grown since
            done += 1
            step[middle], rule[middle] = done, rank
            end[first], end[middle] = end[middle], 0
            begin[end[first]] = first
            for left in (begin[first] if first else first, first):
                if 0 < end[left] < count and (next_rank := self._rank.get(self._pair(letters, left, end))) is not None:
                    heappush(waiting, (next_rank, left))
        return step, rule

    def _pair(self, letters: str, first: int, end: list[int]) -> tuple[str, str]:
        """The piece that begins there, and the one after it."""
        middle = end[first]
        return letters[first:middle], letters[middle : end[middle]]


def _untouched(count: int) -> tuple[list[int], list[int]]:
    """So many bytes that were one piece from the start."""
    return [WHOLE] * count, [APART] * count
