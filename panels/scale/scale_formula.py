"""The rules with numbers put in: the loaded model line by line, then Llama 3.1, held against what is published."""

from collections import Counter
from collections.abc import Callable, Sequence

from anatomy import costs
from anatomy.costs import LONG, PRECISIONS, SHORT, Configuration
from anatomy.language import N_, _
from anatomy.published import SOURCE, TRAINED_OPERATIONS, TRAINED_TOKENS
from anatomy.variant_bytes import WIDE, Format, stored_format, stored_layers, written
from anatomy.variants import BLOCK, MATRICES
from anatomy.variants import PARTS as PARTS_OF_LAYERS
from panels.scale.compared import GROUPS, PARTS, Compared
from viz.format import counted, exact, exact_percent, listed, number, thousands


def _parts(models: Sequence[Compared]) -> str:
    own = models[0]
    return "\n".join(
        (
            *_products(own.given),
            _checked(own),
            *_counted(own),
            *(_published(model) for model in models[1:]),
            _source(),
        )
    )


def _products(given: Configuration) -> list[str]:
    """One line per part that the model has: how many × how large."""
    counts = costs.parameters(given)
    written = {
        "embedding": f"{thousands(given.vocab)} × {thousands(given.d_model)}",
        **_table_of_positions(given),
        "norms": _norms(given, counts["norms"]),
        **{part: _projection(given, part) for part in given.widths},
    }
    return [
        f"{_(PARTS[part])}: {written[part]} = {thousands(count)}"
        if part in written
        else f"{_(PARTS[part])}: {thousands(count)}"
        for part, count in counts.items()
        if count or part == "output"
    ]


def _table_of_positions(given: Configuration) -> dict[str, str]:
    """Rows × width of a learned table; a table of biases by distance is said as its count."""
    return {"positions": f"{thousands(given.positions)} × {thousands(given.d_model)}"} if given.positions else {}


def _projection(given: Configuration, part: str) -> str:
    read, made = given.widths[part]
    product = f"{thousands(read)} × {thousands(made)}"
    return (
        f"{given.layers} × ({product} + {thousands(made)})" if part in given.biases else f"{given.layers} × {product}"
    )


def _norms(given: Configuration, count: int) -> str:
    each = count // costs.norms(given)
    return f"{costs.norms(given)} × {thousands(each)}"


def _checked(own: Compared) -> str:
    """The sum beside the count of the loaded model."""
    computed, other = costs.total(own.given), own.parts["other"]
    numbers = {"computed": thousands(computed), "counted": thousands(own.stated), "difference": thousands(other)}
    if other == 0:
        return _("together: {computed} computed, {counted} counted in the loaded model, difference 0", **numbers)
    return _(
        "together: {computed} computed, {counted} counted in the loaded model; the other {difference} are in parts "
        "that these formulas do not cover",
        **numbers,
    )


def _counted(own: Compared) -> list[str]:
    """What was counted in the loaded model, group by group, those without any left out."""
    there = [
        _("{part} {count}", part=_(GROUPS[group][0]), count=thousands(count)) for group, count in own.counts if count
    ]
    return [_("counted: {parts}", parts=listed(there))] if there else []


def _published(model: Compared) -> str:
    return _(
        "{model}: {computed} computed, {published} published",
        model=model.name,
        computed=thousands(costs.total(model.given)),
        published=model.published,
    )


def _source() -> str:
    return _("published: {source}", source=_(SOURCE))


def _weights(models: Sequence[Compared]) -> str:
    lines = [
        f"{model.name}, {precision}: {thousands(model.total)} × {bits} / 8 = "
        f"{thousands(costs.weight_bytes(model.total, precision))}"
        for model in models
        for precision, bits in PRECISIONS.items()
    ]
    return "\n".join(
        (
            _("bytes = parameters × bits / 8"),
            *lines,
            _("int8 and 4 bit without the scales that a quantized format keeps beside them"),
            *(_altered(models) if models[0].alterations else ()),
        )
    )


