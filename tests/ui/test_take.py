"""What a reader takes along: the tab with its buttons, the matrix, the arrays, and the script that draws pictures."""

import asyncio
import gzip
import io
import json
from collections.abc import Callable
from unittest.mock import Mock

import numpy as np
import pytest
from plotly.offline import get_plotlyjs
from starlette.routing import Match, Route
from streamlit.testing.v1 import AppTest

import panels
from anatomy.request import Want
from anatomy.view import View
from panels.answer import PanelAnswer
from tests.models.tiny import tiny_engine
from ui import arrays_file, plotly_script, take
from ui.components.take import Asked
from viz.description import Description

TEXT = "abcabc, the café"
TAB = "Link, embed, export"


@pytest.fixture
def opened(open_page: Callable[..., AppTest]) -> Callable[..., AppTest]:
    """opened(panel): the page with that panel's last tab open."""

    def open_tab(panel: str) -> AppTest:
        app = open_page(panel=panel, text=TEXT)
        app.session_state[f"{panel}.tabs"] = TAB
        return app.run()

    return open_tab


def buttons(app: AppTest) -> list[str]:
    """The files that are offered."""
    return [button.proto.label for button in app.get("download_button")]


def component(app: AppTest, panel: str) -> dict:
    return json.loads(app.get_by_key(f"{panel}.take").proto.json)[0]


def test_a_map_is_offered_as_pictures_page_numbers_matrix_and_arrays(opened):
    app = opened("attention")
    assert not app.exception
    assert buttons(app) == [
        "Page (HTML)",
        "Figure (JSON)",
        "Table (CSV)",
        "Matrix (CSV)",
        "Arrays (NumPy)",
    ]
    shown = component(app, "attention")
    assert (shown["kinds"], shown["file"], shown["picture"]) == (["png", "svg"], "stagelight-attention", None)


def test_a_figure_that_is_no_matrix_has_no_matrix_to_save(opened):
    assert "Matrix (CSV)" not in buttons(opened("writes"))


def test_what_a_picture_is_made_of_comes_when_it_is_asked_for_and_goes_with_the_view(opened):
    app = opened("attention")
    app.session_state["attention.take.asked"] = (Asked("png", True, 7), app_link(app))
    app.run()
    picture = component(app, "attention")["picture"]
    assert picture["asked"] == {"kind": "png", "dark": True, "number": 7}
    assert picture["title"] == panels.load()["attention"].title
    assert json.loads(picture["figure"])["data"][0]["type"] == "heatmap"
    app.query_params["head"] = "1"
    app.run()
    assert component(app, "attention")["picture"] is None


def app_link(app: AppTest) -> str:
    """The view of the page's link, as the tab notes it."""
    from ui import links

    return links.query(View(panel="attention", text=TEXT))


def test_bertviz_says_that_there_is_no_picture_of_it(opened):
    app = opened("bertviz")
    said = " ".join(str(element.proto.body) for element in app.get("html"))
    assert "make no picture" in said
    assert "Arrays (NumPy)" in buttons(app)


@pytest.mark.parametrize("panel", panels.load())
def test_every_figure_but_bertvizs_has_a_form_that_pictures_are_made_of(panel):
    answer = answered(panel)
    if answer is not None and isinstance(answer.description, Description):
        drawn = json.loads(take.export.to_picture(answer.description, dark=True))
        assert drawn["data"] or drawn["layout"].get("shapes") or drawn["layout"].get("annotations")
        assert drawn["layout"]["template"]["layout"]["paper_bgcolor"]


def answered(panel: str, kind: str = "llama") -> PanelAnswer | None:
    """The panel's answer of a tiny model; None where that has no such part."""
    engine, shown = tiny_engine(kind), panels.load()[panel]
    if shown.closed(engine.spec) is not None:
        return None
    run = View(text=TEXT).run(engine.spec)
    view = View(text=TEXT).fit(engine.spec, engine.run(run).tokens)
    return PanelAnswer.of(shown, engine.run(run, shown.needs(engine.spec, view)), view)


