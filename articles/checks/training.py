"""Claims on training. A forward pass cannot show how weights were found: a check says what would, and looks at what
the training left behind: control tokens, a loss that the text itself gives, counts of what would be trained."""

import numpy as np

from anatomy.costs import configuration, total
from anatomy.language import _, ngettext
from anatomy.measure import cosines
from anatomy.published import DEVICE_BYTES, TRAINED_TOKENS
from anatomy.request import Want
from anatomy.rounding import largest_at
from anatomy.trace import Trace
from articles.checks.second_text import own_ids, says_which_part, too_short
from articles.verdict import Case, Verdict
from viz import nouns
from viz.format import cosine, number, percent, quoted, size, thousands

_SURPRISAL = Want("surprisal")
_RANK = 16  # of the adapters that are counted
_DEVICES = 8
_STATE = (
    16  # bytes per parameter: weights and gradients in 16 bits, Adam's three numbers in 32 (Rajbhandari 2020, sec. 3)
)
_MEAL, _DINNER, _MARKET = "A man is eating his lunch.", "Someone is having a meal.", "The stock market fell today."


def two_stages(case: Case) -> Verdict:
    """Traces of a second stage of training: a chat template and control tokens for it."""
    spec = case.spec
    sentence = (
        ngettext(
            "Two stages cannot be told apart in a forward pass. One trace is there: the checkpoint says how a "
            "conversation is written and has {count} control token; both are taught in a second stage.",
            "Two stages cannot be told apart in a forward pass. One trace is there: the checkpoint says how a "
            "conversation is written and has {count} control tokens; both are taught in a second stage.",
            len(spec.special),
        )
        if spec.chat
        else ngettext(
            "Two stages cannot be told apart in a forward pass, and this checkpoint has no chat template that would "
            "hint at a second one. It has {count} control token.",
            "Two stages cannot be told apart in a forward pass, and this checkpoint has no chat template that would "
            "hint at a second one. It has {count} control tokens.",
            len(spec.special),
        )
    )
    rest = _("The same text through the checkpoint before fine-tuning would show what that stage changed.")
    how = _("Chat template and control tokens of the checkpoint's files.")
    return Verdict("unseen", f"{sentence} {rest}", how=how, value=len(spec.special), unit="tokens")


def mixed_learning(case: Case) -> Verdict:
    """Which kinds of targets a model was trained on is not written in its weights."""
    spec = case.spec
    sentence = _(
        "Which targets were given in training cannot be seen. The published recipe of Llama 3.1 is next-token "
        "prediction on plain text, then supervised fine-tuning, rejection sampling and DPO; its data and code would "
        "show it."
    )
    if spec.head == "causal":
        sentence += " " + _("Of the first kind any text gives targets: this model has an output for every next token.")
    how = _("Output layer of the model's spec, and its width.")
    return Verdict("unseen", sentence, how=how, value=0 if spec.head is None else spec.vocab, unit="outputs")


def self_supervised(case: Case) -> Verdict:
    """The loss that the text gives by itself, without labels."""
    if case.spec.head != "causal":
        sentence = _(
            "A loss without labels takes an output layer that names tokens: the next one, or one that is hidden. This "
            "model, as it was opened, names no next one, and hiding words is part of training."
        )
        return Verdict("unseen", sentence, how=_("Output layer of the model's spec."), value=0, unit="targets")
    short = too_short(len(case.trace().tokens), 2)
    if short:
        return short
    loss = case.trace(_SURPRISAL)[_SURPRISAL][1:].astype(np.float64)
    sentence = ngettext(
        "Your text has no labels and still gives {count} target: each token is the target of those before it, with a "
        "loss of {loss} nat on average. That the weights were found so is said by the recipe and not seen here.",
        "Your text has no labels and still gives {count} targets: each token is the target of those before it, with a "
        "loss of {loss} nat on average. That the weights were found so is said by the recipe and not seen here.",
        len(loss),
        loss=number(float(loss.mean())),
    )
    how = _("Site surprisal: the mean over the tokens after the first is the training loss of next-token prediction.")
    return Verdict("part", sentence, how=how, value=float(loss.mean()), unit="nat", at={"pos": largest_at(loss)})


