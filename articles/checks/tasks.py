"""Claims on what a model can do: languages, translation, sentiment, records, clauses, and how it stands beside others.

What counts as done well takes tasks and judges; a check says so, and measures what short texts give.
"""

import numpy as np

from anatomy import facts
from anatomy.costs import arithmetic, configuration
from anatomy.language import _, ngettext
from anatomy.request import Want
from articles.checks.cost import operations
from articles.checks.second_text import too_short
from articles.checks.tokens import LANGUAGES, missed
from articles.verdict import Case, Kind, Verdict, rests_on
from viz.format import listed, number, quoted

_SURPRISAL = Want("surprisal")
_GOOD = "Shares rose and investors cheer. The mood is"
_BAD = "Shares fell and investors worry. The mood is"
_POSITIVE, _NEGATIVE = " positive", " negative"
_ACHES = "Record: headache for two days. Complaint:"
_COUGHS = "Record: cough for two days. Complaint:"
_HEADACHE, _COUGH = " headache", " cough"
_CLAUSE = "This agreement ends on thirty days' written notice."
_SOURCE, _OTHER = "The cat sleeps. In German:", "The market fell. In German:"
_TARGET = " Die Katze schläft."


def many_languages(case: Case) -> Verdict:
    """One sentence in six languages: how much it surprises the model in each."""
    traces = {name: case.other(text) for name, text in LANGUAGES}
    lost = [_(name) for name, trace in traces.items() if missed(trace)]
    rest = _("What a model can do in a language, tasks in that language would show.")
    if case.spec.head != "causal":
        sentence = _(
            "This model predicts no next token that could surprise it; of {count} languages its tokenizer spells "
            "{kept}.",
            count=len(traces),
            kept=len(traces) - len(lost),
        )
        how = _("Output layer of the model's spec; one sentence in six languages, cut by the tokenizer.")
        return Verdict("unseen", f"{sentence} {rest}", how=how, value=len(traces) - len(lost), unit="languages")
    totals = {name: _total(case, text, "") for name, text in LANGUAGES}
    sentence = _(
        "One sentence surprises this model by so many nat: {languages}.",
        languages=listed(
            _("{language} {nats}", language=_(name), nats=number(total)) for name, total in totals.items()
        ),
    )
    english = next(iter(totals.values()))
    most = max(totals.values())
    return Verdict(
        "unseen",
        f"{sentence} {rest}",
        how=_(
            "Site surprisal, summed over the tokens of each sentence that something stands before; the largest sum "
            "over that in English."
        ),
        value=most / english if english else 1.0,
        unit="ratio",
        second=ngettext(
            "{count} short text, one per language, was run.",
            "{count} short texts, one per language, were run.",
            len(totals),
        ),
    )


def _total(case: Case, text: str, lead: str) -> float:
    """Surprisal of a text after a lead, in nats, over its tokens that something stands before."""
    trace = case.other(lead + text, _SURPRISAL)
    inside = [token.start < token.end and token.end > len(lead) for token in trace.tokens]
    return float(np.nansum(trace[_SURPRISAL].astype(np.float64)[inside]))


def translates(case: Case) -> Verdict:
    """A German sentence after the English one that it translates, and after another: which surprises less?"""
    rest = _("How good its translations are, readers of both languages would have to say.")
    if case.spec.head != "causal":
        sentence = _("This model names no next token, so it writes no translation.")
        return Verdict(
            "unseen", f"{sentence} {rest}", how=_("Output layer of the model's spec."), value=0, unit="outputs"
        )
    own, other = (_total(case, _TARGET, lead) for lead in (_SOURCE, _OTHER))
    sentence = _(
        "The German {target} surprises this model by {own} nat after its English source and by {other} after another "
        "sentence.",
        target=quoted(_TARGET.strip()),
        own=number(own),
        other=number(other),
    )
    if own < other:
        kind, comparison = "part", _("So the source helps: one language is read for the other.")
    else:
        kind, comparison = "not", _("So the source is no help here.")
    return Verdict(
        kind,
        f"{sentence} {comparison} {rest}",
        how=_("Site surprisal, summed over the tokens of the German sentence; the difference of the two."),
        value=other - own,
        unit="nat",
        tolerance=0.0,
        second=_("Two other texts were run: {first} and {second}.", first=quoted(_SOURCE), second=quoted(_OTHER)),
    )


def sentiment(case: Case) -> Verdict:
    """Good news and bad news: which word does the model give more weight, “positive” or “negative”?"""
    if case.spec.head != "causal":
        return _answers_nothing()
    good, bad = (_lead(case, text, _POSITIVE, _NEGATIVE) for text in (_GOOD, _BAD))
    sentence = _(
        "After good news “positive” leads “negative” by {good} in log odds, after bad news by {bad}.",
        good=number(good),
        bad=number(bad),
    )
    if good > 0 > bad:
        kind, rest = "holds", _("It takes the right word for both, without a layer for classes.")
    elif good > bad:
        kind, rest = "part", _("It leans the right way, but takes the same word for both.")
    else:
        kind, rest = "not", _("It does not tell the two apart.")
    return _of_two_texts(kind, f"{sentence} {rest}", good - bad, _GOOD, _BAD)


