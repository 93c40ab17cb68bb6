"""Surprisal: −log p of each token after those before it, as the plain model's logits give it; and perplexity."""

import math

import numpy as np
import pytest

from anatomy.request import Want
from anatomy.view import Fitted
from panels.common.shared import WORDS
from panels.output.surprisal import PANEL
from panels.output.surprisals import read
from tests import once
from tests.models.tiny import MODELS, tiny_engine
from tests.panels.made import made
from tests.snapshot import described
from viz.format import number

CAUSAL = ["llama", "mistral", "qwen2", "gpt2"]
VIEW = Fitted(pos=1)
JOINED = (("words", "1"),)
SMALL = made("a b c", {Want("surprisal"): [math.nan, math.log(4), math.log(16)]})


@pytest.mark.parametrize("kind", CAUSAL)
@pytest.mark.parametrize("settings", [(), JOINED], ids=["tokens", "words"])
def test_the_picture_caption_and_table_of_every_family(kind, settings, answered, picture):
    trace, view = answered(PANEL, kind, settings=settings)
    shown = {"figure": described(once.figure(PANEL, trace, view)), "says": once.caption(PANEL, trace, view)}
    assert shown | {"table": once.table(PANEL, trace, view), "formula": once.formula(PANEL, trace, view)} == picture


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_printed_program_finds_the_same_surprisals(kind, answered, program):
    trace, view = answered(PANEL, kind)
    found = program(PANEL, trace, view, kind)
    np.testing.assert_allclose(found, read(trace, view).of_token[1:], atol=1e-4)
    assert read(trace, view).mean == pytest.approx(float(found.mean()), abs=1e-4)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("text", ["the cat, the café sat", " one"])
def test_the_printed_program_adds_up_the_same_words(kind, text, answered, program):
    trace, view = answered(PANEL, kind, text=text, settings=JOINED)
    np.testing.assert_allclose(program(PANEL, trace, view, kind), read(trace, view).known, atol=1e-4)


def test_words_keep_the_total_of_all_tokens(answered):
    trace, view = answered(PANEL, settings=JOINED)
    assert np.nansum(read(trace, view).values) == pytest.approx(np.nansum(read(trace, view).of_token))
    tokens, words = (once.formula(PANEL, trace, v).splitlines()[-1] for v in (view.with_setting(WORDS, False), view))
    assert tokens == words


def test_the_first_word_counts_what_follows_its_first_token(answered):
    trace, view = answered(PANEL, text="abc d", pos=1, settings=JOINED)
    rest = read(trace, view).of_token[1:3].sum()
    assert read(trace, view).values[0] == pytest.approx(rest)
    assert once.caption(PANEL, trace, view).startswith(
        "After its first token was read, which nothing predicts, the rest of “abc” had a probability of"
    )
    assert "0 abc, after its first token: −log" in once.figure(PANEL, trace, view).data[0].hovertext[0]


def test_a_first_word_of_one_token_has_none(answered):
    trace, view = answered(PANEL, text="a bc", pos=0, settings=JOINED)
    assert np.isnan(read(trace, view).values[0])
    assert once.caption(PANEL, trace, view).startswith("“a” is the first token: nothing predicts it.")


def test_a_chosen_word_is_the_sum_of_its_tokens(answered):
    trace, view = answered(PANEL, text="a bc", pos=2, settings=JOINED)
    b, c = read(trace, view).of_token[2:]
    assert f"“b” {number(b)} + “c” {number(c)} = {number(b + c)}" in once.formula(PANEL, trace, view)
    assert "“bc” had a probability of" in once.caption(PANEL, trace, view)
    assert "Over 2 words the mean is" in once.caption(PANEL, trace, view)
    assert once.table(PANEL, trace, view).rows[2][:3] == (2, "bc", 2)


