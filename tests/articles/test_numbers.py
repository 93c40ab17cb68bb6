"""Numbers of the verdicts, worked out again from the library's plain models: no engine, no hooks."""

import math
from collections import Counter
from itertools import pairwise
from statistics import median

import pytest
import torch

import articles
from anatomy.costs import arithmetic, configuration, total
from anatomy.memory import cache_bytes
from articles.checks import reach
from articles.verdict import Case, Verdict
from tests.articles.cases import TEXT, case
from tests.models.tiny import tiny_model
from viz.format import number, size, thousands

CHECKS = articles.checks_of(articles.claims())
IDS = torch.tensor([list(TEXT.encode())])  # one token per byte
N = IDS.shape[1]


def verdict(id: str, kind: str) -> tuple[Verdict, Case]:
    asked = case(kind)
    return CHECKS[id](asked), asked


@torch.no_grad()
def plain(kind: str, ids: torch.Tensor = IDS, **more):
    return tiny_model(kind)(input_ids=ids, output_attentions=True, output_hidden_states=True, **more)


def close(found: float | None, expected: float, tolerance: float = 1e-4) -> None:
    assert found == pytest.approx(float(expected), rel=tolerance, abs=tolerance)


def test_what_is_added_for_the_position_is_the_table_of_the_library():
    model = tiny_model("gpt2").transformer
    found, _asked = verdict("c-added-position", "gpt2")
    close(found.value, model.wpe.weight[:N].norm(dim=-1).mean())
    gap = (plain("gpt2").hidden_states[0][0] - model.wte.weight[IDS[0]]).abs().max()
    assert number(float(gap)) in found.says
    rotary, _asked = verdict("c-added-position", "llama")
    embedded = tiny_model("llama").model.embed_tokens.weight[IDS[0]]
    assert rotary.value == float((plain("llama").hidden_states[0][0] - embedded).abs().max()) == 0


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "t5"])
def test_the_weight_on_later_tokens_is_what_the_library_puts_above_the_diagonal(kind):
    later = torch.stack([layer[0].triu(1).sum(-1).mean(-1) for layer in plain(kind).attentions])
    for id in ("c-all-words", "c-bidirectional", "c-encoder"):
        found, _asked = verdict(id, kind)
        close(found.value, later.mean())
    assert (float(later.mean()) == 0) == (kind in ("llama", "gpt2"))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_moving_the_text_on_changes_the_librarys_patterns_as_much(kind):
    here = plain(kind).attentions
    there = plain(kind, position_ids=torch.arange(N)[None] + 16).attentions
    found, asked = verdict("c-relative", kind)
    layers = {0, asked.view.layer, asked.spec.layers - 1}
    gap = max(float((here[layer] - there[layer]).abs().max()) for layer in layers)
    close(found.value, gap)
    assert (found.kind == "holds") == (gap <= found.tolerance) == (kind == "llama")


def test_without_positions_berts_answer_is_blind_to_order():
    turned = torch.cat([IDS[:, :-1].flip(1), IDS[:, -1:]], dim=1)
    at_first = torch.zeros_like(IDS)

    def answer(ids, **more):
        return plain("bert", ids, **more).logits[0, -1].double().log_softmax(-1)

    def change(**more):
        p, q = answer(IDS, **more), answer(turned, **more)
        return float((p.exp() * (p - q)).sum())

    found, _asked = verdict("c-order", "bert")
    close(found.value, change(), 1e-3)
    assert change(position_ids=at_first) < 1e-6
    assert found.kind == "holds"


def test_the_loss_is_the_librarys_own():
    loss = float(tiny_model("llama")(input_ids=IDS, labels=IDS).loss)
    for id in ("c-next-word", "c-self-supervised", "c-results"):
        found, _asked = verdict(id, "llama")
        close(found.value, loss)
    hits = int((plain("llama").logits[0, :-1].argmax(-1) == IDS[0, 1:]).sum())
    assert f"{hits} of {N - 1} were" in verdict("c-next-word", "llama")[0].says


