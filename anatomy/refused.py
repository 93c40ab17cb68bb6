"""Refused: a question that an engine does not answer, as a sentence in the reader's language."""

from anatomy.language import _


class Sentence:
    """Words written down long before they are read: `Sentence(N_("…{limit}…"), limit=8)`, in English with named places.

    `str` says them in the language that is spoken then. A value may be a sentence itself. Those with the same words and
    values are equal.
    """

    def __init__(self, message: str, **values: object) -> None:
        self.message, self.values = message, values

    def __str__(self) -> str:
        return _(self.message, **self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sentence) and (self.message, self.values) == (other.message, other.values)

    def __hash__(self) -> int:
        return hash(self.message)


class Refused(Exception):
    """A question that the engine does not answer. Its message is a sentence for the reader, with what to do.

    It is written in English with named places, `Refused(N_("…{limit}…"), limit=8)`, and read in the reader's language.
    """

    def __init__(self, message: str | Sentence, **values: object) -> None:
        if isinstance(message, Sentence):
            message, values = message.message, message.values
        super().__init__(message, values)
        self.message, self.values = message, values

    def __str__(self) -> str:
        return _(self.message, **self.values)

    def __reduce__(self) -> tuple:
        return _again, (type(self), self.message, self.values)


def _again(kind: type[Refused], message: str, values: dict[str, object]) -> Refused:
    """A refusal as it was pickled."""
    return kind(message, **values)


class Settled(Refused):
    """Refused for something that stays as it is for as long as the program runs: asked again, it is refused again."""


class TooLong(Refused):
    """Refused for the length of the text alone: a part of it will do. longest: tokens that it may have, at most."""

    def __init__(self, message: str | Sentence, longest: int, /, **values: object) -> None:
        super().__init__(message, **values)
        self.longest = longest

    def __reduce__(self) -> tuple:
        return _too_long, (self.message, self.longest, self.values)


def _too_long(message: str, longest: int, values: dict[str, object]) -> TooLong:
    """The same of one for length."""
    return TooLong(message, longest, **values)
