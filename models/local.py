"""LocalEngine: a model in this process. Text → tokens, one forward pass, and from its tape whatever is wanted.

A forward pass uses the library's fast fused attention and leaves a tape (`models/tape.py`). What happens inside a
layer is read by running that one layer again from the tape. Only one thread computes at a time: two forward passes
beside each other on the same cores take longer than one after the other, and memory stays that of one run.
"""

from collections.abc import Iterable, Mapping, Sequence
from threading import Semaphore
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Int
from transformers import PreTrainedModel

from anatomy.request import Run, Want
from anatomy.spec import ModelSpec, Weights
from anatomy.trace import Token, Trace
from models import identities, norms, readout, refuse, seam, vocabulary
from models.collect import Collection
from models.engine import Progress, Refused, Report
from models.errors import WeightsError
from models.families import Family, family_of
from models.load import load_model, load_tokenizer
from models.lru import ByteLru
from models.opened import Opened
from models.parts import mentioned
from models.progress import silent
from models.tape import Tape
from models.weights import locate

MAX_TOKENS = 1024
TAPE_BYTES = 256 << 20
_CHECK_TEXT = "The cat sat on the mat, and then the cat sat on the"
_THREADS = 4
_WITHOUT_SOURCE = Weights(title="", licence="", source="", stored="", parameters=0)


class Cutter(Protocol):
    """Anything that cuts text into tokens and knows what to call each token of its vocabulary."""

    def tokenize(self, text: str, special_tokens: bool = False) -> tuple[Token, ...]: ...

    def label(self, row: int) -> str: ...


class LocalEngine:
    """Answers runs with a model of the library that lives in this process.

    model       the library's own model, as loaded; `set_attn_implementation` has routed its attention through the seam
    missing     sites that it does not answer, because the model has none or because they failed their check when it
                was opened (`identities`), each with the sentence that refuses it
    max_tokens  longest text, never more than the model's positions
    """

    _turn = Semaphore(1)  # of all engines in this process: they share its cores

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Cutter,
        *,
        name: str,
        revision: str = "0",
        weights: Weights = _WITHOUT_SOURCE,
        family: Family | None = None,
        max_tokens: int = MAX_TOKENS,
        tape_bytes: int = TAPE_BYTES,
    ) -> None:
        self._opened = Opened(model, family or family_of(model.config.model_type), name, revision, weights)
        self._tokenizer = tokenizer
        self._tapes: ByteLru[Run, Tape] = ByteLru(tape_bytes)
        self.max_tokens = min(max_tokens, self.spec.max_pos)
        self._labels: dict[int, str] = {}
        self.identities = identities.check(self._opened, self._ids(tokenizer.tokenize(_CHECK_TEXT)[: self.max_tokens]))
        self.broken = identities.broken(self.identities)
        self.missing = {**self._opened.missing, **self.broken}

    @classmethod
    def load(cls, address: str, report: Report | None = None) -> "LocalEngine":
        """The engine for a catalog name, a folder or a hub name. Refused, with a sentence, when it cannot be had."""
        report = report or silent
        try:
            located = locate(address, progress=report)
            report(Progress("opening the model"))
            model = load_model(located.folder, attn_implementation=seam.NAME)
            tokenizer = load_tokenizer(located.folder)
        except WeightsError as error:
            raise Refused(str(error)) from error
        # More threads than this gain nothing on short texts and keep the page's own threads waiting; where the
        # machine or OMP_NUM_THREADS gives fewer, that stands.
        torch.set_num_threads(min(torch.get_num_threads(), _THREADS))
        report(Progress("checking that what is shown is what the model computes"))
        weights = Weights(located.title, located.licence, located.source, located.stored, parameters=0)
        return cls(model, tokenizer, name=located.name, revision=located.revision, weights=weights)

    @property
    def model(self) -> PreTrainedModel:
        return self._opened.model

    @property
    def spec(self) -> ModelSpec:
        """The one model it runs."""
        return self._opened.spec

    def specs(self) -> tuple[ModelSpec, ...]:
        return (self.spec,)

    def run(self, run: Run, wants: Iterable[Want] = ()) -> Trace:
        """Tokens and the wanted arrays. No wants: tokens only, no forward pass. Refused: with a sentence."""
        if run.model != self.spec.id:
            raise Refused(f"This engine runs {self.spec.id}, the question is for {run.model}.")
        refuse.unreadable_text(run.text)
        tokens = self._tokenizer.tokenize(run.text, run.special_tokens)
        refuse.unfit_length(len(tokens), self.max_tokens)
        asked = tuple(dict.fromkeys(wants))
        refuse.unanswerable(asked, self.spec, len(tokens), self.missing)
        if not asked:
            return Trace(run, self.spec, tokens, {})
        with self._turn:
            arrays = self._answer(run, self._ids(tokens), asked)
        return Trace(run, self.spec, tokens, arrays, self._names(arrays))

    def _ids(self, tokens: Sequence[Token]) -> Int[np.ndarray, " pos"]:
        """Rows of the embedding table. Refused for a tokenizer that knows more tokens than the table has rows."""
        ids = np.array([token.id for token in tokens])
        if ids.max() >= self.spec.vocab:
            raise Refused(
                f"The tokenizer gives token {ids.max():,}, the model's table has {self.spec.vocab:,} rows: "
                "the two files do not belong together."
            )
        return ids

    def _names(self, arrays: Mapping[Want, np.ndarray]) -> dict[int, str]:
        """The label of every token that the arrays mention."""
        ids = mentioned(arrays)
        self._labels |= {row: self._tokenizer.label(row) for row in ids if row not in self._labels}
        return {row: self._labels[row] for row in ids}

    @torch.inference_mode()
    def _answer(self, run: Run, ids: np.ndarray, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
        """Every wanted array: from the tables, from the layers, from the end."""
        way_in = [want for want in wants if want.site in vocabulary.SITES]
        way_out = [want for want in wants if want.site in readout.SITES]
        parameters = [want for want in wants if want.site in norms.SITES]
        inside = [want for want in wants if want.site not in vocabulary.SITES | readout.SITES | norms.SITES]
        arrays = self._opened.vocabulary.answer(torch.from_numpy(ids), way_in)
        arrays |= self._opened.norms.answer(parameters)
        if inside or way_out:
            collection = Collection(inside, self.spec.layers, ids)
            tape = self._visit(run, ids, collection)
            arrays |= collection.arrays()
            if self._opened.readout is not None:
                arrays |= self._opened.readout.answer(tape, way_out)
        return arrays

    def _visit(self, run: Run, ids: np.ndarray, collection: Collection) -> Tape:
        """Fill the collection: from the run's tape if there is one, else during the forward pass that makes it."""
        tape = self._tapes.get(run)
        if tape is not None:
            self._opened.replay(tape, collection.wanted, collection.visit)
            return tape
        tape = self._opened.record(ids, collection.wanted, collection.visit)
        self._tapes.put(run, tape, tape.nbytes)
        return tape
