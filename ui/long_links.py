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

from anatomy.language import _
from models.engine import MAX_CHARACTERS

PLAIN = 4_000  # characters of a link that a text may take as it is
WHOLE = 60_000  # characters of a link, whatever is in it: servers refuse requests from 64 KB on
KEPT = 128  # texts that the server keeps
NAMES = ("packed", "kept")
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
    packed = _packed(query.get("text", ""))
    own = dict(query) if packed is None else _replaced(query, "packed", packed)
    if _fits({**others, **own}):
        return {**others, **own}
    own = own if packed is None or _fits(own) else near(query)
    return {**others, **own} if _fits({**others, **own}) else own


def _fits(query: Mapping[str, str]) -> bool:
    return len(urlencode(query, errors="replace")) <= WHOLE


def near(query: Mapping[str, str]) -> dict[str, str]:
    """The same as a link on this page has it: short."""
    text = query.get("text", "")
    return dict(query) if _packed(text) is None else _replaced(query, "kept", shelf().keep(text))


def out_of(query: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """(the query with its text as it was typed, complaints about a text that cannot be had)."""
    rest = {name: value for name, value in query.items() if name not in NAMES}
    if "packed" in query:
        text, complaint = _unpacked(query["packed"]), _("The text in this link is damaged: another one is shown.")
    elif "kept" in query:
        text = shelf().text(query["kept"])
        complaint = _("The text of this link was kept by the server and is gone: another one is shown.")
    else:
        return rest, ()
    return (rest, (complaint,)) if text is None else (rest | {"text": text}, ())


def _replaced(query: Mapping[str, str], name: str, value: str) -> dict[str, str]:
    return {key: text for key, text in query.items() if key != "text"} | {name: value}


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
