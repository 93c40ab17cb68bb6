"""Every fact that is stated of a model is held by a law on every type that opens; a wrong one is noticed, closes the
panels and refuses the claims that compute with it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    DynamicCache,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2ForCausalLM,
)

import articles
import panels
from anatomy import facts
from anatomy.facts import CACHE, EMBEDDING, FACTS, ROTATION, SCALE, WINDOW
from anatomy.refused import Refused
from anatomy.request import Intervention, Run, Want
from anatomy.spec import Rope
from anatomy.trace import Token
from anatomy.view import Fitted, View
from articles.checks import relation
from articles.verdict import Case, judge
from models.families import Family, load
from models.loaded import generate
from models.local.engine import LocalEngine
from panels.answer import PanelAnswer
from panels.position import rotation
from tests.models.tiny import MODELS, ByteTokenizer, randomize, tiny_config, tiny_engine, tiny_model

THETA = {"rope_theta": 10_000.0}
ROPES = {
    "linear": {"rope_type": "linear", "factor": 4.0, **THETA},
    "dynamic": {"rope_type": "dynamic", "factor": 4.0, **THETA},
    "yarn": {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 16, **THETA},
    "longrope": {
        "rope_type": "longrope",
        "factor": 8.0,
        "short_factor": [1.0] * 4,
        "long_factor": [1.0, 2.0, 3.0, 4.0],
        "original_max_position_embeddings": 16,
        **THETA,
    },
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
        **THETA,
    },
}
SCALINGS = {
    "divided by the layer's number": {"scale_attn_by_inverse_layer_idx": True},
    "not scaled": {"scale_attn_weights": False},
    "not scaled, but divided by the layer's number": {
        "scale_attn_weights": False,
        "scale_attn_by_inverse_layer_idx": True,
    },
}
LONG = "the cat sat on the mat, and then the cat"  # more tokens than `original_max_position_embeddings`


def drawn(model: PreTrainedModel) -> PreTrainedModel:
    randomize(model.eval())
    assert sum(weight.numel() for weight in model.parameters()) < 200_000
    return model


def llama(**more: Any) -> PreTrainedModel:
    given = tiny_config("llama").to_dict() | {"max_position_embeddings": 128} | more
    return drawn(LlamaForCausalLM._from_config(LlamaConfig(**given), attn_implementation="eager"))


def gpt2(**more: Any) -> PreTrainedModel:
    given = tiny_config("gpt2").to_dict() | more
    return drawn(GPT2LMHeadModel._from_config(GPT2Config(**given), attn_implementation="eager"))


def opened(model: PreTrainedModel, family: Family | None = None) -> LocalEngine:
    return LocalEngine(model, ByteTokenizer(), name="facts", family=family)


def asked(engine: LocalEngine, **chosen: Any) -> tuple[Run, Fitted]:
    """The run of LONG, and what is chosen on it."""
    view = View(text=LONG, **chosen)
    run = view.run(engine.spec)
    return run, view.fit(engine.spec, engine.run(run).tokens)


def stated(kind: str, change: Callable[[dict[str, Any]], dict[str, Any]], model: PreTrainedModel | None = None):
    """The engine of a tiny model whose family states something else of it."""
    family = load()["llama" if kind in ("mistral", "qwen2", "qwen2-mixed") else kind]
    wrong = replace(family, facts=lambda *given: (found := family.facts(*given)) | change(found))
    return opened(tiny_model(kind) if model is None else model, wrong)


def doubted(engine: LocalEngine) -> set[str]:
    return {doubt.fact for doubt in engine.spec.doubts}


@pytest.mark.parametrize("kind", [*MODELS, "qwen2-mixed", "llama-eps", "t5-gated"])
def test_every_fact_holds_for_every_type(kind: str) -> None:
    engine = tiny_engine(kind)
    assert engine.spec.doubts == ()
    held = {fact for identity in engine.identities for fact in identity.facts}
    rotates, goes_on = isinstance(engine.spec.position, Rope), engine.spec.head == "causal"
    assert held == set(FACTS) - (set() if rotates else {ROTATION}) - (set() if goes_on else {CACHE})


@pytest.mark.parametrize("rope", ROPES.values(), ids=ROPES)
def test_every_fact_holds_for_every_kind_of_rescaling(rope: dict[str, Any]) -> None:
    engine = opened(llama(rope_parameters=rope))
    assert (engine.spec.doubts, engine.broken) == ((), {})


@pytest.mark.parametrize("more", SCALINGS.values(), ids=SCALINGS)
def test_every_fact_holds_however_gpt2_scales_its_scores(more: dict[str, Any]) -> None:
    engine = opened(gpt2(**more))
    assert (engine.spec.doubts, engine.broken) == ((), {})
    assert len(engine.spec.scales) == 3


@pytest.mark.parametrize("size", [10.0, 1_000.0, 10_000.0])
def test_a_model_with_large_key_biases_keeps_its_panels(size: float) -> None:
    """They add the same to every score of a token, which the softmax takes off again: only digits are lost."""
    model = drawn(Qwen2ForCausalLM._from_config(tiny_config("qwen2"), attn_implementation="eager"))
    for layer in model.model.layers:
        layer.self_attn.k_proj.bias.data += size
    engine = opened(model)
    assert (engine.spec.doubts, engine.broken) == ((), {})


def test_small_numbers_are_held_to_small_tolerances() -> None:
    """A stream of 10⁻⁴ that is off by a thousandth of itself is wrong, though by no more than 10⁻⁷."""
    model = llama()
    model.model.embed_tokens.weight.data *= 1e-4
    for layer in model.model.layers:
        for module in (layer.self_attn.o_proj, layer.mlp.down_proj):
            module.weight.data *= 1e-4
        layer.mlp.register_forward_hook(lambda module, given, out: out * 1.001)
    assert {"write_ids", "dla_neuron_ids"} <= opened(model).broken.keys()


def rope_with(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda found: {"position": replace(found["position"], **changes)}


def slowest_doubled(found: dict[str, Any]) -> dict[str, Any]:
    *others, slowest = found["position"].frequencies
    return {"position": replace(found["position"], frequencies=(*others, 2 * slowest))}


WRONG = {
    "the embedding is scaled": ("llama", lambda found: {"embed_scale": 1.001}, EMBEDDING),
    "the slowest pair turns twice as fast": ("llama", slowest_doubled, ROTATION),
    "the turn lengthens": ("llama", rope_with(stretch=1.001), ROTATION),
    "scores are not scaled": ("llama", lambda found: {"scales": (1.0,) * 3}, SCALE),
    "one layer scales otherwise": ("gpt2", lambda found: {"scales": (8**-0.5, 8**-0.5, 8**-0.5 * 1.001)}, SCALE),
    "scores of T5 are scaled": ("t5", lambda found: {"scales": ()}, SCALE),
    "a window that the class does not apply": ("llama", lambda found: {"windows": (4, 4, 4)}, WINDOW),
    "no window where the class applies one": ("mistral", lambda found: {"windows": ()}, WINDOW),
    "the window of another layer": ("qwen2-mixed", lambda found: {"windows": (None, None, 4)}, WINDOW),
}


@pytest.mark.parametrize(("kind", "change", "fact"), WRONG.values(), ids=WRONG)
def test_a_wrong_fact_is_doubted(kind: str, change: Callable, fact: str) -> None:
    assert fact in doubted(stated(kind, change))


def test_yarn_without_its_stretch_is_doubted() -> None:
    assert doubted(stated("llama", rope_with(stretch=1.0), llama(rope_parameters=ROPES["yarn"]))) == {ROTATION}


def test_longrope_read_once_is_doubted() -> None:
    """The frequencies of short texts alone, though the check's own text is short."""
    assert doubted(stated("llama", rope_with(beyond=()), llama(rope_parameters=ROPES["longrope"]))) == {ROTATION}


