"""Numbers as a Markdown table."""

from collections.abc import Iterable, Sequence

Cell = str | int | float | None


def markdown(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Header and rows; numbers with three digits that count, an absent one as a dash."""
    lines = [columns, ["---"] * len(columns), *([written(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def written(cell: Cell) -> str:
    """One cell as the table prints it."""
    if cell is None:
        return "–"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        if cell == 0 or abs(cell) >= 1e-3:
            return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
        return f"{cell:.1e}"
    return cell.replace("|", "\\|")
