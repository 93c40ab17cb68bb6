"""Two runs beside each other, on every panel: computed twice they differ by exactly 0; any other two have a difference,
or a sentence that says why they have none."""

from anatomy.alignment import aligned
from anatomy.request import Run
from anatomy.trace import Trace
from anatomy.view import View
from models.local.engine import LocalEngine
from panels import load
from panels.answer import PanelAnswer
from panels.beside import BesideAnswer
from panels.panel import Panel
from tests.models.tiny import ByteTokenizer, tiny_config, tiny_engine, tiny_model

TEXT = "the cat, the café sat"
OTHERS = {"same length": "the dog, the café ran", "longer": "the big cat, the café sat on", "one token": "t"}
KINDS = ("llama", "gpt2", "bert", "t5")
PANELS = list(load().values())


def other_weights(kind: str) -> LocalEngine:
    return LocalEngine(tiny_model(kind, seed=1), ByteTokenizer(), name=f"tiny-{kind}-1")


def answer(panel: Panel, engine: LocalEngine, text: str, **choices: int) -> tuple[PanelAnswer, Trace]:
    """A panel's answer, and the trace of the whole text with no more than its tokens."""
    view = View(text=text, layer=1, head=1, **choices)
    run = view.run(engine.spec)
    cut = engine.run(run)
    fitted = view.fit(engine.spec, cut.tokens)
    return PanelAnswer.of(
        panel, engine.run(run, (*panel.needs(engine.spec, fitted), *panel.later(engine.spec, fitted))), fitted
    ), cut


def beside(panel: Panel, a: LocalEngine, b: LocalEngine, text: str) -> BesideAnswer:
    """The panel on the text of run A, and on another of run B with what stands in the place of A's choices chosen."""
    one, cut = answer(panel, a, TEXT)
    tokens = b.run(Run(b.spec.id, text))
    pairs = aligned(cut, tokens)
    two, _cut = answer(panel, b, text, pos=pairs.near_b(one.view.pos))
    return BesideAnswer(one, two, (cut.labels, tokens.labels), pairs)


def larger() -> LocalEngine:
    """A Llama with another number of layers, heads, dimensions and neurons."""
    config = tiny_config("llama")
    config.update(
        {
            "num_hidden_layers": 4,
            "hidden_size": 48,
            "num_attention_heads": 6,
            "num_key_value_heads": 3,
            "head_dim": 10,
            "intermediate_size": 72,
        }
    )
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    randomize(model)
    return LocalEngine(model, ByteTokenizer(), name="tiny-larger")


def open_panels(kind: str) -> list[Panel]:
    return [panel for panel in PANELS if not panel.closed(tiny_engine(kind).spec)]
