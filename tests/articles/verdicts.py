"""For each claim: models of which its verdict is known beforehand. Only what structure or the change guarantees."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from anatomy.spec import Stack
from articles.verdict import Case, Kind
from tests.articles.cases import TEXT, altered, case, constant, events
from tests.models.tiny import tiny_engine

Row = tuple[Callable[[], Case], Kind]


def _of(kind: str, text: str = TEXT) -> Callable[[], Case]:
    return lambda: case(kind, text)


def _with(kind: str = "llama", **changes) -> Callable[[], Case]:
    """The tiny model with arrays changed."""
    return lambda: altered(kind, changes)


def _but(kind: str = "llama", **facts) -> Callable[[], Case]:
    """The tiny model with other facts in its spec."""
    return lambda: altered(kind, **facts)


def _weights(**facts) -> Callable[[], Case]:
    return lambda: altered("llama", weights=replace(tiny_engine("llama").spec.weights, **facts))


def _scaled(factor: float):
    return lambda array, trace: array * factor


def _by_order(forwards: float, backwards: float):
    """One value for the page's own run and for others that begin like it, another where the order is turned."""
    own = list(TEXT.encode())
    return lambda array, trace: np.full_like(
        array, forwards if [t.id for t in trace.tokens][:2] == own[:2] else backwards
    )


def _leaning(array, trace):
    """Logits that prefer p after good news and n after bad."""
    found = np.zeros_like(array)
    found[ord("p")] = 1.0 if "rose" in trace.run.text else -1.0
    return found


def _positive(array, trace):
    """Logits that prefer p always, more so after good news."""
    found = np.zeros_like(array)
    found[ord("p")] = 2.0 if "rose" in trace.run.text else 1.0
    return found


def _complaining(array, trace):
    """Logits that prefer h after a record of a headache and c after one of a cough."""
    found = np.zeros_like(array)
    found[ord("h")] = 1.0 if "headache for" in trace.run.text else -1.0
    return found


def _by_source(own: float, other: float):
    """One surprisal for a translation after its source, another after another sentence."""
    return lambda array, trace: np.full_like(array, own if "cat" in trace.run.text else other)


def _itself(array, trace):
    """Every neighbour of a token [pos k] is the token."""
    return np.repeat(np.array([token.id for token in trace.tokens], array.dtype)[:, None], array.shape[1], axis=1)


def _settling(late: bool):
    """Best tokens by layer [layer k]: the last one leads from the last layer on, or from the first."""

    def change(array, trace):
        found = np.full_like(array, trace.tokens[0].id)
        if late:
            found[:-1] = trace.tokens[1].id
        return found

    return change


def _shorter_differs(array, trace):
    """Another part first in shorter texts."""
    return array if len(trace.tokens) == len(TEXT.encode()) else array[:, ::-1]


def _mostly_zero(array, trace):
    found = np.zeros_like(array)
    found[:, 0] = 1.0
    return found


_BATCH = _but(batch_norms=2)
_LONG, _MIDDLE = _but(max_pos=131_072), _but(max_pos=32_768)
_ONE_LAYER = _but(stacks=(Stack("dec", 1, True),))
_TWO_STACKS = _but(stacks=(Stack("enc", 3, False), Stack("dec", 3, True)))

