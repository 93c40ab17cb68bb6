"""Above all panels of two runs: how far they part, in sentences, bars and a table, each of them true of the numbers."""

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.alignment import aligned
from anatomy.parting import KL_ROUNDING, PARTED, Parting, Spread, WatchedToken
from anatomy.refused import Sentence
from anatomy.view import View
from models.engine import Cancelled, Estimate
from models.serving.store import Store
from tests.models.tiny import run_of, tiny_engine
from tests.ui.conftest import loaded
from tests.ui.test_page import drawn, keys, words
from tests.ui.test_two import of_texts
from ui import host, pairs, parted
from ui.parted import Beside, Names

LABELS = ("a", "b", "c", "d", "e", "f")
NAMES = Names((LABELS, LABELS))


def made(kl=(0.0, 0.5, 2.0), distance=((0.0, 0.0, 0.0), (0.0, 0.1, 0.2), (0.0, 0.2, 0.4)), **more) -> Parting:
    """A made one of so many pairs, each at the same place in both."""
    count = len(kl if kl is not None else distance[0])
    values = {
        "kl": None if kl is None else np.array(kl, np.float64),
        "kl_back": None if kl is None else np.array(kl, np.float64),
        "distance": None if distance is None else np.array(distance, np.float64),
    }
    return Parting(tuple((i, i) for i in range(count)), predicts=(True, True), **{**values, **more})


amounts = st.lists(st.sampled_from((0.0, 1e-12, 1e-10, 0.02, 0.5, 3.0)), min_size=1, max_size=6)


@given(amounts, st.integers(0, 5))
def test_what_is_said_of_predictions_is_true(kl, at):
    at = min(at, len(kl) - 1)
    said = parted.predictions(made(tuple(kl), None, without_distance=Sentence("")), NAMES, (at, at))
    assert ("exactly the same after every token that both have" in said) == (max(kl) == 0)
    assert ("up to rounding: KL" in said) == (0 < max(kl) <= KL_ROUNDING)
    if max(kl) > KL_ROUNDING:
        most = re.match(r"Most apart after “(.)”: KL of B from A (\S+) nats\.", said)
        assert most
        assert kl[LABELS.index(most[1])] == max(kl)
        assert float(most[2]) == pytest.approx(max(kl), rel=0.01)
        if kl.index(max(kl)) != at:
            rest = said[most.end() :]
            assert ("exactly the same: 0" in rest) == (kl[at] == 0)
            assert ("up to rounding" in rest) == (0 < kl[at] <= KL_ROUNDING)
            assert (f"After “{LABELS[at]}”" in rest) is True


@given(
    st.lists(st.lists(st.sampled_from((0.0, 1e-7, 0.1, 2.5)), min_size=3, max_size=3), min_size=2, max_size=5),
    st.integers(0, 2),
)
def test_what_is_said_of_streams_is_true(distance, at):
    parting = made((0.0,) * 3, distance)
    said = parted.streams(parting, NAMES, (at, at))
    values = np.array(distance)
    if not values.any():
        assert said == "The streams of all tokens that both have are exactly the same in every layer."
    elif (values <= PARTED).all():
        assert said.startswith("The streams never part")
    else:
        first = int((values > PARTED).any(axis=1).argmax())
        where = "at the embedding" if first == 0 else f"after layer {first - 1}"
        assert said.startswith(f"First apart {where}, at ")
        named = re.match(r"[^“]*“(.)”", said)
        assert named
        assert values[first, LABELS.index(named[1])] > PARTED
        own = values[:, at] > PARTED
        if own.any():
            begins = int(own.argmax())
            where = "at the embedding" if begins == 0 else f"after layer {begins - 1}"
            assert f"That of “{LABELS[at]}” parts {where}; after layer {len(distance) - 2}" in said
        else:
            assert f"That of “{LABELS[at]}” never parts." in said


def test_what_cannot_be_compared_says_why():
    sentence = Sentence("No head.")
    nothing = made(None, ((0.0,), (0.0,)), without_kl=sentence)
    assert parted.predictions(nothing, NAMES, (0, 0)) == "No head."
    assert parted.bars(nothing, NAMES, (0, 0)) == ""
    assert parted.streams(made((0.0,), None, without_distance=Sentence("Widths.")), NAMES, (0, 0)) == "Widths."
    empty = made((), ((), ()))
    assert "No two tokens belong together" in parted.predictions(empty, NAMES, None)
    assert "No two tokens belong together" in parted.streams(empty, NAMES, None)


def test_a_pair_is_called_by_both_of_its_tokens_where_they_are_not_the_same():
    names = Names((("a", "b"), ("a", "x")))
    assert names.pair((0, 0)) == "“a”"
    assert names.pair((1, 1)) == "“b → x”"


def test_a_token_that_stands_twice_is_called_with_its_position():
    names = Names((("a", "b", "a"), ("a", "b", "c")))
    assert [names.pair((place, place)) for place in range(3)] == ["“a” at 0", "“b”", "“a → c” at 2"]


