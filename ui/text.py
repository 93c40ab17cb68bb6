"""Words on the page. Whatever holds a reader's text is escaped here, before it becomes HTML."""

import re
from html import escape

import streamlit as st

from anatomy import glossary
from anatomy.language import spaced

_QUOTED = re.compile(r"“([^”]+)”")
_UNIT = re.compile(r"(?<=\d) (?=%)")


def heading(question: str) -> None:
    """A panel's question."""
    st.html(f"<h2>{escape(question)}</h2>")


def answer(sentence: str) -> None:
    """The sentence that answers it for this text; what it quotes stands out."""
    st.html(f'<p class="says">{marked(sentence)}</p>')


def pieces(sentence: str) -> list[tuple[str, str]]:
    """A sentence in pieces, one after the other: words with "", and each term where it first stands with what it is."""
    found, known = [], set()
    for i, part in enumerate(re.split(r"(“[^”]+”)", sentence)):  # outside, quoted, outside, …
        found += [(part, "")] if i % 2 else _pieces(part, known)
    return [piece for piece in found if piece[0]]


def _pieces(words: str, known: set[str]) -> list[tuple[str, str]]:
    found, done = [], 0
    for place in glossary.places(words):
        if place.entry.name not in known:
            known.add(place.entry.name)
            found += [(words[done : place.start], ""), (words[place.start : place.end], place.entry.explained)]
            done = place.end
    return [*found, (words[done:], "")]


def marked(sentence: str) -> str:
    """A sentence as HTML: its “quoted labels” marked, its terms explained where they first stand. All is escaped."""
    parts, known = [], set()
    for i, part in enumerate(_QUOTED.split(spaced(sentence))):  # outside, inside, outside, …
        parts.append(f"<mark>“{escape(part, quote=False)}”</mark>" if i % 2 else explained(part, known))
    return "".join(parts)


def explained(sentence: str, known: set[str]) -> str:
    """A sentence as HTML, each term that is not yet known with its explanation behind it; known: grows by them. No line
    ends between a number and its %."""
    sentence = _UNIT.sub("\u00a0", sentence)
    return "".join(_term(words, escape(says)) for words, says in _pieces(sentence, known))


def _term(words: str, says: str) -> str:
    if not says:
        return escape(words, quote=False)
    return f'<dfn class="term" tabindex="0" data-says="{says}" aria-description="{says}">{escape(words)}</dfn>'


def notice(sentence: str, kind: str = "quiet") -> None:
    """A sentence in place of a figure or above it. kind: "quiet" or "refused"."""
    st.html(f'<p class="notice {kind}" role="status">{escape(spaced(sentence))}</p>')


def line(sentence: str) -> None:
    """A sentence above what it is about."""
    st.html(f"<p>{escape(sentence)}</p>")


def aside(sentence: str) -> None:
    """A small sentence that belongs to what stands above it."""
    st.html(f'<p class="aside" role="note">{escape(sentence)}</p>')


def elsewhere(words: str, href: str) -> None:
    """A link that opens in a tab of its own."""
    st.html(f'<p class="elsewhere"><a href="{escape(href or "?")}" target="_blank">{escape(words)}</a></p>')
