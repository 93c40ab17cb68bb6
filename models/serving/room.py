"""Room for one more variant: whether there can be any, and which others have to go for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from anatomy.language import N_
from anatomy.refused import Settled
from models import memory
from models.memory import give_back
from models.serving.store import VARIANTS

__all__ = ["Weights", "give_back", "leaving"]

_TOO_LARGE = N_(
    "{name} takes {needs} MB for weights of its own, and variants may take {most} MB here, a third of {variable}. "
    "Choose a variant that changes less of the model's weights, or start the server with {variable}={enough}."
)


@dataclass(frozen=True)
class Weights:
    """What a variant takes for itself. nbytes: of the weights that are not its base's."""

    name: str
    nbytes: int


def leaving(wanted: Weights, there: Sequence[Weights], stays: str, most: int, at_once: int) -> tuple[str, ...]:
    """The names of those that have to go before this one is made: no more than it takes until it is not one too many,
    its weights fit beside those of the others, and the program has memory for them.

    there    the variants that there are, the first is the first to go
    stays    the name of the one that does not go, even where there is too little room then
    most     bytes that all variants together may take
    at_once  how many there may be

    Refused where its weights alone are more than those of all may be, and where there would be no memory for them
    whoever goes.
    """
    if wanted.nbytes > most:
        figures = {"needs": wanted.nbytes >> 20, "most": most >> 20, "enough": -(-VARIANTS * wanted.nbytes >> 30)}
        raise Settled(_TOO_LARGE, name=wanted.name, variable=memory.VARIABLE, **figures)
    may = [one for one in there if one.name != stays]
    memory.check_weights(wanted.name, wanted.nbytes, spared=sum(one.nbytes for one in may))
    taken, spared, go = sum(one.nbytes for one in there), 0, list[str]()
    for one in may:
        few, small = len(there) - len(go) < at_once, taken - spared + wanted.nbytes <= most
        if few and small and memory.fits(wanted.nbytes, spared):
            break
        go.append(one.name)
        spared += one.nbytes
    return tuple(go)