def test_a_pair_too_slow_to_turn_within_the_checks_text_is_tried_at_the_end_of_the_longest() -> None:
    rope = {"rope_type": "default", "rope_theta": 1e9}
    model = llama(rope_parameters=rope, max_position_embeddings=4_096)
    assert doubted(stated("llama", slowest_doubled, model)) == {ROTATION}


def test_pairs_of_neighbours_in_place_of_halves_are_doubted() -> None:
    """As Helium turns: the same angles, other components."""
    model = tiny_model("llama")

    def interleaved(module: nn.Module, given: tuple, out: tuple[torch.Tensor, torch.Tensor]) -> tuple:
        return tuple(table[..., : table.shape[-1] // 2].repeat_interleave(2, -1) for table in out)

    model.model.rotary_emb.register_forward_hook(interleaved)
    engine = opened(model)
    assert doubted(engine) == {ROTATION}
    assert {"q_unturned", "k_unturned"} <= engine.broken.keys()


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_positions_that_do_not_begin_with_the_first_row_are_doubted(kind: str) -> None:
    """As RoBERTa counts them, from row 2 on."""
    model = tiny_model(kind)
    table = model.base_model.get_submodule(load()[kind].positions)
    table.register_forward_pre_hook(lambda module, given: (given[0] + 2,))
    engine = opened(model)
    assert doubted(engine) == {EMBEDDING}
    assert "pos_embed" in engine.broken


def test_a_cache_that_forgets_is_doubted_and_the_text_does_not_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window in the configuration that Llama's class does not apply, and a cache that does."""
    monkeypatch.setattr(generate, "new_cache", lambda loaded: DynamicCache(config=loaded.model.config))
    monkeypatch.setattr("models.identities.fact_laws.new_cache", generate.new_cache)
    engine = opened(llama(sliding_window=4, layer_types=["sliding_attention"] * 3))
    assert doubted(engine) == {CACHE}
    with pytest.raises(Refused, match="“logits over kept keys and values = logits without them” is off by"):
        engine.extend(Run(engine.spec.id, "the cat"), 2)
    with pytest.raises(Refused, match="cannot be trusted"):
        engine.run(Run(engine.spec.id, "the cat"), [Want("cache_gap", pos=3)])


class Digits(ByteTokenizer):
    """A vocabulary with next to none of the pieces of an English sentence: it is one unknown token, or none at all."""

    def __init__(self, known: int) -> None:
        self._known = known

    def tokenize(self, text: str, special_tokens: bool = False) -> tuple[Token, ...]:
        return super().tokenize(text, special_tokens)[: self._known]


@pytest.mark.parametrize("known", [0, 1])
def test_a_model_whose_tokenizer_makes_nothing_of_a_sentence_is_checked_all_the_same(known: int) -> None:
    engine = LocalEngine(tiny_model("mistral"), Digits(known), name="digits")
    assert engine.spec.doubts == ()
    wrong = replace(load()["llama"], facts=lambda *given: load()["llama"].facts(*given) | {"windows": ()})
    engine = LocalEngine(tiny_model("mistral"), Digits(known), name="digits", family=wrong)
    assert WINDOW in doubted(engine)


@pytest.mark.parametrize("original", [2, 12, 49, 50, 51])
def test_turns_that_change_near_the_end_of_the_checks_text_close_nothing(original: int) -> None:
    rope = ROPES["longrope"] | {"original_max_position_embeddings": original}
    engine = opened(llama(rope_parameters=rope))
    assert (engine.spec.doubts, engine.broken) == ((), {})


def test_a_window_of_one_token_which_the_librarys_cache_does_not_keep_to_is_doubted() -> None:
    model = drawn(MistralForCausalLM._from_config(tiny_config("mistral"), attn_implementation="eager"))
    model.config.sliding_window = 1
    engine = opened(model)
    assert engine.spec.windows == (1, 1, 1)
    assert doubted(engine) == {CACHE}
    _run, view = asked(engine, layer=1, head=2, pos=7)
    for _article, claim in articles.claims():
        judge(claim.check, Case(engine.spec, view, lambda run, wants: engine.run(run, wants)))


def test_a_text_that_is_moved_on_is_turned_by_the_same_angles() -> None:
    """LongRoPE: 12 tokens moved on by 16 would be turned by those of long texts, and that is no fault of RoPE."""
    engine = opened(llama(rope_parameters=ROPES["longrope"]))
    view = View(text="the cat sat ").fit(engine.spec, engine.run(Run(engine.spec.id, "the cat sat ")).tokens)
    verdict = judge(relation.relative, Case(engine.spec, view, lambda run, wants: engine.run(run, wants)))
    assert verdict.kind == "holds"
    assert "Moved on by 4 tokens" in verdict.says


@pytest.mark.parametrize(("text", "farthest"), [("the cat sat ", 15), (LONG, 127)])
def test_scores_by_distance_end_where_other_angles_begin(text: str, farthest: int) -> None:
    engine, panel = opened(llama(rope_parameters=ROPES["longrope"])), panels.load()["distance"]
    run = Run(engine.spec.id, text)
    view = View(text=text, settings=(("reach", "far"),)).fit(engine.spec, engine.run(run).tokens)
    assert panel.read(engine.run(run, panel.needs(engine.spec, view)), view).distances[-1] == farthest


def test_a_lab_that_moves_a_short_text_beyond_the_switch_says_so() -> None:
    engine, lab = opened(llama(rope_parameters=ROPES["longrope"])), panels.load()["rotation"]
    run = Run(engine.spec.id, "the cat sat ")
    view = View(text=run.text, settings=(("shift", "20"),)).fit(engine.spec, engine.run(run).tokens)
    answer = PanelAnswer.of(lab, engine.run(run, lab.needs(engine.spec, view)), view)
    assert "A text that long is turned by other angles in this model (more than 16 tokens)" in answer.caption
    near = view.with_setting(rotation.SHIFT, 3)
    answer = PanelAnswer.of(lab, engine.run(run, lab.needs(engine.spec, near)), near)
    assert "Both stand 3 tokens further on than in the text, and q·k is still" in answer.caption


def test_a_window_that_llamas_class_ignores_changes_nothing() -> None:
    """Every layer sees the whole text, and a continuation over the cache is that of passes over all tokens."""
    engine = opened(llama(sliding_window=4))
    assert (engine.spec.doubts, engine.spec.windows) == ((), ())
    run = Run(engine.spec.id, LONG)
    together = engine.extend(run, 5)
    for _ in range(5):
        run = engine.extend(run, 1)
    assert together.tail == run.tail


def test_a_text_that_grows_past_the_length_where_the_turns_change_goes_on_as_if_read_anew() -> None:
    engine = opened(llama(rope_parameters=ROPES["longrope"]))
    run = Run(engine.spec.id, "the cat sat o")  # 13 tokens, the turns change after 16
    together = engine.extend(run, 8)
    for _ in range(8):
        run = engine.extend(run, 1)
    assert together.tail == run.tail


@pytest.mark.parametrize("fact", FACTS)
def test_a_doubt_closes_the_panels_that_rest_on_the_fact_and_no_others(fact: str) -> None:
    spec = tiny_engine("llama").spec
    doubt = facts.Doubt(fact, "x = y", 0.5, 1e-5)
    for panel in panels.load().values():
        reason = panel.closed(replace(spec, doubts=(doubt,)))
        if fact in panel.facts and panel.applies(spec) is None:
            assert reason is not None
            assert reason.startswith("This is not shown: “x = y” is off by 0.5")
        else:
            assert reason == panel.applies(spec)
    assert any(fact in panel.facts for panel in panels.load().values())


CHANGES = {
    ROTATION: lambda spec: replace(
        spec,
        position=replace(spec.position, frequencies=tuple(1.5 * f for f in spec.position.frequencies), stretch=1.3),
    ),
    SCALE: lambda spec: replace(spec, scales=tuple(2 * spec.scale(layer) for layer in range(spec.layers))),
    WINDOW: lambda spec: replace(spec, windows=(3,) * spec.layers),
    EMBEDDING: lambda spec: replace(spec, embed_scale=2.0),
}


def changeable(kind: str) -> list[str]:
    spec = tiny_engine(kind).spec
    barred = set() if isinstance(spec.position, Rope) else {ROTATION}
    return [fact for fact in CHANGES if fact not in barred and (fact != WINDOW or spec.stack().causal)]


TRIED = [(kind, fact) for kind in (*MODELS, "qwen2-mixed") for fact in changeable(kind)]


@pytest.mark.parametrize(("kind", "fact"), TRIED, ids=["-".join(pair) for pair in TRIED])
def test_whatever_changes_with_a_fact_says_that_it_rests_on_it(kind: str, fact: str) -> None:
    """Panels by their `facts`; claims, whose text is judged by the same model described otherwise, by `rests_on`."""
    engine = tiny_engine(kind)
    run, view = asked(engine, layer=1, head=2, pos=7)
    for panel in panels.load().values():
        if panel.applies(engine.spec) is None and fact not in panel.facts:
            trace = engine.run(run, panel.needs(engine.spec, view))
            said = [_told(panel, replace(trace, spec=spec), view) for spec in (trace.spec, CHANGES[fact](trace.spec))]
            assert said[0] == said[1], f"{panel.id} changes with {fact}: it has to name it in `facts`"
    doubts = (facts.Doubt(fact, "x = y", 0.5, 1e-5),)
    for _article, claim in articles.claims():
        specs = (engine.spec, CHANGES[fact](engine.spec), replace(engine.spec, doubts=doubts))
        plain, other, closed = (judge(claim.check, Case(spec, view, _as(engine, spec))) for spec in specs)
        assert plain == other or "“x = y”" in closed.says, f"{claim.id} changes with {fact}: mark it with `rests_on`"


def _as(engine: LocalEngine, spec):
    return lambda run, wants: replace(engine.run(run, wants), spec=spec)


def _told(panel, trace, view) -> tuple:
    answer = PanelAnswer.of(panel, trace, view)
    program = panel.snippet(trace.spec, view)
    return answer.caption, str(answer.table), answer.formula, program


def test_the_cell_of_a_gpt2_that_scales_by_layer_ends_at_the_models_own_score() -> None:
    cell = panels.load()["cell"]
    for more in SCALINGS.values():
        engine = opened(gpt2(**more))
        view = View(text=LONG, layer=2, head=1, pos=9, src=4).fit(
            engine.spec, engine.run(Run(engine.spec.id, LONG)).tokens
        )
        steps = cell.read(engine.run(view.run(engine.spec), cell.needs(engine.spec, view)), view)
        np.testing.assert_allclose(steps.scaled[steps.seen], steps.scores[steps.seen], atol=1e-5)
        np.testing.assert_allclose(steps.weights, steps.pattern, atol=1e-6)


@pytest.mark.parametrize("rope", ROPES.values(), ids=ROPES)
def test_before_the_turn_is_what_the_projection_gives_however_a_model_rescales(rope: dict[str, Any]) -> None:
    """On a text longer than the length before the rescaling: the library's own projections, cosines and sines."""
    lab = panels.load()["rotation"]
    engine, plain = opened(llama(rope_parameters=rope)), llama(rope_parameters=rope)
    run, view = asked(engine, layer=2, head=1, pos=30, src=3)
    trace = engine.run(run, lab.needs(engine.spec, view))
    kept: dict[str, torch.Tensor] = {}
    plain.model.layers[2].self_attn.q_proj.register_forward_hook(lambda module, given, out: kept.update(q=out[0, 30]))
    plain.model.rotary_emb.register_forward_hook(lambda module, given, out: kept.update(cos=out[0][0, 30]))
    with torch.inference_mode():
        plain(torch.tensor([[token.id for token in trace.tokens]]))
    found, position = lab.read(trace, view), trace.spec.position
    assert isinstance(position, Rope)
    np.testing.assert_allclose(found.sides[0].plain, kept["q"].view(4, 8)[1], atol=2e-6)
    np.testing.assert_allclose(position.frequencies, plain.model.rotary_emb.inv_freq, rtol=1e-6)
    turned = position.stretch * np.cos(30 * np.array(position.frequencies))
    np.testing.assert_allclose(turned, kept["cos"][:4], atol=1e-5)
    assert found.moved == pytest.approx(found.own, abs=1e-5 * float(np.abs(found.given.products).sum()))


def test_a_lab_told_wrong_angles_says_how_far_it_is_off() -> None:
    """Its check is no comparison of a number with itself."""
    lab, engine = panels.load()["rotation"], tiny_engine("llama")
    view = View(text=LONG, layer=1, head=1, pos=30, src=3).fit(
        engine.spec, engine.run(Run(engine.spec.id, LONG)).tokens
    )
    trace = engine.run(view.run(engine.spec), lab.needs(engine.spec, view))
    wrong = lab.read(replace(trace, spec=CHANGES[ROTATION](trace.spec)), view)
    assert abs(wrong.moved - wrong.own) > 0.01


def test_positions_that_are_moved_on_may_turn_by_the_angles_of_longer_texts() -> None:
    engine = opened(llama(rope_parameters=ROPES["longrope"]))
    run = Run(engine.spec.id, "the cat")
    short, moved = (
        engine.run(one).spec.position for one in (run, run.intervened(Intervention("positions", "add", amount=20)))
    )
    assert isinstance(short, Rope)
    assert isinstance(moved, Rope)
    assert moved.frequencies == short.beyond != short.frequencies
