"""What an engine does not answer, as sentences for the reader: each names the culprit, the value and what to do."""

from collections.abc import Iterable, Mapping

from anatomy.request import Want
from anatomy.sites import SITES, axes_of
from anatomy.spec import ModelSpec
from models.engine import Refused

MAX_CHARACTERS = 20_000
MOST_RANKS = 50  # of a prediction, that a want may name a token by


def unreadable_text(text: str) -> None:
    """Refused before the text is cut into tokens: too long to cut, or not text at all."""
    if len(text) > MAX_CHARACTERS:
        raise Refused(f"The text has {len(text):,} characters and the limit is {MAX_CHARACTERS:,}: shorten it.")
    for place, character in enumerate(text):
        if "\ud800" <= character <= "\udfff":
            raise Refused(
                f"Character {place + 1} of the text is only half of one (U+{ord(character):04X}): "
                "delete it or type it again."
            )


def unfit_length(tokens: int, limit: int) -> None:
    """Refused when there is nothing to run, or more than the limit."""
    if tokens == 0:
        raise Refused("There is no text to run: type at least one character.")
    if tokens > limit:
        raise Refused(
            f"The text has {tokens:,} tokens and the limit is {limit:,}: take out at least {tokens - limit:,}."
        )


def unknown_tail(tail: Iterable[int], spec: ModelSpec) -> None:
    """Refused for a tail with a token that the model does not have."""
    for token in tail:
        if not 0 <= token < spec.vocab:
            raise Refused(f"{spec.name} has tokens 0 to {spec.vocab - 1:,}, not {token}: take it off the tail.")


def unanswerable(wants: Iterable[Want], spec: ModelSpec, tokens: int, missing: Mapping[str, str]) -> None:
    """Refused for a want that this model or this text has no answer to; `missing` says why, by site.

    ValueError or KeyError for one that no model could answer: that is a mistake in the code that asks.
    """
    for want in wants:
        if want.site not in SITES:
            raise ValueError(f"no site is called {want.site!r}: the table is anatomy/sites.py")
        axes_of(want)
        layers = spec.stack(want.stack).layers
        if want.site in missing:
            raise Refused(missing[want.site])
        if want.layer is not None and not 0 <= want.layer < layers:
            raise Refused(f"{spec.name} has layers 0 to {layers - 1}, not {want.layer}.")
        if want.pos is not None and not 0 <= want.pos < tokens:
            raise Refused(f"The text has tokens 0 to {tokens - 1}, not {want.pos}.")
        if SITES[want.site].one_pos and want.pos is None:
            raise Refused(f"{want.site} is given one position at a time: name one with pos.")
        for token in (want.token, want.against):
            if token is not None and not -MOST_RANKS <= token < spec.vocab:
                known = f"{spec.name} has tokens 0 to {spec.vocab - 1:,}, and −1 to −{MOST_RANKS} name its own choices"
                raise Refused(f"{known}: {token} is none of them.")
