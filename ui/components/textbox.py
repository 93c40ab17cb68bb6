"""The box for the reader's text: grows with it, Enter runs it."""

from anatomy.language import _, get_locale
from ui.components import Chosen, callback, register

_MOUNT = register(
    "textbox",
    """<div class="box"><textarea rows="1" spellcheck="false" autocomplete="off"></textarea>
<button type="button"></button></div>
<p class="note" aria-live="polite"></p>""",
)


def show(text: str, limit: int, chosen: Chosen) -> None:
    """The box, holding the text as it was typed. limit: most characters it sends. chosen: called with a new text."""
    words = {
        "lang": get_locale(),
        "label": _("Your text"),
        "run": _("Run"),
        "over": _(
            "This text has {count} characters. The page takes up to {limit}: shorten it. Until then only this box has "
            "it: reloading the page loses it."
        ),
        "keys": _("Enter runs it · Shift + Enter starts a new line"),
    }
    data = {"text": text, "limit": limit, "words": words}
    _MOUNT(key="textbox", data=data, on_text_change=callback("textbox", "text", lambda typed: chosen(str(typed))))
