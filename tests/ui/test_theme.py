"""Theme file, style sheets and exported figures wear the same colours; nothing is looked up outside."""

import re
import tomllib
from pathlib import Path

import pytest

from viz import theme

ROOT = Path(__file__).parent.parent.parent
CONFIG = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))
SHEETS = [ROOT / "ui" / "page.css", *(ROOT / "ui" / "components").glob("*.css")]
MODES = {"light": theme.LIGHT, "dark": theme.DARK}


@pytest.mark.parametrize("mode", MODES)
def test_the_page_and_the_exported_figures_have_the_same_colours(mode):
    ours, wanted = CONFIG["theme"][mode], MODES[mode]
    assert ours["backgroundColor"] == wanted.background
    assert ours["secondaryBackgroundColor"] == wanted.soft
    assert ours["textColor"] == wanted.text
    assert ours["grayColor"] == wanted.muted
    assert ours["borderColor"] == wanted.border
    assert ours["primaryColor"] == wanted.accent
    assert tuple(ours["chartCategoricalColors"]) == wanted.categorical
    assert tuple(ours["chartSequentialColors"]) == wanted.sequential
    assert tuple(ours["chartDivergingColors"]) == wanted.diverging


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["chartCategoricalColors", "chartSequentialColors", "chartDivergingColors"])
def test_every_palette_has_the_ten_colours_without_which_it_is_ignored(mode, name):
    assert len(CONFIG["theme"][mode][name]) == 10


def test_the_style_sheets_own_pairs_are_the_themes_colours():
    """Names that the sheets give to colours, each as light-dark(…, …)."""
    named = {"ink": "textColor", "mute": "grayColor", "line": "borderColor", "soft": "secondaryBackgroundColor"}
    named |= {"accent": "primaryColor", "chosen": "blueBackgroundColor"}
    pairs = {
        name: (light, dark)
        for name, light, dark in re.findall(
            r"--(\w+): light-dark\((#\w{6}), (#\w{6})\)", SHEETS[0].read_text(encoding="utf-8")
        )
    }
    for name, option in named.items():
        assert pairs[name] == (CONFIG["theme"]["light"][option], CONFIG["theme"]["dark"][option]), name
    shared = (ROOT / "ui" / "components" / "shared.css").read_text(encoding="utf-8")
    assert f"--card: light-dark({pairs['card'][0]}, {pairs['card'][1]})" in shared


def _luminance(colour: str) -> float:
    """Relative luminance. WCAG 2.2, "relative luminance"."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", MODES)
def test_words_can_be_read_on_every_ground_they_stand_on(mode):
    colours = CONFIG["theme"][mode]
    grounds = [colours[name] for name in ("backgroundColor", "secondaryBackgroundColor", "blueBackgroundColor")]
    for name in ("textColor", "grayColor", "primaryColor"):
        for ground in grounds:
            assert contrast(colours[name], ground) >= 4.5, (name, ground)


def test_nothing_is_sent_or_looked_up_outside():
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert CONFIG["browser"]["serverAddress"] == "localhost"
    assert CONFIG["client"]["showErrorDetails"] == "type"
    assert CONFIG["runner"] == {"magicEnabled": False, "postScriptGC": False}
    for sheet in SHEETS:
        assert "url(" not in sheet.read_text(encoding="utf-8"), sheet.name


def test_the_font_is_shipped_with_its_licence_and_stays_small():
    (face,) = CONFIG["theme"]["fontFaces"]
    file = ROOT / face["url"].removeprefix("app/")
    assert file.stat().st_size < 120_000
    assert "SIL Open Font License" in (ROOT / "static" / "inter-LICENSE.txt").read_text(encoding="utf-8")
    assert CONFIG["server"]["enableStaticServing"] is True
