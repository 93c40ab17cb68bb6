"""A question to an engine, as frozen, hashable, JSON-able values."""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, order=True)
class Want:
    """One array that a reader asks for: a row of `anatomy.sites.SITES` at one place.

    site     name of the site
    layer    which layer; None for a site that exists once per model
    stack    which stack of layers ("dec", "enc"); None means the model's only (or last) stack
    pos      None for every position; a number takes that position alone and drops the `pos` axis
    token    for sites that are asked for a token: its id, or `choice(rank)` for one that the model predicts
    against  the token whose logit is taken off, in the same words; None for none
    head     for sites that are asked for one query head: which
    window   for the same: (first token looked from, one past the last, first looked at, one past the last); None: all
    of       for sites that are asked of a variant: what is altered in the model, "3bit" or "prune=0.5" as a variant's
             name has it (`anatomy.variants`); for those asked of a row of a matrix: "gate:12"; None for all others
    """

    site: str
    layer: int | None = None
    stack: str | None = None
    pos: int | None = None
    token: int | None = None
    against: int | None = None
    head: int | None = None
    window: tuple[int, int, int, int] | None = None
    of: str | None = None

    def __str__(self) -> str:
        places = ((name, getattr(self, name)) for name in _PLACES)
        inside = ", ".join(f"{name} {value}" for name, value in places if value is not None)
        return f"{self.site}[{inside}]" if inside else self.site

    def sort_key(self) -> tuple:
        """A total order, `None` first (plain tuples cannot compare None with a number)."""
        tokens = ((v is not None, v or 0) for v in (self.token, self.against))
        numbers = (-1 if v is None else v for v in (self.layer, self.pos, self.head))
        return (self.site, *numbers, self.stack or "", self.of or "", *tokens, self.window or ())


_PLACES = ("stack", "layer", "head", "pos", "token", "against", "window", "of")


MOST_RANKS = 50  # of a prediction, that a want may name a token by


def choice(rank: int) -> int:
    """The token of that rank in the model's own prediction at the wanted position, as a want names it; 1 is the best.

    Vocabulary ids begin at 0, so what lies below counts ranks. ValueError for a rank below 1.
    """
    if rank < 1:
        raise ValueError(f"ranks count from 1, not {rank}")
    return -rank


Op = Literal["zero", "mean", "scale", "add", "noise", "dropout", "patch", "drop", "swap", "shuffle", "average"]


@dataclass(frozen=True)
class Intervention:
    """One change to a forward pass, for what-if questions. `anatomy.interventions` says which there are, and where.

    site     a row of `anatomy.interventions.PLACES`: the site of one layer that is changed, or a part of the
             architecture
    op       zero: 0 stands there; tokens at position 0. mean: the mean over the text's positions, or over those of the
             sources; of weights the same for every token that may be looked at. scale: `amount` times what stood there.
             add: `amount` times a direction; so many places further on. noise: normally distributed, at each token
             `amount` times as large (root mean square) as what stood there, of weights as spread as all of them; seed,
             layer and site decide which. dropout: each number is set to 0 with the probability `amount`, the others
             are divided by 1 − `amount`, as in training; seed, layer and site decide which. patch: what stands there
             in the source. drop: the part is left out, what comes before it goes on to what comes after it. swap: two
             layers run in each other's place. shuffle: each token is given the embedding of another one. average:
             heads weigh tokens as all of them do on average
    layer    which layer, by its place in the order in which they run; None for what is no layer's, and for all layers
             where a part may be left out of all, the heads of all averaged, or numbers of all dropped
    head     one query head; None for all
    kv       one key/value head, or the query heads that read it; None for all
    neuron   one neuron; None for all
    pos      one position; None for all
    amount   how much, see `op`
    seed     of noise, of dropout, and of the order of embeddings that are shuffled
    token    the token that "add" goes towards: along its row of the output layer, times the median length of what
             stands there, over the tokens (the first of a text is often many times as long as all others)
    random   seed of a random direction that "add" goes along, in place of its own and as far; None for its own
    other    the layer that is swapped with this one
    sources  runs of the same model: the one that is patched in, those whose mean is taken, the one towards whose mean
             "add" goes. In a link the other run's place is empty; a model "" is that of the run itself
    """

    site: str
    op: Op
    layer: int | None = None
    head: int | None = None
    kv: int | None = None
    neuron: int | None = None
    pos: int | None = None
    amount: float = 0.0
    seed: int = 0
    token: int | None = None
    random: int | None = None
    other: int | None = None
    sources: "tuple[Run, ...]" = ()


@dataclass(frozen=True)
class Run:
    """One forward pass: which model on which text. The cache key of everything downstream.

    model          "name@revision/dtype", as `ModelSpec.id` gives it
    text           what the reader typed, unchanged; of a run on ids what they spell
    special_tokens True reads the likes of `<|im_end|>` in the text as special tokens; False, as on
                   the page, takes them for the plain characters they are
    tail           ids of tokens that follow the text's own, as a model generated them: text cut anew might come out
                   in other tokens than those that were generated
    interventions  changes to the forward pass, in order; none on the page's own figures
    ids            of the tokens, taken as they are, where the run was asked for by them: the text is not cut then, and
                   no token is added to it. `models.engine.Engine.on_ids` makes such a run
    """

    model: str
    text: str
    special_tokens: bool = False
    tail: tuple[int, ...] = ()
    interventions: tuple[Intervention, ...] = ()
    ids: tuple[int, ...] = ()

    def on(self, text: str) -> "Run":
        """The same model on another text, which nothing follows yet."""
        return replace(self, text=text, tail=(), ids=())

    def intervened(self, *interventions: Intervention) -> "Run":
        """The same run with these changes after those it has."""
        return replace(self, interventions=(*self.interventions, *interventions))

    def plus(self, *tokens: int) -> "Run":
        """The same text going on with these tokens, after those that follow it already."""
        return replace(self, tail=(*self.tail, *tokens))
