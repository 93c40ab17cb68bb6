"""BertViz's views as pages: nothing is fetched, the reader's text stays text, the libraries are those installed."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browsing import expect_of
from viz import heads
from viz.export import to_frame, to_html, to_json
from viz.heads import Heads, Vectors

ODD = '</script><script>document.title = "run"</script><!-- \u2028"&<img src=x onerror=alert(1)>'


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
    assert elements.count("script") == 1 + 4
    assert "img" not in elements


def test_scripts_are_the_same_for_every_text():
    assert example().scripts() == example(labels=("x", "y")).scripts()
    assert example("neuron").scripts() == example("neuron", labels=("x", "y")).scripts()
    assert example().scripts() != example("model").scripts() != example("neuron").scripts()


def test_weights_are_rounded_and_nothing_else_is_changed():
    data = json.loads(re.search(r'id="numbers">(.*?)</script>', example().body(), flags=re.DOTALL)[1])
    assert data["attention"][0]["attn"][0][0][2] == [0.333, 0.333, 0.333]
    assert data["include_layers"] == [3]


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
    assert heads.missing() is None
    monkeypatch.setitem(heads._FILES, "d3", ("no-such-package", "d3.js"))
    assert heads.missing().endswith("pip install no-such-package.")


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
    _expect_values(page, "#expanded #keys .element", keys)
    _expect_values(page, "#expanded #product .element", own[2] * keys)
    _expect_values(page, "#expanded .dotproduct", keys @ own[2] / np.sqrt(6))
    page.locator("#att_head").select_option("3")
    _expect_values(page, "#expanded #keys .element", queries[2])
    expect(page.locator("#expanded .token", has_text="onerror")).to_have_count(2)
    expect(page).to_have_title(re.compile("^BertViz </script>"))
    assert alone.errors == alone.asked == []


def _expect_values(page: Page, where: str, expected: np.ndarray) -> None:
    script = "(where) => [...document.querySelectorAll(where)].map((one) => Number(one.dataset.value))"
    expect_of(page, script, pytest.approx(expected.ravel().tolist()), where)


@pytest.mark.browser
@pytest.mark.parametrize("view", ["head", "model"])
def test_the_view_is_drawn_offline_with_every_line_and_no_script_of_the_text(view, window):
    alone = window(offline=True)
    page = alone.page
    page.set_content(to_frame(example(view)))
    expect(page.locator("#vis svg line")).to_have_count(4 * 9 * (2 if view == "model" else 1))
    expect(page).to_have_title(re.compile("^BertViz </script>"))
    if view == "head":
        expect(page.locator("#vis text", has_text="onerror")).to_have_count(2)
    assert alone.errors == alone.asked == []
