"""Beside the figure: what the articles say about this stage, or one article from top to bottom, with verdicts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import streamlit as st

import articles
from anatomy.language import _, get_locale, ngettext, spaced
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted, View
from articles import Article, Claim, Heading
from articles.verdict import Verdict
from panels.panel import Panel
from ui import excerpts, judging, links, mishap, polled, session
from ui.components import claims
from ui.components.claims import Card, Group, Mark, Place, Tab
from ui.handed import Handed
from ui.host import HostedModel, models, titled
from ui.judging import Judged, Question
from viz.format import listed

# Seconds between two looks at verdicts that are being worked out, a little more than a question rests (judging.REST);
# more where other texts come before.
EVERY = 1.2
SELDOM = 3.0  # and at most so many, well below judging.GONE


@dataclass(frozen=True)
class ModelVerdicts:
    """The model on the page and, where one was chosen, the one beside it: names and verdicts so far."""

    by_model: tuple[tuple[str, Judged], ...]
    spec: ModelSpec

    @property
    def own(self) -> Judged:
        return self.by_model[0][1]

    @property
    def done(self) -> bool:
        return all(judged.done for _name, judged in self.by_model)

    @property
    def pause(self) -> float:
        """Seconds after which it is worth looking again."""
        return min(EVERY * (1 + min(judged.before for _name, judged in self.by_model if not judged.done)), SELDOM)


def verdicts(model: HostedModel, view: Fitted, stage: str, whole: Trace | None = None) -> ModelVerdicts:
    """Verdicts known by now; what is missing is being worked out, or waits for its model. whole: the text's tokens by
    this model, where whoever asks has them."""
    by_model = [(_name(model), model)]
    other = models().get(view.beside or "")
    if other is not None and other is not model:
        other.begin()
        by_model.append((view.beside or "", other))
    judged = tuple(
        (name, _judged(name, each, view, stage, by_model[0][0], whole if each is model else None))
        for name, each in by_model
    )
    return ModelVerdicts(judged, model.spec())


def _name(model: HostedModel) -> str:
    """What links call a model of this server."""
    return models().name_of(model)


def _judged(name: str, model: HostedModel, view: Fitted, stage: str, own: str, whole: Trace | None = None) -> Judged:
    if model.failure is not None or view.length == 0:  # or there is no text that could be judged
        return Judged({}, done=True)
    if not model.live:
        return Judged()
    tail = view.tail if name == own else ()  # ids of one vocabulary mean nothing in another
    read = next((article for article in articles.load() if article.key == view.article), None)
    first = read.claims if read else tuple(claim for _article, claim in articles.claims(stage))
    text, tail = excerpts.judged(model, view.text, tail, whole)
    question, on_view = Question(name, text, tail, get_locale()), tuple(claim.id for claim in first)
    return judging.verdict_queue().ask(question, model, on_view, session.page())


def draw(model: HostedModel, view: Fitted, link: View, panel: Panel, model_verdicts: ModelVerdicts) -> None:
    """The column, which fills itself while verdicts are worked out. link: the view as the link has it;
    model_verdicts: those known by now."""
    part = st.fragment(_column) if model_verdicts.done else polled.every(model_verdicts.pause, _filling)
    part(model, view, link, panel, Handed(model_verdicts))


def _column(model: HostedModel, view: Fitted, link: View, panel: Panel, handed: Handed[ModelVerdicts]) -> None:
    """link: of which the rest of the page was drawn; once it says otherwise, the whole page is drawn again."""
    links.set_locale()
    with mishap.costing("the articles"):
        model_verdicts, now = handed.take(), link
        if model_verdicts is None:
            now = links.read()
            if _without_settings(now) != _without_settings(link):
                polled.anew()
            model_verdicts = verdicts(model, view, panel.stage)
        _show(model_verdicts, view, now, panel)


def _filling(model: HostedModel, view: Fitted, link: View, panel: Panel, handed: Handed[ModelVerdicts]) -> None:
    """The same, looked at again and again; once all is known, the page is drawn anew, and the map counts."""
    links.set_locale()
    with mishap.costing("the articles"):
        model_verdicts, now = handed.take(), link
        if model_verdicts is None:
            model_verdicts, now = verdicts(model, view, panel.stage), links.read()
            if links.current() and (model_verdicts.done or _without_settings(now) != _without_settings(link)):
                polled.anew()
        _show(model_verdicts, view, now, panel)


def _without_settings(view: View) -> View:
    """The view without the panels' own settings, which no claim depends on."""
    return replace(view, settings=())


