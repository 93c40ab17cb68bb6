"""View: what the reader has selected, to and from the query of a link. The link is the only place where it lives."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Self, overload

from anatomy import interventions
from anatomy.control import Choice, Control, Slider, Switch, written
from anatomy.interventions import Change
from anatomy.language import LANGUAGES, N_, Count, _
from anatomy.request import Intervention, Run
from anatomy.spec import ModelSpec
from anatomy.trace import Token
from anatomy.variants import alike

DEFAULT_TEXT = "Paris is the capital of France. Berlin is the capital of"
DEFAULT_MODEL = "smollm2-135m"
DEFAULT_PANEL = "attention"
OPENING = "passage"  # the panel of a visit whose link says nothing
COLOURS = ("surprisal", "attention", "contribution")  # what the tokens of the strip can be tinted by


@dataclass(frozen=True)
class View:
    """The selection. None means "not chosen": `fit` fills in what the model and the text suggest.

    panel     id of the panel
    model     catalog name
    text      the reader's text
    layer     0 … layers − 1
    head      0 … query heads − 1
    neuron    0 … d_ff − 1, of the layer's FFN: it goes where another layer is chosen; nothing is suggested for it
    pos       chosen token: looks (query) in attention, is drawn or predicted from elsewhere
    src       token looked at (key), for the attention cell
    tail      ids of generated tokens that follow the text
    ids       ids of the text's tokens where they were given in place of it, from Python: no link holds them
    text2     the text of a second run beside this one; None where it is the same
    model2    catalog name of the model of that second run; None where it is the same
    changes   what is changed in the second run, in order; those that are switched off stay in the list
    changed   what is changed in this run, and the run that patches come from: of the view of a second run alone
    lang      key in `anatomy.language.LANGUAGES`; None for the browser's own
    article   key of the article that is read along ("A1"); None for none
    claim     id of the claim that is looked at; None for none
    beside    catalog name of the model whose verdicts stand beside this one's; None for none
    colour    what the text's tokens are tinted by, one of COLOURS; None for nothing
    settings  the panels' own controls, (name, value as it stands in the link), sorted
    """

    panel: str = DEFAULT_PANEL
    model: str = DEFAULT_MODEL
    text: str = DEFAULT_TEXT
    layer: int | None = None
    head: int | None = None
    neuron: int | None = None
    pos: int | None = None
    src: int | None = None
    tail: tuple[int, ...] = ()
    ids: tuple[int, ...] = ()
    text2: str | None = None
    model2: str | None = None
    changes: tuple[Change, ...] = ()
    changed: "Changed | None" = None
    lang: str | None = None
    article: str | None = None
    claim: str | None = None
    beside: str | None = None
    colour: str | None = None
    settings: tuple[tuple[str, str], ...] = ()

    @overload
    def __getitem__(self, control: Choice) -> str: ...
    @overload
    def __getitem__(self, control: Switch) -> bool: ...
    @overload
    def __getitem__(self, control: Slider) -> float: ...
    def __getitem__(self, control: Control) -> str | bool | float:
        """The value of a panel's control: the link's, or the default."""
        value = control.read(dict(self.settings).get(control.name))
        return control.default if value is None else value

    def with_setting(self, control: Control, value: str | bool | float) -> "View":
        """The same view with one control moved; a value equal to the default leaves the link."""
        rest = {name: text for name, text in self.settings if name != control.name}
        if value != control.default:
            rest[control.name] = written(value)
        return replace(self, settings=tuple(sorted(rest.items())))

    def at(self, **places: int | None) -> Self:
        """The same view with these places chosen (layer, head, neuron, pos, src). Another layer has neurons of its own:
        where only the layer is chosen, the neuron goes."""
        moved = places.get("layer", self.layer) != self.layer
        return replace(self, **({"neuron": None} if moved else {}) | places)

    def with_model(self, name: str) -> "View":
        """The same view on another model: places belong to the old one and go, and so do changes where the second run
        is of that model too. A variant of the same model has the same places."""
        if alike(name, self.model):
            return replace(self, model=name, beside=None)
        places = {"layer": None, "head": None, "neuron": None, "pos": None, "src": None, "tail": (), "ids": ()}
        changes = () if self.model2 is None else self.changes
        return replace(self, model=name, beside=None, changes=changes, **places)

    def with_text(self, text: str) -> "View":
        """The same view on another text: the token choices, what was generated and changes at one token belong to the
        old text and go; the changes only where the second run has no text of its own."""
        kept = self.changes if self.text2 is not None else _anywhere(self.changes)
        return replace(self, text=text, pos=None, src=None, tail=(), ids=(), changes=kept)

    def with_second_text(self, text: str) -> "View":
        """The same view with this text in the second run: changes at one token belong to the one before and go."""
        same = text == self.second.text
        return replace(self, text2=text, changes=self.changes if same else _anywhere(self.changes))

    def with_second_model(self, name: str) -> "View":
        """The same view with this model in the second run: changes belong to the one before and go."""
        return replace(self, model2=name, changes=self.changes if alike(name, self.second.model) else ())

    def with_changes(self, changes: Iterable[Change]) -> Self:
        """The same view with these changes made in the second run."""
        return replace(self, changes=tuple(changes))

    @property
    def two(self) -> bool:
        """Whether a second run stands beside the first."""
        return self.text2 is not None or self.model2 is not None or any(change.on for change in self.changes)

    @property
    def alone(self) -> Self:
        """The same view of the first run, with none beside it."""
        return replace(self, text2=None, model2=None, changes=())

    @property
    def second(self) -> "View":
        """The view of the second run alone: its own text and model, all choices as they are. Places belong to the first
        run: whoever shows the second one finds their partners. What was generated follows the second one's text only
        where nothing but the computation differs."""
        text = self.text if self.text2 is None else self.text2
        model = self.model if self.model2 is None else self.model2
        tail, ids = (self.tail, self.ids) if text == self.text and alike(model, self.model) else ((), ())
        made = tuple(change.made for change in self.changes if change.on)
        changed = Changed(made, self.alone) if made else None
        return replace(self.alone, text=text, model=model, tail=tail, ids=ids, changed=changed)

    @property
    def swapped(self) -> "View":
        """The second run's text and model in the first one's place, and the other way round. Chosen tokens belong to
        the old text. What is changed stays changed in the second run: only what is done at one token belongs to the old
        text, and all of it to the old model. A variant of the same model has the same places."""
        first, second = self.alone, replace(self.second, changed=None)
        text2 = None if self.text2 is None else first.text
        model2 = None if self.model2 is None else first.model
        same = alike(first.model, second.model)
        places = {} if self.text2 is None and same else {"pos": None, "src": None}
        changes = self.changes if self.text2 is None else _anywhere(self.changes)
        changes = changes if same else ()
        return replace(second, text2=text2, model2=model2, changes=changes, **places)

    @property
    def both(self) -> "View":
        """The view of both runs that a second run's own view is of: a run with changes has no link of its own. Itself
        where nothing is changed in it."""
        if self.changed is None:
            return self
        first = self.changed.other
        text2 = None if self.text == first.text else self.text
        model2 = None if self.model == first.model else self.model
        changes = tuple(Change(made) for made in self.changed.interventions)
        return replace(first, text2=text2, model2=model2, changes=changes)

    def fit(self, spec: ModelSpec, tokens: tuple[Token, ...]) -> "Fitted":
        """Every choice made and inside the model and the text."""
        layer = _FIRST_LAYER * spec.layers // 100 if self.layer is None else self.layer
        head = _FIRST_HEAD if self.head is None else self.head
        pos = self._start(tokens) if self.pos is None else self.pos
        fitted = {
            "layer": min(layer, spec.layers - 1),
            "head": min(head, spec.n_heads - 1),
            "neuron": None if self.neuron is None else min(self.neuron, spec.d_ff - 1),
            "pos": min(pos, len(tokens) - 1),
            "src": None if self.src is None else min(self.src, len(tokens) - 1),
            "length": len(tokens),
            "again": _comes_again(tokens),
        }
        return Fitted(**vars(self) | fitted)

    def misfits(self, fitted: "Fitted") -> tuple[str, ...]:
        """What the link chose that this model and text do not have, and what is shown in its place."""
        pairs = ((name, getattr(self, name), getattr(fitted, name)) for name in _NUMBERS)
        return tuple(
            _(_NUMBERS[name], chosen=chosen, shown=shown)
            for name, chosen, shown in pairs
            if chosen is not None and chosen != shown
        )

    def _start(self, tokens: tuple[Token, ...]) -> int:
        """Where the eye starts: the token that was added last, else the last one that is text."""
        return len(tokens) - 1 if self.tail else _last_text_token(tokens)

    def run(self, spec: ModelSpec) -> Run:
        """The question's forward pass."""
        run = Run(spec.id, self.text, tail=self.tail, interventions=spec.built, ids=self.ids)
        return run if self.changed is None else self.changed.of(run)

    def query(self) -> dict[str, str]:
        """The view as a link's query: only what differs from the default. The default panel is named where the link
        would say nothing else, as one that says nothing opens another panel."""
        plain = {name: getattr(self, name) for name in _FIELDS}
        chosen = {name: _in_link(value) for name, value in plain.items() if value != getattr(_DEFAULT, name)}
        query = chosen | dict(self.settings)
        return query if _says_something(query, query) else query | {"panel": self.panel}


