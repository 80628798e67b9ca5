"""Which classes stand where in a preview of a conditional model: one a row."""

from collections.abc import Sequence

import torch
from torch import Tensor

ROWS = 10
"""Classes in a preview of a conditional model, one a row, where none are asked for."""


def rows_of(classes: Sequence[int], count: int) -> tuple[Tensor, int]:
    """Labels of a preview with one row a class.

    Args:
        classes: The classes from top to bottom.
        count: Samples in it; the last row may be shorter.

    Returns:
        The labels row by row, and the number of columns.
    """
    columns = -(-count // len(classes))
    return torch.tensor(classes).repeat_interleave(columns)[:count], columns
