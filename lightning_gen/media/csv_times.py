"""Columns of times in CSV files: where they do not go on in equal steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np

LARGEST = 1.5
"""A step of so many times the median one, or more, is a jump; clocks are not exact, and months are not equally long."""


@dataclass(frozen=True)
class Jumps:
    """The steps of a column of times that are longer than the others, or lead back.

    Attributes:
        first: The row that the first of them leads to, counted from 0.
        count: How many there are.
    """

    first: int
    count: int


def jumps_of(values: Sequence[str], numbers: bool) -> Jumps | None:
    """The jumps of a column; None if it has none, or holds no times.

    Args:
        values: The column. Times are those in ISO 8601, such as ``2024-03-01 00:10:00``.
        numbers: Whether numbers are times too, if they only rise.
    """
    times = _times(values, numbers)
    if times is None or len(times) < 3:
        return None
    steps = np.diff(times)
    jumps = np.flatnonzero((steps >= LARGEST * np.median(steps)) | (steps <= 0))
    return Jumps(int(jumps[0]) + 1, len(jumps)) if 0 < len(jumps) < len(steps) else None


def _times(values: Sequence[str], numbers: bool) -> np.ndarray | None:
    """Times in seconds, or numbers; None if one of them is neither."""
    try:
        found = np.array(values, dtype=np.float64)
    except ValueError:
        return _dates(values)
    return found if numbers and (np.diff(found) > 0).all() else None


def _dates(values: Sequence[str]) -> np.ndarray | None:
    """Times in ISO 8601, in seconds; None if one of the values is none. Those without a zone are all of one zone."""
    found = np.empty(len(values))
    for row, value in enumerate(values):
        try:
            time = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
        except ValueError:
            return None
        found[row] = (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()
    return found
