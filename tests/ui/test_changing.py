"""What is changed in the second run: asked for by pointing, listed below the text, switched off and taken out."""

from dataclasses import replace
from html import unescape

import pytest

from anatomy.interventions import Change, read, written
from anatomy.refused import Refused
from anatomy.request import Intervention, Run, Want
from anatomy.view import View
from tests.models.tiny import TEXT
from tests.ui.conftest import loaded
from tests.ui.test_page import component, keys, words
from ui import change_form, changed, changing, host, second
from ui.changing import Pointed
from ui.sides import Absent

ATTENTION = "attn_out.zero.layer1"
OFF = "off.attn_out.zero.layer1"
MADE = Intervention("attn_out", "zero", layer=1)
SAID = "layer 1: what attention writes set to 0"


def toggles(app) -> dict[str, bool]:
    """The list of changes: what each does, and whether it is on."""
    return {
        unescape(toggle.label.replace("\\", "")): toggle.value
        for toggle in app.toggle
        if str(toggle.key).startswith("change.")
    }


def of_list(app, label: str, at: int = 0):
    """A button of the list."""
    return [button for button in app.button if button.label == label and str(button.key).startswith("change.")][at]


def linked(app) -> str:
    """The list of changes as the page's address has it."""
    value = app.query_params["changes"]
    return value if isinstance(value, str) else value[-1]


def opened(app):
    """The page with the form open."""
    app.session_state[changing.KEY] = True
    return app.run()


def field(app, name: str):
    """A widget of the form."""
    found = [
        widget
        for kind in ("selectbox", "number_input", "text_input", "text_area", "button_group")
        for widget in app.get(kind)
        if str(widget.key).startswith(f"what_if.{name}")
    ]
    return found[0]


def test_a_change_alone_is_a_second_run_with_a_list_and_no_box_for_its_text(open_page):
    app = open_page(panel="attention", text=TEXT, changes=ATTENTION)
    assert not app.exception
    assert toggles(app) == {SAID: True}
    assert "textbox-b" not in keys(app)
    assert {"attention.figure", "attention-b.figure", "attention-difference.figure"} <= keys(app)
    assert component(app, "textbox")["words"]["side"] == "A"
    assert not [button for button in app.button if button.key == "swap"]


def test_the_second_runs_card_says_what_is_changed_in_it_and_the_first_ones_does_not(open_page):
    app = open_page(panel="attention", text=TEXT, changes=f"{ATTENTION} ffn_out.zero.layer0")
    said = unescape(words(app))
    name = next(iter(host.models().values())).spec().name
    assert f"<b>A</b> <span>{name}</span>" in said
    assert f"<b>B</b> <span>{name} · {SAID}, and 1 more change</span>" in said


def test_an_embedded_panel_tells_a_changed_run_by_the_change(open_page):
    said = unescape(words(open_page(embed=True, panel="attention", text=TEXT, changes=ATTENTION)))
    name = next(iter(host.models().values())).spec().name
    assert f"<b>A</b> <span>{name} · {TEXT}</span>" in said
    assert f"<b>B</b> <span>{name} · {SAID}</span>" in said


def test_a_change_is_switched_off_and_on_and_stays_in_sight(open_page):
    app = open_page(panel="attention", text=TEXT, changes=ATTENTION)
    app.toggle(key=next(toggle.key for toggle in app.toggle if str(toggle.key).startswith("change."))).set_value(
        False
    ).run()
    assert linked(app) == OFF
    assert toggles(app) == {SAID: False}
    assert "attention-b.figure" not in keys(app)
    assert component(app, "textbox")["words"]["side"] == ""
    next(toggle for toggle in app.toggle if str(toggle.key).startswith("change.")).set_value(True).run()
    assert linked(app) == ATTENTION
    assert "attention-b.figure" in keys(app)


def test_the_one_that_is_removed_goes_and_the_others_stay(open_page):
    app = open_page(panel="attention", text=TEXT, changes=f"{ATTENTION} off.ffn_out.zero.layer0")
    of_list(app, "Remove").click().run()
    assert linked(app) == "off.ffn_out.zero.layer0"
    of_list(app, "Remove").click().run()
    assert "changes" not in app.query_params
    assert toggles(app) == {}


def test_a_change_at_one_token_names_it(open_page):
    app = open_page(panel="attention", text="abc", text2="xyz", changes="ffn_out.zero.layer0.pos1")
    assert list(toggles(app)) == ["layer 0 · position 1, “y”: what the FFN writes set to 0"]
    app = open_page(panel="attention", text="abc", changes="ffn_out.zero.layer0.pos9")
    assert list(toggles(app)) == ["layer 0 · position 9: what the FFN writes set to 0"]


