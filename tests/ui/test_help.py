"""Every control of every panel has its help where a reader meets it, and so has every term in the strip's legend."""

import pytest
from streamlit.testing.v1.element_tree import Block

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
    says = {place: SAYS[place] for place in panel.places}
    says |= {control.name: control.says for control in panel.controls if not isinstance(control, Place)}
    blocks = {block.key: block for block in _blocks(app.main)}
    shown = [one for one in _controls(app) if one.key.startswith(f"{name}.")]
    assert bool(shown) is (name not in NONE_SHOWN)
    for one in shown:
        # a switch has its help in a text of its own, next to it
        helps = [text.help for text in blocks[f"{one.key}.pair"].markdown] if one.type == "toggle" else [one.proto.help]
        assert helps == [says[one.key.removeprefix(f"{name}.")]], one.label


def _controls(app):
    found = [app.selectbox, app.get("button_group"), app.toggle, app.slider, app.select_slider, app.number_input]
    return [one for kind in found for one in kind if one.key]


def _blocks(block):
    for child in block.children.values():
        if isinstance(child, Block):
            yield child
            yield from _blocks(child)


def test_a_sentence_in_pieces_is_the_sentence_with_each_term_explained_once_and_none_in_quotes():
    sentence = "The logit of “·head”, a head's logit & a token."
    pieces = text.pieces(sentence)
    assert "".join(words for words, _says in pieces) == sentence
    assert [words for words, says in pieces if says] == ["logit", "head", "token"]
