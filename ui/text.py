"""Words on the page. Whatever holds a reader's text is escaped here, before it becomes HTML."""

import re
from html import escape

import streamlit as st

_QUOTED = re.compile(r"“([^”]+)”")


def heading(question: str) -> None:
    """A panel's question."""
    st.html(f"<h2>{escape(question)}</h2>")


def answer(sentence: str) -> None:
    """The sentence that answers it for this text; what it quotes stands out."""
    st.html(f'<p class="says">{marked(sentence)}</p>')


def marked(sentence: str) -> str:
    """A sentence as HTML, its “quoted labels” marked. Everything in it is escaped first."""
    return _QUOTED.sub(r"<mark>“\1”</mark>", escape(sentence, quote=False))


def notice(sentence: str, kind: str = "quiet") -> None:
    """A sentence in place of a figure or above it. kind: "quiet" or "refused"."""
    st.html(f'<p class="notice {kind}" role="status">{escape(sentence)}</p>')


def aside(sentence: str) -> None:
    """A small sentence that belongs to what stands above it."""
    st.html(f'<p class="aside" role="note">{escape(sentence)}</p>')


def elsewhere(words: str, href: str) -> None:
    """A link that opens in a tab of its own."""
    st.html(f'<p class="elsewhere"><a href="{escape(href or "?")}" target="_blank">{escape(words)}</a></p>')
