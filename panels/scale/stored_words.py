"""Stored weights in words: caption, table, and the formula with a real weight put in."""

from anatomy.language import _, ngettext
from anatomy.storage import Quantized
from panels.panel import Table
from panels.scale.compared import PARTS
from panels.scale.stored_block import Block
from viz.format import exact, number, thousands

_DIGITS = 6


def caption(block: Block) -> str:
    """How many bits each weight takes, and how many levels are in use."""
    return " ".join((_where(block), _what(block), *([_in_no_file()] if block.altered else [])))


def _where(block: Block) -> str:
    return _(
        "Row {row} of {matrix} in layer {layer}: {count} weights take {nbytes} bytes, {bits} bits each ({storage}).",
        row=block.row,
        matrix=_(PARTS[block.matrix]),
        layer=block.layer,
        count=thousands(block.row_weights),
        nbytes=thousands(block.row_bytes),
        bits=exact(block.storage.per_weight),
        storage=block.storage.name,
    )


def _what(block: Block) -> str:
    if block.quantized is not None:
        return _of_levels(block, block.quantized)
    if block.storage.floating:
        return ngettext(
            "Each has a sign, {exponent} bits of exponent and {fraction} of fraction; the weights {first} to {last} "
            "have {count} different exponent.",
            "Each has a sign, {exponent} bits of exponent and {fraction} of fraction; the weights {first} to {last} "
            "have {count} different exponents.",
            len({exponent for _sign, exponent, _fraction in block.fields}),
            exponent=block.storage.exponent,
            fraction=block.storage.fraction,
            first=block.first,
            last=block.last,
        )
    return _(
        "The block of the weights {first} to {last} takes {nbytes} bytes; how this format lays them out is not taken "
        "apart here, so they are shown in hexadecimal.",
        first=block.first,
        last=block.last,
        nbytes=len(block.raw),
    )


def _of_levels(block: Block, taken_apart: Quantized) -> str:
    step = abs(float(taken_apart.scale))
    said = {"first": block.first, "last": block.last, "count": len(block.used), "levels": len(taken_apart.possible)}
    if len(block.used) < 2:
        return _(
            "The block of the weights {first} to {last} uses {count} of its {levels} levels, which lie {step} apart.",
            **said,
            step=number(step),
        )
    return _(
        "The block of the weights {first} to {last} uses {count} of its {levels} levels, which lie {step} apart; the "
        "widest step between two that it uses is {widest}.",
        **said,
        step=number(step),
        widest=number(step * block.gap),
    )


def _in_no_file() -> str:
    return _(
        "These weights were changed for this variant and are in no file: the bits are those of the numbers that the "
        "program computes with."
    )


def table(block: Block) -> Table:
    """Each weight with its bits and what they mean, exactly."""
    if block.quantized is not None:
        return _of_block(block, block.quantized)
    if block.storage.floating:
        return _of_floats(block)
    places = range(len(block.raw))
    return Table.of(
        (_("byte of the block"), places),
        (_("hexadecimal"), [f"{byte:02X}" for byte in block.raw.tolist()]),
        (_("byte"), block.raw),
    )


def _of_block(block: Block, taken_apart: Quantized) -> Table:
    count = len(block.weights)
    least = [(_("least value"), [float(taken_apart.least)] * count)] if block.storage.least else []
    header = block.raw[: block.storage.header]
    return Table.of(
        (_("weight of the row"), block.places),
        (_("bits of its code"), block.bits),
        (_("code"), taken_apart.codes),
        (_("header of the block (hexadecimal)"), [hexadecimal(header.tolist())] * count),
        (_("scale"), [float(taken_apart.scale)] * count),
        *least,
        (_("weight"), block.weights.astype(float)),
    )


def _of_floats(block: Block) -> Table:
    signs, exponents, fractions = zip(*block.fields, strict=True)
    size = block.storage.nbytes
    rows = block.raw.reshape(-1, size).tolist()
    return Table.of(
        (_("weight of the row"), block.places),
        (_("bytes (hexadecimal)"), list(map(hexadecimal, rows))),
        (_("sign"), signs),
        (_("exponent"), exponents),
        (_("fraction"), fractions),
        (_("weight"), block.weights.astype(float)),
    )


def hexadecimal(raw: list[int]) -> str:
    """Bytes in their order."""
    return " ".join(f"{byte:02X}" for byte in raw)


def formula(block: Block) -> str:
    """The weight that is farthest from 0, worked out from its bits."""
    if block.quantized is not None:
        return "\n".join(_from_code(block, block.quantized))
    if block.storage.floating:
        return "\n".join(_from_fields(block))
    return "\n".join(
        (
            _("block: {bytes}", bytes=hexadecimal(block.raw.tolist())),
            _per_weight(block),
        )
    )


def _per_weight(block: Block) -> str:
    storage = block.storage
    return _(
        "bits per weight: 8 × {nbytes} / {count} = {bits}",
        nbytes=storage.nbytes,
        count=storage.weights,
        bits=exact(storage.per_weight),
    )


def _from_code(block: Block, taken_apart: Quantized) -> list[str]:
    place, code = block.largest, int(taken_apart.codes[block.largest])
    scale, least = float(taken_apart.scale), float(taken_apart.least)
    lines = [_("scale: 0x{code} as float16 = {value}", code=_half(block, 0), value=_shown(scale))]
    if block.storage.least:
        lines += [_("least value: 0x{code} as float16 = {value}", code=_half(block, 2), value=_shown(least))]
        product = f"{_shown(scale)} × {code} + {_in_brackets(_shown(least))}"
    elif block.storage.middle:
        product = f"{_shown(scale)} × ({code} − {block.storage.middle})"
    else:
        product = f"{_shown(scale)} × {_in_brackets(exact(code))}"
    bits = block.bits[place]
    value = _shown(float(block.weights[place]))
    said = {"place": block.first + place, "bits": bits, "code": exact(code), "product": product}
    return [
        *lines,
        _("weight {place}: code {bits} = {code}, {product} = {value}", **said, value=value),
        _per_weight(block),
    ]


def _half(block: Block, at: int) -> str:
    """A float16 as its hexadecimal digits, the higher byte first."""
    return f"{block.raw[at + 1]:02X}{block.raw[at]:02X}"


def _from_fields(block: Block) -> list[str]:
    """IEEE 754-2019, sec. 3.4: below the least exponent numbers go on without the leading 1."""
    storage, place = block.storage, block.largest
    sign, exponent, fraction = block.fields[place]
    bias, power, part = 2 ** (storage.exponent - 1) - 1, int(exponent, 2), int(fraction, 2)
    lead, raised = (1, power - bias) if power else (0, 1 - bias)
    product = f"{'−1' if sign == '1' else '1'} × 2^({exact(raised)}) × ({lead} + {part} / {2**storage.fraction})"
    return [
        _(
            "weight {place}: {sign} {exponent} {fraction}",
            place=block.first + place,
            sign=sign,
            exponent=exponent,
            fraction=fraction,
        ),
        _("exponent: {power} − {bias} = {raised}", power=power, bias=bias, raised=exact(power - bias)),
        f"{product} = {_shown(float(block.weights[place]))}",
        _per_weight(block),
    ]


def _shown(value: float) -> str:
    return number(value, _DIGITS)


def _in_brackets(value: str) -> str:
    return f"({value})" if value.startswith("−") else value
