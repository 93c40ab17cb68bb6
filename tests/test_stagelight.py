"""The face for Python: arrays and answers are those of the page, and a wrong word is told with the right ones."""

import os
import pickle
import re
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import torch

import stagelight
from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.view import Fitted
from models.serving.store import Store
from panels import load
from panels.answer import PanelAnswer
from panels.common.snippet import FOLDER
from tests.browsing import ROOT
from tests.models.tiny import MODELS, tiny_engine, tiny_model
from tests.models.toy import save, toy_engine
from viz.heads import Heads
from viz.notebook import PLOTLY

TEXT = "the cat, the café sat"
GIVEN = (41, 42, 97, 66, 70)  # of the toy vocabulary


def model(kind: str = "llama") -> stagelight.Model:
    return stagelight.Model(Store(tiny_engine(kind), 1 << 26))


@pytest.fixture(scope="module")
def text() -> stagelight.Text:
    return model()(TEXT)


def test_an_array_is_the_engine_s_own(text):
    want = Want("pattern", 1)
    plain = tiny_engine().run(Run(tiny_engine().spec.id, TEXT), [want])[want]
    for found in (text["pattern", 1], text[want], text.array("pattern", layer=1)):
        np.testing.assert_array_equal(found, plain)
    assert text["logits", None, 3].shape == (text.model.spec.vocab,)
    assert len(text.tokens) == text["resid_mid", 0].shape[0]
    with pytest.raises(ValueError, match="read-only"):
        text["pattern", 1][0, 0, 0] = 1.0


def test_arrays_of_one_head_or_position_are_parts_of_the_whole(text):
    np.testing.assert_array_equal(text.array("pattern", layer=1, pos=2), text["pattern", 1][:, 2])
    np.testing.assert_array_equal(
        text["pattern", -1, -2], text["pattern", text.model.spec.layers - 1, len(text.tokens) - 2]
    )
    np.testing.assert_array_equal(
        text.array("pattern_max", layer=1, head=-1), text.array("pattern_max", layer=1, head=3)
    )


def test_a_place_is_judged_alike_whatever_was_asked_before():
    fresh = model()("the cat")
    for _round in range(2):
        with pytest.raises(IndexError, match="pos is 99: give a whole number from 0 to 6, or below 0 from the end"):
            fresh["pattern", 1, 99]
        assert fresh["pattern", 1, -1].shape == fresh["pattern", 1, 6].shape
        fresh["pattern", 1]


def test_what_is_no_array_or_place_is_told_with_what_is(text):
    with pytest.raises(
        KeyError, match=r"no array 'patern' \(did you mean 'pattern'\?\): stagelight.sites\(\) lists all"
    ):
        text["patern", 1]
    for places in ((99,), ("1",), (1.0,), (True,), (slice(1, 2),)):
        with pytest.raises(IndexError, match=r"layer is .*: give a whole number from 0 to"):
            text["pattern", *places]
    for wrong in (17, (), ("pattern", 1, 2, 3), None, [1]):
        with pytest.raises(TypeError, match=r"an array is asked for as run\[site, layer, position\], not "):
            text[wrong]
    with pytest.raises(TypeError, match=r"no place 'hed'\. Its places are: layer, pos, stack"):
        text.array("pattern", hed=1)
    with pytest.raises(ValueError, match="pattern exists in every layer"):
        text["pattern"]
    with pytest.raises(TypeError, match="a run has no elements"):
        list(text)
    assert "pattern" in stagelight.sites()
    assert "head" in stagelight.sites()["pattern"]


@pytest.mark.parametrize("wrong", [None, b"abc", ["a"], 7])
def test_a_model_is_called_with_a_text_and_opened_by_an_address(wrong):
    with pytest.raises(TypeError, match="a model is called with a text, not "):
        model()(wrong)
    with pytest.raises(TypeError, match="a model's address is text or a path, not "):
        stagelight.open(wrong)