def test_the_caption_names_the_probability_the_most_surprising_and_the_perplexity():
    assert once.caption(PANEL, SMALL, VIEW) == (
        "Before it was read, “b” had a probability of 25 %: a surprisal of 1.39 nats. The most surprising is “c” at 2: "
        "6.2 %, 2.77 nats. Over 2 tokens the mean is 2.08 nats, a perplexity of 8.00: as uncertain as an even choice "
        "among so many tokens."
    )


def test_the_first_token_has_none():
    assert once.caption(PANEL, SMALL, Fitted(pos=0)).startswith("“a” is the first token: nothing predicts it.")
    assert once.table(PANEL, SMALL, VIEW).rows[0] == (0, "a", None, None, None)
    assert sum(len(bars.x) for bars in once.figure(PANEL, SMALL, VIEW).data) == 2


@pytest.mark.parametrize("settings", [(), JOINED], ids=["tokens", "words"])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_of_one_token_the_bars_are_those_of_what_may_come_next(kind, settings, answered, program):
    trace, view = answered(PANEL, kind, text="a", settings=settings)
    nats = np.array([value for _name, value in read(trace, view).ahead])
    np.testing.assert_allclose(program(PANEL, trace, view, kind), nats, atol=1e-4)
    figure, caption = once.figure(PANEL, trace, view), once.caption(PANEL, trace, view)
    np.testing.assert_allclose(np.concatenate([bars.y for bars in figure.data]), nats, rtol=1e-6)
    assert "nothing comes before it" in caption
    assert f"“{read(trace, view).ahead[0][0]}” would surprise least, with {number(nats.min())} nats" in caption
    assert [row[2] for row in once.table(PANEL, trace, view).rows] == pytest.approx(nats)
    assert once.formula(PANEL, trace, view).count("\n") == 1
    assert figure.layout.shapes == ()  # no mean
    assert PANEL.offered(trace.spec, view) == ()
    assert "after it" not in once.caption(PANEL, *answered(PANEL, kind, text="a b", settings=settings))


def test_the_line_is_the_mean_and_the_chosen_bar_stands_out():
    figure = once.figure(PANEL, SMALL, VIEW)
    assert figure.layout.shapes[0].y0 == pytest.approx(math.log(8))
    assert figure.data[0].x.tolist() == [1]
    assert figure.layout.xaxis.ticktext == ("a", "<b>b</b>", "c")


def test_the_formula_ends_in_perplexity_and_bits_per_byte():
    assert once.formula(PANEL, SMALL, VIEW).splitlines()[1:] == [
        "“b”: −log 0.250 = 1.39 nats = 2.00 bits",
        "mean = 4.159 / 2 = 2.08",
        "perplexity = e^2.08 = 8.00",
        "bits per byte = 6.000 / 2 = 3.00, which can be compared between tokenizers",
    ]


def test_the_table_has_bits_and_nats():
    assert once.table(PANEL, SMALL, VIEW).rows[2][2:] == pytest.approx((1 / 16, math.log(16), 4))


def test_labels_stay_text_and_equal_ones_apart():
    trace = made("<b> <b>", {Want("surprisal"): [math.nan, 1.0]})
    assert once.figure(PANEL, trace, Fitted(pos=0)).layout.xaxis.ticktext == ("<b>&lt;b&gt;</b>", "&lt;b&gt;")


def long(count: int, values=None):
    """A text of so many short words, the k-th with a surprisal of k mod 7 nats."""
    nats = np.arange(count) % 7.0 if values is None else values
    return made(" ".join(f"w{i}" for i in range(count)), {Want("surprisal"): [math.nan, *nats[1:]]})


def test_up_to_120_tokens_each_has_its_bar_in_one_row():
    figure = once.figure(PANEL, long(120), Fitted(pos=70))
    assert sum(len(trace.x) for trace in figure.data) == 119
    assert "Above stand" not in once.caption(PANEL, long(120), Fitted(pos=70))