def test_closing_the_second_run_takes_out_its_changes(open_page):
    app = open_page(panel="attention", text=TEXT, changes=f"{ATTENTION} off.ffn_out.zero.layer0")
    app.get_by_key("close_second").click().run()
    assert "changes" not in app.query_params
    assert "attention-b.figure" not in keys(app)


def test_with_another_text_the_list_stands_below_its_box(open_page):
    app = open_page(panel="attention", text="abcd", text2="abxd", changes=OFF)
    assert component(app, "textbox-b")["text"] == "abxd"
    assert toggles(app) == {SAID: False}
    assert app.get_by_key("swap")


def test_a_change_that_the_model_does_not_allow_costs_only_the_second_run(open_page):
    app = open_page(panel="attention", text=TEXT, changes="attn_out.zero.layer99")
    assert "Run B is not there." in words(app)
    assert "not 99" in words(app)
    assert "attention.figure" in keys(app)
    assert "attention-b.figure" not in keys(app)
    assert list(toggles(app)) == ["layer 99: what attention writes set to 0"]


def test_nothing_of_the_form_is_drawn_while_it_is_closed(open_page):
    app = open_page(panel="attention", text=TEXT)
    assert not [button for button in app.button if str(button.key).startswith("what_if.")]


def test_a_click_turns_off_what_is_pointed_at(open_page):
    app = opened(open_page(panel="attention", text=TEXT, layer="1", head="2"))
    labels = [button.label for button in app.button if str(button.key).startswith("what_if.quick")]
    assert labels == ["Turn off head 2 of layer 1", "Turn off attention of layer 1", "Turn off the FFN of layer 1"]
    next(button for button in app.button if button.label == labels[1]).click().run()
    assert linked(app) == ATTENTION
    assert toggles(app) == {SAID: True}


def test_the_form_says_any_change_and_begins_with_what_is_pointed_at(open_page):
    app = opened(open_page(panel="attention", text=TEXT, layer="1", head="2"))
    assert (field(app, "site").value, field(app, "layer").value, field(app, "part").value) == ("z", 1, ("head", 2))
    field(app, "site").set_value("ffn_out").run()
    field(app, "layer").set_value(0).run()
    app.get_by_key("what_if.make").click().run()
    assert linked(app) == "ffn_out.zero.layer0"


def test_what_is_refused_is_said_in_the_form_and_nothing_is_lost(open_page):
    app = opened(open_page(panel="attention", text=TEXT, layer="1", changes=OFF))
    field(app, "site").set_value("attn_out").run()
    field(app, "layer").set_value(99).run()
    app.get_by_key("what_if.make").click().run()
    assert "not 99: no part of that layer can be changed" in words(app)
    assert linked(app) == OFF
    assert (field(app, "site").value, field(app, "layer").value) == ("attn_out", 99)
    field(app, "layer").set_value(0).run()
    assert "not 99" not in words(app)
    app.get_by_key("what_if.make").click().run()
    assert linked(app) == f"{OFF} attn_out.zero.layer0"


def offered(app) -> list[str]:
    """What the buttons that break the architecture say."""
    labels = [button.label for button in app.button if str(button.key).startswith("what_if.break.")]
    return [label.replace("\\", "") for label in labels]


def test_the_architecture_is_broken_by_one_click(open_page):
    app = opened(open_page(panel="attention", text=TEXT, layer="1", head="2"))
    around = ["No rotation: all tokens at position 0", "No causal mask", "Embedding rows shuffled"]
    inside = ["No norms", "No skip connections", "Heads averaged", "Layer 1 left out", "Layers 1 and 2 swapped"]
    assert offered(app) == [*around, *inside]
    next(button for button in app.button if button.label == "No norms").click().run()
    assert linked(app) == "attn_norm.drop.layer1 ffn_norm.drop.layer1"
    assert list(toggles(app)) == ["layer 1: norm of attention left out", "layer 1: norm of the FFN left out"]
    assert "attention-difference.figure" in keys(app)


def test_it_is_broken_in_every_layer_at_once(open_page):
    app = opened(open_page(panel="attention", text=TEXT, layer="1"))
    field(app, "break.where").set_value("every").run()
    assert offered(app)[-3:] == ["No norms", "No skip connections", "Heads averaged"]
    next(button for button in app.button if button.label == "Heads averaged").click().run()
    assert linked(app) == "pattern.average"
    assert list(toggles(app)) == ["every layer: attention weights averaged over the heads"]


