"""Claims on position: what is added where, whether order and distance are seen, how long a text may be."""

from collections.abc import Sequence

import numpy as np

from anatomy import facts
from anatomy.costs import LONG, SHORT
from anatomy.language import _, ngettext
from anatomy.measure import norms, softmax
from anatomy.request import Intervention, Want
from anatomy.rounding import largest_at
from anatomy.spec import LearnedPositions, ModelSpec, RelativeBias, Rope
from articles.checks.second_text import backwards, own_ids, says_which_part, too_short
from articles.verdict import Case, Verdict, rests_on
from viz.format import number, percent, rounding, thousands

_ROWS, _ENTERS, _TABLE = Want("tok_embed"), Want("resid_pre", 0), Want("pos_embed")
ALL_AT_FIRST = Intervention("positions", "zero")
_EXACT, WEIGHT = 1e-5, 1e-3  # activation; nats or a share


@rests_on(facts.EMBEDDING)
def added(case: Case) -> Verdict:
    """What enters layer 0, less the embedding row; and the rows of a learned table, where there is one."""
    spec = case.spec
    if isinstance(spec.position, LearnedPositions):
        return _learned(case)
    trace = case.trace(_ROWS, _ENTERS)
    rows = trace[_ROWS].astype(np.float64) * spec.embed_scale
    gap = float(np.abs(trace[_ENTERS] - rows).max())
    sentence = _("What enters layer 0 is the embedding row itself: largest difference {gap}.", gap=rounding(gap, rows))
    if gap > _EXACT * max(1.0, float(np.abs(rows).max())):
        sentence = _("What enters layer 0 differs from the embedding row by up to {gap}.", gap=number(gap))
    return Verdict(
        "not" if gap <= _EXACT * max(1.0, float(np.abs(rows).max())) else "part",
        f"{sentence} {_instead(spec)}",
        how=_("Site resid_pre of layer 0 − site tok_embed: largest difference over all tokens and dimensions."),
        value=gap,
        unit="activation",
        tolerance=_EXACT,
    )


def _instead(spec: ModelSpec) -> str:
    """How this model is told the order, where no vector is added."""
    if isinstance(spec.position, Rope):
        return _(
            "This model turns queries and keys by an angle for each position instead (RoPE). A vector is added in BERT "
            "and GPT-2."
        )
    if isinstance(spec.position, RelativeBias):
        return _(
            "This model adds a number to the scores for each distance instead. A vector is added in BERT and GPT-2."
        )
    return _("This model is told nothing of positions.")


def _learned(case: Case) -> Verdict:
    trace = case.trace(_ROWS, _ENTERS, _TABLE)
    table = trace[_TABLE].astype(np.float64)
    sizes, tokens = norms(table), norms(trace[_ROWS])
    gap = float(np.abs(trace[_ENTERS] - trace[_ROWS]).max())
    apart = _closest(table)
    sentence = _(
        "A row of a trained table is added to each token's embedding: length {size} on average beside {token} of the "
        "tokens' rows; what enters layer 0 differs from the embedding by up to {gap}.",
        size=number(float(sizes.mean())),
        token=number(float(tokens.mean())),
        gap=number(gap),
    )
    unique = _("No two of these rows are alike: at least {gap} apart.", gap=number(apart)) if apart else ""
    is_added = gap > _EXACT and float(sizes.max()) > _EXACT
    return Verdict(
        "holds" if is_added else "not",
        f"{sentence} {unique}".strip(),
        how=_("Lengths of site pos_embed and tok_embed; resid_pre of layer 0 − tok_embed; distances between the rows."),
        value=float(sizes.mean()),
        unit="L2 norm",
        tolerance=_EXACT,
        at={"pos": largest_at(sizes)},
    )


def _closest(table: np.ndarray) -> float | None:
    """The smallest distance between two rows [pos d_model]; None where there is one alone."""
    if len(table) < 2:
        return None
    squares = (table**2).sum(axis=1)
    apart = squares[:, None] + squares - 2 * table @ table.T
    return float(np.sqrt(max(0.0, apart[~np.eye(len(table), dtype=bool)].min())))


@says_which_part
def order(case: Case) -> Verdict:
    """The same tokens in reverse order, with positions and with all tokens at position 0: does the answer change?

    The answer is taken at the last token, which keeps its place.
    """
    ids = own_ids(case.trace())
    short = too_short(len(ids), 3)
    if short:
        return short
    if case.spec.position is None:
        how = _("The model's spec names no positions.")
        return Verdict("absent", _("This model is told nothing of positions."), how=how)
    on = _changed(case, ids, ())
    if isinstance(case.spec.position, RelativeBias):
        return _order_by_distance(case.spec, on)
    off = _changed(case, ids, (ALL_AT_FIRST,))
    unit = unit_of(case.spec)
    sentence = _(
        "With your tokens in reverse order the answer at the last one changes by {on}; with every token at position "
        "0 by {off}.",
        on=size_of(case.spec, on),
        off=size_of(case.spec, off),
    )
    if on <= WEIGHT:
        kind, rest = "not", _("The order makes no difference to this model here.")
    elif off <= WEIGHT:
        kind, rest = "holds", _("Without positions the order is lost on it.")
    else:
        kind = "part"
        rest = _(
            "Positions tell it the order, and so does the causal mask: a token that sees only what stands before it "
            "knows something of its place without them."
        )
    return Verdict(
        kind,
        f"{sentence} {rest}",
        how=how_order(case.spec),
        value=on,
        unit=unit,
        tolerance=WEIGHT,
        second=_("Four more runs: the tokens in order and in reverse, each with positions and with all of them at 0."),
    )


