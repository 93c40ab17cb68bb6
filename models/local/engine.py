"""LocalEngine: a model in this process. Text → tokens, one forward pass, and from its layer inputs what is wanted.

A forward pass uses the library's fast fused attention and leaves layer inputs (`models/reading/layer_inputs.py`). What
happens inside a layer is read by running that one layer again from them. Only one thread computes at a time: two
forward passes beside each other on the same cores take longer than one after the other, and memory stays that of one
run.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from functools import cached_property, partial
from hashlib import sha256
from threading import Semaphore
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Int
from transformers import PreTrainedModel

from anatomy import interventions
from anatomy.alignment import Alignment
from anatomy.language import N_, Count
from anatomy.parting import Parting
from anatomy.positions import mentioned
from anatomy.refused import Refused, Sentence, TooLong
from anatomy.request import Run, Want
from anatomy.sampling import Settings
from anatomy.spec import ModelSpec, Weights
from anatomy.trace import Token, Trace, continued
from anatomy.variants import Alteration
from models import memory
from models.engine import Engine, Estimate, Report
from models.families import Family, family_of
from models.identities import layers, sums
from models.identities.identity import broken, doubts
from models.loaded import generate
from models.loaded.model import LoadedModel
from models.loaded.source import Source
from models.local import changes, refuse, speed, varied
from models.local import estimate as estimates
from models.local.input_cache import Held, LayerInputsCache
from models.local.packed import Packing
from models.local.parting import MadeRun, compared
from models.local.threads import using_threads
from models.lru import ByteLru
from models.measures import registry, value_weighted
from models.measures.collect import Collection
from models.measures.context import RunContext
from models.progress import listening, report_progress, stop_if_cancelled
from models.reading.interventions import OVERFLOWN, Changes, holding, intervening
from models.reading.layer_inputs import LayerInputs
from models.reading.recorder import Sites, Visit

INPUTS = 5  # of the memory that the program may use, one in so many is for layer inputs
LEAST_ROOM = 256 << 20  # bytes that a run may always take, however much the program takes already
_UNREADABLE = N_(
    "With these changes the logits of the run become too large for {precision}: change less, or leave no norm out."
)
_WITHOUT_NORMS = N_(
    "This variant has no norms, and in layer {layer} its numbers become too large for {precision}: norms are what "
    "keeps them in bounds. One that was never trained holds without them: put untrained before nonorm."
)
_CHECK_TEXT = "The cat sat on the mat, and then the cat sat on the"
_FEW, _SPREAD = 6, 13  # different tokens that are too few to check with; tokens that are taken in their place
_CUTS = 1 << 17  # tokens of texts that need not be cut again: the longest text, a token for each character, is one
_TAKEN = 20  # of the memory, one in so many is for arrays that changed runs take out of others
_LOOK_UP = 0.2  # seconds between two looks whether a run that waits for its turn is still wanted
_WITHOUT_SOURCE = Weights(title="", licence="", source="", stored="", parameters=0)


def _unvisited(layer: int, sites: Sites) -> None:
    """A visit to a layer of which nothing is wanted."""


class Tokenizer(Protocol):
    """Anything that cuts text into tokens and knows what to call each of its vocabulary: `models.text.tokenizer`.

    chat     its files have a chat template, be it one that cannot be used
    missing  what it does not answer, each with a sentence that says why
    """

    kind: str
    special: tuple[str, ...]
    chat: bool

    @property
    def missing(self) -> Mapping[str, str | Sentence]: ...

    def answer(self, run: Run, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
        """The wanted arrays among those that the text alone decides."""
        ...

    def tokenize(self, text: str, special_tokens: bool = False) -> tuple[Token, ...]:
        """The tokens of a text; control tokens typed in it are plain text unless `special_tokens` is set."""
        ...

    def token(self, row: int) -> Token:
        """One vocabulary entry as a token of no text."""
        ...

    def label(self, row: int) -> str:
        """What a figure prints for a vocabulary entry."""
        ...

    def apart(self, row: int, following: int) -> bool:
        """Whether two entries, one after the other, spell a space between them that the bytes of neither hold."""
        ...


class LocalEngine:
    """Answers runs with a model of the library that lives in this process.

    spec        the one model it runs
    model       the library's own model, as loaded, its attention called through `models/reading/attention_interface.py`
    identities  what was checked when the model was opened (`models/identities`), and how far each is off
    broken      sites that failed their check, and those worked out from them, each with the sentence that refuses it
    missing     all sites that it does not answer, `broken` among them, likewise with their sentences
    max_tokens  longest text: the model's positions, or less where less is asked for
    memory_bytes  what the whole process may take: STAGELIGHT_MEMORY, or 4 GB
    speed       what this machine did when the model was opened, for estimates
    threads     of torch, for its runs; None: as many as whoever asks has
    packing     how the matrices of its "layers" and of its "head" lie in memory, and what was measured when that was
                chosen
    """

    _turn = Semaphore(1)  # of all engines in this process: they share its cores

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Tokenizer,
        *,
        name: str,
        revision: str = "0",
        weights: Weights = _WITHOUT_SOURCE,
        family: Family | None = None,
        max_tokens: int | None = None,
        kept: Held | None = None,
        inputs_bytes: int | None = None,
        memory_bytes: int | None = None,
        packing: Mapping[str, Packing] | None = None,
        threads: int | None = None,
        alterations: tuple[Alteration, ...] = (),
        source: Source | None = None,
    ) -> None:
        """alterations: what is altered in the model, where it is a variant of another one. source: the file that its
        weights were read from, for a look at their bits (`weights.kept` says which kind of file that is).

        kept: where the layer inputs of other engines are, which share a budget with its own, as all do that
        `models.local.load` gives. None: it has a budget of its own, `inputs_bytes` or a fifth of the memory."""
        family = family or family_of(model.config.model_type)
        self._loaded = LoadedModel(model, family, name, revision, weights, alterations, source)
        self._tokenizer = tokenizer
        self.spec = replace(self._loaded.spec, tokenizer=tokenizer.kind, special=tokenizer.special, chat=tokenizer.chat)
        self.memory_bytes = memory.limit() if memory_bytes is None else memory_bytes
        self._cuts: ByteLru[Run, tuple[Token, ...]] = ByteLru(_CUTS)
        self._took: ByteLru[tuple[Run, Want], np.ndarray] = ByteLru(self.memory_bytes // _TAKEN)
        budget = self.memory_bytes // INPUTS if inputs_bytes is None else inputs_bytes
        self._inputs = LayerInputsCache(ByteLru(budget) if kept is None else kept)
        self.max_tokens = self.spec.max_pos if max_tokens is None else min(max_tokens, self.spec.max_pos)
        self.packing, self.threads = packing or {}, threads
        self._labels: dict[int, str] = {}
        ids = self._checked_on(tokenizer)
        # Texts this short gain little by a second thread, and lose much where another program keeps it waiting: a
        # browser that starts.
        with using_threads(None if threads is None else 1):
            self.identities = (*layers.check(self._loaded, ids), *sums.check(self._loaded, ids))
        self.broken = registry.with_resting(broken(self.identities))
        self.spec = replace(self.spec, doubts=doubts(self.identities))
        lacking = {**self._loaded.missing, **registry.missing(self.spec)}
        with using_threads(threads):
            self.speed = speed.measure(self._loaded)
        self.missing = registry.with_resting({**lacking, **tokenizer.missing, **self.broken})

    def _checked_on(self, tokenizer: Tokenizer) -> Int[np.ndarray, " pos"]:
        """What the model is checked on: a sentence, or where its vocabulary has few pieces of that, tokens of all of
        it."""
        text = self._ids(tokenizer.tokenize(_CHECK_TEXT))
        if len(set(text.tolist())) < _FEW:
            text = np.linspace(0, self.spec.vocab - 1, _SPREAD).astype(int)
        return text[: self.max_tokens]

    @property
    def model(self) -> PreTrainedModel:
        """The library's own model. Where `packing` says that matrices are packed, its Linear modules multiply by copies
        of their weights: a weight that is changed in place does not reach the runs then. STAGELIGHT_PACKED=loaded
        leaves all as it was loaded."""
        return self._loaded.model

    @property
    def family(self) -> Family:
        """The table of where the model keeps what."""
        return self._loaded.family

    @property
    def source(self) -> Source | None:
        """The file that the model's weights were read from; None where that is not known."""
        return self._loaded.source

    @property
    def tokenizer(self) -> Tokenizer:
        """What cuts its texts."""
        return self._tokenizer

    def specs(self) -> tuple[ModelSpec, ...]:
        """The one model that it runs."""
        return (self.spec,)

    def on_ids(self, ids: Sequence[int]) -> Run:
        """See `models.engine.Engine.on_ids`."""
        refuse.check_ids(ids, self.spec)
        _tokens, text = self._spelled(ids)
        refuse.check_text(text)
        return Run(self.spec.id, text, ids=tuple(ids), interventions=self.spec.built)

    def again(self) -> "LocalEngine":
        """See `models.engine.Engine.again`. The model itself and what was checked of it are shared."""
        fresh = copy(self)
        fresh._cuts, fresh._inputs, fresh._took = (
            ByteLru(_CUTS),
            self._inputs.again(),
            ByteLru(self.memory_bytes // _TAKEN),
        )
        return fresh

    def _spec_of(self, run: Run, tokens: int) -> ModelSpec:
        """The model as it is on one run: how it turns queries and keys may depend on the text's length, its layers may
        be swapped, its mask and its final norm left out."""
        spec = self.spec.on(1 + interventions.numbers(run.interventions, tokens)[1])
        spec = spec.swapped(interventions.swapped(run.interventions))
        changed = {one.site for one in run.interventions}
        spec = spec.unmasked() if interventions.MASK in changed else spec
        return spec.without_final_norm() if interventions.FINAL_NORM in changed else spec

    def run(
        self,
        run: Run,
        wants: Iterable[Want] = (),
        *,
        report: Report | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Trace:
        """See `models.engine.Engine.run`."""
        run = self.spec.whole(run)
        tokens = self._tokens(run)
        asked = tuple(dict.fromkeys(wants))
        if not asked:
            if run.interventions:
                self._changeable(run, len(tokens))
            return Trace(run, self._spec_of(run, len(tokens)), tokens, {})
        self._unanswerable(run, asked, len(tokens))
        with listening(report, cancelled), self._its_turn():
            cost, fitting = self._cost(run, len(tokens), asked), partial(self._fitting, len(tokens), asked)
            self._fit(run, cost, fitting)
            with intervening(self._changes(run) if estimates.runs(asked) else changes.moved(run)):
                arrays = self._answer(run, self._ids(tokens), asked)
        return Trace(run, self._spec_of(run, len(tokens)), tokens, arrays, self._names(arrays))

    def estimate(self, run: Run, wants: Iterable[Want] = ()) -> Estimate:
        """See `models.engine.Engine.estimate`."""
        run = self.spec.whole(run)
        tokens, asked = self._tokens(run), tuple(dict.fromkeys(wants))
        self._unanswerable(run, asked, len(tokens))
        return self._cost(run, len(tokens), asked)

    def _unanswerable(self, run: Run, wants: Sequence[Want], tokens: int) -> None:
        """Refused for what this model has no answer to on a text of so many tokens; TooLong for the length alone: of
        several limits with the lowest, or a part that keeps one would be refused for the next."""
        limits: list[TooLong] = []
        with _noted(limits):
            refuse.check_length(tokens, self.max_tokens)
        if not limits:
            self._changeable(run, tokens)
        with _noted(limits):
            refuse.check_wants(wants, self.spec, tokens, self.missing)
        if limits:
            with _noted(limits):
                self._check_room(run, tokens, wants)
            raise min(limits, key=lambda refused: refused.longest)

    def _changeable(self, run: Run, tokens: int) -> None:
        """Refused for changes that cannot be made in a text of so many tokens, or that take something out of a run
        which cannot be made."""
        changes.check(run, self.spec, tokens)
        for source in changes.sources(run):
            theirs = len(self._tokens(source))
            refuse.check_length(theirs, self.max_tokens)
            self._changeable(source, theirs)
            refuse.check_wants(changes.wanted(run, source), self.spec, theirs, self.missing)

    def _changes(self, run: Run) -> Changes:
        """The run's interventions, with what they take out of other runs: those are made first."""
        return self._ready(run, self._taken)

    def _ready(self, run: Run, taken: changes.Taken) -> Changes:
        return changes.ready(self._loaded, run, lambda one: self._ids(self._tokens(one)), taken)

    def _taken(self, source: Run, wants: tuple[Want, ...]) -> dict[Want, np.ndarray]:
        """What another run takes out of this one, all in one pass; held while there is room for it. TooLong where there
        is no memory to make it."""
        found = {want: array for want in wants if (array := self._took.get((source, want))) is not None}
        missing = [want for want in wants if want not in found]
        if missing:
            tokens = self._tokens(source)
            self._fit(source, self._cost(source, len(tokens), missing), partial(self._fitting, len(tokens), missing))
            with intervening(self._changes(source)):
                made = self._answer(source, self._ids(tokens), missing)
            for want, array in made.items():
                self._took.put((source, want), array, array.nbytes)
            found |= made
        return found

    def _check_room(self, run: Run, tokens: int, wants: Sequence[Want]) -> None:
        """TooLong for a run that takes more memory than there would be. Nothing is let go of."""
        room = self._room(run)
        cost = self._cost(run, tokens, wants)
        if cost.nbytes > room:
            refuse.too_large(cost, room, self.memory_bytes, self._fitting(tokens, wants, room))

    def _room(self, run: Run) -> int:
        """Bytes that a run may take, layer inputs of other runs let go of."""
        return max(LEAST_ROOM, self.memory_bytes - memory.resident() + self._inputs.of_other_runs(run))

    def _fit(self, run: Run, cost: Estimate, fitting: Callable[[int], int]) -> None:
        """Let go of layer inputs of other runs until there is as much memory as this one takes. Refused, and none let
        go of, where the process would take more than it may all the same.

        fitting  room → how many tokens would do
        """
        left = self.memory_bytes - memory.resident()
        room = self._room(run)
        if cost.nbytes > room:
            refuse.too_large(cost, room, self.memory_bytes, fitting(room))
        self._inputs.free(cost.nbytes - left, keep=run)

    def _fitting(self, tokens: int, wants: Sequence[Want], room: int) -> int:
        return estimates.fitting(self.spec, wants, room, tokens, self._inputs.budget)

    def _extend_fits(self, run: Run, tokens: int) -> None:
        """Refused where there is no memory for a text that goes on until it has so many tokens."""
        cost = estimates.extending(self.spec, tokens, self.speed)
        self._fit(run, cost, lambda room: estimates.extending_fits(self.spec, room, tokens, self.speed))

    def _cost(self, run: Run, tokens: int, wants: Iterable[Want]) -> Estimate:
        held, most = run in self._inputs, self._inputs.budget
        own = estimates.estimate(self._spec_of(run, tokens), tokens, wants, self.speed, recorded=held, inputs=most)
        return replace(own, seconds=own.seconds + self._before(run)) if own.nbytes else own

    def _before(self, run: Run) -> float:
        """Seconds for what is taken out of other runs, as far as it is not held."""
        seconds = 0.0
        for source in changes.sources(run):
            missing = [want for want in changes.wanted(run, source) if (source, want) not in self._took]
            seconds += self._cost(source, len(self._tokens(source)), missing).seconds
        return seconds

    def extend(
        self,
        run: Run,
        count: int = 1,
        how: Settings | None = None,
        *,
        seed: int = 0,
        report: Report | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Run:
        """See `models.engine.Engine.extend`."""
        run = self.spec.whole(run)
        ids = self._ids(self._tokens(run))
        generate.fit(self.spec, len(ids), count, self.max_tokens)
        self._changeable(run, len(ids) + count)
        chosen = generate.Choosing(how, seed)
        with listening(report, cancelled), self._its_turn(), torch.inference_mode():
            inputs = self._inputs.get(run) if count == 1 else None
            if inputs is None:
                self._extend_fits(run, len(ids) + count)
            made = self._changes(run)
            if not made.stepwise:
                return self._extend_anew(run, count, chosen)
            with intervening(made):
                return run.plus(*generate.extend(self._loaded, ids, count, chosen, inputs))

    def _extend_anew(self, run: Run, count: int, chosen: generate.Choosing) -> Run:
        """The run going on under changes that depend on all that is there: every token takes a pass of its own."""
        ends = generate.end_tokens(self._loaded)
        arrays = {source: self._taken(source, changes.wanted(run, source)) for source in changes.sources(run)}
        for number in range(count):
            report_progress(N_("going on with the text"), number, count)
            with intervening(self._ready(run, lambda source, wants: arrays[source])):
                added = generate.extend(self._loaded, self._ids(self._tokens(run)), 1, chosen, self._inputs.get(run))
            run = run.plus(*added)
            if ends.intersection(added):
                break
        return run

    def parting(
        self,
        run: Run,
        other: Engine,
        other_run: Run,
        alignment: Alignment,
        *,
        streams: bool = True,
        report: Report | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Parting:
        """See `models.engine.Engine.parting`."""
        theirs = _local(other)
        run, other_run = self.spec.whole(run), theirs.spec.whole(other_run)
        a, b = self._half(run), theirs._half(other_run)
        if any(i >= a.tokens or j >= b.tokens for i, j in alignment.both):
            raise ValueError(f"the alignment is of other texts than these of {a.tokens} and {b.tokens} tokens")
        with listening(report, cancelled), self._its_turn(), torch.inference_mode():
            a, b, most = self._half(run), theirs._half(other_run), self._inputs.budget  # what is held may have changed
            fitting = partial(estimates.parting_fits, a, b, inputs=most)
            self._fit(run, estimates.parting(a, b, most), fitting)
            return compared(self._side(run), theirs._side(other_run), alignment.both, streams)

    def parting_estimate(self, run: Run, other: Engine, other_run: Run) -> Estimate:
        """See `models.engine.Engine.parting_estimate`."""
        theirs = _local(other)
        run, other_run = self.spec.whole(run), theirs.spec.whole(other_run)
        own = estimates.parting(self._half(run), theirs._half(other_run), self._inputs.budget)
        return replace(own, seconds=own.seconds + self._before(run) + theirs._before(other_run))

    def _half(self, run: Run) -> estimates.Half:
        """What a run adds to the cost of comparing two. Refused where it cannot be run."""
        tokens = len(self._tokens(run))
        self._unanswerable(run, (), tokens)
        return estimates.Half(self._spec_of(run, tokens), tokens, self.speed, recorded=run in self._inputs)

    def _side(self, run: Run) -> MadeRun:
        """A run that has been made, to be compared."""
        made = self._changes(run)
        ids = self._ids(self._tokens(run))
        with intervening(made):
            inputs = self._inputs.get(run) or self._record(run, ids)
        return MadeRun(self._loaded, torch.from_numpy(ids), inputs, made, self.missing, self._spelling)

    @cached_property
    def _spelling(self) -> bytes:
        """A fingerprint of the vocabulary: what every row of the table is called."""
        pieces = (self._tokenizer.token(row).piece for row in range(self.spec.vocab))
        return sha256("\0".join(pieces).encode("utf-8", "surrogatepass")).digest()

    @contextmanager
    def _its_turn(self) -> Iterator[None]:
        """While this is open, nobody else computes. Cancelled while it waits, too."""
        while not self._turn.acquire(timeout=_LOOK_UP):
            stop_if_cancelled()
        try:
            with using_threads(self.threads), self._as_built():
                yield
        finally:
            self._turn.release()

    @contextmanager
    def _as_built(self) -> Iterator[None]:
        """While this is open, numbers that become too large because of how a variant is built are told as that."""
        try:
            yield
        except Refused as refused:
            if refused.message == OVERFLOWN and any(one.kind == "nonorm" for one in self.spec.alterations):
                raise Refused(_WITHOUT_NORMS, **refused.values) from refused
            raise

    def _tokens(self, run: Run) -> tuple[Token, ...]:
        """The tokens of the text, and those of the tail counted on. Refused for what this engine cannot run."""
        if run.model != self.spec.id:
            template = N_("This engine runs {model}, the question is for {asked}.")
            raise Refused(template, model=self.spec.id, asked=run.model)
        cut = replace(run, interventions=())
        tokens = self._cuts.get(cut)
        if tokens is None:
            refuse.check_text(run.text)
            refuse.check_tail(run.tail, self.spec)
            tail, _ = continued(map(self._tokenizer.token, run.tail), len(run.text))
            tokens = (self._given(run) if run.ids else self._tokenizer.tokenize(run.text, run.special_tokens)) + tail
            refuse.check_count(len(tokens))
            self._cuts.put(cut, tokens, len(tokens))
        return tokens

    def _given(self, run: Run) -> tuple[Token, ...]:
        """The tokens of a run on ids. ValueError where its text is not what they spell."""
        refuse.check_ids(run.ids, self.spec)
        tokens, text = self._spelled(run.ids)
        if text != run.text:
            raise ValueError(f"these ids spell {text!r}, the run says {run.text!r}: let `on_ids` make the run")
        return tokens

    def _spelled(self, ids: Iterable[int]) -> tuple[tuple[Token, ...], str]:
        """(the tokens of these ids, the text that they spell)."""
        apart = self._tokenizer.apart
        return continued(map(self._tokenizer.token, ids), 0, lambda token, following: apart(token.id, following.id))

    def _ids(self, tokens: Sequence[Token]) -> Int[np.ndarray, " pos"]:
        """Rows of the embedding table. Refused for a tokenizer that knows more tokens than the table has rows."""
        ids = np.array([token.id for token in tokens], dtype=int)
        if len(ids) and ids.max() >= self.spec.vocab:
            template = N_(
                "The tokenizer gives token {token}, the model's table has {rows} rows: the two files do not belong "
                "together."
            )
            raise Refused(template, token=Count(ids.max()), rows=Count(self.spec.vocab))
        return ids

    def _names(self, arrays: Mapping[Want, np.ndarray]) -> dict[int, str]:
        """The label of every token that the arrays mention."""
        ids = mentioned(arrays)
        self._labels |= {row: self._tokenizer.label(row) for row in ids if row not in self._labels}
        return {row: self._labels[row] for row in ids}

    @torch.inference_mode()
    def _answer(self, run: Run, ids: np.ndarray, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
        """Every wanted array: from the tokenizer, from parameters alone, from layers as they run, and from what is left
        of that."""
        asked = [want for want in wants if want.site in registry.MEASURES]
        fixed = [want for want in asked if not registry.MEASURES[want.site].forward]
        arrays = self._tokenizer.answer(run, [want for want in wants if want.site not in registry.MEASURES])
        arrays |= registry.answer(RunContext(self._loaded, ids), fixed)
        if rest := [want for want in asked if registry.MEASURES[want.site].forward]:
            lengths = partial(value_weighted.moved, self._loaded)
            needed = registry.basis(rest, self.spec)
            collection = Collection(needed, self.spec.layers, ids, self._loaded.ffn, lengths)
            inputs = self._visit(run, ids, collection)
            held = collection.arrays()
            arrays |= {want: held[want] for want in rest if want in held}
            asked_of_variants = partial(self._varied, ids, inputs)
            arrays |= registry.answer(RunContext(self._loaded, ids, inputs, held, asked_of_variants), rest)
        return arrays

    def _varied(self, ids: np.ndarray, inputs: LayerInputs, wants: Sequence[Want]) -> dict[Want, np.ndarray]:
        """What is asked of variants of the model, of a run that has been made and is under its changes."""
        side = MadeRun(self._loaded, torch.from_numpy(ids), inputs, holding(), self.missing, self._spelling)
        return varied.answer(side, estimates.thinning(self.spec, len(ids), self._inputs.budget), wants)

    def _visit(self, run: Run, ids: np.ndarray, collection: Collection) -> LayerInputs:
        """Fill the collection: from the run's layer inputs where they are held, else during the forward pass."""
        inputs = self._inputs.get(run)
        if inputs is not None:
            self._loaded.replay(inputs, collection.wanted, collection.visit)
            return inputs
        return self._record(run, ids, collection.wanted, collection.visit)

    def _record(
        self, run: Run, ids: np.ndarray, wanted: dict[int, frozenset[str]] | None = None, visit: Visit = _unvisited
    ) -> LayerInputs:
        """The layer inputs of a forward pass, which are held from then on."""
        every = estimates.thinning(self.spec, len(ids), self._inputs.budget)
        most = estimates.inputs_bytes(self.spec, len(ids), every)
        self._inputs.make_room(most)
        inputs = self._loaded.record(ids, wanted or {}, visit, every)
        if run.interventions and self._loaded.readout and not self._loaded.readout.holds(inputs.last[0]):
            raise Refused(_UNREADABLE, precision=self.spec.dtype)
        self._inputs.put(run, inputs, max(most, inputs.nbytes))
        return inputs


def _local(other: Engine) -> LocalEngine:
    """The other engine, if it is one of this process. Refused where it is not."""
    if not isinstance(other, LocalEngine):
        raise Refused(N_("Two runs are compared where both models are open in this program: open the second one."))
    return other


@contextmanager
def _noted(limits: list[TooLong]) -> Iterator[None]:
    """Inside a `with`, a refusal for the length alone is put down with the others."""
    try:
        yield
    except TooLong as refused:
        limits.append(refused)