def _altered(models: Sequence[Compared]) -> list[str]:
    """What a file keeps of a variant's weights, and the sum for each model."""
    own = models[0]
    formats = {part: stored_format(own.alterations, part) for part in PARTS_OF_LAYERS}
    whole = {"": formats["ffn"]} if len(set(formats.values())) == 1 else formats
    shared = stored_layers(own.given, own.alterations)
    return [
        *(
            _("as altered, {matrices}: {kept}", matrices=_(MATRICES[part]), kept=listed(_kept_of(form)))
            for part, form in whole.items()
        ),
        _("as altered, all else: {bits} bits for each number", bits=WIDE),
        *(
            [_("of {layers} layers {own} have weights of their own", layers=own.given.layers, own=shared)]
            if shared < own.given.layers
            else []
        ),
        *(_sum(model) for model in models),
    ]


def _kept_of(form: Format) -> list[str]:
    """What a file keeps of a matrix."""
    if form.mapped:
        numbers = [
            _("1 bit for each weight, whether it is 0"),
            _(
                "{bits} bits for each of the {share} that are left",
                bits=form.bits,
                share=exact_percent(float(1 - form.pruned)),
            ),
        ]
    else:
        numbers = [_("{bits} bits for each weight", bits=form.bits)]
    return [*numbers, *([_(_SCALES[form.scales, form.block], bits=WIDE, block=form.block)] if form.scales else [])]


_SCALES = {
    (1, None): N_("a scale of {bits} bits for each row"),
    (1, BLOCK): N_("a scale of {bits} bits for every {block} weights of a row"),
    (2, BLOCK): N_("a scale and a least value of {bits} bits each for every {block} weights of a row"),
}


def _sum(model: Compared) -> str:
    terms = " + ".join(
        f"{thousands(count)} × {exact(float(bits))}"
        for count, bits in written(model.given, model.total, model.alterations)
    )
    total = thousands(model.file or 0)
    return _("{model}, as altered: ({terms}) / 8 = {total}", model=model.name, terms=terms, total=total)


def _cache(models: Sequence[Compared]) -> str:
    return "\n".join(
        (
            _("bytes = 2 (key and value) × layers × key/value heads × d_head × 2 bytes (bfloat16) × tokens"),
            *(line for model in models if model.given.causal for line in _kept(model)),
            _source(),
        )
    )


def _kept(model: Compared) -> list[str]:
    given = model.given
    window = [_("{model} keeps those of its window alone", model=model.name)] if given.windows else []
    each = f"{model.name}: 2 × {given.layers} × {given.n_kv} × {given.d_head} × 2 = {thousands(model.cache(1) or 0)}"
    lengths = "; ".join(f"× {thousands(tokens)}: {thousands(model.cache(tokens) or 0)}" for tokens in (SHORT, LONG))
    return [f"{each}; {lengths}", *window]


def _arithmetic(models: Sequence[Compared]) -> str:
    largest = models[-1]
    trained = costs.training(costs.total(largest.given), TRAINED_TOKENS)
    return "\n".join(
        (
            _("operations = 2 × (entries of the matrices + 2 × layers × query heads × d_head × tokens looked at)"),
            *(_computed(model) for model in models),
            _("norms, rotation, softmax and activation function are left out"),
            _(
                "training {model}: 6 × {count} parameters × {tokens} tokens = {operations} operations; published: "
                "{said}",
                model=largest.name,
                count=counted(costs.total(largest.given)),
                tokens=counted(TRAINED_TOKENS),
                operations=number(trained),
                said=number(TRAINED_OPERATIONS, 2),
            ),
            _source(),
        )
    )


def _computed(model: Compared) -> str:
    given = model.given
    seen = Counter(min(SHORT, window or SHORT) for window in given.windows or (None,) * given.layers)
    if len(seen) == 1:
        looked = f"{given.layers} × {given.n_heads} × {given.d_head} × {thousands(next(iter(seen)))}"
    else:
        sums = " + ".join(f"{layers} × {thousands(tokens)}" for tokens, layers in sorted(seen.items()))
        looked = f"{given.n_heads} × {given.d_head} × ({sums})"
    matrices = thousands(costs.matmul_params(given))
    return f"{model.name}: 2 × ({matrices} + 2 × {looked}) = {thousands(costs.arithmetic(given, SHORT))}"


WRITTEN: dict[str, Callable[[Sequence[Compared]], str]] = {
    "parts": _parts,
    "weights": _weights,
    "cache": _cache,
    "arithmetic": _arithmetic,
}