@pytest.mark.parametrize("id", load())
def test_every_panel_answers_as_on_the_page(text, id):
    panel = load()[id]
    if panel.applies(text.model.spec) is not None:
        with pytest.raises(ValueError, match=f"the panel '{id}' has nothing to show of"):
            text.panel(id)
        return
    answer = text.panel(id, layer=1, pos=3)
    view = answer.view
    assert isinstance(view, Fitted)
    assert (view.layer, view.pos) == (1, 3)
    trace = text.model.store.get(text.run, [*panel.needs(text.model.spec, view), *panel.later(text.model.spec, view)])
    page = PanelAnswer.of(panel, trace, view)
    assert (answer.caption, answer.formula, answer.python) == (page.caption, page.formula, page.python)
    assert isinstance(answer.table, pd.DataFrame)
    assert answer.table.shape == (len(page.table.rows), len(page.table.columns))
    assert answer.title == panel.title
    if isinstance(answer.description, Heads):
        with pytest.raises(TypeError, match=r"answer.save\('page.html'\)"):
            _ = answer.figure
    else:
        assert isinstance(answer.figure, go.Figure)


class Refusing:
    """An engine that has no memory for some variants."""

    def __init__(self, *variants: str) -> None:
        self.variants = variants

    def __getattr__(self, name: str):
        return getattr(tiny_engine(), name)

    def run(self, run, wants=(), **how):
        wants = tuple(wants)
        if of := next((want.of for want in wants if want.of in self.variants), None):
            raise Refused("There is no memory for {name}.", name=of)
        return tiny_engine().run(run, wants, **how)


def test_a_variant_that_is_refused_is_left_out_with_a_warning(recwarn):
    whole = model()(TEXT).panel("quantization", quantized="kl")
    assert not [one for one in recwarn if "memory" in str(one.message)]
    refusing = stagelight.Model(Store(Refusing("2bit", "int8"), 1 << 26))
    with pytest.warns(UserWarning, match="There is no memory for") as warned:
        answer = refusing(TEXT).panel("quantization", quantized="kl")
    said = [str(one.message) for one in warned]
    assert sorted(said) == ["2bit: There is no memory for 2bit.", "int8: There is no memory for int8."]
    assert {one.filename for one in warned} == {__file__}
    assert drawn(whole) - drawn(answer) == {"int8", "2bit"}


def drawn(answer: stagelight.Answer) -> set[str]:
    """The variants that a range has numbers of."""
    return {*answer.of.reading.found}


def test_where_all_variants_are_refused_there_is_no_answer():
    everything = drawn(model()(TEXT).panel("quantization"))
    refusing = stagelight.Model(Store(Refusing(*everything), 1 << 26))
    with pytest.raises(Refused, match="There is no memory for"):
        refusing(TEXT).panel("quantization")


def test_panels_that_show_something_are_listed(text):
    assert set(text.model.panels()) < set(stagelight.panels()) == set(load())
    assert stagelight.panels()["writes"] == "Which part adds more?"


@pytest.mark.parametrize(
    ("id", "choices", "said"),
    [
        ("atention", {}, r"no panel 'atention' \(did you mean 'attention'\?\)"),
        (
            "writes",
            {"layers": 1},
            r"no choice 'layers'. It has: layer, head, neuron, pos, src; writes \('share', 'length'\)",
        ),
        ("writes", {"writes": "norm"}, r"writes cannot be 'norm': give one of writes \('share', 'length'\)"),
        ("writes", {"layer": 99}, "layer is 99: give a whole number from 0 to "),
        ("neurons", {"neuron": 1_000}, "neuron is 1000: give a whole number from 0 to "),
        ("writes", {"pos": 1.5}, "pos is 1.5: give a whole number"),
        ("writes", {"layer": True}, "layer is True: give a whole number"),
        ("writes", {"lang": "xx"}, "no language 'xx': give one of en, zh"),
        ("writes", {"others": [model("gpt2")]}, "the panel 'writes' shows no other models"),
        ("sampling", {"topk": 2.5}, "topk cannot be 2.5: give one of topk .0 to .* in steps of 1."),
        ("sampling", {"temp": True}, "temp cannot be True"),
    ],
)
def test_a_wrong_choice_is_told_with_the_right_ones(text, id, choices, said):
    with pytest.raises(ValueError, match=said):
        text.panel(id, **choices)


def test_places_count_from_the_end_too(text):
    answer = text.panel("writes", layer=-1, pos=-2, writes="length")
    assert answer.view.layer == text.model.spec.layers - 1
    assert answer.view.pos == len(text.tokens) - 2
    assert dict(answer.view.settings) == {"writes": "length"}


