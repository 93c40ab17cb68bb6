"""What a visit costs: what is imported, what is sent, what runs again, and that no collection pauses the page."""

import asyncio
import gc
import gzip
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any
from urllib.request import Request, urlopen

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.Selectbox_pb2 import Selectbox
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets import Subprotocol
from websockets.sync.client import ClientConnection, connect

import panels
from anatomy.control import Control, Slider, Switch
from bench.proxy import PROXIES
from bench.server import Server
from bench.session import Session
from models.connect import uncollected
from panels.common import zoomed
from panels.panel import Panel
from tests.bench.tiny_server import tiny_server
from tests.until import until
from ui import host, hosted, start
from ui.compressed import Compressed

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
# Those with controls of a short text and model: there is nothing to zoom in one, and no choice of distances. The lens
# grid offers a window where a wider one has to be filled in, and that asks the whole page. The tiny models come out of no
# file whose bits could be shown.
WITH_CONTROLS = [
    panel
    for panel in panels.load().values()
    if set(panel.controls) - set(zoomed.settings()) and panel.id not in ("distance", "lensgrid", "stored")
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a tiny model."""
    with tiny_server(tmp_path_factory.mktemp("server")) as running:
        yield running


FIRST_PAGE = """
import sys
from streamlit.testing.v1 import AppTest
from ui import hosted
hosted.HEAD_START = 60.0  # nobody's browser says that the page is there: the model is not loaded meanwhile
app = AppTest.from_file("page.py", default_timeout=30)
for panel in sys.argv[1:]:
    app.query_params["panel"] = panel
app.run()
assert not app.exception
print("drawn:", *(element.key for element in app.get("bidi_component")))
print(*sys.modules)
"""


@pytest.mark.parametrize(
    ("link", "shows"),
    [
        ((), {"textbox", "whole_way", "passage.figure"}),
        (("attention",), {"textbox", "strip", "stagemap", "attention.figure", "heads.figure", "claims"}),
    ],
    ids=["first visit", "attention"],
)
def test_the_first_page_is_drawn_without_the_libraries_that_models_need_and_without_pandas(link, shows):
    command = [sys.executable, "-c", FIRST_PAGE, *link]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    drawn, imported = (set(line.split()) for line in done.stdout.splitlines())
    assert shows <= drawn
    assert "ui.page" in imported
    unneeded = {
        "torch",
        "transformers",
        "peft",
        "tokenizers",
        "safetensors",
        "bertviz",
        "scipy",
        "matplotlib",
        "pandas",
    }
    assert not imported & unneeded


def test_no_collection_follows_each_run():
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))
    assert settings["runner"]["postScriptGC"] is False


def test_what_a_model_brought_is_never_walked_by_the_collector_again(monkeypatch):
    """So that it holds too where somebody starts the server with settings of their own."""
    monkeypatch.setattr(hosted, "connect", lambda address, report: object())
    gc.unfreeze()
    try:
        model = host.HostedModel("local:x", recorded=None)
        model._load()
        assert model.live
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < 10_000
    finally:
        gc.unfreeze()


def test_the_collector_rests_while_a_library_is_imported_and_works_again_after_it():
    assert gc.isenabled()
    with uncollected(), uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), uncollected():
        raise ImportError
    assert gc.isenabled()


def test_a_server_loads_its_first_model_before_anybody_comes(monkeypatch):
    begun = Event()

    class Model:
        def begin(self):
            begun.set()

    monkeypatch.setattr(host, "models", lambda: {"first": Model(), "second": None})

    async def run():
        async with start.ahead(None):
            assert await asyncio.to_thread(begun.wait, 20)

    asyncio.run(run())


SCRIPT = b"const value = 1;\n" * 500
THERE, HERE = "192.0.2.7", "127.0.0.1"


class Files:
    """An app as Streamlit's: a script, a picture, its page for whatever it does not know. asked: how often."""

    asked = 0

    async def __call__(self, scope, receive, send):
        self.asked += 1
        kind, body = {
            "/static/js/a.js": (b"application/javascript", SCRIPT),
            "/static/js/small.js": (b"application/javascript", b"1"),
            "/static/js/a.png": (b"image/png", SCRIPT),
        }.get(scope["path"], (b"text/html; charset=utf-8", SCRIPT))
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"etag", b'"1"')]
        headers.append((b"accept-ranges", b"bytes"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body[:100], "more_body": True})
        await send({"type": "http.response.body", "body": body[100:]})


