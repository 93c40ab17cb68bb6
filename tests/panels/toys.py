"""Answers and printed programs of panels on the toy tokenizer, for what one token per byte cannot show."""

from pathlib import Path

from anatomy.trace import Trace
from anatomy.view import Fitted, View
from panels.common.snippet import FOLDER
from panels.panel import Panel
from tests.models.toy import save, toy_engine


def answer(panel: Panel, **choices) -> tuple[Trace, Fitted]:
    """The trace and the fitted view that the panel is given."""
    engine, chosen = toy_engine(), View(**choices)
    run = chosen.run(engine.spec)
    view = chosen.fit(engine.spec, engine.run(run).tokens)
    return engine.run(run, panel.needs(engine.spec, view)), view


def result(panel: Panel, trace: Trace, view: Fitted, folder: Path) -> object:
    """`result` of the program that the panel prints, with the toy tokenizer in the folder."""
    save(folder)
    names: dict[str, object] = {}
    exec(compile(panel.snippet(trace.spec, view).replace(FOLDER, folder.as_posix()), f"{panel.id}.py", "exec"), names)
    return names["result"]
