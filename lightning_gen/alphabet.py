"""The two signs that are no letters, and where a line of letters ends."""

import torch
from torch import Tensor

END, UNKNOWN = 0, 1
"""The first two channels of letters: the end of a line, which also fills what is left of it, and any other letter."""
SIGNS = 2
"""Number of signs that are no letters."""


def within_line(indices: Tensor) -> Tensor:
    """The places of letters before the first END, bool ``(n, length)``, of indices ``(n, length)``."""
    return (indices == END).cumsum(-1) == 0


def counted_places(indices: Tensor) -> Tensor:
    """The places up to and including the first END, bool ``(n, length)``: what a model has to say of each line."""
    ends = indices == END
    return (ends.cumsum(-1) - ends.to(torch.int64)) == 0


def one_hot(indices: Tensor, letters: int) -> Tensor:
    """One channel for each letter, bool ``(n, letters, length)``, of indices ``(n, length)``."""
    return indices[:, None] == torch.arange(letters, device=indices.device)[:, None]
