"""What the figures of long texts show of tokens, embedding and positions: a part, or means, that equal the whole's."""

from itertools import pairwise

import numpy as np
import pytest

from anatomy.control import Control
from anatomy.measure import POOLED, cosine_matrix, edges
from anatomy.request import Want
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.zoomed import MOVED, ZOOM
from panels.embedding import contexts, embedding, row, similarity
from panels.position import position, position_sizes, relative_bias
from panels.tokens import chat, tokens, words
from tests import once
from tests.models.long import long_engine
from tests.panels.long_texts import result
from tests.panels.made import made
from tests.panels.test_long import LONG, fitted
from viz.sight import OVERVIEW

POS = 1_500


def answer(panel, kind: str = "llama", control: Control | None = None, value: str = "") -> tuple[Trace, Fitted]:
    """A panel's trace of a text of 2,100 tokens."""
    engine, view = long_engine(kind), fitted(kind, LONG, POS)
    chosen = view if control is None else view.with_setting(control, value)
    assert isinstance(chosen, Fitted)
    return engine.run(chosen.run(engine.spec), panel.PANEL.needs(engine.spec, chosen)), chosen


def test_the_chips_are_those_around_the_chosen_token():
    trace, view = answer(tokens)
    chips = once.figure(tokens.PANEL, trace, view)
    assert [chip.label for chip in chips.chips] == [token.label for token in trace.tokens[POS - 128 : POS + 128]]
    assert chips.place(0) == POS - 128
    assert chips.place(chips.focus) == POS
    assert once.caption(tokens.PANEL, trace, view).endswith("those around the chosen one: positions 1,372 to 1,627.")


def test_a_text_of_a_thousand_tokens_has_all_its_chips():
    engine, view = long_engine("llama"), fitted("llama", 1_000, 700)
    chips = once.figure(tokens.PANEL, engine.run(view.run(engine.spec)), view)
    assert (len(chips.chips), chips.focus, chips.places) == (1_000, 700, None)


def test_a_long_conversation_keeps_its_beginning_and_its_end():
    trace, view = answer(chat)
    chips, table = once.figure(chat.PANEL, trace, view), once.table(chat.PANEL, trace, view)
    ids = [str(row) for row in trace[Want("chat_ids")].tolist()]
    assert [chip.note for chip in chips.chips] == [*ids[:128], *ids[-128:]]
    assert chips.rows == ((128, f"{len(ids) - 256:,} tokens of the text are left out here"),)
    assert [row[0] for row in table.rows] == [*range(1_000), *range(len(ids) - 1_000, len(ids))]
    assert table.note == "Listed are the first and the last 1,000 tokens."
    assert "Drawn are the first and the last 128 tokens." in once.caption(chat.PANEL, trace, view)
    users = int((trace[Want("chat_role")] == 1).sum())
    assert f"… ({users - 256:,} tokens) …" in once.formula(chat.PANEL, trace, view)


def test_the_words_that_are_not_listed_are_counted():
    trace, view = answer(words)
    table = once.table(words.PANEL, trace, view)
    assert len(table.rows) == 200
    assert table.note == f"Listed are the 200 most cut of {len({token.id for token in trace.tokens})}."


def test_only_the_chosen_tokens_neighbours_are_asked_for():
    trace, view = answer(embedding)
    assert {want.pos for want in trace.arrays} == {None, POS}
    short = long_engine("llama").run(view.run(trace.spec), [Want("near_ids"), Want("near_rows")])
    np.testing.assert_array_equal(short[Want("near_ids")][POS], trace[Want("near_ids", pos=POS)])
    plane = embedding.read(trace, view)
    assert plane.ranks.count("near") == 3
    assert "faint" not in plane.ranks
    assert once.table(embedding.PANEL, trace, view).note is None


