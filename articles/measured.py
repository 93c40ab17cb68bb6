"""How each claim is measured and where it can be seen, by its id: two articles that claim the same share all of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from articles import Claim
from articles.checks import (
    attention,
    direction,
    embedding,
    ffn,
    other_parts,
    output,
    position,
    residual,
    serving,
    sharing,
    stack,
    tokens,
    training,
)
from articles.verdict import Check


@dataclass(frozen=True)
class Measured:
    """The stage, the panel with its settings, and the check of a claim, as `Claim` has them."""

    stage: str
    panel: str
    check: Check
    sets: Mapping[str, str] = field(default_factory=dict)


def claim(id: str, section: str, says: str) -> Claim:
    """One article's claim, measured as BY_ID says."""
    how = BY_ID[id]
    return Claim(id, section, how.stage, says, how.panel, how.check, how.sets)


_PARTS, _ARITHMETIC, _WEIGHTS = ({"charted": shown} for shown in ("parts", "arithmetic", "weights"))

BY_ID: Mapping[str, Measured] = {
    "c-cleaned": Measured("tokens", "tokens", tokens.cleaned),
    "c-subwords": Measured("tokens", "words", tokens.subwords),
    "c-languages": Measured("tokens", "words", tokens.languages),
    "c-oov": Measured("tokens", "tokens", tokens.out_of_vocabulary),
    "c-fewer-tokens": Measured("tokens", "words", tokens.fewer_tokens),
    "c-wordpiece": Measured("tokens", "tokens", tokens.wordpiece),
    "c-special-token": Measured("tokens", "tokens", tokens.special_token),
    "c-vocab": Measured("tokens", "tokens", tokens.vocabulary),
    "c-dense": Measured("embedding", "row", embedding.dense),
    "c-word2vec": Measured("embedding", "row", embedding.word2vec, {"row": "lengths"}),
    "c-semantic": Measured("embedding", "neighbours", embedding.related),
    "c-sentence-embedding": Measured("embedding", "contexts", embedding.sentences),
    "c-contextual": Measured("embedding", "contexts", embedding.contextual),
    "c-order": Measured("position", "position", position.order),
    "c-added-position": Measured("position", "position_sizes", position.added),
    "c-relative": Measured("position", "rotation", position.relative, {"shift": "16"}),
    "c-context": Measured("position", "wavelengths", position.context),
    "c-parallel": Measured("attention", "attention", attention.parallel),
    "c-multihead": Measured("attention", "heads", attention.heads_differ, {"show": "maps"}),
    "c-weighing": Measured("attention", "heads", attention.weighs, {"show": "entropy"}),
    "c-all-words": Measured("attention", "attention", direction.all_words),
    "c-no-fixed-window": Measured("attention", "heads", attention.no_window, {"show": "distance"}),
    "c-long-range": Measured("attention", "heads", attention.long_range, {"show": "distance"}),
    "c-flow": Measured("attention", "cell", attention.flow, {"step": "value"}),
    "c-gqa": Measured("attention", "groups", sharing.grouped),
    "c-encoder": Measured("attention", "attention", direction.encoder),
    "c-dynamic-mask": Measured("attention", "attention", direction.dynamic_mask),
    "c-shared-parameters": Measured("attention", "groups", sharing.shared_parameters),
    "c-bidirectional": Measured("attention", "arcs", direction.directions),
    "c-transforms-attention": Measured("ffn", "writes", ffn.reads_attention),
    "c-nonlinear": Measured("ffn", "activation", ffn.nonlinear),
    "c-two-linear-relu": Measured("ffn", "activation", ffn.two_matrices),
    "c-several-ffn": Measured("ffn", "promoted", ffn.several),
    "c-gradients": Measured("residual", "directions", residual.gradients),
    "c-residual": Measured("residual", "balance", residual.added),
    "c-layernorm": Measured("residual", "normalization", residual.layer_norm),
    "c-stabilizes": Measured("residual", "normalization", residual.steadies),
    "c-batchnorm": Measured("residual", "normalization", residual.batch_norm),
    "c-transformer": Measured("stack", "likeness", stack.transformer),
    "c-stack": Measured("stack", "likeness", stack.stacked),
    "c-two-parts": Measured("stack", "likeness", stack.two_parts),
    "c-independent": Measured("stack", "likeness", stack.independent),
    "c-hierarchy": Measured("stack", "settling", stack.hierarchy),
    "c-depth": Measured("stack", "lens", stack.depth),
    "c-order-of-blocks": Measured("stack", "writes", stack.order_of_blocks),
    "c-gpt3-style": Measured("stack", "likeness", stack.gpt3_style),
    "c-text-to-text": Measured("stack", "likeness", stack.text_to_text),
    "c-softmax": Measured("output", "output", output.softmax_of_all),
    "c-next-word": Measured("output", "surprisal", output.next_word),
    "c-classes": Measured("output", "output", output.classes),
    "c-missing-word": Measured("output", "output", output.missing_word),
    "c-generates": Measured("output", "sampling", output.generates),
    "c-knows-language": Measured("output", "surprisal", output.knows_language),
    "c-sentiment": Measured("output", "attribution", output.sentiment),
    "c-tasks": Measured("output", "output", output.tasks),
    "c-compute": Measured("scale", "scale", serving.compute, _ARITHMETIC),
    "c-mixed-learning": Measured("scale", "scale", training.mixed_learning, _PARTS),
    "c-two-stages": Measured("scale", "chat", training.two_stages),
    "c-fine-tuning": Measured("scale", "scale", training.fine_tuning, _PARTS),
    "c-mixed-precision": Measured("scale", "scale", serving.mixed_precision, _WEIGHTS),
    "c-checkpointing": Measured("scale", "scale", serving.checkpointing, _ARITHMETIC),
    "c-results": Measured("scale", "surprisal", training.results),
    "c-augmentation": Measured("scale", "scale", training.augmentation, _PARTS),
    "c-self-supervised": Measured("scale", "surprisal", training.self_supervised),
    "c-contrastive": Measured("scale", "likeness", training.contrastive),
    "c-parallel-training": Measured("scale", "scale", training.distributed, _WEIGHTS),
    "c-dynamic-graph": Measured("scale", "scale", serving.dynamic, _ARITHMETIC),
    "c-pruning": Measured("scale", "scale", serving.pruned, _WEIGHTS),
    "c-quantization": Measured("scale", "scale", serving.quantized, _WEIGHTS),
    "c-training-order": Measured("scale", "scale", training.training_order, _PARTS),
    "c-fusion": Measured("scale", "scale", other_parts.fusion, _PARTS),
    "c-cnn": Measured("scale", "scale", other_parts.convolutions, _PARTS),
    "c-rnn": Measured("scale", "scale", other_parts.recurrence, _PARTS),
    "c-full-or-part": Measured("scale", "scale", training.part_of_it, _PARTS),
    "c-regularized": Measured("scale", "scale", serving.regularized, _PARTS),
    "c-memory-attention": Measured("scale", "cell", serving.memory_efficient),
    "c-smaller": Measured("scale", "scale", serving.smaller, _PARTS),
    "c-instructed": Measured("scale", "chat", training.instructed),
    "c-training-data": Measured("scale", "scale", training.training_data, _ARITHMETIC),
    "c-less-regularization": Measured("scale", "scale", serving.less_regularized, _PARTS),
    "c-lora": Measured("scale", "scale", training.lora, _PARTS),
    "c-torchtune": Measured("scale", "scale", training.torchtune, _PARTS),
}