def test_the_last_layer_is_swapped_with_the_one_before_it(open_page):
    app = opened(open_page(panel="attention", text=TEXT, layer="2"))
    next(button for button in app.button if button.label == "Layers 1 and 2 swapped").click().run()
    assert linked(app) == "layer.swap.layer1.other2"
    assert list(toggles(app)) == ["layer 1: swapped with layer 2"]


@pytest.mark.parametrize(
    ("kind", "lacking"),
    [("gpt2", "No rotation: all tokens at position 0"), ("bert", "No causal mask"), ("t5", "All tokens at position 0")],
)
def test_what_a_model_does_not_have_is_not_offered(serve, kind, lacking):
    app = opened(serve(kind)(panel="attention", text=TEXT, layer="1"))
    assert "No norms" in offered(app)
    assert lacking not in offered(app)


def test_the_form_leaves_out_swaps_and_shuffles(open_page):
    app = opened(open_page(panel="attention", text=TEXT, layer="1"))
    field(app, "site").set_value("layer").run()
    field(app, "op.layer").set_value("swap").run()
    assert (field(app, "layer.").value, field(app, "with").value) == (1, 2)
    field(app, "with").set_value(0).run()
    app.get_by_key("what_if.make").click().run()
    assert linked(app) == "layer.swap.layer1.other0"
    app = opened(app)
    field(app, "site").set_value("embedding").run()
    field(app, "seed").set_value(7).run()
    app.get_by_key("what_if.make").click().run()
    assert linked(app).endswith(" embedding.shuffle.seed7")
    app = opened(app)
    field(app, "site").set_value("ffn_skip").run()
    field(app, "layers").set_value("all").run()
    app.get_by_key("what_if.make").click().run()
    assert linked(app).endswith(" ffn_skip.drop")


def test_the_form_drops_numbers_at_random_in_every_layer(open_page):
    app = opened(open_page(panel="attention", text=TEXT, layer="1", head="2"))
    field(app, "site").set_value("ffn_out").run()
    field(app, "op.ffn_out").set_value("dropout").run()
    amount = field(app, "amount.dropout")
    assert (amount.label, amount.value, amount.min, amount.max) == ("Probability", 0.1, 0.0, 0.99)
    amount.set_value(0.25).run()
    field(app, "seed").set_value(7).run()
    field(app, "layers").set_value("all").run()
    app.get_by_key("what_if.make").click().run()
    assert linked(app) == "ffn_out.dropout.amount0.25.seed7"
    assert list(toggles(app)) == ["every layer: what the FFN writes with dropout 0.25, seed 7"]
    assert "attention-difference.figure" in keys(app)
    app = opened(app)
    field(app, "site").set_value("z").run()
    field(app, "op.z").set_value("dropout").run()
    app.get_by_key("what_if.make").click().run()
    assert linked(app).endswith(" z.dropout.layer1.head2.amount0.1")


def test_a_text_that_is_typed_stays_when_another_layer_is_pointed_at(open_page):
    app = opened(open_page(panel="attention", text=TEXT, layer="1"))
    field(app, "site").set_value("v").run()
    field(app, "op.v").set_value("add").run()
    field(app, "other").set_value("a dog").run()
    app.query_params["layer"] = "2"
    app = opened(app)
    assert field(app, "other").value == "a dog"


def test_an_average_is_that_of_all_heads_or_of_those_of_one_key_value_head(open_page):
    app = opened(open_page(panel="attention", text=TEXT, layer="1", head="2"))
    field(app, "site").set_value("pattern").run()
    field(app, "op.pattern").set_value("average").run()
    assert field(app, "part").value is None
    assert [str(option) for option in field(app, "part").options] == ["all", "key/value head 0", "key/value head 1"]
    field(app, "part").set_value(("kv", 1)).run()
    app.get_by_key("what_if.make").click().run()
    assert linked(app) == "pattern.average.layer1.kv1"


def test_what_grows_too_large_for_the_numbers_is_said_with_its_layer(open_page):
    larger = [Change(Intervention("ffn_out", "scale", layer=1, amount=9e8 - step)) for step in range(7)]
    app = open_page(panel="attention", text=TEXT, changes=written(larger))
    assert "too large for float32, in layer 1" in words(app)
    assert "attention.figure" in keys(app)


