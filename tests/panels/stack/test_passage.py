"""The passage of every family and of odd texts: its numbers are the trace's, its arcs the engine's largest ones."""

import re
from dataclasses import replace

import numpy as np
import pytest

from anatomy.refused import Refused
from anatomy.request import Run, Want
from anatomy.spec import LearnedPositions
from anatomy.stages import STAGES
from anatomy.trace import Trace
from anatomy.view import Fitted, View
from models.identities.identity import Identity, broken
from models.measures.registry import with_resting
from panels import load
from panels.stack.passage import PANEL
from panels.stack.passage_drawing import draw
from panels.stack.passage_paths import CHOSEN, MOST, OTHERS, Tops
from panels.stack.passage_reading import SOON, read
from panels.stack.passage_steps import steps
from panels.stack.passage_words import caption, formula, notes
from tests import once
from tests.models.long import long_engine, text_of
from tests.models.tiny import HEADLESS, MODELS, new_tiny_engine, tiny_engine
from tests.panels.conftest import TEXT
from tests.panels.stack.passages import BOTH, TOPS, searched, slowly, told
from tests.snapshot import described
from viz.format import number, quoted
from viz.passage import Passage, explained

KINDS = [*MODELS, "qwen2-mixed", "t5-gated"]
WITH_HEAD = [kind for kind in MODELS if kind not in HEADLESS]
PLACE = 9  # in the text of the tiny models
SHARP = "a cat"  # so short that heads of the tiny BERT look mostly at one token


def shown(trace: Trace, view: Fitted) -> dict[str, object]:
    """All that the panel shows, as plain values."""
    drawn = once.described(PANEL, trace, view)
    assert isinstance(drawn, Passage)
    return {
        "figure": described(drawn.drawn()),
        "says": once.caption(PANEL, trace, view),
        "steps": drawn.steps,
        "notes": drawn.notes,
        "formula": once.formula(PANEL, trace, view).splitlines(),
        "table": once.table(PANEL, trace, view),
    }


@pytest.mark.parametrize("kind", MODELS)
def test_the_picture_sentences_and_table_of_every_family(kind, answered, picture):
    text = {"text": SHARP} if kind.startswith("bert") else {}
    assert shown(*answered(PANEL, kind, **text)) == picture


@pytest.mark.parametrize("kind", MODELS)
def test_a_text_of_one_token_is_a_line_without_arcs(kind, answered, picture):
    trace, view = answered(PANEL, kind, text="a")
    assert not draw(read(trace, view)).arcs
    assert caption(read(trace, view)).startswith("There is one token: there is no other that it could take anything")
    assert shown(trace, view) == picture


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_and_predictions_are_the_traces(kind, answered):
    trace, view = answered(PANEL, kind, pos=PLACE)
    drawn = draw(read(trace, view))
    assert [line.place for line in drawn.lines] == list(range(len(trace.tokens)))
    assert [line.label for line in drawn.lines] == list(trace.labels)
    np.testing.assert_array_equal(drawn.lengths[:, 0], trace[Want("norm_pre")][0])
    np.testing.assert_array_equal(drawn.lengths[:, 1:], trace[Want("norm_post")].T)
    assert (drawn.chosen, drawn.tokens, drawn.added) == (PLACE, len(trace.tokens), 0)
    if trace.spec.head is None:
        assert (drawn.best, drawn.end, drawn.after) == ((), f"{trace.spec.d_model} numbers", "")
        assert {line.leads for line in drawn.lines} == {""}
        return
    ids, shares = trace[Want("next_ids")], np.exp(trace[Want("next_logp")])
    assert [line.leads for line in drawn.lines] == [trace.following(int(row[0]), pos) for pos, row in enumerate(ids)]
    np.testing.assert_allclose([line.share for line in drawn.lines], shares[:, 0], rtol=1e-4)
    assert drawn.best_ids == tuple(ids[PLACE, :5].tolist())
    assert [label for label, _ in drawn.best] == [trace.following(row, PLACE) for row in drawn.best_ids]
    np.testing.assert_allclose([share for _, share in drawn.best], shares[PLACE, :5], rtol=1e-4)
    assert drawn.end == ""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("text", "pos"), [(TEXT, PLACE), (TEXT, 20), (SHARP, 1), (SHARP, 4)])
