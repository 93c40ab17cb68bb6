"""A question to an engine, as frozen, hashable, JSON-able values."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, order=True)
class Want:
    """One array that a reader asks for: a row of `anatomy.sites.SITES` at one place.

    site   name of the site
    layer  which layer; None for a site that exists once per model
    stack  which stack of layers ("dec", "enc"); None means the model's only (or last) stack
    pos    None for every position; a number takes that position alone and drops the `pos` axis
    """

    site: str
    layer: int | None = None
    stack: str | None = None
    pos: int | None = None

    def __str__(self) -> str:
        places = ((name, getattr(self, name)) for name in ("stack", "layer", "pos"))
        inside = ", ".join(f"{name} {value}" for name, value in places if value is not None)
        return f"{self.site}[{inside}]" if inside else self.site

    def sort_key(self) -> tuple:
        """A total order, `None` first (plain tuples cannot compare None with a number)."""
        return (self.site, *(-1 if v is None else v for v in (self.layer, self.pos)), self.stack or "")


@dataclass(frozen=True)
class Run:
    """One forward pass: which model on which text. The cache key of everything downstream.

    model          "name@revision/dtype", as `ModelSpec.id` gives it
    text           what the reader typed, unchanged
    special_tokens True reads the likes of `<|im_end|>` in the text as special tokens; False, as on
                   the page, takes them for the plain characters they are
    """

    model: str
    text: str
    special_tokens: bool = False

    def on(self, text: str) -> "Run":
        """The same model on another text."""
        return replace(self, text=text)
