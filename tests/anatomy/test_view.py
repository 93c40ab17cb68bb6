"""View: the link is the only memory of the page; anything may stand in a link."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.control import Choice, Place, Slider, Switch
from anatomy.interventions import LONGEST, Change
from anatomy.request import Intervention, Run
from anatomy.trace import Token
from anatomy.variants import alike
from anatomy.view import DEFAULT_PANEL, OPENING, Fitted, View, read_view
from tests.anatomy.changes import changes
from tests.anatomy.spec import spec

SCALE = Choice("scale", "Scale", ("linear", "log"), ("%", "log"), says="")
FIRST = Switch("first", "Leave out the first token", says="")
TEMPERATURE = Slider("temp", "Temperature", 0.1, 2.0, 0.1, 1.0, says="")
CONTROLS = (SCALE, FIRST, TEMPERATURE)
PANELS = ("tokens", "attention", OPENING)
PLAIN = ("panel", "layer", "head", "neuron", "pos", "src", "tail")

views = st.builds(
    View,
    panel=st.sampled_from(PANELS),
    model=st.sampled_from(("smollm2-135m", "other")),
    text=st.text(max_size=30),
    layer=st.none() | st.integers(0, 500),
    head=st.none() | st.integers(0, 500),
    neuron=st.none() | st.integers(0, 50_000),
    pos=st.none() | st.integers(0, 500),
    src=st.none() | st.integers(0, 500),
    tail=st.lists(st.integers(0, 60_000), max_size=6).map(tuple),
    text2=st.none() | st.text(max_size=30),
    model2=st.none() | st.sampled_from(("smollm2-135m", "other")),
    changes=changes,
)
HEAD = Change(Intervention("z", "zero", 1, head=2))
AT = Change(Intervention("resid_mid", "patch", 1, pos=3))
OFF = Change(Intervention("act", "scale", 0, neuron=5, amount=2.0), on=False)


@given(views, st.booleans(), st.sampled_from(SCALE.options), st.integers(1, 20))
def test_every_view_survives_its_link(view, first, scale, tenths):
    view = view.with_setting(FIRST, first).with_setting(SCALE, scale).with_setting(TEMPERATURE, tenths / 10)
    for opening in (DEFAULT_PANEL, OPENING):
        assert read_view(view.query(), PANELS, CONTROLS, opening) == (view, ())


@given(st.dictionaries(st.sampled_from([*PLAIN, "scale", "first", "temp", "x"]), st.text()))
def test_nothing_in_a_link_raises_and_what_is_bad_is_said(query):
    view, complaints = read_view(query, PANELS, CONTROLS)
    assert view.panel in PANELS
    assert view[SCALE] in SCALE.options
    assert 0.1 <= view[TEMPERATURE] <= 2.0
    assert len(complaints) <= len(query)


@pytest.mark.parametrize("value", ["abc", "-1", "1.5", "٣", "9" * 40, "nan"])
def test_a_bad_number_falls_back_alone(value):
    view, complaints = read_view({"layer": value, "head": "3"}, PANELS, CONTROLS)
    assert (view.layer, view.head) == (None, 3)
    assert "layer is not a whole number" in complaints[0]


@pytest.mark.parametrize("value", ["nan", "inf", "-5", "1e3", "warm", ""])
def test_a_bad_temperature_is_the_default_and_said(value):
    view, complaints = read_view({"temp": value}, PANELS, CONTROLS)
    assert view[TEMPERATURE] == 1.0
    assert "temp cannot be" in complaints[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [*((name, "x" * 201) for name in ("article", "claim", "beside", "model")), ("temp", "0." + "1" * 200)],
)
def test_no_name_or_number_in_a_link_is_longer_than_a_link_has_room_for(name, value):
    view, complaints = read_view({"panel": "tokens", name: value}, PANELS, CONTROLS)
    assert view == View(panel="tokens")
    assert [f"link's {name} cannot be" in complaint for complaint in complaints] == [True]


def test_generated_tokens_stand_in_the_link_with_dots_between():
    view = View(tail=(12, 345, 6))
    assert view.query() == {"tail": "12.345.6"}
    assert view.run(spec()).tail == (12, 345, 6)


@pytest.mark.parametrize("value", ["", ".", "1.", "1,2", "-1", "1.x", "٣", "9" * 40, ".".join(["1"] * 1025)])
def test_a_bad_tail_is_none_and_said(value):
    view, complaints = read_view({"tail": value, "head": "3"}, PANELS, CONTROLS)
    assert (view.tail, view.head) == ((), 3)
    assert "Nothing follows the text." in complaints[0]


def test_a_default_leaves_the_link():
    view = View().with_setting(FIRST, True)
    assert view.query() == {"first": "1"}
    assert "first" not in view.with_setting(FIRST, False).query()


@pytest.mark.parametrize(
    "query", [{}, {"lang": "zh"}, {"model": "minilm-l6"}, {"lang": "none", "model": "none"}, {"utm_source": "mail"}]
)
def test_a_link_that_says_nothing_of_what_is_shown_opens_the_passage(query):
    assert read_view(query, PANELS, CONTROLS, OPENING)[0].panel == OPENING
    assert read_view(query, PANELS, CONTROLS)[0].panel == DEFAULT_PANEL


@pytest.mark.parametrize(
    ("name", "value"),
    [("text", "abc"), ("text", ""), ("layer", "3"), ("layer", "abc"), ("pos", "0"), ("tail", "7"), ("scale", "log"),
     ("first", "0"), ("article", "A1"), ("claim", "c-gqa"), ("beside", "minilm-l6"), ("panel", "attention"),
     ("panel", "none")],
)  # fmt: skip
def test_a_link_that_says_anything_else_means_attention_as_ever(name, value):
    assert read_view({name: value, "lang": "zh"}, PANELS, CONTROLS, OPENING)[0].panel == DEFAULT_PANEL


def test_attention_is_named_where_the_link_would_say_nothing_else():
    assert View().query() == {"panel": DEFAULT_PANEL}
    assert View(lang="zh", model="other").query() == {"lang": "zh", "model": "other", "panel": DEFAULT_PANEL}
    assert View(layer=3).query() == {"layer": "3"}
    assert View(panel=OPENING).query() == {"panel": OPENING}


def test_what_the_model_or_text_does_not_have_is_said():
    view = View(layer=99, head=1, neuron=12, pos=500)
    assert view.misfits(view.fit(spec(), tokens(False, False))) == (
        "There is no layer 99 here: 2, the last one, is shown.",
        "There is no neuron 12 here: 11, the last one, is shown.",
        "There is no position 500 here: 1, the last one, is shown.",
    )
    assert View().misfits(View().fit(spec(), tokens(False))) == ()


def tokens(*special):
    return tuple(Token(i, "x", "x", b"x", i, i + 1, flag) for i, flag in enumerate(special))


def test_fit_chooses_what_is_open_and_bounds_the_rest():
    fitted = View(layer=99, head=99, pos=99, src=99).fit(spec(), tokens(False, False))
    assert isinstance(fitted, Fitted)
    assert (fitted.layer, fitted.head, fitted.pos, fitted.src) == (2, 3, 1, 1)
    assert View().fit(spec(), tokens(False, False)).pos == 1


def test_no_neuron_is_chosen_for_the_reader_and_one_that_is_not_there_is_the_last():
    assert spec().d_ff == 12
    assert View().fit(spec(), tokens(False)).neuron is None
    assert View(neuron=0).fit(spec(), tokens(False)).neuron == 0
    assert View(neuron=12).fit(spec(), tokens(False)).neuron == 11


def test_a_neuron_stays_with_its_layer_and_goes_where_another_layer_or_model_is_chosen():
    view = View(layer=3, head=1, neuron=7, pos=2)
    assert view.at(layer=3, head=0) == View(layer=3, head=0, neuron=7, pos=2)
    assert view.at(layer=4) == View(layer=4, head=1, pos=2)
    assert view.at(layer=4, neuron=7) == View(layer=4, head=1, neuron=7, pos=2)
    assert view.at(neuron=0) == View(layer=3, head=1, neuron=0, pos=2)
    assert (view.with_text("new").neuron, view.with_model("other").neuron) == (7, None)
    assert replace(view, text2="b").second.neuron == replace(view, text2="b").swapped.neuron == 7


def test_fit_keeps_everything_else():
    view = View(panel="output", model="m", text="t", settings=(("temp", "0.5"),))
    fitted = view.fit(spec(), tokens(False))
    assert (fitted.panel, fitted.model, fitted.text, fitted.settings) == ("output", "m", "t", (("temp", "0.5"),))


def test_the_eye_starts_on_text_not_on_an_added_token():
    assert View().fit(spec(), tokens(True, False, False, True)).pos == 2
    assert View().fit(spec(), tokens(True, True)).pos == 1


def test_the_eye_goes_to_what_the_model_went_on_with_even_where_it_ends_the_text():
    assert View(tail=(7,)).fit(spec(), tokens(False, False, True)).pos == 2


def test_another_text_forgets_the_tokens_of_the_old_one():
    view = View(layer=3, head=1, pos=4, src=2, tail=(5,)).with_text("new")
    assert (view.text, view.layer, view.head, view.pos, view.src, view.tail) == ("new", 3, 1, None, None, ())


def test_ids_that_python_gave_are_in_no_link_and_belong_to_their_text_and_model():
    view = View(text="ab", ids=(7, 8))
    assert view.run(spec()).ids == (7, 8)
    assert view.query() == View(text="ab").query()
    assert read_view({"ids": "7.8", "text": "ab"}, PANELS, CONTROLS) == (View(text="ab"), ())
    assert view.with_text("ab").ids == view.with_model("other").ids == ()
    assert replace(view, text2="cd").second.ids == replace(view, model2="other").second.ids == ()
    assert view.second.ids == (7, 8)


def test_a_place_survives_its_link_and_anything_else_is_said():
    place = Place("at", "Place", ("",), count=3)
    moved = View(panel="tokens").with_setting(place, place.at(5, 0, 12))
    assert read_view(moved.query(), PANELS, (place,)) == (moved, ())
    assert place.numbers(moved[place]) == (5, 0, 12)
    for bad in ("5.0", "5.0.12.1", "5.-1.3", "a.b.c", "5..1", "٥.1.2", "1234567890.1.1"):
        view, complaints = read_view({"panel": "tokens", "at": bad}, PANELS, (place,))
        assert (view[place], len(complaints)) == ("", 1), bad


@given(views)
def test_a_view_without_a_second_run_is_the_first_alone(view):
    changed = any(change.on for change in view.changes)
    assert view.two == (view.text2 is not None or view.model2 is not None or changed)
    assert not view.alone.two
    assert not view.second.two
    assert (view.second.changed is not None) == changed
    assert replace(view.alone, text2=view.text2, model2=view.model2, changes=view.changes) == view


@given(views)
def test_swapped_runs_are_each_others(view):
    for one, other in ((view.swapped, view), (view, view.swapped)):
        assert (one.second.text, one.second.model) == (other.text, other.model)
    anywhere = {change for change in view.changes if change.made.pos is None}
    kept = {change for change in view.swapped.changes if change.made.pos is None}
    assert kept == (anywhere if alike(view.model, view.second.model) else set())
    assert (view.swapped.swapped.second.text, view.swapped.swapped.second.model) == (
        view.second.text,
        view.second.model,
    )


def test_what_was_generated_follows_the_second_run_only_where_text_and_model_are_the_same():
    view = View(text="a", model="m", tail=(1, 2))
    assert replace(view, text2="a").second.tail == (1, 2)
    assert replace(view, model2="m").second.tail == (1, 2)
    assert replace(view, text2="b").second.tail == ()
    assert replace(view, model2="n").second.tail == ()


def test_a_second_text_may_be_empty_and_is_as_long_as_a_first_one_may_be():
    for text in ("", "x" * 5_000):
        view, complaints = read_view({"text2": text}, PANELS, CONTROLS)
        assert view.text2 == text
        assert not complaints
        assert view.two


# what is changed in the second run


def test_changes_stand_in_the_link_with_those_that_are_off():
    view = View(panel="tokens", changes=(HEAD, OFF))
    assert view.query() == {"panel": "tokens", "changes": "z.zero.layer1.head2 off.act.scale.layer0.neuron5.amount2"}
    assert read_view(view.query(), PANELS, CONTROLS) == (view, ())


def test_parts_of_the_architecture_stand_in_the_link_and_in_the_second_run():
    swap, mask = Intervention("layer", "swap", 0, other=2), Intervention("mask", "drop")
    view = View(panel="tokens", text="a", changes=(Change(swap), Change(mask)))
    assert view.query()["changes"] == "layer.swap.layer0.other2 mask.drop"
    assert read_view(view.query(), PANELS, CONTROLS) == (view, ())
    assert view.second.run(spec()) == Run(spec().id, "a", interventions=(swap, mask))


@pytest.mark.parametrize("value", ["", "z", "z.fly.layer1", "z.zero.layer1.5", "z.patch!" + "a" * LONGEST])
def test_changes_that_are_none_leave_the_second_run_as_it_is_and_are_said(value):
    view, complaints = read_view({"changes": value, "head": "3"}, PANELS, CONTROLS)
    assert (view.changes, view.head, view.two) == ((), 3, False)
    assert "changes are none that are known here" in complaints[0]
    assert len(complaints[0]) < 200


def test_a_second_run_is_there_as_long_as_one_change_is_on():
    assert View(changes=(HEAD, OFF)).two
    assert not View(changes=(OFF,)).two
    assert not View(changes=(HEAD,)).alone.two
    assert View().with_changes([HEAD]).changes == (HEAD,)


def test_the_second_run_has_the_changes_that_are_on_and_the_first_one_has_none():
    view = View(text="a", tail=(4,), changes=(HEAD, OFF))
    assert view.run(spec()).interventions == ()
    assert view.second.run(spec()) == Run(spec().id, "a", tail=(4,), interventions=(HEAD.made,))
    assert View(text="a", changes=(OFF,)).second.run(spec()) == Run(spec().id, "a")
    fitted = view.second.fit(spec(), tokens(False, False))
    assert fitted.run(spec()) == view.second.run(spec())


def test_a_patch_comes_from_the_first_run_as_it_stands_and_a_mean_from_its_texts():
    mean = Change(Intervention("attn_out", "mean", 0, sources=(Run("", "c"),)))
    view = View(text="a", tail=(4,), text2="b", changes=(AT, mean))
    first = Run(spec().id, "a", tail=(4,))
    patch, averaged = view.second.run(spec()).interventions
    assert patch == replace(AT.made, sources=(first,))
    assert averaged == replace(mean.made, sources=(Run(spec().id, "c"),))
    assert view.run(spec()) == first
    given_ids = View(text="ab", ids=(7, 8), text2="b", changes=(AT,))
    assert given_ids.second.run(spec()).interventions[0].sources == (Run(spec().id, "ab", ids=(7, 8)),)


def test_changes_at_one_token_go_with_the_text_that_had_it():
    same, other = View(changes=(HEAD, AT, OFF)), View(text2="b", changes=(HEAD, AT, OFF))
    assert same.with_text("new").changes == (HEAD, OFF)
    assert other.with_text("new").changes == (HEAD, AT, OFF)
    assert same.with_model("new").changes == other.with_model("new").changes == ()


def test_runs_that_change_places_leave_the_changes_in_the_second():
    same, other = View(text="a", pos=3, changes=(HEAD, AT)), View(text="a", text2="b", pos=3, changes=(HEAD, AT))
    assert same.swapped == same
    assert (other.swapped.text, other.swapped.text2, other.swapped.pos) == ("b", "a", None)
    assert other.swapped.changes == (HEAD,)
    assert other.swapped.changed is None
    assert other.swapped.run(spec()) == Run(spec().id, "b")
    assert other.swapped.second.run(spec()) == Run(spec().id, "a", interventions=(HEAD.made,))


def test_what_was_generated_follows_a_run_that_only_something_is_changed_in():
    assert View(tail=(1, 2), changes=(HEAD,)).second.tail == (1, 2)
    assert View(text="a", tail=(1, 2), text2="b", changes=(HEAD,)).second.tail == ()


CHOSEN = View(
    model="m~3bit", text="a", layer=3, head=1, neuron=7, pos=4, src=2, tail=(5,), ids=(7,), changes=(HEAD, AT, OFF)
)


@pytest.mark.parametrize("name", ["m", "m~2bit", "m~untrained=7~prune=0.5", "m~3bit"])
def test_places_changes_and_what_was_generated_stay_between_variants_of_one_model(name):
    assert CHOSEN.with_model(name) == replace(CHOSEN, model=name)
    compared = CHOSEN.with_second_model(name)
    assert compared == replace(CHOSEN, model2=name)
    assert (compared.second.tail, compared.second.ids) == ((5,), (7,))
    assert compared.with_second_model("m~noskip") == replace(CHOSEN, model2="m~noskip")
    assert compared.swapped == replace(CHOSEN, model=name, model2="m~3bit")


@pytest.mark.parametrize("name", ["n", "n~3bit", "m2~3bit", "mm"])
def test_they_go_where_another_model_is_chosen_or_a_variant_of_one(name):
    after = CHOSEN.with_model(name)
    assert after == View(model=name, text="a")
    compared = CHOSEN.with_second_model(name)
    assert compared == replace(CHOSEN, model2=name, changes=())
    assert (compared.second.tail, compared.second.ids) == ((), ())
    turned = replace(CHOSEN, model2=name).swapped
    assert (turned.model, turned.model2, turned.pos, turned.src, turned.tail) == (name, "m~3bit", None, None, ())
    assert turned.changes == ()


def test_the_model_whose_verdicts_stood_beside_goes_with_any_choice_of_a_model():
    for name in ("m", "n"):
        assert replace(CHOSEN, beside="m~2bit").with_model(name).beside is None


def test_a_variant_s_name_survives_its_link():
    view = View(model="m~prune=0.5,attention~3bit=sym,ffn", model2="m~lora=of-cats")
    assert read_view(view.query(), PANELS, CONTROLS) == (view, ())


def test_nothing_but_the_link_s_own_fields_stands_in_it():
    assert "changed" not in View(changes=(HEAD,)).second.query()
    assert read_view({"changed": "z.zero.layer1"}, PANELS, CONTROLS)[0].changed is None
