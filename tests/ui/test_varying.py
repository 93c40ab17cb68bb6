"""The choice of a variant: what a click makes of a name, and where it is written."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from anatomy.variants import read
from anatomy.view import View
from tests.ui.conftest import loaded
from tests.ui.test_page import keys, words
from ui import host, second, varying

WEIGHTS, BITS, PRUNED, SHARED, PRECISION, OTHERWISE = varying.groups(())
GROUPS = {"weights": WEIGHTS, "bits": BITS, "pruned": PRUNED, "precision": PRECISION, "otherwise": OTHERWISE}


@pytest.mark.parametrize(
    ("group", "before", "clicked", "after"),
    [
        ("bits", "", ["3bit"], "3bit"),
        ("bits", "3bit", ["3bit", "2bit"], "2bit"),  # one takes the other's place
        ("bits", "3bit", ["2bit", "3bit"], "2bit"),  # in whichever order the browser names them
        ("bits", "3bit", [], ""),
        ("bits", "3bit=sym", ["3bit"], "3bit=sym"),
        ("bits", "3bit=sym", ["3bit", "int8"], "int8"),
        ("bits", "3bit=ffn", ["3bit", "2bit"], "2bit=ffn"),  # the part stays
        ("bits", "3bit=sym,ffn", ["3bit", "int8"], "int8=ffn"),
        ("bits", "int8=attention", ["int8", "8bit"], "8bit=attention"),
        ("bits", "3bit=sym,ffn", ["3bit"], "3bit=sym,ffn"),
        ("bits", "3bit=ffn", [], ""),
        ("bits", "prune=0.5,ffn", ["3bit"], "3bit~prune=0.5,ffn"),  # of one group, not of the other
        ("pruned", "3bit=ffn~prune=0.5,attention", ["prune=0.5", "prune=0.9"], "3bit=ffn~prune=0.9,attention"),
        ("pruned", "3bit~prune=0.5", ["prune=0.5", "prune=0.7"], "3bit~prune=0.7"),
        ("pruned", "3bit", ["prune=0.5"], "3bit~prune=0.5"),  # first what is made first
        ("weights", "3bit~prune=0.5", ["untrained"], "untrained~3bit~prune=0.5"),
        ("precision", "bf16", ["bf16", "fp16"], "fp16"),
        ("otherwise", "noskip", ["noskip", "nonorm"], "noskip~nonorm"),
        ("otherwise", "3bit~noskip~nonorm", ["nonorm"], "3bit~nonorm"),
        ("otherwise", "", ["nonorm", "dropout=0.1"], "dropout=0.1~nonorm"),
    ],
)
def test_a_choice_in_one_group_leaves_the_others(group: str, before: str, clicked: list[str], after: str) -> None:
    made = read(f"m~{before}")[1] if before else ()
    assert "~".join(map(str, varying.altered(GROUPS[group], made, clicked))) == after


def test_what_is_offered_can_be_read_and_no_kind_is_offered_twice() -> None:
    every = varying.groups(("of-cats", "of-dogs"))
    for group in every:
        assert [str(read(f"m~{one}")[1][0]) for one in group.offered] == [str(one) for one in group.offered]
    kinds = [kind for group in every for kind in group.kinds]
    assert len(kinds) == len(set(kinds))
    assert [str(one) for group in every for one in group.offered if one.kind == "lora"] == [
        "lora=of-cats",
        "lora=of-dogs",
    ]
    assert "lora" not in {kind for group in varying.groups(()) for kind in group.kinds}


# on the page


def link(app: AppTest) -> dict[str, str]:
    """What the link says."""
    given = app.query_params.items()
    return {name: value if isinstance(value, str) else value[-1] for name, value in given}


def opened(app: AppTest, key: str) -> AppTest:
    """The page with a choice of a variant open."""
    app.session_state[key] = True
    return app.run()


def chosen(app: AppTest, key: str, group: varying.Group, *names: str) -> AppTest:
    """The page after a choice in a group of the open popover, and once what was asked for is made."""
    number = varying.groups(()).index(group)
    app.get_by_key(f"{key}.{number}").set_value(list(names)).run()
    assert not app.exception
    for name in ("model", "model2"):
        if name in link(app):
            loaded(host.models()[link(app)[name]])
    return app.run()


def test_nothing_of_the_choice_is_drawn_while_it_is_closed(open_page) -> None:
    app = open_page(panel="attention")
    assert not [each for each in app.get("button_group") if str(each.key).startswith("variant")]
    assert [str(each.key) for each in opened(app, "variant").get("button_group")][:2] == ["variant.0", "variant.1"]


def test_a_choice_is_written_to_the_link_of_the_first_run_and_one_more_goes_with_it(open_page) -> None:
    app = opened(open_page(panel="attention", text="abcd", layer="1", pos="2"), "variant")
    chosen(app, "variant", BITS, "3bit")
    assert link(app) == {"text": "abcd", "layer": "1", "pos": "2", "model": "tiny-llama~3bit"}
    assert "3 bits" in words(app)
    chosen(app, "variant", PRUNED, "prune=0.5")
    assert link(app)["model"] == "tiny-llama~3bit~prune=0.5"
    assert app.session_state["variant"], "it stays open"
    app.get_by_key("variant.symmetric").set_value(True).run()
    assert link(app)["model"] == "tiny-llama~3bit=sym~prune=0.5"
    loaded(host.models()["tiny-llama~3bit=sym~prune=0.5"])
    app.run()
    assert "0 stays 0" in words(app)
    app.get_by_key("variant.plain").click().run()
    assert link(app)["model"] == "tiny-llama"


def test_the_part_of_the_layers_is_chosen_where_matrices_are_altered_and_stays(open_page) -> None:
    def rows() -> list[str]:
        return [str(each.key) for each in app.get("button_group") if str(each.key).endswith(".part")]

    def turned_to(key: str, part: str) -> dict[str, str]:
        app.get_by_key(key).set_value(part).run()
        assert not app.exception
        loaded(host.models()[link(app)["model"]])
        app.run()
        return link(app)

    bits, pruned = (f"variant.{varying.groups(()).index(group)}.part" for group in (BITS, PRUNED))
    app = opened(open_page(panel="attention", text="abcd", model="tiny-llama~noskip"), "variant")
    loaded(host.models()["tiny-llama~noskip"])
    app.run()
    assert rows() == []
    chosen(app, "variant", BITS, "3bit")
    assert rows() == [bits]
    assert turned_to(bits, "ffn")["model"] == "tiny-llama~3bit=ffn~noskip"
    assert "The matrices of the FFN in 3 bits" in words(app)
    chosen(app, "variant", BITS, "3bit", "2bit")
    assert link(app)["model"] == "tiny-llama~2bit=ffn~noskip"
    chosen(app, "variant", PRUNED, "prune=0.5")
    assert rows() == [bits, pruned]
    assert turned_to(pruned, "attention")["model"] == "tiny-llama~2bit=ffn~prune=0.5,attention~noskip"
    app.get_by_key("variant.symmetric").set_value(True).run()
    assert link(app)["model"] == "tiny-llama~2bit=sym,ffn~prune=0.5,attention~noskip"
    loaded(host.models()[link(app)["model"]])
    app.run()
    assert turned_to(bits, "")["model"] == "tiny-llama~2bit=sym~prune=0.5,attention~noskip"


def test_a_choice_in_the_second_run_is_written_there(open_page) -> None:
    app = open_page(panel="attention", text="abcd", model="tiny-llama", model2="tiny-llama")
    chosen(opened(app, "variant2"), "variant2", BITS, "2bit")
    assert (link(app)["model"], link(app)["model2"]) == ("tiny-llama", "tiny-llama~2bit")
    assert {"attention.figure", "attention-b.figure", "attention-difference.figure"} <= keys(app)
    app.get_by_key("variant2.plain").click().run()
    assert link(app)["model2"] == "tiny-llama"


def test_runs_that_change_places_keep_their_variants_and_the_way_out_leaves_the_first(open_page) -> None:
    app = open_page(
        panel="attention", text="abcd", pos="1", model="tiny-llama~noskip", model2="tiny-llama~3bit~prune=0.5"
    )
    for name in ("tiny-llama~noskip", "tiny-llama~3bit~prune=0.5"):
        loaded(host.models()[name])
    app.run()
    app.get_by_key("swap").click().run()
    assert (link(app)["model"], link(app)["model2"]) == ("tiny-llama~3bit~prune=0.5", "tiny-llama~noskip")
    assert link(app)["pos"] == "1"
    app.get_by_key("close_second").click().run()
    assert link(app)["model"] == "tiny-llama~3bit~prune=0.5"
    assert "model2" not in link(app)


def test_the_menu_puts_the_model_in_few_bits_beside_itself_and_the_model_itself_beside_that(open_page) -> None:
    open_page()
    plain = View(model="tiny-llama", text="abcd", pos=2)
    assert second.compared(plain, second._VARIANT) == replace(plain, model2="tiny-llama~3bit")
    altered = plain.with_model("tiny-llama~3bit")
    assert second.compared(altered, second._VARIANT) == replace(altered, model2="tiny-llama")


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Each choice is drawn as where it is drawn alone; one entry for each that had the whole page drawn."""
    found: list[bool] = []
    monkeypatch.setattr(varying, "session", SimpleNamespace(in_part=lambda: True))
    monkeypatch.setattr(varying, "polled", SimpleNamespace(anew=lambda: found.append(True)))
    return found


@pytest.mark.parametrize(
    "query",
    [
        {"model": "tiny-llama~prune=0.50"},
        {"model": "tiny-llama~cut"},
        {"model": "tiny-llama~3bit", "beside": "tiny-llama"},
        {"text2": "abce"},
        {"model": "tiny-llama", "model2": "tiny-llama~prune=0.50"},
        {"model": "tiny-llama~3bit", "model2": "tiny-llama~cut"},
    ],
)
def test_a_choice_that_is_drawn_alone_leaves_the_page_where_it_shows_what_the_link_names(
    open_page, anew: list[bool], query: dict[str, str]
) -> None:
    """However the link writes the name, and whatever else stands in it."""
    app = open_page(panel="attention", text="abcd", **query)
    assert not app.exception
    assert app.get_by_key("variant") is not None
    assert anew == []


def test_a_choice_that_is_drawn_alone_has_the_page_drawn_where_the_link_names_another_by_now(
    open_page, anew: list[bool], monkeypatch
) -> None:
    monkeypatch.setattr(host.Models, "name_of", lambda _models, _model: "tiny-llama~3bit")
    open_page(panel="attention", text="abcd")
    assert anew == [True]
