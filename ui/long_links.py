"""How a long text stands in a link.

A short text stands in it as it is typed. A longer one is packed, so that the link stays one that servers and browsers
take; where even that is too long, the server keeps the text and the link has its name. Links from one part of the page
to another always name a long text: the page holds a hundred of them.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from threading import Lock
from types import MappingProxyType
from urllib.parse import quote_plus, urlencode
from zlib import compress, decompressobj
from zlib import error as ZlibError

import streamlit as st

from anatomy.language import N_, _
from anatomy.view import DEFAULT_TEXT
from models.engine import MAX_CHARACTERS

PLAIN = 4_000  # characters of a link that a text may take as it is
WHOLE = 60_000  # characters of a link, whatever is in it: servers refuse requests from 64 KB on
KEPT = 128  # texts that the server keeps
TEXTS = {"text": ("packed", "kept"), "text2": ("packed2", "kept2")}  # a text's field: its names, packed and kept
NAMES = tuple(name for names in TEXTS.values() for name in names)
KEPT_NAMES = tuple(kept for _packed, kept in TEXTS.values())
_DAMAGED = {
    "text": N_("The text in this link is damaged: another one is shown."),
    "text2": N_("The second text in this link is damaged: the second run has the text of the first."),
}
_GONE = {
    "text": N_("The text of this link was kept by the server and is gone: another one is shown."),
    "text2": N_(
        "The second text of this link was kept by the server and is gone: the second run has the text of the first."
    ),
}
_MOST_BYTES = 4 * MAX_CHARACTERS


class Shelf:
    """Long texts by name, those named longest ago forgotten. The name is made of the text: nobody can guess it."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()

    def keep(self, text: str) -> str:
        """The name of a text that is kept from now on."""
        name = _name(text)
        with self._lock:
            self._texts[name] = text
            self._texts.move_to_end(name)
            while len(self._texts) > KEPT:
                self._texts.popitem(last=False)
        return name

    def text(self, name: str) -> str | None:
        """The text of that name; None where it is not kept any more."""
        return self._texts.get(name)


@st.cache_resource(show_spinner=False)
def shelf() -> Shelf:
    """This server's."""
    return Shelf()


def into(query: Mapping[str, str], others: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """A view's query as the link has it, complete in itself as far as it can be, and short enough for a server to read.
    others: what else stands in the link, for as long as there is room for it."""
    own, any_packed = dict(query), False
    for field, (name, _kept) in TEXTS.items():
        packed = _packed(query.get(field, ""))
        if packed is not None:
            own, any_packed = _replaced(own, field, name, packed), True
    if _fits({**others, **own}):
        return {**others, **own}
    own = own if not any_packed or _fits(own) else near(query)
    return {**others, **own} if _fits({**others, **own}) else own


def _fits(query: Mapping[str, str]) -> bool:
    return len(urlencode(query, errors="replace")) <= WHOLE


def near(query: Mapping[str, str]) -> dict[str, str]:
    """The same as a link on this page has it: short."""
    own = dict(query)
    for field, (_packed_name, name) in TEXTS.items():
        text = query.get(field, "")
        if _packed(text) is not None:
            own = _replaced(own, field, name, shelf().keep(text))
    return own


def out_of(query: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """(the query with its texts as they were typed, complaints about a text that cannot be had)."""
    found = {name: value for name, value in query.items() if name not in NAMES}
    complaints = []
    for field, (packed, kept) in TEXTS.items():
        if packed in query:
            text, complaint = _unpacked(query[packed]), _(_DAMAGED[field])
        elif kept in query:
            text, complaint = shelf().text(query[kept]), _(_GONE[field])
        else:
            continue
        if text is None:
            complaints.append(complaint)
        if text is not None or field == "text2":
            found[field] = found.get("text", DEFAULT_TEXT) if text is None else text
    return found, tuple(complaints)


def _replaced(query: Mapping[str, str], field: str, name: str, value: str) -> dict[str, str]:
    return {key: text for key, text in query.items() if key != field} | {name: value}


@lru_cache(maxsize=KEPT)
def _packed(text: str) -> str | None:
    """The text in letters that a link takes as they are; None for one that need not be packed."""
    if len(text) <= PLAIN // 12 or len(quote_plus(text, errors="replace")) <= PLAIN:  # a character takes 12 at most
        return None
    return urlsafe_b64encode(compress(text.encode("utf-8", "surrogatepass"), 9)).decode().rstrip("=")


@lru_cache(maxsize=KEPT)
def _unpacked(packed: str) -> str | None:
    """The text again; None for what is none. It cannot unfold to more than a text may have."""
    try:
        opened = decompressobj()
        raw = opened.decompress(urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), _MOST_BYTES)
        text = raw.decode("utf-8", "surrogatepass")
        return text if opened.eof and len(text) <= MAX_CHARACTERS else None
    except (ValueError, ZlibError):
        return None


@lru_cache(maxsize=KEPT)
def _name(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
