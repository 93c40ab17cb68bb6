"""What an engine does not answer, as sentences for the reader: each names the culprit, the value and what to do."""

from collections.abc import Iterable, Mapping, Sequence
from math import isqrt

from anatomy.costs import configuration
from anatomy.language import N_, Count
from anatomy.memory import gigabytes
from anatomy.refused import Refused, Sentence, TooLong
from anatomy.request import MOST_RANKS, Want
from anatomy.sites import SITES, axes_of
from anatomy.spec import ModelSpec
from anatomy.storage import row_named, sizes
from models.engine import MAX_CHARACTERS, Estimate
from models.local.estimate import FLOAT
from models.measures.registry import MEASURES
from models.measures.varied import altered_in
from models.memory import VARIABLE

MAP_BYTES = 128 << 20  # of one layer's maps, all heads: 1,800 tokens with 9 heads
PRODUCTS = 1 << 41  # multiplications for a lens, on whatever machine: 2,589 tokens of SmolLM2
_POOLED = {"pattern": "pattern_max", "scores": "pattern_max", "contribution": "contribution_max"}


def check_text(text: str) -> None:
    """Refused before the text is cut into tokens: too long to cut, or not text at all."""
    if len(text) > MAX_CHARACTERS:
        template = N_("The text has {characters} characters and the limit is {limit}: shorten it.")
        raise Refused(template, characters=Count(len(text)), limit=Count(MAX_CHARACTERS))
    for place, character in enumerate(text):
        if "\ud800" <= character <= "\udfff":
            template = N_(
                "Character {place} of the text is an unpaired surrogate ({code}): delete it or type it again."
            )
            raise Refused(template, place=place + 1, code=f"U+{ord(character):04X}")


def check_count(tokens: int) -> None:
    """Refused when there is nothing to run."""
    if tokens == 0:
        raise Refused(N_("There is no text to run: type at least one character."))


def check_length(tokens: int, limit: int) -> None:
    """TooLong where there are more tokens than the limit."""
    if tokens > limit:
        template = N_("The text has {tokens} tokens and the limit is {limit}: take out at least {excess}.")
        raise TooLong(template, limit, tokens=Count(tokens), limit=Count(limit), excess=Count(tokens - limit))


def check_tail(tail: Iterable[int], spec: ModelSpec) -> None:
    """Refused for a tail with a token that the model does not have."""
    for token in tail:
        if not 0 <= token < spec.vocab:
            template = N_("{model} has tokens 0 to {last}, not {token}: take it off the tail.")
            raise Refused(template, model=spec.name, last=Count(spec.vocab - 1), token=token)


def check_ids(ids: Sequence[int], spec: ModelSpec) -> None:
    """Refused for ids in place of a text that are none, or not all of this model's."""
    if not ids:
        raise Refused(N_("There are no token ids to run: give at least one."))
    for place, token in enumerate(ids):
        if not 0 <= token < spec.vocab:
            template = N_("{model} has tokens 0 to {last}: the id at place {place}, {token}, is none of them.")
            raise Refused(template, model=spec.name, last=Count(spec.vocab - 1), place=place, token=token)


def check_wants(wants: Iterable[Want], spec: ModelSpec, tokens: int, missing: Mapping[str, str | Sentence]) -> None:
    """Refused for a want that this model or this text has no answer to; `missing` says why, by site.

    ValueError or KeyError for one that no model could answer: that is a mistake in the code that asks.
    """
    for want in wants:
        if want.site not in SITES:
            raise ValueError(f"no site is called {want.site!r}: the table is anatomy/sites.py")
        axes_of(want)
        layers = spec.stack(want.stack).layers
        if want.site in missing:
            raise Refused(missing[want.site])
        if want.layer is not None and not 0 <= want.layer < layers:
            template = N_("{model} has layers 0 to {last}, not {layer}.")
            raise Refused(template, model=spec.name, last=layers - 1, layer=want.layer)
        if want.pos is not None and not 0 <= want.pos < tokens:
            raise Refused(N_("The text has tokens 0 to {last}, not {pos}."), last=tokens - 1, pos=want.pos)
        _too_many_pairs(want, spec, tokens)
        _too_many_lenses(want, spec, tokens)
        _no_such_place(want, spec, tokens)
        if SITES[want.site].of == "variant" and want.of is not None:
            altered_in(want.of)
        _no_such_row(want, spec)
        if SITES[want.site].one_pos and want.pos is None:
            raise Refused(N_("{site} is given one position at a time: name one with pos."), site=want.site)
        for token in (want.token, want.against):
            if token is not None and not -MOST_RANKS <= token < spec.vocab:
                template = N_(
                    "{model} has tokens 0 to {last}, and −1 to −{ranks} name its own choices: {token} is none of them."
                )
                raise Refused(template, model=spec.name, last=Count(spec.vocab - 1), ranks=MOST_RANKS, token=token)