def fine_tuning(case: Case) -> Verdict:
    """How many weights a full fine-tune would move."""
    count = case.spec.weights.parameters
    sentence = ngettext(
        "What a fine-tune changed cannot be seen in one checkpoint. In this model a full one moves {count} parameter "
        "and needs about {bytes} for weights, gradients and optimizer; the same text before and after would show what "
        "it did.",
        "What a fine-tune changed cannot be seen in one checkpoint. In this model a full one moves {count} parameters "
        "and needs about {bytes} for weights, gradients and optimizer; the same text before and after would show what "
        "it did.",
        count,
        bytes=size(count * _STATE),
    )
    how = _("Parameters of the model × {bytes} bytes: mixed precision with Adam.", bytes=_STATE)
    return Verdict("unseen", sentence, how=how, value=count, unit="parameters")


def part_of_it(case: Case) -> Verdict:
    """Which share of the parameters full and partial fine-tuning would train."""
    spec = case.spec
    count, by_part = spec.weights.parameters, dict(spec.counts)
    layer = (by_part["attention"] + by_part["ffn"]) / spec.layers
    sentence = _(
        "What is trained is a choice of the trainer, not of the model. Here all of it is {all} parameters, the last "
        "layer's matrices are {layer} ({share}), the embedding table {table} ({part}). A fine-tune of each kind, and "
        "which layers moved, would show the difference.",
        all=thousands(count),
        layer=thousands(round(layer)),
        share=percent(layer / count),
        table=thousands(by_part["embedding"]),
        part=percent(by_part["embedding"] / count),
    )
    how = _("Parameters of the model by part.")
    return Verdict("unseen", sentence, how=how, value=layer / count, unit="share", at={"layer": spec.layers - 1})


def lora(case: Case) -> Verdict:
    """What adapters of a low rank would add, against all parameters."""
    given = configuration(case.spec)
    attention = [given.widths[part] for part in ("q", "k", "v", "o")]
    adapters = given.layers * sum(_RANK * (read + written) for read, written in attention)
    share = adapters / total(given)
    sentence = _(
        "An adapter that was merged into the weights leaves no mark. Rank {rank} on attention's four matrices would be "
        "{adapters} parameters here, {share} of all. The published recipe of Llama 3.1 is supervised fine-tuning, "
        "rejection sampling and DPO; with LoRA others tune it further. Its training code would show it.",
        rank=_RANK,
        adapters=thousands(adapters),
        share=percent(share),
    )
    how = _("rank × (rows + columns) of q, k, v and o, over all layers (Hu et al. 2021, sec. 4.1).")
    return Verdict("unseen", sentence, how=how, value=share, unit="share")


def torchtune(case: Case) -> Verdict:
    """Which library tuned a model is not written in its weights."""
    sentence = _(
        "Which library a model was tuned with leaves no mark in its weights. Torchtune is Meta's library for tuning "
        "published checkpoints. What is known of this one is how it is stored: {stored}.",
        stored=quoted(case.spec.weights.stored or case.spec.dtype),
    )
    return Verdict("unseen", sentence, how=_("What the catalogue says of the weights."))


def instructed(case: Case) -> Verdict:
    """A conversation's roles, where the checkpoint knows them."""
    if not case.spec.chat:
        sentence = _(
            "How a model was taught to follow instructions cannot be seen, and this checkpoint knows no conversations. "
            "Answers to one question before and after that training would show it."
        )
        return Verdict("unseen", sentence, how=_("Chat template of the checkpoint's files."), value=0, unit="tokens")
    roles = case.trace(Want("chat_role"))[Want("chat_role")]
    own = len(case.trace().tokens)
    sentence = _(
        "How a model was taught to follow instructions cannot be seen; that it was is hinted at: as a message your "
        "{own} become {count}, written in the roles that it was taught. Answers before and after would show the rest.",
        own=nouns.tokens(own),
        count=nouns.tokens(len(roles)),
    )
    how = _("Sites chat_ids and chat_role: the text as the checkpoint's chat template writes it.")
    return Verdict("unseen", sentence, how=how, value=len(roles) - own, unit="tokens")


def training_data(case: Case) -> Verdict:
    """Tokens per parameter, for the published models; the loaded model's count beside it."""
    count = case.spec.weights.parameters
    sentence = _(
        "How much a model has read cannot be seen. Published are 1.0 to 1.4 trillion tokens for Llama 1, 2 for Llama 2 "
        "and {three} for Llama 3.1: {rate} per parameter of its 405B. At the same rate this model's {count} "
        "parameters would have read {tokens} billion.",
        three=number(TRAINED_TOKENS / 1e12),
        rate=number(TRAINED_TOKENS / 405e9, 2),
        count=thousands(count),
        tokens=number(TRAINED_TOKENS / 405e9 * count / 1e9),
    )
    how = _("Published tokens over published parameters; parameters of the loaded model.")
    return Verdict("unseen", sentence, how=how, value=count, unit="parameters")


