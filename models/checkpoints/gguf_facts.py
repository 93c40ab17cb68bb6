"""A GGUF file's metadata by key, each value held to its kind: anybody can write anything under any key."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from anatomy.language import N_
from anatomy.refused import Sentence
from models.checkpoints.configuration import LARGEST
from models.checkpoints.errors import WeightsError
from models.checkpoints.outside import shown

_SHOWN = 10  # numbers of a list in a sentence, at most


class Facts:
    """Metadata whose values are asked for by kind. WeightsError for one that is absent or of another kind; its sentence
    begins with "it", the file."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields

    def count(self, key: str, default: int | None = None) -> int:
        """A whole number above 0."""
        value = self._stated(key, default)
        if type(value) is not int or not 0 < value <= LARGEST:
            raise odd(key, value, N_("a whole number above 0"))
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A number above 0."""
        value = self._stated(key, default)
        if type(value) not in (int, float) or not 0 < value < float("inf"):
            raise odd(key, value, N_("a number above 0"))
        return float(value)

    def flag(self, key: str) -> bool:
        """Yes or no; no where nothing is said."""
        value = self.fields.get(key, False)
        if type(value) is not bool:
            raise odd(key, value, N_("yes or no"))
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """A text."""
        value = self._stated(key, default)
        if not isinstance(value, str):
            raise odd(key, value, N_("a text"))
        return value

    def texts(self, key: str) -> list[str]:
        """A list of texts."""
        value = self._stated(key, None)
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise odd(key, value, N_("a list of texts"))
        return value

    def numbers(self, key: str, length: int) -> list[int]:
        """A list of so many whole numbers."""
        value = self._stated(key, None)
        if not (isinstance(value, np.ndarray) and value.dtype.kind in "iu" and len(value) == length):
            raise odd(key, value, N_("a list of {length} whole numbers"), length=length)
        return value.tolist()

    def row(self, key: str, rows: int) -> int | None:
        """A row of the vocabulary, which has `rows`; None where nothing is said."""
        value = self.fields.get(key)
        if value is not None and (type(value) is not int or not 0 <= value < rows):
            raise odd(key, value, N_("a row of the vocabulary (0 to {last})"), last=rows - 1)
        return value

    def _stated(self, key: str, default: object) -> Any:
        value = self.fields.get(key, default)
        if value is None:
            template = N_(
                "it does not state {key}, without which it is no whole language model (an adapter, a vision part or a "
                "vocabulary alone look like this). Give the GGUF of the model itself."
            )
            raise WeightsError(template, key=key)
        return value


def odd(key: str, value: object, wanted: str, **values: object) -> WeightsError:
    """The refusal of a value; `wanted` is what belongs there, a template filled with `values`."""
    template = N_(
        "it states {key} = {value}, where {wanted} belongs: it is damaged, or of a kind that Stagelight does not "
        "convert. Fetch it again, or use the model's safetensors instead."
    )
    return WeightsError(template, key=key, value=stated(value), wanted=Sentence(wanted, **values))


def stated(value: object) -> str:
    """A value of the metadata for a sentence: a text in quotes, a list of numbers as one."""
    return shown(value[:_SHOWN].tolist() if isinstance(value, np.ndarray) else value, quoted=True)