def test_a_neuron_is_chosen_as_on_the_page(text):
    answer = text.panel("neurons", layer=1, neuron=-1)
    last = text.model.spec.d_ff - 1
    assert answer.view.neuron == last
    assert f"The chosen one, neuron {last}, is number " in answer.caption
    assert last in answer.table["neuron"].tolist()
    assert text.panel("neurons", layer=1).view.neuron is None


def test_an_answer_speaks_one_language_throughout(text):
    chinese, english = text.panel("writes", lang="zh"), text.panel("writes")
    assert chinese.title != english.title
    assert list(chinese.table.columns) != list(english.table.columns)
    assert chinese.figure.layout.xaxis.title.text != english.figure.layout.xaxis.title.text
    assert next(iter(english.table.columns)) == "layer"


def test_the_view_names_the_model_and_the_language(text):
    view = text.panel("writes", lang="zh").view
    assert (view.model, view.lang) == (text.model.spec.name, "zh")


def test_a_number_of_numpy_is_a_number(text):
    view = text.panel("sampling", layer=np.int64(1), temp=np.float32(0.5), topk=np.int64(5)).view
    assert dict(view.settings) == {"temp": "0.5", "topk": "5"}


def test_answers_can_be_compared_and_models_say_why_they_cannot_be_pickled(text):
    answer = text.panel("attention")
    assert answer == answer
    assert answer != text.panel("attention")
    assert len({answer, text.panel("attention")}) == 2
    for thing, words in ((text.model, "open it again"), (text, "open it again"), (answer, "its description")):
        with pytest.raises(TypeError, match=words):
            pickle.dumps(thing)
    again = pickle.loads(pickle.dumps(answer.description))
    assert not np.nan_to_num(again.minus(answer.description).numbers()).any()


def test_other_models_cut_the_same_text(text):
    gpt2 = model("gpt2")
    assert text.panel("tokenizers", others=gpt2).caption == text.panel("tokenizers", others=[gpt2]).caption
    for wrong in ("minilm-l6", [text]):
        with pytest.raises(TypeError, match=r"others are open models, not .*: others=\[stagelight.open\("):
            text.panel("tokenizers", others=wrong)
    assert len(text.panel("tokenizers", others=[model("gpt2")]).table) > len(text.panel("tokenizers").table)


def test_two_answers_have_a_difference(text):
    one, two = (text.panel("attention", layer=layer).description for layer in (0, 1))
    np.testing.assert_allclose(one.minus(two).numbers(), -two.minus(one).numbers())
    assert not np.nan_to_num(one.minus(one).numbers()).any()
    with pytest.raises(stagelight.Unlike):
        one.minus(text.panel("writes").description)


# token ids in place of a text


@pytest.mark.parametrize("ids", [list(b"the cat"), b"the cat", np.frombuffer(b"the cat", np.uint8),
                                 torch.tensor(list(b"the cat")), map(int, b"the cat")])  # fmt: skip
def test_a_model_runs_on_ids_of_any_kind_of_number(ids):
    run = model()(ids=ids)
    assert [token.id for token in run.tokens] == list(b"the cat")
    np.testing.assert_array_equal(run["norm_post"], model()("the cat")["norm_post"])


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (97, "without a batch axis, not 97"),
        ([97, 1.5], "without a batch axis: the one at place 1 is 1.5"),
        ("the", "the one at place 0 is 't'"),
        ([[97, 98]], r"the one at place 0 is \[97, 98\]"),
        (np.ones((1, 2), int), r"the one at place 0 is array\(\[1, 1\]\)"),
        (torch.ones(1, 2, dtype=torch.long), r"the one at place 0 is tensor\("),
        ([True], "the one at place 0 is True"),
        ({"input_ids": [97]}, "the one at place 0 is 'input_ids'"),
    ],
)
def test_what_are_no_ids_is_told(ids, said):
    with pytest.raises(TypeError, match=f"ids are whole numbers, one for each token and.*{said}"):
        model()(ids=ids)


def test_ids_that_the_model_does_not_have_are_refused_at_once():
    with pytest.raises(Refused, match="There are no token ids to run: give at least one"):
        model()(ids=[])
    with pytest.raises(Refused, match="has tokens 0 to 255: the id at place 1, 256, is none of them"):
        model()(ids=[0, 256])
    with pytest.raises(TypeError, match="with a text or with ids, not with both: leave one of them out"):
        model()("the", ids=[97])
    with pytest.raises(TypeError, match=r"a model is called with a text, not \[97\]; with token ids as model\(ids="):
        model()([97])


