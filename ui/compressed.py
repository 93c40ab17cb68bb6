"""Streamlit's own scripts and styles, compressed for readers on other machines: it sends them as they are, 3 MB for a
first visit. Each file is compressed once; a browser on this machine, or a proxy, gets it as it is."""

import gzip
from asyncio import Lock, to_thread
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from posixpath import normpath
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

LEAST = 1000  # bytes that are worth it
LEVEL = 6
_HERE = ("127.", "::1", "::ffff:127.")
_TEXT = (b"text/css", b"text/javascript", b"application/javascript", b"application/json")


class Compressed:
    """The app before which it stands, with those files compressed.

    What is kept is bounded by the files that Streamlit has: 7 MB if somebody asked for every one of them.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._kept: dict[str, list[Message]] = {}
        self._making = Lock()  # a class that comes all at once has each file compressed once

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _wanted(scope):
            await self._app(scope, receive, send)
            return
        async with self._making:
            answer = self._kept.get(scope["path"]) or await self._answer(scope, receive)
        for message in answer:
            await send(message)

    async def _answer(self, scope: Scope, receive: Receive) -> list[Message]:
        """The app's own answer, compressed and kept where it is a script or a style."""
        said: list[Message] = []

        async def hear(message: Message) -> None:
            said.append(message)

        await self._app(scope, receive, hear)
        start, body = said[0], b"".join(message.get("body", b"") for message in said[1:])
        if start["status"] != 200 or len(body) < LEAST or not _text(start["headers"]):
            return said
        small = await to_thread(gzip.compress, body, LEVEL, mtime=0)
        headers = _headers(start["headers"], len(small))
        self._kept[scope["path"]] = [
            {"type": "http.response.start", "status": 200, "headers": headers},
            {"type": "http.response.body", "body": small},
        ]
        return self._kept[scope["path"]]


def _wanted(scope: Scope) -> bool:
    """Whether a browser on another machine that takes gzip asks for a whole script or style of Streamlit's own."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    if not scope["client"] or scope["client"][0].startswith(_HERE):
        return False
    asked = {name.lower(): value for name, value in scope["headers"]}
    own = "/static/js/" in scope["path"] or "/static/css/" in scope["path"]
    own = own and normpath(scope["path"]) == scope["path"]  # one file has one name, or it would be kept under many
    return own and b"gzip" in asked.get(b"accept-encoding", b"") and not asked.keys() & {b"range", b"if-none-match"}


def _text(headers: Headers) -> bool:
    named = dict(headers)
    return named.get(b"content-type", b"").startswith(_TEXT) and b"content-encoding" not in named


def _headers(before: Headers, length: int) -> Headers:
    """Those of the file, for its compressed form: another length, no parts of it, a tag that means: equal when read."""
    kept = [(name, value) for name, value in before if name not in (b"content-length", b"accept-ranges", b"etag")]
    tags = [(name, b"W/" + value.removeprefix(b"W/")) for name, value in before if name == b"etag"]
    added = [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding"), (b"content-length", b"%d" % length)]
    return [*kept, *tags, *added]