@pytest.fixture
def model(open_page):
    """A loaded model of this server."""
    open_page(panel="attention", text=TEXT)
    return next(iter(host.models().values()))


def pointed(model, **chosen) -> Pointed:
    """What the reader points at."""
    found = changing.pointed_at(model, View(model="tiny-llama", **chosen))
    assert isinstance(found, Pointed)
    return found


def test_a_stream_is_taken_from_the_first_run_at_the_partner_of_the_chosen_token(model):
    here = pointed(model, text="abcd", text2="abxcd", pos=2, layer=1)
    (says, made) = changing.quick(here)[-1]
    assert says == "Take layer 1's stream at “c” from A"
    assert made == Intervention("resid_post", "patch", layer=1, pos=3)
    assert not any(made.op == "patch" for _says, made in changing.quick(pointed(model, text="abcd")))


def test_the_neuron_that_the_panel_speaks_of_can_be_turned_off(model):
    view = View(panel="neurons", model="tiny-llama", text=TEXT, layer=1, pos=2)
    assert pointed(model, panel="neurons", text=TEXT, layer=1, pos=2).neuron is None  # nothing is worked out for it
    want = Want("act", 1, pos=2)
    act = model.run(view.run(model.spec()), [want])[want]
    here = pointed(model, panel="neurons", text=TEXT, layer=1, pos=2)
    strongest = int(abs(act).argmax())
    assert changing.quick(here)[0] == (
        f"Turn off neuron {strongest} of layer 1",
        Intervention("act", "zero", layer=1, neuron=strongest),
    )


@pytest.mark.parametrize(
    ("panel", "settings"),
    [("neurons", ()), ("promoted", ()), ("activation", ()), ("attribution", (("by", "neurons"),))],
)
def test_the_chosen_neuron_comes_first_where_the_panel_shows_neurons(model, panel, settings):
    here = pointed(model, panel=panel, text=TEXT, layer=1, pos=2, neuron=3, settings=settings)
    made = Intervention("act", "zero", layer=1, neuron=3)
    assert changing.quick(here)[0] == ("Turn off neuron 3 of layer 1", made)


def test_a_chosen_neuron_is_left_alone_where_the_panel_shows_none(model):
    for panel in ("attention", "attribution"):
        assert pointed(model, panel=panel, text=TEXT, layer=1, neuron=3).neuron is None


def test_a_chosen_neuron_is_that_of_a_second_text_and_of_what_is_changed_already(model):
    for more in ({"text2": "another"}, {"changes": (Change(MADE),)}):
        assert pointed(model, panel="neurons", text=TEXT, layer=1, neuron=3, **more).neuron == 3


def test_a_neuron_of_the_link_is_shown_turned_off_and_stays_chosen(open_page):
    app = open_page(panel="neurons", text=TEXT, layer="1", neuron="5")
    assert "neuron 5" in words(app)
    app = opened(app)
    assert (field(app, "site").value, field(app, "neuron").value) == ("act", 5)
    first = next(button for button in app.button if str(button.key).startswith("what_if.quick"))
    assert first.label == "Turn off neuron 5 of layer 1"
    first.click().run()
    assert linked(app) == "act.zero.layer1.neuron5"
    assert list(toggles(app)) == ["layer 1 · neuron 5: neurons set to 0"]
    assert app.query_params["neuron"] in ("5", ["5"])
    assert words(app).count("neuron 5, is number") == 2


def test_a_neuron_that_the_model_does_not_have_is_said(open_page):
    assert "There is no neuron 9999 here" in words(open_page(panel="neurons", text=TEXT, layer="1", neuron="9999"))


def test_what_is_in_the_list_already_is_switched_on_and_a_new_change_comes_last():
    view = View(changes=(Change(MADE, on=False),))
    assert changing.added(view, MADE).changes == (Change(MADE),)
    other = replace(MADE, layer=0)
    assert changing.added(view, other).changes == (Change(MADE, on=False), Change(other))


def test_more_changes_than_a_link_holds_are_refused(model):
    here = pointed(model, text=TEXT)
    many = tuple(Change(Intervention("act", "zero", layer=0, neuron=i), on=False) for i in range(32))
    with pytest.raises(Refused, match="at most 32 changes"):
        changing.put(here, View(text=TEXT, changes=many), (MADE,))