def test_of_very_many_different_tokens_the_most_frequent_are_drawn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedding, "_MOST", 100)
    trace, view = answer(embedding)
    plane, different = embedding.read(trace, view), len({token.id for token in trace.tokens})
    assert trace.tokens[POS].id == plane.ids[0]
    assert len([rank for rank in plane.ranks if rank in ("chosen", "text")]) <= 100
    told = f"The map holds 100 of {different} tokens of the text, the chosen and the most frequent, with"
    assert told in once.caption(embedding.PANEL, trace, view)
    table = once.table(embedding.PANEL, trace, view)
    assert len(table.rows) == len(plane.ids)
    assert table.note is not None
    assert table.note.startswith(told.replace("The map holds", "Listed are"))
    compile(embedding.PANEL.snippet(trace.spec, view), "embedding", "exec")


def test_the_similarity_of_a_window_is_that_of_the_whole():
    trace, view = answer(similarity, control=ZOOM, value="256")
    whole, grid = cosine_matrix(trace[Want("tok_embed")]), once.figure(similarity.PANEL, trace, view)
    top, bottom, left, right = grid.part.window
    np.testing.assert_allclose(grid.z, whole[top:bottom, left:right], atol=1e-6)
    assert grid.rows[grid.focus[0]] == f"{POS} {trace.tokens[POS].label}"
    ids = np.array([token.id for token in trace.tokens])
    others = ids != ids[POS]
    assert similarity.read(trace, view).nearest == np.where(others, whole[POS], -2).argmax()
    pairs = whole[np.triu(ids[:, None] != ids)]
    counted, mean = similarity.average(trace)
    assert counted == len(pairs)
    np.testing.assert_allclose(mean, pairs.mean(), atol=1e-9)
    told = f"Shown pair by pair: positions {top}–{bottom - 1} beside {left}–{right - 1}, of 2,100 tokens."
    assert told in once.caption(similarity.PANEL, trace, view)


@pytest.mark.parametrize(
    ("panel", "kind", "site"), [(similarity, "llama", "tok_embed"), (position, "gpt2", "pos_embed")]
)
def test_a_window_may_lie_anywhere_and_the_whole_beside_it_is_made_of_means(panel, kind, site, tmp_path):
    engine, view = long_engine(kind), fitted(kind, LONG, POS)
    moved = view.with_setting(ZOOM, "64").with_setting(MOVED, f"200.1900.{POS}")
    assert isinstance(moved, Fitted)
    trace = engine.run(moved.run(engine.spec), panel.PANEL.needs(engine.spec, moved))
    grid, whole = once.figure(panel.PANEL, trace, moved), cosine_matrix(trace[Want(site)])
    assert (grid.part.window, grid.focus) == ((168, 232, 1868, 1932), None)
    np.testing.assert_allclose(grid.z, whole[168:232, 1868:1932], atol=1e-6)
    cut = edges(LONG, OVERVIEW)
    cells = [[whole[a:b, c:d].mean() for c, d in pairwise(cut)] for a, b in pairwise(cut)]
    np.testing.assert_allclose(grid.sight.whole, cells, atol=1e-5)
    assert grid.sight.pooled == "the whole text; each cell: the mean of up to 17 × 17 pairs"
    np.testing.assert_allclose(result(panel.PANEL, kind, trace, moved, tmp_path), grid.z, atol=1e-5)


def test_the_cells_of_a_long_texts_similarity_are_mean_cosines():
    trace, view = answer(similarity)
    grid, whole = once.figure(similarity.PANEL, trace, view), cosine_matrix(trace[Want("tok_embed")])
    cut = edges(LONG, POOLED)
    cells = [[whole[a:b, c:d].mean() for c, d in pairwise(cut)] for a, b in pairwise(cut)]
    np.testing.assert_allclose(grid.z, cells, atol=1e-5)
    assert (grid.measure, grid.opens[1]) == ("mean", "256")


@pytest.mark.parametrize(("panel", "kind"), [(similarity, "llama"), (position, "gpt2")], ids=["similarity", "position"])
def test_the_printed_program_finds_the_matrix_that_is_drawn(panel, kind, tmp_path):
    trace, view = answer(panel, kind)
    drawn = once.figure(panel.PANEL, trace, view).z
    assert drawn.shape == (256, 256)
    np.testing.assert_allclose(result(panel.PANEL, kind, trace, view, tmp_path), drawn, atol=1e-5)