@dataclass(frozen=True)
class Changed:
    """What is changed in a run, and the view of the other run, which patches come from."""

    interventions: tuple[Intervention, ...]
    other: View

    def of(self, run: Run) -> Run:
        """The run with these changes."""
        theirs = replace(run, text=self.other.text, tail=self.other.tail, ids=self.other.ids)
        return run.intervened(*interventions.of(run, self.interventions, theirs))


@dataclass(frozen=True)
class Fitted(View):
    """A view in which layer, head and pos are chosen and inside the model and the text: what panels are given.

    length  tokens of the text; 0 where nobody has counted them: taken for a short one
    again   whether a token comes again after another one, which is what heads that copy need; True where nobody looked
    """

    layer: int = 0
    head: int = 0
    pos: int = 0
    length: int = 0
    again: bool = True


# The first view opens on a head worth seeing: in the default model layer 17 of 30, head 5, which copies.
_FIRST_LAYER, _FIRST_HEAD = 57, 5
_FIELDS = tuple(field.name for field in fields(View) if field.name not in ("settings", "ids", "changed"))
_NO_POSITION = N_("There is no position {chosen} here: {shown}, the last one, is shown.")
_NUMBERS = {
    "layer": N_("There is no layer {chosen} here: {shown}, the last one, is shown."),
    "head": N_("There is no head {chosen} here: {shown}, the last one, is shown."),
    "neuron": N_("There is no neuron {chosen} here: {shown}, the last one, is shown."),
    "pos": _NO_POSITION,
    "src": _NO_POSITION,
}
_LONGEST_TAIL, _LONGEST_NAME = 1024, 200  # tokens; characters of anything but the text and the tail
_DEFAULT = View()


