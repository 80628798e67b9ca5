"""Maps of numbers as colours."""

import torch
from torch import Tensor


def heat(values: Tensor, top: float) -> Tensor:
    """Colours from black over red and yellow to white, for numbers from 0 to `top`.

    Args:
        values: Numbers ``(n, height, width)``; those above `top` are white.
        top: The number that becomes white, above 0.

    Returns:
        Images ``(n, 3, height, width)`` in [-1, 1].
    """
    share = 3 * (values / top).clamp(0, 1)
    return torch.stack([(share - channel).clamp(0, 1) for channel in range(3)], dim=1) * 2 - 1
