"""What a server does before its first reader comes: it imports the page, then begins with its first model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread


@asynccontextmanager
async def ahead(_app: object) -> AsyncIterator[None]:
    """While the server runs. It answers at once; the rest comes in the background, while the browser gets ready."""
    Thread(target=_prepare, name="prepare", daemon=True).start()
    yield


def _prepare() -> None:
    """The page's imports first: no figure can be drawn without them, but the first is drawn without the model."""
    import articles
    import panels
    import ui.host
    import ui.page

    panels.load()
    articles.load()
    next(iter(ui.host.models().values())).begin()