def test_arcs_are_the_largest_contributions_whose_weight_is_over_the_rules(kind, text, pos, answered):
    trace, view = answered(PANEL, kind, text=text, pos=pos)
    source, head, weight, moved = (trace[Want(site)] for site in TOPS)
    arcs = {(arc.layer, arc.looking): arc for arc in draw(read(trace, view)).arcs}
    for place in np.ndindex(weight.shape):
        over = weight[place] > (CHOSEN if place[1] == pos else OTHERS)
        assert (place in arcs) == over, place
        if over:
            arc = arcs[place]
            assert (arc.looked, arc.head, arc.chosen) == (source[place], head[place], place[1] == pos)
            assert (arc.weight, arc.looked > 0, arc.looked != pos or not arc.chosen) == (weight[place], True, True)
            assert arc.share == pytest.approx(moved[place] / trace[Want("norm_pre")][place], rel=1e-5)


def test_some_arcs_are_drawn_and_some_are_not(answered):
    for kind in MODELS:
        trace, view = answered(PANEL, kind, text=SHARP if kind.startswith("bert") else TEXT)
        assert 0 < len(draw(read(trace, view)).arcs) < (trace[Want("top_src")] >= 0).sum(), kind


@pytest.mark.parametrize("kind", WITH_HEAD)
def test_words_are_those_that_lead_the_lens_for_two_layers(kind, answered):
    trace, view = answered(PANEL, kind)
    ids, logp = (trace[Want(site, pos=view.pos)] for site in ("lens_ids", "lens_logp"))
    words = draw(read(trace, view)).words
    assert [(word.layer, word.label) for word in words] == slowly(
        [trace.following(int(row[0]), view.pos) for row in ids]
    )
    np.testing.assert_allclose([word.probability for word in words], np.exp(logp[[word.layer for word in words], 0]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_printed_program_finds_the_engines_arcs(kind, answered, program):
    trace, view = answered(PANEL, kind)
    found = np.asarray(program(PANEL, trace, view, kind))
    source, head, weight, moved = (trace[Want(site)] for site in TOPS)
    np.testing.assert_array_equal(found[..., 0], source)
    np.testing.assert_array_equal(found[..., 1], head)
    np.testing.assert_allclose(found[..., 2], weight, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[..., 3], moved / trace[Want("norm_pre")], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_has_a_row_for_each_part_with_its_numbers(kind, answered):
    trace, view = answered(PANEL, kind, pos=PLACE)
    drawn, rows = draw(read(trace, view)), once.table(PANEL, trace, view).rows
    kinds = [row[0] for row in rows]
    assert kinds.count("arc") == len(drawn.arcs)
    assert kinds.count("word after the layer") == len(drawn.words)
    assert kinds.count("prediction") == (len(drawn.lines) if trace.spec.head else 0)
    assert kinds.count("likely next token") == len(drawn.best)
    arcs = [row for row in rows if row[0] == "arc"]
    for arc, row in zip(drawn.arcs, arcs, strict=True):
        assert row[1:3] == (arc.layer, arc.head)
        assert (row[4], row[6]) == (arc.looking, arc.looked)
        assert row[8:10] == (arc.weight, arc.share)
    lengths = [row[7] for row in rows if str(row[0]).startswith("stream")]
    np.testing.assert_array_equal(lengths, drawn.lengths.ravel())


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_out_in_a_step_is_said_in_it_and_its_links_lead_somewhere(kind, answered):
    trace, view = answered(PANEL, kind)
    drawn, known = draw(read(trace, view)), load()
    for step in drawn.steps:
        assert step.says.endswith(".")
        assert "  " not in step.says
        assert all(part in step.says for part in step.strong), step
    for title, panel in [link for step in drawn.steps for link in step.links]:
        assert known[panel].closed(trace.spec) is None
        assert title == STAGES[known[panel].stage].title
    assert all(known[panel].closed(trace.spec) is None for panel in drawn.opens.values())


@pytest.mark.parametrize("kind", KINDS)
def test_the_steps_count_what_the_model_has(kind, answered):
    trace, view = answered(PANEL, kind)
    cut, look_up, look_back, rewrite, _ = steps(read(trace, view))
    model = trace.spec
    assert cut.says == "Your text becomes 22 tokens, pieces that the model has a number for."
    assert f"its row of {model.d_model} numbers from a table" in look_up.says
    assert ("A row for its place is added." in look_up.says) == isinstance(model.position, LearnedPositions)
    assert f"In each of {model.layers} layers" in look_back.says
    assert f"through {model.n_heads} heads." in look_back.says
    assert f"a network of {model.d_ff} neurons" in rewrite.says


@pytest.mark.parametrize("kind", KINDS)
def test_the_formula_of_a_model_has_the_numbers_of_its_largest_arc(kind, answered):
    trace, view = answered(PANEL, kind)
    arcs = [arc for arc in draw(read(trace, view)).arcs if arc.chosen]
    lines = formula(read(trace, view)).splitlines()
    assert any("→" in line for line in lines) == bool(arcs)
    if arcs:
        arc = max(arcs, key=lambda arc: arc.share)
        size, moved = (float(trace[Want(site)][arc.layer, view.pos]) for site in ("norm_pre", "top_moved"))
        says = f"{number(arc.weight)} × {number(moved / arc.weight)} / {number(size)} = {number(moved / size)}"
        assert lines[2].endswith(f"layer {arc.layer}, head {arc.head}: {says}")


# Odd models and texts


@pytest.mark.parametrize("kind", HEADLESS)
def test_a_model_without_an_output_layer_ends_in_its_vectors(kind, answered):
    trace, view = answered(PANEL, kind)
    seen = read(trace, view)
    drawn = draw(seen)
    assert (drawn.words, drawn.best, drawn.goes_on) == ((), (), False)
    first, last = (number(float(drawn.lengths[view.pos, end])) for end in (0, -1))
    *_, rewrite, end = drawn.steps
    assert f"is {first} long where it enters and {last} in the end." in rewrite.says
    assert end.says == (
        f"At the end each line is a vector of {trace.spec.d_model} numbers. This model has no output layer: it "
        "predicts nothing."
    )
    assert (end.over, end.title, [panel for _, panel in end.links]) == ("end", "End", ["pooled"])
    assert set(drawn.opens) == {"arc", "stream"}
    assert "its line says" not in caption(seen)
    assert not any(note.startswith("Words") for note in drawn.notes)
    assert not any(want.site.startswith(("lens", "next")) for want in PANEL.needs(trace.spec, view))


@pytest.mark.parametrize("kind", ["bert", "bert-headless", "t5"])
def test_in_an_encoder_arcs_go_both_ways(kind, answered):
    seen = read(*answered(PANEL, kind, text=TEXT if kind == "t5" else SHARP))
    assert {arc.looked > arc.looking for arc in draw(seen).arcs} == {True, False}
    step = steps(seen)[2]
    assert step.title == "Look around"
    assert "every token takes something from all others" in step.says


@pytest.mark.parametrize("kind", WITH_HEAD)
def test_what_is_predicted_stands_after_the_token_or_in_its_place(kind, answered):
    trace, view = answered(PANEL, kind)
    where = "In the place of" if kind == "bert" else "After"
    assert draw(read(trace, view)).after == f"{where} {quoted(trace.tokens[view.pos].label)}"


def test_marks_that_the_model_adds_are_counted_and_those_that_stand_for_text_are_not():
    trace, view = told(BOTH)
    marked = [replace(token, special=True, end=token.start) for token in trace.tokens]
    unknown = replace(trace.tokens[2], special=True)

    def says(*tokens, **changes) -> str:
        return steps(read(replace(trace, tokens=tokens, **changes), view))[0].says

    *inner, last = trace.tokens
    assert says(*inner[:2], unknown, *inner[3:], last) == steps(read(trace, view))[0].says
    assert says(*inner, marked[-1]).endswith("for. 1 of them is a mark that the model adds.")
    assert says(marked[0], *inner[1:], marked[-1]).endswith("2 of them are marks that the model adds.")
    run = Run(trace.run.model, trace.run.text, tail=(last.id,))
    assert says(marked[0], *inner[1:], marked[-1], run=run).endswith(
        "1 of them is a mark that the model adds. 1 of them was generated."
    )


def test_generated_tokens_are_told_from_the_text(answered):
    trace, view = answered(PANEL, text="the cat", tail=(200, 7))
    drawn = draw(read(trace, view))
    assert [line.added for line in drawn.lines] == [False] * 7 + [True] * 2
    assert drawn.added == 2
    assert drawn.steps[0].says.endswith("becomes 9 tokens, pieces that the model has a number for. "
                                        "2 of them were generated.")  # fmt: skip


def test_a_stream_of_length_0_breaks_nothing():
    trace, view = told(BOTH)
    still = trace.plus({Want("norm_pre"): np.zeros((4, 6), "f4"), Want("norm_post"): np.zeros((4, 6), "f4")})
    seen = read(still, view)
    assert {arc.share for arc in draw(seen).arcs} == {0.0}
    assert formula(seen).splitlines()[0].endswith("of “six” from log₁₀ 0 = – to log₁₀ 0 = –")
    assert "→" not in formula(seen)
    assert "from 0 to 0." in explained(draw(seen))[0]
    assert draw(seen).drawn().to_plotly_json()
    assert caption(seen) == caption(read(trace, view))


# Long texts: first without arcs


def long_answer(tokens: int, kind: str = "llama", pos: int | None = None) -> tuple[Trace, Fitted]:
    """What the panel is given of a long text at first."""
    engine, chosen = long_engine(kind), View(text=text_of(tokens), pos=pos)
    run = chosen.run(engine.spec)
    view = chosen.fit(engine.spec, engine.run(run).tokens)
    return engine.run(run, PANEL.needs(engine.spec, view)), view


@pytest.mark.parametrize("kind", ["llama", "gpt2", "t5"])
def test_of_a_long_text_arcs_come_after_the_first_picture(kind):
    trace, view = long_answer(600, kind)
    first = read(trace, view)
    assert caption(first).startswith("What the tokens take from each other is not drawn yet.")
    drawn = draw(first)
    assert ([line.place for line in drawn.lines], drawn.arcs, drawn.tokens) == ([599], (), 600)
    assert "Of 600 tokens one has a line so far; the others are a band." in drawn.notes
    assert not any(note.startswith("Arcs") for note in drawn.notes)
    later = PANEL.later(trace.spec, view)
    whole = long_engine(kind).run(trace.run, later)
    for count in range(len(later)):
        partly = trace.plus({want: whole[want] for want in later[:count]}, whole.names)
        assert caption(read(partly, view)).startswith("What the tokens take")
        assert draw(read(partly, view)).drawn().to_plotly_json()
    complete = read(trace.plus(whole.arrays, whole.names), view)
    assert complete.complete
    assert "not drawn yet" not in caption(complete)
    assert 1 <= len(complete.paths.lines) <= MOST
    assert any("those have lines on which" in note for note in notes(complete))


@pytest.mark.parametrize("kind", MODELS)
def test_first_and_later_a_long_text_is_asked_for_what_a_short_one_is(kind):
    model = tiny_engine(kind).spec
    short, long = Fitted(pos=3, length=SOON), Fitted(pos=3, length=SOON + 1)
    assert PANEL.later(model, short) == ()
    assert {*PANEL.needs(model, long), *PANEL.later(model, long)} == set(PANEL.needs(model, short))
    assert not any(want.site in TOPS for want in PANEL.needs(model, long))
    assert all(want.pos is None for want in PANEL.later(model, long))


@pytest.mark.parametrize("kind", ["llama", "gpt2", "t5"])
@pytest.mark.parametrize("pos", [40, 79])
def test_of_a_text_of_80_tokens_the_engines_arcs_are_searched(kind, pos):
    trace, view = long_answer(80, kind, pos)
    moved = trace[Want("top_moved")].astype(np.float64) / trace[Want("norm_pre")]
    tops = Tops(*(trace[Want(site)] for site in TOPS[:3]), share=moved)
    lines, arcs = searched(tops, pos)
    drawn = draw(read(trace, view))
    assert [line.place for line in drawn.lines] == lines
    assert {(arc.layer, drawn.lines[arc.looking].place) for arc in drawn.arcs} == arcs
    assert drawn.lines[drawn.chosen].place == pos
    np.testing.assert_array_equal(drawn.lengths[:, 1:], trace[Want("norm_post")].T[lines])
    assert any(note.startswith("Of 80 tokens those have lines on which") for note in drawn.notes)
    assert any(note.startswith("Arcs") for note in drawn.notes)
    assert bool(drawn.arcs) == bool(re.search(rf"\b{len(drawn.arcs)} arcs? (?:is|are) drawn", explained(drawn)[0]))


@pytest.mark.real
def test_the_real_model_finds_germany_by_way_of_france_and_berlin(really_answered):
    trace, view = really_answered(PANEL)
    seen = read(trace, view)
    assert caption(seen).startswith(
        "On its way through the layers “·of” takes something from another “·of”, “·France”, “·Berlin”. From layer"
    )
    assert "on its line says “·Germany”, with 94 % in the end." in caption(seen)
    assert [said.label for said in seen.said if said.answer] == ["·Germany"]


# What cannot be trusted


@pytest.mark.parametrize("site", ["pattern", "v", "attn_out"])
def test_where_the_models_contributions_do_not_add_up_the_reader_is_told_so(site):
    engine = new_tiny_engine("llama")
    engine.missing = engine.missing | with_resting(broken([Identity("x = y", frozenset({site}), 0.5, 1e-5)]))
    chosen = View(text="the cat")
    run = chosen.run(engine.spec)
    view = chosen.fit(engine.spec, engine.run(run).tokens)
    with pytest.raises(Refused, match=r"This is not shown: “x = y” is off by 0\.5 in this model"):
        engine.run(run, PANEL.needs(engine.spec, view))
