"""Claims on the cost of computing: operations per token and for training, and what size does to them."""

from itertools import pairwise

from anatomy import facts
from anatomy.costs import SHORT, arithmetic, configuration, total, training
from anatomy.language import _
from anatomy.published import LLAMA_31, TRAINED_OPERATIONS, TRAINED_TOKENS
from articles.verdict import Case, Verdict, rests_on
from viz import nouns
from viz.format import listed, number, percent, signed_percent, thousands

_GPT3 = 175_000_000_000  # parameters (Brown et al. 2020, table 2.1)


@rests_on(facts.WINDOW)
def compute(case: Case) -> Verdict:
    """Operations per token and for training by the published rule, for this model and for Llama 3.1 405B."""
    spec, n = case.spec, len(case.trace().tokens)
    given = configuration(spec)
    each, whole = arithmetic(given, n), training(total(given), TRAINED_TOKENS)
    sentence = _(
        "What training took cannot be seen. One token of your text takes {each} operations in this model; {tokens} "
        "trillion tokens would have taken {whole} for it, and took {published} for Llama 3.1 405B, as published.",
        tokens=number(TRAINED_TOKENS / 1e12),
        each=operations(each),
        whole=number(whole),
        published=number(TRAINED_OPERATIONS),
    )
    how = _("2 operations per multiply-add of a token's matrices and attention; 6 × parameters × tokens for training.")
    return Verdict("unseen", sentence, how=how, value=each, unit="operations")


@rests_on(facts.WINDOW)
def compute_by_size(case: Case) -> Verdict:
    """Operations for one token of the three published sizes and of this model: do they grow with the parameters?"""
    sizes = [published.configuration for published in LLAMA_31]
    own, count = arithmetic(configuration(case.spec), SHORT), case.spec.weights.parameters
    costs = sorted([(count, own), *((total(each), arithmetic(each, SHORT)) for each in sizes)])
    grows = all(less[1] < more[1] for less, more in pairwise(costs))
    published = listed(
        _("{name} {operations}", name=each.name, operations=operations(arithmetic(each, SHORT))) for each in sizes
    )
    sentence = _(
        "Operations for one token that sees {context}: {published}; the model that is loaded, with {count}, {own}.",
        context=nouns.tokens(SHORT),
        published=published,
        count=nouns.parameters(count),
        own=operations(own),
    )
    rest = (
        _("The more parameters, the more operations.")
        if grows
        else _("In this row a model with more parameters takes fewer operations: parameters in tables cost none.")
    )
    how = _("2 operations per multiply-add of a token's matrices and attention, from the configurations.")
    return Verdict("holds" if grows else "part", f"{sentence} {rest}", how=how, value=own, unit="operations")


def smaller(case: Case) -> Verdict:
    """The loaded model's parameters against GPT-3's."""
    count = case.spec.weights.parameters
    share = count / _GPT3
    sentence = _(
        "Published are 7 to 65 billion parameters for Llama 1 and 175 billion for GPT-3, as said. The model that is "
        "loaded has {count}, {share} of GPT-3's.",
        count=thousands(count),
        share=percent(share) if share < 1 else signed_percent(share),
    )
    how = _("Parameters of the loaded model; those of GPT-3 and Llama 1 as published.")
    return Verdict("holds" if share < 1 else "not", sentence, how=how, value=count, unit="parameters", tolerance=_GPT3)


def operations(count: float) -> str:
    """A count of operations in the unit of its size."""
    for unit, scale in ((_("trillion"), 1e12), (_("billion"), 1e9), (_("million"), 1e6)):
        if count >= scale:
            return f"{number(count / scale)} {unit}"
    return thousands(round(count))
