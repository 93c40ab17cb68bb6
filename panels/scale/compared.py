"""The loaded model and Llama 3.1's three sizes, side by side: what each is made of, and the table of all figures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from anatomy import costs, variant_bytes
from anatomy.costs import LONG, PRECISIONS, SHORT, Configuration
from anatomy.language import N_, _, ngettext
from anatomy.published import LLAMA_31
from anatomy.spec import ModelSpec
from anatomy.variants import Alteration
from panels.panel import Table

# Names of the parts, as `costs.parameters` calls them.
PARTS = {
    "embedding": N_("embedding table"),
    "positions": N_("positions"),
    "q": N_("attention: q"),
    "k": N_("attention: k"),
    "v": N_("attention: v"),
    "o": N_("attention: o"),
    "gate": N_("FFN: gate"),
    "up": N_("FFN: up"),
    "down": N_("FFN: down"),
    "norms": N_("norms"),
    "output": N_("output layer"),
    "other": N_("other parts"),
}
# Parts together, as `ModelSpec.counts` has them.
GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "embedding": (N_("embedding"), ("embedding",)),
    "attention": (N_("attention"), ("q", "k", "v", "o")),
    "ffn": (N_("FFN"), ("gate", "up", "down")),
    "output": (N_("output layer"), ("output",)),
    "norms": (N_("norms"), ("norms",)),
    "positions": (N_("positions"), ("positions",)),
    "other": (N_("other parts"), ("other",)),
}


@dataclass(frozen=True)
class Compared:
    """One model of the comparison.

    given      the configuration that its costs follow from
    counted    parameters counted in the loaded model; None for a model that is only published
    counts     (group, parameters) as counted there, for each of GROUPS
    published  how its makers round the count ("8.03 B"); "" for the loaded model
    alterations  of the loaded model, where a file would keep its weights in fewer bits, or fewer of them; else ().
               Each model of the comparison has them, for what it would take altered so
    """

    given: Configuration
    counted: int | None = None
    published: str = ""
    counts: tuple[tuple[str, int], ...] = ()
    alterations: tuple[Alteration, ...] = ()

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.given.name

    @cached_property
    def parts(self) -> dict[str, int]:
        """Parameters by part as computed; "other" is what the loaded model has beyond them."""
        computed = costs.parameters(self.given)
        return computed | {"other": 0 if self.counted is None else self.counted - sum(computed.values())}

    @cached_property
    def groups(self) -> dict[str, int]:
        """Parameters of each of GROUPS."""
        return {group: sum(self.parts.get(part, 0) for part in parts) for group, (_name, parts) in GROUPS.items()}

    @cached_property
    def total(self) -> int:
        """All parameters: counted where the model is loaded, else computed."""
        return costs.total(self.given) if self.counted is None else self.counted

    @property
    def file(self) -> int | None:
        """Bytes of all weights in a file that keeps them as altered; None where nothing is altered that it would keep
        otherwise."""
        return variant_bytes.file_bytes(self.given, self.total, self.alterations) if self.alterations else None

    @property
    def stated(self) -> int:
        """The count that the formulas are held against: counted, or published and rounded."""
        return round(float(self.published.removesuffix(" B")) * 1e9) if self.counted is None else self.counted

    def cache(self, tokens: int, full: bool = False) -> int | None:
        """Bytes of keys and values of so many tokens in bfloat16; full: with one key/value head per query head. None
        where the model keeps none."""
        return (
            costs.cache_bytes(self.given, tokens, self.given.n_heads if full else None) if self.given.causal else None
        )


def applies(spec: ModelSpec) -> str | None:
    """None, or why no costs are computed: the formulas are those of one stack."""
    if len(spec.stacks) == 1:
        return None
    return _("This model has an encoder and a decoder; what is computed here is the cost of one stack.")


def models(spec: ModelSpec) -> tuple[Compared, ...]:
    """The loaded model, then Llama 3.1 from the smallest to the largest."""
    own = loaded(spec)
    return (
        own,
        *(Compared(size.configuration, published=size.parameters, alterations=own.alterations) for size in LLAMA_31),
    )


def loaded(spec: ModelSpec) -> Compared:
    """The loaded model with the parameters counted in it. ValueError for one of several stacks."""
    altered = spec.alterations if any(map(variant_bytes.stored_otherwise, spec.alterations)) else ()
    return Compared(costs.configuration(spec), counted=spec.weights.parameters, counts=spec.counts, alterations=altered)


def table(compared: Sequence[Compared]) -> Table:
    """A row per quantity, with its unit, and a column per model; the last column says how the numbers were got."""
    read, computed = _("read from the configuration"), _("computed from the configuration")
    rows = [
        *_rows(_facts(), compared, read),
        *_rows(_parameters(compared), compared, computed),
        (_("parameters, together"), *(costs.total(model.given) for model in compared), computed),
        (
            _("parameters as counted or published"),
            *(model.stated for model in compared),
            _("counted; published, rounded"),
        ),
        *_rows(_bytes(compared), compared, computed),
        *_rows(_caches(), compared, computed),
        *_rows(_operations(), compared, computed),
    ]
    return Table((_("quantity"), *(model.name for model in compared), _("how it was got")), tuple(rows))


_Row = tuple[str, Callable[[Compared], int | None]]


def _rows(quantities: Sequence[_Row], compared: Sequence[Compared], how: str) -> list[tuple[str | int | None, ...]]:
    return [(name, *(value(model) for model in compared), how) for name, value in quantities]


def _facts() -> list[_Row]:
    return [
        (_("layers"), lambda model: model.given.layers),
        (_("model width"), lambda model: model.given.d_model),
        (_("query heads"), lambda model: model.given.n_heads),
        (_("key/value heads"), lambda model: model.given.n_kv),
        (_("dimensions per head"), lambda model: model.given.d_head),
        (_("FFN width"), lambda model: model.given.d_ff),
        (_("vocabulary"), lambda model: model.given.vocab),
        (_("longest text (tokens)"), lambda model: model.given.max_pos),
    ]


def _parameters(compared: Sequence[Compared]) -> list[_Row]:
    """The parts that any of the models has."""
    there = [part for part in PARTS if part != "other" and any(model.parts.get(part) for model in compared)]
    return [
        (_("parameters: {part}", part=_(PARTS[part])), lambda model, p=part: model.parts.get(p, 0)) for part in there
    ]


def _bytes(compared: Sequence[Compared]) -> list[_Row]:
    altered = [(_("weights as altered, in a file (bytes)"), lambda model: model.file)]
    return [
        (
            _("weights in {precision} (bytes)", precision=precision),
            lambda model, p=precision: costs.weight_bytes(model.total, p),
        )
        for precision in PRECISIONS
    ] + (altered if compared[0].alterations else [])


def _caches() -> list[_Row]:
    own = [
        (
            ngettext(
                "cache of {count} token, bfloat16 (bytes)",
                "cache of {count} tokens, bfloat16 (bytes)",
                tokens,
            ),
            lambda model, n=tokens: model.cache(n),
        )
        for tokens in (SHORT, LONG)
    ]
    full = [
        (
            ngettext(
                "cache of {count} token with one key/value head per query head (bytes)",
                "cache of {count} tokens with one key/value head per query head (bytes)",
                tokens,
            ),
            lambda model, n=tokens: model.cache(n, full=True),
        )
        for tokens in (SHORT, LONG)
    ]
    return own + full


def _operations() -> list[_Row]:
    seen = [
        (
            ngettext(
                "operations per token that sees {count} token",
                "operations per token that sees {count} tokens",
                tokens,
            ),
            lambda model, n=tokens: costs.arithmetic(model.given, n),
        )
        for tokens in (SHORT, LONG)
    ]
    return [(_("operations per token in the matrices"), lambda model: 2 * costs.matmul_params(model.given)), *seen]