def _too_many_pairs(want: Want, spec: ModelSpec, tokens: int) -> None:
    """TooLong for all maps of a layer at once, every pair of tokens, where that takes more than MAP_BYTES."""
    if not {"head", "src"} <= set(axes_of(want)) or want.pos is not None:
        return
    size = spec.n_heads * tokens * tokens * FLOAT
    if size > MAP_BYTES:
        pooled = _POOLED.get(want.site)
        template = (
            N_(
                "All maps of a layer take {size} at {tokens} tokens, {most} at most are given as they are: ask for one "
                "position."
            )
            if pooled is None
            else N_(
                "All maps of a layer take {size} at {tokens} tokens, {most} at most are given as they are: ask for one "
                "head as {pooled}, or for one position."
            )
        )
        figures = {"size": gigabytes(size), "tokens": Count(tokens), "most": gigabytes(MAP_BYTES)}
        raise TooLong(template, isqrt(MAP_BYTES // (spec.n_heads * FLOAT)), **figures, pooled=pooled)


def _too_many_lenses(want: Want, spec: ModelSpec, tokens: int) -> None:
    """TooLong for the lens after every layer at every position, where that takes more than PRODUCTS."""
    measure = MEASURES.get(want.site)
    if measure is None or want.pos is not None or SITES[want.site].one_pos or not measure.sweeps(tokens, want):
        return
    each = measure.rows(spec, 1, want) * spec.vocab * spec.d_model
    if tokens * each > PRODUCTS:
        template = N_(
            "The lens is not read at all positions of {tokens} tokens at once: that is given for texts of at most "
            "{fit} tokens. Ask for one position."
        )
        raise TooLong(template, PRODUCTS // each, tokens=Count(tokens), fit=Count(PRODUCTS // each))


def _no_such_place(want: Want, spec: ModelSpec, tokens: int) -> None:
    """Refused for a head that the model does not have, or a window that is not of this text."""
    if want.head is not None and not 0 <= want.head < spec.n_heads:
        template = N_("{model} has heads 0 to {last}, not {head}.")
        raise Refused(template, model=spec.name, last=spec.n_heads - 1, head=want.head)
    if want.window is None:
        return
    top, bottom, left, right = want.window
    if not (0 <= top < bottom <= tokens and 0 <= left < right <= tokens):
        template = N_(
            "The text has {tokens} tokens: no window of it goes from {top} to {bottom} and from {left} to {right}."
        )
        raise Refused(template, tokens=Count(tokens), top=top, bottom=bottom, left=left, right=right)


def _no_such_row(want: Want, spec: ModelSpec) -> None:
    """Refused for a row of a matrix that the model does not have."""
    if SITES[want.site].of != "row" or want.of is None:
        return
    model = configuration(spec)
    try:
        matrix, row = row_named(want.of)
        rows, _width = sizes(model, matrix)
    except (KeyError, ValueError):
        template = N_("“{of}” names no row of a matrix that {model} has. Write {example}; its matrices are {known}.")
        known = ", ".join(model.widths)
        raise Refused(template, of=want.of[:60], model=spec.name, example="up:12", known=known) from None
    if row >= rows:
        template = N_("The matrix {matrix} of {model} has rows 0 to {last}, not {row}.")
        raise Refused(template, matrix=matrix, model=spec.name, last=rows - 1, row=row)


def too_large(cost: Estimate, room: int, limit: int, fit: int) -> None:
    """TooLong where a run takes more than there is room for; fit: how many tokens would do."""
    if cost.nbytes <= room:
        return
    template = N_(
        "A run of {tokens} tokens would take about {need} of memory. This program may use {limit} ({variable}) and has "
        "{room} of it left, enough for about {fit}. Take a part of the text, or set {variable} higher."
    )
    figures = {"need": gigabytes(cost.nbytes), "limit": gigabytes(limit), "room": gigabytes(room)}
    raise TooLong(template, fit, variable=VARIABLE, tokens=Count(cost.tokens), fit=Count(fit), **figures)
