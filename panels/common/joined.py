"""Tokens joined into words where the reader asks for it: which ones, what is said of it, how a program does it."""

from anatomy.language import _
from anatomy.trace import Trace
from anatomy.view import Fitted, View
from anatomy.words import Words, apart, joined
from panels.common.shared import WORDS
from viz import tokens


def words_of(trace: Trace, view: Fitted, start: int = 0) -> Words:
    """The words of the tokens from `start` on where words are shown; else every token by itself."""
    rest = trace.tokens[start:]
    return joined(rest, tokens.words(trace.text)) if view[WORDS] else apart(len(rest))


def note(words: Words, how: str) -> str:
    """How numbers of several tokens became one; that there is nothing to join where all words are single tokens."""
    if len(words) == words.count:
        return _("No word of this text takes more than one token: nothing is joined.")
    return how


# The characters that `viz.tokens` takes for scripts without spaces, and its rule for words, as a program spells them.
_OWNERS = r"""
import re
import unicodedata

unspaced = re.compile(  # scripts that put no spaces between words
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def kind(c):  # a letter or digit, a mark on one, an apostrophe, or something else
    if unspaced.match(c):
        return " "
    if c.isalnum() or c == "_":
        return "a"
    return "m" if unicodedata.category(c)[0] == "M" else "'" if c in "'’" else " "


"""
_CUT = 'places = tokenizer(text, split_special_tokens=True, return_offsets_mapping=True)["offset_mapping"]\n'
_GIVEN = 'text, places = "", []\n'  # all tokens were given by their ids, as those of a tail are
_TAIL = r"""tail = ids[len(places) :]
decoded = [tokenizer.decode(tail[:count], skip_special_tokens=True) for count in range(len(tail) + 1)]
places += [(len(text) + len(a.rstrip("\ufffd")), len(text) + len(b)) for a, b in zip(decoded, decoded[1:])]
text += decoded[-1]
"""
_GROUPS = """owner = list(range(len(text)))  # of each character: the first one of its word, or itself
for match in re.finditer("a(a|m|'(?=a))*", "".join(map(kind, text))):
    owner[match.start() : match.end()] = [match.start()] * len(match[0])
special = set(tokenizer.all_special_ids)
held = [set() if token in special else set(owner[a:b]) for token, (a, b) in zip(ids, places)]
starts = [i for i in range(len(ids)) if i == 0 or not held[i - 1] & held[i]]
words = [slice(a, b) for a, b in zip(starts, [*starts[1:], len(ids)])]  # the tokens of each word
"""


def program(view: View) -> str:
    """Python after `opening`: leaves `words`, a slice of the positions for each; nothing where tokens are shown."""
    if not view[WORDS]:
        return ""
    if view.ids:
        return f"{_OWNERS}{_GIVEN}{_TAIL}{_GROUPS}"
    return f"{_OWNERS}{_CUT}{_TAIL if view.tail else ''}{_GROUPS}"