@pytest.mark.parametrize("id", load())
def test_every_panel_answers_about_ids(id):
    """Half a character and control tokens among them: as text, none of it would come out in these tokens."""
    run = stagelight.Model(Store(toy_engine(), 1 << 26))(ids=[0, *GIVEN, 1])
    panel = load()[id]
    if panel.applies(run.model.spec) is not None:
        return
    answer = run.panel(id, pos=3)
    assert answer.caption
    assert answer.view.run(run.model.spec) == run.question
    if panel.stage != "tokens":  # those of that stage are about cutting a text
        assert str([0, *GIVEN, 1]) in answer.python


def test_the_printed_program_of_ids_finds_the_models_numbers(tmp_path):
    run = stagelight.Model(Store(toy_engine(), 1 << 26))(ids=[0, *GIVEN, 1])
    tiny_model("llama").save_pretrained(tmp_path)
    save(tmp_path)
    names: dict = {}
    exec(run.panel("surprisal").python.replace(FOLDER, tmp_path.as_posix()), names)
    np.testing.assert_allclose(names["result"], run["surprisal"][1:], atol=1e-4)


def test_the_first_names_stay(text):
    assert stagelight.Text is stagelight.Run
    assert text.run is text.question
    assert repr(model()(ids=[97, 98])).startswith("<ids [97, 98] in <")


# two runs


BESIDE = "the hat, the café sat on"


@pytest.mark.parametrize("kind", MODELS)
def test_a_run_beside_itself_computed_again_differs_by_exactly_0_in_every_panel(kind):
    run = model(kind)(TEXT)
    beside = run.beside(run.again())
    for id in run.model.panels():
        answers = beside.panel(id, layer=1, pos=3)
        if id == "bertviz":
            assert answers.unlike
            continue
        if id == "passage":  # a figure of both: it has the arcs of either
            assert answers.description.alike
            assert not answers.description.numbers().any()
            continue
        found, ours = answers.description.numbers(), answers.a.description.numbers()
        assert bool(found.size) == bool(ours.size), id
        assert not found[np.isfinite(found)].any(), f"{id}: largest {np.nanmax(np.abs(found))}"
        assert np.isfinite(found).any() == np.isfinite(ours).any(), f"{id}: nothing was subtracted"
        assert answers.a.caption == answers.b.caption
        assert not re.search(r"[◧◨]|\[[AB]\]", str(answers.description.table())), f"{id}: something has no partner"


def test_again_is_not_what_was_kept(text):
    again = text.again()
    assert again.question == text.question
    np.testing.assert_array_equal(again["pattern", 1], text["pattern", 1])
    assert not np.shares_memory(again["pattern", 1], text["pattern", 1])


def test_a_difference_is_the_second_less_the_first(text):
    beside = text.beside(text.model(BESIDE))
    drawn = beside.panel("attention", layer=1, head=2).description.z
    (ours, theirs), pairs = (run["pattern", 1][2] for run in (beside.a, beside.b)), beside.alignment.pairs
    assert drawn.shape == (len(pairs), len(pairs)) != ours.shape
    for row, (i, j) in enumerate(pairs):
        for column, (k, n) in enumerate(pairs):
            if None not in (i, j, k, n) and i >= k and j >= n:
                assert drawn[row, column] == pytest.approx(theirs[j, n] - ours[i, k], abs=1e-6)


def test_places_are_the_first_runs_and_their_partners_the_seconds():
    ours, theirs = model()("a b c d"), model()("xx a b c d")
    beside = ours.beside(theirs)
    answers = beside.panel("cell", layer=2, head=1, pos=4, src=2)
    assert (answers.a.view.pos, answers.a.view.src) == (4, 2)
    assert (answers.b.view.pos, answers.b.view.src) == (7, 5)
    assert (answers.b.view.layer, answers.b.view.head) == (2, 1)
    backwards = theirs.beside(ours)
    for name in ("pos", "src"):
        with pytest.raises(ValueError, match=f"{name} is -10: the token 'x' has no partner in the second run. Those"):
            backwards.panel("cell", **{name: -10})
    assert backwards.panel("cell", pos=-1).b.view.pos == 6


