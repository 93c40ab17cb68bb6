"""Every control of every panel has its help where a reader meets it, and so has every term in the strip's legend."""

import pytest

import panels
from anatomy.control import Place
from tests.share import share
from ui import text
from ui.controls import SAYS

PANELS = [name for name, panel in panels.load().items() if panel.controls or panel.places]

# None of their controls changes anything for a short text, or the model lacks the part.
NONE_SHOWN = ("similarity", "position", "relative_bias")


@pytest.mark.parametrize("name", share([(name,) for name in PANELS], 6, PANELS))
def test_every_control_on_the_page_has_its_help_beside_it(name, open_page):
    app, panel = open_page(panel=name), panels.load()[name]
    helps = {control.says for control in panel.controls if not isinstance(control, Place)} | set(SAYS.values())
    shown = [one for one in _controls(app) if one.proto.id.split("-")[-1].startswith(f"{name}.")]
    assert bool(shown) is (name not in NONE_SHOWN)
    switches = {one.help for one in app.markdown if one.help}
    for one in shown:
        own = {one.proto.help} if one.type != "toggle" else switches & helps
        assert own & helps, one.label


def _controls(app):
    return [*app.selectbox, *app.get("button_group"), *app.toggle, *app.slider, *app.number_input]


def test_a_sentence_in_pieces_is_the_sentence_with_each_term_explained_once_and_none_in_quotes():
    sentence = "The logit of “·head”, a head's logit & a token."
    pieces = text.pieces(sentence)
    assert "".join(words for words, _says in pieces) == sentence
    assert [words for words, says in pieces if says] == ["logit", "head", "token"]
