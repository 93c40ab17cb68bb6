"""Stagelight from Python: open a model, ask a text, take its arrays, and a panel's figure, numbers and sentences.

    import stagelight

    text = stagelight.open("smollm2-135m")("Paris is the capital of France. Berlin is the capital of")
    text["pattern", 17]                               # numpy, [head pos src]
    answer = text.panel("attention", layer=17, head=5)
    answer.figure, answer.table, answer.caption, answer.formula, answer.python, answer.description

An answer at the end of a notebook's cell shows itself, with the network unplugged. `python -m stagelight`, or the
command `stagelight` after `pip install -e .`, starts the page and fetches models.
"""

from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cached_property
from os import PathLike, chdir, execv, fspath
from os import name as _system
from pathlib import Path
from subprocess import call
from sys import argv, executable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

import panels as _panels
from anatomy import glossary
from anatomy.language import LANGUAGES, _, get_locale, use_locale
from anatomy.request import Run, Want
from anatomy.sites import SITES
from anatomy.spec import ModelSpec
from anatomy.trace import Token, Trace
from anatomy.view import Fitted, View
from models.checkpoints.terminal import TerminalBar
from models.connect import connect
from models.serving.store import Store, share
from panels.answer import PanelAnswer
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
__all__ = ["Answer", "Description", "Model", "Text", "Unlike", "Want", "panels", "script", "sites"]
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
    """Every array that a text can be asked for: its name, and what it is, with its axes and unit."""
    return {
        name: f"{_(site.says)} [{' '.join(site.axes)}], {glossary.unit(site.unit).shown}"
        for name, site in SITES.items()
    }


@dataclass(frozen=True, repr=False)
class Model:
    """An open model. Call it with a text. Arrays that it has computed are kept while they fit in a tenth of the memory.

    store  answers what is asked of the model
    """

    store: Store

    def __repr__(self) -> str:
        return f"<{self.spec.weights.title or self.spec.name}: {self.spec.layers} layers × {self.spec.n_heads} heads>"

    @property
    def spec(self) -> ModelSpec:
        """The facts of its architecture: layers, heads, widths, norms, positions, and where its weights come from."""
        return self.store.specs()[0]

    def __call__(self, text: str) -> "Text":
        """The model on a text. TypeError for anything else."""
        if not isinstance(text, str):
            raise TypeError(f"a model is called with a text, not {shown(text)}")
        return Text(self, Run(self.spec.id, text))

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a model cannot be pickled or copied: open it again; arrays, descriptions and tables can be")

    def panels(self) -> dict[str, str]:
        """The panels that show something of this model: id and question."""
        return {panel.id: _(panel.title) for panel in _panels.load().values() if panel.closed(self.spec) is None}


@dataclass(frozen=True, repr=False)
class Text:
    """A model's run on a text. Nothing is computed before it is asked for.

    model  the open model
    run    the question: model, text, and what follows it
    """

    model: Model
    run: Run

    def __repr__(self) -> str:
        return f"<{shown(self.run.text)} in {self.model!r}>"

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """The text's tokens, in order."""
        return self.model.store.get(self.run).tokens

    def __getitem__(self, want: str | Want | tuple[Any, ...]) -> np.ndarray:
        """An array of the forward pass, read-only: `text["pattern", 17]`, `text["logits", None, 3]` (site, layer,
        position; below 0 from the end), or a `Want` for those that take a head, a token or a window.

        KeyError for a name that is no site, IndexError for a place that model or text do not have, Refused for an array
        that this model does not have, TypeError for anything else.
        """
        if isinstance(want, Want):
            return self._array(want)
        words: tuple[Any, ...] = want if isinstance(want, tuple) else (want,)
        if not 1 <= len(words) <= 3 or not isinstance(words[0], str):
            raise TypeError(f"an array is asked for as text[site, layer, position], not {shown(want)}")
        return self.array(*words)

    def array(self, site: str, layer: int | None = None, pos: int | None = None, **places: Any) -> np.ndarray:
        """The same by name: `text.array("pattern_max", layer=17, head=5)`. places: the other fields of `Want`."""
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
        return self.model.store.get(self.run, [want])[want]

    def __iter__(self) -> NoReturn:
        raise TypeError("a text has no elements: text.tokens are its tokens, text[site, layer] an array")

    def panel(
        self, id: str, *, others: Model | Iterable[Model] = (), lang: str | None = None, **choices: Any
    ) -> "Answer":
        """What a panel answers about this text.

        id       one of `stagelight.panels()`
        others   open models whose cut of the same text stands beside, for the panel `tokenizers`
        lang     language of its words, a key of `anatomy.language.LANGUAGES`; None for the one that is set
        choices  layer, head, pos, src (numbers; below 0 from the end), and the panel's own controls by name

        ValueError for a panel that is not there or does not apply, and for a choice that it does not have.
        """
        panel, spec, others = _panel(id), self.model.spec, _models(others)
        reason = panel.closed(spec)
        if reason is not None:
            raise ValueError(f"the panel {id!r} has nothing to show of {spec.name}: {reason}")
        if others and not panel.others:
            raise ValueError(f"the panel {id!r} shows no other models: leave others out")
        language = get_locale() if lang is None else _language(lang)
        view = View(panel=id, model=spec.name, text=self.run.text, tail=self.run.tail, lang=language)
        view = chosen(panel, view, choices, spec, self.tokens)
        trace = self.model.store.get(self.run, [*panel.needs(spec, view), *panel.later(spec, view)])
        trace = replace(trace, of_others=tuple(model(self.run.text)._plain for model in others))
        with use_locale(language):
            return Answer(PanelAnswer.of(panel, trace, view), language)

    @property
    def _plain(self) -> Trace:
        return self.model.store.get(self.run)


@dataclass(frozen=True, repr=False, eq=False)
class Answer:
    """A panel's answer about one text. Each part is made when it is first asked for.

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
        import pandas as pd  # 0.3 s that a figure does not wait for

        with use_locale(self.language):
            table = self.of.table
        return pd.DataFrame([list(row) for row in table.rows], columns=pd.Index(table.columns))

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
        path = Path(path)
        with use_locale(self.language):
            match path.suffix.lower():
                case ".html":
                    written = export.to_html(self.description, self.title, self.caption, dark)
                case ".json":
                    written = export.to_json(self.description, dark)
                case ".csv":
                    written = export.to_csv(self.of.table)
                case ending:
                    raise ValueError(f"{path} ends in {ending!r}: give .html, .json or .csv")
        path.write_text(written, "utf-8", newline="")
        return path

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("an answer cannot be pickled or copied: its description, its table and its words can be")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """The figure with question and caption as a notebook draws it: plotly's own type, which Jupyter Lab and VS Code
        draw by themselves, and HTML for pages made of the notebook. Plotly's script comes once per notebook."""
        notebook.show_script_once()
        with use_locale(self.language):
            return export.to_notebook(self.description, self.title, self.caption)


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


def _language(lang: str) -> str:
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