KNOWN: dict[str, tuple[Row, ...]] = {
    "c-cleaned": ((_of("worded"), "part"), (_of("llama"), "not")),
    "c-subwords": ((_of("worded"), "holds"), (_of("llama"), "not")),
    "c-languages": ((_of("llama"), "holds"), (_of("worded"), "part")),
    "c-oov": ((_of("gpt2"), "holds"), (_of("worded"), "part")),
    "c-fewer-tokens": ((_of("worded"), "holds"), (_of("llama"), "not")),
    "c-wordpiece": ((_of("worded"), "holds"), (_but(tokenizer="byte-level BPE"), "not"), (_of("llama"), "unseen")),
    "c-special-token": ((_of("worded"), "part"), (_of("llama"), "not")),
    "c-vocab": ((_but("bert", vocab=128_256), "holds"), (_but("bert", vocab=49_152), "part"), (_of("bert"), "not")),
    "c-dense": ((_of("llama"), "holds"), (_with(tok_embed=_mostly_zero), "not")),
    "c-word2vec": ((_of("llama"), "not"), (_but("whole", tied=False), "unseen")),
    "c-semantic": (
        (_with(near_ids=_itself), "unseen"),
        (_with(near_cos=constant(0.99)), "part"),
        (_with(near_cos=constant(0.1)), "not"),
    ),
    "c-sentence-embedding": (
        (_with(tok_embed=lambda array, trace: array + np.arange(len(array), dtype="f4")[:, None]), "holds"),
        (_of("llama"), "not"),
        (_of("bert"), "not"),
    ),
    "c-contextual": ((_of("llama"), "holds"), (_of("bert"), "holds"), (_with(resid_post=constant(1.0)), "not")),
    "c-order": (
        (_of("bert"), "holds"),
        (_of("bert-headless"), "holds"),
        (_of("llama"), "part"),
        (_with(logits=constant(1.0)), "not"),
        (_of("t5"), "unseen"),
        (_but(position=None), "absent"),
    ),
    "c-added-position": (
        (_of("gpt2"), "holds"),
        (_of("bert"), "holds"),
        (_of("llama"), "not"),
        (_of("t5"), "not"),
        (_with("gpt2", pos_embed=constant(0.0)), "not"),
    ),
    "c-relative": (
        (_of("llama"), "holds"),
        (_of("t5"), "holds"),
        (_of("gpt2"), "not"),
        (_of("bert"), "not"),
        (_with("t5", pos_bias=lambda array, trace: array + np.arange(array.shape[1], dtype="f4")[:, None]), "not"),
    ),
    "c-places-known": (
        (_of("llama"), "holds"),
        (_of("t5"), "holds"),
        (_of("gpt2"), "part"),
        (_of("bert"), "part"),
        (_with(logits=constant(1.0)), "not"),
        (_with("t5", pos_bias=constant(1.0)), "not"),
        (_but(position=None), "absent"),
    ),
    "c-context": ((_LONG, "holds"), (_MIDDLE, "part"), (_of("llama"), "not")),
    "c-parallel": (
        (_of("llama"), "holds"),
        (_of("bert"), "holds"),
        (_with(resid_post=lambda array, trace: array + len(array)), "not"),
    ),
    "c-multihead": ((_of("llama"), "holds"), (_with(head_apart=constant(0.0)), "not"), (_but(n_heads=1), "not")),
    "c-angles": ((_of("llama"), "part"), (_with(head_apart=constant(0.0)), "not"), (_but(n_heads=1), "not")),
    "c-weighing": ((_of("bert"), "holds"), (_with(head_entropy=constant(3.0)), "not")),
    "c-all-words": ((_of("bert"), "holds"), (_of("t5"), "holds"), (_of("llama"), "part"), (_of("gpt2"), "part")),
    "c-no-fixed-window": ((_of("t5"), "holds"), (_of("llama"), "not"), (_of("mistral"), "not")),
    "c-long-range": ((_of("llama"), "holds"), (_of("mistral"), "not"), (_of("llama", "short"), "unseen")),
    "c-flow": ((_of("llama"), "holds"), (_of("bert"), "holds"), (_with(z=_scaled(2.0)), "not")),
    "c-gqa": (
        (_of("llama"), "holds"),
        (_of("gpt2"), "not"),
        (_of("bert"), "not"),
        (lambda: altered("llama", {"k": lambda array, trace: array[:1]}, n_kv=1), "part"),
    ),
    "c-encoder": ((_of("bert"), "holds"), (_of("t5"), "holds"), (_of("llama"), "not"), (_of("gpt2"), "not")),
    "c-dynamic-mask": ((_of("worded"), "unseen"), (_of("llama"), "not")),
    "c-shared-parameters": (
        (_with(weight_gap=constant(0.0)), "holds"),
        (_of("llama"), "part"),
        (_of("bert-headless"), "not"),
    ),
    "c-bidirectional": (
        (_of("llama"), "holds"),
        (_of("bert"), "holds"),
        (_with(head_later=constant(0.3)), "not"),
        (_with("bert", head_later=constant(0.0)), "not"),
    ),
    "c-one-way-writes": (
        (_of("llama"), "holds"),
        (_of("bert"), "part"),
        (_with(head_later=constant(0.3)), "not"),
        (_with("bert", head_later=constant(0.0)), "not"),
    ),
    "c-transforms-attention": (
        (_with(norm_pre=constant(0.0)), "holds"),
        (_with(norm_pre=constant(1.0), norm_attn=constant(1.0), cos_attn=constant(0.0)), "part"),
        (_with(norm_attn=constant(0.0)), "not"),
    ),
    "c-nonlinear": ((_of("llama"), "holds"), (_of("t5"), "holds"), (_with(ffn_bend=constant(0.0)), "not")),
    "c-two-linear-relu": ((_of("t5"), "holds"), (_of("gpt2"), "part"), (_of("bert"), "part"), (_of("llama"), "not")),
    "c-several-ffn": (
        (_with(layer_order=events(0, 1, 0, 2, 2)), "holds"),
        (_of("llama"), "part"),
        (_with(layer_order=events(0, 1)), "absent"),
    ),
    "c-residual": ((_of("llama"), "holds"), (_of("bert"), "holds"), (_with(attn_out=_scaled(2.0)), "not")),
    "c-layernorm": ((_of("bert"), "holds"), (_of("gpt2"), "part"), (_of("llama"), "not"), (_of("t5"), "not")),
    "c-batchnorm": ((_BATCH, "holds"), (_with(batch_gap=constant(9.0)), "part"), (_of("llama"), "absent")),
    "c-transformer": ((_of("llama"), "holds"), (_of("t5"), "holds"), (_with(layer_order=events(0, 2)), "not")),
    "c-stack": ((_of("llama"), "holds"), (_ONE_LAYER, "not")),
    "c-two-parts": ((_of("llama"), "holds"), (_of("bert"), "holds"), (_with(layer_order=events(1, 1, 2)), "not")),
    "c-independent": (
        (_of("llama"), "part"),
        (_of("bert"), "part"),
        (_with(resid_pre=constant(1.0), resid_post=constant(2.0)), "holds"),
        (_ONE_LAYER, "unseen"),
    ),
    "c-hierarchy": (
        (_with("gpt2", lens_ids=_settling(late=True)), "part"),
        (_with("gpt2", lens_ids=_settling(late=False)), "not"),
        (_with("bert-headless", resid_post=constant(1.0)), "not"),
    ),
    "c-depth": (
        (_with(lens_kl=constant(2.0)), "part"),
        (_with(lens_kl=constant(0.0)), "not"),
        (_of("bert-headless"), "absent"),
    ),
    "c-order-of-blocks": (
        (_with(layer_order=events(1, 2, 0)), "holds"),
        (_of("llama"), "part"),
        (_of("bert"), "part"),
        (_with(layer_order=events(0, 2, 0, 1)), "not"),
    ),
    "c-gpt3-style": ((_of("gpt2"), "holds"), (_of("llama"), "part"), (_of("bert"), "not")),
    "c-text-to-text": ((_TWO_STACKS, "holds"), (_of("llama"), "part"), (_of("bert"), "not")),
    "c-softmax": (
        (_of("llama"), "holds"),
        (_of("bert"), "holds"),
        (_with(next_logp=constant(0.0)), "not"),
        (_of("t5"), "absent"),
    ),
    "c-next-word": (
        (_with(surprisal=constant(1.0)), "holds"),
        (_with(surprisal=constant(9.0)), "part"),
        (_of("bert"), "not"),
    ),
    "c-classes": ((_of("llama"), "absent"), (_of("t5"), "absent")),
    "c-missing-word": ((_of("bert"), "holds"), (_of("llama"), "not"), (_of("bert-headless"), "unseen")),
    "c-generates": ((_of("llama"), "part"), (_of("gpt2"), "part"), (_of("bert"), "not"), (_of("t5"), "not")),
    "c-knows-language": (
        (_with(surprisal=_by_order(1.0, 5.0)), "part"),
        (_with(surprisal=_by_order(5.0, 1.0)), "part"),
        (_with(surprisal=_by_order(9.0, 7.0)), "not"),
        (_of("bert"), "unseen"),
    ),
    "c-sentiment": (
        (_with(logits=_leaning), "holds"),
        (_with(logits=_positive), "part"),
        (_with(logits=constant(0.0)), "not"),
        (_of("bert"), "absent"),
    ),
    "c-medical": (
        (_with(logits=_complaining), "part"),
        (_with(logits=constant(0.0)), "not"),
        (_of("bert"), "absent"),
    ),
    "c-translates": (
        (_with(surprisal=_by_source(1.0, 5.0)), "part"),
        (_with(surprisal=_by_source(5.0, 1.0)), "not"),
        (_of("t5"), "unseen"),
    ),
    "c-tasks": ((_of("llama"), "part"), (_of("bert"), "not")),
    "c-self-supervised": ((_of("llama"), "part"), (_of("bert"), "unseen")),
    "c-mixed-precision": (
        (_with(half_kl=constant(1e-4)), "part"),
        (_with(half_kl=constant(1.0)), "not"),
        (_of("t5"), "unseen"),
    ),
    "c-dynamic-graph": ((_of("llama"), "part"), (_with(layer_order=_shorter_differs), "holds")),
    "c-pruning": ((_with(tok_embed=_mostly_zero), "part"), (_of("llama"), "unseen")),
    "c-quantization": ((_weights(stored="GGUF, 4-bit Q4_1"), "holds"), (_weights(stored="float32"), "not")),
    "c-regularized": ((_but(dropout=0.1), "part"), (_but(dropout=0.0), "unseen")),
    "c-less-regularization": ((_but(dropout=0.0), "holds"), (_but(dropout=0.1), "not")),
    "c-compute-by-size": ((_of("llama"), "holds"), (_weights(parameters=10**12), "part")),
    "c-memory-attention": ((_of("llama"), "holds"), (_of("bert"), "holds"), (_with(z=_scaled(2.0)), "not")),
    "c-smaller": ((_of("llama"), "holds"), (_weights(parameters=405_000_000_000), "not")),
}