def test_a_token_that_nobody_chose_is_one_that_both_have():
    ours, theirs = model()("a b c!"), model()("a b c")
    answers = ours.beside(theirs).panel("output")
    assert (answers.a.view.pos, answers.b.view.pos) == (4, 4)
    apart = model()("aaa").beside(model()("zz")).panel("output")
    assert (apart.a.view.pos, apart.b.view.pos) == (2, 1)


def test_what_the_first_run_opens_with_the_second_one_shows_too():
    once, twice = model()("abcdefg"), model()("the cat, the cat, the cat")
    for one, other in ((once, twice), (twice, once)):
        answers = one.beside(other).panel("heads")
        assert answers.a.description.title == answers.b.description.title
    assert once.panel("heads").description.title != twice.panel("heads").description.title


def test_what_does_not_go_beside_is_told(text):
    with pytest.raises(TypeError, match="a run stands beside another run, not 'the'"):
        text.beside("the")
    beside = text.beside(model("bert")(TEXT))
    with pytest.raises(ValueError, match="the panel 'surprisal' has nothing to show of tiny-bert"):
        beside.panel("surprisal")
    with pytest.raises(ValueError, match=r"no panel 'atention' \(did you mean"):
        beside.panel("atention")
    with pytest.raises(ValueError, match="no language 'xx'"):
        beside.panel("attention", lang="xx")
    with pytest.raises(TypeError, match="answers cannot be pickled"):
        pickle.dumps(beside.panel("attention"))


def test_where_there_is_no_difference_the_sentence_says_why(text):
    answers = text.beside(text.model(BESIDE)).panel("bertviz")
    for ask in ("description", "figure", "table"):
        with pytest.raises(stagelight.Unlike, match="a page of BertViz, which is not made of numbers"):
            getattr(answers, ask)
    assert str(answers.unlike) in answers.caption
    assert answers._repr_mimebundle_() == {"text/plain": repr(answers)}


def test_a_difference_is_shown_saved_and_speaks_one_language(text, tmp_path):
    beside = text.beside(text.model(BESIDE))
    answers, chinese = beside.panel("writes"), beside.panel("writes", lang="zh")
    assert isinstance(answers.figure, go.Figure)
    assert isinstance(answers.table, pd.DataFrame)
    assert len(answers.table) == len(answers.description.table().rows)
    assert answers._repr_mimebundle_().keys() == {PLOTLY, "text/html", "text/plain"}
    assert repr(answers) == f"{answers.title}\n{answers.caption}"
    assert chinese.title == chinese.a.title != answers.title
    assert chinese.caption != answers.caption
    assert list(chinese.table.columns) != list(answers.table.columns)
    assert chinese.caption in chinese.save(tmp_path / "a.html").read_text("utf-8")
    assert '"type":"bar"' in chinese.save(tmp_path / "a.json").read_text("utf-8")
    assert str(chinese.table.columns[-1]) in chinese.save(tmp_path / "a.csv").read_text("utf-8-sig")
    with pytest.raises(ValueError, match=r"a\.png ends in"):
        chinese.save(tmp_path / "a.png")
    assert repr(beside).count(" in <") == 2


def test_what_is_printed_says_what_it_is(text):
    answer = text.panel("writes")
    assert str(answer) == f"{answer.title}\n{answer.caption}"
    assert repr(text).startswith(f"<{TEXT!r} in <")
    assert len(repr(model()("a" * 9999))) < 200
    assert repr(text.model).endswith(" heads>")


def test_answers_and_descriptions_show_themselves_in_a_notebook(text):
    answer = text.panel("writes", lang="zh")
    shown, described = answer._repr_mimebundle_(), answer.description._repr_mimebundle_()
    assert shown.keys() == described.keys() == {PLOTLY, "text/html", "text/plain"}
    assert shown[PLOTLY]["data"] == described[PLOTLY]["data"]
    assert shown["text/plain"] == f"{answer.title}\n{answer.caption}"
    assert described["text/plain"] == answer.description.alternative()
    assert text.panel("tokens").description._repr_mimebundle_().keys() == {"text/html", "text/plain"}


