"""LocalEngine: a model in this process. Text → tokens, one forward pass, and from its tape whatever is wanted.

A forward pass uses the library's fast fused attention and leaves a tape (`models/tape.py`). What happens inside a
layer is read by running that one layer again from the tape. Only one thread computes at a time: two forward passes
beside each other on the same cores take longer than one after the other, and memory stays that of one run.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from threading import Semaphore
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Int
from transformers import PreTrainedModel

from anatomy.language import N_
from anatomy.request import Run, Want
from anatomy.spec import ModelSpec, Weights
from anatomy.trace import Token, Trace, continued
from models import chat as conversation
from models import (
    derived,
    edits,
    generate,
    identities,
    likeness,
    norms,
    readout,
    refuse,
    seam,
    sharing,
    sums,
    vocabulary,
)
from models import tokenizer as tokenizing
from models.collect import Collection
from models.engine import Progress, Refused, Report
from models.families import Family, family_of
from models.ground import Ground
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
    """Anything that cuts text into tokens and knows what to call each token of its vocabulary: `models.tokenizer`."""

    kind: str
    special: tuple[str, ...]
    missing: Mapping[str, str]

    def answer(self, run: Run, wants: Sequence[Want]) -> dict[Want, np.ndarray]: ...

    def tokenize(self, text: str, special_tokens: bool = False) -> tuple[Token, ...]: ...

    def token(self, row: int) -> Token: ...

    def label(self, row: int) -> str: ...


class LocalEngine:
    """Answers runs with a model of the library that lives in this process.

    spec        the one model it runs
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
        chat = not tokenizer.missing.keys() & conversation.SITES
        self.spec = replace(self._opened.spec, tokenizer=tokenizer.kind, special=tokenizer.special, chat=chat)
        self._tapes: ByteLru[Run, Tape] = ByteLru(tape_bytes)
        self.max_tokens = min(max_tokens, self.spec.max_pos)
        self._labels: dict[int, str] = {}
        ids = self._ids(tokenizer.tokenize(_CHECK_TEXT)[: self.max_tokens])
        self.identities = (*identities.check(self._opened, ids), *sums.check(self._opened, ids))
        self.broken = derived.broken(identities.broken(self.identities))
        lacking = {**self._opened.missing, **derived.missing(self.spec)}
        self.missing = {**lacking, **tokenizer.missing, **self.broken}

    @classmethod
    def load(cls, address: str, report: Report | None = None) -> "LocalEngine":
        """The engine for a catalog name, a folder or a hub name. Refused, with a sentence, when it cannot be had."""
        report = report or silent
        located = locate(address, progress=report)
        report(Progress(N_("opening the model")))
        model = load_model(located.folder, attn_implementation=seam.NAME)
        tokenizer = load_tokenizer(located.folder)
        # More threads than this gain nothing on short texts and keep the page's own threads waiting; where the
        # machine or OMP_NUM_THREADS gives fewer, that stands.
        torch.set_num_threads(min(torch.get_num_threads(), _THREADS))
        report(Progress(N_("checking that what is shown is what the model computes")))
        weights = Weights(located.title, located.licence, located.source, located.stored, parameters=0)
        return cls(model, tokenizer, name=located.name, revision=located.revision, weights=weights)

    @property
    def model(self) -> PreTrainedModel:
        return self._opened.model

    def specs(self) -> tuple[ModelSpec, ...]:
        return (self.spec,)

    def run(self, run: Run, wants: Iterable[Want] = ()) -> Trace:
        """Tokens and the wanted arrays. No wants: tokens only, no forward pass. Refused: with a sentence."""
        tokens = self._tokens(run)
        asked = tuple(dict.fromkeys(wants))
        refuse.unanswerable(asked, self.spec, len(tokens), self.missing)
        if not asked:
            return Trace(run, self.spec, tokens, {})
        with self._turn, edits.editing(run.edits):
            arrays = self._answer(run, self._ids(tokens), asked)
        return Trace(run, self.spec, tokens, arrays, self._names(arrays))

    def extend(
        self, run: Run, count: int = 1, *, temperature: float = 0.0, top_k: int = 0, top_p: float = 1.0, seed: int = 0
    ) -> Run:
        """The run with tokens that the model goes on with added to its tail; temperature 0 takes the best each time.

        Fewer than `count` where the model ends its text. Refused: with a sentence.
        """
        ids = self._ids(self._tokens(run))
        generate.fit(self.spec, len(ids), count, self.max_tokens)
        edits.unusable(run.edits, self.spec, len(ids) + count)
        how = generate.Sampling(temperature, top_k, top_p, seed)
        with self._turn, torch.inference_mode(), edits.editing(run.edits):
            return run.plus(*generate.extend(self._opened, ids, count, how, self._tapes.get(run)))

    def _tokens(self, run: Run) -> tuple[Token, ...]:
        """The tokens of the text, and those of the tail counted on. Refused for what this engine cannot run."""
        if run.model != self.spec.id:
            told = N_("This engine runs {model}, the question is for {asked}.")
            raise Refused(told, model=self.spec.id, asked=run.model)
        refuse.unreadable_text(run.text)
        refuse.unknown_tail(run.tail, self.spec)
        tail, _ = continued(map(self._tokenizer.token, run.tail), len(run.text))
        tokens = self._tokenizer.tokenize(run.text, run.special_tokens) + tail
        refuse.unfit_length(len(tokens), self.max_tokens)
        edits.unusable(run.edits, self.spec, len(tokens))
        return tokens

    def _ids(self, tokens: Sequence[Token]) -> Int[np.ndarray, " pos"]:
        """Rows of the embedding table. Refused for a tokenizer that knows more tokens than the table has rows."""
        ids = np.array([token.id for token in tokens])
        if ids.max() >= self.spec.vocab:
            told = N_(
                "The tokenizer gives token {token}, the model's table has {rows} rows: the two files do not belong "
                "together."
            )
            raise Refused(told, token=f"{ids.max():,}", rows=f"{self.spec.vocab:,}")
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
        shared = [want for want in wants if want.site in sharing.SITES]
        between = [want for want in wants if want.site in likeness.SITES]
        worked_out = [want for want in wants if want.site in derived.SITES]
        fixed = vocabulary.SITES | norms.SITES | sharing.SITES | tokenizing.SITES
        apart = fixed | readout.SITES | likeness.SITES | derived.SITES
        inside = [want for want in wants if want.site not in apart]
        arrays = self._opened.vocabulary.answer(torch.from_numpy(ids), way_in, edits.places(len(ids)))
        arrays |= self._opened.norms.answer(parameters)
        if shared:  # every matrix of the model is read, once
            arrays |= dict.fromkeys(shared, self._opened.weight_gaps)
        arrays |= self._tokenizer.answer(run, [want for want in wants if want.site in tokenizing.SITES])
        if inside or way_out or between or worked_out:
            needed = dict.fromkeys((*inside, *derived.basis(worked_out, self.spec)))
            collection = Collection(needed, self.spec.layers, ids, self._opened.ffn)
            tape = self._visit(run, ids, collection)
            held = collection.arrays()
            arrays |= {want: held[want] for want in inside}
            arrays |= derived.answer(Ground(self._opened, tape, ids, held), worked_out)
            arrays |= likeness.answer(tape, between)
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