def _order_by_distance(spec: ModelSpec, on: float) -> Verdict:
    """Where numbers are added to the scores by distance, there is nothing to be set to 0: one half of the question."""
    sentence = _(
        "With your tokens in reverse order the answer at the last one changes by {on}. This model knows distances and "
        "no positions, so they cannot be switched off; a model with positions shows what happens without.",
        on=size_of(spec, on),
    )
    second = _("Two more runs: the tokens in order and in reverse.")
    return Verdict("unseen", sentence, how_order(spec), on, unit_of(spec), WEIGHT, second=second)


def _changed(case: Case, ids: Sequence[int], interventions: Sequence[Intervention]) -> float:
    """How far the answer at the last token moves when those before it are reversed."""
    want = answer(case.spec, len(case.of_tokens(ids).tokens) - 1)
    first, other = (case.of_tokens(order, want, interventions=interventions)[want] for order in (ids, backwards(ids)))
    return moved(case.spec, first, other)


def answer(spec: ModelSpec, pos: int) -> Want:
    """What a model makes of a token: its logits, or the last stream where there is no output layer."""
    return Want("resid_post", spec.layers - 1, pos=pos) if spec.head is None else Want("logits", pos=pos)


def moved(spec: ModelSpec, first: np.ndarray, other: np.ndarray) -> float:
    """How far one answer is from another: KL in nats, or a share of the stream's length without an output layer."""
    if spec.head is None:
        return float(norms(first - other) / max(float(norms(first)), 1e-12))
    return divergence(first, other)


def divergence(first: np.ndarray, other: np.ndarray) -> float:
    """KL(first ‖ other) in nats, of the distributions that logits [vocab] give (Kullback and Leibler 1951)."""
    p, q = softmax(first), softmax(other)
    return float(max(0.0, (p * (np.log(np.maximum(p, 1e-300)) - np.log(np.maximum(q, 1e-300)))).sum()))


def unit_of(spec: ModelSpec) -> str:
    """The unit of a change of the answer: nats, or a share where there is no output layer."""
    return "share" if spec.head is None else "nat"


def size_of(spec: ModelSpec, change: float) -> str:
    """A change as a sentence prints it."""
    if spec.head is None:
        return _("{share} of its length", share=percent(change))
    return _("{nats} nat", nats=rounding(change, 1.0, digits=3))


def how_order(spec: ModelSpec) -> str:
    """Where a change of the answer is read."""
    if spec.head is None:
        return _("Site resid_post of the last layer at the last token: length of the difference over its own length.")
    return _("Site logits at the last token: KL divergence between the two distributions.")


def context(case: Case) -> Verdict:
    """The longest text of the loaded model beside those of Llama 3 and 3.1, and how its rotation was set up."""
    spec = case.spec
    sentence = ngettext(
        "Published are {three} tokens for Llama 3 of April 2024 and {later} for Llama 3.1 of July 2024: it was Llama "
        "3 that had 8K, Llama 3.1 came with 128K. The model that is loaded takes {count} token.",
        "Published are {three} tokens for Llama 3 of April 2024 and {later} for Llama 3.1 of July 2024: it was Llama "
        "3 that had 8K, Llama 3.1 came with 128K. The model that is loaded takes {count} tokens.",
        spec.max_pos,
        three=thousands(SHORT),
        later=thousands(LONG),
    )
    return Verdict(
        "holds" if spec.max_pos >= LONG else "part" if spec.max_pos > SHORT else "not",
        " ".join((sentence, *_rotation(spec))),
        how=_("The longest text and the rotation of the model's configuration; Llama's from its published ones."),
        value=spec.max_pos,
        unit="tokens",
    )


def _rotation(spec: ModelSpec) -> list[str]:
    """Base and rescaling of the rotary frequencies, where there are any."""
    if not isinstance(spec.position, Rope):
        return [_("It has no rotary frequencies to stretch.")]
    base = thousands(round(spec.position.theta))
    if spec.position.scaling is None:
        return [
            _("Its rotary base is {base}, not rescaled; Llama 3.1's is 500,000, stretched by a factor of 8.", base=base)
        ]
    sentence = _("Its rotary base is {base}, rescaled by the rule “{rule}”.", base=base, rule=spec.position.scaling)
    if spec.position.original is None:
        return [sentence]
    return [
        sentence,
        ngettext(
            "Before that its longest text was {count} token.",
            "Before that its longest text was {count} tokens.",
            spec.position.original,
        ),
    ]
