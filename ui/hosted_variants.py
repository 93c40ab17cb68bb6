"""The models of a server by name, and variants of them: made when somebody asks for one, let go of when others need the
room."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import RLock

from anatomy import variants
from anatomy.language import N_
from anatomy.refused import Refused
from anatomy.variants import Alteration
from models.connect import folder_of
from models.engine import Report
from models.serving import room
from models.serving.queue import Queue
from models.serving.store import Store, of_variants, share
from ui.hosted import HostedModel

AT_ONCE = 4  # variants that are there at the same time; what they have answered takes as much memory as a model's
MOST = 64  # variants that are remembered, most of them without their weights
_RECORDED = N_("“{name}” is a recorded run: only a model can be altered.")
_UNKNOWN = N_("This server has no model {name}.")
_TOO_MANY = N_("{count} variants are there or being made on this server, and no more can be. Ask again in a minute.")
_BROKE = N_(
    "The variant {address} could not be made: {error}, at the step “{step}”. Take another one, or the model as it is; "
    "the server's log has the traceback."
)


class HostedVariant(HostedModel):
    """A variant of a model of this server. It is made of that one, once that is loaded, behind whatever readers ask;
    and so are its runs. Once it was let go of, it is made again where somebody asks for it.

    name    what links call it
    beside  the model or variant that stood on the same page when it was asked for last, as `Models.shown` has it: it is
            not let go of for this one
    """

    _says_broken = _BROKE

    def __init__(
        self, name: str, base: HostedModel, alterations: tuple[Alteration, ...], queue: Queue, variants_of: "Models"
    ) -> None:
        super().__init__(variants.written(base.address, alterations), None, queue, len(variants_of) * AT_ONCE)
        self.name, self.made_of, self.beside = name, base, ""
        self._base, self._alterations, self._variants = base, alterations, variants_of

    @property
    def nbytes(self) -> int:
        """What its own weights take, at most; 0 as long as its base is not loaded."""
        return variants.new_bytes(dict(self._base.spec().counts), self._alterations) if self._base.live else 0

    @property
    def weights(self) -> room.Weights:
        """What it takes for itself, of a base that is loaded."""
        return room.Weights(self.name, self.nbytes)

    @property
    def at_work(self) -> bool:
        """It is there, or is being made."""
        return self._thread is not None and self._refused is None

    def again(self) -> None:
        """Try again to make what could not be made, and to load its base where that is why."""
        self._base.again()
        super().again()

    def let_go(self) -> None:
        """Keep nothing of the model. What runs on it now ends with its answer."""
        with self._start:
            if self._live is None:
                return
            self._live = self._thread = None
        room.give_back()

    def _absent(self) -> Exception:
        """Why nobody can answer now. One that was let go of while somebody looked at it is made again."""
        self.begin()
        return super()._absent()

    def _open(self) -> None:
        """In the background, so that it is put off and begun anew where a reader asks something meanwhile."""
        self._base.wait()
        about = ("variant", self.address)
        self._queue.ask(about, frozenset(), self._make, background=True, watch=self._report)

    def _make(self, report: Report, cancelled: Callable[[], bool]) -> None:
        """In the queue's worker, so that one is there, and counts, before the next one is made. It is not given back:
        whoever waits for an answer of the queue would hold it for a while after it was let go of."""
        if self._live is None:
            self._variants.make_room(self)
            engine = self._base.varied(self._alterations, report, cancelled)
            self._have(Store(engine, share(self._models), self._queue, to_readers=True, variant=True))

    def _have(self, store: Store) -> None:
        """From now on this answers, but where it was given up meanwhile, and readers were told so."""
        with self._start:
            if self._refused is None:
                super()._have(store)

    def _settle(self) -> None:
        """It may be let go of: the collector has to walk it, and what else there is by now."""


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

    def find(self, name: str, beside: str | None = None) -> HostedModel:
        """The model of that name. Refused, with the reason, where there is none.

        beside  what stands on the same page: see `HostedVariant`; None where this is asked for no page
        """
        if name in self._own:
            return self._own[name]
        base, alterations = self.read(name)
        name = variants.written(base, alterations)
        with self._lock:
            if name not in self._made:
                self._forget_one()
                self._made[name] = HostedVariant(name, self._own[base], alterations, self._queue, self)
            self._made.move_to_end(name)
            if beside is not None:
                self._made[name].beside = beside and self.shown(beside)
            return self._made[name]

    def _forget_one(self) -> None:
        """Where as many are remembered as may be, forget the one that was asked for longest ago, of those that are
        neither there nor being made: the others count. Refused where there is none of these."""
        if len(self._made) < MOST:
            return
        idle = next((name for name, made in self._made.items() if not made.at_work), None)
        if idle is None:
            raise Refused(_TOO_MANY, count=len(self._made))
        del self._made[idle]

    def shown(self, name: str) -> str:
        """What is shown where a link has this name, in one spelling; the first model where the server has none such."""
        try:
            return variants.written(*self.read(name))
        except Refused:
            return next(iter(self))

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
        alterations = variants.alterations(name[len(base) :], name)
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
        if isinstance(model, HostedVariant):
            return model.name
        for name, hosted in self._own.items():
            if hosted is model:
                return name
        raise KeyError(model.address)

    def make_room(self, wanted: HostedVariant) -> None:
        """Let go of variants, used longest ago first, until this one is not too many, its weights fit beside those of
        the others, and there is memory for them. What stands beside it on a page stays: the two would be made in turns
        without an end.

        Refused where its weights alone are more than those of all variants may be, and where there would be no memory
        for them whoever goes: then all others stay.
        """
        room.give_back()  # what those held that went with their last answer
        with self._lock:
            self._remember(wanted)
            there = [made.weights for made in self._made.values() if made is not wanted and made.live]
            for name in room.leaving(wanted.weights, there, wanted.beside, of_variants(), AT_ONCE):
                self._made[name].let_go()

    def _remember(self, wanted: HostedVariant) -> None:
        """Whoever is made counts, a variant too that was forgotten while somebody still looked at it."""
        other = self._made.get(wanted.name)
        if other is not None and other is not wanted:
            other.let_go()
        self._made[wanted.name] = wanted
