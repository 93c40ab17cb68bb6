"""Stagelight from Python: open a model, run it on a text, take its arrays, and a panel's figure, numbers and sentences;
of two runs side by side, too.

    import stagelight

    model = stagelight.open("smollm2-135m")
    run = model("Paris is the capital of France. Berlin is the capital of")
    run["pattern", 17]                                # numpy, [head pos src]
    answer = run.panel("attention", layer=17, head=5)
    answer.figure, answer.table, answer.caption, answer.formula, answer.python, answer.description

    other = model("Rome is the capital of Italy. Berlin is the capital of")
    run.beside(other).panel("attention", layer=17, head=5).figure   # the other one less this one

An answer at the end of a notebook's cell shows itself, with the network unplugged. `python -m stagelight`, or the
command `stagelight` after `pip install -e .`, starts the page and fetches models.
"""

from argparse import ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cached_property
from operator import index
from os import PathLike, chdir, execv, fspath
from os import name as _system
from pathlib import Path
from subprocess import call
from sys import argv, executable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

import panels as _panels
from anatomy import glossary, request
from anatomy.alignment import Alignment, aligned
from anatomy.language import LANGUAGES, _, get_locale, use_locale
from anatomy.parting import Parting
from anatomy.request import Want
from anatomy.sites import SITES
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace
from anatomy.view import Fitted, View
from models.checkpoints.terminal import TerminalBar
from models.connect import connect
from models.serving.store import Store, share
from panels.answer import PanelAnswer
from panels.beside import BesideAnswer, opened_with
from panels.choices import chosen, place, shown
from panels.panel import Panel
from viz import export, notebook
from viz.description import Description
from viz.heads import Heads
from viz.partners import Unlike

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

# `open` is left out: a star import would hide Python's own.
__all__ = [
    "Answer",
    "Beside",
    "Description",
    "Model",
    "Run",
    "Text",
    "TwoAnswers",
    "Unlike",
    "Want",
    "panels",
    "script",
    "sites",
]
__version__ = "0.1.0"

ROOT = Path(__file__).parent
script = notebook.script


def open(address: str | PathLike[str] = "smollm2-135m") -> "Model":
    """A model by its name in the catalog, a folder, a GGUF file, or owner/name on the hub; or a recorded run,
    "recorded:FILE". What is not on this machine yet is fetched first; a bar tells how far it is.

    anatomy.refused.Refused, with a sentence that says what to do, where it cannot be had.
    """
    if not isinstance(address, str | PathLike):
        raise TypeError(f"a model's address is text or a path, not {shown(address)}: stagelight.open('smollm2-135m')")
    name = fspath(address) if isinstance(address, str) else str(Path(address).absolute())
    with TerminalBar() as bar:
        engine = connect(name if name.startswith(("local:", "recorded:")) else f"local:{name}", bar)
    return Model(Store(engine, share(1)))


def panels() -> dict[str, str]:
    """Every panel: its id, and the question that it answers."""
    return {panel.id: _(panel.title) for panel in _panels.load().values()}