def test_order_is_worth_as_much_surprisal_as_the_library_says():
    turned = torch.cat([IDS[:, :-1].flip(1), IDS[:, -1:]], dim=1)
    own, mixed = (float(tiny_model("gpt2")(input_ids=ids, labels=ids).loss) for ids in (IDS, turned))
    close(verdict("c-knows-language", "gpt2")[0].value, mixed - own)


def test_heads_and_caches_are_those_of_the_configuration():
    config = tiny_model("llama").config
    found, asked = verdict("c-gqa", "llama")
    assert found.value == config.num_attention_heads / config.num_key_value_heads == 2
    assert size(cache_bytes(asked.spec, 1)) in found.says


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_attention_beyond_ten_tokens_adds_up_from_the_librarys_maps_without_the_first_token(kind):
    place = torch.arange(N)
    far = (place[:, None] - place[1:]).abs() > 10
    maps = [layer[0][:, :, 1:] for layer in plain(kind).attentions]
    shares = [float(layer[:, far].sum() / layer.sum()) for layer in maps]
    found, _asked = verdict("c-long-range", kind)
    close(found.value, sum(shares) / len(shares))
    assert found.at["layer"] == shares.index(max(shares))


def test_of_long_texts_the_first_tokens_are_mapped(monkeypatch):
    monkeypatch.setattr(reach, "_MAPPED", 30)
    long, short = case("gpt2", TEXT * 2), case("gpt2", (TEXT * 2)[:29])
    assert len(short.trace().tokens) == 30 < len(long.trace().tokens)
    close(CHECKS["c-long-range"](long).value, CHECKS["c-long-range"](short).value)


def test_all_tokens_at_position_0_change_the_librarys_answer_as_much():
    p, q = (
        plain("gpt2", position_ids=places).logits[0, -1].double().log_softmax(-1)
        for places in (torch.arange(N)[None], torch.zeros_like(IDS))
    )
    close(verdict("c-places-known", "gpt2")[0].value, (p.exp() * (p - q)).sum(), 1e-3)


def test_operations_grow_with_the_published_sizes_by_the_rule_of_two_per_weight():
    found, asked = verdict("c-compute-by-size", "llama")
    for name, layers, width, inner in (("8B", 32, 4096, 14_336), ("405B", 126, 16_384, 53_248)):
        matrices = layers * (2 * width * width + 2 * width * 1024 + 3 * width * inner) + 128_256 * width
        operations = 2 * matrices + 4 * layers * width * 8192
        assert f"Llama 3.1 {name} {number(operations / 1e9)} billion" in found.says
    assert found.value == arithmetic(configuration(asked.spec), 8192)


def test_the_streams_growth_is_the_librarys():
    model, last = tiny_model("llama"), []
    model.model.layers[-1].register_forward_hook(lambda module, given, out: last.append(out))
    with torch.no_grad():
        before = model(input_ids=IDS, output_hidden_states=True).hidden_states[:-1]  # that of the end is normalized
    after = last[0] if isinstance(last[0], torch.Tensor) else last[0][0]
    lengths = [stream.reshape(N, -1).double().norm(dim=-1) for stream in (*before, after)]
    growth = [float((leaves / enters).mean()) for enters, leaves in pairwise(lengths)]
    close(verdict("c-residual-stability", "llama")[0].value, median(growth))


def test_a_clauses_surprisal_is_the_librarys_loss():
    ids = torch.tensor([list(b"This agreement ends on thirty days' written notice.")])
    close(verdict("c-legal", "llama")[0].value, tiny_model("llama")(input_ids=ids, labels=ids).loss)


def test_evenness_is_entropy_over_that_of_equal_weights():
    weights = torch.stack(plain("bert").attentions)[:, 0].double()  # [layer head pos src]
    entropy = float(-(weights * weights.log()).sum(-1).mean())
    close(verdict("c-weighing", "bert")[0].value, entropy / math.log(N))


def test_the_next_token_and_its_probability_are_the_librarys():
    logits = plain("gpt2").logits[0, -1]
    close(verdict("c-generates", "gpt2")[0].value, logits.softmax(-1).max())
    softmax, _asked = verdict("c-softmax", "gpt2")
    close(softmax.value, 1.0)
    assert "256 tokens get a probability" in softmax.says


