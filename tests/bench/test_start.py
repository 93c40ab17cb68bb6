"""The measurement of the start: what counts as what, and in a real browser that it sees what it should."""

import pytest

from bench import start
from bench.proxy import PROXIES
from bench.start import Round, Visit, Weight
from tests.models.checkpoints.tiny_checkpoints import write_gguf


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("http://127.0.0.1:1/", "Streamlit"),
        ("http://127.0.0.1:1/?panel=output", "Streamlit"),
        ("http://127.0.0.1:1/static/js/index.DormvYxC.js", "Streamlit"),
        ("http://127.0.0.1:1/static/css/index.C1JORDN2.css", "Streamlit"),
        ("http://127.0.0.1:1/static/js/PlotlyChart.D9Z0_fxz.js", "Plotly"),
        ("http://127.0.0.1:1/static/media/SourceSansVF.woff2", "fonts"),
        ("http://127.0.0.1:1/app/static/inter-latin.woff2", "fonts"),
        ("http://127.0.0.1:1/app/static/icon.svg", "ours"),
        ("http://127.0.0.1:1/_stcore/host-config", "ours"),
    ],
)
def test_every_byte_is_counted_with_whose_it_is(address, kind):
    assert start.kind(address) == kind


def test_what_the_browser_has_already_is_not_counted():
    weight = Weight()
    for number, size in ((1, 4000), (2, 0)):
        weight._answered({"requestId": number, "response": {"url": f"http://127.0.0.1:1/static/js/{number}.js"}})
        weight._loaded({"requestId": number, "encodedDataLength": size})
    assert (weight.requests, weight.total) == (1, 4000)


def test_what_comes_over_the_socket_is_counted_as_bytes_not_as_letters():
    weight = Weight()
    weight._framed({"response": {"payloadData": "AAAA", "opcode": 2}})
    assert weight.bytes["ours"] == 3


def test_the_table_has_medians_and_says_when_the_model_was_live():
    rounds = [Round(1.0, live, {f"opening, {start.NEW}": Visit(figure, 3.0, 0.0, Weight())}) for live, figure in
              ((4.0, 1.0), (9.0, 2.0), (5.0, 9.0))]  # fmt: skip
    said = start.table(rounds)
    assert "| opening, new server | 2 | 3 |" in said
    assert "live after 5.0 s" in said


@pytest.mark.parametrize("proxy", PROXIES, ids=lambda proxy: proxy.name)
def test_a_documented_configuration_is_used_as_it_is_but_for_the_addresses(proxy):
    text = proxy.configured(1234, 5678)
    assert "127.0.0.1:1234" in text
    assert "127.0.0.1:5678" in text
    assert "8501" not in text
    assert "gzip" in text


def test_a_configuration_without_the_servers_address_is_named(monkeypatch, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "nginx.conf").write_text("listen 80;")
    monkeypatch.setattr("bench.proxy.ROOT", tmp_path)
    with pytest.raises(ValueError, match=r"docs/nginx.conf does not say '127.0.0.1:8501'"):
        PROXIES[0].configured(1234, 5678)


@pytest.mark.browser
def test_a_canvas_needs_no_plotly_and_a_reload_fetches_nothing_anew(browser, tmp_path, monkeypatch):
    monkeypatch.setenv("STAGELIGHT_CACHE", str(tmp_path / "cache"))
    model = str(write_gguf(tmp_path / "tiny.gguf"))
    found = start.once(browser, model, [])
    opening, canvas, plotly = (found.visits[f"{panel}, {start.READY}"].weight for panel in start.PANELS)
    assert opening.bytes["Plotly"] == canvas.bytes["Plotly"] == 0
    assert plotly.bytes["Plotly"] > 1_000_000
    assert canvas.bytes["Streamlit"] > 1_000_000
    for panel in start.PANELS:
        again = found.visits[f"{panel}, reloaded"].weight
        assert again.bytes["Streamlit"] + again.bytes["Plotly"] + again.bytes["fonts"] < 20_000
        assert again.bytes["ours"] > 10_000
    assert all(0 < visit.figure <= visit.live for visit in found.visits.values())
    assert 0 < found.reachable < found.live