def sites() -> dict[str, str]:
    """Every array that a run can be asked for: its name, and what it is, with its axes and unit."""
    return {
        name: f"{_(site.says)} [{' '.join(site.axes)}], {glossary.unit(site.unit).shown}"
        for name, site in SITES.items()
    }


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
            return Run(self, request.Run(self.spec.id, text))
        if text is not None:
            raise TypeError("a model is called with a text or with ids, not with both: leave one of them out")
        return Run(self, self.store.on_ids(_ids(ids)))

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
        given = f"ids {shown(list(self.question.ids))}" if self.question.ids else shown(self.question.text)
        return f"<{given} in {self.model!r}>"

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
            raise KeyError(f"there is no array {site!r}{_near(site, SITES)}: stagelight.sites() lists all")
        return self._array(Want(site, layer, pos=pos, **places))

    def _array(self, want: Want) -> np.ndarray:
        """The array of a want whose places lie in the model and the text, wherever they were counted from."""
        spec = self.model.spec
        stack = next((stack for stack in spec.stacks if stack.name == want.stack), spec.stacks[-1])
        lengths = {"layer": stack.layers, "head": spec.n_heads, "pos": len(self.tokens)}
        given = {name: getattr(want, name) for name in lengths}
        inside = {name: place(name, at, lengths[name], IndexError) for name, at in given.items() if at is not None}
        want = replace(want, **inside)
        return self.model.store.get(self.question, [want])[want]

    def __iter__(self) -> NoReturn:
        raise TypeError("a run has no elements: run.tokens are its tokens, run[site, layer] an array")

    def panel(
        self, id: str, *, others: Model | Iterable[Model] = (), lang: str | None = None, **choices: Any
    ) -> "Answer":
        """What a panel answers about this run.

        id       one of `stagelight.panels()`
        others   open models whose cut of the same text stands beside, for the panel `tokenizers`
        lang     language of its words, a key of `anatomy.language.LANGUAGES`; None for the one that is set
        choices  layer, head, pos, src (numbers; below 0 from the end), and the panel's own controls by name

        ValueError for a panel that is not there or does not apply, and for a choice that it does not have.
        """
        panel, others = self._opened(id), _models(others)
        if others and not panel.others:
            raise ValueError(f"the panel {id!r} shows no other models: leave others out")
        language = _language(lang)
        with use_locale(language):
            return Answer(self._answered(panel, self._chosen(panel, language, choices), others), language)

    def beside(self, other: "Run") -> "Beside":
        """This run and another one side by side, of any model and text: each panel's difference is what the other one
        has more than this one. TypeError for what is no run."""
        if not isinstance(other, Run):
            raise TypeError(f"a run stands beside another run, not {shown(other)}: run.beside(model('another text'))")
        return Beside(self, other)

    def again(self) -> "Run":
        """The same run, computed once more: nothing that this one has found is taken for it, no forward pass either."""
        return Run(Model(self.model.store.again()), self.question)

    def _opened(self, id: str) -> Panel:
        """The panel of that name. ValueError where there is none, or it has nothing to show of this model."""
        panel, spec = _panel(id), self.model.spec
        reason = panel.closed(spec)
        if reason is not None:
            raise ValueError(f"the panel {id!r} has nothing to show of {spec.name}: {reason}")
        return panel

    def _chosen(self, panel: Panel, language: str, choices: Mapping[str, Any]) -> Fitted:
        """The view of the panel with these choices made."""
        asked, spec = self.question, self.model.spec
        view = View(panel=panel.id, model=spec.name, text=asked.text, tail=asked.tail, ids=asked.ids, lang=language)
        return chosen(panel, view, choices, spec, self.tokens)

    def _answered(self, panel: Panel, view: Fitted, others: Iterable[Model] = ()) -> PanelAnswer:
        spec = self.model.spec
        trace = self.model.store.get(self.question, [*panel.needs(spec, view), *panel.later(spec, view)])
        trace = replace(trace, of_others=tuple(model(self.question.text)._plain for model in others))
        return PanelAnswer.of(panel, trace, view)

    @property
    def _plain(self) -> Trace:
        """The run's tokens alone."""
        return self.model.store.get(self.question)


Text = Run
"""The first name of `Run`, which stays."""


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

    def panel(self, id: str, *, lang: str | None = None, **choices: Any) -> "TwoAnswers":
        """What a panel answers about each of the two, and the difference.

        id       one of `stagelight.panels()`
        lang     as in `Run.panel`
        choices  as in `Run.panel`: pos and src are places in the first run, and of the second one their partners are
                 taken; all others are the same in both, layer and head from the end of each model where below 0

        ValueError as there, and for a chosen token that has no partner in the second run.
        """
        panel, language = self.a._opened(id), _language(lang)
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


