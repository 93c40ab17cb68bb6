"""Claims on relations between positions: do distances alone count, and do positions reach the answer at all?"""

import numpy as np

from anatomy.language import _, ngettext
from anatomy.request import Intervention, Want
from anatomy.rounding import largest_place
from anatomy.spec import ModelSpec, RelativeBias, Rope
from articles.checks.position import ALL_AT_FIRST, WEIGHT, answer, how_order, moved, size_of, unit_of
from articles.checks.second_text import too_short
from articles.verdict import Case, Verdict
from viz.format import listed, number, rounding

_BIAS = Want("pos_bias", 0)
_SHIFT = 16  # tokens by which the whole text is moved on
_EXACT = 1e-5


def relative(case: Case) -> Verdict:
    """Every position moved on by the same amount: do the attention patterns stay?"""
    unfit = _unfit(case)
    if unfit:
        return unfit
    spec = case.spec
    if isinstance(spec.position, RelativeBias):
        return _by_distance(case)
    shift = min(_SHIFT, _turned_alike(spec, len(case.trace().tokens)) - len(case.trace().tokens))
    if shift < 1:
        sentence = _(
            "This text fills every position of the model, so that it cannot be moved on: a shorter one shows it."
        )
        return Verdict("unseen", sentence, how=_("Tokens of the text against the longest text of the model."))
    wants = [Want("pattern", layer) for layer in sorted({0, case.view.layer, spec.layers - 1})]
    here, there = case.trace(*wants), case.intervened([Intervention("positions", "add", amount=shift)], *wants)
    gaps = np.array([np.abs(here[want] - there[want]).max(axis=(1, 2)) for want in wants])  # [layer head]
    gap = float(gaps.max())
    worst, head = largest_place(gaps) if gap > WEIGHT else (0, 0)  # all are rounding: no head is meant
    off = rounding(gap, 1.0)
    if gap <= WEIGHT:
        sentence = ngettext(
            "Moved on by {count} token, with all distances as they were, the text keeps its attention weights: "
            "largest difference {gap}.",
            "Moved on by {count} tokens, with all distances as they were, the text keeps its attention weights: "
            "largest difference {gap}.",
            shift,
            gap=off,
        )
        rest = _("Only distances count.")
    else:
        sentence = ngettext(
            "Moved on by {count} token, with all distances as they were, the text gets attention weights that differ "
            "by up to {gap}.",
            "Moved on by {count} tokens, with all distances as they were, the text gets attention weights that differ "
            "by up to {gap}.",
            shift,
            gap=off,
        )
        rest = _("Places themselves count: a learned table has another row for each. Only distances count in Llama.")
    return Verdict(
        "holds" if gap <= WEIGHT else "not",
        f"{sentence} {rest}",
        how=_(
            "Site pattern of layers {layers}: largest change of a weight when an amount is added to every position.",
            layers=listed(str(want.layer) for want in wants),
        ),
        value=gap,
        unit="probability",
        tolerance=WEIGHT,
        at={"layer": wants[worst].layer or 0, "head": head},
        second=_("The same text was run a second time with {shift} added to every position.", shift=shift),
    )


def _turned_alike(spec: ModelSpec, tokens: int) -> int:
    """Tokens of the longest text that is turned by the same angles as one of so many: some models have others for long
    texts, where moving on would change more than the places."""
    position = spec.on(tokens).position
    return position.served(spec.max_pos) if isinstance(position, Rope) else spec.max_pos


def _unfit(case: Case) -> Verdict | None:
    """The verdict where nothing can be moved: a text of one token, a model that is told nothing of positions."""
    if case.spec.position is None:
        how = _("The model's spec names no positions.")
        return Verdict("absent", _("This model is told nothing of positions."), how=how)
    return too_short(len(case.trace().tokens), 2)


def _by_distance(case: Case) -> Verdict:
    """The numbers added to the scores: equal wherever the distance is?"""
    bias = case.trace(_BIAS)[_BIAS].astype(np.float64)  # [head pos src]
    n = bias.shape[-1]
    lines = [np.diagonal(bias, offset, axis1=1, axis2=2) for offset in range(1 - n, n)]
    gap = max(float(np.ptp(line, axis=1).max()) for line in lines)
    sentence = _(
        "What is added to the scores depends on the distance alone: the numbers for one distance are the "
        "same at all places of this text (largest difference {gap}).",
        gap=rounding(gap, bias),
    )
    if gap > _EXACT:
        sentence = _(
            "What is added to the scores differs by up to {gap} for one and the same distance.", gap=number(gap)
        )
    return Verdict(
        "holds" if gap <= _EXACT else "not",
        sentence,
        how=_("Site pos_bias of layer 0: largest spread along a diagonal, over all heads and distances."),
        value=gap,
        unit="logit",
        tolerance=_EXACT,
        at={"layer": 0},
    )


def places_known(case: Case) -> Verdict:
    """The text as it is and with every token at position 0: does the answer change, and by what kind of positions?"""
    unfit = _unfit(case)
    if unfit:
        return unfit
    spec = case.spec
    if isinstance(spec.position, RelativeBias):
        return _differs_by_distance(case)
    pos = len(case.trace().tokens) - 1
    want = answer(spec, pos)
    change = moved(spec, case.trace(want)[want], case.intervened([ALL_AT_FIRST], want)[want])
    sentence = _(
        "With every token at position 0 the answer at the last one changes by {size}.", size=size_of(spec, change)
    )
    if change <= WEIGHT:
        kind, rest = "not", _("Positions make no difference to this model here.")
    elif isinstance(spec.position, Rope):
        kind, rest = "holds", _("Its positions give distances: queries and keys are turned against each other.")
    else:
        kind = "part"
        rest = _(
            "Its positions are places, a row of a table each; how words stand to each other it has to learn from these."
        )
    second = _("The same text was run a second time with all positions at 0.")
    return Verdict(kind, f"{sentence} {rest}", how_order(spec), change, unit_of(spec), WEIGHT, {"pos": pos}, second)


def _differs_by_distance(case: Case) -> Verdict:
    """Whether the numbers added to the scores differ between distances."""
    bias = case.trace(_BIAS)[_BIAS].astype(np.float64)  # [head pos src]
    spread = float(np.ptp(bias, axis=2).max())
    sentence = _(
        "A number is added to the scores for each distance; these numbers differ by up to {gap}.", gap=number(spread)
    )
    if spread <= _EXACT:
        sentence = _("The same number is added to the scores at all distances.")
    how = _("Site pos_bias of layer 0: largest difference within a row, over all heads.")
    return Verdict("holds" if spread > _EXACT else "not", sentence, how, spread, "logit", _EXACT, {"layer": 0})
