"""A third language, in some dozens of messages: what a language must be able to have that English and Chinese do not.

Polish has three forms for numbers, cases, a decimal comma and other quotes. It stands beside the page's languages only
inside `spoken`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anatomy import language
from anatomy.language import use_locale

FOLDER = Path(__file__).parent


@contextmanager
def spoken() -> Iterator[None]:
    """Polish inside a `with`, with nothing but the messages of this folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(language.LANGUAGES, "pl", "polski")
        patch.setattr(language, "CATALOGUES", FOLDER)
        language._catalogue.cache_clear()
        try:
            with use_locale("pl"):
                yield
        finally:
            language._catalogue.cache_clear()
