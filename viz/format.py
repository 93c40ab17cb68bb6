"""Numbers and labels as sentences, axes and tables print them, with the marks of the language that is spoken. The only
place that decides on digits."""

import html
import math
from collections.abc import Callable, Iterable

import numpy as np

from anatomy.language import N_, _, get_locale
from anatomy.numerals import Numerals, numerals
from anatomy.rounding import FRACTION, bound
from viz import nouns

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
BYTE_UNITS = ((N_("GB"), 1e9), (N_("MB"), 1e6), (N_("kB"), 1e3))


def thousands(count: int) -> str:
    """A whole number with its thousands apart: 49,152."""
    return _here().whole(count)


def _here() -> Numerals:
    """How the language that is spoken writes numbers."""
    return numerals(get_locale())


def fixed(value: float, digits: int) -> str:
    """A number with so many digits behind the point, 0 without a sign: 3.1 · 0.00 · −0.50."""
    return _here().written(f"{value:z.{digits}f}")


def exact(value: float) -> str:
    """A number that somebody chose, with the digits that it has: 0.8 · 12."""
    return _here().written(f"{value:.12g}")


def percent(share: float) -> str:
    """A share from 0 to 1 as percent: whole from 10 on, two digits below, never rounded up to 100 nor down to 0. One
    below 0, or above 1 by more than rounding, as some changes leave attention weights: −14 %, 200 %."""
    if math.isnan(share):
        return "–"
    value = 100 * share
    if value <= -0.01 or value > 100 * (1 + FRACTION):
        return signed_percent(share)
    if value < 0:
        return f"> {_percent(exact(-0.01))}"
    if value >= 99.5:
        return _percent("100" if value >= 99.9999 else exact(min(round(value, 2), 99.99)))
    if value >= 9.95 or value == 0:
        return _percent(fixed(value, 0))
    return _percent(number(value, 2)) if value >= 0.01 else f"< {_percent(exact(0.01))}"


def exact_percent(share: float) -> str:
    """A share that somebody chose, as percent with the digits that it has: 50 %, 2.5 %."""
    return _percent(exact(100 * share))


def _percent(value: str) -> str:
    return _("{number} %", number=value)


def signed_percent(share: float) -> str:
    """A share that may lie below 0 or above 1, as percent: −146 %, 0.12 %, 267 %."""
    return _percent(number(100 * share, 2))


def number(value: float, digits: int = 3) -> str:
    """A measured number with its leading digits: 0.897 · 44.1 · 1,391 · 2.08·10⁵ · 2.10·10⁻⁷. Of whole digits up to
    five are kept: more would be none of the model's."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = int(exponent)
    if power < -4 or power > 4:
        return f"{_here().written(mantissa)}·10{str(power).translate(_RAISED)}"
    return _here().written(f"{value:,.{max(0, digits - 1 - power)}f}")


def change(before: float, after: float, written: Callable[[float], str] = number) -> str:
    """What a number does, as the verb of a sentence: "goes from 94 % to 98 %". Two that read the same are not told
    apart: "stays at 94 %" where they are one number, "stays at about 94 %" where more digits would differ.

    written: how the numbers are printed, with their unit
    """
    first, last = written(before), written(after)
    if first != last:
        return _("goes from {before} to {after}", before=first, after=last)
    return _("stays at {value}", value=first) if before == after else _("stays at about {value}", value=first)


def rounding(difference: float, *compared: float | np.ndarray, digits: int = 2) -> str:
    """A difference that ought to be 0, as the bound that it keeps: "below 10⁻⁵". Its last digits would only tell which
    processor added up.

    difference: in any unit. compared: the numbers that are compared or added up, in the same unit; their largest size
    decides the bound (`anatomy.rounding`). A difference above it is no rounding: it is printed as the number it is,
    with so many digits.
    """
    allowed = _allowed(compared)
    if not abs(difference) < allowed:  # NaN too; and 0 where all is 0
        return number(abs(difference), digits)
    power = round(math.log10(allowed))
    return _("below {bound}", bound=number(allowed, 1) if power >= 0 else f"10{str(power).translate(_RAISED)}")


def within(difference: float, *compared: float | np.ndarray) -> bool:
    """Whether a difference that ought to be 0 is, but for rounding; the numbers as `rounding` takes them."""
    return difference == 0 or abs(difference) < _allowed(compared)


def _allowed(compared: Iterable[float | np.ndarray]) -> float:
    sizes = np.abs(np.concatenate([np.ravel(numbers).astype(np.float64) for numbers in compared]))
    return bound(float(sizes.max(where=np.isfinite(sizes), initial=0.0)))


def counted(count: float) -> str:
    """A large count in millions, billions or trillions: 31,456 · 134.5 M · 8.030 B · 1.638 T; by the language's own
    steps in another: 1.345 亿 in Chinese."""
    for unit, least in _here().large:
        if count >= least:
            return f"{number(count / least, 4)} {unit}"
    return thousands(round(count))


def cosine(value: float) -> str:
    """A cosine with two decimals and the sign it has; −0.00 does not exist."""
    return fixed(value, 2)


def lasting(seconds: float) -> str:
    """A time that was estimated: "1 s", "70 s", "3 min"."""
    if seconds < 100:
        return _("{count} s", count=max(1, round(seconds)))
    return _("{count} min", count=thousands(round(seconds / 60)))


def separators() -> dict[str, str]:
    """What plotly's layout is told of the language's marks; nothing where they are its own."""
    marks = _here().decimal + _here().group
    return {} if marks == ".," else {"separators": marks}


def listed(parts: Iterable[str]) -> str:
    """Several things of one kind as a sentence names them: a, b, c."""
    return _(", ").join(parts)


def spans(places: Iterable[int]) -> str:
    """Whole numbers in rising order, those in a row as their ends: 3, 24–27."""
    runs: list[list[int]] = []
    for place in places:
        if runs and place == runs[-1][-1] + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return listed(thousands(run[0]) if len(run) == 1 else f"{thousands(run[0])}–{thousands(run[-1])}" for run in runs)


def quoted(label: str) -> str:
    """A token's label as a sentence quotes it."""
    return _("“{label}”", label=label)


def escaped(label: str) -> str:
    """A reader's text as a plotly label shows it unchanged. Quotes stay: plotly does not know the name &quot;."""
    return html.escape(label, quote=False)


def in_template(label: str) -> str:
    """A reader's text as a part of a plotly template, which shows it unchanged: no place in it is filled."""
    return escaped(label).replace("%{", "&#37;{")


def size(count: float) -> str:
    """Bytes in the unit that leaves the fewest digits: 46.1 kB."""
    for unit, scale in BYTE_UNITS:
        if count >= scale:
            return f"{number(count / scale)} {_(unit)}"
    return nouns.bytes(round(count))


def bracketed(value: float) -> str:
    """A term of a sum: 1.58, or (−1.58) where it is below 0."""
    return f"({number(value)})" if value < 0 else number(value)
