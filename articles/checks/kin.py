"""Claims on other families that a model is likened to: GPT-3, T5."""

from anatomy.language import _
from anatomy.spec import LearnedPositions, ModelSpec
from articles.verdict import Case, Verdict
from viz.format import listed


def gpt3_style(case: Case) -> Verdict:
    """What this model shares with GPT-3, and in what it differs: facts of its spec."""
    spec = case.spec
    if not (spec.stack().causal and spec.head == "causal" and len(spec.stacks) == 1):
        sentence = _(
            "GPT-3 predicts the next token from those before it, and so does Llama 1; the model loaded here does not."
        )
        return Verdict("not", sentence, how=_("Stacks and output layer of the model's spec."))
    differs = _differences(spec)
    sentence = _(
        "Judged is the model that is loaded: like GPT-3, it is one stack of causal layers that predicts the next token."
    )
    if differs:
        sentence += " " + _("Unlike GPT-3: {differences}.", differences=listed(differs))
    return Verdict(
        "part" if differs else "holds",
        sentence,
        how=_("Stacks, output layer, positions, norms and feed-forward network of the model's spec, against GPT-3's."),
        value=len(differs),
        unit="differences",
    )


def _differences(spec: ModelSpec) -> list[str]:
    """In what a causal model is not built as GPT-2 and GPT-3 are (Brown et al. 2020, sec. 2.1)."""
    facts = (
        (not isinstance(spec.position, LearnedPositions), _("positions are not learned rows")),
        (spec.norm.kind == "rms", _("RMSNorm for LayerNorm")),
        (spec.ffn.gated, _("a gated feed-forward network")),
        (spec.n_kv < spec.n_heads, _("keys and values shared by heads")),
    )
    return [sentence for differs, sentence in facts if differs]


def text_to_text(case: Case) -> Verdict:
    """Whether there is a stack that reads and another that writes."""
    spec = case.spec
    how = _("Stacks and output layer of the model's spec, and what was left out of the checkpoint.")
    if len(spec.stacks) > 1:
        sentence = _(
            "This model is of T5's kind: one stack reads the text in both directions, another writes another text."
        )
        return Verdict("holds", sentence, how=how, value=len(spec.stacks), unit="stacks")
    if spec.opened:
        return Verdict("part", _(spec.opened), how=how, value=1, unit="stacks")
    if spec.head == "causal":
        sentence = _(
            "T5 reads with one stack and writes with another; this model is not of that kind. In its one stack text "
            "goes in and text comes out too, but as one text that goes on."
        )
        return Verdict("part", sentence, how=how, value=1, unit="stacks")
    sentence = _(
        "T5 reads with one stack and writes with another; this model is not of that kind. Its one stack reads a text "
        "and writes none."
    )
    return Verdict("not", sentence, how=how, value=1, unit="stacks")
