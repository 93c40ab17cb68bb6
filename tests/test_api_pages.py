"""The API pages: made of the docstrings without a warning, whole, and readable without the network."""

import inspect
import re
import warnings
from html import unescape
from pathlib import Path

import pytest

import stagelight
from tests import api_pages
from tests.browsing import ROOT

_TAG = re.compile(r"<[^>]+>")
_RESOURCE = re.compile(r"""(?:\b(?:src|href|action)=["']?|url\(["']?|@import ["']?)(?=[a-z]+:|//)(?!data:)[^"')>\s]*""")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        api_pages.write(folder)
    return folder


def page_of(pages: Path, module: str) -> str:
    return (pages / f"{module.replace('.', '/')}.html").read_text("utf-8")


def words(text: str) -> str:
    """Text without tags, backticks and the way it is broken into lines."""
    return "".join(unescape(_TAG.sub("", text)).replace("`", "").split())


@pytest.mark.parametrize("name", stagelight.__all__)
def test_every_public_name_has_its_docstring_on_the_page(name, pages):
    public = getattr(stagelight, name)
    assert f'<section id="{name}">' in page_of(pages, "stagelight")
    whole = words(page_of(pages, "stagelight"))
    members = [member for key, member in vars(public).items() if key in ("__call__", "__getitem__") or key[0] != "_"]
    for told in [public, *(members if inspect.isclass(public) else [])]:
        said = inspect.getdoc(told) if not isinstance(told, str | int) else None
        assert words(said or "") in whole


@pytest.mark.parametrize("module", api_pages.MODULES)
def test_a_page_is_there_in_the_list_and_asks_nobody(module, pages):
    page, listed = page_of(pages, module), (pages / "index.html").read_text("utf-8")
    assert f'href="{module.replace(".", "/")}.html"' in listed
    assert words(inspect.getdoc(__import__(module, fromlist=["_"])) or "no docstring") in words(page)
    for text in (page, listed):
        assert not _RESOURCE.findall(text)
        assert "<script" not in text
        assert str(ROOT) not in text


@pytest.mark.parametrize("module", api_pages.MODULES)
def test_links_lead_to_pages(module, pages):
    here = pages / f"{module.replace('.', '/')}.html"
    linked = {link.partition("#")[0] for link in re.findall(r'<a\b[^>]*href="([^"]*)"', page_of(pages, module))} - {""}
    assert linked
    assert not [link for link in linked if not here.parent.joinpath(link).is_file()]


def test_sentences_fields_and_code_are_told_apart():
    told = api_pages.blocks(
        """One `array` < another,
with a line that goes on.

name, other  what it is,
             and more
last         <b>

    import stagelight

    stagelight.open()

a formula
its second line"""
    )
    assert told.splitlines()[0] == "<p>One <code>array</code> &lt; another,<br>with a line that goes on.</p>"
    assert "<dl><dt>name, other</dt><dd>what it is,<br>and more</dd><dt>last</dt><dd>&lt;b&gt;</dd></dl>" in told
    assert "<pre><code>import stagelight\n\nstagelight.open()</code></pre>" in told
    assert told.endswith("<p>a formula<br>its second line</p>")


def test_lines_that_were_broken_for_their_length_are_joined():
    long = "a line that is as long as lines are in this project, where they end when a hundred and twenty are"
    assert api_pages.blocks(f"{long}\nfull") == f"<p>{long} full</p>"
