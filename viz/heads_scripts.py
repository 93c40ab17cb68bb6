"""BertViz's scripts and the two libraries that they call, read from installed packages, and fitted into our page.

d3 5 comes from mpld3, jQuery from XStatic-jQuery. BertViz itself is not imported: that would start torch and IPython.

What is changed in BertViz's scripts stands in one table, each place with what takes its place: how wide a view is, its
colours, its English words, what would lie on something else. A version that lacks one of these places is refused.
"""

from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

from anatomy.language import _

View = Literal["head", "model", "neuron"]
IN_A_ROW = 12  # squares of heads: so many of SQUARE pixels stand side by side on a phone
SQUARE = 26
_FILES = {
    "d3": ("mpld3", "mpld3/js/d3.v5.min.js"),
    "jquery": ("XStatic-jQuery", "xstatic/pkg/jquery/data/jquery.min.js"),
    "head": ("bertviz", "bertviz/head_view.js"),
    "model": ("bertviz", "bertviz/model_view.js"),
    "neuron": ("bertviz", "bertviz/neuron_view.js"),
}
# BertViz asks require.js for its libraries; here they are already there.
_REQUIRE = "function requirejs(names, start) { start(window.jQuery, window.d3); }\n"
# Where each view asks for its numbers.
_ASKS = {"head": "PYTHON_PARAMS;", "model": "PYTHON_PARAMS;", "neuron": "window.bertviz_params\n"}
_NUMBERS = 'JSON.parse(document.getElementById("numbers").textContent)'
# The page's theme is the class of its root, which another script may have set before.
_THEMED = f"""Object.assign({_NUMBERS}, {{
  display_mode: document.documentElement.classList.contains("dark") ? "dark" : "light",
}})"""
# The neuron view wants keys for every query head: here each key/value head's stand under the heads that share it.
_SHARE = """const shared = (given) => {
  const {queries, keys} = given.attention.all, share = queries[0].length / keys[0].length;
  given.attention.all.keys = keys.map((heads) => queries[0].map((_, head) => heads[Math.floor(head / share)]));
  return given;
};
"""
# Our colours by the names that BertViz has for its own; orange is above 0 and blue below, as in every figure.
_BEFORE = """const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const room = document.getElementById("bertviz").clientWidth, kinds = css("--kinds").split(" ");
const ours = {
  attn: css("--accent"), connector: css("--accent"), pos: css("--above"), neg: css("--below"), text: css("--text"),
  selected_text: css("--accent"), heading_text: css("--mute"), text_highlight_left: css("--soft"),
  text_highlight_right: css("--amount"), vector_border: css("--line"), background: css("--background"),
  dropdown: css("--text"), icon: css("--mute"), highlight: css("--soft"),
};
d3.schemeCategory10 = kinds;
const faded = (colour) => d3.interpolateRgb(colour, css("--background"))(0.75);
"""
_PALETTE = ("const PALETTE = {", "const PALETTE = {light: ours, dark: ours}, THEIRS = {")
_CHANGES: dict[View, tuple[tuple[str, str], ...]] = {
    "head": (
        ("const MATRIX_WIDTH = 115;", "const MATRIX_WIDTH = Math.max(90, Math.min(420, room - 2 * BOXWIDTH));"),
        ("const CHECKBOX_SIZE = 20;", f"const CHECKBOX_SIZE = {SQUARE};"),
        (
            "const TEXT_TOP = 30;",
            f"const TEXT_TOP = CHECKBOX_SIZE * Math.ceil(params.total_heads / {IN_A_ROW}) + 14;",
        ),
        ('.attr("x", (d, i) => i * CHECKBOX_SIZE)', f'.attr("x", (d, i) => (i % {IN_A_ROW}) * CHECKBOX_SIZE)'),
        ('.attr("y", top)', f'.attr("y", (d, i) => top + Math.floor(i / {IN_A_ROW}) * CHECKBOX_SIZE)'),
        ("function lighten(color) {", "function lighten(color) { return faded(color);"),
    ),
    "model": (
        _PALETTE,
        ("const DIV_WIDTH = 970;", "const DIV_WIDTH = Math.max(room, 305, 45 + 22 * params.total_heads);"),
        ("const HEADING_PADDING = 5;", "const HEADING_PADDING = 12;"),
        ('.text("Heads")', ".text(params.words.heads)"),
        ('.text("Layers")', ".text(params.words.layers)"),
        (
            "'Layer ' + config.layers[layerIndex] + \", Head \" + config.heads[headIndex]",
            'params.words.one.replace("{layer}", config.layers[layerIndex]).replace("{head}", config.heads[headIndex])',
        ),
        ("x = leftPos + THUMBNAIL_PADDING - DETAIL_WIDTH + 8;", "x = Math.max(0, leftPos + 13 - DETAIL_WIDTH);"),
    ),
    "neuron": (
        _PALETTE,
        ("const MATRIX_WIDTH = 200;", "const MATRIX_WIDTH = Math.max(88, Math.min(200, (room - 408) / 3));"),
        ("const HEIGHT_PADDING = 100;", "const HEIGHT_PADDING = 50;"),
        ("posQueries + 68", "posQueries"),
        ("posKeys + 73", "posKeys"),
        ("posProduct + 28", "posProduct"),
        (".text('Query ')", ".text(params.words.query + ' ')"),
        (".text('Key ')", ".text(params.words.key + ' ')"),
        ("(elementwise)", ""),
        ('.text("Softmax")', ".text(params.words.weight)"),
        ('.text("No token selected")', ".text(params.words.none)"),
    ),
}
# Labels that are wider than their place end in “…”, the whole one for the pointer; a view that is wider than its place
# says so; where the place has become another, it is drawn anew.
_AFTER = """const box = document.getElementById("bertviz"), hint = box.querySelector(".hint");
const LABELS = {"#left text, #right text": 102, "#leftText text, #rightText text": 108, ".detail text.token": 76};
function shorten() {
  for (const [where, most] of Object.entries(LABELS)) for (const label of document.querySelectorAll(where)) {
    const whole = [...label.textContent], wide = label.getComputedTextLength();
    if (label.dataset.read || label.querySelector("title")) continue;
    label.dataset.read = "yes";
    if (wide <= most) continue;
    let kept = Math.floor(whole.length * most / wide);
    do label.textContent = whole.slice(0, kept).join("") + "…";
    while (label.getComputedTextLength() > most && --kept > 0);
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = whole.join("");
    label.append(title);
  }
}
function fit() {
  const wider = box.scrollWidth > box.clientWidth + 1;
  hint.hidden = !wider;
  if (wider) box.tabIndex = 0; else box.removeAttribute("tabindex");
}
shorten();
fit();
new MutationObserver(shorten).observe(document.getElementById("vis"), {childList: true, subtree: true});
let again = 0;
addEventListener("resize", () => {
  fit();
  clearTimeout(again);
  again = setTimeout(() => { if (Math.abs(box.clientWidth - room) > 40) location.reload(); }, 250);
});
"""
# Each square has its head's number, and answers to the keyboard.
_SQUARES = f"""const squares = document.querySelector("#vis svg > g:last-child"), {{words}} = {_NUMBERS};
const numbered = [...squares.querySelectorAll("rect")].map((square, head) => {{
  const number = document.createElementNS("http://www.w3.org/2000/svg", "text");
  const set = (one, all) => Object.entries(all).forEach(([name, value]) => one.setAttribute(name, value));
  set(square, {{tabindex: 0, role: "checkbox", "aria-label": words.head.replace("{{head}}", head)}});
  const [x, y] = ["x", "y"].map((side) => +square.getAttribute(side));
  set(number, {{x: x + {SQUARE / 2}, y: y + 18, "aria-hidden": "true"}});
  number.textContent = head;
  squares.append(number);
  return [square, number];
}});
const tell = () => numbered.forEach(([square, number]) => {{
  square.setAttribute("aria-checked", String(square.__data__));
  number.style.fill = d3.lab(square.getAttribute("fill")).l > 55 ? "#12161a" : "#ffffff";
}});
squares.addEventListener("click", tell);
squares.addEventListener("dblclick", tell);
squares.addEventListener("keydown", (e) => {{
  if (e.key !== "Enter" && e.key !== " ") return;
  e.preventDefault();
  e.target.dispatchEvent(new MouseEvent("click", {{bubbles: true}}));
}});
tell();
"""
# The chosen head has a frame; a click on the large picture closes it, as one on the small one does.
_CHOSEN = f"""const {{chosen}} = {_NUMBERS};
if (chosen) document.getElementById(`attn_background_${{chosen.join("_")}}`).classList.add("chosen");
document.getElementById("vis").addEventListener("click", (e) => {{
  const open = document.querySelector('.attn_background[stroke-opacity="0.8"]');
  if (e.target.closest(".detail")) open?.parentNode.lastChild.dispatchEvent(new MouseEvent("click"));
}});
"""
# The neuron view opens folded up, with no token chosen: the pointer goes where a reader's would.
_OPEN = f"""const pos = {_NUMBERS}.pos, row = document.querySelectorAll("#collapsed #leftText > g")[pos];
row?.dispatchEvent(new MouseEvent("mouseover"));
row?.querySelectorAll("rect")[1]?.dispatchEvent(new MouseEvent("click"));
"""
_ENDS: dict[View, str] = {"head": _SQUARES, "model": _CHOSEN, "neuron": _OPEN}