def medical(case: Case) -> Verdict:
    """Two records that differ in one fact: is it found again?"""
    if case.spec.head != "causal":
        return _answers_nothing()
    one, other = (_lead(case, text, _HEADACHE, _COUGH) for text in (_ACHES, _COUGHS))
    sentence = _(
        "After a record of a headache “headache” leads “cough” by {one} in log odds, after one of a cough by {other}.",
        one=number(one),
        other=number(other),
    )
    if one > 0 > other:
        kind = "part"
        rest = _("It finds the fact in both; real records, with what physicians took from them, would show the rest.")
    elif one > other:
        kind, rest = "part", _("It leans the right way, but names the same complaint for both.")
    else:
        kind, rest = "not", _("It does not find the fact.")
    return _of_two_texts(kind, f"{sentence} {rest}", one - other, _ACHES, _COUGHS)


def _answers_nothing() -> Verdict:
    sentence = _("This model names no next token, so a question cannot be answered by going on with it.")
    return Verdict("absent", sentence, how=_("Output layer of the model's spec."))


def _of_two_texts(kind: Kind, sentence: str, value: float, first: str, second: str) -> Verdict:
    how = _(
        "Site logits after each text: logit of the one word − logit of the other, at their first different token; the "
        "difference between the two texts."
    )
    runs = _("Two other texts were run: {first} and {second}.", first=quoted(first), second=quoted(second))
    return Verdict(kind, sentence, how=how, value=value, unit="logit", tolerance=0.0, second=runs)


def _lead(case: Case, text: str, word: str, other_word: str) -> float:
    """Logit of one word less that of the other, where the two part: only what stands before is seen there."""
    one, other = (case.other(text + each).tokens for each in (word, other_word))
    parted = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a.id != b.id), None)
    if not parted:  # a vocabulary that spells neither word
        return 0.0
    logits = Want("logits", pos=parted - 1)
    scores = case.other(text + word, logits)[logits]
    return float(scores[one[parted].id] - scores[other[parted].id])


def legal(case: Case) -> Verdict:
    """What a sentence in the form of a clause gives: its surprisal, and no judgment on its law."""
    rest = _("Whether the clauses that a model writes are sound law, lawyers would have to say.")
    if case.spec.head != "causal":
        sentence = _("This model names no next token, so it writes no clauses.")
        return Verdict(
            "unseen", f"{sentence} {rest}", how=_("Output layer of the model's spec."), value=0, unit="outputs"
        )
    count = len(case.other(_CLAUSE).tokens)
    mean = _total(case, _CLAUSE, "") / max(1, count - 1)
    sentence = _("A clause of a contract surprises this model by {mean} nat per token.", mean=number(mean))
    return Verdict(
        "unseen",
        f"{sentence} {rest}",
        how=_("Site surprisal: the mean over the clause's tokens that something stands before."),
        value=mean,
        unit="nat",
        second=_("A second text was run: {text}.", text=quoted(_CLAUSE)),
    )


def one_layer_for_all(case: Case) -> Verdict:
    """Whether tasks have parts of their own: one output layer serves all, or there is none."""
    if case.spec.head != "causal":
        sentence = _("This model names no next token: a task takes a layer of its own on top of its vectors.")
        return Verdict("not", sentence, how=_("Output layer of the model's spec."))
    sentence = ngettext(
        "One output layer over {count} token serves every task: text, feelings and questions are all answered by "
        "going on with a text. There are no functions per task, as the article's listing has them.",
        "One output layer over {count} tokens serves every task: text, feelings and questions are all answered by "
        "going on with a text. There are no functions per task, as the article's listing has them.",
        case.spec.vocab,
    )
    how = _("Output layers of the model's spec, and their width.")
    return Verdict("part", sentence, how=how, value=1, unit="output layers")


def results(case: Case) -> Verdict:
    """Scores on benchmarks, which one text cannot show; its surprisal is given instead."""
    sentence = _(
        "Scores on benchmarks take the benchmarks, and the checkpoints that are compared: one text shows neither."
    )
    return _by_surprisal(case, sentence)


def beside_gpt_4(case: Case) -> Verdict:
    """A comparison with GPT-4, which takes both models and judges; the text's surprisal is given instead."""
    sentence = _(
        "GPT-4's weights are not published, so that it cannot be loaded; how well a text hangs together, and how "
        "inventive it is, readers of texts by both models would have to say."
    )
    return _by_surprisal(case, sentence)


def _by_surprisal(case: Case, sentence: str) -> Verdict:
    """Nothing seen, and what the reader's text does give."""
    if case.spec.head != "causal":
        return Verdict("unseen", sentence, how=_("Output layer of the model's spec."), value=0, unit="outputs")
    short = too_short(len(case.trace().tokens), 2)
    if short:
        return short
    mean = float(np.nanmean(case.trace(_SURPRISAL)[_SURPRISAL].astype(np.float64)))
    surprisal = _("What one text gives is its surprisal, {mean} nat per token here.", mean=number(mean))
    how = _("Site surprisal, the mean over the tokens after the first.")
    return Verdict("unseen", f"{sentence} {surprisal}", how=how, value=mean, unit="nat")


@rests_on(facts.WINDOW)
def beside_t5(case: Case) -> Verdict:
    """Of flexibility and efficiency the latter has a number: operations, here of the loaded model alone."""
    each = arithmetic(configuration(case.spec), len(case.trace().tokens))
    sentence = _(
        "How flexible a model is has no number, and efficiency takes both models on the same task, with the quality "
        "that each reaches. What can be told of the model that is loaded: the last token of your text takes it "
        "{operations} operations.",
        operations=operations(each),
    )
    how = _("2 operations per multiply-add of a token's matrices and attention, from the configuration.")
    return Verdict("unseen", sentence, how=how, value=each, unit="operations")
