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

from os import PathLike, fspath
from pathlib import Path

import panels as _panels
from anatomy import glossary
from anatomy.language import _
from anatomy.request import Want
from anatomy.sites import SITES
from models.checkpoints.terminal import TerminalBar
from models.connect import connect
from models.serving.store import Store, share
from panels.choices import shown
from stagelight.answers import Answer, TwoAnswers
from stagelight.command import main as main
from stagelight.runs import Beside, Model, Run
from stagelight.version import __version__ as __version__
from viz import notebook
from viz.description import Description
from viz.partners import Unlike

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

script = notebook.script

Text = Run
"""The first name of `Run`, which stays."""


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
