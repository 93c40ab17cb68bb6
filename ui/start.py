"""What a server does before its first reader comes: it imports the page, then begins with its first model."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread

from anatomy.refused import Refused

_LOG = logging.getLogger(__name__)


@asynccontextmanager
async def ahead(_app: object) -> AsyncIterator[None]:
    """While the server runs. It answers at once; the rest comes in the background, while the browser gets ready."""
    Thread(target=_prepare, name="prepare", daemon=True).start()
    yield


def _prepare() -> None:
    """The page's imports first: no figure can be drawn without them, but the first is drawn without the model. What is
    wrong with how the server was started is said here to whoever did, and on the page to its readers."""
    import articles
    import panels
    import ui.host
    import ui.page

    panels.load()
    articles.load()
    try:
        next(iter(ui.host.models().values())).begin()
    except Refused as refused:
        _LOG.error("%s", refused)