@dataclass(frozen=True, repr=False, eq=False)
class Answer:
    """A panel's answer about one run. Each part is made when it is first asked for.

    of        the panel, the model's facts, the choices made, and what was read of the run
    language  of its words
    """

    of: PanelAnswer
    language: str = "en"

    def __repr__(self) -> str:
        return f"{self.title}\n{self.caption}"

    @property
    def view(self) -> Fitted:
        """What was chosen, by you or by the panel: layer, head, position, its own controls."""
        return self.of.view

    @cached_property
    def title(self) -> str:
        """The panel's question."""
        with use_locale(self.language):
            return _(self.of.panel.title)

    @cached_property
    def description(self) -> Description | Heads:
        """The figure as plain values, of which `minus` gives the difference from another of its kind. BertViz's panel
        has a page of its own instead (`viz.heads.Heads`), without a table or a difference."""
        with use_locale(self.language):
            return self.of.description

    @property
    def figure(self) -> "go.Figure":
        """A plotly figure on a light ground; `answer.description.plotly(dark=True)` is the dark one.

        TypeError for BertViz's panel, which plotly cannot draw: save it as a page.
        """
        if isinstance(self.description, Heads):
            raise TypeError("BertViz's view is a page, not a plotly figure: write it with answer.save('page.html')")
        with use_locale(self.language):
            return self.description.plotly()

    @cached_property
    def caption(self) -> str:
        """One or two sentences computed from the numbers."""
        with use_locale(self.language):
            return self.of.caption

    @property
    def table(self) -> "pd.DataFrame":
        """The numbers behind the figure and its sentences; those of every cell or point are `description.table()`."""
        with use_locale(self.language):
            return _frame(self.of.table)

    @cached_property
    def formula(self) -> str:
        """Lines of plain text with the numbers put in."""
        with use_locale(self.language):
            return self.of.formula

    @property
    def python(self) -> str:
        """A program that computes the figure's numbers with plain transformers."""
        return self.of.python

    def save(self, path: str | Path, *, dark: bool = False) -> Path:
        """Write it to a file that needs nothing but itself, by its ending: .html (a page with figure and caption),
        .json (the figure) or .csv (the table). The path is given back; ValueError for another ending."""
        with use_locale(self.language):
            return _saved(Path(path), self, self.of.table, dark)

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("an answer cannot be pickled or copied: its description, its table and its words can be")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """The figure with question and caption as a notebook draws it: plotly's own type, which Jupyter Lab and VS Code
        draw by themselves, and HTML for pages made of the notebook. Plotly's script comes once per notebook."""
        notebook.show_script_once()
        with use_locale(self.language):
            return export.to_notebook(self.description, self.title, self.caption)


@dataclass(frozen=True, repr=False, eq=False)
class TwoAnswers:
    """A panel's answers about two runs, and what the second has more than the first: B − A. Each part is made when it
    is first asked for.

    of        both answers, with the tokens that belong together
    language  of its words
    """

    of: BesideAnswer
    language: str = "en"

    def __repr__(self) -> str:
        return f"{self.title}\n{self.caption}"

    @property
    def a(self) -> Answer:
        """The answer about the first run."""
        return Answer(self.of.a, self.language)

    @property
    def b(self) -> Answer:
        """The answer about the second run."""
        return Answer(self.of.b, self.language)

    @property
    def title(self) -> str:
        """The panel's question."""
        return self.a.title

    @property
    def unlike(self) -> Unlike | None:
        """Why the two figures have no difference; None where they have one."""
        with use_locale(self.language):
            return self.of.difference if isinstance(self.of.difference, Unlike) else None

    @property
    def description(self) -> Description:
        """The difference as plain values: positive where the second run has more. Unlike where there is none."""
        with use_locale(self.language):
            if isinstance(self.of.difference, Unlike):
                raise self.of.difference
            return self.of.difference

    @property
    def figure(self) -> "go.Figure":
        """A plotly figure of the difference on a light ground; `description.plotly(dark=True)` is the dark one. Unlike
        where there is none."""
        with use_locale(self.language):
            return self.description.plotly()

    @property
    def caption(self) -> str:
        """What the difference is, in words; where there is none, why."""
        with use_locale(self.language):
            return self.of.caption

    @property
    def table(self) -> "pd.DataFrame":
        """Every number of the difference, with what it belongs to. Unlike where there is none."""
        with use_locale(self.language):
            return _frame(self.description.table())

    def save(self, path: str | Path, *, dark: bool = False) -> Path:
        """Write the difference to a file, as `Answer.save` does. Unlike where there is none."""
        with use_locale(self.language):
            return _saved(Path(path), self, self.description.table(), dark)

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("answers cannot be pickled or copied: their descriptions, tables and words can be")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """The difference as a notebook draws it, with the panel's question; where there is none, the sentence why."""
        if self.unlike is not None:
            return {"text/plain": repr(self)}
        notebook.show_script_once()
        with use_locale(self.language):
            return export.to_notebook(self.description, self.title, self.caption)


