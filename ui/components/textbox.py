"""The box for the reader's text: grows with it, Enter runs it."""

from ui.components import Chosen, register, told

_MOUNT = register(
    "textbox",
    """<div class="box"><textarea rows="1" spellcheck="false" autocomplete="off"></textarea>
<button type="button">Run</button></div>
<p class="note" aria-live="polite"></p>""",
)


def show(text: str, limit: int, chosen: Chosen) -> None:
    """The box, holding the text as it was typed. limit: most characters it sends. chosen: called with a new text."""
    data = {"text": text, "limit": limit, "label": "Your text"}
    _MOUNT(key="textbox", data=data, on_text_change=told("textbox", "text", lambda typed: chosen(str(typed))))
