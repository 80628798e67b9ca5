"""One table of the measurements of a model and of its baselines."""

from collections.abc import Mapping
from dataclasses import dataclass, field

NOTHING = "–"


@dataclass(frozen=True)
class Comparison:
    """The layout of a table of measurements.

    A cell shows the measurement whose name is the row's prefix followed by the column's name, such as ``pca_mse``; it
    may be missing.

    Attributes:
        columns: Names of the columns, in the order in which they are shown.
        rows: Titles of the rows by their prefix, in the order in which they are shown; the model's prefix is "".
    """

    columns: tuple[str, ...] = ()
    rows: dict[str, str] = field(default_factory=dict)

    def __add__(self, other: "Comparison") -> "Comparison":
        columns = tuple(dict.fromkeys(self.columns + other.columns))
        return Comparison(columns, self.rows | other.rows)

    def names(self, column: str) -> list[str]:
        """The names of a column's measurements, the model's first."""
        return [f"{prefix}{column}" for prefix in sorted(self.rows, key=bool)]

    def to_text(self, values: Mapping[str, str], width: int) -> list[str]:
        """The lines of the table: aligned, with headings over several lines, without empty rows and columns.

        Args:
            values: Measurements by name, formatted.
            width: Columns of text; columns of the table that do not fit go into another block, after an empty line.
        """
        columns = [column for column in self.columns if any(name in values for name in self.names(column))]
        prefixes = [prefix for prefix in self.rows if any(f"{prefix}{column}" in values for column in columns)]
        blocks: list[list[str]] = []
        for column in columns:
            if not blocks or len(max(self._block([*blocks[-1], column], prefixes, values), key=len)) > width:
                blocks.append([])
            blocks[-1].append(column)
        lines = [line for block in blocks for line in ["", *self._block(block, prefixes, values)]]
        return lines[1:]

    def _block(self, columns: list[str], prefixes: list[str], values: Mapping[str, str]) -> list[str]:
        """The lines of some columns of the table."""
        headings = [column.split("_") for column in columns]
        height = max(len(words) for words in headings)
        padded = [[""] * (height - len(words)) + words for words in headings]
        cells = [[values.get(f"{prefix}{column}", NOTHING) for column in columns] for prefix in prefixes]
        lines = [["", *line] for line in zip(*padded, strict=True)]
        lines += [[self.rows[prefix], *row] for prefix, row in zip(prefixes, cells, strict=True)]
        return aligned(lines)


def aligned(rows: list[list[str]]) -> list[str]:
    """Lines of text from rows with equal numbers of cells: the first column is left-aligned, the others right-aligned.

    >>> aligned([["", "mse"], ["PCA", "0.015"]])
    ['       mse', 'PCA  0.015']
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(map(_padded, row, widths, range(len(row)))).rstrip() for row in rows]


def _padded(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column else cell.ljust(width)
