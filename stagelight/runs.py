"""An open model, its runs as they are and with something changed, and two runs side by side."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, NoReturn
from warnings import warn

import numpy as np

import panels as _panels
from anatomy import allowed, request
from anatomy.alignment import Alignment, aligned, by_token
from anatomy.baselines import baseline
from anatomy.language import _, use_locale
from anatomy.parting import Parting, Spread
from anatomy.refused import Refused
from anatomy.request import Intervention, Op, Want
from anatomy.sites import SITES
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace
from anatomy.view import Changed, Fitted, View
from models.serving.store import Store
from panels.answer import PanelAnswer
from panels.beside import BesideAnswer, opened_with
from panels.choices import chosen, place, shown
from panels.panel import Panel
from stagelight import given
from stagelight.answers import Answer, TwoAnswers
from stagelight.changes import amount_of, at, seed_of
from viz.what_if import told


@dataclass(frozen=True, repr=False)
class Model:
    """An open model. Call it with a text, or with `ids=[…]`. Arrays that it has computed are kept while they fit in a
    tenth of the memory.

    store  answers what is asked of the model
    """

    store: Store

    def __repr__(self) -> str:
        return f"<{self.spec.weights.title or self.spec.name}: {self.spec.layers} layers × {self.spec.n_heads} heads>"

    @property
    def spec(self) -> ModelSpec:
        """The facts of its architecture: layers, heads, widths, norms, positions, and where its weights come from."""
        return self.store.specs()[0]

    def __call__(self, text: str | None = None, *, ids: Iterable[int] | None = None) -> "Run":
        """The model on a text, or on token ids in place of one: exactly these, in this order, with nothing added.

        TypeError for anything else, Refused for ids that the model does not have.
        """
        if ids is None:
            if not isinstance(text, str):
                said = f"a model is called with a text, not {shown(text)}; with token ids as model(ids=[…])"
                raise TypeError(said)
            return Run(self, request.Run(self.spec.id, text, interventions=self.spec.built))
        if text is not None:
            raise TypeError("a model is called with a text or with ids, not with both: leave one of them out")
        return Run(self, self.store.on_ids(given.token_ids(ids)))

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a model cannot be pickled or copied: open it again; arrays, descriptions and tables can be")

    def panels(self) -> dict[str, str]:
        """The panels that show something of this model: id and question."""
        return {panel.id: _(panel.title) for panel in _panels.load().values() if panel.closed(self.spec) is None}


@dataclass(frozen=True, repr=False)
class Run:
    """A model's run on a text, or on token ids. Nothing is computed before it is asked for.

    model     the open model
    question  what it is asked: which model, which text or ids
    """

    model: Model
    question: request.Run

    def __repr__(self) -> str:
        about = f"ids {shown(list(self.question.ids))}" if self.question.ids else shown(self.question.text)
        return f"<{about} in {self.model!r}{''.join(f'; {change}' for change in self.changes)}>"

    @property
    def run(self) -> request.Run:
        """The same as `question`, by its first name."""
        return self.question

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """The run's tokens, in order."""
        return self._plain.tokens

    def __getitem__(self, want: str | Want | tuple[Any, ...]) -> np.ndarray:
        """An array of the forward pass, read-only: `run["pattern", 17]`, `run["logits", None, 3]` (site, layer,
        position; below 0 from the end), or a `Want` for those that take a head, a token or a window.

        KeyError for a name that is no site, IndexError for a place that model or text do not have, Refused for an array
        that this model does not have, TypeError for anything else.
        """
        if isinstance(want, Want):
            return self._array(want)
        words: tuple[Any, ...] = want if isinstance(want, tuple) else (want,)
        if not 1 <= len(words) <= 3 or not isinstance(words[0], str):
            raise TypeError(f"an array is asked for as run[site, layer, position], not {shown(want)}")
        return self.array(*words)

    def array(self, site: str, layer: int | None = None, pos: int | None = None, **places: Any) -> np.ndarray:
        """The same by name: `run.array("pattern_max", layer=17, head=5)`. places: the other fields of `Want`."""
        known = [each.name for each in fields(Want) if each.name not in ("site", "layer", "pos")]
        unknown = next((name for name in places if name not in known), None)
        if unknown is not None:
            raise TypeError(f"an array has no place {unknown!r}. Its places are: layer, pos, {', '.join(known)}")
        if not isinstance(site, str) or site not in SITES:
            raise KeyError(f"there is no array {site!r}{given.near(site, SITES)}: stagelight.sites() lists all")
        return self._array(Want(site, layer, pos=pos, **places))

    def _array(self, want: Want) -> np.ndarray:
        """The array of a want whose places lie in the model and the text, wherever they were counted from."""
        spec = self.model.spec
        stack = next((stack for stack in spec.stacks if stack.name == want.stack), spec.stacks[-1])
        lengths = {"layer": stack.layers, "head": spec.n_heads, "pos": len(self.tokens)}
        asked = {name: getattr(want, name) for name in lengths}
        inside = {name: place(name, at, lengths[name], IndexError) for name, at in asked.items() if at is not None}
        want = replace(want, **inside)
        return self.model.store.get(self.question, [want])[want]

    def __iter__(self) -> NoReturn:
        raise TypeError("a run has no elements: run.tokens are its tokens, run[site, layer] an array")

    def panel(
        self, id: str, *, others: Model | Iterable[Model] = (), lang: str | None = None, **choices: Any
    ) -> Answer:
        """What a panel answers about this run.

        id       one of `stagelight.panels()`
        others   open models whose cut of the same text stands beside, for the panel `tokenizers`
        lang     language of its words, a key of `anatomy.language.LANGUAGES`; None for the one that is set
        choices  layer, head, neuron, pos, src (numbers; below 0 from the end), and the panel's own controls by name

        Of the variants that a panel draws beside this model, those that are refused are left out, each with a warning
        that says why; Refused where all are. ValueError for a panel that is not there or does not apply, and for a
        choice that it does not have.
        """
        panel, others = self._opened(id), _models(others)
        if others and not panel.others:
            raise ValueError(f"the panel {id!r} shows no other models: leave others out")
        language = given.language(lang)
        with use_locale(language):
            return Answer(self._answered(panel, self._chosen(panel, language, choices), others), language)

    @property
    def changes(self) -> tuple[str, ...]:
        """What is changed in this run, in the order in which it was asked for, in words of the language that is set."""
        labels = self._plain.labels
        own = self.model.spec.beyond(self.question)
        places = ("" if one.pos is None else labels[one.pos] for one in own)
        return tuple(told(one, self._named(one), place) for one, place in zip(own, places, strict=True))

    def change(
        self,
        site: str,
        op: Op,
        *,
        layer: int | None = None,
        other: int | None = None,
        head: int | None = None,
        kv: int | None = None,
        neuron: int | None = None,
        pos: int | None = None,
        amount: float | None = None,
        seed: int | None = None,
        towards: "str | int | Run | None" = None,
        random: int | None = None,
        source: "str | Run | None" = None,
        texts: "str | Run | Iterable[str | Run]" = (),
    ) -> "Run":
        """This run with one thing changed as the model computes, after the changes that it has: a run like any other.
        `run.change("z", "zero", layer=18, head=6)` is the run in which that head writes nothing,
        `run.change("layer", "swap", layer=3, other=4)` the one in which two layers run in each other's place.

        site     where: a key of `anatomy.interventions.PLACES`, which says what can be done there
        op       what: "zero", "mean", "scale", "add", "noise", "dropout" or "patch" of values; "drop", "swap",
                 "shuffle" or "average" of the architecture's parts, as `anatomy.request.Intervention` has them
        layer    which layer, by its place in the order in which they run; of all that is numbered here, below 0 from
                 the end. Not said for what is no part of one layer ("positions", "mask", "final_norm", "embedding");
                 None for every layer where a norm or a skip connection is dropped, the heads are averaged, or
                 "dropout" is done to "pattern", "act", "attn_out" or "ffn_out"
        other    the layer that is swapped with it
        head     one query head; None for all
        kv       one key/value head, or the query heads that read it; None for all
        neuron   one neuron; None for all
        pos      one position; None for all
        amount   of scale how many times as much, which has to be said; of add and noise 1 where it is not said;
                 of dropout the probability that a number is set to 0, 0.1 where it is not said
        seed     of noise, of dropout, and of the order in which the embedding's rows are shuffled; 0 where it is not
                 said
        towards  what add goes towards: a token, as its id or as a text of which the first token is taken, or the mean
                 of another run
        random   seed of a random direction that add goes along in place of its own, as far: what it is held against
        source   the run, or text, that a patch comes from: each token takes what stands at its partner there, as
                 `beside` pairs them, and stays as it is where it has none. A run may have changes of its own
        texts    runs or texts over which a mean is taken; none for this run's own positions

        Refused, at once and with a sentence that says what to do, for what this model or text does not allow;
        TypeError for what is no number, text or run; ValueError for an amount or a seed that is missing or of no use,
        for a run of another model, and for one token that has no partner in the source.
        """
        spec, parts = self.model.spec, {"head": head, "kv": kv, "neuron": neuron}
        places = {"layer": layer, "other": other, **parts, "pos": pos}
        token, goal = self._towards(towards)
        taken = (source, *([texts] if isinstance(texts, str | Run) else texts), goal)
        made = Intervention(
            site,
            op,
            **at(places, spec, len(self.tokens)),
            amount=amount_of(op, amount),
            seed=seed_of(op, seed),
            token=token,
            random=random,
            sources=tuple(self._source(run) for run in taken if run is not None),
        )
        changed = Run(self.model, self.question.intervened(made))
        allowed.check(changed.question.interventions, spec, len(self.tokens))
        self._has_partner(made)
        _ = changed.tokens  # what the engine refuses, it refuses here
        return changed

    def beside(self, other: "Run") -> "Beside":
        """This run and another one side by side, of any model and text: each panel's difference is what the other one
        has more than this one. TypeError for what is no run."""
        if not isinstance(other, Run):
            raise TypeError(f"a run stands beside another run, not {shown(other)}: run.beside(model('another text'))")
        return Beside(self, other)

    def again(self) -> "Run":
        """The same run with the same changes, computed once more: nothing that this one has found is taken for it, no
        forward pass either."""
        return Run(Model(self.model.store.again()), self.question)

    def _opened(self, id: str) -> Panel:
        """The panel of that name. ValueError where there is none, or it has nothing to show of this model."""
        panel, spec = given.panel_named(id), self.model.spec
        reason = panel.closed(spec)
        if reason is not None:
            raise ValueError(f"the panel {id!r} has nothing to show of {spec.name}: {reason}")
        return panel

    def _chosen(self, panel: Panel, language: str, choices: Mapping[str, Any]) -> Fitted:
        """The view of the panel with these choices made."""
        asked, spec = self.question, self.model.spec
        view = View(panel=panel.id, model=spec.name, text=asked.text, tail=asked.tail, ids=asked.ids, lang=language)
        if changes := spec.beyond(asked):
            view = replace(view, changed=Changed(changes, view))
        return chosen(panel, view, choices, spec, self.tokens)

    def _answered(self, panel: Panel, view: Fitted, others: Iterable[Model] = ()) -> PanelAnswer:
        spec = self.model.spec
        trace = self._filled_in(panel.needs(spec, view), panel.later(spec, view))
        trace = replace(trace, of_others=tuple(model(self.question.text)._plain for model in others))
        return PanelAnswer.of(panel, trace, view)

    def _filled_in(self, needs: Sequence[Want], later: Sequence[Want]) -> Trace:
        """What a panel needs, with what fills its figure in. Variants that are refused are left out, each with a
        warning that says why, as long as there is one that is not."""
        trace = self.model.store.get(self.question, [*needs, *(want for want in later if want.of is None)])
        variants, refused = dict.fromkeys(want.of for want in later if want.of is not None), dict[str, Refused]()
        for of in variants:
            try:
                more = self.model.store.get(self.question, [want for want in later if want.of == of])
            except Refused as refusal:
                refused[of] = refusal
            else:
                trace = trace.plus(more.arrays, more.names)
        if refused and len(refused) == len(variants):
            raise next(iter(refused.values()))
        for of, refusal in refused.items():
            warn(f"{of}: {refusal}", stacklevel=4)  # where the panel was asked for
        return trace

    def _towards(self, goal: "str | int | Run | None") -> "tuple[int | None, Run | None]":
        """(the token that is added towards, the run towards whose mean)."""
        if goal is None or isinstance(goal, Run):
            return None, goal
        if isinstance(goal, str):
            token = next((token.id for token in self.model(goal).tokens if not token.special), None)
            if token is None:
                raise ValueError(
                    f"towards is {shown(goal)}, of which this model reads no token: give a text that has one"
                )
            return token, None
        token = given.whole_number(goal)
        if token is None:
            raise TypeError(f"towards is a token, as text or as its id, or a run, not {shown(goal)}")
        return token, None

    def _source(self, other: "str | Run") -> request.Run:
        """The question of a run that something is taken out of, which can be run."""
        other = self.model(other) if isinstance(other, str) else other
        if not isinstance(other, Run):
            raise TypeError(f"what a change is taken out of is a text or a run, not {shown(other)}")
        if other.question.model != self.question.model:
            said = f"a change is taken out of a run of the same model, {self.question.model}, not of"
            raise ValueError(f"{said} {other.question.model}: give its text, or run it in this model")
        return other._plain.run

    def _has_partner(self, change: Intervention) -> None:
        """ValueError for a patch at one token that has none to take the place of in the source."""
        if change.op != "patch" or change.pos is None:
            return
        own, theirs = (tuple(token.id for token in run.tokens) for run in (self, Run(self.model, change.sources[0])))
        if change.pos not in by_token(own, theirs).in_b:
            label = self.tokens[change.pos].label
            said = f"pos is {change.pos}: the token {label!r} has no partner in the source"
            raise ValueError(f"{said}. Those that have one are the keys of run.beside(source).alignment.in_b")

    def _named(self, change: Intervention) -> str:
        """What the token is called that a change goes towards; "" where it goes towards none."""
        return "" if change.token is None else self.model(ids=[change.token]).tokens[0].label

    @property
    def _plain(self) -> Trace:
        """The run's tokens alone."""
        return self.model.store.get(self.question)


