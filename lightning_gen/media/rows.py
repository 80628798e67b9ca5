"""The labels of a preview of a conditional model: one class in each row."""

from collections.abc import Sequence

import torch
from torch import Tensor

ROWS = 10
"""The number of classes in a preview of a conditional model, if none are requested."""


def rows_of(classes: Sequence[int], count: int) -> tuple[Tensor, int]:
    """Labels of a preview with one class in each row.

    Args:
        classes: The classes from top to bottom.
        count: Number of samples; the last row may be shorter.

    Returns:
        The labels row by row, and the number of columns.
    """
    columns = -(-count // len(classes))
    return torch.tensor(classes).repeat_interleave(columns)[:count], columns
