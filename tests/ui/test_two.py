"""Two runs on the page: both and their difference in every panel, clicks in the second one, and its row."""

from dataclasses import replace
from html import unescape
from threading import Event

import pytest

import panels
from anatomy.alignment import aligned
from anatomy.interventions import Change
from anatomy.request import Intervention, Run
from anatomy.view import Fitted, View
from tests.models.tiny import TEXT, tiny_engine
from tests.panels.test_beside import larger
from tests.share import diagonal
from tests.ui.conftest import loaded
from tests.ui.test_page import component, drawn, keys, words
from ui import asking, host, later, links, second, sides, withheld
from ui.asking import Halt
from ui.examples import EXAMPLES, PAIRS
from ui.sides import Second

FAMILIES = ("llama", "gpt2", "bert-headless")
OTHER = {"same length": TEXT[:-1] + "a", "longer": TEXT + "bcd", "itself": TEXT, "one token": "a"}


@pytest.mark.parametrize(("panel", "family", "other"), diagonal([*panels.load()], FAMILIES, [*OTHER]))
def test_every_panel_draws_both_runs_and_their_difference_or_says_why_there_is_none(open_page, panel, family, other):
    app = open_page(family, panel=panel, text=TEXT, text2=OTHER[other])
    assert not app.exception
    said = unescape(words(app))
    closed = panels.load()[panel].closed(next(iter(host.models().values())).spec())
    if closed is not None:
        assert closed in said
        assert not drawn(app)
        return
    if panels.load()[panel].both is not None:
        assert f"{panel}-difference.figure" in keys(app)
        return
    for part in ("<b>A</b>", "<b>B</b>", "<b>B − A</b>"):
        assert part in said
    assert figures(app, panel) >= {f"{panel}.figure", f"{panel}-b.figure"}
    assert f"{panel}-difference.figure" in figures(app, panel) or 'class="notice quiet"' in said


def figures(app, panel: str) -> set[str]:
    """Keys of the panel's figures; those of BertViz have none."""
    made = {f"{panel}.figure", f"{panel}-b.figure"} if len(app.get("iframe")) == 2 else set()
    plotted = {chart.key for chart in app.get("plotly_chart")}
    return made | plotted | {key for key in keys(app) if key.endswith(".figure")}


def test_without_a_second_run_there_is_no_row_of_it(open_page):
    app = open_page(panel="attention", text=TEXT)
    assert not keys(app) & {"textbox-b", "strip-b", "attention-b.figure"}
    assert component(app, "strip")["side"] == ""
    assert component(app, "textbox")["words"]["side"] == ""


def test_both_texts_stand_in_their_boxes_and_their_tokens_tell_what_the_other_has_not(open_page):
    app = open_page(panel="attention", text="abcd", text2="abxcde")
    assert component(app, "textbox")["text"] == "abcd"
    assert component(app, "textbox-b")["text"] == "abxcde"
    assert component(app, "strip")["notes"] == {}
    assert component(app, "strip-b")["notes"] == {"2": ["B", "only in B"], "5": ["B", "only in B"]}
    app = open_page(panel="attention", text="abc", text2="axc")
    assert component(app, "strip")["notes"] == {"1": ["≠", "in B: x"]}
    assert component(app, "strip-b")["notes"] == {"1": ["≠", "in A: b"]}


def test_the_chosen_token_of_the_second_run_is_the_partner_of_the_first_ones(open_page):
    app = open_page(panel="attention", text="abcd", text2="abxcd", pos="3")
    assert component(app, "strip")["chosen"] == 3
    assert component(app, "strip-b")["chosen"] == 4


def of_texts(view: View, a: str, b: str) -> Second:
    """The second run of two texts under one tiny model."""
    engine = tiny_engine()
    cut, own = (engine.run(Run(engine.spec.id, text)) for text in (a, b))
    fitted = view.fit(engine.spec, cut.tokens)
    assert isinstance(fitted, Fitted)
    alignment = aligned(cut, own)
    return Second(host.HostedModel("tiny", None), fitted, own, alignment, (cut.labels, own.labels))