# Claims on training or on parts that no language model here has: the verdict is the same for all, its numbers are not.
ONE_KIND: dict[str, tuple[Kind, Callable[[], Case], Callable[[], Case]]] = {
    "c-gradients": ("unseen", _of("llama"), _of("bert")),
    "c-residual-stability": ("unseen", _of("llama"), _of("bert")),
    "c-many-languages": ("unseen", _of("llama"), _of("bert")),
    "c-legal": ("unseen", _of("llama"), _of("bert")),
    "c-beside-gpt-4": ("unseen", _of("llama"), _of("bert")),
    "c-beside-t5": ("unseen", _of("llama"), _of("bert")),
    "c-stabilizes": ("unseen", _of("llama"), _of("bert")),
    "c-compute": ("unseen", _of("llama"), _of("bert")),
    "c-mixed-learning": ("unseen", _of("llama"), _of("bert")),
    "c-two-stages": ("unseen", _of("llama"), _of("toy")),
    "c-fine-tuning": ("unseen", _of("llama"), _of("bert")),
    "c-checkpointing": ("unseen", _of("llama"), _of("bert")),
    "c-results": ("unseen", _of("llama"), _of("bert")),
    "c-augmentation": ("unseen", _of("llama"), _of("bert")),
    "c-contrastive": ("unseen", _of("llama"), _of("bert")),
    "c-parallel-training": ("unseen", _of("llama"), _of("bert")),
    "c-training-order": ("unseen", _of("llama"), _of("bert")),
    "c-full-or-part": ("unseen", _of("llama"), _of("bert")),
    "c-instructed": ("unseen", _of("llama"), _of("toy")),
    "c-training-data": ("unseen", _of("llama"), _of("bert")),
    "c-lora": ("unseen", _of("llama"), _of("bert")),
    "c-torchtune": ("unseen", _weights(stored="float32"), _weights(stored="GGUF, 4-bit Q4_1")),
    "c-fusion": ("absent", _of("llama"), _with(layer_order=events(0, 1, 2))),
    "c-cnn": ("absent", _of("llama"), _with(layer_order=events(0, 1, 2))),
    "c-rnn": ("absent", _of("llama"), _with(layer_order=events(0, 1, 2))),
}