def _frame(table: export.Columns) -> "pd.DataFrame":
    import pandas as pd  # 0.3 s that a figure does not wait for

    return pd.DataFrame([list(row) for row in table.rows], columns=pd.Index(table.columns))


def _saved(path: Path, answer: Answer | TwoAnswers, table: export.Columns, dark: bool) -> Path:
    """An answer in a file of the kind that its ending says, in the language that is set."""
    match path.suffix.lower():
        case ".html":
            written = export.to_html(answer.description, answer.title, answer.caption, dark)
        case ".json":
            written = export.to_json(answer.description, dark)
        case ".csv":
            written = export.to_csv(table)
        case ending:
            raise ValueError(f"{path} ends in {ending!r}: give .html, .json or .csv")
    path.write_text(written, "utf-8", newline="")
    return path


def _ids(ids: Iterable[int]) -> tuple[int, ...]:
    """Token ids as a program gives them: numbers of Python, numpy or PyTorch, in one row."""
    wrong = "ids are whole numbers, one for each token and without a batch axis"
    if not isinstance(ids, Iterable):
        raise TypeError(f"{wrong}, not {shown(ids)}")
    found = []
    for number, one in enumerate(ids):
        try:
            if isinstance(one, bool | np.bool_):
                raise TypeError
            found.append(index(one))
        except TypeError:
            raise TypeError(f"{wrong}: the one at place {number} is {shown(one)}") from None
    return tuple(found)


def _models(others: Any) -> tuple[Model, ...]:
    """Other models, one or several."""
    models = []
    for other in (others,) if isinstance(others, Model | str) else others:
        if not isinstance(other, Model):
            raise TypeError(f"others are open models, not {shown(other)}: others=[stagelight.open('minilm-l6')]")
        models.append(other)
    return tuple(models)


def _panel(id: str) -> Panel:
    known = _panels.load()
    if id not in known:
        raise ValueError(f"there is no panel {id!r}{_near(id, known)}: stagelight.panels() lists all")
    return known[id]


def _near(name: object, known: Iterable[str]) -> str:
    """Words that name what was probably meant; "" where nothing is near."""
    near = get_close_matches(str(name), list(known), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _language(lang: str | None) -> str:
    """A language by its key; None for the one that is set."""
    if lang is None:
        return get_locale()
    if lang not in LANGUAGES:
        raise ValueError(f"there is no language {lang!r}: give one of {', '.join(LANGUAGES)}")
    return lang


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: `stagelight run` and `stagelight models`. The exit code."""
    given = list(argv[1:] if arguments is None else arguments)
    if given[:1] == ["models"]:
        from models.__main__ import main as models

        return models(given[1:] or ["list"], "stagelight models")
    parser = ArgumentParser(prog="stagelight", description="See a transformer work, stage by stage, on your own text.")
    parser.add_argument("--version", action="version", version=f"stagelight {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser(
        "run",
        help="start the page",
        description="Start the page.",
        epilog="Whatever else is given is handed to `streamlit run`: stagelight run --server.port 8600",
    )
    run.add_argument("--model", action="append", default=[], metavar="ADDRESS", help="a model; may be repeated")
    commands.add_parser("models", help="the checkpoints that the catalog has; `models fetch NAME` fetches one")
    asked, rest = parser.parse_known_args(given)
    return _serve(asked.model, rest)


def _serve(models: Sequence[str], options: Sequence[str]) -> int:
    """Streamlit's server on the page of this checkout, in place of this process where the system can. options: for
    `streamlit run`; paths among the models' addresses are those of the folder that it is started from."""
    after = [word for model in models for word in ("--model", _absolute(model))]
    command = [executable, "-m", "streamlit", "run", "app.py", *options, *(["--", *after] if after else [])]
    chdir(ROOT)
    if _system == "posix":
        execv(executable, command)
    try:
        return call(command)
    except KeyboardInterrupt:
        return 130


def _absolute(address: str) -> str:
    """An address whose path holds from any folder: what begins with a dot, and files of recordings."""
    kind, rest = address.partition(":")[::2]
    if kind == "recorded" and rest:
        return f"recorded:{Path(rest).absolute()}"
    return str(Path(address).absolute()) if address.startswith((".", "~")) else address


if __name__ == "__main__":
    raise SystemExit(main())
