"""The file that a model's weights were read from: the bytes of one row of a matrix, as it lies there."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from transformers import PreTrainedModel

from anatomy.language import N_
from anatomy.refused import Refused
from models.checkpoints.convert import config_of, parameters_of, row_in_file
from models.checkpoints.folder import fingerprint
from models.checkpoints.gguf_file import StoredTensor, bytes_of_row, read_gguf
from models.checkpoints.headers import Stored, tensors, weight_files
from models.loaded.judged import names_in_files

Row = tuple[int, UInt8[np.ndarray, " raw"]]
_NUMBERS = {"F32": 0, "F16": 1, "F64": 28, "BF16": 30}  # GGML's numbers of the kinds that safetensors has
_BYTES = {"F32": 4, "F16": 2, "F64": 8, "BF16": 2}


class Source:
    """Where the weights of a model were read from, for looking into: nothing is read before a row is asked for.

    folder    the checkpoint's
    original  the GGUF file that the weights in the folder were converted from; None where they are the file's own
    """

    def __init__(self, folder: Path, original: Path | None = None) -> None:
        self.folder, self.original = folder, original
        self._files = list(weight_files(folder)) if original is None else [original]
        self._seen = {file: fingerprint([file]) for file in self._files}

    def row(self, model: PreTrainedModel, parameter: str, row: int, across: bool = False) -> Row:
        """(GGML's number of the way in which it is stored, bytes) of one row of a parameter.

        parameter  its name in the model
        row        as the model counts the rows
        across     the numbers of one column are wanted, in their order: of a matrix with a row per input, as GPT-2's

        Refused where a file is gone, or is another one than when the model was opened, and where none has the parameter
        by itself.
        """
        for file in self._files:
            if not self._as_it_was(file):
                raise Refused(_CHANGED, file=file.name)
        try:
            return (
                self._of_gguf(parameter, row) if self.original else self._of_safetensors(model, parameter, row, across)
            )
        except KeyError as error:
            raise Refused(_NOWHERE, name=parameter) from error
        except (OSError, ValueError) as error:
            file = next((file for file in self._files if not self._as_it_was(file)), self._files[0])
            raise Refused(_CHANGED, file=file.name) from error

    def _as_it_was(self, file: Path) -> bool:
        """Whether it is the file that it was when the model was opened."""
        try:
            return fingerprint([file]) == self._seen[file]
        except OSError:
            return False

    def _of_gguf(self, parameter: str, row: int) -> Row:
        assert self.original is not None, "there is a GGUF"
        config, parameters = self._gguf
        tensor = parameters[parameter]
        return int(tensor.kind), bytes_of_row(self.original, tensor, row_in_file(tensor, row, config))

    @cached_property
    def _gguf(self) -> tuple[dict[str, Any], dict[str, StoredTensor]]:
        """What the GGUF says of the model, and where each parameter lies in it."""
        assert self.original is not None, "there is a GGUF"
        file = read_gguf(self.original)
        config = config_of(file)
        return config, parameters_of(file, config)

    def _of_safetensors(self, model: PreTrainedModel, parameter: str, row: int, across: bool) -> Row:
        if self._placed is None:
            held = tensors(self.folder)
            self._placed = {name: held[there] for name, there in names_in_files(self.folder, model).items()}
        tensor = self._placed[parameter]
        size = _BYTES[tensor.dtype]
        matrix = np.memmap(tensor.file, np.uint8, "r", tensor.begin, (*tensor.shape, size))  # [row col byte]
        numbers = matrix[:, row] if across else matrix[row]
        return _NUMBERS[tensor.dtype], np.array(numbers).ravel()

    _placed: dict[str, Stored] | None = None


_CHANGED = N_(
    "{file}, the file that the weights of this model were read from, is gone or was changed since: its bits cannot be "
    "shown. Put it back where it was, then open the model again."
)
_NOWHERE = N_(
    "The files of this model hold no tensor that is {name} by itself, so its bits cannot be shown. Choose another "
    "matrix."
)