def _comes_again(tokens: tuple[Token, ...]) -> bool:
    met = set()
    for before, token in pairwise(tokens):
        met.add(before.id)
        if token.id != before.id and token.id in met:
            return True
    return False


def _anywhere(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """Those that name no position."""
    return tuple(change for change in changes if change.made.pos is None)


def _last_text_token(tokens: tuple[Token, ...]) -> int:
    """The last token that is text; the last of all where none is."""
    return max((i for i, token in enumerate(tokens) if not token.special), default=max(len(tokens) - 1, 0))


def read_view(
    query: Mapping[str, str], panels: Iterable[str], controls: Iterable[Control], opening: str = DEFAULT_PANEL
) -> tuple[View, tuple[str, ...]]:
    """(view, complaints): a bad value falls back by itself, and a sentence says so. Unknown keys are left alone.

    query: of a link; panels: ids of those that there are; controls: of all of them; opening: the panel of a link that
    says nothing of what is to be shown.
    """
    known = tuple(panels)
    complaints = {name: _complaint(name, query[name], known) for name in _FIELDS if name in query}
    good = {name: query[name] for name, complaint in complaints.items() if complaint is None}
    settings = {}
    every = tuple(controls)
    for control in every:
        text = query.get(control.name)
        if text is not None and (len(text) > _LONGEST_NAME or control.read(text) is None):
            complaints[control.name] = _unusable(control.name, text)
        elif text is not None:
            settings[control.name] = text
    fields_read = {name: _from_link(name, text) for name, text in good.items()}
    if not _says_something(query, (*_FIELDS, *(control.name for control in every))):
        fields_read["panel"] = opening
    view = replace(_DEFAULT, **fields_read, settings=tuple(sorted(settings.items())))
    return view, tuple(complaint for complaint in complaints.values() if complaint)


def _says_something(query: Mapping[str, str], names: Iterable[str]) -> bool:
    """Whether a link says what is to be shown: anything besides the language and the model. names: those that count."""
    return any(name in query for name in names if name not in ("lang", "model"))


def _in_link(value: str | int | tuple[int | Change, ...]) -> str:
    """One field as it stands in a link."""
    if not isinstance(value, tuple):
        return str(value)
    changes = [one for one in value if isinstance(one, Change)]
    return interventions.written(changes) if changes else ".".join(map(str, value))


def _from_link(name: str, text: str) -> str | int | tuple[int, ...] | tuple[Change, ...]:
    """One field out of a link that has nothing to complain about."""
    if name == "changes":
        return interventions.read(text) or ()
    if name == "tail":
        return tuple(map(int, text.split(".")))
    return int(text) if name in _NUMBERS else text


def _whole_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _complaint(name: str, text: str, panels: tuple[str, ...]) -> str | None:
    """What is wrong with one field of a link, or None."""
    if name not in ("text", "text2", "tail", "panel", "changes", *_NUMBERS) and len(text) > _LONGEST_NAME:
        return _unusable(name, text)
    if name in _NUMBERS and not _whole_number(text):
        return _(
            "The link's {name} is not a whole number of 0 or more: {value}. The default is used.",
            name=name,
            value=_short(text),
        )
    if name == "tail" and not all(map(_whole_number, text.split("."))):
        return _(
            "The link's tail is not token numbers with dots between: {value}. Nothing follows the text.",
            value=_short(text),
        )
    if name == "tail" and text.count(".") >= _LONGEST_TAIL:
        longest = Count(_LONGEST_TAIL)
        return _("The link's tail has more than {count} tokens. Nothing follows the text.", count=longest)
    if name == "changes" and interventions.read(text) is None:
        return _(
            "The link's changes are none that are known here: {value}. The second run is left as it is.",
            value=_short(text),
        )
    if name == "lang" and text not in LANGUAGES:
        return _(
            "No language is called {value}. The browser's own is used where the page speaks it, else English.",
            value=_short(text),
        )
    if name == "colour" and text not in COLOURS:
        return _("The text cannot be coloured by {value}. It stays as it is.", value=_short(text))
    if name == "panel" and text not in panels:
        return _("No panel is called {value}. {shown} is shown.", value=_short(text), shown=_short(DEFAULT_PANEL))
    return None


def _unusable(name: str, text: str) -> str:
    return _("The link's {name} cannot be {value}: the default is used.", name=name, value=_short(text))


def _short(text: str) -> str:
    """A reader's value as an error may repeat it."""
    return f"“{text[:40]}…”" if len(text) > 40 else f"“{text}”"