def scripts(view: View) -> tuple[str, ...]:
    """What runs, in order; the same for every text."""
    before = (_SHARE,) if view == "neuron" else ()
    return (_read("d3"), _read("jquery"), _REQUIRE, _BEFORE, *before, _view(view), _ENDS[view], _AFTER)


def missing() -> str | None:
    """Which packages to install for these views, as a sentence; None when all are there."""
    absent = sorted({package for package, _file in _FILES.values() if not _installed(package)})
    if not absent:
        return None
    return _(
        "The scripts of these views come from packages that are not installed: pip install {packages}.",
        packages=" ".join(absent),
    )


def _installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


@cache
def _read(name: str) -> str:
    """A script of an installed package, with the two sequences that end or confuse a script element broken up."""
    package, path = _FILES[name]
    script = Path(str(distribution(package).locate_file(path))).read_text(encoding="utf-8")
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


@cache
def _view(name: View) -> str:
    """BertViz's script without the addresses of its libraries, its data taken from the page, and with our changes."""
    script, asks = _read(name), _ASKS[name]
    start, end = script.find("require.config("), script.find("requirejs(")
    changes = (*_CHANGES[name], (asks, f"shared({_THEMED});" if name == "neuron" else f"{_THEMED};"))
    if not 0 <= start < end or any(script.count(place) != 1 for place, _ours in changes):
        version = distribution("bertviz").version
        raise ValueError(f"bertviz {version} is laid out differently: viz/heads_scripts.py was written for 1.4")
    script = script[end:]
    for place, replacement in changes:
        script = script.replace(place, replacement)
    return script
