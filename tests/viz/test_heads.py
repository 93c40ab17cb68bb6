"""BertViz's views as pages: nothing is fetched, the reader's text stays text, the libraries are those installed."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browsing import expect_of
from viz import heads_scripts
from viz.export import to_frame, to_html, to_json
from viz.heads import Heads, Vectors
from viz.theme import LIGHT

ODD = '</script><script>document.title = "run"</script><!-- \u2028"&<img src=x onerror=alert(1)>'


_CHECKED = "() => [...document.querySelectorAll('[role=checkbox]')].map((one) => one.getAttribute('aria-checked'))"
_FITS = "() => { const box = document.getElementById('bertviz'); return box.scrollWidth <= box.clientWidth; }"
VIEWS = ["head", "model", "neuron"]


def example(view: str = "head", labels: tuple[str, ...] = ("a", ODD, "c")) -> Heads:
    n = len(labels)
    weights = np.broadcast_to(np.tri(n) / np.arange(1, n + 1)[:, None], (2, 4, n, n)).astype("f4")
    layers = (3, 4) if view == "model" else (3,)
    neurons = None
    if view == "neuron":
        numbers = np.linspace(-3, 3, 4 * n * 6).reshape(1, 4, n, 6)
        neurons = Vectors(numbers, numbers[:, ::2], pos=n - 1, causal=True)
    return Heads(weights[: len(layers)], labels, layers, view, head=1, title=f"BertViz {ODD}", neurons=neurons)


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_fetched_and_only_our_scripts_may_run(view):
    page = to_html(example(view), ODD, ODD)
    assert not re.search(r"<(script|link|img|iframe)[^>]*(src|href)=", page.replace(ODD, ""))
    assert "cdnjs" not in page
    assert "default-src 'none'; script-src 'sha256-" in page


def test_the_readers_text_cannot_end_its_element():
    page = to_frame(example())
    numbers = re.search(r'id="numbers">(.*?)</script>', page, flags=re.DOTALL)
    assert numbers is not None
    data = json.loads(numbers[1])
    assert data["attention"][0]["left_text"][1] == ODD
    elements: list[str] = []
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, _: elements.append(tag)
    reader.feed(page)
    assert elements.count("script") == 1 + 7
    assert "img" not in elements


def test_scripts_are_the_same_for_every_text():
    assert example().scripts() == example(labels=("x", "y")).scripts()
    assert example("neuron").scripts() == example("neuron", labels=("x", "y")).scripts()
    assert example().scripts() != example("model").scripts() != example("neuron").scripts()


def test_weights_are_rounded_and_nothing_else_is_changed():
    data = json.loads(re.search(r'id="numbers">(.*?)</script>', example().body(), flags=re.DOTALL)[1])
    assert data["attention"][0]["attn"][0][0][2] == [0.333, 0.333, 0.333]
    assert data["include_layers"] == [3]


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_chooses_a_layer_and_none_a_head_where_the_page_does(view):
    own, driven = example(view).body(), example(view).body(driven=True)
    assert "<select" not in driven
    assert own.count("<select") == (view == "neuron")
    assert 'id="layer"' not in own
    assert driven in to_frame(example(view), driven=True)


@pytest.mark.parametrize("view", VIEWS)
def test_a_version_of_bertviz_that_lacks_what_is_changed_is_refused(view, monkeypatch):
    for place, _ours in heads_scripts._CHANGES[view]:
        script = heads_scripts._read(view).replace(place, "")
        with monkeypatch.context() as changed:
            changed.setattr(heads_scripts, "_read", lambda _name, script=script: script)
            with pytest.raises(ValueError, match="laid out differently"):
                heads_scripts._view.__wrapped__(view)


def test_the_model_view_marks_the_chosen_layers_head():
    assert example("model")._numbers()["chosen"] is None
    assert replace(example("model"), layer=4)._numbers()["chosen"] == [1, 1]


def test_the_figures_json_holds_the_weights_in_full():
    assert json.loads(to_json(example()))["weights"][0][0][2] == pytest.approx([1 / 3] * 3)


def test_keys_are_written_once_per_key_value_head_and_in_three_decimals():
    data = json.loads(re.search(r'id="numbers">(.*?)</script>', example("neuron").body(), flags=re.DOTALL)[1])
    every = data["attention"]["all"]
    assert (len(every["queries"][0]), len(every["keys"][0])) == (4, 2)
    assert every["keys"][0][1][0] == every["queries"][0][2][0] == [0.042, 0.127, 0.211, 0.296, 0.38, 0.465]
    assert (data["bidirectional"], data["layer"], data["head"], data["pos"]) == (False, 0, 1, 2)


def test_the_neuron_view_needs_its_vectors_and_no_other_view_has_any():
    with pytest.raises(ValueError, match="needs queries and keys"):
        replace(example("neuron"), neurons=None)
    with pytest.raises(ValueError, match="has no queries and keys"):
        replace(example(), neurons=example("neuron").neurons)


def test_the_json_of_the_neuron_view_holds_its_vectors():
    assert np.shape(json.loads(to_json(example("neuron")))["neurons"]["queries"]) == (1, 4, 3, 6)


def test_packages_that_are_not_installed_are_named(monkeypatch):
    assert heads_scripts.missing() is None
    monkeypatch.setitem(heads_scripts._FILES, "d3", ("no-such-package", "d3.js"))
    assert heads_scripts.missing().endswith("pip install no-such-package.")


def test_labels_and_weights_have_to_agree():
    with pytest.raises(ValueError, match="labels say"):
        Heads(np.zeros((1, 2, 3, 3)), ("a",), (0,), "head", 0, "")


@pytest.mark.browser
def test_the_neuron_view_opens_at_the_chosen_token_with_its_arithmetic(window):
    alone = window(offline=True)
    page = alone.page
    page.set_content(to_frame(example("neuron")))
    queries = example("neuron").neurons.queries[0].round(3)
    own, keys = queries[1], queries[0]  # heads 0 and 1 share the keys of key/value head 0, which are head 0's queries
    expect(page.locator("#expanded")).to_have_attribute("visibility", "visible")
    _expect_values(page, "#expanded #queries .element", own)
    drawn = page.locator("#expanded #queries .element")
    expect(drawn.first).to_have_css("fill", _rgb(LIGHT.diverging[1]))  # below 0, as in every figure
    _expect_values(page, "#expanded #keys .element", keys)
    _expect_values(page, "#expanded #product .element", own[2] * keys)
    _expect_values(page, "#expanded .dotproduct", keys @ own[2] / np.sqrt(6))
    page.locator("#att_head").select_option("3")
    _expect_values(page, "#expanded #keys .element", queries[2])
    expect(page.locator("#expanded .token", has_text="onerror")).to_have_count(2)
    expect(drawn.first).to_have_css("fill", _rgb(LIGHT.diverging[-2]))  # of head 3, above 0
    expect(page).to_have_title(re.compile("^BertViz </script>"))
    assert alone.errors == alone.asked == []


def _rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))})"


def _expect_values(page: Page, where: str, expected: np.ndarray) -> None:
    script = "(where) => [...document.querySelectorAll(where)].map((one) => Number(one.dataset.value))"
    expect_of(page, script, pytest.approx(expected.ravel().tolist()), where)


@pytest.mark.browser
@pytest.mark.parametrize("view", ["head", "model"])
def test_the_view_is_drawn_offline_with_every_line_and_no_script_of_the_text(view, window):
    alone = window(offline=True)
    page = alone.page
    page.set_viewport_size({"width": 360, "height": 640})
    page.set_content(to_frame(example(view)))
    expect(page.locator("#vis svg line")).to_have_count(4 * 9 * (2 if view == "model" else 1))
    expect(page).to_have_title(re.compile("^BertViz </script>"))
    if view == "head":
        expect(page.locator("#vis text", has_text="onerror")).to_have_count(2)
        squares = page.get_by_role("checkbox")
        squares.nth(3).press("Enter")
        expect_of(page, _CHECKED, ["false", "true", "false", "true"])
    expect(page.locator(".hint")).to_be_hidden()
    expect_of(page, _FITS, True)
    assert alone.errors == alone.asked == []