def test_an_answer_is_saved_by_its_ending(text, tmp_path):
    answer = text.panel("writes", lang="zh")
    assert answer.caption in answer.save(tmp_path / "a.html").read_text("utf-8")
    assert '"type":"bar"' in answer.save(tmp_path / "a.json").read_text("utf-8")
    assert answer.save(str(tmp_path / "a.csv")).read_bytes().startswith(b"\xef\xbb\xbf")
    with pytest.raises(ValueError, match=r"a.png ends in '.png': give .html, .json or .csv"):
        answer.save(tmp_path / "a.png")


def test_a_model_that_cannot_be_had_says_what_to_do():
    with pytest.raises(Refused, match="The catalog has: "):
        stagelight.open("smollm3")


def test_the_command_lists_checkpoints(capsys):
    assert stagelight.main(["models"]) == 0
    assert "smollm2-135m" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        stagelight.main(["models", "lisst"])
    assert "usage: stagelight models" in capsys.readouterr().err


def test_the_command_starts_the_page_in_its_own_place(monkeypatch, tmp_path):
    """As one process, which ends when it is told to; models are looked for where it was started."""
    calls = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stagelight.command, "execv", lambda program, command: calls.append((Path.cwd(), command[1:])))
    monkeypatch.setattr(stagelight.command, "call", lambda command: 0)
    assert stagelight.main(["run"]) == 0
    monkeypatch.chdir(tmp_path)
    assert stagelight.main(["run", "--model", "a", "--model", "./b", "--server.port", "8600"]) == 0
    (here, plain), (_there, full) = calls
    assert here == ROOT
    assert plain == ["-m", "streamlit", "run", "app.py"]
    assert full == [*plain, "--server.port", "8600", "--", "--model", "a", "--model", str(tmp_path / "b")]


def test_the_command_hands_adapters_on_by_name_and_whole_path(monkeypatch, tmp_path, capsys):
    calls = []
    monkeypatch.setattr(stagelight.command, "chdir", lambda folder: None)
    monkeypatch.setattr(stagelight.command, "execv", lambda program, command: calls.append(command[5:]))
    monkeypatch.setattr(stagelight.command, "call", lambda command: 0)
    monkeypatch.setenv("STAGELIGHT_ADAPTERS", "other")
    monkeypatch.chdir(tmp_path)
    stagelight.main(["run", "--adapter", "runs/poems", "--model", "a", "--adapter=law=./v2", "--server.port", "8600"])
    stagelight.main(["run"])
    poems, law, other = (f"{name}={tmp_path / path}" for name, path in
                         (("poems", "runs/poems"), ("law", "v2"), ("other", "other")))  # fmt: skip
    assert calls == [
        ["--server.port", "8600", "--", "--model", "a", "--adapter", poems, "--adapter", law],
        ["--", "--adapter", other],
    ]
    with pytest.raises(SystemExit):
        stagelight.main(["run", "--adapter", "my poems"])
    assert "“my poems” cannot be the name of an adapter" in capsys.readouterr().err
    assert len(calls) == 2


def test_the_help_says_where_other_options_go(capsys):
    with pytest.raises(SystemExit):
        stagelight.main(["run", "--help"])
    assert "handed to `streamlit run`" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("arguments", [[], ["fly"]])
def test_the_command_says_what_it_can(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        stagelight.main(arguments)
    assert ended.value.code == 2
    assert "run" in capsys.readouterr().err


@pytest.mark.slow
def test_a_checkout_is_installed_for_editing_and_found_from_anywhere(tmp_path: Path):
    venv.create(tmp_path / "env", with_pip=True)
    bin_ = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([bin_ / "python", "-m", "pip", "install", "-q", "--no-deps", "-e", str(ROOT)], check=True)
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    here = {**os.environ, "PYTHONPATH": libraries}
    said = subprocess.run(
        [bin_ / "stagelight", "--version"], cwd=tmp_path, env=here, check=True, capture_output=True, text=True
    )
    assert said.stdout.strip() == f"stagelight {stagelight.__version__}"
    code = "import stagelight, panels; print(len(stagelight.panels()))"
    found = subprocess.run(
        [bin_ / "python", "-c", code], cwd=tmp_path, env=here, check=True, capture_output=True, text=True
    )
    assert int(found.stdout) == len(load())
