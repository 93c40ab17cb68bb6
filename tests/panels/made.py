"""Traces made of given arrays, for captions that have to be true of known numbers."""

from collections.abc import Mapping

import numpy as np

from anatomy.request import Run, Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from tests.anatomy.spec import SPEC
from tests.panels.handmade import tokens


def made(
    words: str, arrays: Mapping[Want, object], model: ModelSpec = SPEC, names: Mapping[int, str] | None = None
) -> Trace:
    """A trace of these words, one token each (equal words with equal ids), and arrays; ids stay whole numbers."""
    given = {want: np.asarray(array) for want, array in arrays.items()}
    kept = {want: array if "ids" in want.site else array.astype("f4") for want, array in given.items()}
    return Trace(Run(model.id, words), model, tokens(words), kept, names or {})