@dataclass(frozen=True, repr=False)
class Beside:
    """Two runs side by side. Nothing is computed before it is asked for.

    a  the first run, to which choices of places refer
    b  the second one
    """

    a: Run
    b: Run

    def __repr__(self) -> str:
        return f"{self.a!r} beside {self.b!r}"

    @cached_property
    def alignment(self) -> Alignment:
        """Which tokens of the two belong together."""
        return aligned(self.a._plain, self.b._plain)

    @cached_property
    def parting(self) -> Parting:
        """How far the two come apart: KL of the predictions and distance of the streams, pair by pair, and the best
        tokens of both after the last pair. Refused where it would not fit in memory."""
        a, b = self.a, self.b
        return a.model.store.parting(a.question, b.model.store, b.question, self.alignment)

    @cached_property
    def controls(self) -> "tuple[Run, ...]":
        """The runs that the second one's changes are held against: the same at other heads, neurons or layers, random
        directions as long, the run patched into itself (`anatomy.baselines`). None where it has no changes."""
        found = baseline(self.b.question, self.b.model.spec)
        return () if found is None else tuple(Run(self.b.model, question) for question in found.runs)

    @cached_property
    def spread(self) -> Spread:
        """What those runs come to beside the first one: from the least to the most of their KL after each pair, and of
        the probabilities of `parting.watched` after the last pair. ValueError where there are none."""
        if not self.controls:
            raise ValueError("the second run has no change that others could be held against: run.change(…) makes one")
        a, b, parting = self.a, self.b, self.parting
        questions = [run.question for run in self.controls]
        tokens = [token.id for token in parting.watched if token.p_b is not None]
        return a.model.store.spread(a.question, b.model.store, questions, self.alignment, parting.at, tokens)

    def panel(self, id: str, *, lang: str | None = None, **choices: Any) -> TwoAnswers:
        """What a panel answers about each of the two, and the difference.

        id       one of `stagelight.panels()`
        lang     as in `Run.panel`
        choices  as in `Run.panel`: pos and src are places in the first run, and of the second one their partners are
                 taken; all others are the same in both, layer and head from the end of each model where below 0

        ValueError as there, and for a chosen token that has no partner in the second run.
        """
        panel, language = self.a._opened(id), given.language(lang)
        self.b._opened(id)
        with use_locale(language):
            first = self._first(panel, language, choices)
            second = self.b._chosen(panel, language, self._of_second(panel, first, choices))
            answers = self.a._answered(panel, first), self.b._answered(panel, second)
            labels = self.a._plain.labels, self.b._plain.labels
            return TwoAnswers(BesideAnswer(*answers, labels, self.alignment, first), language)

    def _first(self, panel: Panel, language: str, choices: Mapping[str, Any]) -> Fitted:
        """The view of the first run. A token that nobody has chosen is one that the second run has, too."""
        view, partners = self.a._chosen(panel, language, choices), self.alignment.in_b
        if "pos" in choices or not partners or view.pos in partners:
            return view
        shared = self.alignment.in_a[self.alignment.near_b(view.pos)]
        return self.a._chosen(panel, language, {**choices, "pos": shared})

    def _of_second(self, panel: Panel, first: Fitted, choices: Mapping[str, Any]) -> dict[str, Any]:
        """The choices of the second run: those of the first one, with the partners of its places. What nobody has
        chosen is the same too: what the first one opens with; its layer and head where the second model has them."""
        a, b = self.a.model.spec, self.b.model.spec
        same: dict[str, Any] = {**opened_with(panel, a, first)}
        same |= {"layer": min(first.layer, b.layers - 1), "head": min(first.head, b.n_heads - 1)}
        places = {"pos": first.pos, "src": first.src}
        partners = {name: self._partner(name, place, choices) for name, place in places.items() if place is not None}
        partners = {name: place for name, place in partners.items() if place is not None}
        return {**same, **choices, **partners}

    def _partner(self, name: str, place: int, choices: Mapping[str, Any]) -> int | None:
        """The place in the second run of a token of the first one. None for one that nobody has chosen and that has no
        partner there; ValueError for one that was chosen."""
        partner = self.alignment.in_b.get(place)
        if partner is None and name in choices:
            label = self.a.tokens[place].label
            said = f"{name} is {choices[name]}: the token {label!r} has no partner in the second run"
            raise ValueError(f"{said}. Those that have one are the keys of alignment.in_b")
        return partner


def _models(others: Any) -> tuple[Model, ...]:
    """Other models, one or several."""
    models = []
    for other in (others,) if isinstance(others, Model | str) else others:
        if not isinstance(other, Model):
            raise TypeError(f"others are open models, not {shown(other)}: others=[stagelight.open('minilm-l6')]")
        models.append(other)
    return tuple(models)