def _show(model_verdicts: ModelVerdicts, view: Fitted, now: View, panel: Panel) -> None:
    article = next((article for article in articles.load() if article.key == view.article), None)
    notes = (_progress(article, panel.stage, model_verdicts.own), excerpts.judged_of(view.length))
    words = {
        "how": _("How this is known"),
        "waiting": _("being worked out …"),
        "tabs": _("What to read"),
        "beside": _("Beside it:"),
    }
    claims.show(
        title=_("What the articles say about this stage") if article is None else _(article.named),
        original="" if article is None or _(article.named) == article.title else article.title,
        lang=get_locale() if article is None else article.language,
        note=" · ".join(filter(None, notes)),
        tabs=_tabs(article, panel.stage, model_verdicts),
        groups=_of_stage(panel.stage, model_verdicts, now)
        if article is None
        else _of_article(article, model_verdicts, now),
        words=words,
        others=[
            (name, titled(name), name == view.beside) for name in models() if name != model_verdicts.by_model[0][0]
        ],
        beside=lambda name: links.go(lambda now: replace(now, beside=None if now.beside == name else name)),
        read=lambda key: links.go(lambda now: reading(now, key)),
        opened=lambda claim: links.go(
            lambda now: at_claim(now, claim, model_verdicts.own.verdicts.get(claim), model_verdicts.spec)
        ),
    )


def _progress(article: Article | None, stage: str, judged: Judged) -> str:
    """What the counts beside it are, or why there are none."""
    counts = judging.of_article(article, judged.verdicts) if article else judging.marks(judged.verdicts)[stage]
    if not any(counts):
        return _uncounted(judged)
    if not judged.done and judged.before:
        return ngettext(
            "so far; {count} text comes before this one", "so far; {count} texts come before this one", judged.before
        )
    if not judged.done:
        return _("so far; more are being worked out")
    kinds = (_("hold"), _("hold in part"), _("do not hold"))
    words = listed(kind for count, kind in zip(counts, kinds, strict=True) if count)
    if article is None:
        return _("{verdicts} for this model", verdicts=words)
    return _("of {count} claims {verdicts} for this model", count=len(article.claims), verdicts=words)


def _uncounted(judged: Judged) -> str:
    if judged.done:
        return ""
    if judged.before:
        return ngettext("{count} text comes before this one", "{count} texts come before this one", judged.before)
    return _("being worked out …")


def _tabs(article: Article | None, stage: str, model_verdicts: ModelVerdicts) -> list[Tab]:
    counts = judging.marks(model_verdicts.own.verdicts)[stage]
    here = Tab("", _("This stage"), _("What the articles say about the stage on view"), article is None, counts)
    return [here] + [
        Tab(
            key=each.key,
            label=_(each.short),
            title=whole_title(each),
            current=each == article,
            counts=judging.of_article(each, model_verdicts.own.verdicts),
        )
        for each in articles.load()
    ]


def whole_title(article: Article) -> str:
    """An article's title in the page's language; where that is not the article's own, its own behind it."""
    named = _(article.named)
    return named if named == article.title else f"{named} ({article.title})"


def _of_stage(stage: str, model_verdicts: ModelVerdicts, now: View) -> list[Group]:
    """The claims on a stage, each once with every place that makes it; then where the articles name the stage."""
    by_id: dict[str, list[tuple[Article, Claim]]] = {}
    for article, claim in articles.claims(stage):
        by_id.setdefault(claim.id, []).append((article, claim))
    if now.claim and now.claim not in by_id and _is_seen(now, model_verdicts.spec):
        by_id = {now.claim: _places(now.claim)} | by_id  # one of another stage, for which this panel was opened
    cards = tuple(_card(places, model_verdicts, now) for places in by_id.values() if places)
    named = [_heading(article, place) for article, place in articles.headings(stage)]
    return [Group(Place(""), "", "", get_locale(), "", cards), *named]


def _of_article(article: Article, model_verdicts: ModelVerdicts, now: View) -> list[Group]:
    """An article from top to bottom: every section with the claims that stand there."""
    places: dict[str, list[Claim]] = {}
    for claim in article.claims:
        places.setdefault(claim.section, []).append(claim)
    return [
        _section(
            article, section, tuple(_card([(article, claim)], model_verdicts, now, named=False) for claim in stated)
        )
        for section, stated in places.items()
    ]


def _section(article: Article, section: str, cards: tuple[Card, ...]) -> Group:
    terms = [place for place in article.headings if place.section == section]
    standard = " ".join(_(place.standard) for place in terms if place.standard)
    term = " · ".join(place.term for place in terms)
    return Group(Place(_passage(section)), article.title_of(section), term, article.language, standard, cards)


def _heading(article: Article, place: Heading) -> Group:
    """A place that names a stage, and what the field calls the thing."""
    where = f"{_edition(article)} {_passage(place.section)}"
    return Group(
        Place(where, whole_title(article)),
        place.title,
        place.term,
        article.language,
        _(place.standard) if place.standard else "",
    )