def test_the_arrays_of_a_panel_come_back_as_the_trace_has_them():
    engine = tiny_engine("llama")
    shown = panels.load()["attention"]
    run = View(text=TEXT).run(engine.spec)
    view = View(text=TEXT).fit(engine.spec, engine.run(run).tokens)
    wants = tuple(shown.needs(engine.spec, view))
    trace = engine.run(run, wants)
    with np.load(io.BytesIO(arrays_file.packed(trace, wants)), allow_pickle=False) as file:
        for want in wants:
            np.testing.assert_array_equal(file[arrays_file.name(want)], trace[want])
        assert file["token_ids"].tolist() == [token.id for token in trace.tokens]
        assert file["token_pieces"].tolist() == [token.piece for token in trace.tokens]
        assert file["token_labels"].tolist() == list(trace.labels)
        assert str(file["text"]) == TEXT
        assert (str(file["model"]), str(file["revision"]), str(file["dtype"])) == (
            engine.spec.weights.title or engine.spec.name,
            engine.spec.revision,
            engine.spec.dtype,
        )
        known = {f"{arrays_file.name(want)} [" for want in wants}
        assert {line[: line.index("[") + 1] for line in file["axes"].tolist()} == known


def test_each_place_of_an_array_has_a_name_of_its_own():
    wants = [
        Want("pattern", 3),
        Want("pattern", 3, pos=1),
        Want("pattern", 3, head=1),
        Want("pattern", 3, head=1, window=(0, 4, 0, 8)),
        Want("attribution", 3, token=-1),
        Want("attribution", 3, token=1),
        Want("attribution", 3, token=1, against=-2),
        Want("pattern", 3, stack="enc"),
    ]
    names = [arrays_file.name(want) for want in wants]
    assert len(set(names)) == len(names)
    assert names[:4] == ["pattern.layer3", "pattern.layer3.pos1", "pattern.layer3.head1", f"{names[2]}.window0-4-0-8"]


def test_the_arrays_are_asked_for_when_the_file_is_not_before():
    engine = tiny_engine("llama")
    run, wants, come, missing = View(text=TEXT).run(engine.spec), (Want("pattern", 0),), Want("q", 0), Want("k", 0)
    model = Mock()
    model.run = Mock(side_effect=engine.run)
    model.held = lambda run, wants: engine.run(run, [want for want in wants if want == come])
    with np.load(io.BytesIO(take._packed(model, run, wants, (come, missing))), allow_pickle=False) as file:
        assert file["pattern.layer0"].shape[0] == engine.spec.n_heads
        assert {"q.layer0", "k.layer0"} & set(file) == {"q.layer0"}  # what has not come is not worked out for the file
    model.run.assert_called_once_with(run, (*wants, come))


def fetched(method: str = "GET", **headers: str) -> tuple[dict[bytes, bytes], bytes]:
    """(headers, body) of the script, as a browser that sends these headers gets it."""
    said: list = []

    async def send(message: object) -> None:
        said.append(message)

    async def receive() -> dict:
        return {}

    scope = {"type": "http", "method": method, "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}
    asyncio.run(plotly_script.PlotlyScript()(scope, receive, send))
    return dict(said[0]["headers"]), said[1]["body"]


def test_the_script_is_plotlys_own_compressed_for_whoever_takes_that_and_kept():
    plain, packed = fetched(), fetched(**{"accept-encoding": "gzip, br"})
    assert plain[1] == gzip.decompress(packed[1]) == get_plotlyjs().encode()
    assert len(packed[1]) < len(plain[1]) / 2.5
    for headers, body in (plain, packed):
        assert headers[b"content-length"] == b"%d" % len(body)
        assert b"immutable" in headers[b"cache-control"]
    assert packed[0][b"content-encoding"] == b"gzip"
    assert fetched("HEAD")[1] == b""


@pytest.mark.parametrize("base", ["", "some/base/"])
def test_the_script_is_found_below_the_address_of_the_page(base):
    route = Route(plotly_script.ROUTE, plotly_script.PlotlyScript())
    scope = {"type": "http", "method": "GET", "path": f"/{base}{plotly_script.NAME}"}
    assert route.matches(scope)[0] == Match.FULL
    assert route.matches(scope | {"path": f"/{base}other.js"})[0] == Match.NONE


def test_no_picture_is_of_a_kind_that_there_is_none_of():
    with pytest.raises(ValueError, match="'exe'"):
        take.take._read(["exe", False, 1])
    assert take.take._read(["svg", False, 3]) == Asked("svg", False, 3)
