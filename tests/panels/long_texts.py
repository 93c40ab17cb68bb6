"""Long texts as panels are given them: the answer, plain transformers' weights, and what a printed program finds."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoModelForTextEncoding

from anatomy.trace import Trace
from anatomy.view import Fitted, View
from panels.attention.attention import PANEL
from panels.common.snippet import FOLDER
from panels.panel import Panel
from tests.models.long import long_engine, save, text_of

TOKENS = 300


@cache
def asked(panel: Panel = PANEL, kind: str = "llama", tokens: int = TOKENS, **choices: object) -> tuple[Trace, Fitted]:
    """The trace and the view of a long text that the panel is given."""
    engine, chosen = long_engine(kind), View(**{"text": text_of(tokens), "layer": 1, "head": 2} | choices)
    run = chosen.run(engine.spec)
    view = chosen.fit(engine.spec, engine.run(run).tokens)
    return engine.run(run, panel.needs(engine.spec, view)), view


@cache
def library(kind: str, tokens: int = TOKENS) -> np.ndarray:
    """[pos src] the weights of layer 1, head 2, as plain transformers gives them."""
    engine = long_engine(kind)
    ids = [token.id for token in engine.run(View(text=text_of(tokens)).run(engine.spec)).tokens]
    auto = AutoModelForTextEncoding if kind == "t5" else AutoModelForCausalLM
    with TemporaryDirectory() as folder:
        save(kind, Path(folder))
        model = auto.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        return model(torch.tensor([ids]), output_attentions=True).attentions[1][0, 2].numpy()


def result(panel: Panel, kind: str, trace: Trace, view: Fitted, folder: Path) -> np.ndarray:
    """`result` of the program that the panel prints, run on the same model."""
    save(kind, folder)
    names: dict = {}
    exec(compile(panel.snippet(trace.spec, view).replace(FOLDER, folder.as_posix()), f"{panel.id}.py", "exec"), names)
    return names["result"].numpy()