def test_streams_many_times_as_far_apart_as_they_are_long_are_said_to_be_so():
    said = parted.streams(made((0.0,) * 2, ((0.0, 0.0), (1e8, 5.0))), NAMES, (0, 0))
    assert "after layer 0 the two are 1.00·10⁸ times as far apart as A's is long" in said
    assert "after layer 0 the two are 500 % of its length apart" in parted.streams(
        made((0.0,) * 2, ((0.0, 0.0), (1e8, 5.0))), NAMES, (1, 1)
    )


@given(st.integers(1, 700), st.integers(0, 699))
def test_bars_hold_every_pair_once_and_the_chosen_one_is_marked(count, at):
    groups = pairs.groups(count)
    assert [place for start, stop in groups for place in range(start, stop)] == list(range(count))
    assert len(groups) == min(count, pairs.MOST_BARS)


def test_the_highest_bar_is_that_of_the_largest_divergence():
    html = parted.bars(made((0.1, 2.0, 0.5)), NAMES, (2, 2))
    heights = [float(height) for height in re.findall(r"height: ([\d.]+)%", html)]
    assert heights == [5.0, 100.0, 25.0]
    assert re.findall(r'title="([^"]*)"( class="chosen")?', unescape(html)) == [
        ("“a”: 0.100", ""),
        ("“b”: 2.00", ""),
        ("“c”: 0.500", ' class="chosen"'),
    ]


def test_the_table_shows_probability_and_rank_in_both_runs_and_escapes_what_readers_wrote():
    tokens = (
        WatchedToken(1, "<b>", 0.9, 0.02, 1, 4),
        WatchedToken(2, "y", 0.01, 0.9, 3, 1),
        WatchedToken(3, "z", None, 0.5, None, 1),
    )
    html = parted.watched(made(watched=tokens, at=(1, 1)))
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert re.findall(r"<td>(.*?)</td>", re.sub("</?(small|span)>", "", html)) == [
        "90 % no. 1", "2.0 % no. 4", "1.0 % no. 3", "90 % no. 1", "–", "50 % no. 1",
    ]  # fmt: skip
    assert re.findall("<i[^>]*>(.?)</i>", html) == ["▼", "▲", ""]


def test_of_many_tokens_each_runs_best_and_those_that_change_most_stand_there():
    tokens = tuple(WatchedToken(i, str(i), 0.1, 0.1 + i / 100, i + 1, i + 1) for i in range(10))
    html = parted.watched(made(watched=tokens))
    assert re.findall(r'scope="row">(\d)', html) == ["0", *(str(i) for i in range(5, 10))]


def test_the_pair_that_is_looked_at_is_the_chosen_tokens_or_the_last_one_before_it():
    side = of_texts(View(text="abcd", text2="abxcd"), "abcd", "abxcd")
    assert parted.watched_at(side, 3) == (3, 4)
    side = of_texts(View(text="abxyzcd", text2="abcd"), "abxyzcd", "abcd")
    assert parted.watched_at(side, 3) == (1, 1)
    assert (
        parted.watched_at(replace(side, alignment=replace(side.alignment, pairs=((0, None),), equal=(False,))), 0)
        is None
    )


def test_the_page_says_what_the_models_arrays_say(open_page):
    app = open_page(panel="attention", text="abcabc", text2="abcabd", pos="5")
    said = unescape(words(app))
    engine = tiny_engine()
    one, other = (run_of(engine, text) for text in ("abcabc", "abcabd"))
    alignment = aligned(engine.run(one), engine.run(other))
    parting = Store(engine, 10**8).parting(one, Store(engine, 10**8), other, alignment, (5, 5))
    names = Names((tuple("abcabc"), tuple("abcabd")))
    assert "“c → d”" in said
    assert parted.shown(parting, names, (5, 5)).replace("\n", "") in words_whole(app)
    assert not app.exception


def said_whole(app) -> str:
    """All that the page says, without its tags."""
    return unescape(re.sub(r"<[^>]*>", "", words_whole(app)))


def words_whole(app) -> str:
    return "\n".join(str(element.proto.body) for element in app.get("html")).replace("\n", "")


def test_a_run_beside_itself_is_said_to_be_the_same(open_page):
    said = unescape(words(open_page(panel="attention", text="abcabc", text2="abcabc")))
    assert "Both predict exactly the same after every token that both have: KL 0." in said
    assert "The streams of all tokens that both have are exactly the same in every layer." in said


@pytest.mark.parametrize("kind", ["bert", "bert-headless", "t5", "gpt2"])
def test_every_kind_of_model_has_a_summary(open_page, kind):
    app = open_page(kind, panel="tokens", text="abcabc", text2="abxabc")
    assert 'class="parted"' in words(app)
    assert not app.exception