async def get(app, path, client, **headers) -> tuple[dict[bytes, bytes], bytes]:
    """Headers and body of an answer."""
    asked = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "client": (client, 1), "headers": asked}
    said = []

    async def send(message):
        said.append(message)

    await app(scope, None, send)
    return dict(said[0]["headers"]), b"".join(message["body"] for message in said[1:])


def test_scripts_go_compressed_to_other_machines_and_each_is_compressed_once():
    files = Files()
    app = Compressed(files)

    async def a_class():
        return await asyncio.gather(
            *(get(app, "/static/js/a.js", THERE, accept_encoding="gzip, br") for _i in range(9))
        )

    for headers, body in asyncio.run(a_class()):
        assert gzip.decompress(body) == SCRIPT
        assert headers[b"content-encoding"] == b"gzip"
        assert headers[b"content-length"] == b"%d" % len(body)
        assert headers[b"vary"] == b"Accept-Encoding"
        assert headers[b"etag"] == b'W/"1"'
        assert b"accept-ranges" not in headers
    assert files.asked == 1


@pytest.mark.parametrize(
    ("path", "client", "headers"),
    [
        ("/static/js/a.js", HERE, {"accept_encoding": "gzip"}),
        ("/static/js/a.js", "::1", {"accept_encoding": "gzip"}),
        ("/static/js/a.js", THERE, {}),
        ("/static/js/a.js", THERE, {"accept_encoding": "gzip", "range": "bytes=0-9"}),
        ("/static/js/a.js", THERE, {"accept_encoding": "gzip", "if_none_match": '"1"'}),
        ("/static/js/small.js", THERE, {"accept_encoding": "gzip"}),
        ("/static/js/a.png", THERE, {"accept_encoding": "gzip"}),
        ("/static/js/not-there.js", THERE, {"accept_encoding": "gzip"}),
        ("/", THERE, {"accept_encoding": "gzip"}),
    ],
)
def test_everything_else_is_passed_on_as_it_is(path, client, headers):
    files = Files()
    app = Compressed(files)
    first, second = (asyncio.run(get(app, path, client, **headers)) for _again in range(2))
    assert first == second
    assert b"content-encoding" not in first[0]
    assert first[0][b"etag"] == b'"1"'
    assert first[1] in (SCRIPT, b"1")
    assert files.asked == 2


@pytest.mark.parametrize("proxy", PROXIES, ids=lambda proxy: proxy.name)
def test_behind_a_documented_proxy_the_page_works_and_scripts_are_compressed(tiny, proxy):
    if not proxy.installed:
        pytest.skip(f"{proxy.name} is not on this machine")
    with proxy.before(tiny.port) as port:
        page = urlopen(f"http://127.0.0.1:{port}/").read().decode()
        script = page.partition('src="./')[2].partition('"')[0]
        with urlopen(Request(f"http://127.0.0.1:{port}/{script}", headers={"Accept-Encoding": "gzip"})) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            small = answer.read()
        assert len(small) < 0.4 * len(gzip.decompress(small))
        assert "attention.figure" in asyncio.run(_figures(port))


async def _figures(port: int) -> dict[str, str]:
    async with Session(port) as reader:
        await reader.go({"panel": "attention"})
        return reader.figures