def test_a_click_in_the_second_run_chooses_the_partner_in_the_first():
    view = View(text="abcd", text2="abxcd", pos=1, src=0)
    side = of_texts(view, "abcd", "abxcd")
    clicked = side.followed(view, lambda now: replace(now, pos=4, src=3, layer=1, head=2))
    assert clicked == replace(view, pos=3, src=2, layer=1, head=2)
    assert side.followed(view, lambda now: replace(now, pos=2, src=None)) == replace(view, pos=1, src=None)


def test_a_neuron_that_is_clicked_in_the_second_run_is_chosen_in_both():
    view = View(text="abcd", text2="abxcd", layer=1, neuron=2)
    clicked = of_texts(view, "abcd", "abxcd").followed(view, lambda now: now.at(layer=0, neuron=5))
    assert clicked == replace(view, layer=0, neuron=5)
    assert clicked.second.neuron == 5


def test_a_variant_that_is_chosen_in_the_second_run_stands_beside_that_run():
    """What is changed in it stays changed in the second run: a link has changes nowhere else."""
    changes = (Change(Intervention("z", "zero", layer=1, head=0)),)
    view = View(text="abcd", text2="abxcd", model2="tiny-gpt2", pos=1, changes=changes)

    def chosen(now: View) -> View:
        return replace(now.alone, model2=f"{now.model}~3bit", panel="passage")

    clicked = of_texts(view, "abcd", "abxcd").followed(view, chosen)
    first = View(model="tiny-gpt2", text="abxcd", panel="passage", pos=1)
    assert clicked == replace(first, model2="tiny-gpt2~3bit", changes=changes)
    plain = replace(view, model2=None, changes=())
    clicked = of_texts(plain, "abcd", "abxcd").followed(plain, chosen)
    assert clicked == replace(first, model=plain.model, model2=f"{plain.model}~3bit")


@pytest.mark.parametrize("pos", [None, 0, 3])
def test_what_a_click_in_the_second_run_leaves_alone_stays(pos):
    view = View(text="abcd", text2="abxcd", pos=pos, src=pos)
    side = of_texts(view, "abcd", "abxcd")
    assert side.followed(view, lambda now: now) == view
    assert side.followed(view, lambda now: replace(now, panel="heads")) == replace(view, panel="heads")


def test_choices_in_the_second_runs_strip_move_the_link(open_page, monkeypatch):
    app = open_page(panel="attention", text="abcd", text2="abxcd", pos="1")
    view = View(panel="attention", text="abcd", text2="abxcd", pos=1)
    seen = []
    monkeypatch.setattr(links, "go", lambda change: seen.append(change(view)))
    of_texts(view, "abcd", "abxcd").go(lambda now: replace(now, pos=4))
    assert [after.pos for after in seen] == [3]
    assert not app.exception


def test_controls_stand_once_and_set_both(open_page):
    app = open_page(panel="attention", text="abcd", text2="abxcd", layer="1")
    assert app.get_by_key("attention.layer").value == 1
    assert sum(str(widget.key).startswith("attention.layer") for widget in app.get("button_group")) <= 1
    assert words(app).count("In layer 1, head") == 2


def test_a_second_model_stands_beside_the_first(serve):
    opened = serve("llama", "gpt2")
    loaded(host.models()["tiny-gpt2"])
    app = opened(panel="attention", text=TEXT, model2="tiny-gpt2")
    assert not app.exception
    assert {"attention.figure", "attention-b.figure"} <= keys(app)
    assert component(app, "textbox-b")["text"] == TEXT


def test_a_panel_that_only_the_first_model_has_says_so_in_the_second_ones_place(serve):
    opened = serve("llama", "bert-headless")
    loaded(host.models()["tiny-bert-headless"])
    app = opened(panel="lens", text=TEXT, model2="tiny-bert-headless")
    assert not app.exception
    spec = host.models()["tiny-bert-headless"].spec()
    assert f"Run B is not shown: {panels.load()['lens'].closed(spec)}" in unescape(words(app))
    assert not figures(app, "lens") & {"lens-b.figure", "lens-difference.figure"}
    assert '<p class="says">' in words(app)


