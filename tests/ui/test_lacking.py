"""Panels that the model on view lacks: marked in the picker, and offered with a model at hand that has them."""

from threading import Event

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import ButtonGroup

import panels
from anatomy.refused import Refused
from tests.models.tiny import tiny_engine
from tests.ui.conftest import loaded
from tests.ui.test_page import drawn, words
from tests.until import until
from ui import host, lacking
from ui.host import Loading


def buttons(app: AppTest) -> dict[str, str]:
    """Of the models that are offered: key and label of each one's button."""
    return {str(each.key): each.label for each in app.button if str(each.key).startswith("lacking.")}


def picker(app: AppTest) -> ButtonGroup:
    """The picker of the stage's panels, under whatever name it is drawn by now."""
    (found,) = [each for each in app.button_group if str(each.key).partition("~")[0] == "picker"]
    return found


def picked(app: AppTest) -> dict[str, str]:
    """Of the picker, each panel's name without its mark, and the whole label."""
    labels = [str(option.content) for option in picker(app).proto.options]
    return {label.removeprefix("– ").partition(" *")[0]: label for label in labels}


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "bert-headless", "t5"])
def test_the_picker_marks_exactly_the_panels_that_the_model_lacks(family):
    spec = tiny_engine(family).spec
    for panel in panels.load().values():
        label = lacking.label(panel, spec)
        assert panel.name in label
        assert (label == f"– {panel.name} *not in this model*") == (panel.closed(spec) is not None)
        assert (label == panel.name) == (panel.closed(spec) is None)


def test_a_marked_panel_opens_says_why_and_offers_the_model_that_has_it(serve):
    app = serve("bert-headless", "llama")(model="tiny-bert-headless", panel="likeness", text="abcab")
    loaded(host.models()["tiny-llama"])
    assert picked(app)["Lens"] == "– Lens *not in this model*"
    assert picked(app)["Alike"] == "Alike"
    picker(app).set_value("lens").run()
    assert not app.exception
    assert "This model has no output layer" in words(app)
    assert not drawn(app)
    assert list(buttons(app)) == ["lacking.tiny-llama"]
    assert buttons(app)["lacking.tiny-llama"].startswith("Open it with ")
    app.get_by_key("lacking.tiny-llama").click().run()
    assert not app.exception
    assert app.query_params == {"model": "tiny-llama", "panel": "lens", "text": "abcab"}
    assert drawn(app)
    assert picked(app)["Lens"] == "Lens"
    assert not buttons(app)


def test_what_is_not_known_before_it_is_loaded_is_offered_as_a_try_and_stays_unloaded(serve):
    opened = serve("bert-headless", "llama", "t5")
    app = opened(model="tiny-bert-headless", panel="lens")
    assert "Whether another model of this server has it is known once that model is loaded." in words(app)
    assert buttons(app) == {
        "lacking.tiny-llama": "Try it with tiny-llama",
        "lacking.tiny-t5": "Try it with tiny-t5",
    }
    assert not any(host.models()[f"tiny-{kind}"].ready for kind in ("llama", "t5"))
    app.get_by_key("lacking.tiny-t5").click().run()
    loaded(host.models()["tiny-t5"])
    app.run()
    assert app.query_params["panel"] == "lens"
    assert "This model has no output layer" in words(app)
    assert list(buttons(app)) == ["lacking.tiny-llama"]


def test_of_many_models_those_are_offered_that_have_it_and_at_most_a_few(serve):
    kinds = ("llama", "mistral", "qwen2", "gpt2", "t5")
    opened = serve("bert-headless", *kinds)
    for kind in kinds:
        loaded(host.models()[f"tiny-{kind}"])
    app = opened(model="tiny-bert-headless", panel="lens")
    assert list(buttons(app)) == [f"lacking.tiny-{kind}" for kind in kinds[: lacking.MOST]]
    assert len(buttons(app)) == 3


