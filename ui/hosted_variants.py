"""The models of a server by name, and variants of them: made when somebody asks for one, let go of when others need the
room."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import RLock

from anatomy import variants
from anatomy.language import N_
from anatomy.refused import Refused
from anatomy.variants import Alteration
from models.connect import connect, folder_of
from models.serving.queue import Queue
from models.serving.store import Store, of_variants, share
from ui.hosted import HostedModel

MOST = 64  # variants that are remembered, most of them without their weights
_RECORDED = N_("“{name}” is a recorded run: only a model can be altered.")
_UNKNOWN = N_("This server has no model {name}.")


class HostedVariant(HostedModel):
    """A variant of a model of this server. It is made of that one, once that is loaded, behind whatever readers ask;
    and so are its runs."""

    def __init__(
        self, base: HostedModel, alterations: tuple[Alteration, ...], queue: Queue, of: int, variants_of: "Models"
    ) -> None:
        super().__init__(variants.written(base.address, alterations), None, queue, of)
        self._base, self._alterations, self._variants = base, alterations, variants_of

    @property
    def nbytes(self) -> int:
        """What its own weights take, at most; 0 as long as its base is not loaded."""
        return variants.new_bytes(dict(self._base.spec().counts), self._alterations) if self._base.live else 0

    def _opened(self) -> Store:
        self._base.wait()
        self._variants.make_room(self)

        def work(report, cancelled):
            return connect(self.address, report, cancelled)

        engine = self._queue.ask(("variant", self.address), frozenset(), work, later=True, watch=self._report)
        return Store(engine, share(self._models), self._queue, to_readers=True, behind=True)


class Models(Mapping[str, HostedModel]):
    """A server's models by the name that stands in links. Whoever goes through them finds those that it was started
    with; asked for the name of a variant of one, there is that variant, too."""

    def __init__(
        self, own: Mapping[str, HostedModel], queue: Queue, adapters: Mapping[str, Path] | None = None
    ) -> None:
        """adapters: those that the server was started with, name → folder."""
        self._own, self._queue, self._adapters = dict(own), queue, dict(adapters or {})
        self._made: OrderedDict[str, HostedVariant] = OrderedDict()
        self._lock = RLock()

    def __iter__(self) -> Iterator[str]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)

    def __getitem__(self, name: str) -> HostedModel:
        try:
            return self.find(name)
        except Refused as refused:
            raise KeyError(name) from refused

    def find(self, name: str) -> HostedModel:
        """The model of that name. Refused, with the reason, where there is none."""
        if name in self._own:
            return self._own[name]
        base, alterations = self.read(name)
        name = variants.written(base, alterations)
        with self._lock:
            if name not in self._made:
                model = self._own[base]
                self._made[name] = HostedVariant(model, alterations, self._queue, len(self._own), self)
            self._made.move_to_end(name)
            while len(self._made) > MOST:
                self._made.popitem(last=False)
            return self._made[name]

    def own(self, name: str) -> str:
        """The model that the server was started with which a name names or is a variant of; the first where none is."""
        try:
            return self.read(name)[0]
        except Refused:
            return next(iter(self))

    def read(self, name: str) -> tuple[str, tuple[Alteration, ...]]:
        """The model of this server that a name begins with, the longest, and what is altered in it. Refused where it
        begins with none, or goes on with no alterations of it."""
        if name in self._own:
            return name, ()
        bases = (base for base in self._own if name.startswith(base + variants.MARK))
        base = max(bases, key=len, default=None)
        if base is None:
            raise Refused(_UNKNOWN, name=name[:40])
        _model, alterations = variants.read(f"m{name[len(base) :]}")
        for one in alterations:
            if one.kind == "lora":
                folder_of(one.value, paths=False, known=self._adapters)
        if self._own[base].address.startswith("recorded:"):
            raise Refused(_RECORDED, name=base)
        return base, alterations

    @property
    def adapters(self) -> tuple[str, ...]:
        """The names of the adapters that the server was started with."""
        return tuple(self._adapters)

    def name_of(self, model: HostedModel) -> str:
        """What a model of this server is called. KeyError for one that it does not have."""
        every = (*self._own.items(), *self._made.items())
        for name, hosted in every:
            if hosted is model:
                return name
        raise KeyError(model.address)

    def make_room(self, wanted: HostedVariant) -> None:
        """Let go of variants, used longest ago first, until the weights of this one fit beside those of the others."""
        room = of_variants() - wanted.nbytes
        with self._lock:
            others = [name for name, made in self._made.items() if made is not wanted and made.live]
            taken = sum(self._made[name].nbytes for name in others)
            for name in others:
                if taken > room:
                    taken -= self._made.pop(name).nbytes