def test_while_the_second_model_is_loaded_the_first_run_is_there(serve):
    wait = Event()
    opened = serve("llama", "gpt2", absent={"gpt2": wait})
    try:
        app = opened(panel="attention", text=TEXT, model2="tiny-gpt2")
        assert not app.exception
        assert "attention.figure" in keys(app)
        assert "tiny-gpt2 is still being loaded: its run joins when it is there." in words(app)
    finally:
        wait.set()
    loaded(host.models()["tiny-gpt2"])
    assert "attention-b.figure" in keys(app.run())


def test_a_second_model_that_cannot_be_loaded_says_why_and_can_be_tried_again(serve):
    opened = serve("llama", "gpt2", broken=("gpt2",))
    loaded(host.models()["tiny-gpt2"])
    app = opened(panel="attention", text=TEXT, model2="tiny-gpt2")
    assert "Run B is not there. The gpt2 is cut short." in unescape(words(app))
    assert "attention.figure" in keys(app)


def test_an_unknown_second_model_and_a_refused_second_text_cost_only_the_second_run(open_page):
    app = open_page(panel="attention", text=TEXT, model2="nobody")
    assert "Run B is not there. This server has no model nobody." in words(app)
    assert "attention.figure" in keys(app)
    app = open_page(panel="attention", text=TEXT, text2="")
    assert not app.exception
    assert "attention.figure" in keys(app)
    assert 'class="notice' in words(app)


def test_an_embedded_panel_has_both_runs_and_their_difference(open_page):
    app = open_page(embed=True, panel="attention", text="abcd", text2="abxd")
    assert not app.exception
    assert keys(app) == {"attention.figure", "attention-b.figure", "attention-difference.figure"}
    assert not app.tabs


def test_the_menu_offers_a_text_and_pairs_and_a_model_where_there_are_several(serve):
    opened = serve("llama", "gpt2")
    opened(text="abc")
    view = View(model="tiny-llama", text="abc", pos=1)
    assert second.compared(view, "Another text") == replace(view, text2="abc")
    assert second.compared(view, "Another model") == replace(view, model2="tiny-gpt2")
    for name, (first, other) in PAIRS.items():
        found = second.compared(view, name)
        assert (found.text, found.text2, found.model2) == (first, other, None)
    kept = replace(view, text2="xyz", model2="tiny-llama")
    assert second.compared(kept, "Another text") == kept
    assert second.compared(kept, "Another model") == kept


def test_pairs_of_texts_differ_and_have_names_of_their_own():
    assert not set(PAIRS) & set(EXAMPLES)
    assert all(first != other for first, other in PAIRS.values())


def test_a_second_run_is_closed_swapped_and_changed_by_its_row(open_page):
    app = open_page(panel="attention", text="abcd", text2="abxd")
    app.get_by_key("swap").click().run()
    assert (component(app, "textbox")["text"], component(app, "textbox-b")["text"]) == ("abxd", "abcd")
    app.get_by_key("close_second").click().run()
    assert component(app, "textbox")["text"] == "abxd"
    assert "textbox-b" not in keys(app)
    assert "text2" not in app.query_params
    assert second.typed_in(View(text="a", text2="b"), "c") == View(text="a", text2="c")
    assert second.on_model(View(text="a"), "m") == View(text="a", model2="m")


def test_what_was_generated_is_read_by_another_model_as_text(serve):
    serve("llama", "gpt2")
    engine = tiny_engine()
    view = View(model="tiny-llama", model2="tiny-gpt2", text="ab", tail=(100, 101))
    cut = engine.run(view.run(engine.spec))
    assert sides.asked(view, cut).text == cut.text != "ab"
    assert sides.asked(replace(view, text2="xy"), cut).text == "xy"
    assert sides.asked(replace(view, model2="tiny-llama"), cut).tail == (100, 101)