@pytest.mark.parametrize(("settings", "kind"), [((), "tokens at"), (JOINED, "words")])
def test_of_more_those_around_the_chosen_one_stand_above_a_bar_for_each(settings, kind):
    trace, view = long(250), Fitted(pos=70, settings=settings)
    *near, whole = once.figure(PANEL, trace, view).data
    assert sum(len(bars.x) for bars in near) == 24
    np.testing.assert_array_equal(whole.y[1:], np.arange(1, 250) % 7)
    assert whole.hovertext[8] == "8: 1.00 nats"
    assert once.caption(PANEL, trace, view).endswith(
        f"Above stand the {kind} 58 to 81, around the chosen one; below, all 250."
    )


def test_a_bar_and_a_column_choose_their_tokens():
    drawn = once.described(PANEL, long(2_048), Fitted(pos=700))
    assert drawn.meant(0, 0) == {"pos": 700}
    assert drawn.meant(1, 0) == {"pos": 688}
    assert drawn.meant(2, 3) == {"pos": 24}
    assert drawn.meant(2, 87) == {"pos": 700}, "the chosen one's column keeps it"


@pytest.mark.parametrize("pos", [0, 1, 700, 2_047])
@pytest.mark.parametrize("settings", [(), JOINED], ids=["tokens", "words"])
def test_of_a_long_text_the_chosen_token_stands_among_its_neighbours_above_the_whole(pos, settings):
    trace, view = long(2_048), Fitted(pos=pos, settings=settings)
    chosen, others, whole = once.figure(PANEL, trace, view).data
    labels = once.figure(PANEL, trace, view).layout.xaxis.ticktext
    assert len(labels) == 24
    assert [label for label in labels if label.startswith("<b>")] == [f"<b>w{pos}</b>"]
    assert len(chosen.x) + len(others.x) == (23 if pos < 12 else 24), "the first token has no surprisal"
    assert len(whole.x) == 256
    np.testing.assert_allclose(whole.y[1:], (np.arange(2_048) % 7.0).reshape(256, 8).mean(axis=1)[1:], rtol=1e-6)
    assert whole.y[0] == pytest.approx(np.mean([1, 2, 3, 4, 5, 6, 0]))
    assert whole.marker.opacity[pos // 8] == 1
    kind, at, start = *(("words", "") if settings else ("tokens", "at ")), max(0, min(pos - 12, 2_024))
    assert once.caption(PANEL, trace, view).endswith(
        f"Above stand the {kind} {at}{start:,} to {start + 23:,}, around the chosen one; below, all 2,048: each column "
        f"is the mean of up to 8 {kind}."
    )


@pytest.mark.parametrize(("settings", "kind"), [((), "tokens"), (JOINED, "words")])
def test_the_table_of_a_long_text_lists_those_around_the_chosen_one(settings, kind):
    table = once.table(PANEL, long(3_000), Fitted(pos=2_500, settings=settings))
    assert table.note == f"Listed are 2,000 of 3,000 {kind}, those around the chosen one."
    assert [row[0] for row in table.rows] == [*range(1_000, 3_000)]


def test_a_text_of_one_endless_word_has_a_perplexity_beyond_all_numbers():
    trace = made("a b", {Want("surprisal"): [math.nan, 5_000.0]})
    assert "a probability of < 0.01 %" in once.caption(PANEL, trace, VIEW)
    assert "a perplexity of ∞" in once.caption(PANEL, trace, VIEW)
    assert "perplexity = e^5,000 = ∞" in once.formula(PANEL, trace, VIEW)


def test_models_without_a_next_token_say_why():
    assert "reads the whole text at once" in PANEL.applies(tiny_engine("bert").spec)
    assert "no output layer" in PANEL.applies(tiny_engine("bert-headless").spec)
    assert all((PANEL.applies(tiny_engine(kind).spec) is None) == (kind in CAUSAL) for kind in MODELS)


@pytest.mark.real
def test_the_last_word_of_the_default_text_is_expected(really_answered):
    trace, view = really_answered(PANEL)
    assert read(trace, view).of_token[-1] == pytest.approx(0.053, abs=0.002)
    assert math.exp(read(trace, view).mean) == pytest.approx(9.52, abs=0.05)
