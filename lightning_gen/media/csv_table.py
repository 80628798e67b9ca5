"""Columns of numbers in CSV files with a header, as people's own programs write them."""

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lightning_gen.errors import InputError
from lightning_gen.media.csv_times import jumps_of
from lightning_gen.terminal import printable

DELIMITERS = ",;\t"
"""What may separate columns: the one that the header has most of."""
LISTED = 5
"""The number of columns that a message lists."""


@dataclass(frozen=True)
class Columns:
    """Columns of a table.

    Attributes:
        names: Their names.
        values: float64, ``(columns, rows)``.
        left_out: Names of columns that were not asked for and hold no numbers, such as dates.
        remarks: What is remarkable of the columns that are not read, such as a jump in time: sentences.
    """

    names: tuple[str, ...]
    values: np.ndarray
    left_out: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def read_columns(path: Path, names: Sequence[str] | None = None) -> Columns:
    """Read columns of numbers.

    Args:
        path: A file whose first line names the columns, separated by commas, semicolons or tabs; UTF-8.
        names: The columns, in their order; None for all whose first value is a number.

    Raises:
        InputError: The file is missing, empty or no text, a column is missing, or a value is no finite number; the
            sentence names its line.
    """
    header, rows, lines = _rows(path)
    chosen = _named(path, header, names) if names is not None else _numeric(path, header, rows[0])
    table = [_column(path, header[at], [row[at] for row in rows], lines) for at in chosen]
    known = tuple(header[at] for at in chosen)
    left = () if names is not None else tuple(name for name in header if name not in known)
    others = (at for at in range(len(header)) if at not in chosen)
    jumps = (_jump(header[at], [row[at] for row in rows], lines, numbers=at == 0) for at in others)
    return Columns(known, np.stack(table), left, tuple(filter(None, jumps)))


def columns_text(names: Sequence[str], values: np.ndarray) -> str:
    """The text of a CSV file of columns ``(columns, rows)``; a number is as short as its type allows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([str(value) for value in row] for row in values.T)
    return text.getvalue()


def _rows(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """The header, the rows that are not empty, and their lines."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8: save the table as CSV in UTF-8") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): name a CSV file") from error
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(DELIMITERS, key=first.count))
    try:
        header = [name.strip() for name in next(reader, [])]
        found = [(row, reader.line_num) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise InputError(f"{path} is no table ({error}): give a CSV file whose first line names its columns") from error
    if header and all(_number(name) is not None for name in header):
        raise InputError(f"the first line of {path} holds numbers, not names: add a first line that names the columns")
    if not header or not found:
        raise InputError(f"{path} holds no rows: give a CSV file with a line of names and lines of numbers")
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise InputError(f"{path} has several columns '{printable(twice[0])}': give each column a name of its own")
    for row, line in found:
        if len(row) != len(header):
            raise InputError(
                f"line {line} of {path} has {len(row)} columns and the first line names {len(header)}: repair the line"
            )
    return header, [row for row, _ in found], [line for _, line in found]


def _named(path: Path, header: list[str], names: Sequence[str]) -> list[int]:
    missing = [name for name in names if name not in header]
    if missing or not names:
        there = ", ".join(map(printable, header[:LISTED])) + (", ..." if len(header) > LISTED else "")
        raise InputError(
            f"{path} has no column '{', '.join(map(printable, missing))}': its columns are {there}, so name some of "
            "them, or rename those of the file"
        )
    return [header.index(name) for name in names]


def _numeric(path: Path, header: list[str], row: list[str]) -> list[int]:
    found = [at for at, value in enumerate(row) if _number(value) is not None]
    if not found:
        raise InputError(
            f"{path} has no column whose first value is a number: give a table of numbers, such as 1.5 and not 1,5"
        )
    return found


def _column(path: Path, name: str, values: list[str], lines: list[int]) -> np.ndarray:
    try:
        column = np.array(values, dtype=np.float64)
    except ValueError:
        column = np.array([math.nan if (found := _number(value)) is None else found for value in values])
    wrong = np.flatnonzero(~np.isfinite(column))
    if not len(wrong):
        return column
    value, more = values[wrong[0]].strip(), f", the first of {len(wrong):,} such lines" if len(wrong) > 1 else ""
    what = f"'{printable(value)}', no finite number," if value else "nothing"
    raise InputError(
        f"line {lines[wrong[0]]} of {path} has {what} in column '{printable(name)}'{more}: fill the gap, cut the file "
        "there, or leave the column out"
    )


def _jump(name: str, values: list[str], lines: list[int], numbers: bool) -> str | None:
    """A sentence on the jumps of a column of times; None if it has none, or holds no times."""
    jumps = jumps_of(values, numbers)
    if jumps is None:
        return None
    before, after = (printable(values[row].strip()) for row in (jumps.first - 1, jumps.first))
    more = f", the first of {jumps.count:,} jumps" if jumps.count > 1 else ""
    return (
        f"'{printable(name)}' jumps from {before} to {after} in line {lines[jumps.first]}{more}, and windows take all "
        "rows as equally far apart: fill in the rows between, or cut the file there"
    )


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