def test_a_chosen_token_without_a_partner_is_said_to_have_none(open_page):
    said = unescape(words(open_page(panel="attention", text="abxyzcd", text2="abcd", pos="3")))
    assert "“y” is in A alone. In B “b” stands for it: what is compared are these two." in said
    assert "is in A alone" not in words(open_page(panel="attention", text="abxyzcd", text2="abcd", pos="6"))


def test_where_no_token_is_chosen_one_is_that_both_runs_have(open_page):
    app = open_page(panel="attention", text="abcdxyz", text2="abcd")
    assert component(app, "strip")["chosen"] == component(app, "strip-b")["chosen"] == 3
    assert "is in A alone" not in words(app)


def test_an_error_of_the_program_in_the_second_run_costs_that_alone(open_page, monkeypatch, mishaps):
    def broken(*_traces: object) -> None:
        raise ValueError("mistake")

    monkeypatch.setattr(sides, "aligned", broken)
    app = open_page(panel="attention", text="abcd", text2="abcx")
    assert "attention.figure" in keys(app)
    assert "strip" in keys(app)
    assert any("the second run" in said for said in mishaps())


def test_a_second_run_that_was_stopped_can_be_run_and_the_first_stands_as_it_does_alone(open_page, monkeypatch):
    ask = asking.ask
    stopped = Halt("This was stopped before its end.", stopped=True)
    monkeypatch.setattr(
        asking, "ask", lambda model, run, *rest: stopped if run.text == "abcx" else ask(model, run, *rest)
    )
    app = open_page(panel="attention", text="abcd", text2="abcx")
    assert "Run B is not shown: This was stopped before its end." in words(app)
    assert {"attention.figure", "heads.figure"} <= keys(app)
    assert app.get_by_key("again.b")


def test_an_overview_that_takes_long_is_asked_for_in_both_runs(open_page, monkeypatch):
    monkeypatch.setattr(withheld, "SHORT", 3)
    monkeypatch.setattr(withheld, "_seconds", lambda model, run, wants: float(len(wants)) * 100)
    app = open_page(panel="attention", text="abcd", text2="abcx")
    assert keys(app) & {"heads.figure", "heads-difference.figure"} == set()
    app.get_by_key("heads.ask").click().run()
    assert "heads-difference.figure" in keys(app)


def test_the_row_of_a_second_run_stands_where_its_text_is_lost(open_page):
    app = open_page(panel="attention", text="abcd", packed2="zzzz")
    assert component(app, "textbox-b")["text"] == "abcd"
    assert "The second text in this link is damaged" in words(app)


def test_a_head_that_the_second_model_lacks_is_said_on_its_card(serve, monkeypatch):
    engines = {"local:tiny-llama": larger(), "local:tiny-gpt2": tiny_engine("llama")}
    monkeypatch.setattr("tests.ui.conftest.tiny_engine", lambda kind: engines[f"local:tiny-{kind}"])
    opened = serve("llama", "gpt2")
    loaded(host.models()["tiny-gpt2"])
    assert (engines["local:tiny-llama"].spec.n_heads, engines["local:tiny-gpt2"].spec.n_heads) == (6, 4)
    app = opened(panel="attention", text=TEXT, model2="tiny-gpt2", head="5")
    assert words(app).count("There is no head 5 here: 3, the last one, is shown.") == 1


def test_of_two_fillings_each_is_stopped_by_itself(monkeypatch):
    state: dict = {}
    monkeypatch.setattr(later.st, "session_state", state)
    one, other = (later.Rest(Run("m", text), frozenset()) for text in "ab")
    later._stop(one)
    later._stop(other)
    assert later._stopped(one.run) == {one}
    assert later._stopped(other.run) == {other}
    later._go_on(one)
    assert later._stopped(one.run) == set()
    assert later._stopped(other.run) == {other}
