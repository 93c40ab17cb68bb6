"""Numbers and labels as sentences, axes and tables print them. The only place that decides on digits."""

import html
import math
from collections.abc import Iterable

import numpy as np

from anatomy.language import _, get_locale, ngettext
from anatomy.rounding import bound

_LARGE = {
    "en": (("T", 1e12), ("B", 1e9), ("M", 1e6)),
    "zh": (("万亿", 1e12), ("亿", 1e8), ("万", 1e4)),
}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
BYTE_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def thousands(count: int) -> str:
    """A whole number with its thousands apart: 49,152."""
    return f"{count:,}".replace("-", "−")


def percent(share: float) -> str:
    """A share from 0 to 1 as percent: whole from 10 on, two digits below, never rounded up to 100 nor down to 0."""
    if math.isnan(share):
        return "–"
    value = 100 * share
    if value >= 99.5:
        return "100 %" if value >= 99.9999 else f"{min(math.floor(value * 100) / 100, 99.99):g} %"
    if value >= 9.95 or value == 0:
        return f"{value:.0f} %"
    return f"{number(value, 2)} %" if value >= 0.01 else "< 0.01 %"


def signed_percent(share: float) -> str:
    """A share that may lie below 0 or above 1, as percent: −146 %, 0.12 %, 267 %."""
    return f"{number(100 * share, 2)} %"


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
        return f"{mantissa}·10{str(power).translate(_RAISED)}".replace("-", "−")
    return f"{value:,.{max(0, digits - 1 - power)}f}".replace("-", "−")


def rounding(difference: float, *compared: float | np.ndarray, digits: int = 2) -> str:
    """A difference that ought to be 0, as the bound that it keeps: "below 10⁻⁵". Its last digits would only tell which
    processor added up.

    difference: in any unit. compared: the numbers that are compared or added up, in the same unit; their largest size
    decides the bound (`anatomy.rounding`). A difference above it is no rounding: it is printed as the number it is,
    with so many digits.
    """
    sizes = np.abs(np.concatenate([np.ravel(numbers).astype(np.float64) for numbers in compared]))
    allowed = bound(float(sizes.max(where=np.isfinite(sizes), initial=0.0)))
    if not abs(difference) < allowed:  # NaN too; and 0 where all is 0
        return number(abs(difference), digits)
    power = round(math.log10(allowed))
    return _("below {bound}", bound=number(allowed, 1) if power >= 0 else f"10{str(power).translate(_RAISED)}")


def counted(count: float) -> str:
    """A large count in thousands, millions, billions or trillions: 31,456 · 134.5 M · 8.030 B · 1.638 T; in Chinese
    by its own steps of ten thousand: 1.345 亿."""
    for unit, least in _LARGE[get_locale()]:
        if count >= least:
            return f"{number(count / least, 4)} {unit}"
    return thousands(round(count))


def cosine(value: float) -> str:
    """A cosine with two decimals and the sign it has; −0.00 does not exist."""
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−")


def many(count: int, noun: str) -> str:
    """A count with its noun: 1 token, 12 tokens, 49,137 tokens. The noun is written out where it is called."""
    return ngettext(f"{{count}} {noun}", f"{{count}} {noun}s", count, count=thousands(count))


def lasting(seconds: float) -> str:
    """A time that was estimated: "1 s", "70 s", "3 min"."""
    if seconds < 100:
        return _("{count} s", count=max(1, round(seconds)))
    return _("{count} min", count=thousands(round(seconds / 60)))


def listed(parts: Iterable[str]) -> str:
    """Several things of one kind as a sentence names them: a, b, c."""
    return _(", ").join(parts)


def quoted(label: str) -> str:
    """A token's label as a sentence quotes it."""
    return f"“{label}”"


def escaped(label: str) -> str:
    """A reader's text as a plotly label shows it unchanged. Quotes stay: plotly does not know the name &quot;."""
    return html.escape(label, quote=False)


def size(count: float) -> str:
    """Bytes in the unit that leaves the fewest digits: 46.1 kB."""
    for unit, scale in BYTE_UNITS:
        if count >= scale:
            return f"{number(count / scale)} {unit}"
    return many(round(count), "byte")


def bracketed(value: float) -> str:
    """A term of a sum: 1.58, or (−1.58) where it is below 0."""
    return f"({number(value)})" if value < 0 else number(value)