@says_which_part
def augmentation(case: Case) -> Verdict:
    """What a replaced word does to the last stream: the kind of change that augmented training would make small."""
    ids = own_ids(case.trace())
    short = too_short(len(ids), 3)
    if short:
        return short
    changed = (*ids[:-2], ids[0], ids[-1])
    last = Want("resid_post", case.spec.layers - 1)
    one, other = (case.of_tokens(order, last)[last][-1] for order in (ids, changed))
    alike = float(cosines(one, other))
    sentence = _(
        "How training texts were varied cannot be seen, and the published recipe of Llama 3.1 names no random "
        "replacement of words. With the last word but one replaced by the first, the last vector here keeps a cosine "
        "of {alike} with what it was.",
        alike=cosine(alike),
    )
    return Verdict(
        "unseen",
        sentence,
        how=_("Site resid_post of the last layer at the last token: cosine with and without the replacement."),
        value=alike,
        unit="cosine",
        second=_("The text's tokens were run again, as they are and with one of them replaced."),
    )


def contrastive(case: Case) -> Verdict:
    """What contrastive training makes: near vectors for texts that mean the same. Measured on three short texts."""
    last = Want("resid_post", case.spec.layers - 1)
    meal, dinner, market = (_mean(case.other(text, last), last) for text in (_MEAL, _DINNER, _MARKET))
    near, far = float(cosines(meal, dinner)), float(cosines(meal, market))
    sentence = _(
        "A loss on pairs belongs to training, and the published recipe of Llama 3.1 has none. What it would leave "
        "behind can be looked at: two texts of one meaning have a cosine of {near} here, two of different meanings "
        "{far}. In models trained on pairs, such as those for sentence search, the two are far apart.",
        near=cosine(near),
        far=cosine(far),
    )
    return Verdict(
        "unseen",
        sentence,
        how=_("Cosine between the means over tokens of site resid_post of the last layer."),
        value=near - far,
        unit="cosine",
        second=_(
            "Three other texts were run: {first}, {second} and {third}.",
            first=quoted(_MEAL),
            second=quoted(_DINNER),
            third=quoted(_MARKET),
        ),
    )


def _mean(trace: Trace, want: Want) -> np.ndarray:
    """The mean vector [d_model] of a text's own tokens; the first is left out where others follow, for its length."""
    rows = trace[want].astype(np.float64)
    return rows[1:].mean(axis=0) if len(rows) > 1 else rows[0]


def distributed(case: Case) -> Verdict:
    """How the weights of this model would be shared out by data and by model parallelism."""
    count = case.spec.weights.parameters
    state = count * _STATE
    sentence = ngettext(
        "How many machines trained a model cannot be seen. With data parallelism {count} device would hold all {all} "
        "of this model's weights, gradients and optimizer, with model parallelism {part}. One device of those that "
        "Llama 3.1 was trained on holds {device}; 405 billion parameters take {whole}.",
        "How many machines trained a model cannot be seen. With data parallelism each of {count} devices would hold "
        "all {all} of this model's weights, gradients and optimizer, with model parallelism {part}. One device of "
        "those that Llama 3.1 was trained on holds {device}; 405 billion parameters take {whole}.",
        _DEVICES,
        all=size(state),
        part=size(state / _DEVICES),
        device=size(DEVICE_BYTES),
        whole=size(405e9 * _STATE),
    )
    how = _(
        "Parameters × {bytes} bytes (mixed precision with Adam), whole and over {n} devices.", bytes=_STATE, n=_DEVICES
    )
    return Verdict("unseen", sentence, how=how, value=state / _DEVICES, unit="bytes")


def training_order(case: Case) -> Verdict:
    """The steps of training come before the weights that are loaded here."""
    sentence = ngettext(
        "The steps of training came before the {count} parameter and cannot be seen in them. Of the five in the "
        "article, the published recipe of Llama 3.1 has three: preparing data, self-supervised training and many "
        "machines. Its report would show the order.",
        "The steps of training came before these {count} parameters and cannot be seen in them. Of the five in the "
        "article, the published recipe of Llama 3.1 has three: preparing data, self-supervised training and many "
        "machines. Its report would show the order.",
        case.spec.weights.parameters,
    )
    return Verdict(
        "unseen", sentence, how=_("Parameters of the model."), value=case.spec.weights.parameters, unit="parameters"
    )
