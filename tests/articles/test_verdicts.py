"""Every check on every family; for every claim models of which the verdict is known beforehand."""

import ast
import math
from pathlib import Path

import pytest

import articles
from anatomy.language import N_
from anatomy.refused import Refused
from articles.verdict import Verdict, judge
from tests.articles.cases import TEXT, case
from tests.articles.verdicts import KNOWN, ONE_KIND
from tests.models.tiny import MODELS
from tests.share import diagonal

CHECKS = articles.checks_of(articles.claims())
KINDS = ("holds", "part", "not", "unseen", "absent")
# Verdicts that rest on a fact of the configuration or of the checkpoint's files, which is no number.
FACTS = {"c-wordpiece", "c-torchtune", "c-softmax", "c-classes", "c-depth", "c-sentiment", "c-tasks", "c-gpt3-style"}
FACTS |= {"c-knows-language", "c-medical"}


def verdicts(kind: str, text: str = TEXT) -> dict[str, Verdict]:
    asked = case(kind, text)
    return {id: judge(check, asked) for id, check in CHECKS.items()}


def sound(id: str, verdict: Verdict) -> None:
    assert verdict.kind in KINDS
    assert verdict.says.strip(), id
    assert "{" not in verdict.says + verdict.how + verdict.second, id
    assert verdict.how.strip(), id
    assert verdict.says[-1] in ".”", verdict.says
    assert (verdict.value is None) <= (id in FACTS), id
    if verdict.value is not None:
        assert math.isfinite(verdict.value), id
        assert verdict.unit, id


@pytest.mark.parametrize("kind", MODELS)
def test_every_check_gives_a_verdict_with_a_sentence_a_number_and_how_it_was_got(kind):
    found = verdicts(kind)
    for id, verdict in found.items():
        sound(id, verdict)
    shown = case(kind)
    sizes = {"layer": shown.spec.layers, "head": shown.spec.n_heads, "pos": len(shown.trace().tokens)}
    for id, verdict in found.items():
        assert all(0 <= place < sizes[axis] for axis, place in verdict.at.items()), id


@pytest.mark.parametrize(("kind", "text"), diagonal(["llama", "bert", "t5", "worded"], ["a", "the the the", "猫🜚"]))
def test_short_and_odd_texts_get_a_verdict_or_are_told_to_be_too_short(kind, text):
    for id, verdict in verdicts(kind, text).items():
        assert verdict.says, id
        assert verdict.kind in KINDS
        assert verdict.value is None or math.isfinite(verdict.value), id


def test_a_single_token_leaves_the_questions_on_pairs_open():
    open_ = {id for id, verdict in verdicts("llama", "a").items() if "A longer text shows it" in verdict.says}
    assert {"c-order", "c-relative", "c-all-words", "c-long-range", "c-next-word", "c-multihead"} <= open_


def test_every_claim_has_models_of_which_its_verdict_is_known():
    assert set(KNOWN) | set(ONE_KIND) == set(CHECKS)
    assert not set(KNOWN) & set(ONE_KIND)
    for id, rows in KNOWN.items():
        if id != "c-classes":  # no model here has a layer for classes
            assert len({kind for _make, kind in rows}) > 1, id


ROWS = [(id, make, kind) for id, rows in KNOWN.items() for make, kind in rows]


@pytest.mark.parametrize(
    ("id", "make", "kind"), ROWS, ids=[f"{id}-{kind}-{n}" for n, (id, _m, kind) in enumerate(ROWS)]
)
def test_a_claim_holds_where_it_must_and_not_where_it_must_not(id, make, kind):
    verdict = CHECKS[id](make())
    assert verdict.kind == kind, verdict.says
    assert verdict.says


@pytest.mark.parametrize("id", ONE_KIND)
def test_what_no_forward_pass_shows_is_said_with_the_numbers_of_the_model_in_front(id):
    kind, *makes = ONE_KIND[id]
    one, other = (CHECKS[id](make()) for make in makes)
    assert (one.kind, other.kind) == (kind, kind)
    assert one.says != other.says


def test_verdicts_change_with_the_text():
    words, letters = verdicts("worded", "the cat sat"), verdicts("worded", "zyx qvw kjh")
    assert (words["c-fewer-tokens"].kind, letters["c-fewer-tokens"].kind) == ("holds", "holds")
    assert words["c-fewer-tokens"].value > 3 > letters["c-fewer-tokens"].value
    numbers = {id for id in words if words[id].value != letters[id].value}
    assert {"c-multihead", "c-weighing", "c-nonlinear", "c-relative", "c-hierarchy", "c-all-words"} <= numbers


def test_what_was_measured_on_a_part_of_a_long_text_says_so():
    runs_a_part = {
        f"{module.stem}.{function.name}"
        for module in (Path(str(articles.__file__)).parent / "checks").glob("*.py")
        for function in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(function, ast.FunctionDef) and "own_ids(case.trace())" in ast.unparse(function)
    }
    checks = {f"{check.__module__.rpartition('.')[2]}.{check.__name__}": check for check in CHECKS.values()}
    assert len(runs_a_part) > 5
    for name in runs_a_part:
        short, long = (judge(checks[name], case("llama", "abcdefgh" * times)).says for times in (8, 9))
        assert long.endswith("Measured on the first 64 of its 72 tokens."), name
        assert "Measured on" not in short, name


def test_what_the_engine_refuses_is_nothing_seen_and_any_other_error_goes_on():
    def refuse(asked):
        raise Refused(N_("The text has tokens 0 to {last}, not {pos}."), last=3, pos=9)

    verdict = judge(refuse, case())
    assert (verdict.kind, verdict.says) == ("unseen", "The text has tokens 0 to 3, not 9.")

    def fail(asked):
        raise KeyError("a mistake")

    with pytest.raises(KeyError, match="a mistake"):
        judge(fail, case())


def test_no_check_asks_for_the_name_or_the_family_of_a_model():
    files = sorted((Path(articles.__file__).parent / "checks").glob("*.py"))
    assert len(files) >= 10
    for file in files:
        read = {
            ast.unparse(node)
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.Attribute)
        }
        asked = {"spec.family", "spec.name", "spec.id", "spec.revision", "spec.weights.title", "spec.weights.source"}
        assert not {name.removeprefix("case.") for name in read} & asked, file.name


def test_with_a_window_the_last_token_is_not_said_to_see_all():
    told = {kind: verdicts(kind)["c-all-words"].says for kind in ("llama", "mistral")}
    assert "The last token alone sees all." in told["llama"]
    assert "The last token alone sees all." not in told["mistral"]
    assert "the nearest before it" in told["mistral"]