def test_a_change_goes_towards_the_first_token_of_what_is_typed(model):
    token, label = changing.entry(model, "ba")
    assert model.run(Run(model.spec().id, "b")).tokens[-1].id == token
    assert changed.label(model, token) == label == "b"
    with pytest.raises(Refused, match="Write a word"):
        changing.entry(model, "")


def test_the_parts_that_can_be_named_are_those_of_the_place(model):
    spec, places = model.spec(), change_form.PLACES
    heads = [("head", head) for head in range(spec.n_heads)]
    shared = [("kv", kv) for kv in range(spec.n_kv)]
    assert spec.n_kv < spec.n_heads
    assert change_form.parts(spec, places["z"]) == [None, *heads, *shared]
    assert change_form.parts(spec, places["k"]) == [None, *shared]
    assert change_form.parts(replace(spec, n_kv=spec.n_heads), places["z"]) == [None, *heads]


def test_where_the_second_model_is_not_there_the_form_says_so(serve):
    opened = serve("llama")
    opened(panel="attention", text=TEXT)
    found = changing.pointed_at(next(iter(host.models().values())), View(model="tiny-llama", text=TEXT, model2="none"))
    assert isinstance(found, Absent)
    assert "no model none" in found.says


def test_a_second_model_of_its_own_takes_its_changes_with_it_and_another_leaves_them(serve):
    serve("llama", "gpt2")
    loaded(host.models()["tiny-gpt2"])
    view = View(model="tiny-llama", text=TEXT, changes=(Change(MADE),))
    assert second.compared(view, "Another model").changes == ()
    assert second.compared(view, "Another text").changes == view.changes
    beside = replace(view, model2="tiny-gpt2")
    assert beside.with_model("tiny-t5").changes == beside.changes
    assert view.with_model("tiny-gpt2").changes == ()
    assert second.on_model(beside, "tiny-llama").changes == ()
    assert beside.swapped.changes == ()


def test_another_text_in_the_second_run_leaves_what_is_done_at_no_one_token():
    at = replace(MADE, pos=2)
    view = View(text="abc", changes=(Change(MADE), Change(at, on=False)))
    assert second.typed_in(view, "xyz") == replace(view, text2="xyz", changes=(Change(MADE),))
    assert second.typed_in(view, "abc").changes == view.changes


def test_a_changed_run_is_linked_to_with_the_run_it_is_a_change_of():
    view = View(text="abc", text2="abd", pos=1, changes=(Change(MADE), Change(replace(MADE, layer=0), on=False)))
    assert view.second.both == replace(view, changes=(Change(MADE),))
    assert view.both is view
    assert replace(view, text2=None).second.both == replace(view, text2=None, changes=(Change(MADE),))


def test_words_in_the_list_are_no_markdown():
    assert changed.plain("“**a** [b](c) $x$ :red[d]”") == r"“\*\*a\*\* \[b\]\(c\) \$x\$ \:red\[d\]”"


def test_the_list_says_the_token_that_a_change_goes_towards(model):
    token, _label = changing.entry(model, "b")
    made = Intervention("resid_post", "add", layer=1, amount=2.0, token=token)
    assert "“b”" in changed.told(made, model)
    assert read(f"resid_post.add.layer1.amount2.token{token}") == (Change(made),)


def test_changes_that_go_with_their_text_are_said_to_have_gone_once(open_page):
    app = open_page(panel="attention", text="abcabc", text2="abcabd", changes=f"{ATTENTION}.pos2 z.zero.layer1.head0")
    app.button(key="swap").click().run()
    assert linked(app) == "z.zero.layer1.head0"
    assert "1 change of run B belonged to the text" in unescape(words(app))
    app.run()
    assert "belonged to the text" not in unescape(words(app))


def test_changes_that_stay_or_are_taken_out_are_not_said_to_have_gone(open_page):
    app = open_page(panel="attention", text="abcabc", text2="abcabd", changes=f"{ATTENTION} z.zero.layer1.head0")
    app.button(key="swap").click().run()
    assert linked(app) == f"{ATTENTION} z.zero.layer1.head0"
    assert "belonged to the text" not in unescape(words(app))
    of_list(app, "Remove").click().run()
    assert linked(app) == "z.zero.layer1.head0"
    assert "belonged to the text" not in unescape(words(app))


def test_texts_that_a_link_has_no_room_for_are_refused(model):
    made = replace(MADE, op="mean", sources=tuple(Run("", f"{i}" * 1_200) for i in range(7)))
    with pytest.raises(Refused, match="no room for all these texts"):
        changing.put(pointed(model, text=TEXT), View(text=TEXT), (made,))
