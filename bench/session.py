"""A reader without a browser: a WebSocket session that speaks Streamlit's own messages, as its page would."""

import asyncio
import hashlib
from collections.abc import Mapping
from random import Random
from time import perf_counter
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench.remembered import Remembered

PATIENCE = 300  # seconds for one answer
QUIET = 0.5  # seconds without another run until a page counts as there
View = Mapping[str, str | int]
_FIGURES = ("bidi_component", "plotly_chart", "iframe")
_WHOLE = ForwardMsg.FINISHED_SUCCESSFULLY


class Session:
    """One reader. As the page in a browser does, it asks again where the server wants to be polled, and forgets.

    figures  hash of every figure on its page, by name; fewer while it is drawn anew
    page     the same of the last page that was waited for
    bytes    received so far
    asked    views that it went to
    drawn    pages that came, whole
    polls    times that a part of the page was asked for again
    memory   what it remembers of the messages it got, and which were lost
    errors   what went wrong on its page
    ended    when the last page that was waited for was there
    """

    def __init__(self, port: int, lag: float = 0.0) -> None:
        """lag: seconds that the reader's machine takes for a message at most, as chance has it, one after the other."""
        self._address = f"ws://127.0.0.1:{port}/_stcore/stream"
        self.figures: dict[str, str] = {}
        self.page: dict[str, str] = {}
        self.bytes = self.asked = self.drawn = self.polls = 0
        self.memory = Remembered()
        self.errors: list[str] = []
        self.ended = 0.0
        self._query = ""
        self._lag, self._chance = lag, Random(port)
        self._polls: dict[str, tuple[float, asyncio.Task]] = {}  # by part: seconds between two, and who asks
        self._drawing = False
        self._pages: list[tuple[float, dict[str, str]]] = []  # when the page was there, whole, with which figures

    async def __aenter__(self) -> "Session":
        self._socket: ClientConnection = await connect(
            self._address, subprotocols=[Subprotocol("streamlit")], max_size=None
        )
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the tab."""
        self._listening.cancel()
        self._stop()
        await self._socket.close()

    async def send(self, view: View) -> None:
        """Go to a view, and do not wait for its page."""
        self._query = urlencode(view)
        self.asked += 1
        await self._ask()

    async def go(self, *views: View, pause: float = 0.0) -> float:
        """Go to a view, or to one after the other without waiting for their pages; seconds until the last is there.
        TimeoutError where it does not come; ConnectionError where the server goes away."""
        for view in views[:-1]:
            await self.send(view)
            await asyncio.sleep(pause)
        begun = perf_counter()
        self._pages.clear()
        await self.send(views[-1])
        async with asyncio.timeout(PATIENCE):
            while self._drawing or not self._pages or perf_counter() - self._pages[-1][0] < QUIET:
                if self._listening.done():
                    self._listening.result()
                    raise ConnectionError("the server closed the connection")
                await asyncio.sleep(0.02)
        self.page = dict(self.figures)
        # The page may be drawn again when all verdicts are known: what counts is when it first looked as it does now.
        self.ended = next((at for at, figures in self._pages if figures == self.figures), self._pages[-1][0])
        return self.ended - begun

    async def _ask(self, fragment: str = "") -> None:
        message = BackMsg()
        message.rerun_script.query_string = self._query
        message.rerun_script.fragment_id = fragment
        message.rerun_script.is_auto_rerun = bool(fragment)
        message.rerun_script.cached_message_hashes.extend(self.memory.names)
        await self._socket.send(message.SerializeToString())

    async def _listen(self) -> None:
        async for received in self._socket:
            data = received if isinstance(received, bytes) else received.encode()
            self.bytes += len(data)
            if self._lag:
                await asyncio.sleep(self._lag * self._chance.random())
            message = self.memory.read(data)
            if message is None:
                self.errors.append("a message was named that the page had forgotten: something is missing on it")
            else:
                self._take(message)

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._see(message.delta.new_element)
        elif kind == "auto_rerun":
            self._poll(message.auto_rerun.fragment_id, message.auto_rerun.interval)
        elif kind == "new_session" and not message.metadata.run.fragment_ids:
            self._begin()
        elif kind == "script_finished" and message.script_finished == _WHOLE:
            self._drawing = False
            self.drawn += 1
            if self.figures or self.errors:
                self._pages.append((perf_counter(), dict(self.figures)))

    def _see(self, element: Element) -> None:
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.errors.append(element.exception.message)
        if kind in _FIGURES and ".figure" in (name := getattr(element, kind).id):
            shown = getattr(element, kind)
            self.figures[name.split("-", 2)[-1]] = hashlib.sha256(_content(kind, shown)).hexdigest()

    def _poll(self, fragment: str, interval: float) -> None:
        """Ask for a part of the page again and again, as often as it wants by now."""

        async def ask() -> None:
            while True:
                await asyncio.sleep(interval)
                self.polls += 1
                await self._ask(fragment)

        before, task = self._polls.get(fragment, (None, None))
        if before != interval:
            if task is not None:
                task.cancel()
            self._polls[fragment] = (interval, asyncio.create_task(ask()))

    def _begin(self) -> None:
        """The whole page is drawn anew: its figures come again, and what is to be polled on it is said again."""
        self._drawing, self.figures = True, {}
        self._stop()

    def _stop(self) -> None:
        """Ask for no part of the page any more."""
        for _interval, task in self._polls.values():
            task.cancel()
        self._polls.clear()


def _content(kind: str, shown: Any) -> bytes:
    """What a figure shows, without what differs from session to session."""
    return shown.bytes or shown.json.encode() if kind == "bidi_component" else shown.SerializeToString()
