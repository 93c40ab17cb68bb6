"""A panel's own controls as plain values: each reads its setting from a link and falls back, never raises.

Each says in a sentence or two what changes on the figure when it moves, and what its ends mean: the page shows that as
the control's help.
"""

import math
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Choice:
    """One of a few named options. `name` is the key in the link; options are the slugs that stand there. opens: the
    one that is shown where the link names none; None for the first."""

    name: str
    label: str
    options: tuple[str, ...]
    labels: tuple[str, ...] = ()
    opens: str | None = None
    says: str = field(kw_only=True)

    @property
    def default(self) -> str:
        """The option of a link that names none."""
        return self.options[0] if self.opens is None else self.opens

    def opening(self, option: str) -> "Choice":
        """The same choice with this default."""
        return replace(self, opens=option)

    def read(self, text: str | None) -> str | None:
        """The option that the text names, or None."""
        return text if text in self.options else None

    def shown(self, option: str) -> str:
        """What the page prints for an option, through `_`."""
        return dict(zip(self.options, self.labels, strict=False)).get(option, option)


@dataclass(frozen=True)
class Place(Choice):
    """Where something lies, as whole numbers with dots between; "", its only option, where nobody has moved it. It is
    moved in the figure itself: no widget shows it."""

    count: int = 1
    says: str = field(default="", kw_only=True)

    def read(self, text: str | None) -> str | None:
        """The text where it names a place, or none; None else."""
        return text if text == "" or self.numbers(text or "") is not None else None

    def numbers(self, text: str) -> tuple[int, ...] | None:
        """The numbers of a place; None where the text is none."""
        parts = text.split(".")
        good = len(parts) == self.count and all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts)
        return tuple(map(int, parts)) if good else None

    def at(self, *numbers: int) -> str:
        """The place as it stands in a link."""
        return ".".join(map(str, numbers))


@dataclass(frozen=True)
class Switch:
    """On or off; `1` and `0` in the link."""

    name: str
    label: str
    default: bool = False
    says: str = field(kw_only=True)

    def read(self, text: str | None) -> bool | None:
        """On or off as the text says, or None."""
        return {"1": True, "0": False}.get(text or "")


@dataclass(frozen=True)
class Slider:
    """A number between low and high, in steps. powers: the number n stands for 2ⁿ, which is what the page prints.
    beyond: up to where a link may go; what is above `high` counts as that. None: `high` itself."""

    name: str
    label: str
    low: float
    high: float
    step: float
    default: float
    powers: bool = False
    beyond: float | None = None
    says: str = field(kw_only=True)

    def read(self, text: str | None) -> float | None:
        """The number that the text spells, or None where it is none that a link may have."""
        try:
            value = float(text or "")
        except ValueError:
            return None
        most = self.high if self.beyond is None else self.beyond
        return min(value, self.high) if math.isfinite(value) and self.low <= value <= most else None

    def up_to(self, high: float) -> "Slider":
        """The same slider where there is nothing above this number, for links that were made where there was."""
        most = self.high if self.beyond is None else self.beyond
        high = max(self.low, min(high, self.high))
        return replace(self, high=high, default=min(self.default, high), beyond=most)


Control = Choice | Switch | Slider


def written(value: str | bool | float) -> str:
    """A setting as it stands in a link."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return value if isinstance(value, str) else f"{value:g}"
