"""plotly.js for readers who save a picture: read from Plotly's package, and served once per browser."""

import gzip
from asyncio import Lock, to_thread
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from plotly.offline import get_plotlyjs, get_plotlyjs_version

NAME = f"plotly-{get_plotlyjs_version()}.min.js"
"""Its address, beside the page's own: another version has another one, so that browsers may keep it."""
ROUTE = "/{base:path}" + NAME
"""The same for the server, below whatever address the page has."""
LEVEL = 6
_HEADERS = (
    (b"content-type", b"text/javascript; charset=utf-8"),
    (b"cache-control", b"public, max-age=31536000, immutable"),
)


class PlotlyScript:
    """What answers that address, with the script compressed: 1.4 MB in place of 4.6. It is compressed once."""

    def __init__(self) -> None:
        self._small = b""
        self._making = Lock()  # a class that asks all at once has it compressed once

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        asked = {name.lower(): value for name, value in scope["headers"]}
        headers, packed = [*_HEADERS, (b"vary", b"Accept-Encoding")], _takes_gzip(asked.get(b"accept-encoding", b""))
        body = await self._compressed()
        if not packed:  # hardly a browser: from the small one, which is in memory
            body = await to_thread(gzip.decompress, body)
        else:
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _compressed(self) -> bytes:
        async with self._making:
            self._small = self._small or await to_thread(_packed)
        return self._small


def _takes_gzip(header: bytes) -> bool:
    """Whether a browser takes it, by its Accept-Encoding (RFC 9110, sec. 12.5.3): named, and not with a weight of 0."""
    named = [part.replace(b" ", b"").partition(b";q=") for part in header.lower().split(b",")]
    return any(
        name == b"gzip" and weight.strip(b"0.") != b"" if mark else name == b"gzip" for name, mark, weight in named
    )


def _packed() -> bytes:
    return gzip.compress(get_plotlyjs().encode(), LEVEL, mtime=0)
