"""How a language writes numbers: its decimal mark, what parts its thousands, its words for large numbers.

English is written down here. Every other language has its own from Unicode's locale data (CLDR), as Babel holds it: a
new language brings nothing for its numbers. Digits are always 0 to 9.
"""

import re
from dataclasses import dataclass
from functools import cache

_BESIDES = str.maketrans("", "", "'0 \u00a0\u202f")  # what a pattern such as "000\u00a0tys'.'" holds besides its word


class Whole(str):
    """A whole number as a language writes it, by which a translation may choose a form (`anatomy.language`).

    count  the number
    """

    count: int


@dataclass(frozen=True)
class Numerals:
    """decimal, group   marks before the fraction, and between thousands
    large            (word, what it stands for), the largest first: none below ten thousand
    """

    decimal: str
    group: str
    large: tuple[tuple[str, float], ...]

    def written(self, text: str) -> str:
        """A number as Python writes it, 1,234.5 or -3e-05, with this language's marks and a real minus sign."""
        return text.translate({ord("."): self.decimal, ord(","): self.group, ord("-"): "−"})

    def whole(self, count: int) -> Whole:
        """A whole number with its thousands apart: 49,152."""
        said = Whole(self.written(f"{count:,}"))
        said.count = count
        return said


ENGLISH = Numerals(".", ",", (("T", 1e12), ("B", 1e9), ("M", 1e6)))


@cache
def numerals(language: str) -> Numerals:
    """Those of a language by its key; the English ones where nobody knows it."""
    if language == "en":
        return ENGLISH
    from babel.core import Locale, UnknownLocaleError
    from babel.numbers import get_decimal_symbol, get_group_symbol

    try:
        locale = Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError):
        return ENGLISH
    decimal, group = (symbol(locale, numbering_system="latn") for symbol in (get_decimal_symbol, get_group_symbol))
    patterns = locale.compact_decimal_formats["short"]["other"]
    return Numerals(decimal, group, _large({int(size): pattern.pattern for size, pattern in patterns.items()}))


def _large(patterns: dict[int, str]) -> tuple[tuple[str, float], ...]:
    """Words for large numbers out of patterns by size, such as 10,000,000: "0000万", which says that 万 is 10,000."""
    words = {}
    for size, pattern in patterns.items():
        digits = re.search("0+", pattern)
        word = pattern.translate(_BESIDES)
        if digits and word:
            words[size // 10 ** (len(digits.group()) - 1)] = word
    return tuple((words[size], float(size)) for size in sorted(words, reverse=True) if size > 1_000)
