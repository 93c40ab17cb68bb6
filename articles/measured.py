"""How each claim is measured and where it can be seen, by its id: two articles that claim the same share all of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from articles import Claim
from articles.checks import (
    attention,
    cost,
    direction,
    embedding,
    ffn,
    kin,
    other_parts,
    output,
    position,
    reach,
    relation,
    residual,
    serving,
    sharing,
    stack,
    tasks,
    tokens,
    training,
)
from articles.verdict import Check


@dataclass(frozen=True)
class Measured:
    """The stage, the panels with their settings, and the check of a claim, as `Claim` has them.

    panel   the panels' ids, the preferred one first, parted by spaces
    """

    stage: str
    panel: str
    check: Check
    sets: Mapping[str, str] = field(default_factory=dict)


def claim(id: str, section: str, says: str, about: str = "") -> Claim:
    """One article's claim, measured as BY_ID says. KeyError for an id that is not in it."""
    how = BY_ID[id]
    return Claim(id, section, how.stage, says, tuple(how.panel.split()), how.check, how.sets, about)


_PARTS, _ARITHMETIC = ({"charted": shown} for shown in ("parts", "arithmetic"))
_MAPS, _ENTROPY, _DISTANCE = ({"show": shown} for shown in ("maps", "entropy", "distance"))

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
    "c-order": Measured("position", "position relative_bias", position.order),
    "c-added-position": Measured("position", "position_sizes rotation position relative_bias", position.added),
    "c-relative": Measured("position", "rotation relative_bias position", relation.relative, {"shift": "16"}),
    "c-places-known": Measured("position", "distance position relative_bias", relation.places_known),
    "c-context": Measured("position", "wavelengths position relative_bias", position.context),
    "c-parallel": Measured("attention", "attention", attention.parallel),
    "c-multihead": Measured("attention", "heads", attention.heads_differ, _MAPS),
    "c-angles": Measured("attention", "heads", attention.angles, _MAPS),
    "c-weighing": Measured("attention", "heads", attention.weighs, _ENTROPY),
    "c-all-words": Measured("attention", "attention", direction.all_words),
    "c-no-fixed-window": Measured("attention", "heads", reach.no_window, _DISTANCE),
    "c-long-range": Measured("attention", "heads", reach.long_range, _DISTANCE),
    "c-flow": Measured("attention", "cell", attention.flow, {"step": "value"}),
    "c-gqa": Measured("attention", "groups attention", sharing.grouped),
    "c-encoder": Measured("attention", "attention", direction.encoder),
    "c-dynamic-mask": Measured("attention", "attention", direction.dynamic_mask),
    "c-shared-parameters": Measured("attention", "groups likeness", sharing.shared_parameters),
    "c-bidirectional": Measured("attention", "arcs", direction.directions),
    "c-transforms-attention": Measured("ffn", "writes", ffn.reads_attention),
    "c-nonlinear": Measured("ffn", "activation", ffn.nonlinear),
    "c-two-linear-relu": Measured("ffn", "activation", ffn.two_matrices),
    "c-several-ffn": Measured("ffn", "promoted writes", ffn.several),
    "c-gradients": Measured("residual", "directions", residual.gradients),
    "c-residual": Measured("residual", "balance", residual.added),
    "c-residual-stability": Measured("residual", "residual", residual.stability),
    "c-layernorm": Measured("residual", "normalization", residual.layer_norm),
    "c-stabilizes": Measured("residual", "normalization", residual.steadies),
    "c-batchnorm": Measured("residual", "normalization", residual.batch_norm),
    "c-transformer": Measured("stack", "likeness", stack.transformer),
    "c-stack": Measured("stack", "likeness", stack.stacked),
    "c-two-parts": Measured("stack", "likeness", stack.two_parts),
    "c-independent": Measured("stack", "likeness", stack.independent),
    "c-hierarchy": Measured("stack", "settling likeness", stack.hierarchy),
    "c-depth": Measured("stack", "lens likeness", stack.depth),
    "c-order-of-blocks": Measured("stack", "writes", stack.order_of_blocks),
    "c-gpt3-style": Measured("stack", "likeness", kin.gpt3_style),
    "c-text-to-text": Measured("stack", "likeness", kin.text_to_text),
    "c-softmax": Measured("output", "output contexts", output.softmax_of_all),
    "c-next-word": Measured("output", "surprisal attention", output.next_word),
    "c-classes": Measured("output", "output contexts", output.classes),
    "c-missing-word": Measured("output", "output attention", output.missing_word),
    "c-generates": Measured("output", "sampling attention", output.generates),
    "c-one-way-writes": Measured("output", "arcs", direction.one_way_writes),
    "c-knows-language": Measured("output", "surprisal contexts", output.knows_language),
    "c-many-languages": Measured("output", "surprisal tokens", tasks.many_languages),
    "c-translates": Measured("output", "surprisal tokens", tasks.translates),
    "c-medical": Measured("output", "attribution contexts", tasks.medical),
    "c-legal": Measured("output", "surprisal tokens", tasks.legal),
    "c-sentiment": Measured("output", "attribution contexts", tasks.sentiment),
    "c-tasks": Measured("output", "output contexts", tasks.one_layer_for_all),
    "c-compute": Measured("scale", "scale", cost.compute, _ARITHMETIC),
    "c-compute-by-size": Measured("scale", "scale", cost.compute_by_size, _ARITHMETIC),
    "c-mixed-learning": Measured("scale", "scale", training.mixed_learning, _PARTS),
    "c-two-stages": Measured("scale", "chat scale", training.two_stages),
    "c-fine-tuning": Measured("scale", "scale", training.fine_tuning, _PARTS),
    "c-mixed-precision": Measured("scale", "precision scale", serving.mixed_precision, {"halved": "kl"}),
    "c-checkpointing": Measured("scale", "scale", serving.checkpointing, _ARITHMETIC),
    "c-results": Measured("scale", "surprisal scale", tasks.results),
    "c-beside-gpt-4": Measured("scale", "sampling scale", tasks.beside_gpt_4),
    "c-beside-t5": Measured("scale", "scale", tasks.beside_t5, _ARITHMETIC),
    "c-augmentation": Measured("scale", "scale", training.augmentation, _PARTS),
    "c-self-supervised": Measured("scale", "surprisal attention", training.self_supervised),
    "c-contrastive": Measured("scale", "likeness", training.contrastive),
    "c-parallel-training": Measured("scale", "devices", training.distributed),
    "c-dynamic-graph": Measured("scale", "scale", serving.dynamic, _ARITHMETIC),
    "c-pruning": Measured("scale", "pruning scale", serving.pruned),
    "c-quantization": Measured("scale", "quantization stored scale", serving.quantized, {"quantized": "bytes"}),
    "c-training-order": Measured("scale", "scale", training.training_order, _PARTS),
    "c-fusion": Measured("scale", "scale", other_parts.fusion, _PARTS),
    "c-cnn": Measured("scale", "scale", other_parts.convolutions, _PARTS),
    "c-rnn": Measured("scale", "scale", other_parts.recurrence, _PARTS),
    "c-full-or-part": Measured("scale", "scale", training.part_of_it, _PARTS),
    "c-regularized": Measured("scale", "scale", serving.regularized, _PARTS),
    "c-memory-attention": Measured("scale", "cell", serving.memory_efficient),
    "c-smaller": Measured("scale", "scale", cost.smaller, _PARTS),
    "c-instructed": Measured("scale", "chat tokens", training.instructed),
    "c-training-data": Measured("scale", "scale", training.training_data, _ARITHMETIC),
    "c-less-regularization": Measured("scale", "scale", serving.less_regularized, _PARTS),
    "c-lora": Measured("scale", "scale", training.lora, _PARTS),
    "c-torchtune": Measured("scale", "scale", training.torchtune, _PARTS),
}
