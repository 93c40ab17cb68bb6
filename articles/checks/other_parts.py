"""Claims on parts that a language model has not: convolutions, recurrence, fusion of picture, sound and text."""

from anatomy.language import _, ngettext
from anatomy.request import Want
from articles.checks.overview import overview
from articles.verdict import Case, Verdict

_ORDER = Want("layer_order")
_KNOWN = 3  # kinds of parts that the site layer_order tells apart: norm, attention, feed-forward network


def convolutions(case: Case) -> Verdict:
    """Whether any convolution ran for the text, and what Llama 3.1's report says of pictures."""
    rest = _(
        "For pictures, the Llama 3.1 report describes an image encoder that is a Transformer itself, attached by "
        "adapters; the released models take and give text only."
    )
    return _none_ran(case, _("convolution or pooling"), rest)


def recurrence(case: Case) -> Verdict:
    """Whether any recurrent network ran for the text, and what Llama 3.1's report says of speech."""
    rest = _(
        "For speech, the Llama 3.1 report describes a speech encoder attached by an adapter; the released models take "
        "and give text only."
    )
    return _none_ran(case, _("recurrent network"), rest)


def fusion(case: Case) -> Verdict:
    """Whether any module ran that brings picture, sound and text together."""
    rest = _("All that enters are numbers of tokens. The released Llama 3.1 models take and give text only.")
    return _none_ran(case, _("module that joins pictures or sound with text"), rest)


def _none_ran(case: Case, part: str, rest: str) -> Verdict:
    """How many parts ran, and how many of these were neither norms, attention nor feed-forward networks."""
    order = overview(case, _ORDER.site)[_ORDER]
    ran, others = int((order >= 0).sum()), int((order >= _KNOWN).sum())
    sentence = ngettext(
        "{count} part ran for your text, a norm, attention or a feed-forward network: no {part}.",
        "{count} parts ran for your text, all of them norms, attention or feed-forward networks: no {part} among them.",
        ran,
        part=part,
    )
    how = _("Site layer_order: parts of the layers as they were called, those of other kinds counted.")
    return Verdict("absent", f"{sentence} {rest}", how=how, value=others, unit="parts")
