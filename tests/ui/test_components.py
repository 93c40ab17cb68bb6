"""The page's own elements: what their sources may not do, and what they are told about a text."""

import re

import pytest

from anatomy.stages import STAGES
from panels.stagemap import Block
from ui import components
from ui.components import grid, passage, stagemap
from ui.components.bracket import BRACKET
from ui.components.edges import EDGES

SCRIPTS = sorted(path.name for path in components.FOLDER.glob("*.js"))
PARTS = {
    "grid.js": grid.SCRIPTS,
    "passage.js": passage.SCRIPTS,
    "strip.js": (*BRACKET, *EDGES),
    "chips.js": BRACKET,
    **dict.fromkeys(("claims.js", "stagemap.js", "marks.js", "continuation.js"), EDGES),
}
MOST_BYTES = {"passage.js": 30_000, "grid.js": 31_000, "strip.js": 23_000, "passage_two.js": 22_000}  # of others 20,000


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_write_text_as_text_and_load_nothing(name):
    script = components.source(name).replace("http://www.w3.org/2000/svg", "")
    for banned in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "import ",
        "fetch(",
    ):
        assert banned not in script, f"{name} uses {banned}"
    assert "http" not in script


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_text_of_a_script_goes_over_lines_whose_indents_are_not_sent(name):
    for line in components.source(name).splitlines():
        assert line.count("`") % 2 == 0, line
    assert not re.search(r"^[ \t]|^//", components.sent(name), flags=re.MULTILINE)


SHARED = ("shared.js", *grid.SCRIPTS, *passage.SCRIPTS, "bracket.js", "edges.js")


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name not in SHARED])
def test_each_component_has_its_style_and_stays_small_enough_to_travel_with_a_message(name):
    style = name.replace(".js", ".css")
    sent = components.sent("shared.js", *PARTS.get(name, ()), name, "shared.css", style)
    assert "export default function" in sent
    assert "rootOf(parentElement)" in sent, "it stays hidden"
    assert len(sent.encode()) < MOST_BYTES.get(name, 20_000)


def test_styles_take_colours_from_the_theme():
    """Colours of our own only as pairs for light and dark."""
    for path in components.FOLDER.glob("*.css"):
        bare = re.sub(r"light-dark\([^)]*\)", "", path.read_text("utf-8"))
        assert not re.findall(r"#[0-9a-fA-F]{3,8}\b", bare), path.name


def test_styles_say_one_by_one_how_a_line_under_words_looks():
    """WebKit draws no line at all where its style, colour or width stand in `text-decoration`."""
    for path in (components.FOLDER.parent / "page.css", *components.FOLDER.glob("*.css")):
        for value in re.findall(r"text-decoration:([^;}]*)", path.read_text("utf-8")):
            assert value.strip() in ("none", "underline"), path.name


BLOCK = Block(line="one block, 3 times", norm_before="RMSNorm", norm_after="")
INSIDE = [stage.id for stage in STAGES.values() if stage.in_block]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (BLOCK, ["RMSNorm", "position", "attention", "⊕", "RMSNorm", "ffn", "⊕"]),
        (Block("", "", "LayerNorm"), ["position", "attention", "⊕", "LayerNorm", "ffn", "⊕", "LayerNorm"]),
        (Block("", "", ""), ["position", "attention", "⊕", "ffn", "⊕"]),
    ],
)
def test_the_block_is_drawn_with_its_norms_where_the_model_has_them(block, expected):
    drawn = []
    for stage in INSIDE:
        before, after = stagemap.around(block, INSIDE, stage)
        drawn += [*before, stage, *after]
    assert drawn == expected


def test_stages_outside_the_block_stand_alone():
    assert stagemap.around(BLOCK, INSIDE, "tokens") == ([], [])