def test_where_one_model_is_known_to_have_it_none_is_offered_on_trust(serve):
    serve("bert-headless", "t5", "llama", "gpt2")
    hosted = host.models()
    loaded(hosted["tiny-llama"])
    lens = panels.load()["lens"]
    assert lacking.offers(lens, hosted["tiny-bert-headless"]) == lacking.Offers(having=("tiny-llama",))
    assert not hosted["tiny-gpt2"].ready


def test_a_model_that_could_not_be_loaded_is_not_offered(serve):
    opened = serve("bert-headless", "llama", broken=("llama",))
    loaded(host.models()["tiny-llama"])
    app = opened(model="tiny-bert-headless", panel="lens")
    assert not buttons(app)
    assert "No other model that this server could open has it." in words(app)


@pytest.mark.parametrize("others", [(), ("t5",)])
def test_where_no_model_at_hand_has_it_the_page_says_how_a_server_gets_another(serve, others):
    opened = serve("bert-headless", *others)
    for kind in others:
        loaded(host.models()[f"tiny-{kind}"])
    app = opened(model="tiny-bert-headless", panel="surprisal")
    assert not buttons(app)
    assert "STAGELIGHT_MODEL=smollm2-135m,owner/name streamlit run app.py" in words(app)


def test_embedded_a_panel_that_the_model_lacks_has_the_offer_and_the_way_to_the_page(serve):
    opened = serve("bert-headless", "llama")
    loaded(host.models()["tiny-llama"])
    app = opened(embed=True, model="tiny-bert-headless", panel="lens")
    assert "This model has no output layer" in words(app)
    assert "Open in Stagelight" in words(app)
    app.get_by_key("lacking.tiny-llama").click().run()
    assert drawn(app)


def test_a_text_that_is_refused_has_a_marked_picker_too(serve):
    app = serve("bert-headless")(model="tiny-bert-headless", panel="likeness", text="")
    assert '<p class="notice refused"' in words(app)
    assert picked(app)["Lens"] == "– Lens *not in this model*"


def test_a_name_with_underscores_is_not_read_as_emphasis():
    assert lacking._plain("my_model_x") == "my\\_model\\_x"


def test_what_kind_a_model_is_is_asked_without_loading_it(monkeypatch):
    class Absent:
        def spec(self):
            raise Loading

    class Lost:
        def spec(self):
            raise Refused("It is cut short.")

    monkeypatch.setattr(lacking, "models", lambda: {"a": Absent(), "b": Lost()})
    assert lacking.known("a") is None
    assert lacking.known("b") is None
    with pytest.raises(KeyError):
        lacking.known("c")


def test_another_model_that_failed_is_tried_again_where_the_text_is_cut_by_all_models(serve):
    opened = serve("llama", "gpt2", "t5", broken=("gpt2", "t5"))
    for kind in ("gpt2", "t5"):
        loaded(host.models()[f"tiny-{kind}"])
    app = opened(panel="tokenizers")
    assert not app.exception
    assert "The gpt2 is cut short." in words(app)
    assert [button.key for button in app.button if button.label == "Try again"] == ["again.tiny-gpt2", "again.tiny-t5"]
    app.get_by_key("again.tiny-gpt2").click().run()
    until(lambda: host.models()["tiny-gpt2"].live)
    app.run()
    assert "The gpt2 is cut short." not in words(app)
    assert [button.key for button in app.button if button.label == "Try again"] == ["again.tiny-t5"]


def test_a_tokenizer_that_is_still_being_loaded_is_no_missing_one(serve):
    ready = Event()
    opened = serve("llama", "gpt2", absent={"gpt2": ready})
    app = opened(panel="tokenizers")
    assert "tiny-gpt2 is still being loaded: its row joins when it is there." in words(app)
    assert "no other model" not in words(app).lower()
    ready.set()
    until(lambda: host.models()["tiny-gpt2"].live)
    app.run()
    assert "still being loaded" not in words(app)


def test_a_server_with_one_model_says_how_another_tokenizer_comes_to_it(open_page):
    app = open_page(panel="tokenizers")
    assert "This server has no other model whose tokenizer could stand beside this one." in words(app)
    assert lacking.command() in words(app)