def test_a_frame_on_another_than_the_most_alike_token_is_explained():
    places = {f"w{i}": (1, i / 400) for i in range(420)} | {"w419": (1, 0.001)}
    trace = made(" ".join(places), {Want("tok_embed"): [[*place, 0, 0, 0, 0, 0, 0] for place in places.values()]})
    told = once.caption(similarity.PANEL, trace, Fitted(pos=0, settings=(("zoom", "256"),)))
    assert "“w0” is most like “w419”" in told
    assert "Of these the framed one, “w1”, is most like it (cosine 1.00)." in told


def test_the_dots_of_lengths_are_means_and_the_chosen_token_has_its_own():
    trace, view = answer(row, control=row.SHOWN, value="lengths")
    own, calm = once.figure(row.PANEL, trace, view).data
    lengths = np.linalg.norm(trace[Want("tok_embed")], axis=1)
    np.testing.assert_allclose((own.x, own.y), ([POS], [lengths[POS]]), rtol=1e-5)
    np.testing.assert_allclose(calm.y[0], lengths[:8].mean(), rtol=1e-5)
    assert len(calm.y) == 256
    assert once.caption(row.PANEL, trace, view).endswith("Each grey dot is the mean of 8 to 9 tokens side by side.")


def test_the_cells_of_a_long_position_table_are_mean_cosines():
    trace, view = answer(position, "gpt2")
    grid, whole = once.figure(position.PANEL, trace, view), cosine_matrix(trace[Want("pos_embed")])
    edges = grid.part.rows
    for r, c in ((0, 0), (3, 200), (255, 255)):
        cell = whole[edges[r] : edges[r + 1], edges[c] : edges[c + 1]]
        np.testing.assert_allclose(grid.z[r, c], cell.mean(), atol=1e-6)
    assert grid.place(grid.focus)[0] == POS
    assert once.caption(position.PANEL, trace, view).endswith(
        "Each cell is the mean of up to 9 × 9 pairs of positions."
    )


def test_the_bars_of_long_tables_stand_around_the_chosen_position_above_means():
    trace, view = answer(position_sizes, "gpt2")
    *bars, whole = once.figure(position_sizes.PANEL, trace, view).data
    sizes = position_sizes.sizes(trace)
    for drawn, values in zip(bars, sizes, strict=True):
        np.testing.assert_allclose(drawn.y, values[POS - 12 : POS + 12], rtol=1e-6)
        assert drawn.hovertext[12].startswith(f"{POS} ")
    assert len(whole.y) == 256
    np.testing.assert_allclose(whole.y[0], sizes[0, :8].mean(), rtol=1e-5)
    assert whole.hovertext[0].startswith("positions 0–7: mean length of the tokens' rows ")
    assert "below, all" in once.caption(position_sizes.PANEL, trace, view)


def test_a_long_texts_distances_come_from_the_table_and_one_row_of_the_bias():
    trace, view = answer(relative_bias, "t5")
    assert {(want.site, want.pos) for want in trace.arrays} == {("bias_table", None), ("pos_bias", POS)}
    assert relative_bias.read(trace, view).off == 0


def test_contexts_say_what_became_of_very_many_places():
    many = made("a " * 70, _streams(70, long_engine("llama").spec.layers), long_engine("llama").spec)
    told = once.caption(contexts.PANEL, many, Fitted(pos=3))
    assert told.endswith("Its 68 other places are drawn as their range and median.")


def _streams(count: int, layers: int) -> dict[Want, np.ndarray]:
    """The arrays that contexts read, of equal tokens."""
    vector = np.ones(32)
    leaving = {Want("resid_post", layer, pos=3): vector for layer in range(layers)}
    return {Want("tok_embed", pos=3): vector, Want("cos_tokens", pos=3): np.ones((layers, count)), **leaving}