def _passage(section: str) -> str:
    """A section's number as it is; what a passage is about, in the reader's language."""
    return section if section.startswith("§") else _(section)


def _edition(article: Article) -> str:
    """The article in a few words, with its year where that is known."""
    return f"{_(article.short)} · {article.year}" if article.year else _(article.short)


def _card(
    places: Sequence[tuple[Article, Claim]], model_verdicts: ModelVerdicts, now: View, named: bool = True
) -> Card:
    """A claim in the words of the first article that makes it, with the verdict of each model on the page. now: the
    link's view; named: it says where it stands."""
    _article, claim = places[0]
    two = len(model_verdicts.by_model) > 1
    target = at_claim(now, claim.id, model_verdicts.own.verdicts.get(claim.id), model_verdicts.spec)
    return Card(
        id=claim.id,
        where=tuple(_place(article, each.section) for article, each in places) if named else (),
        says=_(claim.says),
        marks=tuple(_mark(name, two, claim, judged) for name, judged in model_verdicts.by_model),
        href=links.query(target),
        current=claim.id == now.claim,
    )


def _place(article: Article, section: str) -> Place:
    """A section of an article, by a few words of its title."""
    return Place(f"{_(article.short)} {_passage(section)}", whole_title(article))


def _mark(name: str, two: bool, claim: Claim, judged: Judged) -> Mark:
    shown, verdict = titled(name) if two else "", judged.verdicts.get(claim.id)
    if verdict is None:
        return Mark(shown, "", "") if not judged.done else Mark(shown, "unseen", _("not known"), _why(name))
    says = " ".join(sentence for sentence in (verdict.says, verdict.second) if sentence)
    how = " ".join(sentence for sentence in (claim.judged(), verdict.how) if sentence)
    return Mark(shown, verdict.kind, label(verdict), spaced(says), spaced(how))


def _why(name: str) -> str:
    """Why a model gives no verdict."""
    other = models().get(name)
    return "" if other is None or other.failure is None else other.failure


def label(verdict: Verdict) -> str:
    """The verdict in a word or two."""
    return {
        "holds": _("holds"),
        "part": _("holds in part"),
        "not": _("does not hold here"),
        "unseen": _("not visible here"),
        "absent": _("no such part here"),
    }[verdict.kind]


def reading(view: View, key: str) -> View:
    """The view with an article to read beside the panel that is open; "" for what all of them say about its stage. The
    panel stays: another one is opened by a claim."""
    return replace(view, article=key if any(article.key == key for article in articles.load()) else None)


def at_claim(view: View, claim: str, verdict: Verdict | None, spec: ModelSpec) -> View:
    """The view in which one can see a claim: a panel that this model has, with its settings, at the place that the
    verdict names. Settings of a claim that was looked at before go."""
    stated = _stated(claim, articles.claims())
    if stated is None:
        return view
    before = _stated(view.claim or "", articles.claims())
    kept = {name: value for name, value in view.settings if before is None or name not in before.sets}
    settings = tuple(sorted((kept | dict(stated.sets)).items()))
    places = {} if verdict is None else dict(verdict.at)
    return replace(view, panel=stated.panel_for(spec), settings=settings, claim=claim).at(**places)


def _is_seen(view: View, spec: ModelSpec) -> bool:
    """Whether the panel that is open is the one in which the link's claim can be seen."""
    stated = _stated(view.claim or "", articles.claims())
    return stated is not None and stated.panel_for(spec) == view.panel


def _places(claim: str) -> list[tuple[Article, Claim]]:
    """Everywhere that a claim is made."""
    return [(article, each) for article, each in articles.claims() if each.id == claim]


def _stated(claim: str, among: Iterable[tuple[Article, Claim]]) -> Claim | None:
    return next((each for _article, each in among if each.id == claim), None)


def complaints(view: View) -> tuple[str, ...]:
    """Articles, claims and models that the link names and that are not there."""
    said = []
    if view.article and all(article.key != view.article for article in articles.load()):
        said.append(_("No article is called {name}: the claims on the stage are shown.", name=view.article[:40]))
    if view.claim and _stated(view.claim, articles.claims()) is None:
        said.append(_("No claim is called {name}.", name=view.claim[:40]))
    if view.beside and view.beside not in models():
        said.append(_("This server has no model {name} to stand beside.", name=view.beside[:40]))
    return tuple(said)


def counted(model_verdicts: ModelVerdicts) -> dict[str, tuple[int, int, int]]:
    """Per stage, for the map: claims that hold, hold in part, do not."""
    return judging.marks(model_verdicts.own.verdicts)
