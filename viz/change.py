"""What changed between two runs, in a sentence or two: which number most, from what to what, and how many with it."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float

from anatomy.language import _, ngettext
from anatomy.rounding import largest_at, nearness
from viz.arcs import Arcs
from viz.bars import Bars
from viz.chips import Chips
from viz.components import Components
from viz.curves import Curves
from viz.description import Description, Plotted
from viz.dots import Dots
from viz.format import change, exact, listed, number, percent, quoted, rounding, signed_percent, thousands
from viz.grid import Grid
from viz.ladder import Ladder
from viz.lines import Lines
from viz.measures import Measures
from viz.partners import RUNS, Subtracted, residue, signed
from viz.scatter import Scatter

_POINT = 0.01  # of a share: one percentage point
_TENTH = 0.1
_ASIDE = re.compile(r"\s*[(（][^()（）]*[)）]$")
_RATIO = 1.1  # of two numbers whose ratio is shown


class _Unit(Protocol):
    """How numbers of one kind are written, and how a change of them is."""

    def written(self, value: float) -> str: ...
    def apart(self, first: float, second: float) -> str: ...


@dataclass(frozen=True)
class _Shares:
    """Shares of a whole, of 1 or of 100, written as percents. whole: what 100 % is; signed: some are below 0."""

    whole: float
    signed: bool

    def written(self, value: float) -> str:
        return (signed_percent if self.signed else percent)(value / self.whole)

    def apart(self, first: float, second: float) -> str:
        points = 100 * (first - second) / self.whole
        return _("{points} percentage points", points=_plus(points, number(points, 2)))


@dataclass(frozen=True)
class _Amounts:
    """Any other numbers."""

    def written(self, value: float) -> str:
        return number(value)

    def apart(self, first: float, second: float) -> str:
        return signed(first - second)


@dataclass(frozen=True)
class _Ratios:
    """Numbers of which the ratio is shown."""

    def written(self, value: float) -> str:
        return number(value)

    def apart(self, first: float, second: float) -> str:
        return f"× {number(first / second)}"


def _plus(value: float, written: str) -> str:
    return f"+{written}" if value > 0 else written


@dataclass(frozen=True)
class _Part:
    """The numbers of a difference that are of one quantity.

    made    what they were made of
    begin   where they begin among all numbers
    apart   the differences as they are drawn; NaN where there is none
    unit    how they are written
    """

    made: Subtracted
    begin: int
    apart: Float[np.ndarray, " number"]
    unit: _Unit

    @property
    def there(self) -> Bool[np.ndarray, " number"]:
        """Where there is a difference."""
        return np.isfinite(self.apart)

    @property
    def alone(self) -> bool:
        """Whether one of the two has a number where the other has none, as where one of them has a mask."""
        return bool((np.isfinite(self.made.first) != np.isfinite(self.made.second)).any())

    @property
    def sizes(self) -> Float[np.ndarray, " number"]:
        """How large each change is, 0 where it is none."""
        return np.abs(np.where(self.there, self.apart, 0.0))

    @property
    def rounding(self) -> float:
        """What a difference may reach by rounding alone, on the scale that is drawn."""
        return residue(np.ones(1) if isinstance(self.unit, _Ratios) else self.both)

    @property
    def both(self) -> Float[np.ndarray, " number"]:
        """The numbers that were compared."""
        return np.concatenate([self.made.first[self.there], self.made.second[self.there]])

    @property
    def weight(self) -> float:
        """How large the largest change is beside what may be rounding: comparable between quantities."""
        return float(self.sizes.max(initial=0.0)) / self.rounding if self.rounding else 0.0


def changed(a: Description, b: Description, difference: Description) -> str:
    """What changed most from run A to run B, by how much, and how many numbers with it; that both are the same, exactly
    or up to rounding; or which tokens are in one alone.

    a, b        a figure of either run
    difference  what b's `minus` a gave, inside `viz.partners.aligning`
    """
    if isinstance(difference, Chips):
        return _of_chips(difference)
    if isinstance(difference, Ladder):
        return _of_rows(difference)
    parts = _parts(difference)
    if not any(part.there.any() for part in parts):
        none = _("A and B have no number in common: what the one shows is not in the other, or stands elsewhere.")
        return " ".join(filter(None, (none, _says_marks(difference))))
    if all(not part.sizes.any() for part in parts):
        return " ".join(filter(None, (_same(a, b, parts), _says_marks(difference))))
    most = max(parts, key=lambda part: part.weight)
    if most.weight < 1:
        bound = rounding(float(most.sizes.max()), np.ones(1) if isinstance(most.unit, _Ratios) else most.both)
        same = _("A and B are the same up to rounding: the largest difference is {bound}.", bound=bound)
        return " ".join(filter(None, (same, _says_marks(difference))))
    said = (_most(difference, most), _how_many(most), _says_marks(difference), _says_alone(difference))
    return " ".join(filter(None, said))


def unchanged(a: Description, b: Description, difference: Description) -> bool:
    """Whether both show the same things, and every number of them is the same in both, to the last bit."""
    numbers = [each.numbers() for each in (a, b, difference)]
    counts = {int(np.isfinite(each).sum()) for each in numbers}
    return len(counts) == 1 and not np.nan_to_num(numbers[-1]).any()


def _parts(difference: Description) -> list[_Part]:
    """The quantities of a difference."""
    if not isinstance(difference, Grid | Plotted):
        return []
    made = difference.subtracted
    parts, begin, numbers = [], 0, difference.numbers()
    for one in made if isinstance(made, tuple) else filter(None, (made,)):
        end = begin + len(one.first)
        parts.append(_Part(one, begin, numbers[begin:end], _unit(difference, one, numbers[begin:end])))
        begin = end
    return parts


def _unit(difference: Description, made: Subtracted, apart: Float[np.ndarray, " number"]) -> _Unit:
    """How the numbers of a part are written."""
    there = np.isfinite(apart)
    first, second = made.first[there], made.second[there]
    if made.ratio:
        return _Ratios()
    below = bool((first < 0).any() or (second < 0).any())
    if isinstance(difference, Arcs) or (isinstance(difference, Grid) and difference.percent):
        return _Shares(1.0, below)
    return _Shares(100.0, below) if made.title.rstrip().endswith(("(%)", "（%）")) else _Amounts()


def _same(a: Description, b: Description, parts: list[_Part]) -> str:
    """That all numbers are equal to the last digit."""
    count = sum(int(part.there.sum()) for part in parts)
    whole = all(np.isfinite(given.numbers()).sum() == count for given in (a, b))
    if whole:
        return ngettext(
            "B is exactly A: its {all} number is the same.",
            "B is exactly A: all of its {all} numbers are the same.",
            count,
            all=thousands(count),
        )
    return ngettext(
        "The {all} number that both have is exactly the same.",
        "The {all} numbers that both have are exactly the same.",
        count,
        all=thousands(count),
    )


def _most(difference: Description, part: _Part) -> str:
    """The number that changes most; where it reads the same before and after, that alone."""
    at = largest_at(part.sizes)
    before, after = float(part.made.second[at]), float(part.made.first[at])
    goes, name = change(before, after, part.unit.written), _name(difference, part.begin + at)
    if part.unit.written(before) == part.unit.written(after):
        return _("{name} changes most, and {goes} ({what}).", name=name, goes=goes, what=part.made.title)
    words = {"name": name, "goes": goes, "apart": part.unit.apart(after, before), "what": part.made.title}
    level = int(alike(part.sizes, part.sizes[at]).sum()) - 1
    if not level:
        return _("{name} changes most: it {goes} ({apart}; {what}).", **words)
    return ngettext(
        "{name} changes most: it {goes} ({apart}; {what}); {count} other changes as much.",
        "{name} changes most: it {goes} ({apart}; {what}); {count} others change as much.",
        level,
        **words,
    )


def alike(sizes: Float[np.ndarray, " number"], size: float) -> Bool[np.ndarray, " number"]:
    """Which sizes count as equal to the largest one, by the rule of `anatomy.rounding`; not those that are NaN."""
    near, share = nearness(sizes)
    return sizes >= size - max(near, share * size)


def _name(difference: Description, i: int) -> str:
    """What a number belongs to, as a sentence quotes it, without what it is."""
    match difference:
        case Arcs(ribbons=ribbons, left=left, right=right):
            looking, looked = quoted(left[ribbons[i].looking]), quoted(right[ribbons[i].looked])
            return _("{looking}, looking at {looked},", looking=looking, looked=looked)
        case Grid(names=None):
            row, col = divmod(i, len(difference.cols))
            rows, cols = (difference.row_axis, difference.rows[row]), (difference.col_axis, difference.cols[col])
            return quoted(f"{_on(*rows)} × {_on(*cols)}")
        case Grid(names=names) if names is not None:
            return quoted(names[i])
        case Measures(labels=labels):
            return quoted(labels[i % len(labels)])
        case Components(axis=axis, strips=strips):
            return quoted(f"{axis} {i % len(strips[0].values)}")
        case Dots(x_axis=axis, x=x):
            return quoted(_on(axis, exact(float(x[i]))))
        case Curves(x_axis=axis, curves=curves):
            names = [curve.name for curve in curves for _x in curve.x]
            place = exact(float(np.concatenate([curve.x for curve in curves])[i]))
            return quoted(f"{names[i]}, {_ASIDE.sub('', axis)} {place}")
        case Scatter(points=points):
            return quoted(points[i % len(points)].label)
        case Bars(bars=bars, rows=rows):
            return quoted(_on(rows, bars[i].label).strip())
    axis = difference.x_axis if isinstance(difference, Lines) else ""
    name = difference.name(i).replace(axis, _ASIDE.sub("", axis)) if axis else difference.name(i)
    return name if quoted("")[0] in name else quoted(name)  # a name may quote its token itself


def _on(axis: str, label: str) -> str:
    """A label of an axis; a number alone with the axis that it counts, without what stands in brackets behind that."""
    axis = _ASIDE.sub("", axis)
    return f"{axis} {label}" if label.strip("+−-").isdigit() else label


def _how_many(part: _Part) -> str:
    """How many numbers change by more than a point, a tenth of a ratio, or a tenth of the largest change; "" where
    there is one."""
    every = int(part.there.sum())
    if every < 2:
        return ""
    least, words = _least(part)
    count = int((part.sizes > least).sum())
    return ngettext(
        "Of {every} numbers, {count} changes by more than {least}.",
        "Of {every} numbers, {count} change by more than {least}.",
        count,
        every=thousands(every),
        least=words,
    )


def _least(part: _Part) -> tuple[float, str]:
    """(change that is counted, the same in words)."""
    match part.unit:
        case _Shares(whole=whole):
            return _POINT * whole, _("1 percentage point")
        case _Ratios():
            return float(np.log10(_RATIO)), _("a factor of {ratio}", ratio=exact(_RATIO))
        case _:
            least = float(f"{_TENTH * part.sizes.max():.1g}")
            return least, number(least, 1)


def _says_marks(difference: Description) -> str:
    """What the marks on rows and columns of a grid mean, which has no sentence of its own beneath it; "" for none."""
    if not isinstance(difference, Grid):
        return ""
    lone = any(label.startswith(tuple(RUNS.marks.values())) for label in (*difference.rows, *difference.cols))
    return _(RUNS.marked, **RUNS.marks) if lone else ""


def _says_alone(difference: Description) -> str:
    """That rows, or cells of a grid, which one figure alone shows are left out; "" where a grid's marks say it, or
    where there are none."""
    if isinstance(difference, Grid):
        lone = not _says_marks(difference) and any(part.alone for part in _parts(difference))
    else:
        lone = any(label.startswith(tuple(RUNS.marks.values())) for label in _labels(difference))
    if not lone:
        return ""
    return _("What one of the two alone shows is left out of this: it may change more.")


def _labels(difference: Description) -> Iterator[str]:
    """What its rows, lines or points are called."""
    for name in ("bars", "points", "names", "labels"):
        for one in getattr(difference, name, ()):
            yield one if isinstance(one, str) else one.label


def _of_chips(difference: Chips) -> str:
    """How many tokens are in both, in one alone, or in the place of another."""
    counts = Counter(chip.tint for chip in difference.chips)
    if counts[0] == len(difference.chips):
        return ngettext("A and B have the same {count} token.", "A and B have the same {count} tokens.", counts[0])
    told = (
        _("{kind}: {count}", kind=name, count=thousands(counts[tint]))
        for tint, name in enumerate(difference.legend)
        if counts[tint]
    )
    return _("Tokens by where they are: {kinds}.", kinds=listed(told))


def _of_rows(difference: Ladder) -> str:
    """How many rows of blocks are the same."""
    marks = tuple(RUNS.marks.values())
    alone = sum(name.startswith(marks) for name in difference.names)
    if not alone:
        return _("The rows of A and B are the same.")
    return ngettext(
        "{count} row of blocks is the same in A and B.",
        "{count} rows of blocks are the same in A and B.",
        len(difference.names) - alone,
    )