class Reader:
    """A session that moves widgets one after the other, as the browser does, and sees what runs again for it."""

    def __init__(self, socket: ClientConnection, query: str) -> None:
        self._socket = socket
        self.query = query
        self.widgets: dict[str, tuple[str, Any]] = {}  # by key: (the fragment that it stands in, its last message)
        self._returning: set[str] = set()  # fragments of the page that come back by themselves

    def settled(self, panel: Panel) -> dict[str, tuple[str, Any]]:
        """As `open`, once the panel's figure has been filled in: until then its part of the page comes back by itself,
        and the last time the whole page is drawn."""

        def filled() -> bool:
            self.open()
            own = {fragment for key, (fragment, _widget) in self.widgets.items() if key.startswith(f"{panel.id}.")}
            return not own & self._returning

        until(filled)
        return self.widgets

    def open(self) -> dict[str, tuple[str, Any]]:
        """The page's widgets by key: (the fragment that they stand in, their message)."""
        self.widgets.clear()
        self._returning.clear()
        for message in self._ask(BackMsg()):
            if message.WhichOneof("type") == "auto_rerun":
                self._returning.add(message.auto_rerun.fragment_id)
        return self.widgets

    def move(self, fragment: str, state: WidgetState) -> list[list[str]]:
        """Move one widget; the fragments of each run that follows, none where the whole page runs."""
        asked = BackMsg()
        asked.rerun_script.fragment_id = fragment
        asked.rerun_script.widget_states.widgets.append(state)
        began = [message for message in self._ask(asked) if message.WhichOneof("type") == "new_session"]
        return [list(message.metadata.run.fragment_ids) for message in began]

    def _ask(self, asked: BackMsg) -> Iterator[ForwardMsg]:
        asked.rerun_script.query_string = self.query
        self._socket.send(asked.SerializeToString())
        while True:
            message = ForwardMsg.FromString(self._socket.recv(timeout=30))
            kind = message.WhichOneof("type")
            if kind == "page_info_changed":
                self.query = message.page_info_changed.query_string
            drawn = message.delta.new_element.WhichOneof("type")
            if drawn in WIDGETS:
                widget = getattr(message.delta.new_element, drawn)
                self.widgets[widget.id.split("-", 2)[-1].partition("~")[0]] = (message.delta.fragment_id, widget)
            yield message
            if kind == "script_finished" and message.script_finished in LAST:
                return


WIDGETS = ("checkbox", "selectbox", "button_group", "slider")
LAST = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)


def moved(control: Control | None, widget: Any) -> WidgetState:
    """The widget set to something else than it shows. control: None for a stepper."""
    state = WidgetState(id=widget.id)
    match control:
        case Switch():
            state.bool_value = not control.default
        case Slider(powers=True):
            state.string_array_value.data.append(widget.options[0 if control.default > control.low else -1])
        case Slider():
            state.double_array_value.data.append(control.low if control.default > control.low else control.high)
        case _ if isinstance(widget, Selectbox):
            state.string_value = next(option for option in widget.options if option != widget.raw_value)
        case _:
            options = [option.content for option in widget.options]
            state.string_array_value.data.append(next(option for option in options if option not in widget.raw_values))
    return state


@contextmanager
def reading(server: Server, query: str) -> Iterator[Reader]:
    address = f"ws://127.0.0.1:{server.port}/_stcore/stream"
    with connect(address, subprotocols=[Subprotocol("streamlit")], max_size=None) as socket:
        yield Reader(socket, query)


@pytest.mark.parametrize("panel", WITH_CONTROLS, ids=lambda panel: panel.id)
def test_a_panels_own_controls_redraw_the_stage_and_not_the_page(tiny, panel):
    with reading(tiny, f"panel={panel.id}&pos=5") as reader:
        there = reader.settled(panel)
        drawn = [control for control in panel.controls if f"{panel.id}.{control.name}" in there]
        assert drawn
        for control in drawn:
            fragment, widget = reader.widgets[f"{panel.id}.{control.name}"]
            assert fragment, f"{control.name} stands outside of every fragment"
            assert reader.move(fragment, moved(control, widget)) == [[fragment]], control.name
            assert f"{control.name}=" in reader.query, f"{control.name} was not moved"


def test_the_layer_redraws_the_page_because_the_map_follows_it(tiny):
    """The counter-proof: a run of the whole page would be seen."""
    with reading(tiny, "panel=attention") as reader:
        fragment, widget = reader.open()["attention.layer"]
        assert reader.move(fragment, moved(None, widget)) == [[fragment], []]
