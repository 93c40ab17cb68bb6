"""The line under the title: what the model is, and how much of its checkpoint is opened."""

from dataclasses import replace

from tests.anatomy.spec import SPEC
from tests.models.tiny import tiny_engine
from ui.top import described


def test_what_is_left_out_of_a_checkpoint_is_said_at_the_end() -> None:
    spec = replace(tiny_engine("t5").spec, opened="The encoder alone is <opened>.")
    assert "T5 architecture" in described(spec)
    assert described(spec).endswith("The encoder alone is &lt;opened&gt;.")


def test_nothing_is_said_of_a_checkpoint_that_is_opened_whole() -> None:
    assert "encoder" not in described(SPEC)
    assert not described(SPEC).endswith(" · ")


def test_what_the_model_is_stands_on_the_page_once(open_page) -> None:
    shown = " ".join(html.proto.body for html in open_page(panel="attention").get("html"))
    assert shown.count("Llama architecture") == 1
    assert '<details class="model"><summary>' in shown
