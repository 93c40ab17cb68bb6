"""Store: answers of an engine, kept while they fit a budget. Equal questions at the same time are computed once."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from anatomy.request import Run, Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from models.engine import Engine
from models.lru import ByteLru
from models.parts import found, mentioned

_BYTES_PER_TOKEN = 500  # a Token and its strings, roughly
_BYTES_PER_NAME = 100


@dataclass
class _Line:
    """Those who ask about one run: one is served, the others wait."""

    turn: Lock = field(default_factory=Lock)
    askers: int = 0


class Store:
    """An engine with a memory. Arrays are kept by run and want; those used longest ago go first."""

    def __init__(self, engine: Engine, budget_bytes: int) -> None:
        self._engine = engine
        self._arrays: ByteLru[tuple[Run, Want], np.ndarray] = ByteLru(budget_bytes)
        self._texts: ByteLru[Run, Trace] = ByteLru(max(budget_bytes // 16, 1 << 20))  # tokens and names, no arrays
        self._lines: dict[Run, _Line] = {}
        self._door = Lock()

    def specs(self) -> tuple[ModelSpec, ...]:
        """The models that the engine runs."""
        return self._engine.specs()

    def get(self, run: Run, wants: Iterable[Want] = ()) -> Trace:
        """Tokens and the wanted arrays; the engine is asked for what is not here. Refused as the engine refuses."""
        asked = tuple(dict.fromkeys(wants))
        with self._alone(run):
            text = self._texts.get(run)
            held = {} if text is None else self._held(run, asked)
            missing = [want for want in asked if want not in held]
            if text is None or missing:
                answer = self._engine.run(run, missing)
                text = self._keep(answer, text)
                held |= answer.arrays
        names = {row: text.names[row] for row in mentioned(held)}
        return Trace(run, text.spec, text.tokens, {want: held[want] for want in asked}, names)

    def extend(
        self, run: Run, count: int = 1, *, temperature: float = 0.0, top_k: int = 0, top_p: float = 1.0, seed: int = 0
    ) -> Run:
        """The run with a longer tail, as the engine goes on with it; see `Engine.extend`."""
        return self._engine.extend(run, count, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays held now."""
        return self._arrays.nbytes

    def _held(self, run: Run, wants: tuple[Want, ...]) -> dict[Want, np.ndarray]:
        arrays = {want: found(lambda asked: self._arrays.get((run, asked)), want) for want in wants}
        return {want: array for want, array in arrays.items() if array is not None}

    def _keep(self, answer: Trace, before: Trace | None) -> Trace:
        """Hold an answer; give back its text with all names known so far."""
        for want, array in answer.arrays.items():
            self._arrays.put((answer.run, want), array, array.nbytes)
        names = {**(before.names if before else {}), **answer.names}
        text = Trace(answer.run, answer.spec, answer.tokens, {}, names)
        self._texts.put(answer.run, text, len(text.tokens) * _BYTES_PER_TOKEN + len(names) * _BYTES_PER_NAME)
        return text

    @contextmanager
    def _alone(self, run: Run) -> Iterator[None]:
        """One asker per run at a time; the line is forgotten with its last asker."""
        with self._door:
            line = self._lines.setdefault(run, _Line())
            line.askers += 1
        try:
            with line.turn:
                yield
        finally:
            with self._door:
                line.askers -= 1
                if line.askers == 0:
                    del self._lines[run]
