"""The box for the reader's text: grows with it, Enter runs it."""

from anatomy.language import _, get_locale
from ui.components import Chosen, callback, register

_MOUNT = register(
    "textbox",
    """<div class="box"><b class="side" aria-hidden="true"></b>
<textarea rows="1" spellcheck="false" autocomplete="off"></textarea>
<button type="button"></button></div>
<p class="note" aria-live="polite"></p>""",
)


def show(text: str, limit: int, chosen: Chosen, side: str = "", focus: bool = False) -> None:
    """The box, holding the text as it was typed.

    limit   most characters it sends
    chosen  called with a new text
    side    the letter of the run that it is the text of, where two stand beside each other
    focus   it takes the keyboard when it comes up
    """
    words = {
        "lang": get_locale(),
        "label": _("Your text") if side in ("", "A") else _("The text of run {side}", side=side),
        "side": side,
        "run": _("Run"),
        "over": _(
            "This text has {count} characters. The page takes up to {limit}: shorten it. Until then only this box has "
            "it: reloading the page loses it."
        ),
        "keys": _("Enter runs it · Shift + Enter starts a new line"),
    }
    data = {"text": text, "limit": limit, "words": words, "focus": focus}
    key = "textbox" if side in ("", "A") else f"textbox-{side.lower()}"
    _MOUNT(key=key, data=data, on_text_change=callback(key, "text", lambda typed: chosen(str(typed))))