def test_two_models_of_other_sizes_say_what_cannot_be_compared(serve):
    opened = serve("llama", "gpt2")
    loaded(host.models()["tiny-gpt2"])
    app = opened(panel="tokens", text="abcabc", model2="tiny-gpt2")
    assert 'class="parted"' in words(app)


def test_an_embedded_panel_has_no_summary(open_page):
    assert 'class="parted"' not in words(open_page(embed=True, panel="attention", text="abc", text2="abd"))


def test_what_takes_long_is_asked_for_by_a_click(open_page, monkeypatch):
    monkeypatch.setattr(parted, "SHORT", 3)
    monkeypatch.setattr(host.HostedModel, "parting_estimate", lambda *_of: Estimate(6, 10**6, 40.0))
    app = open_page(panel="attention", text="abcabc", text2="abcabd")
    assert 'class="parted"' not in words(app)
    assert "How far the two runs part takes about 40 s for texts of this length." in words(app)
    assert drawn(app)
    app.get_by_key("parted.ask").click().run()
    assert 'class="parted"' in words(app)


def test_what_was_stopped_is_not_asked_again_by_itself(open_page, monkeypatch):
    parting, stopped = host.HostedModel.parting, []

    def stop(model, run, other, other_run, *rest):
        if not stopped:
            stopped.append(parted._PARTING.stop((run, other_run)))
            raise Cancelled
        return parting(model, run, other, other_run, *rest)

    monkeypatch.setattr(host.HostedModel, "parting", stop)
    app = open_page(panel="attention", text="abcabc", text2="abcabd")
    assert "This was stopped before its end." in words(app)
    assert "This was stopped before its end." in words(app.run())
    assert len(stopped) == 1
    app.get_by_key("parted.ask").click().run()
    assert 'class="parted"' in words(app)
    assert "attention.figure" in keys(app)


def test_a_baseline_is_drawn_as_a_band_and_named():
    tokens = (WatchedToken(7, "·x", 0.5, 0.25, 1, 2), WatchedToken(9, "·y", 0.1, 0.1, 2, 3))
    parting = made((0.1, 2.0, 0.5), watched=tokens, at=(1, 1))
    spread = Spread(3, (np.array((0.0, 1.0, 0.5)), np.array((0.1, 4.0, 0.5))), {7: (0.3, 0.4)})
    html = parted.shown(parting, NAMES, (1, 1), Beside(spread, "the same at other heads"))
    said = unescape(re.sub(r"<[^>]*>", "", html))
    assert "In grey the baseline, the same at other heads: after “b” from 1.00 to 4.00." in said
    bars = re.findall(r'<i style="bottom: ([\d.]+)%; height: ([\d.]+)%"></i><b style="height: ([\d.]+)%">', html)
    assert [tuple(map(float, bar)) for bar in bars] == [(0.0, 2.5, 2.5), (25.0, 75.0, 50.0), (12.5, 2.0, 12.5)]
    assert 'title="“b”: 2.00; baseline 1.00 to 4.00"' in html
    assert "the highest 4.00" in html
    assert re.findall(r"<td>([^<]*)</td></tr>", re.sub("</?span>", "", html)) == ["30 % – 40 %", "–"]


def test_a_baseline_without_predictions_is_named_alone():
    parting = replace(made(None), predicts=(False, False), without_kl=Sentence("None."))
    assert parted.against(parting, Beside(Spread(3, None, {}), "the same"), NAMES, (1, 1)) == "Baseline: the same."


def test_a_page_of_a_changed_run_names_its_baseline(open_page):
    app = open_page(panel="attention", text="abcabc", changes="z.zero.layer1.head2")
    assert "the same at other heads of layer 1: 0, 1, 3" in said_whole(app)


def test_a_baseline_that_takes_long_is_asked_for(open_page, monkeypatch):
    monkeypatch.setattr("ui.baseline.SHORT", 1)
    monkeypatch.setattr("ui.costly.SLOW", 0.0)
    app = open_page(panel="attention", text="abcabc", changes="z.zero.layer1.head2")
    assert "the same at other heads" not in said_whole(app)
    app.button(key="baseline.ask").click().run()
    assert "the same at other heads of layer 1: 0, 1, 3" in said_whole(app)


def test_a_stopped_baseline_leaves_the_summary_and_is_not_asked_again_by_itself(open_page, monkeypatch):
    spread, stopped = host.HostedModel.spread, []

    def stop(model, run, other, controls, *rest):
        if not stopped:
            stopped.append(run)
            raise Cancelled
        return spread(model, run, other, controls, *rest)

    monkeypatch.setattr(host.HostedModel, "spread", stop)
    app = open_page(panel="attention", text="abcabc", changes="z.zero.layer1.head2")
    assert "The baseline was stopped before its end." in words(app)
    assert 'class="parted"' in words(app)
    app.get_by_key("baseline.ask").click().run()
    assert "the same at other heads of layer 1: 0, 1, 3" in said_whole(app)
