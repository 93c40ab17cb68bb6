"""The second run of the page: its model, its tokens, and where the choices made in the first run stand in it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import panels
from anatomy.alignment import Alignment, aligned
from anatomy.language import _
from anatomy.refused import Refused
from anatomy.request import Run
from anatomy.trace import Trace
from anatomy.view import Fitted, View
from panels.beside import opened_with
from ui import links, mishap
from ui.components.strip import Compared
from ui.host import HostedModel, Loading, models, titled
from viz.format import quoted


@dataclass(frozen=True)
class Second:
    """A run that stands beside the first one.

    model      that it is of
    fitted     what is chosen, in it
    cut        its tokens
    alignment  of the first run's tokens with its own
    labels     of all tokens, of the first run and of this one
    apart      a sentence where the chosen token of the first run, or the one it looks at, has no partner here: which
               one stands for it; "" where each has
    misfits    what was chosen that this run does not have, and what is shown in its place
    """

    model: HostedModel
    fitted: Fitted
    cut: Trace
    alignment: Alignment
    labels: tuple[tuple[str, ...], tuple[str, ...]]
    apart: str = ""
    misfits: tuple[str, ...] = ()

    @property
    def run(self) -> Run:
        """The question that it answers."""
        return self.cut.run

    def compared(self, letter: str) -> Compared:
        """What the strip of run "A" or "B" says of tokens that are not in the other run as they are here."""
        notes = {}
        for (i, j), equal in zip(self.alignment.pairs, self.alignment.equal, strict=True):
            here, there = (i, j) if letter == "A" else (j, i)
            if here is not None and not equal:
                notes[here] = self._note(letter, there)
        return Compared(letter, notes)

    def _note(self, letter: str, there: int | None) -> tuple[str, str]:
        """The mark and the words of one such token. there: its place in the other run, if it has one."""
        other = "B" if letter == "A" else "A"
        if there is None:
            return letter, _("only in {run}", run=letter)
        return "≠", _("in {run}: {token}", run=other, token=self.labels[other == "B"][there])

    def go(self, change: Callable[[View], View]) -> None:
        """Change what is chosen, by something that was clicked in this run: the first run follows."""
        links.go(lambda now: self.followed(now, change))

    def followed(self, now: View, change: Callable[[View], View]) -> View:
        """The page's view after a change of this run's: places are those of the partners in the first run; panel,
        layer, head, neuron and controls are the same. What the change left alone stays as it is. Where the
        change puts another run beside this one, this one comes first from then on; what is changed in it stays changed
        in the second, for a link has changes there alone."""
        before = _moved(now, self.alignment)
        after = change(before)
        if after.model2 != before.model2:
            return replace(change(replace(before.second, changed=None)), changes=now.changes)
        pos, src = (
            chosen if moved == was else None if moved is None else self.alignment.near_a(moved)
            for chosen, was, moved in ((now.pos, before.pos, after.pos), (now.src, before.src, after.src))
        )
        kept = replace(now, panel=after.panel, settings=after.settings)
        return replace(kept, layer=after.layer, head=after.head, neuron=after.neuron, pos=pos, src=src)


@dataclass(frozen=True)
class Absent:
    """Why no second run is there. loading: its model, where that is on its way or could not be loaded."""

    says: str
    loading: HostedModel | None = None


def placed(view: View, fitted: Fitted, cut: Trace) -> tuple[Fitted, Second | Absent | None]:
    """(what is chosen in the first run, the second run). Where the reader has chosen no token, one is chosen that both
    runs have. view: the link's; fitted: the same with all choices made; cut: the first run's tokens."""
    side = second(fitted, cut)
    if view.pos is not None or not isinstance(side, Second) or not side.apart or not side.alignment.both:
        return fitted, side
    shared = side.alignment.near_a(side.alignment.near_b(fitted.pos))
    fitted = replace(fitted, pos=shared)
    return fitted, second(fitted, cut)


def second(view: Fitted, cut: Trace) -> Second | Absent | None:
    """The second run that a view asks for; None where it asks for none. cut: the first run's tokens."""
    if not view.two:
        return None
    name = view.second.model
    try:
        model = models().find(name, beside=view.model)
    except Refused as refused:
        if view.model2 is not None:
            return Absent(_("Run B is not there. {reason}", reason=str(refused)))
        model = next(iter(models().values()))
    model.begin()
    try:
        return _cut(model, view, cut)
    except Loading:
        return loading(model, name)
    except Refused as refused:
        return Absent(_("Run B is not there. {reason}", reason=str(refused)), None if model.live else model)
    except Exception as error:  # it costs the second run, not the page
        return Absent(str(mishap.said("the second run", error)))


def loading(model: HostedModel, name: str) -> Absent:
    """The second run's model is on its way. name: as links have it."""
    if model.made_of is not None:
        says = _(
            "{variant} is being made of {model}, whose readers go first: its run joins when it is there.",
            variant=titled(name),
            model=titled(models().own(name)),
        )
        return Absent(says, model)
    return Absent(_("{model} is still being loaded: its run joins when it is there.", model=titled(name)), model)


def _cut(model: HostedModel, view: Fitted, cut: Trace) -> Second:
    spec = model.spec()
    other = asked(view, cut)
    own = model.run(other.run(spec))
    alignment = aligned(cut, own)
    settings = dict(other.settings) | _choices(view, cut)
    moved = replace(_moved(other, alignment), settings=tuple(sorted(settings.items())))
    fitted, labels = moved.fit(spec, own.tokens), (cut.labels, own.labels)
    return Second(model, fitted, own, alignment, labels, _apart(view, alignment, labels), moved.misfits(fitted))


def _apart(view: Fitted, alignment: Alignment, labels: tuple[tuple[str, ...], tuple[str, ...]]) -> str:
    """What stands in B for a chosen token that it does not have."""
    lone = [place for place in (view.pos, view.src) if place is not None and place not in alignment.in_b]
    if not lone:
        return ""
    return _(
        "{token} is in A alone. In B {other} stands for it: what is compared are these two.",
        token=quoted(labels[0][lone[0]]),
        other=quoted(labels[1][alignment.near_b(lone[0])]),
    )


def _choices(view: Fitted, cut: Trace) -> dict[str, str]:
    """What the open panel, and the overview beside it, are set to in the first run: the second one's are set alike."""
    panel = panels.load()[view.panel]
    drawn = (panel,) if panel.chooser is None else (panel, panels.load()[panel.chooser])
    return {name: value for each in drawn for name, value in opened_with(each, cut.spec, view).items()}


def asked(view: View, cut: Trace) -> View:
    """The second run's view. Where another model reads the same text, it reads what was generated as text: the ids of
    one vocabulary mean nothing in another. cut: the first run's tokens."""
    other = view.second
    return replace(other, text=cut.text) if view.text2 is None and view.tail and not other.tail else other


def _moved(view: View, alignment: Alignment) -> View:
    """The view with the first run's places where their partners are."""
    pos, src = (None if place is None else alignment.near_b(place) for place in (view.pos, view.src))
    return replace(view, pos=pos, src=src)
