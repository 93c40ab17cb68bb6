"""Table: the numbers behind a figure as rows of plain values."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

Value = str | int | float | None


@dataclass(frozen=True)
class Table:
    """The numbers behind a figure: column names with units, rows of plain values.

    note  a sentence on what is not listed; None where everything is

    A row that does not have a value for each column raises ValueError.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    note: str | None = None

    @classmethod
    def of(cls, *columns: tuple[str, Iterable], note: str | None = None) -> "Table":
        """A table from its columns (name, values), their numbers as plain Python ones.

        ValueError where one column is longer than another.
        """
        plain = (values.tolist() if isinstance(values, np.ndarray) else values for _name, values in columns)
        return cls(tuple(name for name, _values in columns), tuple(zip(*plain, strict=True)), note)

    def narrowed(self, columns: int) -> "Table":
        """The same with its first columns alone."""
        return Table(self.columns[:columns], tuple(row[:columns] for row in self.rows), self.note)

    def __post_init__(self) -> None:
        odd = next((row for row in self.rows if len(row) != len(self.columns)), None)
        if odd is not None:
            raise ValueError(f"a row has {len(odd)} values, the table {len(self.columns)} columns")