def test_layers_differ_as_their_state_dicts_do():
    layers = tiny_model("gpt2").transformer.h
    matrices = [{name: weight for name, weight in layer.named_parameters() if weight.dim() > 1} for layer in layers]
    gaps = [
        max(float((one[name] - other[name]).abs().max()) for name in one)
        for one, other in zip(matrices, [matrices[-1], *matrices[:-1]], strict=True)
    ]
    close(verdict("c-shared-parameters", "gpt2")[0].value, min(gaps))


def test_what_the_feed_forward_network_reads_is_shared_out_as_the_stream_and_the_write_are():
    model, kept = tiny_model("llama"), {}
    for number_, layer in enumerate(model.model.layers):
        layer.self_attn.register_forward_hook(lambda module, given, out, at=number_: kept.update({at: out[0][0]}))
    with torch.no_grad():
        streams = model(input_ids=IDS, output_hidden_states=True).hidden_states
    shares = []
    for at, write in kept.items():
        write, total_ = write.double(), (streams[at][0] + write).double()
        shares.append(((write * total_).sum(-1) / (total_**2).sum(-1)).mean())
    close(verdict("c-transforms-attention", "llama")[0].value, sum(shares) / len(shares), 1e-3)


def test_leaving_a_layer_out_of_the_library_changes_the_writes_of_those_after_it_as_much():
    found, asked = verdict("c-independent", "gpt2")
    layer, pos = found.at["layer"], asked.view.pos
    whole = plain("gpt2").hidden_states
    model = tiny_model("gpt2")
    model.transformer.h[layer].register_forward_hook(
        lambda module, given, out: (given[0], *out[1:]) if isinstance(out, tuple) else given[0]
    )
    last = {}
    model.transformer.h[-1].register_forward_hook(
        lambda module, given, out: last.update(stream=out[0] if isinstance(out, tuple) else out)
    )
    with torch.no_grad():
        cut = model(input_ids=IDS, output_hidden_states=True).hidden_states
    intact, kept = tiny_model("gpt2"), {}
    intact.transformer.h[-1].register_forward_hook(
        lambda module, given, out: kept.update(stream=out[0] if isinstance(out, tuple) else out)
    )
    with torch.no_grad():
        intact(input_ids=IDS)
    plain_streams = [*whole[:-1], kept["stream"].reshape(whole[0].shape)]
    cut_streams = [*cut[:-1], last["stream"].reshape(whole[0].shape)]
    changes = []
    for at in range(layer + 1, asked.spec.layers):
        one, other = (streams[at + 1][0, pos] - streams[at][0, pos] for streams in (plain_streams, cut_streams))
        changes.append(float((other - one).norm() / one.norm()))
    close(found.value, sum(changes) / len(changes), 1e-3)


def test_counts_are_those_of_the_librarys_parameters():
    for kind in ("llama", "bert"):
        count = sum(weight.numel() for weight in tiny_model(kind).parameters())
        assert verdict("c-fine-tuning", kind)[0].value == count
        assert verdict("c-smaller", kind)[0].value == count
        assert thousands(count) in verdict("c-full-or-part", kind)[0].says
    spec = case("llama").spec
    layer = sum(weight.numel() for weight in tiny_model("llama").model.layers[-1].parameters() if weight.dim() > 1)
    close(verdict("c-full-or-part", "llama")[0].value, layer / total(configuration(spec)))


def test_pieces_are_counted_on_the_text_itself():
    found, _asked = verdict("c-fewer-tokens", "llama")
    assert found.value == len(TEXT) / N
    assert Counter(TEXT)["é"] == 1, "one character of the text takes two bytes, and so two tokens"


def test_contextual_vectors_are_as_far_apart_as_the_librarys_hidden_states():
    texts = ("They sat down on the grassy bank of the river", "She put all of her money in the bank")
    places = [text.index("bank") + 3 for text in texts]
    streams = [plain("bert", torch.tensor([list(text.encode())])).hidden_states[1:] for text in texts]
    path = [
        float(torch.cosine_similarity(one[0, places[0]], other[0, places[1]], dim=0))
        for one, other in zip(*streams, strict=True)
    ]
    found, _asked = verdict("c-contextual", "bert")
    close(found.value, min(path))
    assert found.at["layer"] == path.index(min(path))
